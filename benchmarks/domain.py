"""Which classifier tells two samples of rows apart: cost, and what its density ratios are worth.

    python -m benchmarks.domain

CPU milliseconds of the cross-fitted whole on two sizes of samples, and the mean error of accuracy
by scores calibrated on reference rows weighted with its ratios, on simulated covariate shifts.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from monitoring_sdk import domain
from monitoring_sdk.estimation.calibration import fit_calibrator
from monitoring_sdk.estimation.overlap import LEAST, MOST

Floats = NDArray[np.float64]
Fit = Callable[..., Any]
SIZES = ((5_000, 1_000, 13), (50_000, 50_000, 30))
WINDOWS, D = 30, 8


def cpu() -> float:
    """Return the CPU seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def boosted(**settings: object) -> Fit:
    """Return a fit by LightGBM with other settings than the library's."""
    trees = int(settings.pop("trees", domain.TREES))  # type: ignore[call-overload]

    def fit(rows: Floats, origin: Any, weight: Floats, is_category: Any, seed: int) -> Any:
        import lightgbm

        params = {**domain._SETTINGS, **settings}
        names = np.flatnonzero(is_category).tolist()
        data = lightgbm.Dataset(
            rows, origin, weight=weight, categorical_feature=names, params=params
        )
        return lightgbm.train(params, data, trees)

    return fit


class _Histogram:
    """scikit-learn's histogram boosting, with the face of a LightGBM model."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, rows: Floats, num_threads: int = 1) -> Floats:
        return self.model.predict_proba(rows)[:, 1]


def histogram(rows: Floats, origin: Any, weight: Floats, is_category: Any, seed: int) -> Any:
    """Fit scikit-learn's histogram boosting with as many trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=domain.TREES,
        learning_rate=0.2,
        max_leaf_nodes=8,
        min_samples_leaf=40,
        categorical_features=is_category,
        early_stopping=False,
        random_state=seed,
    )
    return _Histogram(model.fit(rows, origin, sample_weight=weight))


def sample(n: int, m: int, d: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return two samples, a quarter of their columns categories, alike but in two columns."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n + m, d))
    x[n:, 0] += 0.4
    x[n:, 1] *= 1.3
    is_category = np.arange(d) >= d - d // 4
    x[:, is_category] = rng.integers(0, 60, size=(n + m, int(is_category.sum())))
    x[rng.random(x.shape) < 0.01] = np.nan
    return x[:n], x[n:], is_category


def error() -> float:
    """Return the mean error of the expected accuracy over simulated shifts."""
    rng = np.random.default_rng(11)
    weights, bend = rng.normal(size=D) * 0.6, rng.normal(size=(D, D)) * 0.22

    def chance(x: Floats) -> Floats:
        return expit(x @ weights + ((x @ bend) * x).sum(axis=1) - 0.3)

    before = rng.normal(size=(10_000, D))
    truth, score, off = rng.random(10_000) < chance(before), expit(before @ weights), []
    for k in range(WINDOWS):
        move = rng.normal(size=D)
        after = rng.normal(size=((1_000, 5_000)[k % 2], D))
        after += move * rng.uniform(0, 1.2) / np.linalg.norm(move)
        told = domain.tell_apart(before, after, np.zeros(D, bool)).reference
        calibrate = fit_calibrator(score, truth, np.clip(told / (1 - told), LEAST, MOST))
        said = expit(after @ weights)
        found, real = calibrate(said), chance(after)
        right = np.where(said > 0.5, found - real, real - found)
        off.append(abs(right.mean()))
    return float(np.mean(off))


CANDIDATES: dict[str, Fit] = {
    "as the library has it": domain._fit,
    "50 trees, half the step": boosted(trees=50, learning_rate=0.1),
    "levels and leaves not held back": boosted(cat_smooth=10, max_cat_threshold=32, lambda_l2=0.0),
    "scikit-learn's histogram boosting": histogram,
}


def main() -> None:
    """Measure and print."""
    heads = [f"{n} + {m} x {d}" for n, m, d in SIZES]
    print(f"| classifier | CPU ms, {heads[0]} | CPU ms, {heads[1]} | error of accuracy |")
    print("|---|---|---|---|")
    for name, fit in CANDIDATES.items():
        domain._fit, costs = fit, []
        for size in SIZES:
            rows = sample(*size)
            domain.tell_apart(*(r[:200] for r in rows[:2]), rows[2])
            began = cpu()
            domain.tell_apart(*rows)
            costs.append(f"{1000 * (cpu() - began):.0f}")
        print(f"| {name} | {' | '.join(costs)} | {error():.4f} |")


if __name__ == "__main__":
    main()
