"""Metrics of the reference case equal scikit-learn's, month by month and as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from monitoring_sdk.metrics.labelled import labelled
from monitoring_sdk.metrics.table import find_metric, metric_names

CASE = Path(__file__).parent / "reference" / "car_loan"
THEIR_NAME = {"ece": "ece_10_equal_width"}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    predictions = pd.read_parquet(CASE / "predictions.parquet")
    joined = predictions.merge(pd.read_parquet(CASE / "labels.parquet"), on="id")
    return joined.assign(month=joined["timestamp"].dt.strftime("%Y-%m"))


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return json.loads((CASE / "sklearn_performance_by_month.json").read_text())


def compare(part: pd.DataFrame, numbers: dict[str, Any]) -> None:
    ours = labelled(
        part["y_true"], prediction=part["y_pred"], score=part["y_pred_proba"], positive=1
    )
    names = [n for n in metric_names("binary") if THEIR_NAME.get(n, n) in numbers]
    assert len(names) >= 12
    for name in names:
        value = find_metric(name, "binary").compute(ours)
        theirs = numbers[THEIR_NAME.get(name, name)]
        assert value.value == pytest.approx(theirs, abs=1e-9), name
        assert value.n == numbers["n"]


def test_every_month(rows: pd.DataFrame, expected: dict[str, Any]) -> None:
    assert len(expected["chunks"]) >= 20
    for chunk in expected["chunks"]:
        inside = (rows["period"] == chunk["period"]) & (rows["month"] == chunk["key"])
        compare(rows[inside], chunk["metrics"])


@pytest.mark.parametrize("period", ["reference", "analysis"])
def test_whole_periods(rows: pd.DataFrame, expected: dict[str, Any], period: str) -> None:
    compare(rows[rows["period"] == period], expected["whole"][period])
