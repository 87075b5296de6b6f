"""Metrics: how the service did in the window, and how good the predictions were, as labels tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitoring_sdk.adapters.store import Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.errors import SourceError
from monitoring_sdk.label_stream import LabelCounts
from monitoring_sdk.report import Check
from monitoring_sdk.stages.concept import ConceptChain, with_diagnosis
from monitoring_sdk.stages.estimate import estimate_performance
from monitoring_sdk.stages.handle import Handle, baseline_of
from monitoring_sdk.stages.judged import judge_windows, pending_checks, result_of, standing
from monitoring_sdk.stages.operations import (
    LOOK_BACK,
    null_ids_check,
    operations_checks,
    overdue_checks,
    unjudged_performance,
)
from monitoring_sdk.stages.quality import Quality, blocking
from monitoring_sdk.window import Window


@dataclass(frozen=True)
class Metrics:
    """What was measured of service and performance.

    Attributes
    ----------
    operations : tuple of Check
        Of the window itself, and of earlier ones whose data is still not there.
    results : tuple of ResultRow
        The performance of every window whose labels are due, this one's among them or not.
    pending : tuple of Check
        Why this window's performance is not judged yet.
    estimates : tuple of Check
        What this window's performance will be, as far as can be told without labels.
    """

    operations: tuple[Check, ...] = ()
    results: tuple[ResultRow, ...] = ()
    pending: tuple[Check, ...] = ()
    estimates: tuple[Check, ...] = ()


def candidates(handle: Handle, store: Store) -> list[Window]:
    """Return the windows whose labels may have changed, or come due, since they were last judged.

    These are the windows for which labels are still awaited, those that were evaluated but never
    judged, and this one. Reference windows are not judged.
    """
    config, window = handle.config, handle.window
    start = baseline_of(handle).span.end
    oldest = handle.as_of - config.labels.deadline - 2 * config.cadence.approximate
    found = set(config.cadence.windows(max(start, min(oldest, window.start)), window.end))
    span = start, window.end
    judged = store.rows_of_windows(config.model, *span, "performance")
    looked_at = store.rows_of_windows(config.model, *span, limit=LOOK_BACK)
    found |= {w for w, rows in looked_at.items() if w not in judged and rows}
    found.add(window)
    due = handle.as_of - config.labels.delay
    wanted = sorted(w for w in found if w.end <= due)
    if not wanted:
        return []
    data = store.results(config.model, wanted[0].start, window.end, "data")
    blocked = {r.window for r in data if blocking(r.checks)}
    return [w for w in wanted if w not in blocked]


def compute_metrics(
    handle: Handle,
    quality: Quality,
    store: Store,
    estimates: tuple[Check, ...] | None = None,
    *,
    recompute: bool = False,
) -> Metrics:
    """Measure the service in this window, and performance wherever labels are due.

    Parameters
    ----------
    handle : Handle
    quality : Quality
        Where it blocks, nothing of this window is measured.
    store : Store
        Says which windows are not judged yet.
    estimates : tuple of Check, optional
        Where performance was estimated before.
    recompute : bool
        Judge a window again even if its labels are as they were.
    """
    config = handle.config
    operations = [] if quality.blocked else operations_checks(handle, store)
    operations += overdue_checks(handle, store)
    if estimates is None:
        estimates = estimate_performance(handle, quality)
    if config.source.labels is None:
        return Metrics(tuple(operations), estimates=estimates)
    windows = candidates(handle, store)
    if quality.blocked:
        windows = [w for w in windows if w != handle.window]
    due = handle.window.end + config.labels.delay
    reason = quality.blocked or f"labels are due at {due:%Y-%m-%d %H:%M} UTC"
    found = _judge_all(handle, windows, store, estimates, reason, recompute)
    if found.fault is not None:
        operations.append(unjudged_performance(handle, found.fault))
    if handle.rows and not quality.blocked:
        null_ids = null_ids_check(handle, found.counts)
        operations += [null_ids] if null_ids is not None else []
    results = (*found.known, *_diagnosed(config, found.results, store))
    return Metrics(tuple(operations), results, found.pending, estimates)


@dataclass
class _Performance:
    """What came of the windows whose labels may be due; `fault` says why nothing did.

    `known` are verdicts that stand: nothing was computed again.
    """

    pending: tuple[Check, ...]
    known: list[ResultRow] = field(default_factory=list)
    results: list[ResultRow] = field(default_factory=list)
    counts: LabelCounts | None = None
    fault: str | None = None


def _judge_all(
    handle: Handle,
    windows: Sequence[Window],
    store: Store,
    estimates: Sequence[Check],
    reason: str,
    recompute: bool,
) -> _Performance:
    config, window, as_of = handle.config, handle.window, handle.as_of
    out = _Performance(pending_checks(config, window, reason))
    if not windows:
        return out
    late: dict[Window, str] = {}
    concept = ConceptChain(config, store, windows[0], estimates)
    try:
        for judged in judge_windows(config, windows, as_of, handle.rows):
            own, out.counts = judged.window == window, judged.counts
            if judged.due.judged and (judged.coverage is not None or own):
                row = None if recompute else standing(config, judged, as_of, concept)
                if row is None:
                    out.results.append(result_of(config, judged, as_of, concept))
                else:
                    out.known.append(row)
                out.pending = () if own else out.pending
            elif own:
                out.pending = pending_checks(config, window, judged.due.reason, judged.coverage)
            elif not judged.due.judged:
                late[judged.window] = judged.due.reason
    except SourceError as error:
        # What the rows tell without labels holds; performance is judged at a later look.
        return _Performance(
            pending_checks(config, window, str(error), status="error"), fault=f"{error}"
        )
    out.pending = tuple(_after(check, late) for check in out.pending)
    return out


def _after(check: Check, late: Mapping[Window, str]) -> Check:
    """Say of a window that waits for its labels that earlier ones do so too, and overlong."""
    if not late:
        return check
    newest = max(late)
    more = f"{len(late)} earlier window{'s' if len(late) > 1 else ''} overdue: {late[newest]}"
    return dataclasses.replace(check, reason=f"{check.reason}; {more}")


def _diagnosed(
    config: MonitorConfig, results: Sequence[ResultRow], store: Store
) -> tuple[ResultRow, ...]:
    """Diagnose the newest window whose performance fell, once, and unless an incident says so."""
    known = {c for i in store.incidents(config.model) if i.closed is None for c in i.families}
    fell = [row for row in results if any(c.exceeded and c.version is None for c in row.checks)]
    if not fell or "performance" in known or store.find(fell[-1]) is not None:
        return tuple(results)
    return tuple(with_diagnosis(config, row) if row is fell[-1] else row for row in results)
