"""Losses of a regression, expected row by row: direct loss estimation, and weighted losses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.domain import load_lightgbm
from monitoring_sdk.estimation.estimate import (
    FEWEST_ROWS,
    Estimate,
    combined,
    jackknife,
    left_out,
    refusal,
    undefined,
)
from monitoring_sdk.estimation.overlap import density_ratio, weighted_part
from monitoring_sdk.estimation.rows import Reference, Rows

Floats = NDArray[np.float64]
FOLDS, TREES = 3, 60
_FEWEST_WINDOWS = 5
_SETTINGS = {
    "objective": "l2",
    "learning_rate": 0.1,
    "num_leaves": 16,
    "min_data_in_leaf": 40,
    "min_data_per_group": 40,
    "cat_smooth": 40,
    "lambda_l2": 10.0,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "seed": 0,
    "verbose": -1,
}


@dataclass(frozen=True, slots=True)
class Loss:
    """A mean over rows: `of` one row's error, and whether the metric is the root of the mean."""

    of: Callable[[Floats], Floats]
    root: bool = False


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {"mae": Loss(np.abs), "mse": Loss(np.square), "rmse": Loss(np.square, root=True)}
)


@dataclass(frozen=True, slots=True, eq=False)
class LossModel:
    """What a loss depends on, fitted on a reference.

    Attributes
    ----------
    models : tuple
        One for each fold, fitted on the others.
    smallest : float
        No row is expected to lose less.
    noise : float
        Variance of a row's loss, over its expectation squared.
    gap : float
        Variance of a reference window's mean loss beyond its sampling error.
    """

    models: tuple[Any, ...]
    smallest: float
    noise: float
    gap: float

    def expected(self, rows: Rows) -> Floats:
        """Return the loss that each model expects of each row, shape (folds, n)."""
        given = _given(rows)
        found = np.stack([model.predict(given, num_threads=1) for model in self.models])
        return np.maximum(found, self.smallest)


def dle(
    reference: Reference, window: Rows, metrics: Iterable[str], *, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate the errors of a regression by a model of its loss on features and prediction.

    Direct loss estimation: boosted trees learn each reference row's absolute or squared error; the
    window's metric is the mean of what they expect of its rows.
    """
    names = tuple(metrics)
    rows, reason = _readable(reference, window)
    found = undefined(names, reason or "no estimator knows it", rows.n)
    for name in found:
        if reason is None and name in LOSSES:
            found[name] = _direct(reference, name, rows, left_out(window, rows.n))
    return found


def weighted_losses(
    reference: Reference, window: Rows, metrics: Iterable[str], *, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate the errors of a regression as the reference's, weighted towards the window."""
    names = tuple(metrics)
    rows, reason = _readable(reference, window)
    near = weighted_part(reference)
    ratio = None if reason else density_ratio(near, rows, seed=seed)
    reason = ratio.fault if ratio else reason
    found = undefined(names, reason or "no estimator knows it", rows.n)
    if ratio is None or reason:
        return found
    weight, group = ratio.weight * near.rows.weights, near.group
    notes = (*ratio.notes, *left_out(window, rows.n))
    for name in set(found) & set(LOSSES):
        loss = LOSSES[name].of(_errors(near))
        mean = float(weight @ loss / weight.sum())
        sampling = float(weight @ (loss - mean) ** 2 / weight.sum()) / rows.n
        parts = [weight * (group != g) for g in range(int(group.max()) + 1)]
        without = np.array([part @ loss / part.sum() for part in parts if part.any()])
        calibration = jackknife(without) + _between(near, loss, np.full(near.n, loss.mean()))
        found[name] = _of_mean(name, mean, sampling, calibration, rows.n, notes)
    return found


def _readable(reference: Reference, window: Rows) -> tuple[Rows, str | None]:
    if reference.task != "regression":
        return window, f"not estimated for the task {reference.task}"
    if window.prediction is None or reference.rows.prediction is None:
        return window, "needs a prediction column, and there is none"
    usable = window.usable()
    rows = window if usable.all() else window.take(usable)
    return rows, refusal(reference, rows.n)


def _direct(reference: Reference, name: str, rows: Rows, notes: tuple[str, ...]) -> Estimate:
    model = _loss_model(reference, "mae" if name == "mae" else "mse")
    each, weight = model.expected(rows), rows.weights
    means = each @ weight / weight.sum()
    row = each.mean(axis=0)
    sampling = model.noise * float((weight * row) @ (weight * row)) / float(weight.sum()) ** 2
    return _of_mean(
        name, float(means.mean()), sampling, float(means.var()) + model.gap, rows.n, notes
    )


def _of_mean(
    name: str, mean: float, sampling: float, calibration: float, n: int, notes: tuple[str, ...]
) -> Estimate:
    """Return the estimate of a mean loss, or of its root by the delta method."""
    point, slope = mean, 1.0
    if LOSSES[name].root:
        point = float(np.sqrt(mean))
        slope = 1 / (4 * mean) if mean > 0 else 0.0
    span = (0.0, np.inf)
    return combined(point, sampling * slope, calibration * slope, span=span, n=n, notes=notes)


def _errors(reference: Reference) -> Floats:
    said = np.asarray(reference.rows.prediction, dtype=np.float64)
    return said - np.asarray(reference.truth, dtype=np.float64)


def _given(rows: Rows) -> Floats:
    """Return what a loss is learnt from: the features and the prediction."""
    said = np.asarray(rows.prediction, dtype=np.float64)
    return np.column_stack([rows.matrix, said])


@lru_cache(maxsize=8)
def _loss_model(reference: Reference, name: str) -> LossModel:
    """Fit a loss: once a process, since it does not depend on the window."""
    lightgbm = load_lightgbm()
    loss, given = LOSSES[name].of(_errors(reference)), _given(reference.rows)
    is_category = np.append(reference.coder.is_category, False)
    columns = np.flatnonzero(is_category).tolist()
    # Folds of neighbouring rows: what is alike on a day is not learnt from that day.
    fold, models = reference.group % FOLDS, []
    expected = np.full(reference.n, loss.mean())
    for k in range(FOLDS):
        train = np.flatnonzero(fold != k)
        if len(train) == 0:
            continue
        data = lightgbm.Dataset(
            given[train],
            loss[train],
            weight=reference.rows.weights[train],
            categorical_feature=columns,
            params=_SETTINGS,
        )
        model = lightgbm.train(_SETTINGS, data, TREES)
        models.append(model)
        if (fold == k).any():
            expected[fold == k] = model.predict(given[fold == k], num_threads=1)
    smallest = float(np.quantile(loss, 0.01))
    expected = np.maximum(expected, smallest)
    square = float((expected**2).sum())
    noise = float(((loss - expected) ** 2).sum()) / square if square > 0 else 0.0
    return LossModel(tuple(models), smallest, noise, _between(reference, loss, expected))


def _between(reference: Reference, loss: Floats, expected: Floats) -> float:
    """Return the variance of windows' mean losses beyond their sampling error and its own."""
    gaps = []
    for block in np.unique(reference.block):
        own = reference.block == block
        n = int(own.sum())
        if n >= FEWEST_ROWS:
            off = loss[own] - expected[own]
            gaps.append((float(off.mean()) ** 2, float(off.var()) / n))
    if len(gaps) < _FEWEST_WINDOWS:
        return 0.0
    seen, sampling = np.mean(gaps, axis=0)
    return max(0.0, float(seen - sampling * (1 + np.sqrt(2 / len(gaps)))))
