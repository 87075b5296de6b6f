"""Provisional limits: beyond everything seen over the reference windows, by a margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

Direction = Literal["above", "below", "both"]
Scale = Literal["linear", "log", "log_to_1"]

MIN_WINDOWS = 5
"""Fewer reference windows than this say too little about what is usual."""

_MARGIN, _FAR_MARGIN, _MANY_FAR_MARGIN = 0.5, 1.5, 4.5
_TAIL, _FAR_TAIL = 5e-4, 1e-5
_FAR_FLOOR = 1.5


@dataclass(frozen=True, slots=True)
class ReferenceSeries:
    """One check over the reference windows: its values (None where undefined) and row counts."""

    values: tuple[float | None, ...]
    n: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on one side; beyond `far` a single window alerts, beyond `near` two running do."""

    near: float
    far: float
    direction: Literal["above", "below"]

    def passed(self, value: float) -> bool:
        """Say whether a value lies beyond the near limit."""
        return value > self.near if self.direction == "above" else value < self.near

    def far_passed(self, value: float) -> bool:
        """Say whether a value lies beyond the far limit."""
        return value > self.far if self.direction == "above" else value < self.far


def _median(values: NDArray[np.float64]) -> float:
    """Return the median of a few finite values, in a tenth of the time that numpy takes for them.

    Examples
    --------
    >>> _median(np.array([3.0, 1.0, 2.0])), _median(np.array([4.0, 1.0]))
    (2.0, 2.5)
    """
    ordered = np.sort(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return float(ordered[half])
    return float((ordered[half - 1] + ordered[half]) / 2)


def _usual(series: ReferenceSeries, n: int, noise: float, centred: bool) -> NDArray[np.float64]:
    """Return the reference values, widened to what a window of `n` rows would have shown.

    Sampling noise grows as the rows get fewer, like n to the power of `-noise`: a distance as a
    whole, a level (an accuracy, a row count) about its median.
    """
    pairs = [(v, m) for v, m in zip(series.values, series.n, strict=True) if v is not None]
    if not pairs:
        return np.empty(0)
    values, rows = np.array(pairs, dtype=float).T
    wider = np.maximum(1.0, np.maximum(rows, 1.0) / max(n, 1)) ** noise
    middle = _median(values) if centred else 0.0
    return middle + (values - middle) * wider


# The same few in every window.
@lru_cache(maxsize=1 << 10)
def _student(freedom: int, tail: float) -> float:
    return float(special.stdtrit(freedom, tail))


def _one_side(usual: NDArray[np.float64], floor: float, tests: int = 1) -> tuple[float, float]:
    """Return the near and the far upper limit over usual values."""
    middle, top, count = _median(usual), float(usual.max()), len(usual)
    spread = top - middle
    # Few rows have long tails, and with many segments somewhere a window is far out: it takes more
    # before one window is enough.
    most = _FAR_MARGIN if tests == 1 else _MANY_FAR_MARGIN
    mean, deviation = float(usual.mean()), float(usual.std(ddof=1)) * math.sqrt(1 + 1 / count)
    near, far = (
        max(
            top + margin * spread,
            mean - _student(count - 1, tail / tests) * deviation,
        )
        for margin, tail in ((_MARGIN, _TAIL), (most, _FAR_TAIL))
    )
    return max(near, middle + floor), max(far, middle + _FAR_FLOOR * floor)


def _over_distances(usual: NDArray[np.float64], noise: float, floor: float, tests: int) -> Limit:
    """Return the upper limit over distances, which are skewed, on a scale where they are not.

    Without change PSI is about chi-squared and the others about the root of it; the cube root of
    chi-squared is close to normal (Wilson and Hilferty 1931).
    """
    power = 1 / (3 * noise) if noise else 1 / 3
    near, far = _one_side(np.maximum(usual, 0.0) ** power, 0.0, tests)
    middle = _median(usual)
    near, far = near ** (1 / power), far ** (1 / power)
    return Limit(max(near, middle + floor), max(far, middle + _FAR_FLOOR * floor), "above")


def _by_counts(series: ReferenceSeries, n: int, limit: Limit, tests: int) -> Limit:
    """Move an upper limit over shares up to what chance brings on `n` rows.

    Shares of few rows are a count over a count: where no reference window had a null, one null of
    thirty rows is no news. The count is negative binomial about the rate of the reference rows
    (Poisson, its rate gamma with Jeffreys' prior).
    """
    pairs = [(v, m) for v, m in zip(series.values, series.n, strict=True) if v is not None]
    rows = sum(m for _, m in pairs)
    if not rows or not n:
        return limit
    hits = sum(v * m for v, m in pairs) + 0.5
    near, far = (
        min(1.0, float(np.ceil(special.nbdtrik(1 - tail / tests, hits, rows / (rows + n)))) / n)
        for tail in (_TAIL, _FAR_TAIL)
    )
    return Limit(max(limit.near, near), max(limit.far, far), "above")


def _on_log_scale(
    series: ReferenceSeries, n: int, noise: float, least: float, scale: Scale, tests: int
) -> Limit | None:
    """Return the limit of a loss on the scale of its logarithm, of a value up to 1 on 1 - value's.

    Errors with long tails make losses that differ by factors. None where a loss of the reference
    is 0, a factor of which is no limit, or where they differ beyond all numbers.
    """
    losses = tuple(v if v is None or scale == "log" else 1 - v for v in series.values)
    known = [v for v in losses if v is not None]
    if min(known) <= 0:
        return None
    logs = ReferenceSeries(tuple(None if v is None else float(np.log(v)) for v in losses), series.n)
    found = _one_side(_usual(logs, n, noise, centred=True), 0.0, tests)
    middle = _median(np.array(known))
    with np.errstate(over="ignore"):
        bounds = [float(np.exp(f)) for f in found]
    near, far = (
        max(bound, middle + k * least) for k, bound in zip((1, _FAR_FLOOR), bounds, strict=True)
    )
    if not np.isfinite(far):
        return None
    return Limit(near, far, "above") if scale == "log" else Limit(1 - near, 1 - far, "below")


def limits(
    series: ReferenceSeries,
    *,
    n: int,
    direction: Direction,
    noise: float = 0.5,
    floor: float = 0.0,
    relative_floor: float = 0.0,
    centred: bool = True,
    counted: bool = False,
    scale: Scale = "linear",
    tests: int = 1,
) -> tuple[Limit, ...]:
    """Set the limits of a check from its values over the reference windows.

    A limit lies half the usual spread beyond the most extreme reference value, and not nearer than
    the prediction bound of a normal sample that small (Student's t, one-sided tail 5e-4); the far
    limit one and a half spreads, or a tail of 1e-5.

    Parameters
    ----------
    series : ReferenceSeries
        In the units of the check.
    n : int
        Rows of the window to be judged.
    direction : {"above", "below", "both"}
        Where bad values lie.
    noise : float
        Sampling noise goes as n to the power of `-noise` (0.5 for a mean, 1 for PSI).
    floor : float
        Smallest departure from the median worth a page, in the units of the check.
    relative_floor : float
        The same as a share of the median.
    centred : bool
        Whether noise moves values about their median (a level) or scales them (a distance, which
        lies above 0 and for which only the upper side is of interest).
    counted : bool
        Whether the value is a share of rows, whose limit is then not nearer than what chance
        brings on so few.
    scale : {"linear", "log", "log_to_1"}
        On which values are spread evenly; on that of their logarithm, or of the logarithm of
        1 - value, there is one limit, on the side of greater losses.
    tests : int
        How many checks of the same kind are judged side by side, as those of each segment are:
        the tails are divided by it (Bonferroni), so that many segments page no more often than
        one.

    Returns
    -------
    tuple of Limit
        Empty where fewer than `MIN_WINDOWS` reference windows have a value.

    Examples
    --------
    >>> usual = ReferenceSeries(tuple(0.9 + 0.001 * i for i in range(10)), (500,) * 10)
    >>> (low,) = limits(usual, n=500, direction="below")
    >>> low.passed(0.88), low.far_passed(0.8)
    (True, True)
    """
    usual = _usual(series, n, noise, centred)
    if len(usual) < MIN_WINDOWS:
        return ()
    least = max(floor, relative_floor * abs(_median(usual)))
    if not centred:
        return (_over_distances(usual, noise, least, tests),)
    if scale != "linear" and (one := _on_log_scale(series, n, noise, least, scale, tests)):
        return (one,)
    found: list[Limit] = []
    if direction in ("above", "both"):
        upper = Limit(*_one_side(usual, least, tests), "above")
        found.append(_by_counts(series, n, upper, tests) if counted else upper)
    if direction in ("below", "both"):
        near, far = _one_side(-usual, least, tests)
        found.append(Limit(-near, -far, "below"))
    return tuple(found)


def nearest(found: Sequence[Limit], value: float | None) -> Limit | None:
    """Return the limit that a value has passed, else the nearest; None where there is none."""
    if not found or value is None:
        return found[0] if found else None
    passed = [limit for limit in found if limit.passed(value)]
    return passed[0] if passed else min(found, key=lambda limit: abs(limit.near - value))
