"""The restated rules of other packages against what these packages said on car_loan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.alarm_peers import (
    Counted,
    Windows,
    evidently_scores,
    nannyml_distance,
    nannyml_rules,
    p_values,
    psi,
    sample_rules,
)
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.table import find_metric

CASE = Path(__file__).parent / "reference" / "car_loan"
NUMERIC = ["car_value", "debt_to_income_ratio", "loan_length", "driver_tenure", "y_pred_proba"]
LEVELS = ["salary_range", "repaid_loan_on_prev_car", "size_of_downpayment", "y_pred"]
CHUNK = 5000


def said(name: str) -> Any:
    return json.loads((CASE / f"{name}.json").read_text())


def of_evidently() -> list[Any]:
    return [c for c in said("evidently_drift")["chunks"] if c["period"] == "analysis"]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    labels = pd.read_parquet(CASE / "labels.parquet")
    frame = pd.read_parquet(CASE / "predictions.parquet")
    return frame.merge(labels, on="id").sort_values("timestamp", kind="stable")


def counted(rows: pd.DataFrame, column: str, chunk: int) -> dict[str, Counted]:
    """The column of both periods, by chunks, as discrete distributions."""
    numeric = column in NUMERIC
    values = rows[column] if numeric else rows[column].astype(str)
    codes, points = pd.factorize(values, sort=True)
    found = {}
    for period in ("reference", "analysis"):
        own = codes[(rows["period"] == period).to_numpy()]
        parts = own.reshape(-1, chunk)
        counts = np.stack([np.bincount(part[part >= 0], minlength=len(points)) for part in parts])
        x = np.asarray(points, float) if numeric else np.arange(len(points), dtype=float)
        found[period] = Counted(numeric, x, counts, (parts < 0).sum(axis=1))
    return found


@pytest.mark.parametrize("column", NUMERIC + LEVELS)
def test_distances_of_evidently(rows: pd.DataFrame, column: str) -> None:
    both = counted(rows, column, CHUNK)
    ours = evidently_scores([both["reference"].total], [both["analysis"]])[:, 0]
    theirs = [c["columns"][column]["default"] for c in of_evidently()]
    np.testing.assert_allclose(ours * 0.1, [t["value"] for t in theirs], rtol=1e-6)
    assert (ours >= 1).tolist() == [t["alert"] for t in theirs]


@pytest.mark.parametrize("column", NUMERIC + LEVELS)
def test_distances_and_limits_of_nannyml(rows: pd.DataFrame, column: str) -> None:
    both = counted(rows, column, CHUNK)
    distance = nannyml_distance(both["reference"])
    ours = np.concatenate([distance(both["reference"]), distance(both["analysis"])])
    theirs = [c[column]["jensen_shannon"] for c in said("nannyml_univariate")["chunks"]]
    np.testing.assert_allclose(ours, [t["value"] for t in theirs], rtol=1e-6)
    rule = nannyml_rules(Windows((both["reference"],)))["NannyML JS, mean + 3 sd"]
    alarms = rule(Windows((both["analysis"],))) >= 1
    assert alarms.tolist() == [t["alert"] for t in theirs[10:]]


def test_limits_of_nannyml_on_performance(rows: pd.DataFrame) -> None:
    theirs = said("nannyml_performance")["chunks"]
    names = ("accuracy", "roc_auc")
    values = np.array([[c[name]["value"] for name in names] for c in theirs])
    for c, start in ((theirs[0], 0), (theirs[12], 60_000)):
        part = rows.iloc[start : start + CHUNK]
        own = Labelled(
            part["y_true"].to_numpy(bool),
            part["y_pred"].to_numpy(bool),
            part["y_pred_proba"].to_numpy(float),
        )
        for name in names:
            value = find_metric(name, "binary").compute(own).value
            assert value == pytest.approx(c[name]["value"], abs=1e-9)
    column = counted(rows, "y_pred", CHUNK)
    reference = Windows((column["reference"],), values[:10])
    rule = nannyml_rules(reference)["NannyML performance, mean +- 3 sd"]
    alarms = rule(Windows((column["analysis"],), values[10:])) >= 1
    alerts = [any(c[name]["alert"] for name in names) for c in theirs[10:]]
    assert alarms.tolist() == alerts
    assert any(alerts)


def test_a_dataset_drifts_when_half_of_its_columns_do(rows: pd.DataFrame) -> None:
    pairs = [counted(rows, column, CHUNK) for column in NUMERIC + LEVELS]
    rules = sample_rules([p["reference"].total for p in pairs])
    severity = rules["Evidently, half of the columns"](Windows(tuple(p["analysis"] for p in pairs)))
    theirs = [c["columns"]["_dataset"]["drift"] for c in of_evidently()]
    assert (severity >= 1).tolist() == theirs


@pytest.mark.parametrize("numeric", [True, False])
def test_p_values_are_scipys(numeric: bool) -> None:
    rng = np.random.default_rng(3)
    before, now = (rng.multinomial(n, np.full(60, 1 / 60)) for n in (4000, 900))
    none = np.zeros(1)
    x = np.arange(60.0)
    ours = p_values(
        [Counted(numeric, x, before[None], none)], [Counted(numeric, x, now[None], none)]
    )
    if numeric:
        theirs = stats.ks_2samp(np.repeat(x, before), np.repeat(x, now)).pvalue
    else:
        theirs = stats.chi2_contingency(np.stack([before, now]), correction=False).pvalue
    assert ours[0, 0] == pytest.approx(theirs, abs=0.01 if numeric else 1e-9)


def test_psi_is_the_textbooks() -> None:
    rng = np.random.default_rng(4)
    before, now = rng.normal(size=5000), rng.normal(0.4, 1.3, 800)
    points = np.unique(np.concatenate([before, now]))
    parts = [
        Counted(True, points, np.isin(points, x).astype(int)[None], np.zeros(1))
        for x in (before, now)
    ]
    edges = np.quantile(before, np.linspace(0, 1, 11))
    edges[[0, -1]] = -np.inf, np.inf
    p, q = (np.histogram(x, edges)[0] / len(x) for x in (before, now))
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    theirs = ((q - p) * np.log(q / p)).sum()
    assert psi(parts[:1], parts[1:])[0, 0] == pytest.approx(theirs, rel=0.01)
