"""Metrics of a multiclass model equal scikit-learn's, with weights and without."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from monitoring_sdk.metrics.classes import LabelledClasses
from monitoring_sdk.metrics.table import metric, metric_names
from tests.reference_metrics import agree, ece, reference

K = 4
CLASSES = ("a", "b", "c", "d")
NAMES = np.array(CLASSES)


def averaged(score: Callable[..., Any], how: str) -> Callable[..., Any]:
    return partial(score, average=how, zero_division=0)


def balanced(truth: Any, said: Any, sample_weight: Any) -> Any:
    """scikit-learn leaves classes out that no label has, and warns: so do we, and say so."""
    keep = np.isin(said, truth)
    if len(np.unique(truth)) < 2:
        return float("nan")
    wrong = truth[~keep]  # any class of the labels but the true one
    other = np.array([next(c for c in np.unique(truth) if c != t) for t in wrong])
    said = said.copy()
    said[~keep] = other
    return theirs.balanced_accuracy_score(truth, said, sample_weight=sample_weight)


def matthews(truth: Any, said: Any, sample_weight: Any) -> Any:
    return theirs.matthews_corrcoef(truth, said, sample_weight=sample_weight)


BY_PREDICTION: dict[str, Callable[..., Any]] = {
    "accuracy": theirs.accuracy_score,
    "balanced_accuracy": balanced,
    "mcc": matthews,
    **{
        f"{name}_{how}": averaged(score, how)
        for how in ("macro", "micro", "weighted")
        for name, score in (
            ("precision", theirs.precision_score),
            ("recall", theirs.recall_score),
            ("f1", theirs.f1_score),
        )
    },
}


def area(truth: Any, scores: Any, sample_weight: Any, **options: Any) -> Any:
    return theirs.roc_auc_score(
        truth, scores, labels=range(K), sample_weight=sample_weight, **options
    )


def one_vs_one(truth: Any, scores: Any, sample_weight: Any) -> Any:
    """scikit-learn knows no weights here: whole ones are repeated rows."""
    times = sample_weight.astype(int)
    if len(np.unique(truth)) == 2:  # scikit-learn takes two classes for a binary model's
        pair = np.unique(truth)
        both = [theirs.roc_auc_score(truth == c, scores[:, c], sample_weight=times) for c in pair]
        return np.mean(both)
    return area(np.repeat(truth, times), np.repeat(scores, times, axis=0), None, multi_class="ovo")


def precision_area(truth: Any, scores: Any, sample_weight: Any) -> Any:
    found = [
        theirs.average_precision_score(truth == c, scores[:, c], sample_weight=sample_weight)
        for c in range(K)
    ]
    return np.mean(found) if len(np.unique(truth)) == K else float("nan")


def top_label(truth: Any, scores: Any, sample_weight: Any) -> Any:
    top = scores.argmax(axis=1)
    return ece(top == truth, scores.max(axis=1), sample_weight)


def weighted_area(truth: Any, scores: Any, sample_weight: Any) -> Any:
    """scikit-learn warns of a class without a label, which then weighs nothing: we do the same."""
    support = np.bincount(truth, sample_weight, K)
    if np.count_nonzero(support) < 2:
        return float("nan")
    own = [
        theirs.roc_auc_score(truth == c, scores[:, c], sample_weight=sample_weight)
        for c in np.flatnonzero(support)
    ]
    return np.average(own, weights=support[support > 0])


BY_SCORE: dict[str, Callable[..., Any]] = {
    "log_loss": lambda y, s, sample_weight: theirs.log_loss(
        y, s, labels=range(K), sample_weight=sample_weight
    ),
    "brier": lambda y, s, sample_weight: theirs.brier_score_loss(
        y, s, labels=range(K), sample_weight=sample_weight
    ),
    "ece": top_label,
    "roc_auc_ovr": partial(area, multi_class="ovr"),
    "roc_auc_ovr_weighted": weighted_area,
    "roc_auc_ovo": one_vs_one,
    "average_precision_macro": precision_area,
}
OF_CLASS: dict[str, Callable[..., Any]] = {
    "precision": theirs.precision_score,
    "recall": theirs.recall_score,
    "f1": theirs.f1_score,
    "specificity": partial(theirs.recall_score, pos_label=False),
    "roc_auc": theirs.roc_auc_score,
    "average_precision": theirs.average_precision_score,
}


def test_every_metric_has_a_reference() -> None:
    per_class = {f"{name}@class" for name in OF_CLASS}
    assert set(metric_names("multiclass")) == set(BY_PREDICTION) | set(BY_SCORE) | per_class


CODE = st.integers(0, K - 1)
# Few distinct parts make ties; ten parts in all, so that the scores sum to 1.
SCORES = st.lists(st.integers(0, 3), min_size=K, max_size=K).map(
    lambda parts: (np.array(parts) + 0.1) / (sum(parts) + 0.1 * K)
)
WEIGHTS = st.sampled_from([1.0, 2.0, 5.0])
ROWS = st.lists(st.tuples(CODE, CODE, SCORES, WEIGHTS), min_size=1, max_size=30)
EVEN = np.full(K, 1 / K)


def columns(rows: list[Any], weighted: bool) -> tuple[np.ndarray, ...]:
    truth = np.array([r[0] for r in rows], int)
    said = np.array([r[1] for r in rows], int)
    weight = np.array([r[3] if weighted else 1.0 for r in rows], float)
    return truth, said, np.array([r[2] for r in rows]), weight


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", sorted(BY_PREDICTION))
@settings(max_examples=25, deadline=None)
@example(rows=[(0, 0, EVEN, 1.0)])
@example(rows=[(0, 1, EVEN, 1.0)])
@example(rows=[(0, 0, EVEN, 2.0)] * 3)
@example(rows=[(0, 0, EVEN, 1.0), (1, 2, EVEN, 1.0), (1, 1, EVEN, 1.0)])
@given(rows=ROWS)
def test_predictions(name: str, rows: list[Any], weighted: bool) -> None:
    truth, said, _, weight = columns(rows, weighted)
    expected = reference(BY_PREDICTION[name], truth, said, sample_weight=weight)
    if name == "mcc" and len(np.unique([*truth, *said])) == 1:
        expected = None
    if name.split("_")[0] in ("precision", "recall", "f1", "accuracy"):
        # One class among labels and predictions is no fault for a mean over the classes met.
        expected = BY_PREDICTION[name](truth, said, sample_weight=weight)
    ours = LabelledClasses(CLASSES, truth, said, weight=weight if weighted else None)
    agree(name, ours, expected)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", sorted(BY_SCORE))
@settings(max_examples=25, deadline=None)
@example(rows=[(0, 0, EVEN, 1.0)])
@example(rows=[(0, 0, EVEN, 1.0), (1, 1, EVEN, 1.0)])
@example(rows=[(c, c, EVEN, 1.0) for c in range(K)])
@example(rows=[(c, c, np.eye(K)[c], 1.0) for c in range(K)])
@given(rows=ROWS)
def test_scores(name: str, rows: list[Any], weighted: bool) -> None:
    truth, _, scores, weight = columns(rows, weighted)
    expected = reference(BY_SCORE[name], truth, scores, sample_weight=weight)
    ours = LabelledClasses(CLASSES, truth, scores=scores, weight=weight if weighted else None)
    agree(name, ours, expected)


@pytest.mark.parametrize("name", sorted(OF_CLASS))
@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_one_class_against_the_rest(name: str, rows: list[Any]) -> None:
    truth, said, scores, weight = columns(rows, True)
    second = scores[:, 1] if name in ("roc_auc", "average_precision") else said == 1
    expected = reference(OF_CLASS[name], truth == 1, second, sample_weight=weight)
    agree(f"{name}@b", LabelledClasses(CLASSES, truth, said, scores, weight), expected)


def test_two_classes_are_a_binary_models() -> None:
    scores = np.array([[0.8, 0.2], [0.4, 0.6], [0.7, 0.3]])
    rows = LabelledClasses(("0", "1"), [0, 1, 1], scores=scores)
    binary = rows.against_rest("1")
    for name in ("log_loss", "brier"):
        assert metric(name, rows).value == pytest.approx(metric(name, binary).value)


def test_zero_divisions_and_absent_classes_are_said() -> None:
    rows = LabelledClasses(CLASSES, [0, 0, 1, 1], [0, 0, 0, 2])
    assert metric("precision_macro", rows).reason == "never predicted, precision 0: b"
    assert metric("recall_macro", rows).reason == "without a label, recall 0: c"
    assert metric("balanced_accuracy", rows).reason == "without a label, left out: c"
    assert metric("balanced_accuracy", rows).value == 0.5
    assert metric("f1_macro", rows).reason is None


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([0.5, 0.5, 0.5, 0.5], "the scores of a row sum to 2, not to 1"),
        ([1.5, -0.5, 0.0, 0.0], "a score is no probability: 1.5"),
        ([np.inf, 0.0, 0.0, 0.0], "a score is infinite"),
    ],
)
def test_what_is_no_probability_is_undefined(scores: list[float], said: str) -> None:
    rows = LabelledClasses(CLASSES, [0, 1], scores=[[0.25] * 4, scores])
    for name in BY_SCORE:
        value = metric(name, rows)
        assert (value.value, value.reason) == (None, said)


def test_rounded_probabilities_are_taken() -> None:
    rows = LabelledClasses(("a", "b", "c"), [0, 1], scores=[[0.333, 0.333, 0.333]] * 2)
    assert metric("log_loss", rows).value == pytest.approx(-np.log(0.333))
