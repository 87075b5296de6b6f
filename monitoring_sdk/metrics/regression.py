"""Metrics of predicted numbers; equal to scikit-learn's.

Rows without a prediction, and infinite ones, are left out and counted. Intervals are at 95 %: the
normal one for a mean of losses, of squares on the scale of logarithms; elsewhere from each row's
slope.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.guards import conclude, lacking, left_out, nothing_to_count
from monitoring_sdk.metrics.intervals import Z, finite, mean, mean_value, normal, on_logs
from monitoring_sdk.metrics.numbers import LabelledNumbers, Pairs
from monitoring_sdk.metrics.weights import dot
from monitoring_sdk.value import Value

Floats = NDArray[np.float64]
NEAR_ZERO = 1e-3
"""A true value below this share of the median of the others' sizes has no percentage error."""


def _on_pairs(formula: Callable[..., Value]) -> Callable[..., Value]:
    """Guard a metric of numbers: what it cannot be computed on is undefined, with the reason."""

    @wraps(formula)
    def compute(rows: LabelledNumbers, *parameters: float) -> Value:
        if rows.y_pred is None:
            return lacking("prediction")
        if rows.fault is not None:
            return Value.undefined(rows.fault, n=rows.n)
        pairs = rows.pairs
        n = len(pairs.truth)
        if n == 0 and rows.infinite:
            return Value.undefined("no labelled row has a finite label and prediction", n=0)
        if n == 0:
            return nothing_to_count(rows.n, rows.unpredicted, "prediction")
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = formula(pairs, *parameters)
        said = left_out(rows.unpredicted, rows.n, "prediction")
        infinite = f"{rows.infinite} of {rows.n} labelled rows are infinite and are left out"
        unweighted = left_out(rows.unweighted, rows.n, "weight")
        kept = n if found.n is None else found.n
        return conclude(found, kept, said, infinite if rows.infinite else None, unweighted)

    return compute


@_on_pairs
def mae(pairs: Pairs) -> Value:
    """Return the mean absolute error, in the units of the label.

    Examples
    --------
    >>> mae(LabelledNumbers([1.0, 2.0], [1.5, 4.5])).value
    1.5
    """
    return mean_value(np.abs(pairs.residual), pairs.weight, low=0.0)


@_on_pairs
def mse(pairs: Pairs) -> Value:
    """Return the mean squared error, in squared units of the label."""
    return _mean_of_squares(pairs.residual**2, pairs.weight)


def _mean_of_squares(squares: Floats, weight: Floats | None) -> Value:
    # Squares are skewed: their mean is nearer to normal on the scale of its logarithm.
    found, error = mean(squares, weight)
    return finite(found, on_logs(found, error))


def _root(squares: Floats, weight: Floats | None) -> Value:
    found = _mean_of_squares(squares, weight)
    if found.value is None:
        return found
    ends = found.interval and (math.sqrt(found.interval[0]), math.sqrt(found.interval[1]))
    return Value(math.sqrt(found.value), interval=ends)


@_on_pairs
def rmse(pairs: Pairs) -> Value:
    """Return the root of the mean squared error, in the units of the label.

    Examples
    --------
    >>> rmse(LabelledNumbers([1.0, 2.0], [4.0, 6.0])).value
    3.5355339059327378
    """
    return _root(pairs.residual**2, pairs.weight)


@_on_pairs
def rmsle(pairs: Pairs) -> Value:
    """Return the root of the mean squared difference of log(1 + value).

    As in scikit-learn it is undefined where a label or a prediction is -1 or below.
    """
    if min(float(pairs.truth.min()), float(pairs.said.min())) <= -1:
        return Value.undefined("a label or a prediction is -1 or below: it has no log(1 + value)")
    return _root((np.log1p(pairs.said) - np.log1p(pairs.truth)) ** 2, pairs.weight)


@_on_pairs
def bias(pairs: Pairs) -> Value:
    """Return the mean of prediction less truth, in the units of the label; good is 0.

    Examples
    --------
    >>> bias(LabelledNumbers([1.0, 2.0], [1.5, 4.5])).value
    1.5
    """
    return mean_value(pairs.residual, pairs.weight)


@_on_pairs
def mape(pairs: Pairs) -> Value:
    """Return the mean of the absolute error over the true value's size, a share and no percentage.

    Rows whose true value is nearly zero, less than a thousandth of the median size of those that
    are not 0, are left out and counted; scikit-learn divides by 2e-16 there.

    Examples
    --------
    >>> mape(LabelledNumbers([10.0, 20.0, 0.0], [11.0, 16.0, 3.0])).reason
    '1 of 3 true values are nearly zero and are left out'
    """
    size = np.abs(pairs.truth)
    other = size[size > 0]
    if not len(other):
        return Value.undefined("every true value is zero")
    keep = size >= NEAR_ZERO * float(np.median(other))
    n, kept = len(size), int(np.count_nonzero(keep))
    weight = None if pairs.weight is None else pairs.weight[keep]
    found = mean_value(np.abs(pairs.residual[keep]) / size[keep], weight, low=0.0)
    said = f"{n - kept} of {n} true values are nearly zero and are left out" if kept < n else None
    return Value(found.value, found.reason or said, interval=found.interval, n=kept)


@_on_pairs
def wape(pairs: Pairs) -> Value:
    """Return the summed absolute error over the summed size of the true values, a share.

    Examples
    --------
    >>> wape(LabelledNumbers([10.0, 30.0], [12.0, 28.0])).value
    0.1
    """
    error, size = np.abs(pairs.residual), np.abs(pairs.truth)
    total = mean(size, pairs.weight)[0]
    if total == 0:
        return Value.undefined("every true value is zero")
    value = mean(error, pairs.weight)[0] / total
    spread = mean((error - value * size) / total, pairs.weight)[1]
    return finite(value, normal(value, spread, low=0.0))


def _quantile(ordered: Floats, above: Floats, share: float) -> float:
    """Return a weighted quantile, the mean of two values where it falls between them.

    Hyndman and Fan's second definition (1996, The American Statistician 50); the median of numpy.
    """
    wanted = share * above[-1]
    place = min(int(np.searchsorted(above, wanted)), len(ordered) - 1)
    if above[place] - wanted > np.finfo(np.float64).eps or place == len(ordered) - 1:
        return float(ordered[place])
    return float(ordered[place] + ordered[place + 1]) / 2


@_on_pairs
def median_absolute_error(pairs: Pairs) -> Value:
    """Return the median of the absolute errors, in the units of the label.

    The interval is R. S. Woodruff's (1952, JASA 47): the quantiles at the ends of the normal
    interval of a share of a half.
    """
    error = np.abs(pairs.residual)
    n = len(error)
    order = np.argsort(error, kind="stable")
    ordered = error[order]
    weight = np.ones(n) if pairs.weight is None else pairs.weight[order]
    above = np.cumsum(weight)
    value = _quantile(ordered, above, 0.5)
    half = Z * math.sqrt(dot(weight, weight)) / (2 * float(above[-1]))
    if half >= 0.5:
        return Value(value)
    low, high = (_quantile(ordered, above, 0.5 + side) for side in (-half, half))
    return Value(value, interval=(low, high) if low < high else None)


@_on_pairs
def quantile_error(pairs: Pairs, share: float) -> Value:
    """Return the mean pinball loss of a predicted quantile, in the units of the label.

    Parameters
    ----------
    rows : LabelledNumbers
    share : float
        The quantile that the model predicts, in (0, 1).

    Examples
    --------
    >>> quantile_error(LabelledNumbers([1.0, 2.0], [2.0, 1.0]), 0.9).value
    0.5
    """
    under = -pairs.residual
    return mean_value(np.where(under >= 0, share * under, (share - 1) * under), pairs.weight, 0.0)


def _explained(pairs: Pairs, error: Floats, about: float) -> Value:
    """Return 1 less the mean of squared errors over the variance of the truth."""
    centred = (pairs.truth - mean(pairs.truth, pairs.weight)[0]) ** 2
    squared = (error - about) ** 2
    left, of = mean(squared, pairs.weight)[0], mean(centred, pairs.weight)[0]
    if of == 0:
        # scikit-learn's convention; there is nothing to explain.
        said = "every true value is the same"
        return Value(1.0 if left == 0 else 0.0, said)
    ratio = left / of
    spread = mean((squared - ratio * centred) / of, pairs.weight)[1]
    ends = on_logs(ratio, spread)
    return finite(1 - ratio, None if ends is None else (1 - ends[1], 1 - ends[0]))


@_on_pairs
def r2(pairs: Pairs) -> Value:
    """Return the share of the labels' variance that the predictions explain, at most 1.

    As in scikit-learn, labels that are all the same give 1 where the prediction is perfect and 0
    elsewhere, which the value says. The interval is normal for the logarithm of ``1 - r2``.

    Examples
    --------
    >>> r2(LabelledNumbers([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])).value
    0.5
    """
    if len(pairs.truth) < 2:
        return Value.undefined("fewer than two rows")
    return _explained(pairs, pairs.residual, 0.0)


@_on_pairs
def explained_variance(pairs: Pairs) -> Value:
    """Return the share of the labels' variance that is explained when the bias is taken off."""
    return _explained(pairs, pairs.residual, mean(pairs.residual, pairs.weight)[0])
