"""Estimates without labels: simulated shifts with known answers, and inputs that allow none."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit, softmax

from monitoring_sdk.errors import ConfigError
from monitoring_sdk.estimation.calibration import Calibrator, fit_calibrator
from monitoring_sdk.estimation.cbpe import calibrated_for
from monitoring_sdk.estimation.estimate import ASSUMES
from monitoring_sdk.estimation.rows import Reference, Rows, reference
from monitoring_sdk.estimation.table import ESTIMATORS, estimable, estimate
from monitoring_sdk.matrix import Coder, fit_coder

D = 6
DIRECTION = np.array([0.9, -0.7, 0.5, 0.4, -0.3, 0.2])
CODER = Coder(tuple(f"x{j}" for j in range(D)), (), ())


def chance_of(x: np.ndarray) -> np.ndarray:
    """Return the true probability: with an interaction that the model's score does not know."""
    return expit(x @ DIRECTION + 0.9 * x[:, 0] * x[:, 1] - 0.2)


def binary_rows(n: int, seed: int, move: float = 0.0) -> tuple[Rows, np.ndarray]:
    """Return rows of a misspecified model, their features moved, and their labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, D)) + move * np.array([1.0, -1.0, 0, 0, 0, 0])
    truth = (rng.random(n) < chance_of(x)).astype(np.int64)
    score = expit(1.4 * (x @ DIRECTION))
    return Rows(x, (score > 0.5).astype(np.int64), score), truth


@pytest.fixture(scope="module")
def binary() -> Reference:
    rows, truth = binary_rows(8000, 1)
    return reference("binary", rows, truth, CODER)


def realised(rows: Rows, truth: np.ndarray) -> float:
    assert rows.prediction is not None
    return float(np.mean(rows.prediction == truth))


MOVES = tuple(0.25 * (seed % 5) for seed in range(12))


def awaited(rows: Rows) -> float:
    """Return the accuracy to be expected of the rows by the truth's own probabilities."""
    chance = chance_of(rows.matrix)
    return float(np.mean(np.where(rows.prediction == 1, chance, 1 - chance)))


def errors(name: str, against: Reference) -> tuple[list[float], list[bool]]:
    """Return how far the accuracy of moved windows is estimated off, and whether it was held."""
    off, held = [], []
    for seed, move in enumerate(MOVES):
        rows, truth = binary_rows(2500, 100 + seed, move)
        value = estimate(name, against, rows, ["accuracy"])["accuracy"].value
        off.append(abs(value.value - awaited(rows)))
        held.append(value.interval[0] <= realised(rows, truth) <= value.interval[1])
    return off, held


def test_weighting_follows_a_covariate_shift(binary: Reference):
    weighted, held = errors("weighted_cbpe", binary)
    plain, _ = errors("cbpe", binary)
    before = realised(binary.rows, binary.truth)
    constant = [
        abs(before - awaited(binary_rows(2500, 100 + seed, move)[0]))
        for seed, move in enumerate(MOVES)
    ]
    assert np.mean(weighted) < 0.5 * np.mean(constant)
    assert np.mean(weighted) < 0.5 * np.mean(plain)
    assert sum(held) >= 10


def test_cross_checks_move_the_right_way(binary: Reference):
    moved, truth = binary_rows(4000, 50, move=0.8)
    drop = realised(binary.rows, binary.truth) - realised(moved, truth)
    value = estimate("importance_weighting", binary, moved, ["accuracy"])["accuracy"].value
    assert abs(value.value - realised(moved, truth)) < 0.7 * abs(drop)


@pytest.mark.parametrize("name", ["weighted_cbpe", "cbpe", "importance_weighting", "atc"])
def test_nothing_changed_is_estimated_as_it_was(name: str, binary: Reference):
    rows, truth = binary_rows(3000, 77)
    found = estimate(name, binary, rows, ["accuracy"])["accuracy"]
    assert found.value.value == pytest.approx(realised(rows, truth), abs=0.025)
    assert ASSUMES in found.value.reason
    assert found.value.n == 3000
    assert 0.003 < found.sampling_se < 0.03
    assert 0 < found.calibration_se < 0.03
    low, high = found.value.interval
    assert high - low >= 2 * 1.95 * found.sampling_se


def test_the_reference_itself(binary: Reference):
    for name in ("accuracy", "roc_auc", "brier"):
        found = estimate("weighted_cbpe", binary, binary.rows, [name])[name].value
        from_truth = estimate("importance_weighting", binary, binary.rows, [name])[name].value
        assert found.value == pytest.approx(from_truth.value, abs=0.01)


def test_the_same_seed_gives_the_same_numbers(binary: Reference):
    rows, _ = binary_rows(500, 3, move=0.3)
    for name in ESTIMATORS:
        metrics = estimable(name, "binary")
        assert estimate(name, binary, rows, metrics) == estimate(name, binary, rows, metrics)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_says_why_it_has_no_number(name: str, binary: Reference):
    rows, _ = binary_rows(400, 5)
    nan = np.full(400, np.nan)
    cases = {
        "empty": rows.take(np.zeros(0, int)),
        "one row": rows.take(np.arange(1)),
        "no score": Rows(rows.matrix, rows.prediction),
        "NaN scores": Rows(rows.matrix, rows.prediction, nan),
    }
    for case, window in cases.items():
        for metric, found in estimate(name, binary, window, ["accuracy", "mae"]).items():
            assert found.value.value is None, (case, metric)
            assert found.value.reason, (case, metric)


def test_one_class_in_the_reference():
    rows, truth = binary_rows(500, 9)
    one = reference("binary", rows, np.zeros_like(truth), CODER)
    found = estimate("weighted_cbpe", one, rows, ["accuracy"])["accuracy"].value
    assert found.reason == "one class only among the reference's labels"


def test_a_small_reference_is_refused():
    rows, truth = binary_rows(100, 9)
    small = reference("binary", rows, truth, CODER)
    found = estimate("cbpe", small, rows, ["roc_auc"])["roc_auc"].value
    assert "100 labelled reference rows" in found.reason


def test_a_window_unlike_the_reference_is_not_guessed(binary: Reference):
    far, _ = binary_rows(1000, 4, move=12.0)
    found = estimate("weighted_cbpe", binary, far, ["accuracy"])["accuracy"].value
    assert found.value is None
    assert "like in the reference" in found.reason
    calibrate, reason = calibrated_for(binary, far)
    assert calibrate is not None
    assert "like in the reference" in reason


def test_missing_scores_are_left_out_and_said(binary: Reference):
    rows, _ = binary_rows(600, 6)
    score = rows.score.copy()
    score[:100] = np.nan
    window = Rows(rows.matrix, rows.prediction, score)
    found = estimate("cbpe", binary, window, ["accuracy"])["accuracy"].value
    assert found.n == 500
    assert "100 of 600 rows" in found.reason


def test_constant_scores_and_null_features(binary: Reference):
    rows, _ = binary_rows(600, 6)
    flat = Rows(np.full((600, D), np.nan), rows.prediction, np.full(600, 0.5))
    for name in ("cbpe", "weighted_cbpe", "importance_weighting", "atc"):
        for found in estimate(name, binary, flat, estimable(name, "binary")).values():
            assert found.value.reason
            assert found.value.value is None or math.isfinite(found.value.value)
    auc = estimate("cbpe", binary, flat, ["roc_auc"])["roc_auc"].value
    assert auc.value == pytest.approx(0.5)


def test_scores_that_are_no_probabilities_still_rank(binary: Reference):
    margins = Rows(binary.rows.matrix, binary.rows.prediction, 10 * binary.rows.score - 5)
    against = reference("binary", margins, binary.truth, CODER)
    found = estimate("cbpe", against, margins, ["roc_auc", "log_loss"])
    assert found["roc_auc"].value.value > 0.6
    assert "no probability" in found["log_loss"].value.reason


def test_unseen_levels_are_a_shift_and_no_error():
    rng = np.random.default_rng(0)
    level, truth = rng.integers(0, 3, 2000), rng.integers(0, 2, 2000)
    table = pa.table({"c": [f"l{i}" for i in level]})
    coder = fit_coder(table, [], ["c"])
    score = np.clip(0.5 + 0.3 * (truth - 0.5) + 0.2 * rng.normal(size=2000), 0, 1)
    said = (score > 0.5).astype(np.int64)
    against = reference("binary", Rows(coder.matrix(table), said, score), truth, coder)
    new = coder.matrix(pa.table({"c": ["new"] * 500}))
    window = Rows(new, said[:500], score[:500])
    found = estimate("weighted_cbpe", against, window, ["accuracy"])["accuracy"].value
    assert found.value is None
    assert "like in the reference" in found.reason


def test_weights_of_two_are_rows_twice(binary: Reference):
    rows, _ = binary_rows(400, 8)
    heavy = Rows(rows.matrix, rows.prediction, rows.score, np.full(400, 2.0))
    metrics = estimable("cbpe", "binary")
    once, twice = (estimate("cbpe", binary, w, metrics) for w in (rows, heavy))
    for name in metrics:
        if once[name].value.defined:
            assert twice[name].value.value == pytest.approx(once[name].value.value, abs=1e-12)


def test_payoffs_are_estimated(binary: Reference):
    against = reference(
        "binary", binary.rows, binary.truth, CODER, payoff=((0.0, -1.0), (-5.0, 2.0))
    )
    rows, truth = binary_rows(4000, 12)
    found = estimate("cbpe", against, rows, ["business_value"])["business_value"].value
    worth = np.array(against.payoff)[truth, rows.prediction].mean()
    assert found.interval[0] - 0.02 <= worth <= found.interval[1] + 0.02


def class_rows(n: int, seed: int, move: float = 0.0) -> tuple[Rows, np.ndarray]:
    """Return rows of three classes, scored by an overconfident model."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) + move
    logits = x @ np.random.default_rng(0).normal(size=(4, 3))
    chance = softmax(logits, axis=1)
    truth = (rng.random((n, 1)) > np.cumsum(chance, axis=1)[:, :2]).sum(axis=1)
    score = softmax(2.5 * logits, axis=1)
    return Rows(x, score.argmax(axis=1), score), truth


def test_several_classes():
    from sklearn.metrics import f1_score, log_loss, roc_auc_score

    coder = Coder(("a", "b", "c", "d"), (), ())
    rows, truth = class_rows(6000, 1)
    against = reference("multiclass", rows, truth, coder, classes=("a", "b", "c"))
    window, labels = class_rows(3000, 2, move=0.4)
    wanted = {
        "accuracy": np.mean(window.prediction == labels),
        "f1_macro": f1_score(labels, window.prediction, average="macro"),
        "roc_auc_ovr": roc_auc_score(labels, window.score, multi_class="ovr"),
        "log_loss": log_loss(labels, window.score),
    }
    claimed = np.max(window.score, axis=1).mean()
    assert abs(claimed - wanted["accuracy"]) > 0.1
    for name in ("weighted_cbpe", "cbpe"):
        found = estimate(name, against, window, estimable(name, "multiclass"))
        for metric, value in wanted.items():
            assert found[metric].value.value == pytest.approx(value, abs=0.04), (name, metric)
        assert all(e.value.defined for m, e in found.items() if m != "business_value")


def number_rows(n: int, seed: int, move: float = 0.0) -> tuple[Rows, np.ndarray]:
    """Return rows of a regression whose noise grows with the first feature."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 2, size=(n, 3)) * np.array([1, 1, 1]) + np.array([move, 0, 0])
    truth = 3 * x[:, 1] + (0.2 + x[:, 0]) * rng.normal(size=n)
    return Rows(x, 3 * x[:, 1]), truth


@pytest.mark.parametrize("name", ["dle", "importance_weighting"])
def test_a_regression_whose_noise_moves(name: str):
    coder = Coder(("a", "b", "c"), (), ())
    rows, truth = number_rows(8000, 1)
    against = reference("regression", rows, truth, coder)
    window, labels = number_rows(3000, 2)
    upper = window.matrix[:, 0] > 1.2
    window, labels = window.take(upper), labels[upper]
    off = window.prediction - labels
    found = estimate(name, against, window, ["mae", "mse", "rmse", "accuracy"])
    before = np.abs(rows.prediction - truth).mean()
    assert abs(before - np.abs(off).mean()) > 0.3
    assert found["mae"].value.value == pytest.approx(np.abs(off).mean(), rel=0.1)
    assert found["rmse"].value.value == pytest.approx(np.sqrt((off**2).mean()), rel=0.1)
    assert found["mse"].value.value == pytest.approx(found["rmse"].value.value ** 2, rel=1e-9)
    assert found["mae"].sampling_se > 0
    assert not found["accuracy"].value.defined


def test_a_perfect_regression_has_no_error():
    rows, _ = number_rows(1000, 3)
    against = reference(
        "regression", rows, np.asarray(rows.prediction), Coder(("a", "b", "c"), (), ())
    )
    for name in ("dle", "importance_weighting"):
        assert estimate(name, against, rows, ["rmse"])["rmse"].value.value == 0


def test_usual_differences_between_windows_widen_the_interval():
    rng = np.random.default_rng(0)
    rows, truth = binary_rows(6000, 1)
    block = np.arange(6000) // 300
    flip = rng.random(6000) < (0.25 * (block % 2))
    calm = reference("binary", rows, truth, CODER, block=block)
    restless = reference("binary", rows, np.where(flip, 1 - truth, truth), CODER, block=block)
    window, _ = binary_rows(1000, 2)
    before, after = (
        estimate("cbpe", r, window, ["accuracy"])["accuracy"] for r in (calm, restless)
    )
    assert after.calibration_se > 2 * before.calibration_se
    assert after.calibration_se > 0.02


def test_an_unknown_estimator(binary: Reference):
    with pytest.raises(ConfigError, match="did you mean cbpe"):
        estimate("cbpee", binary, binary.rows, ["accuracy"])


def test_calibrators_are_monotone_clipped_and_kept_by_json():
    import json

    rng = np.random.default_rng(0)
    score = np.round(rng.normal(size=3000), 2)
    found = fit_calibrator(score, rng.random(3000) < expit(score), rng.random(3000))
    grid = found(np.linspace(-9, 9, 500))
    assert (np.diff(grid) >= 0).all()
    assert grid.min() >= 0
    assert grid.max() <= 1
    again = Calibrator.from_dict(json.loads(json.dumps(found.to_dict())))
    assert (again(score) == found(score)).all()
    with pytest.raises(ValueError, match="no row"):
        fit_calibrator([math.nan], [True])
