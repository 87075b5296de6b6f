"""Metrics of predicted numbers equal scikit-learn's, with weights and without."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from monitoring_sdk.metrics.numbers import LabelledNumbers
from monitoring_sdk.metrics.table import metric, metric_names
from tests.reference_metrics import agree, reference


def wape(truth: Any, said: Any, sample_weight: Any) -> Any:
    return np.sum(sample_weight * abs(said - truth)) / np.sum(sample_weight * abs(truth))


def mape(truth: Any, said: Any, sample_weight: Any) -> Any:
    """scikit-learn's, of the rows that are not nearly zero."""
    size = abs(truth)
    keep = size >= 1e-3 * np.median(size[size > 0]) if size.any() else size > 0
    return theirs.mean_absolute_percentage_error(
        truth[keep], said[keep], sample_weight=sample_weight[keep]
    )


BY_NAME: dict[str, Callable[..., Any]] = {
    "mae": theirs.mean_absolute_error,
    "mse": theirs.mean_squared_error,
    "rmse": theirs.root_mean_squared_error,
    "rmsle": theirs.root_mean_squared_log_error,
    "mape": mape,
    "wape": wape,
    "median_absolute_error": theirs.median_absolute_error,
    "quantile_error@0.9": partial(theirs.mean_pinball_loss, alpha=0.9),
    "bias": lambda y, p, sample_weight: np.average(p - y, weights=sample_weight),
    "r2": theirs.r2_score,
    "explained_variance": theirs.explained_variance_score,
}


def test_every_metric_has_a_reference() -> None:
    assert set(metric_names("regression")) == {n.replace("@0.9", "@q") for n in BY_NAME}


# Squares of what is smaller than this are lost beside others; scikit-learn loses them elsewhere.
NUMBER = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 100.0]),
    st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6),
)
WEIGHTS = st.sampled_from([1.0, 0.25, 2.0, 3.5])
ROWS = st.lists(st.tuples(NUMBER, NUMBER, WEIGHTS), min_size=1, max_size=30)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", sorted(BY_NAME))
@settings(max_examples=60, deadline=None)
@example(rows=[(1.0, 2.0, 1.0)])
@example(rows=[(0.0, 2.0, 1.0)] * 3)
@example(rows=[(3.0, 3.0, 2.0)] * 3)
@example(rows=[(1.0, 1.0, 1.0), (2.0, 2.0, 1.0)])
@example(rows=[(1.0, 1.5, 1.0), (1.0, 2.0, 2.0)])
@given(rows=ROWS)
def test_numbers(name: str, rows: list[Any], weighted: bool) -> None:
    truth, said, weight = (np.array(c, float) for c in zip(*rows, strict=True))
    if not weighted:
        weight = np.ones(len(rows))
    # Without weights scikit-learn takes numpy's median, with them its own: both are ours.
    options = {} if not weighted and name == "median_absolute_error" else {"sample_weight": weight}
    expected = reference(BY_NAME[name], truth, said, **options)
    agree(name, LabelledNumbers(truth, said, weight if weighted else None), expected)


def test_what_is_left_out_is_said() -> None:
    inf, nan = float("inf"), float("nan")
    rows = LabelledNumbers([1.0, 2.0, inf, 4.0, 5.0], [2.0, nan, 1.0, -inf, 5.0])
    value = metric("mae", rows)
    assert (value.value, value.n) == (0.5, 2)
    assert value.reason == (
        "1 of 5 labelled rows have no prediction and are left out; "
        "2 of 5 labelled rows are infinite and are left out"
    )
    lost = metric("mae", LabelledNumbers([inf, 1.0], [1.0, nan]))
    assert lost.reason == "no labelled row has a finite label and prediction"


def test_true_values_near_zero_have_no_percentage_error() -> None:
    value = metric("mape", LabelledNumbers([0.0, 1e-9, 10.0, 20.0], [5.0, 5.0, 11.0, 18.0]))
    assert (value.value, value.n) == (pytest.approx(0.1), 2)
    assert value.reason == "2 of 4 true values are nearly zero and are left out"
    assert metric("mape", LabelledNumbers([0.0], [1.0])).reason == "every true value is zero"
    assert metric("wape", LabelledNumbers([0.0], [1.0])).reason == "every true value is zero"


def test_labels_that_are_all_the_same_are_said() -> None:
    value = metric("r2", LabelledNumbers([2.0, 2.0], [2.0, 3.0]))
    assert (value.value, value.reason) == (0.0, "every true value is the same")


@pytest.mark.parametrize("name", sorted(BY_NAME))
@pytest.mark.parametrize("size", [1e200, 1e300, 1e-300, 5e-324])
def test_numbers_at_the_ends_of_the_range_never_give_nan(name: str, size: float) -> None:
    rows = LabelledNumbers(np.array([1.0, 3.0, 1.0, 2.0]) * size, np.array([2.0, 1, 1, 5]) * size)
    value = metric(name, rows)
    assert (value.value is not None) or value.reason
    if value.interval is not None:
        assert np.isfinite(value.interval).all()


def test_woodruff_interval_is_that_of_the_order_statistics() -> None:
    error = np.arange(1.0, 101.0)
    value = metric("median_absolute_error", LabelledNumbers(np.zeros(100), error))
    assert value.value == 50.5
    # 50 -+ 1.96 * 5 rows: the 41st (from 40.2) and the 60th (to 59.8).
    assert value.interval == (41.0, 60.0)
