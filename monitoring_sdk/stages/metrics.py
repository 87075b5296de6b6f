"""Metrics: how the service did in the window, and how good the predictions were, as labels tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring_sdk.adapters.store import Store
from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.errors import SourceError
from monitoring_sdk.evaluate import MIN_ROWS, judge
from monitoring_sdk.label_stream import LabelCounts
from monitoring_sdk.measure import measure_metrics, metrics_for
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.probabilistic import reliability_curve
from monitoring_sdk.metrics.rows import LabelledRows
from monitoring_sdk.profile.segments import Segmentation
from monitoring_sdk.report import Check, Status, overall_status
from monitoring_sdk.stages.concept import ConceptChain, with_diagnosis
from monitoring_sdk.stages.estimate import estimate_performance
from monitoring_sdk.stages.handle import Handle, baseline_for, baseline_of
from monitoring_sdk.stages.label_age import (
    age_text,
    between_ages,
    known_ages,
    reached_age,
    series_at,
)
from monitoring_sdk.stages.operations import (
    LOOK_BACK,
    null_ids_check,
    operations_checks,
    overdue_checks,
    unjudged_performance,
)
from monitoring_sdk.stages.performance import GROUP_ROWS, Judged, JudgedSlice, join_labels
from monitoring_sdk.stages.quality import Quality, blocking
from monitoring_sdk.stages.reference import series_for
from monitoring_sdk.stages.scan import declared_segmentations
from monitoring_sdk.window import Window

OF_SCORES = ("log_loss", "brier", "ece", "roc_auc")


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
    judged = {r.window for r in store.results(config.model, start, window.end, "performance")}
    data = store.results(config.model, start, window.end, "data")[-LOOK_BACK:]
    blocked = {r.window for r in data if blocking(r.checks)}
    found |= {r.window for r in data if r.window not in judged and r.rows}
    found.add(window)
    due = handle.as_of - config.labels.delay
    return sorted(w for w in found - blocked if w.end <= due)


def result_of(
    config: MonitorConfig, judged: Judged, as_of: datetime, concept: ConceptChain
) -> ResultRow:
    """Judge the performance of one window against the baseline that is valid for it."""
    baseline = baseline_for(config, judged.window)
    reference, age = series_for(baseline, judged.window), as_of - judged.window.end
    main = JudgedSlice(judged.rows, judged.coverage)
    tests = max(1, sum(part.segment is not None for part in judged.slices))
    ages = known_ages(reference)
    checks = [
        _with_note(check, judged)
        for part in (main, *judged.slices)
        for check in _checks_of(config, judged.window, part, reference, age, ages, tests)
    ]
    beside = (*concept.checks(judged, baseline), *concept.gaps(judged.window, checks))
    checks += [_with_note(check, judged) for check in beside]
    checks = _with_curve(checks, judged.rows)
    status, reason = overall_status(checks)
    if judged.due.state == "given_up":
        reason = judged.due.reason
        checks = [dataclasses.replace(c, reason=c.reason or reason) for c in checks]
    reached = reached_age(ages, age, config.labels.deadline)
    return ResultRow(
        model=config.model,
        window=judged.window,
        part="performance",
        baseline=baseline.version,
        settings=config.settings_hash(),
        # At another label age the same labels are held against other values.
        fingerprint=judged.fingerprint + (f"-{age_text(reached)}" if reached else ""),
        as_of=as_of,
        status=status,
        reason=reason,
        rows=judged.rows.n,
        checks=tuple(checks),
    )


def _checks_of(
    config: MonitorConfig,
    window: Window,
    part: JudgedSlice,
    reference: Mapping[str, ReferenceSeries],
    age: timedelta,
    ages: Collection[timedelta],
    tests: int,
) -> Iterator[Check]:
    """Judge the metrics of the main rows or of a slice, against values of the same label age."""
    whole = part.segment is None and part.version is None
    if not whole and part.rows.n < MIN_ROWS:
        for name in metrics_for(config.task, config.metric_names, part.rows):
            yield Check(
                "performance",
                name,
                window,
                "insufficient",
                segment=part.segment,
                version=part.version,
                n=part.rows.n,
                coverage=part.coverage,
                reason=f"{part.rows.n} labelled rows, {MIN_ROWS} needed",
            )
        return
    for m in measure_metrics(
        part.rows, config.task, config.metric_names, part.segment, part.version
    ):
        known = series_at(reference, m, age, config.labels.deadline, ages)
        yield between_ages(
            [
                judge(
                    m,
                    window,
                    reference=series,
                    thresholds=config.thresholds,
                    coverage=part.coverage,
                    tests=1 if part.segment is None else tests,
                )
                for series in ([{m.key: s} for s in known] or [{}])
            ]
        )


def _with_curve(checks: Sequence[Check], rows: LabelledRows) -> list[Check]:
    """Keep the reliability curve of binary scores beside the first metric of their quality."""
    bins = reliability_curve(rows) if isinstance(rows, Labelled) else ()
    at = next((i for i, c in enumerate(checks) if bins and c.name in OF_SCORES), None)
    if at is None:
        return list(checks)
    curve = [[b.n, b.mean_score, b.share, *b.interval] for b in bins]
    kept = dataclasses.replace(checks[at], state={"reliability": curve})
    return [*checks[:at], kept, *checks[at + 1 :]]


def _with_note(check: Check, judged: Judged) -> Check:
    if judged.note is None or check.segment or check.version:
        return check
    reason = judged.note if check.reason is None else f"{check.reason}; {judged.note}"
    return dataclasses.replace(check, reason=reason)


def pending_checks(
    config: MonitorConfig,
    window: Window,
    reason: str,
    coverage: float | None = None,
    status: Status = "insufficient",
) -> tuple[Check, ...]:
    """Return the performance checks of a window that is not judged yet, with the reason."""
    return tuple(
        Check("performance", name, window, status, coverage=coverage, reason=reason)
        for name in config.metric_names
    )


def _groups(windows: Sequence[Window], rows: int) -> Iterator[Sequence[Window]]:
    """Cut windows into runs whose rows are read together."""
    size = max(1, GROUP_ROWS // max(rows, 1))
    for i in range(0, len(windows), size):
        yield windows[i : i + size]


def judge_windows(
    config: MonitorConfig, windows: Sequence[Window], as_of: datetime, rows: int
) -> Iterator[Judged]:
    """Join the labels known as of a moment to the rows of some windows."""

    def segmentations(window: Window) -> Sequence[Segmentation]:
        return declared_segmentations(config, baseline_for(config, window))

    for group in _groups(windows, rows):
        yield from join_labels(config, group, as_of, segmentations)


def compute_metrics(
    handle: Handle,
    quality: Quality,
    store: Store,
    estimates: tuple[Check, ...] | None = None,
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
    found = _judge_all(handle, windows, ConceptChain(config, store, estimates), reason)
    if found.fault is not None:
        operations.append(unjudged_performance(handle, found.fault))
    if handle.rows and not quality.blocked:
        null_ids = null_ids_check(handle, found.counts)
        operations += [null_ids] if null_ids is not None else []
    results = _diagnosed(config, found.results, store)
    return Metrics(tuple(operations), results, found.pending, estimates)


@dataclass
class _Performance:
    """What came of the windows whose labels may be due; `fault` says why nothing did."""

    pending: tuple[Check, ...]
    results: list[ResultRow] = field(default_factory=list)
    counts: LabelCounts | None = None
    fault: str | None = None


def _judge_all(
    handle: Handle, windows: Sequence[Window], concept: ConceptChain, reason: str
) -> _Performance:
    config, window = handle.config, handle.window
    out = _Performance(pending_checks(config, window, reason))
    late: dict[Window, str] = {}
    try:
        for judged in judge_windows(config, windows, handle.as_of, handle.rows):
            own, out.counts = judged.window == window, judged.counts
            if judged.due.judged and (judged.coverage is not None or own):
                out.results.append(result_of(config, judged, handle.as_of, concept))
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


def awaited(config: MonitorConfig, windows: Sequence[Window], as_of: datetime) -> dict[Window, str]:
    """Say what the labels wait for of those windows that cannot be judged as of a moment."""
    found = judge_windows(config, windows, as_of, 0)
    return {judged.window: judged.due.reason for judged in found if not judged.due.judged}


def _diagnosed(
    config: MonitorConfig, results: Sequence[ResultRow], store: Store
) -> tuple[ResultRow, ...]:
    """Diagnose the newest window whose performance fell, once, and unless an incident says so."""
    known = {c for i in store.incidents(config.model) if i.closed is None for c in i.families}
    fell = [row for row in results if any(c.exceeded and c.version is None for c in row.checks)]
    if not fell or "performance" in known or store.find(fell[-1]) is not None:
        return tuple(results)
    return tuple(with_diagnosis(config, row) if row is fell[-1] else row for row in results)
