"""Expectations from reference rows: wide enough to stay quiet while nothing changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring_sdk.config_privacy import Privacy
from monitoring_sdk.config_sections import Expectation

# What a window's limits give way to: chance so small that no year of windows meets it.
_TAIL = 1e-6
_ERRORS = 4
_FEWEST_ROWS = 20
_MOST_LEVELS = 1000


def generate(
    sample: Mapping[str, pd.Series] | pd.DataFrame,
    kinds: Mapping[str, str],
    window_rows: int | Sequence[int],
    window_means: Mapping[str, Sequence[float]] = MappingProxyType({}),
    privacy: Privacy | None = None,
) -> tuple[Expectation, ...]:
    """Derive expectations, all of severity warning, from reference rows.

    Parameters
    ----------
    sample : DataFrame or mapping of str to pandas.Series
        Reference rows of each column, evenly drawn.
    kinds : mapping of str to str
        `numeric` or `categorical`, for the columns to look at.
    window_rows : int or sequence of int
        The usual size of a window, or the sizes of the reference's. Limits are those of the
        smallest window of at least 20 rows, so that they hold for all of them.
    window_means : mapping of str to sequence of float
        The mean of a column in each reference window: what it does from day to day, as weather or
        a week does, is beyond the error of a sample.
    privacy : Privacy, optional
        Which levels may be named, and how near to the extremes a limit may come.

    Returns
    -------
    tuple of Expectation
        Numeric: 99 % of the values lie between the .001 and .999 quantiles, and the mean within
        4 two-sample standard errors and 4 standard deviations of the windows' means, as a root of
        the sum of squares (more, where skewness asks for it). Categorical: 95 % of the
        values are among the levels with at least `min_count` rows (no rarer one is named). Both:
        no more nulls than the reference's share and 3 standard errors. In small windows, where one
        value is a large share, the limits give way to what chance brings once in a million windows.

    Examples
    --------
    >>> found = generate({"x": pd.Series(np.arange(1000.0))}, {"x": "numeric"}, [100])
    >>> [e.type for e in found][0], found[0].arguments["mostly"], found[0].severity
    ('expect_column_values_to_not_be_null', 0.95, 'warning')
    """
    given = [window_rows] if isinstance(window_rows, int) else window_rows
    sizes = [n for n in given if n >= _FEWEST_ROWS]
    if not sizes:
        return ()
    found: list[Expectation] = []
    privacy = privacy or Privacy()
    for column, kind in kinds.items():
        values = sample.get(column)
        if values is None or values.empty:
            continue
        found += _nulls(column, values, min(sizes))
        known = values.dropna()
        if known.empty:
            continue
        if kind == "numeric":
            means = window_means.get(column, ())
            found += _numeric(column, known, min(sizes), means, privacy.spare)
        elif not privacy.drops(column):
            found += _categorical(column, known, min(sizes), privacy.min_count)
    return tuple(found)


def _expectation(type_: str, **arguments: object) -> Expectation:
    return Expectation.model_validate({"type": type_, "severity": "warning", **arguments})


def _allowed(breaches: int, rows: int, size: int, least: float) -> float | None:
    """Return the share of breaches to allow in a window, None where it says nothing."""
    # One more half breach: the reference may have had luck.
    share = (breaches + 0.5) / (rows + 1)
    error = math.sqrt(share * (1 - share) * (1 / rows + 1 / size))
    upper = min(1.0, share + 3 * math.sqrt(share * (1 - share) / rows))
    from scipy import stats  # only who builds a baseline waits for its import

    chance = float(stats.binom.isf(_TAIL, size, upper)) / size
    limit = max(least, breaches / rows + 3 * error, chance)
    # Rounded towards tolerance, so that a limit reads well and never tightens.
    limit = math.ceil(limit * 1000) / 1000
    return limit if limit < 0.5 else None


def _mostly(limit: float) -> float:
    return round(1 - limit, 3)


def _nulls(column: str, values: pd.Series, size: int) -> list[Expectation]:
    limit = _allowed(int(values.isna().sum()), len(values), size, 0.0)
    if limit is None:
        return []
    type_ = "expect_column_values_to_not_be_null"
    return [_expectation(type_, column=column, mostly=_mostly(limit))]


def _numeric(
    column: str, known: pd.Series, size: int, window_means: Sequence[float], spare: int
) -> list[Expectation]:
    if not (pd.api.types.is_numeric_dtype(known) or pd.api.types.is_bool_dtype(known)):
        return []
    numbers = known.to_numpy(dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return []
    # The quantile at (spare + 1) / n has at least so many values beyond it.
    tail = min(0.5, max(0.001, (spare + 1) / finite.size if spare else 0.0))
    low, high = (float(q) for q in np.quantile(finite, [tail, 1 - tail]))
    outside = int(np.sum((numbers < low) | (numbers > high)))
    found = []
    limit = _allowed(outside, len(numbers), size, 0.01)
    if limit is not None:
        type_ = "expect_column_values_to_be_between"
        bounds = {"min_value": low, "max_value": high}
        found.append(_expectation(type_, column=column, mostly=_mostly(limit), **bounds))
    # With infinities there is no mean, and a constant has no error to measure by: what its
    # standard deviation shows is rounding.
    if finite.size == len(numbers) and finite.min() < finite.max():
        type_ = "expect_column_mean_to_be_between"
        bounds = _mean_bounds(finite, size, window_means)
        found.append(_expectation(type_, column=column, **bounds))
    return found


def _mean_bounds(
    finite: NDArray[np.float64], size: int, window_means: Sequence[float]
) -> dict[str, float]:
    mean = float(finite.mean())
    error = float(finite.std(ddof=1)) * math.sqrt(1 / len(finite) + 1 / size)
    if len(window_means) > 1:
        error = math.hypot(error, float(np.std(window_means, ddof=1)))
    # A mean of few skewed values is skewed itself: the first Cornish-Fisher term, outwards only.
    from scipy import stats  # only who builds a baseline waits for its import

    lean = float(stats.skew(finite)) * (_ERRORS**2 - 1) / (6 * math.sqrt(size))
    return {
        "min_value": mean - error * (_ERRORS + max(0.0, -lean)),
        "max_value": mean + error * (_ERRORS + max(0.0, lean)),
    }


def _categorical(column: str, known: pd.Series, size: int, min_count: int) -> list[Expectation]:
    counts = known.value_counts()
    kept = counts[counts >= min_count]
    if kept.empty or len(kept) > _MOST_LEVELS:
        return []
    limit = _allowed(int(counts.sum() - kept.sum()), int(counts.sum()), size, 0.05)
    if limit is None:
        return []
    levels = sorted((v.item() if hasattr(v, "item") else v for v in kept.index), key=str)
    type_ = "expect_column_values_to_be_in_set"
    return [_expectation(type_, column=column, value_set=levels, mostly=_mostly(limit))]
