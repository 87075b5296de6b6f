"""Metrics of scores: ranking and calibration; equal to scikit-learn's.

Where scikit-learn raises, the value is undefined and says why; rows without a score are left out
and counted. The interval of the AUC is DeLong's (DeLong, DeLong and Clarke-Pearson, 1988,
Biometrics 44), that of a mean of losses the normal one; both at 95 %.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.classification import Z, left_out
from monitoring_sdk.metrics.labelled import Labelled, ScoreCurve
from monitoring_sdk.value import Value

Formula = Callable[[Labelled], Value]
ECE_BINS = 10


def _on_scores(*, probability: bool) -> Callable[[Formula], Formula]:
    """Guard a metric of scores: what it cannot be computed on is undefined, with the reason."""

    def decorate(formula: Formula) -> Formula:
        @wraps(formula)
        def compute(rows: Labelled) -> Value:
            if rows.score is None:
                return Value.undefined("needs a score column, and there is none", n=0)
            if rows.fault is not None:
                return Value.undefined(rows.fault, n=rows.n)
            score = rows.scored[1]
            n = len(score)
            if n == 0:
                return Value.undefined(
                    "no labelled rows" if rows.n == 0 else "no labelled row has a score", n=0
                )
            low, high = float(score.min()), float(score.max())
            if not np.isfinite([low, high]).all():
                return Value.undefined("a score is infinite", n=n)
            if probability and (low < 0 or high > 1):
                worst = high if high > 1 else low
                return Value.undefined(f"a score is no probability: {worst:.6g}", n=n)
            found = formula(rows)
            reason = found.reason or left_out(n, rows.n, "score")
            return Value(found.value, reason, interval=found.interval, n=n)

        return compute

    return decorate


def _delong(curve: ScoreCurve, area: float) -> tuple[float, float] | None:
    """Return DeLong's interval of the AUC, or None where its variance says nothing."""
    ones, zeros = int(curve.positives.sum()), int(curve.negatives.sum())
    if min(ones, zeros) < 2:
        return None
    below = zeros - np.cumsum(curve.negatives) + curve.negatives / 2
    above = np.cumsum(curve.positives) - curve.positives / 2
    of_ones = float(curve.positives @ (below / zeros - area) ** 2) / (ones - 1)
    of_zeros = float(curve.negatives @ (above / ones - area) ** 2) / (zeros - 1)
    half = Z * float(np.sqrt(of_ones / ones + of_zeros / zeros))
    return (max(0.0, area - half), min(1.0, area + half)) if half > 0 else None


@_on_scores(probability=False)
def roc_auc(rows: Labelled) -> Value:
    """Return the area under the ROC curve, in [0, 1]; ties count half.

    Examples
    --------
    >>> roc_auc(Labelled([False, False, True, True], score=[0.1, 0.4, 0.35, 0.8])).value
    0.75
    """
    curve = rows.curve
    ones, zeros = int(curve.positives.sum()), int(curve.negatives.sum())
    if ones == 0 or zeros == 0:
        return Value.undefined("one class only among the labels")
    below = zeros - np.cumsum(curve.negatives) + curve.negatives / 2
    area = float(curve.positives @ below) / (ones * zeros)
    return Value(area, interval=_delong(curve, area))


@_on_scores(probability=False)
def average_precision(rows: Labelled) -> Value:
    """Return the precision averaged over the recall gained at each distinct score, in [0, 1].

    Examples
    --------
    >>> rows = Labelled([False, False, True, True], score=[0.1, 0.4, 0.35, 0.8])
    >>> round(average_precision(rows).value, 4)
    0.8333
    """
    curve = rows.curve
    found = np.cumsum(curve.positives)
    if found[-1] == 0:
        return Value.undefined("no positive label")
    precision = found / (found + np.cumsum(curve.negatives))
    return Value(float(curve.positives @ precision) / float(found[-1]))


def _mean(losses: NDArray[np.float64]) -> Value:
    n = len(losses)
    mean = float(losses.mean())
    if n < 2:
        return Value(mean)
    half = Z * float(losses.std(ddof=1)) / n**0.5
    return Value(mean, interval=(max(0.0, mean - half), mean + half) if half > 0 else None)


@_on_scores(probability=True)
def log_loss(rows: Labelled) -> Value:
    """Return the mean negative log-likelihood in nats, >= 0.

    Probabilities are clipped to [eps, 1 - eps] with the eps of float64, as scikit-learn does.
    The classes are known, so a window of one class has a value (scikit-learn with ``labels``).

    Examples
    --------
    >>> round(log_loss(Labelled([True, False], score=[0.8, 0.4])).value, 6)
    0.366985
    """
    truth, score = rows.scored
    eps = np.finfo(np.float64).eps
    likelihood = np.where(truth, score, 1 - score)
    return _mean(-np.log(np.clip(likelihood, eps, 1 - eps)))


@_on_scores(probability=True)
def brier(rows: Labelled) -> Value:
    """Return the mean squared distance of probability and outcome, in [0, 1].

    Examples
    --------
    >>> round(brier(Labelled([True, False], score=[0.8, 0.4])).value, 6)
    0.1
    """
    truth, score = rows.scored
    return _mean((score - truth) ** 2)


@_on_scores(probability=True)
def ece(rows: Labelled) -> Value:
    """Return the expected calibration error over ten bins of equal width, in [0, 1].

    The mean over rows of ``abs(mean score - share of positives)`` of their bin; bins are closed
    on the right, the first on both sides, as in scikit-learn's ``calibration_curve``.
    Source: Naeini, Cooper and Hauskrecht, 2015, AAAI.

    Examples
    --------
    >>> round(ece(Labelled([True, False], score=[0.8, 0.4])).value, 6)
    0.3
    """
    truth, score = rows.scored
    edges = np.linspace(0, 1, ECE_BINS + 1)
    cell = np.searchsorted(edges[1:-1], score)
    total = np.bincount(cell, weights=score, minlength=ECE_BINS)
    positives = np.bincount(cell[truth], minlength=ECE_BINS)
    return Value(float(np.abs(total - positives).sum()) / len(score))
