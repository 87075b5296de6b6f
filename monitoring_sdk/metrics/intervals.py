"""Confidence intervals at 95 %: of shares, of means, and on scales that keep within their range.

Rows are taken as independent. A weighted statistic is linearised in the rows' weights: its variance
is the sum over rows of (weight x slope) squared, the infinitesimal jackknife (L. A. Jaeckel, 1972,
Bell Laboratories Memorandum 72-1215; J. C. Deville, 1999, Survey Methodology 25).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.weights import dot
from monitoring_sdk.value import Value

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
Interval = tuple[float, float]


def wilson(successes: float, n: float) -> Interval:
    """Return Wilson's score interval of a share, within [0, 1].

    With weights, `n` is the effective number of rows, and `successes` the share times it.
    Source: E. B. Wilson, 1927, JASA 22.

    Examples
    --------
    >>> low, high = wilson(8, 10)
    >>> round(low, 4), round(high, 4)
    (0.4902, 0.9433)
    """
    share = min(max(successes / n, 0.0), 1.0)
    scale = 1 + Z * Z / n
    middle = (share + Z * Z / (2 * n)) / scale
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / scale
    return min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)


def share(hits: float, misses: float, hit_squares: float, miss_squares: float) -> Value:
    """Return a weighted share with Wilson's interval at the effective number of rows.

    Parameters
    ----------
    hits, misses : float
        Summed weights of the rows that have it, and of those that have not; not both 0.
    hit_squares, miss_squares : float
        Their summed squares. The effective number of rows is that at which a plain share would
        have the variance of this one; where one side is empty, Kish's (1965, Survey Sampling).

    Examples
    --------
    >>> share(3, 1, 3, 1).value
    0.75
    """
    total = hits + misses
    found = min(hits / total, 1.0)
    squares = hit_squares * (1 - found) ** 2 + miss_squares * found**2
    if 0 < found < 1:
        effective = found * (1 - found) * total * total / squares
    else:
        effective = total * total / (hit_squares + miss_squares)
    return Value(found, interval=wilson(found * effective, effective))


def around(value: float, error: float, low: float = -math.inf, high: float = math.inf) -> Interval:
    """Return the normal interval, cut to a range; `error` is the standard error."""
    return max(low, value - Z * error), min(high, value + Z * error)


def normal(
    value: float, error: float, low: float = -math.inf, high: float = math.inf
) -> Interval | None:
    """Return the normal interval, cut to a range; None where the error says nothing.

    Examples
    --------
    >>> low, high = normal(0.5, 1.0, low=0.0)
    >>> low, round(high, 3)
    (0.0, 2.46)
    """
    return around(value, error, low, high) if math.isfinite(error) and error > 0 else None


def on_logits(value: float, error: float) -> Interval | None:
    """Return the interval of a share that is normal on the scale of log odds.

    Examples
    --------
    >>> low, high = on_logits(0.9, 0.05)
    >>> round(low, 3), round(high, 3)
    (0.752, 0.964)
    """
    if not (0 < value < 1 and math.isfinite(error) and error > 0):
        return None
    middle, half = math.log(value / (1 - value)), Z * error / (value * (1 - value))
    low, high = (0.5 * (1 + math.tanh((middle + side) / 2)) for side in (-half, half))
    return min(low, value), max(high, value)


def on_fisher(value: float, error: float) -> Interval | None:
    """Return the interval of a correlation that is normal on Fisher's scale, its atanh."""
    if not (-1 < value < 1 and math.isfinite(error) and error > 0):
        return None
    middle, half = math.atanh(value), Z * error / (1 - value * value)
    return min(math.tanh(middle - half), value), max(math.tanh(middle + half), value)


def on_logs(value: float, error: float) -> Interval | None:
    """Return the interval of a positive number that is normal on the scale of its logarithm.

    Examples
    --------
    >>> low, high = on_logs(2.0, 0.2)
    >>> round(low, 3), round(high, 3)
    (1.644, 2.433)
    """
    if not (value > 0 and math.isfinite(error) and error > 0):
        return None
    half = Z * error / value
    if half > 300:
        return None
    return value * math.exp(-half), value * math.exp(half)


def mean(values: NDArray[np.float64], weight: NDArray[np.float64] | None) -> tuple[float, float]:
    """Return a weighted mean and its standard error (NaN with fewer than two rows).

    Examples
    --------
    >>> mean(np.array([1.0, 3.0]), None)
    (2.0, 1.0)
    """
    n = len(values)
    if weight is None:
        found = float(values.mean())
        return found, float(values.std(ddof=1)) / n**0.5 if n > 1 else math.nan
    total = float(weight.sum())
    found = dot(weight, values) / total
    if n < 2:
        return found, math.nan
    spread = float(np.sqrt(np.sum((weight * (values - found)) ** 2)))
    return found, spread / total * math.sqrt(n / (n - 1))


def finite(value: float, interval: Interval | None = None) -> Value:
    """Return a value, undefined where the arithmetic ran out of range.

    Examples
    --------
    >>> finite(float("inf")).reason
    'the numbers are too large or too small to compute with'
    """
    if not math.isfinite(value):
        return Value.undefined("the numbers are too large or too small to compute with")
    bounded = interval is not None and all(math.isfinite(end) for end in interval)
    return Value(value, interval=interval if bounded else None)


def mean_value(
    values: NDArray[np.float64], weight: NDArray[np.float64] | None, low: float = -math.inf
) -> Value:
    """Return a weighted mean with its normal interval, which ends at `low`."""
    found, error = mean(values, weight)
    return finite(found, normal(found, error, low=low))


def mean_in_unit(values: NDArray[np.float64], weight: NDArray[np.float64] | None) -> Value:
    """Return a weighted mean of values in [0, 1], with Wilson's interval.

    It is taken at the number of rows at which a share would have the variance of this mean; where
    the values do not differ, at Kish's.

    Examples
    --------
    >>> mean_in_unit(np.array([0.0, 1.0, 1.0, 0.5]), None).value
    0.625
    """
    found, error = mean(values, weight)
    # Rounding must not take a mean of shares out of their range.
    found = min(max(found, 0.0), 1.0)
    if error > 0 and 0 < found < 1:
        effective = found * (1 - found) / error**2
    else:
        own = np.ones(len(values)) if weight is None else weight
        effective = float(own.sum()) ** 2 / dot(own, own)
    return Value(found, interval=wilson(found * effective, effective))
