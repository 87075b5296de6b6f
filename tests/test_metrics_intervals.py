"""An interval's width is that of the infinitesimal jackknife, here by pulling at every weight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from monitoring_sdk.metrics.intervals import Z, mean, mean_in_unit, on_fisher, on_logits, on_logs
from monitoring_sdk.metrics.intervals import share as weighted_share
from monitoring_sdk.metrics.table import find_metric
from tests import metric_cases as cases

STEP = 1e-6


def identity(value: float) -> float:
    return value


def log_odds(value: float) -> float:
    return float(np.log(value / (1 - value)))


def of_unexplained(value: float) -> float:
    return float(-np.log(1 - value))


def atanh(value: float) -> float:
    return float(np.arctanh(value))


def log(value: float) -> float:
    return float(np.log(value))


# The scale on which the interval is normal, and whether its variance is that of a mean (n - 1).
SCALES: dict[str, tuple[str, Callable[[float], float], bool]] = {
    "f1": ("binary", log_odds, False),
    "balanced_accuracy": ("binary", log_odds, False),
    "mcc": ("binary", atanh, False),
    "average_precision": ("binary", log_odds, False),
    "business_value": ("binary", identity, True),
    "log_loss": ("binary", identity, True),
    "label_noise": ("binary", identity, True),
    "precision_macro": ("multiclass", log_odds, False),
    "recall_macro": ("multiclass", log_odds, False),
    "f1_macro": ("multiclass", log_odds, False),
    "precision_weighted": ("multiclass", log_odds, False),
    "recall_weighted": ("multiclass", log_odds, False),
    "f1_weighted": ("multiclass", log_odds, False),
    "average_precision_macro": ("multiclass", log_odds, False),
    "f1@b": ("multiclass", log_odds, False),
    "mse": ("regression", log, True),
    "rmse": ("regression", log, True),
    "bias": ("regression", identity, True),
    "wape": ("regression", identity, True),
    "r2": ("regression", of_unexplained, True),
    "explained_variance": ("regression", of_unexplained, True),
    "novelty@3": ("ranking", identity, True),
}
AREAS = {
    "roc_auc": "binary",
    "roc_auc_ovr": "multiclass",
    "roc_auc_ovr_weighted": "multiclass",
    "roc_auc_ovo": "multiclass",
}


def jackknife(name: str, task: str, scale: Callable[[float], float]) -> tuple[float, float, int]:
    """Return the standard error by pulling at each weight, that of the interval, and n."""
    compute = find_metric(name, task).compute
    rows = cases.some_rows(task, 120, seed=11)
    unit = cases.LIST if task == "ranking" else 1
    units = rows.n // unit
    weight = np.random.default_rng(2).choice([0.5, 1.0, 3.0], units)

    def at(own: np.ndarray) -> float:
        value = compute(cases.with_weight(rows, np.repeat(own, unit))).value
        assert value is not None
        return scale(value)

    pulls = [(at(weight + STEP * e) - at(weight - STEP * e)) / (2 * STEP) for e in np.eye(units)]
    interval = compute(cases.with_weight(rows, np.repeat(weight, unit))).interval
    assert interval is not None
    ours = (scale(interval[1]) - scale(interval[0])) / (2 * Z)
    return float(np.sqrt(np.sum((weight * pulls) ** 2))), ours, units


@pytest.mark.parametrize("name", SCALES)
def test_the_standard_error_is_that_of_pulling_at_the_weights(name: str) -> None:
    task, scale, of_mean = SCALES[name]
    pulled, ours, n = jackknife(name, task, scale)
    assert ours == pytest.approx(pulled * (np.sqrt(n / (n - 1)) if of_mean else 1), rel=1e-4)


@pytest.mark.parametrize("name", AREAS)
def test_areas_have_that_standard_error_but_for_the_small_sample(name: str) -> None:
    pulled, ours, _ = jackknife(name, AREAS[name], identity)
    assert pulled < ours < 1.05 * pulled


def test_a_weighted_share_has_the_variance_of_its_own_rows() -> None:
    rng = np.random.default_rng(4)
    hit, weight = rng.random(500) < 0.3, rng.choice([1.0, 5.0], 500)
    sides = weight[hit], weight[~hit]
    found = weighted_share(*(s.sum() for s in sides), *((s**2).sum() for s in sides))
    value, error = mean(hit.astype(float), weight)
    assert found.value == pytest.approx(value)
    assert found.interval is not None
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * Z * error, rel=0.02)


def test_a_mean_of_ones_has_wilsons_interval() -> None:
    found = mean_in_unit(np.ones(20), None)
    assert found.value == 1.0
    assert found.interval == pytest.approx((1 / (1 + Z * Z / 20), 1.0))


@pytest.mark.parametrize("scale", [on_logits, on_fisher, on_logs])
@pytest.mark.parametrize("error", [0.0, float("nan"), float("inf")])
def test_an_error_that_says_nothing_gives_no_interval(
    scale: Callable[[float, float], tuple[float, float] | None], error: float
) -> None:
    assert scale(0.5, error) is None


@pytest.mark.parametrize("scale", [on_logits, on_fisher, on_logs])
def test_a_large_error_stays_in_range(
    scale: Callable[[float, float], tuple[float, float] | None],
) -> None:
    for error in (1.0, 50.0, 1e6, 1e300):
        ends = scale(0.5, error)
        assert ends is None or (np.isfinite(ends).all() and ends[0] <= 0.5 <= ends[1])
