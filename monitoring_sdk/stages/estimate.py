"""Estimated performance: what a window's metrics will be, before its labels are known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from monitoring_sdk.adapters.samples import read_estimates, write_estimates
from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.baseline import Baseline, collect_reference
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import SourceError
from monitoring_sdk.estimation.calibration import Calibrator
from monitoring_sdk.estimation.cbpe import calibrated_for
from monitoring_sdk.estimation.rows import Reference, Rows
from monitoring_sdk.estimation.series import reference_estimates
from monitoring_sdk.estimation.table import estimable, estimate
from monitoring_sdk.evaluate import judge
from monitoring_sdk.measure import (
    METRIC_FLOOR,
    RAW_UNITS,
    RELATIVE_METRIC_FLOOR,
    Measurement,
    least_of,
)
from monitoring_sdk.metrics.table import find_metric
from monitoring_sdk.profile.levels import canonical_level
from monitoring_sdk.profile.segments import level_codes
from monitoring_sdk.report import Check, Status
from monitoring_sdk.stages.fitting import span_rows
from monitoring_sdk.stages.handle import Handle, baseline_of, open_predictions
from monitoring_sdk.stages.kept_rows import TABLE_ROWS
from monitoring_sdk.stages.quality import Quality
from monitoring_sdk.stages.reference_rows import reference_rows, rows_of
from monitoring_sdk.stages.scan import scan, slicing_of
from monitoring_sdk.value import Value
from monitoring_sdk.window import Window

MOST_KEPT = 512
"""Calibrators are small; a backfill revises its windows at the end and needs them again."""

_calibrators: dict[tuple[str, str, str], tuple[Reference, Calibrator | None]] = {}
_series: dict[tuple[str, str, str], Mapping[str, ReferenceSeries]] = {}


def estimate_performance(handle: Handle, quality: Quality) -> tuple[Check, ...]:
    """Estimate the metrics of a window that the monitor file asks for.

    The first estimator is judged, beside how it does on the baseline's own windows; the others
    stand beside it as `metric@estimator` and never page.
    """
    config, window = handle.config, handle.window
    if not config.estimators or handle.rows == 0 or quality.blocked:
        return ()
    baseline = baseline_of(handle)
    found = reference_rows(config, baseline)
    if isinstance(found, str):
        return _skipped(config, window, found)
    table = scan(handle).rows
    if table is None:
        return _skipped(config, window, "no rows were sampled")
    try:
        rows = rows_of(config, judged_rows(config, table), found.coder, found.classes)
        return tuple(_checks(config, baseline, window, found, rows))
    except SourceError as error:
        return _skipped(config, window, str(error), "error")
    except ImportError as error:
        return _skipped(config, window, str(error))


def judged_rows(config: MonitorConfig, table: pa.Table) -> pa.Table:
    """Keep the rows that metrics speak of: that can get a label, and the champion's."""
    version, eligible = slicing_of(config), config.labels.eligible
    wanted = [] if version.version is None else [(version.version, [str(version.champion)])]
    if eligible is not None:
        wanted.append((eligible.column, [canonical_level(v) for v in eligible.values]))
    for column, levels in wanted:
        if column in table.column_names:
            codes = level_codes(table.column(column), levels, column)
            table = table.filter(pa.array(codes < len(levels)))
    return table


def estimated_names(config: MonitorConfig, method: str) -> tuple[str, ...]:
    """Return the metrics of a monitor that an estimator knows."""
    known = estimable(method, config.task)
    return tuple(name for name in config.metric_names if name in known)


def calibrator_for(
    config: MonitorConfig, window: Window, baseline: Baseline, reference: Reference
) -> Calibrator | None:
    """Return what a window's scores are calibrated by, reading its features again if need be."""
    key = (config.model, str(window), baseline.version)
    known = _calibrators.get(key)
    if (known is None or known[0] is not reference) and reference.rows.score is not None:
        at, source = config.columns.timestamp, open_predictions(config)
        there = set(source.schema(window, at).names)
        names = [c for c in _read_for(config, reference) if c in there]
        # The rows that a pass over the window samples.
        table = span_rows(config, source, window, names, TABLE_ROWS)
        rows = rows_of(config, judged_rows(config, table), reference.coder, reference.classes)
        _calibrate(config, baseline, window, reference, rows)
    known = _calibrators.get(key)
    return None if known is None or known[0] is not reference else known[1]


def kept_calibrator(handle: Handle) -> Calibrator | None:
    """Return what a window's scores were calibrated by when it was looked at, if they were."""
    known = _calibrators.get((handle.config.model, str(handle.window), handle.baseline))
    return None if known is None else known[1]


def keep_calibrator(handle: Handle, calibrator: Calibrator) -> None:
    """Keep what another process calibrated a window's scores by."""
    found = reference_rows(handle.config, baseline_of(handle))
    if not isinstance(found, str):
        _keep(handle.config, handle.window, handle.baseline, found, calibrator)


def forget_calibrators() -> None:
    """Let go of what scores of the last windows were calibrated by."""
    _calibrators.clear()


def _read_for(config: MonitorConfig, reference: Reference) -> list[str]:
    columns, eligible = config.columns, config.labels.eligible
    named = [columns.prediction, *columns.scores, columns.weight, columns.model_version]
    wanted = [*named, eligible.column if eligible else None, *reference.coder.names]
    return list(dict.fromkeys(c for c in wanted if c is not None))


def _skipped(
    config: MonitorConfig, window: Window, reason: str, status: Status = "skipped"
) -> tuple[Check, ...]:
    names = estimated_names(config, config.estimators[0])
    return tuple(Check("estimate", name, window, status, reason=reason) for name in names)


def _checks(
    config: MonitorConfig, baseline: Baseline, window: Window, reference: Reference, rows: Rows
) -> Iterator[Check]:
    first, *others = config.estimators
    names = estimated_names(config, first)
    if first == "weighted_cbpe":
        _calibrate(config, baseline, window, reference, rows)
    series = reference_series(config, baseline, reference)
    for name, found in estimate(first, reference, rows, names).items():
        m = _measurement(config, name, found.value)
        yield judge(m, window, reference=series, thresholds={})
    for method in others:
        each = estimate(method, reference, rows, estimated_names(config, method))
        for name, found in each.items():
            yield _beside(window, f"{name}@{method}", found.value)


def _calibrate(
    config: MonitorConfig, baseline: Baseline, window: Window, reference: Reference, rows: Rows
) -> None:
    found = calibrated_for(reference, rows)[0]
    _keep(config, window, baseline.version, reference, found)


def _keep(
    config: MonitorConfig,
    window: Window,
    version: str,
    reference: Reference,
    calibrator: Calibrator | None,
) -> None:
    while len(_calibrators) >= MOST_KEPT:
        del _calibrators[next(iter(_calibrators))]
    _calibrators[config.model, str(window), version] = reference, calibrator


def _measurement(config: MonitorConfig, name: str, value: Value) -> Measurement:
    raw = name.partition("@")[0] in RAW_UNITS
    return Measurement(
        "estimate",
        name,
        value,
        "below" if find_metric(name, config.task).better == "higher" else "above",
        floor=0.0 if raw else METRIC_FLOOR,
        relative_floor=RELATIVE_METRIC_FLOOR if raw else 0.0,
        least=least_of(name, find_metric(name, config.task).better),
    )


def _beside(window: Window, name: str, value: Value) -> Check:
    """Write a cross-check down: shown, never judged."""
    return Check(
        family="estimate",
        name=name,
        window=window,
        status="ok" if value.defined else "undefined",
        value=value.value,
        interval=value.interval,
        severity="warning",
        n=value.n,
        reason=value.reason,
    )


def reference_series(
    config: MonitorConfig, baseline: Baseline, reference: Reference
) -> Mapping[str, ReferenceSeries]:
    """Return the first estimator's values over the baseline's own windows, by check key.

    They are computed once and kept beside the sample.
    """
    method = config.estimators[0]
    names = estimated_names(config, method)
    asked = json.dumps([method, *names, config.settings_hash(), reference.n])
    keys = [_measurement(config, name, Value.undefined("-")).key for name in names]
    if baseline.settings == config.settings_hash() and set(keys) <= set(baseline.reference):
        return {key: baseline.reference[key] for key in keys}
    key = (config.model, f"{baseline.version} {baseline.created.isoformat()}", asked)
    if key not in _series:
        kept = read_estimates(config.model, baseline.version, asked)
        if kept is None:
            kept = _measured_series(config, reference)
            write_estimates(config.model, baseline.version, asked, kept)
        _series.clear()
        _series[key] = {
            k: ReferenceSeries(tuple(s["values"]), tuple(s["n"])) for k, s in kept.items()
        }
    return _series[key]


def estimates_of_windows(
    config: MonitorConfig, reference: Reference
) -> dict[int, list[Measurement]]:
    """Return what the first estimator makes of each of the baseline's own windows, by number."""
    method = config.estimators[0]
    found = reference_estimates(method, reference, estimated_names(config, method))
    return {
        block: [_measurement(config, name, value) for name, value in each.items()]
        for block, each in found.items()
    }


def _measured_series(config: MonitorConfig, reference: Reference) -> dict[str, Any]:
    by_block = estimates_of_windows(config, reference)
    found = collect_reference([by_block[block] for block in sorted(by_block)])
    return {key: {"values": list(s.values), "n": list(s.n)} for key, s in found.items()}
