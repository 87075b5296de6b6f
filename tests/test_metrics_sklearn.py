"""Metrics equal scikit-learn's, and are undefined where it warns or raises."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.table import METRICS


def ece(truth: np.ndarray, score: np.ndarray) -> float:
    """The definition, a bin at a time; bins as in scikit-learn's calibration_curve."""
    edges, total = np.linspace(0, 1, 11), 0.0
    for low, high in itertools.pairwise(edges):
        inside = (score > low) & (score <= high) | ((low == 0) & (score == 0))
        if inside.any():
            total += inside.sum() * abs(score[inside].mean() - truth[inside].mean())
    return total / len(score)


BY_PREDICTION: dict[str, Callable[..., Any]] = {
    "accuracy": theirs.accuracy_score,
    "precision": theirs.precision_score,
    "recall": theirs.recall_score,
    "f1": theirs.f1_score,
    "specificity": lambda y, p: theirs.recall_score(y, p, pos_label=False),
    "balanced_accuracy": theirs.balanced_accuracy_score,
    "mcc": theirs.matthews_corrcoef,
}
BY_SCORE: dict[str, Callable[..., Any]] = {
    "roc_auc": theirs.roc_auc_score,
    "average_precision": theirs.average_precision_score,
    "log_loss": lambda y, s: theirs.log_loss(y, s, labels=[False, True]),
    "brier": lambda y, s: theirs.brier_score_loss(y, s, pos_label=True),
    "ece": ece,
}


def reference(function: Callable[..., Any], *columns: np.ndarray) -> float | None:
    """What scikit-learn says, or None where it warns, raises or says NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = float(function(*columns))
        except (ValueError, IndexError, Warning):
            return None
    return None if np.isnan(found) else found


def agree(name: str, rows: Labelled, expected: float | None) -> None:
    value = METRICS[name].compute(rows)
    if expected is None:
        assert value.value is None
        assert value.reason
    else:
        assert value.value == pytest.approx(expected, rel=1e-9, abs=1e-9)
        low, high = value.interval or (expected, expected)
        assert low - 1e-9 <= expected <= high + 1e-9


def test_every_metric_has_a_reference() -> None:
    assert set(METRICS) == set(BY_PREDICTION) | set(BY_SCORE)


# Few distinct scores make ties; the ends, and neighbours of bin edges, are always among them.
SCORES = st.one_of(
    st.sampled_from([0.0, 1.0, 0.5, 0.1, 0.3, 0.30000000000000004, 0.7, 1e-17, 1 - 1e-16]),
    st.floats(0, 1),
)
ROWS = st.lists(st.tuples(st.booleans(), st.booleans(), SCORES), max_size=40)


@pytest.mark.parametrize("name", sorted(BY_PREDICTION))
@settings(max_examples=60, deadline=None)
@example(rows=[])
@example(rows=[(True, True, 0.5)])
@example(rows=[(False, False, 0.5)] * 3)
@example(rows=[(True, False, 0.5), (False, False, 0.5)])
@example(rows=[(True, True, 0.5), (False, True, 0.5)])
@given(rows=ROWS)
def test_predictions(name: str, rows: list[tuple[bool, bool, float]]) -> None:
    truth = np.array([r[0] for r in rows], bool)
    said = np.array([r[1] for r in rows], bool)
    expected = reference(BY_PREDICTION[name], truth, said) if rows else None
    agree(name, Labelled(truth, said), expected)


@pytest.mark.parametrize("name", sorted(BY_SCORE))
@settings(max_examples=60, deadline=None)
@example(rows=[])
@example(rows=[(True, True, 0.5)])
@example(rows=[(False, True, 0.5)] * 3)
@example(rows=[(True, True, 0.5), (False, True, 0.5), (True, True, 0.5)])
@example(rows=[(True, True, 0.0), (False, True, 1.0)])
@given(rows=ROWS)
def test_scores(name: str, rows: list[tuple[bool, bool, float]]) -> None:
    truth = np.array([r[0] for r in rows], bool)
    score = np.array([r[2] for r in rows], float)
    expected = reference(BY_SCORE[name], truth, score) if rows else None
    agree(name, Labelled(truth, score=score), expected)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
@settings(max_examples=40, deadline=None)
# Not up to the largest float: there scikit-learn's differences of scores overflow.
@given(rows=st.lists(st.tuples(st.booleans(), st.floats(-1e300, 1e300)), min_size=1))
def test_ranking_takes_any_finite_score(name: str, rows: list[tuple[bool, float]]) -> None:
    truth, score = np.array([r[0] for r in rows], bool), np.array([r[1] for r in rows], float)
    agree(name, Labelled(truth, score=score), reference(BY_SCORE[name], truth, score))


@pytest.mark.parametrize("name", ["log_loss", "brier", "ece"])
@pytest.mark.parametrize("bad", [-0.01, 1.01, np.inf])
def test_what_is_no_probability_is_undefined(name: str, bad: float) -> None:
    value = METRICS[name].compute(Labelled([True, False], score=[bad, 0.5]))
    assert value.value is None
    assert value.n == 2
    assert "score" in (value.reason or "")


def test_delong_interval_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(7)
    truth = rng.random(80) < 0.4
    score = np.round(rng.normal(truth * 0.8, 1), 1)
    ones, zeros = score[truth], score[~truth]
    wins = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    variance = wins.mean(1).var(ddof=1) / len(ones) + wins.mean(0).var(ddof=1) / len(zeros)
    value = METRICS["roc_auc"].compute(Labelled(truth, score=score))
    assert value.interval is not None
    half = 1.959963984540054 * np.sqrt(variance)
    assert value.interval == pytest.approx((wins.mean() - half, wins.mean() + half), abs=1e-12)


def test_wilson_interval_of_a_textbook_case() -> None:
    # statsmodels.proportion_confint(7, 50, method="wilson") gives these ends.
    rows = Labelled([True] * 7 + [False] * 43, [True] * 50)
    interval = METRICS["accuracy"].compute(rows).interval
    assert interval == pytest.approx((0.0695, 0.2619), abs=1e-4)
