"""Operations: rows that are late or missing, and how the service did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from monitoring_sdk.adapters.store import Store
from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.evaluate import judge, rules_for
from monitoring_sdk.label_keys import IdKeys
from monitoring_sdk.label_stream import LabelCounts
from monitoring_sdk.measure import measure_operations
from monitoring_sdk.metrics.operations import Served
from monitoring_sdk.profile.segments import level_codes
from monitoring_sdk.report import Check
from monitoring_sdk.stages.handle import Handle, baseline_of, open_predictions
from monitoring_sdk.stages.reference import series_for
from monitoring_sdk.stages.scan import Pass, scan, served
from monitoring_sdk.stages.watching import phases_of
from monitoring_sdk.window import Window

LOOK_BACK = 400
"""Windows that were never evaluated, or never judged, are looked for at most this far back."""


ROWS = "operations/rows"
_FEWEST_OF_PHASE = 3


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


def missing_before(handle: Handle, store: Store) -> tuple[list[Window], int]:
    """Return the windows right before this one that had no rows or were never evaluated.

    Returns
    -------
    tuple of list of Window and int
        The windows in a row, and how many of them were evaluated and had no rows. What lies
        before the first window that was ever evaluated is not missing.
    """
    config, window = handle.config, handle.window
    oldest = window.start - LOOK_BACK * config.cadence.approximate
    looked_at = store.rows_of_windows(config.model, oldest, window.start)
    served = [w.end for w, rows in looked_at.items() if rows]
    if not looked_at:
        return [], 0
    start = max(served) if served else min(w.start for w in looked_at)
    missing = list(config.cadence.windows(start, window.start))
    empty = {w for w, rows in looked_at.items() if not rows}
    return missing, sum(w in empty for w in missing)


def longest_gap(series: ReferenceSeries | None) -> int:
    """Return how many reference windows in a row had no rows: weekends are no outage.

    Examples
    --------
    >>> longest_gap(ReferenceSeries((9.0, 0.0, 0.0, 9.0, 0.0), (9, 0, 0, 9, 0)))
    2
    """
    longest = run = 0
    for n in series.n if series is not None else ():
        run = 0 if n else run + 1
        longest = max(longest, run)
    return longest


def in_season(series: ReferenceSeries, phases: Sequence[int], phase: int) -> ReferenceSeries:
    """Return counts of rows as they would have been in windows of one phase.

    Beside quiet weekends half of a Monday's rows would be nothing unusual: each count is multiplied
    by the mean of the phase over the mean of its own, and moved away from it as far as a new
    window lies from a mean that does not know of it. As they are, where a phase has too few windows
    or none with rows, or where phases explain less than half of the variance.

    Parameters
    ----------
    series : ReferenceSeries
    phases : sequence of int
        Of each reference window.
    phase : int

    Examples
    --------
    >>> counts = ReferenceSeries((90.0, 30.0, 100.0, 33.0, 110.0, 36.0), (1,) * 6)
    >>> [round(v) for v in in_season(counts, [0, 1] * 3, 1).values]
    [28, 29, 33, 33, 38, 37]
    """
    known = [(v, p) for v, p in zip(series.values, phases, strict=True) if v is not None]
    values, own = np.array([v for v, _ in known]), np.array([p for _, p in known])
    names, at = np.unique(own, return_inverse=True)
    count = np.bincount(at)
    if phase not in names or count.min() < _FEWEST_OF_PHASE or len(names) < 2:
        return series
    mean = np.bincount(at, weights=values) / count
    within = ((values - mean[at]) ** 2).sum() / (len(values) - len(names))
    if mean.min() <= 0 or within > values.var(ddof=1) / 2:
        return series
    here = float(mean[names == phase][0])
    wider = np.sqrt((count + 1) / (count - 1))
    shift = dict(zip(names.tolist(), zip(mean, wider, strict=True), strict=True))
    moved = (
        None if v is None else here * (1 + (v / shift[p][0] - 1) * float(shift[p][1]))
        for v, p in zip(series.values, phases, strict=True)
    )
    return ReferenceSeries(tuple(moved), series.n)


def missing_check(handle: Handle, store: Store) -> Check:
    """Count the windows missing right before this one: an outage shows when it is over.

    One may come late; two in a row, and more than the reference has, are an alert. They are told
    by the first window with rows after them.
    """
    config = handle.config
    missing, empty = missing_before(handle, store)
    what = Served(handle.rows, handle.window.end, missing=len(missing))
    (m,) = measure_operations(what, ["missing_windows"])
    reference = baseline_of(handle).reference
    if rules_for(config.thresholds, m.name, None):
        return judge(m, handle.window, reference=reference, thresholds=config.thresholds)
    usual = max(1, longest_gap(reference.get(ROWS)))
    outage = len(missing) > usual
    reason = None
    if missing:
        count = f"{len(missing)} window{'s' if len(missing) > 1 else ''}"
        reason = (
            f"{count} missing before this one, since {missing[0].start:%Y-%m-%d %H:%M} UTC: "
            f"{empty} without rows, {len(missing) - empty} never evaluated"
        )
    return Check(
        "operations",
        m.name,
        handle.window,
        "alert" if outage else "ok",
        value=m.value.value,
        threshold=float(usual),
        threshold_from="contract",
        direction="above",
        exceeded=outage,
        reason=reason,
    )


def null_ids_check(handle: Handle, counts: LabelCounts | None = None) -> Check | None:
    """Say how many predictions, or label rows, have no id: they can never join.

    Parameters
    ----------
    counts : LabelCounts, optional
        What was found of the label table at this step.
    """
    config, found = handle.config, scan(handle).ids
    names = [c for c in config.columns.id if c in found]
    if config.source.labels is None or not names:
        return None
    codes = IdKeys(pa.table({c: found[c] for c in names}), names).codes
    null, total = int(np.count_nonzero(codes < 0)), len(codes)
    shares, said = [null / total if total else 0.0], []
    if null:
        said.append(f"{null} of {total} predictions have no id and never get a label")
    if counts is not None and counts.label_rows:
        shares.append((counts.null_ids + counts.undated) / counts.label_rows)
        said += counts.lost
    return Check(
        "quality",
        "null_ids",
        handle.window,
        "alert" if said else "ok",
        value=max(shares),
        threshold=0.0,
        threshold_from="contract",
        direction="above",
        exceeded=bool(said),
        severity="warning",
        n=total,
        reason="; ".join(said) or None,
    )


def unjudged_performance(handle: Handle, reason: str) -> Check:
    """Say that performance cannot be judged, for want of labels, ids or scores that can be read."""
    return Check(
        "quality",
        "performance_inputs",
        handle.window,
        "alert",
        threshold_from="contract",
        exceeded=True,
        n=handle.rows,
        reason=reason,
    )


def operations_checks(handle: Handle, store: Store) -> list[Check]:
    """Judge rows, latency, errors and staleness of the window."""
    config = handle.config
    baseline = baseline_of(handle)
    reference = dict(series_for(baseline, handle.window))
    checks = [late_check(config, handle.window, handle.rows, handle.as_of)]
    if not handle.rows:
        return checks
    found, rows = scan(handle), reference.get(ROWS)
    phases = phases_of(config, [*baseline.windows, handle.window])
    if rows is not None and phases is not None and len(rows.values) == len(baseline.windows):
        reference[ROWS] = in_season(rows, phases[:-1], phases[-1])
    checks.append(missing_check(handle, store))
    checks += [
        judge(m, handle.window, reference=reference, thresholds=config.thresholds)
        for m in measure_operations(*served(config, handle.window, found))
    ]
    return checks + shadow_checks(handle, found)


def shadow_checks(handle: Handle, found: Pass) -> list[Check]:
    """Show the rows and the errors of each shadow version; no limit, for its share may grow."""
    declared, columns = handle.config.versions, handle.config.columns
    version = columns.model_version
    if declared is None or version is None or version not in found.whole:
        return []
    codes = level_codes(found.whole[version], declared.shadow, version)
    checks = []
    for place, name in enumerate(declared.shadow):
        own = codes == place
        error = found.whole.get(columns.error or "")
        what = Served(
            int(np.count_nonzero(own)),
            handle.window.end,
            error=None if error is None else error.filter(pa.array(own)),
        )
        names = ["rows", *(["error_rate"] if error is not None and own.any() else [])]
        for m in measure_operations(what, names):
            checks.append(
                Check(
                    m.family,
                    m.name,
                    handle.window,
                    "ok",
                    version=name,
                    value=m.value.value,
                    n=m.value.n,
                    reason=m.value.reason,
                )
            )
    return checks
