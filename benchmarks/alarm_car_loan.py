"""car_loan by week under a budget: when it pages, and why.

    python -m benchmarks.alarm_car_loan

The weeks of the reference period are the reference; the inputs shift, and quality falls, at row
25 000 of the analysis period.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.alarm_tables import table
from monitoring_sdk.alarms.budget import Alarms, fit_alarms, parse_budget
from monitoring_sdk.alarms.row_scores import with_adjusted
from monitoring_sdk.alarms.values import (
    Role,
    ValueForm,
    Values,
    fit_form,
    reference_values,
    window_values,
)
from monitoring_sdk.alarms.watched import Watched, to_angle
from monitoring_sdk.drift.levels import unseen_elsewhere
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.table import find_metric
from monitoring_sdk.profile.categorical import CategoricalProfile, count_levels
from monitoring_sdk.profile.grid import (
    CategoricalGrid,
    Grid,
    NumericGrid,
    fit_categorical,
    fit_numeric,
)
from monitoring_sdk.profile.profile import Profile, profile_batches

CASE = Path(__file__).parent.parent / "tests" / "reference" / "car_loan"
SCORE = "y_pred_proba"
NUMERIC = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure", SCORE)
LEVELS = ("salary_range", "repaid_loan_on_prev_car", "size_of_downpayment")
CHANGE_ROW = 25_000
WEEK = pd.Timedelta(days=7)
PERFORMANCE = (
    Watched("performance/accuracy", "performance", None, "accuracy", "below", 0.005, "share"),
    Watched("performance/roc_auc", "performance", None, "roc_auc", "below", 0.005),
    Watched("performance/log_loss", "performance", None, "log_loss", "above", 0.005),
)


def labelled(week: pd.DataFrame, values: Values) -> Values:
    """Append the metrics of a week whose labels are all known."""
    own = Labelled(
        week["y_true"].to_numpy(bool), week["y_pred"].to_numpy(bool), week[SCORE].to_numpy(float)
    )
    n = float(len(week))
    for watched in PERFORMANCE:
        found = find_metric(watched.kind, "binary").compute(own)
        if found.value is None:
            values = values.append(watched.key, np.nan, 0.0)
        elif watched.scale == "share":
            values = values.append(watched.key, float(to_angle(found.value * n, n)), n, 1.0)
        else:
            low, high = found.interval or (0.0, 0.0)
            values = values.append(watched.key, found.value, n, n * ((high - low) / 3.92) ** 2)
    return values


def fit_grid(rows: pd.DataFrame) -> Grid:
    """Fit the grid of the reference rows."""
    columns: dict[str, NumericGrid | CategoricalGrid] = {
        name: fit_numeric(rows[name].to_numpy(float)) for name in NUMERIC
    }
    for name in LEVELS:
        counts = count_levels(pa.array(rows[name].astype(str)))
        columns[name] = fit_categorical(counts, salt="")
    return Grid(columns)


def profile(week: pd.DataFrame, grid: Grid) -> Profile:
    """Profile the rows of a week."""
    columns = {name: week[name].astype(float).to_numpy() for name in NUMERIC}
    texts = {name: week[name].astype(str).to_numpy(object) for name in LEVELS}
    return profile_batches([pa.record_batch({**columns, **texts})], grid)


def weeks(rows: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> list[pd.DataFrame]:
    """Cut rows into the complete weeks of a span."""
    bounds = pd.date_range(start, end, freq=WEEK)
    at = rows["timestamp"].searchsorted(bounds)
    return [rows.iloc[a:b] for a, b in pairwise(at)]


def own_levels(found: Sequence[Profile], name: str) -> list[float | None]:
    """Return each reference week's share of rows of levels that are its own."""
    columns = [p.columns[name] for p in found]
    kept = [c for c in columns if isinstance(c, CategoricalProfile)]
    return [v.value for v in unseen_elsewhere(kept)]


def read() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the rows of the reference and of the analysis period, with their labels."""
    rows = pd.read_parquet(CASE / "predictions.parquet")
    rows = rows.merge(pd.read_parquet(CASE / "labels.parquet"), on="id").sort_values("timestamp")
    before, after = (rows[rows["period"] == part] for part in ("reference", "analysis"))
    return before, after


def fit(before: pd.DataFrame, reference: Sequence[pd.DataFrame]) -> tuple[Alarms, ValueForm, Grid]:
    """Set alarms from the weeks of the reference period."""
    grid = fit_grid(before)
    found = [profile(week, grid) for week in reference]
    roles: dict[str, Role] = dict.fromkeys(grid.columns, "drift")
    roles[SCORE] = "prediction"
    smallest = min(map(len, reference))
    form = fit_form(profile(before, grid), grid, {SCORE: "score"}, roles, smallest)
    numbers = {name: before[name].to_numpy(float) for name in NUMERIC}
    form = with_adjusted(form, grid, numbers, found)
    unseen = {name: own_levels(found, name) for name in LEVELS}
    pairs = zip(reference, reference_values(found, form, unseen), strict=True)
    values = [labelled(week, v) for week, v in pairs]
    watched = (*form.watched, *PERFORMANCE)
    alarms = fit_alarms(values, watched, parse_budget("1 per 30d"), WEEK.total_seconds())
    assert alarms is not None
    return alarms, form, grid


def main() -> None:
    """Print each week of the analysis period and what it came to."""
    before, after = read()
    change = after["timestamp"].iloc[CHANGE_ROW]
    first = before["timestamp"].iloc[0].normalize()
    reference = weeks(before, first, before["timestamp"].iloc[-1])
    # The week in which the periods meet has rows of both.
    begin = first + (len(reference) + 1) * WEEK
    later = weeks(after, begin, after["timestamp"].iloc[-1])
    alarms, form, grid = fit(before, reference)
    history = [labelled(week, window_values(profile(week, grid), form)) for week in later]
    lines = []
    for k, (week, one) in enumerate(zip(later, alarms.walk(history), strict=True)):
        start, over = begin + k * WEEK, one.ratios.max(axis=0)
        which = "before" if start + WEEK <= change else "after" if start >= change else "changes"
        families = ", ".join(dict.fromkeys(name for name, _ in one.passed))
        most = alarms.keys[int(over.argmax())]
        page = "page" if one.opened else ""
        lines.append(
            [f"{start:%Y-%m-%d}", which, str(len(week)), f"{over.max():.2f}", most, families, page]
        )
    print(f"{len(reference)} reference weeks; rows change at {change:%Y-%m-%d %H:%M}\n")
    head = ["week of", "", "rows", "score over threshold", "most so", "families that pass", ""]
    print(table(head, lines))


if __name__ == "__main__":
    main()
