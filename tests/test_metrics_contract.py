"""What every row of METRICS keeps to; a new row is covered without a new test."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitoring_sdk.errors import ConfigError, SourceError
from monitoring_sdk.metrics.columns import is_positive
from monitoring_sdk.metrics.labelled import Labelled, concatenate, labelled
from monitoring_sdk.metrics.table import DEFAULTS, METRICS, Metric, metric

every_metric = pytest.mark.parametrize("row", METRICS.values(), ids=METRICS.keys())


def some_rows(n: int = 300, seed: int = 3) -> Labelled:
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    score = np.clip(np.round(rng.normal(0.4 + 0.2 * truth, 0.2), 2), 0, 1)
    return Labelled(truth, score > 0.5, score)


def part(rows: Labelled, index: np.ndarray) -> Labelled:
    assert rows.y_pred is not None
    assert rows.score is not None
    return Labelled(rows.y_true[index], rows.y_pred[index], rows.score[index])


def same(row: Metric, left: Labelled, right: Labelled) -> None:
    a, b = row.compute(left), row.compute(right)
    assert a.value == pytest.approx(b.value, rel=1e-12)
    assert (a.n, a.reason) == (b.n, b.reason)


@every_metric
def test_row_order_does_not_matter(row: Metric) -> None:
    rows = some_rows()
    same(row, rows, part(rows, np.random.default_rng(1).permutation(rows.n)))


@every_metric
def test_merging_parts_is_concatenating_rows(row: Metric) -> None:
    rows = some_rows()
    thirds = np.array_split(np.arange(rows.n), 3)
    same(row, rows, concatenate([part(rows, third) for third in thirds]))


@every_metric
def test_a_value_counts_its_rows_and_lies_in_its_interval(row: Metric) -> None:
    value = row.compute(some_rows())
    assert value.n == 300
    assert value.value is not None
    if value.interval is not None:
        low, high = value.interval
        assert low < value.value < high


@every_metric
def test_better_predictions_are_better(row: Metric) -> None:
    rows = some_rows()
    perfect = row.compute(Labelled(rows.y_true, rows.y_true, rows.y_true.astype(float))).value
    worst = row.compute(Labelled(rows.y_true, ~rows.y_true, (~rows.y_true).astype(float))).value
    usual = row.compute(rows).value
    assert perfect is not None
    assert worst is not None
    assert usual is not None
    ordered = (worst, usual, perfect) if row.better == "higher" else (perfect, usual, worst)
    assert ordered[0] < ordered[1] < ordered[2]


@every_metric
def test_no_rows_are_undefined(row: Metric) -> None:
    value = row.compute(Labelled(np.zeros(0), np.zeros(0), np.zeros(0)))
    assert (value.value, value.reason, value.n) == (None, "no labelled rows", 0)


@every_metric
def test_a_missing_column_is_undefined(row: Metric) -> None:
    value = row.compute(Labelled([True, False]))
    assert value.value is None
    assert f"needs a {next(iter(row.needs))} column" in (value.reason or "")


@every_metric
@pytest.mark.parametrize("only", [True, False])
@pytest.mark.parametrize("n", [1, 5])
def test_one_class_never_gives_nan(row: Metric, only: bool, n: int) -> None:
    for said in (True, False):
        value = row.compute(Labelled([only] * n, [said] * n, [0.3] * n))
        assert value.n == n
        assert (value.value is None) == bool(value.reason)
        assert value.value is None or math.isfinite(value.value)


@every_metric
def test_missing_predictions_and_scores_are_left_out_and_said(row: Metric) -> None:
    rows = some_rows()
    assert rows.y_pred is not None
    assert rows.score is not None
    gone = np.arange(rows.n) % 10 == 0
    holed = Labelled(rows.y_true, rows.y_pred, np.where(gone, np.nan, rows.score), ~gone)
    value = row.compute(holed)
    assert value.value == pytest.approx(row.compute(part(rows, ~gone)).value, rel=1e-12)
    assert value.n == 270
    assert (value.reason or "").startswith("30 of 300 labelled rows have no ")


@every_metric
def test_nothing_but_missing_is_undefined(row: Metric) -> None:
    value = row.compute(Labelled([True, False], [True, False], [np.nan] * 2, [False] * 2))
    assert value.value is None
    assert (value.reason or "").startswith("no labelled row has a ")


@every_metric
def test_an_infinite_score_never_gives_nan(row: Metric) -> None:
    value = row.compute(Labelled([True, False], [True, False], [np.inf, 0.2]))
    assert (value.value is None) == ("score" in row.needs)


@every_metric
@pytest.mark.parametrize(
    ("label", "said", "positive"),
    [([1, 0, 2, 0], [1, 0, 0, 1], 1), ([1, 0, 1, 0], [1, 0, 1, 0], "yes")],
    ids=["a third class", "a positive class that never occurs"],
)
def test_more_than_two_classes_are_undefined_and_named(
    row: Metric, label: list[int], said: list[int], positive: object
) -> None:
    rows = labelled(label, prediction=said, score=[0.9, 0.1, 0.8, 0.2], positive=positive)
    value = row.compute(concatenate([some_rows(), rows]))
    assert value.value is None
    assert (value.reason or "").startswith(
        f"not two classes: beside the positive class {positive!r}"
    )


def test_the_table_is_keyed_by_name_and_has_the_defaults() -> None:
    assert all(name == row.name for name, row in METRICS.items())
    assert set(DEFAULTS["binary"]) <= set(METRICS)
    assert all(row.needs <= {"prediction", "score"} and row.needs for row in METRICS.values())


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean accuracy"):
        metric("acuracy", some_rows())


@pytest.mark.parametrize("positive", [1, 1.0, "1", "1.0", True, "true", " True ", np.int64(1)])
@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 0, None]),
        pa.array([1.0, 0.0, float("nan")]),
        pa.array(["1", "0", None]),
        pa.array(["1.0", "0.0", " "]),
        pa.array([True, False, None]),
        pa.array(["TRUE", "false", ""]).dictionary_encode(),
        pa.array([1, 0, None], pa.uint8()),
        pa.array([1, 0, None]).cast(pa.decimal128(22, 1)),
        pa.chunked_array([["1"], ["0", None]]),
        pd.Series([1, 0, None]),
        pd.Series(["1", "0", None], dtype=object),
        pd.Series([True, False, None], dtype="boolean"),
        [1, "0", None],
        ["true", 0, float("nan")],
    ],
    ids=lambda c: str(getattr(c, "type", None) or getattr(c, "dtype", c)),
)
def test_the_positive_class_is_found_by_name_whatever_its_type(
    column: object, positive: object
) -> None:
    hits, null = is_positive(column, positive)
    assert hits.tolist() == [True, False, False]
    assert null.tolist() == [False, False, True]


def test_the_positive_class_may_be_text_or_zero() -> None:
    assert is_positive(["yes", "no", "Yes"], "yes")[0].tolist() == [True, False, False]
    assert is_positive([0, 1, False], 0)[0].tolist() == [True, False, True]
    assert is_positive([1, 0], "yes")[0].tolist() == [False, False]
    assert is_positive([2**53, 2**53 + 1], str(2**53 + 1))[0].tolist() == [False, True]
    assert is_positive([0.5, 1.5], 1.5)[0].tolist() == [False, True]
    assert is_positive(["nan", "NaN"], "nan")[0].tolist() == [False, False]
    assert is_positive([None, None], 1)[1].tolist() == [True, True]


def test_unlabelled_rows_are_left_out() -> None:
    rows = labelled(
        ["1", None, "0", "0"], prediction=[1, 1, None, 0], score=[0.9, 0.8, None, 0.2], positive=1
    )
    assert rows.n == 3
    assert metric("accuracy", rows).value == 1.0
    assert metric("roc_auc", rows).n == 2


def test_a_score_that_is_text_is_an_error_that_names_the_column() -> None:
    with pytest.raises(SourceError, match="score: not a column of numbers"):
        labelled([1, 0], score=["high", "low"])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="y_pred"):
        Labelled([True, False], [True])
