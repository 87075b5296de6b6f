"""Metrics: how the service did in the window, and how good the predictions were, as labels tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_sdk.adapters.store import Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.evaluate import judge
from monitoring_sdk.measure import measure_metrics, measure_operations
from monitoring_sdk.report import Check, overall_status
from monitoring_sdk.stages.handle import Handle, baseline_for, baseline_of, open_predictions
from monitoring_sdk.stages.performance import GROUP_ROWS, Judged, join_labels
from monitoring_sdk.stages.quality import Quality
from monitoring_sdk.stages.scan import scan, served
from monitoring_sdk.window import Window

MOST_OVERDUE = 400
"""Windows that were never judged are looked for at most this far back."""


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
    """

    operations: tuple[Check, ...] = ()
    results: tuple[ResultRow, ...] = ()
    pending: tuple[Check, ...] = ()


def expected_within(config: MonitorConfig) -> timedelta:
    """How long after a window's end its rows may come; default: one more window."""
    within = config.window.expect_within
    return config.cadence.approximate if within is None else within


def late_check(config: MonitorConfig, window: Window, rows: int, as_of: datetime) -> Check:
    """Say whether a window's rows are overdue: a contract, not a statistic."""
    due = window.end + expected_within(config)
    late = rows == 0 and as_of >= due
    reason = None
    if rows == 0:
        reason = (
            f"no rows by {as_of:%Y-%m-%d %H:%M} UTC; they were expected by {due:%Y-%m-%d %H:%M}"
        )
    return Check(
        "operations",
        "data_late",
        window,
        "alert" if late else "no_data" if rows == 0 else "ok",
        value=float(late),
        threshold=0.5,
        threshold_from="contract",
        direction="above",
        exceeded=late,
        n=rows,
        reason=reason,
    )


def overdue_checks(handle: Handle, store: Store) -> list[Check]:
    """Look again at earlier windows without rows: are they overdue by now? Each is told once."""
    config = handle.config
    back = expected_within(config) + 3 * config.cadence.approximate
    rows = store.results(config.model, handle.window.start - back, handle.window.start, "data")
    told = {
        c.window for r in rows for c in r.checks if c.name == "data_late" and c.status == "alert"
    }
    checks = []
    for row in rows:
        if row.status == "no_data" and row.window not in told:
            count = open_predictions(config).count(row.window, config.columns.timestamp)
            checks.append(late_check(config, row.window, count, handle.as_of))
    return [check for check in checks if check.status == "alert"]


def operations_checks(handle: Handle) -> list[Check]:
    """Judge rows, latency, errors and staleness of the window."""
    config, reference = handle.config, baseline_of(handle).reference
    checks = [late_check(config, handle.window, handle.rows, handle.as_of)]
    if handle.rows:
        what, names = served(config, handle.window, scan(handle))
        checks += [
            judge(m, handle.window, reference=reference, thresholds=config.thresholds)
            for m in measure_operations(what, names)
        ]
    return checks


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
    data = store.results(config.model, start, window.end, "data")[-MOST_OVERDUE:]
    blocked = {r.window for r in data if any(c.status == "skipped" for c in r.checks)}
    found |= {r.window for r in data if r.window not in judged and r.rows}
    found.add(window)
    due = handle.as_of - config.labels.delay
    return sorted(w for w in found - blocked if w.end <= due)


def result_of(config: MonitorConfig, judged: Judged, as_of: datetime) -> ResultRow:
    """Judge the performance of one window against the baseline that is valid for it."""
    baseline = baseline_for(config, judged.window)
    checks = [
        judge(
            m,
            judged.window,
            reference=baseline.reference,
            thresholds=config.thresholds,
            coverage=judged.coverage,
        )
        for m in measure_metrics(judged.rows, config.task, config.metric_names)
    ]
    status, reason = overall_status(checks)
    if judged.due.state == "given_up":
        reason = judged.due.reason
        checks = [dataclasses.replace(c, reason=c.reason or reason) for c in checks]
    return ResultRow(
        model=config.model,
        window=judged.window,
        part="performance",
        baseline=baseline.version,
        settings=config.settings_hash(),
        fingerprint=judged.fingerprint,
        as_of=as_of,
        status=status,
        reason=reason,
        rows=judged.rows.n,
        checks=tuple(checks),
    )


def pending_checks(
    config: MonitorConfig, window: Window, reason: str, coverage: float | None = None
) -> tuple[Check, ...]:
    """Return the performance checks of a window that is not judged yet, with the reason."""
    return tuple(
        Check("performance", name, window, "insufficient", coverage=coverage, reason=reason)
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
    for group in _groups(windows, rows):
        yield from join_labels(config, group, as_of)


def compute_metrics(handle: Handle, quality: Quality, store: Store) -> Metrics:
    """Measure the service in this window, and performance wherever labels are due.

    Parameters
    ----------
    handle : Handle
    quality : Quality
        Where it blocks, nothing of this window is measured.
    store : Store
        Says which windows are not judged yet.
    """
    config = handle.config
    operations = [] if quality.blocked else operations_checks(handle)
    operations += overdue_checks(handle, store)
    if config.source.labels is None:
        return Metrics(tuple(operations))
    windows = candidates(handle, store)
    if quality.blocked:
        windows = [w for w in windows if w != handle.window]
    results: list[ResultRow] = []
    due = handle.window.end + config.labels.delay
    reason = quality.blocked or f"labels are due at {due:%Y-%m-%d %H:%M} UTC"
    pending: tuple[Check, ...] = pending_checks(config, handle.window, reason)
    for judged in judge_windows(config, windows, handle.as_of, handle.rows):
        own = judged.window == handle.window
        if judged.due.judged and (judged.coverage is not None or own):
            results.append(result_of(config, judged, handle.as_of))
            pending = () if own else pending
        elif own:
            pending = pending_checks(config, handle.window, judged.due.reason, judged.coverage)
    return Metrics(tuple(operations), tuple(results), pending)
