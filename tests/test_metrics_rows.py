"""Labelled rows are read from columns of any type, and what cannot be read is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitoring_sdk.errors import ConfigError, SourceError
from monitoring_sdk.metrics.classes import LabelledClasses
from monitoring_sdk.metrics.columns import class_codes, group_codes, is_positive
from monitoring_sdk.metrics.labelled import Labelled, concatenate, labelled
from monitoring_sdk.metrics.lists import LabelledLists
from monitoring_sdk.metrics.numbers import LabelledNumbers
from monitoring_sdk.metrics.rows import read_rows
from monitoring_sdk.metrics.table import metric
from tests import metric_cases as cases


def test_merging_parts_is_concatenating_rows() -> None:
    rows = cases.some_rows("binary")
    thirds = np.array_split(np.arange(rows.n), 3)
    together = concatenate([rows.take(third) for third in thirds])
    assert together.digest() == concatenate([rows]).digest()
    assert metric("business_value", together).value == pytest.approx(
        metric("business_value", rows).value, rel=1e-12
    )


@pytest.mark.parametrize(
    ("label", "said", "positive"),
    [([1, 0, 2, 0], [1, 0, 0, 1], 1), ([1, 0, 1, 0], [1, 0, 1, 0], "yes")],
    ids=["a third class", "a positive class that never occurs"],
)
def test_more_than_two_classes_are_undefined_and_named(
    label: list[int], said: list[int], positive: object
) -> None:
    rows = labelled(label, prediction=said, score=[0.9, 0.1, 0.8, 0.2], positive=positive)
    value = metric("accuracy", concatenate([cases.some_rows("binary"), rows]))
    assert value.value is None
    assert (value.reason or "").startswith(
        f"not two classes: beside the positive class {positive!r}"
    )


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


@pytest.mark.parametrize("label", [[1, 2, 3], [1.0, 2.0, 3.0], ["1", "2.0", " 3 "]])
@pytest.mark.parametrize("said", [[1, 2, 2], ["1", "2", "2"], pd.Series([1, 2, 2], dtype="Int64")])
def test_classes_are_compared_by_name(label: object, said: object) -> None:
    rows = read_rows("multiclass", label, prediction=said)
    assert isinstance(rows, LabelledClasses)
    assert rows.classes == ("1", "2", "3")
    assert metric("accuracy", rows).value == pytest.approx(2 / 3)
    assert metric("recall@2.0", rows).value == 1.0


def test_classes_are_those_of_labels_predictions_and_score_columns() -> None:
    rows = read_rows(
        "multiclass",
        ["a", None, "b", "a"],
        prediction=["a", "x", "c", None],
        score={"a": [0.7, 0.2, None, 0.6], "b": [0.3, 0.8, 0.5, 0.4]},
    )
    assert isinstance(rows, LabelledClasses)
    assert rows.classes == ("a", "b", "c", "x")
    assert rows.y_true.tolist() == [0, 1, 0]
    assert rows.y_pred is not None
    assert rows.y_pred.tolist() == [0, 2, -1]
    assert rows.scored.scores.tolist() == [[0.7, 0.3], [0.6, 0.4]]
    loss = metric("log_loss", rows)
    assert loss.value == pytest.approx(-np.log([0.7, 0.6]).mean())
    assert loss.reason == "1 of 3 labelled rows have no score and are left out"


def test_a_label_without_a_score_column_is_named() -> None:
    rows = read_rows("multiclass", ["a", "b", "z"], score={"a": [0.5] * 3, "b": [0.5] * 3})
    value = metric("roc_auc_ovr", rows)
    assert (value.value, value.reason) == (None, "class 'z' has labels and no scores")


def test_numbers_are_no_classes() -> None:
    label = np.arange(3000) + 0.5
    rows = read_rows("multiclass", label, prediction=label)
    assert metric("accuracy", rows).reason == "not classes: there are 3000 distinct values"


def test_class_codes_of_nulls_and_dictionaries() -> None:
    assert class_codes([None, None])[0].tolist() == [-1, -1]
    codes, names = class_codes(pd.Series(["x", None, "y"], dtype="category"))
    assert (codes.tolist(), names) == ([0, -1, 1], ("x", "y"))
    assert class_codes(pa.chunked_array([[2], [10, None]]))[1] == ("10", "2")
    assert group_codes([None]).tolist() == [-1]
    assert group_codes(pa.array([30, 10, 20, 10])).tolist() == [2, 0, 1, 0]


def test_numbers_are_read_and_nulls_left_out() -> None:
    rows = read_rows("regression", pd.Series([1, None, 3]), prediction=[1.5, 2.0, None])
    assert isinstance(rows, LabelledNumbers)
    value = metric("mae", rows)
    assert (value.value, value.n) == (0.5, 1)
    assert value.reason == "1 of 2 labelled rows have no prediction and are left out"
    with pytest.raises(SourceError, match="label: not a column of numbers"):
        read_rows("regression", ["high"], prediction=[1.0])


def test_a_list_is_ordered_by_score_or_else_by_its_ranks() -> None:
    by_rank = read_rows(
        "ranking", [0, 1, 1, 0], prediction=[2, 1, 2, 1], query=["p", "p", "q", "q"]
    )
    by_score = read_rows(
        "ranking",
        [0, 1, 1, 0],
        prediction=[1, 2, 1, 2],
        score=[0.1, 0.9, 0.1, 0.9],
        query=[7, 7, 8, 8],
        item=["x", "y", "x", "y"],
    )
    for rows in (by_rank, by_score):
        assert isinstance(rows, LabelledLists)
        assert metric("mrr", rows).value == 0.75
    assert metric("coverage@1", by_score).value == 0.5
    assert metric("coverage@1", by_rank).reason == "needs an item column, and there is none"


def test_a_list_needs_queries_and_an_order() -> None:
    no_query = read_rows("ranking", [1.0], prediction=[1])
    assert metric("mrr", no_query).reason == "needs a query column, and there is none"
    no_order = read_rows("ranking", [1.0], query=[1])
    assert metric("mrr", no_order).reason == "needs a prediction or a score column"
    lost = read_rows("ranking", [1.0, 1.0, 0.0], prediction=[1, 1, 2], query=["q", None, "q"])
    assert metric("mrr", lost).reason == "1 of 3 labelled rows have no query and are left out"
    assert "negative" in (metric("mrr", LabelledLists([-1.0], [1.0], [0])).reason or "")
    assert "finite" in (metric("mrr", LabelledLists([np.inf], [1.0], [0])).reason or "")


def test_the_payoffs_must_be_all_four() -> None:
    with pytest.raises(ValueError, match="tn"):
        read_rows("binary", [1], prediction=[1], payoff={"tp": 1.0, "fp": 0.0, "fn": 0.0})


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean regression"):
        read_rows("regresion", [1.0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: LabelledClasses(("a",), [0, 0], [0]),
        lambda: LabelledClasses(("a", "b"), [0, 0], scores=[[0.1], [0.2]]),
        lambda: LabelledNumbers([1.0], [1.0, 2.0]),
        lambda: LabelledLists([1.0], [1.0], [0, 0]),
    ],
)
def test_columns_of_other_lengths_are_refused(make: object) -> None:
    with pytest.raises(ValueError, match="has shape"):
        make()  # type: ignore[operator]
