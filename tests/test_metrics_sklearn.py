"""Metrics of a binary model equal scikit-learn's, and are undefined where it warns or raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs
from sklearn.calibration import calibration_curve

from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.probabilistic import reliability_curve
from monitoring_sdk.metrics.table import find_metric, metric_names
from tests.reference_metrics import agree, at_rate, ece, label_noise, reference

PAYOFF = {"tp": 3.0, "fp": -2.0, "fn": -7.0, "tn": 0.5}


def payoff(truth: np.ndarray, said: np.ndarray, sample_weight: np.ndarray) -> float:
    names = np.array([["tn", "fp"], ["fn", "tp"]])[truth.astype(int), said.astype(int)]
    return float(np.average([PAYOFF[name] for name in names], weights=sample_weight))


BY_PREDICTION: dict[str, Callable[..., Any]] = {
    "accuracy": theirs.accuracy_score,
    "precision": theirs.precision_score,
    "recall": theirs.recall_score,
    "f1": theirs.f1_score,
    "specificity": lambda y, p, sample_weight: theirs.recall_score(
        y, p, pos_label=False, sample_weight=sample_weight
    ),
    "balanced_accuracy": theirs.balanced_accuracy_score,
    "mcc": theirs.matthews_corrcoef,
    "business_value": payoff,
}
BY_SCORE: dict[str, Callable[..., Any]] = {
    "roc_auc": theirs.roc_auc_score,
    "average_precision": theirs.average_precision_score,
    "log_loss": lambda y, s, sample_weight: theirs.log_loss(
        y, s, labels=[False, True], sample_weight=sample_weight
    ),
    "brier": lambda y, s, sample_weight: theirs.brier_score_loss(
        y, s, pos_label=True, sample_weight=sample_weight
    ),
    "ece": lambda y, s, sample_weight: ece(y, s, sample_weight),
    "label_noise": lambda y, s, sample_weight: label_noise(y, s, sample_weight),
}
AT_A_RATE = {"precision@r%", "recall@r%"}


def test_every_metric_has_a_reference() -> None:
    assert set(metric_names("binary")) == set(BY_PREDICTION) | set(BY_SCORE) | AT_A_RATE


# Few distinct scores make ties; the ends, and neighbours of bin edges, are always among them.
SCORES = st.one_of(
    st.sampled_from([0.0, 1.0, 0.5, 0.1, 0.3, 0.30000000000000004, 0.7, 1e-17, 1 - 1e-16]),
    st.floats(0, 1),
)
ROWS = st.lists(st.tuples(st.booleans(), st.booleans(), SCORES), max_size=40)
WEIGHTS = st.sampled_from([1.0, 0.25, 2.0, 3.5, 17.0])
WEIGHTED = st.lists(st.tuples(st.booleans(), st.booleans(), SCORES, WEIGHTS), max_size=30)


def columns(rows: list[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = np.array([r[0] for r in rows], bool)
    said = np.array([r[1] for r in rows], bool)
    return truth, said, np.array([r[2] for r in rows], float)


@pytest.mark.parametrize("name", sorted(BY_PREDICTION))
@settings(max_examples=60, deadline=None)
@example(rows=[])
@example(rows=[(True, True, 0.5)])
@example(rows=[(False, False, 0.5)] * 3)
@example(rows=[(True, False, 0.5), (False, False, 0.5)])
@example(rows=[(True, True, 0.5), (False, True, 0.5)])
@given(rows=ROWS)
def test_predictions(name: str, rows: list[tuple[bool, bool, float]]) -> None:
    truth, said, _ = columns(rows)
    options = {"sample_weight": np.ones(len(rows))}
    expected = reference(BY_PREDICTION[name], truth, said, **options) if rows else None
    agree(name, Labelled(truth, said, payoff=PAYOFF), expected)


@pytest.mark.parametrize("name", sorted(BY_SCORE))
@settings(max_examples=60, deadline=None)
@example(rows=[])
@example(rows=[(True, True, 0.5)])
@example(rows=[(False, True, 0.5)] * 3)
@example(rows=[(True, True, 0.5), (False, True, 0.5), (True, True, 0.5)])
@example(rows=[(True, True, 0.0), (False, True, 1.0)])
@given(rows=ROWS)
def test_scores(name: str, rows: list[tuple[bool, bool, float]]) -> None:
    truth, _, score = columns(rows)
    options = {"sample_weight": np.ones(len(rows))}
    expected = reference(BY_SCORE[name], truth, score, **options) if rows else None
    agree(name, Labelled(truth, score=score), expected)


@pytest.mark.parametrize("name", sorted({**BY_PREDICTION, **BY_SCORE}))
@settings(max_examples=40, deadline=None)
@given(rows=WEIGHTED)
def test_weighted_rows(name: str, rows: list[tuple[bool, bool, float, float]]) -> None:
    truth, said, score = columns(rows)
    weight = np.array([r[3] for r in rows], float)
    function, second = (
        (BY_PREDICTION[name], said) if name in BY_PREDICTION else (BY_SCORE[name], score)
    )
    expected = reference(function, truth, second, sample_weight=weight) if rows else None
    agree(name, Labelled(truth, said, score, weight=weight, payoff=PAYOFF), expected)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
@settings(max_examples=40, deadline=None)
# Not up to the largest float: there scikit-learn's differences of scores overflow.
@given(rows=st.lists(st.tuples(st.booleans(), st.floats(-1e300, 1e300)), min_size=1))
def test_ranking_takes_any_finite_score(name: str, rows: list[tuple[bool, float]]) -> None:
    truth, score = np.array([r[0] for r in rows], bool), np.array([r[1] for r in rows], float)
    options = {"sample_weight": np.ones(len(rows))}
    agree(name, Labelled(truth, score=score), reference(BY_SCORE[name], truth, score, **options))


@pytest.mark.parametrize("of", ["precision", "recall"])
@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 4).flatmap(
        lambda tens: st.lists(
            st.tuples(st.booleans(), st.booleans(), SCORES),
            min_size=10 * tens,
            max_size=10 * tens,
        )
    ),
    rate=st.sampled_from([0.1, 0.2, 0.5]),
)
def test_a_fixed_alert_rate(of: str, rows: list[tuple[bool, bool, float]], rate: float) -> None:
    truth, _, score = columns(rows)
    expected = at_rate(truth, score, rate, of)
    agree(f"{of}@{100 * rate:g}%", Labelled(truth, score=score), expected)


def test_less_than_one_alert_is_undefined() -> None:
    value = find_metric("precision@1%", "binary").compute(Labelled([True] * 50, score=[0.5] * 50))
    assert value.reason == "a share of 0.01 of 50 rows is less than one row"


@pytest.mark.parametrize("name", ["log_loss", "brier", "ece", "label_noise"])
@pytest.mark.parametrize("bad", [-0.01, 1.01, np.inf])
def test_what_is_no_probability_is_undefined(name: str, bad: float) -> None:
    value = find_metric(name, "binary").compute(Labelled([True, False], score=[bad, 0.5]))
    assert value.value is None
    assert value.n == 2
    assert "score" in (value.reason or "")


@pytest.mark.parametrize("turned", [0.0, 0.02, 0.05, 0.4])
def test_label_noise_is_the_share_of_labels_that_were_turned(turned: float) -> None:
    rng = np.random.default_rng(5)
    score = rng.beta(0.6, 2.0, 200_000)
    truth = (rng.random(len(score)) < score) ^ (rng.random(len(score)) < turned)
    found = find_metric("label_noise", "binary").compute(Labelled(truth, score=score))
    assert found.interval is not None
    assert found.interval[1] - found.interval[0] < 0.01
    assert found.value == pytest.approx(turned, abs=0.005)


def test_label_noise_does_not_move_where_other_scores_come() -> None:
    rng = np.random.default_rng(6)
    for a, b in ((0.6, 2.0), (3.0, 1.0)):
        score = rng.beta(a, b, 100_000)
        rows = Labelled(rng.random(len(score)) < score, score=score)
        found = find_metric("label_noise", "binary").compute(rows)
        assert found.value == pytest.approx(0.0, abs=0.005)


def test_label_noise_of_scores_at_one_half_is_undefined() -> None:
    rows = Labelled([True, False], score=[0.5, 0.5004])
    value = find_metric("label_noise", "binary").compute(rows)
    assert value.reason == "no score is off one half"


def test_delong_interval_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(7)
    truth = rng.random(80) < 0.4
    score = np.round(rng.normal(truth * 0.8, 1), 1)
    ones, zeros = score[truth], score[~truth]
    wins = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    variance = wins.mean(1).var(ddof=1) / len(ones) + wins.mean(0).var(ddof=1) / len(zeros)
    value = find_metric("roc_auc", "binary").compute(Labelled(truth, score=score))
    assert value.interval is not None
    half = 1.959963984540054 * np.sqrt(variance)
    assert value.interval == pytest.approx((wins.mean() - half, wins.mean() + half), abs=1e-12)


def test_wilson_interval_of_a_textbook_case() -> None:
    # statsmodels.proportion_confint(7, 50, method="wilson") gives these ends.
    rows = Labelled([True] * 7 + [False] * 43, [True] * 50)
    interval = find_metric("accuracy", "binary").compute(rows).interval
    assert interval == pytest.approx((0.0695, 0.2619), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS.filter(bool))
def test_reliability_is_the_calibration_curve(rows: list[tuple[bool, bool, float]]) -> None:
    truth, _, score = columns(rows)
    share, mean = calibration_curve(truth, score, n_bins=10, pos_label=True)
    bins = reliability_curve(Labelled(truth, score=score))
    assert [b.share for b in bins] == pytest.approx(share.tolist(), abs=1e-12)
    assert [b.mean_score for b in bins] == pytest.approx(mean.tolist(), abs=1e-12)
    assert sum(b.n for b in bins) == len(rows)
    assert all(b.interval[0] <= b.share <= b.interval[1] for b in bins)


def test_what_is_no_probability_has_no_reliability_curve() -> None:
    assert reliability_curve(Labelled([True, False], score=[3.0, 0.5])) == ()
    assert reliability_curve(Labelled([True, False])) == ()
