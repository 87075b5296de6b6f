"""What a serving process can say of the rows that it logged: metrics, drift, a report, all pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from monitoring_sdk.adapters.logged_rows import LATENCY, PREDICTION, TIMESTAMP, one_column
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.drift.methods import drift
from monitoring_sdk.errors import BaselineError, ConfigError, MonitoringError, explain
from monitoring_sdk.evaluate import judge
from monitoring_sdk.measure import Layout, Measurement, measure_columns, measure_metrics
from monitoring_sdk.metrics.operations import OPERATIONS, Served, operation
from monitoring_sdk.metrics.rows import LabelledRows
from monitoring_sdk.metrics.table import METRICS, find_metric, metric_names
from monitoring_sdk.profile.categorical import profile_categorical
from monitoring_sdk.profile.grid import CategoricalGrid, Grid, NumericGrid
from monitoring_sdk.profile.numeric import profile_numeric
from monitoring_sdk.profile.profile import profile_batches
from monitoring_sdk.references import limits_beside_the_whole
from monitoring_sdk.report import Check, Report, overall_status
from monitoring_sdk.value import Value
from monitoring_sdk.window import Window

DRIFT_OF = {"categorical": "total_variation", "numeric": "ks"}
"""A distance between 0 and 1 for either kind of column."""

_HISTORY = ("key", "window_start", "window_end", "value", "threshold", "exceeded", "status", "n")


def metric_of(name: str, rows: LabelledRows) -> Value:
    """Compute a metric of labelled rows.

    Raises
    ------
    ConfigError
        When there is no such metric, or it is of another task.
    """
    try:
        return find_metric(name, rows.task).compute(rows)
    except ConfigError as error:
        if name in METRICS or "@" in name:
            raise
        allowed = [*metric_names(rows.task), *OPERATIONS]
        raise ConfigError(explain("unknown metric", got=name, allowed=allowed)) from error


def operation_of(name: str, logged: pd.DataFrame, now: datetime) -> Value:
    """Compute how the service did, from the rows that it logged."""
    newest = logged[TIMESTAMP].max().to_pydatetime() if len(logged) else None
    return operation(name, Served(len(logged), now, logged.get(LATENCY), newest=newest))


def drift_of(baseline: Baseline, new_data: Any, column: str | None) -> float:
    """Return the largest distance of new data's columns from the baseline's; see `ModelMonitor`."""
    known = baseline.grid.columns
    if isinstance(new_data, pd.DataFrame):
        names = [column] if column is not None else [c for c in new_data if c in known]
        columns = {str(c): new_data[c] for c in names if c in new_data}
    else:
        columns = {column or baseline.layout.prediction or PREDICTION: new_data}
    if not columns or not set(columns) <= set(known):
        came = column or list(columns) or "no known column"
        raise BaselineError(explain("not in the baseline", got=came, allowed=list(known)))
    return max(_distance(baseline, name, values) for name, values in columns.items())


def _distance(baseline: Baseline, name: str, values: Any) -> float:
    grid, reference = baseline.grid.columns[name], baseline.profile.columns[name]
    array = _as_levels(pa.array(one_column(values, name), from_pandas=True), grid)
    if isinstance(grid, CategoricalGrid):
        found = drift(DRIFT_OF["categorical"], reference, profile_categorical(array, grid), grid)
    else:
        found = drift(DRIFT_OF["numeric"], reference, profile_numeric(array, grid, name), grid)
    if found.value is None:
        raise MonitoringError(f"the drift of {name} is undefined: {found.reason}")
    return found.value


def nothing_logged(model: str, now: datetime) -> Report:
    """Return the report of a process that has logged no prediction yet."""
    return Report(model, Window(now, now), now, "no_data", 0, reason="nothing was logged")


def _as_levels(column: pa.Array, grid: CategoricalGrid | NumericGrid) -> pa.Array:
    """Return truths as the 0 and 1 that a baseline knows: metrics take them for one class too."""
    if not pa.types.is_boolean(column.type) or not isinstance(grid, CategoricalGrid):
        return column
    return column if {"true", "false"} & set(grid.levels) else column.cast(pa.int8())


def report_of(
    model: str,
    baseline: Baseline,
    rows: pd.DataFrame,
    labelled: LabelledRows,
    coverage: float | None,
    now: datetime,
) -> Report:
    """Judge logged rows as one window against a baseline.

    Parameters
    ----------
    rows : DataFrame
        The predictions, one at least.
    labelled : LabelledRows
        Those that have a label.
    coverage : float or None
        The share of the predictions that these are; None where no label was logged.
    """
    start = rows[TIMESTAMP].min().to_pydatetime()
    window = Window(start, rows[TIMESTAMP].max().to_pydatetime() + timedelta(microseconds=1))
    reference = limits_beside_the_whole(baseline)
    checks = [
        judge(m, window, reference=reference, thresholds={}) for m in _columns_of(baseline, rows)
    ]
    if coverage is not None:
        checks += [
            judge(m, window, reference=reference, thresholds={}, coverage=coverage)
            for m in measure_metrics(labelled, labelled.task)
        ]
    status, reason = overall_status(checks)
    return Report(model, window, now, status, len(rows), baseline.version, reason, tuple(checks))


def _columns_of(baseline: Baseline, rows: pd.DataFrame) -> tuple[Measurement, ...]:
    """Measure the distances of the columns that were logged."""
    present = {c: g for c, g in baseline.grid.columns.items() if c in rows}
    table = pa.Table.from_pandas(rows[list(present)], preserve_index=False)
    columns = [_as_levels(table.column(c).combine_chunks(), g) for c, g in present.items()]
    table = pa.Table.from_arrays(columns, names=list(present))
    profile = profile_batches(table.to_batches(), Grid(present), missing_ok=True)
    known = baseline.layout
    layout = Layout(
        tuple(c for c in known.numeric if c in present),
        tuple(c for c in known.categorical if c in present),
        known.prediction if known.prediction in present else None,
        tuple(c for c in known.scores if c in present),
        known.numeric_prediction,
    )
    return measure_columns(profile, baseline.profile, baseline.grid, layout)


def history_of(report: Report) -> pd.DataFrame:
    """Return the checks of one report in the form of a stored history."""
    return pd.DataFrame([_history_row(c) for c in report.checks], columns=list(_HISTORY))


def _history_row(check: Check) -> Mapping[str, Any]:
    window = {"window_start": check.window.start, "window_end": check.window.end}
    return {n: window[n] if n in window else getattr(check, n) for n in _HISTORY}
