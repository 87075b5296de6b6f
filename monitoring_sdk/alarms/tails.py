"""How far out simulated statistics hardly ever lie, read off more of them than lie there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.layout import Layout
from monitoring_sdk.alarms.residuals import Floats

_UNIT_TAIL, _BODY = 0.005, 0.05
_TINY = 1e-30


def unit_tails(units: Floats, layout: Layout) -> Floats:
    """Return what the units pass in five of a thousand simulated windows, shape (H, U).

    Few windows lie so far out. So it is read off the largest twentieth, whose squares lie beyond
    their smallest as if drawn from an exponential law, as those of normal maxima do.

    Parameters
    ----------
    units : array, shape (N, T, H, U)
        The largest statistic of each unit.
    layout : Layout
    """
    # What is counted comes in steps.
    counted = np.append(layout.counted, np.zeros(len(layout.energies), dtype=bool))
    rare = np.logical_or.reduceat(counted[layout.order], layout.starts)
    out = np.empty(units.shape[2:])
    if not rare.all():
        squares = np.square(np.maximum(units[..., ~rare], 0))
        base = np.quantile(squares, 1 - _BODY, axis=(0, 1))
        one, other = (_mean_excess(half, base) for half in np.array_split(squares, 2))
        excess = _alike(one, other, layout.unit_families[~rare])
        out[:, ~rare] = np.sqrt(base + excess * np.log(_BODY / _UNIT_TAIL))
    for unit in np.flatnonzero(rare):
        out[:, unit] = np.quantile(units[..., unit], 1 - _UNIT_TAIL, axis=(0, 1))
    return out


def _mean_excess(squares: Floats, base: Floats) -> Floats:
    beyond = np.maximum(squares - base, 0)
    return np.asarray(beyond.sum((0, 1)) / np.maximum((beyond > 0).sum((0, 1)), 1))


def _alike(one: Floats, other: Floats, families: NDArray[np.int64]) -> Floats:
    """Return the mean of two measurements, each unit's drawn to the middle of its family.

    As far as units differ by no more than the two of one unit do (B. Efron and C. Morris, 1973,
    JASA 68).

    Examples
    --------
    >>> one, other = np.array([[1.0, 3.0, 2.0]]), np.array([[3.0, 1.0, 2.0]])
    >>> _alike(one, other, np.zeros(3, dtype=np.int64)).tolist()
    [[2.0, 2.0, 2.0]]
    """
    found = (one + other) / 2
    for family in np.unique(families):
        own = families == family
        middle = np.median(found[:, own], axis=1, keepdims=True)
        apart = found[:, own] - middle
        by_chance = ((one - other)[:, own] ** 2).mean(axis=1, keepdims=True) / 4
        spread = np.maximum((apart**2).mean(axis=1, keepdims=True), _TINY)
        found[:, own] = middle + np.maximum(1 - by_chance / spread, 0) * apart
    return np.asarray(found)


def tail_quantile(ordered: Floats, p: float) -> float:
    """Return what a share `p` of a sorted sample exceeds, beyond the sample where need be.

    The tail is taken for exponential in the square, as that of normal maxima is.

    Examples
    --------
    >>> x = np.sort(np.random.default_rng(0).normal(size=(10_000, 30)).max(axis=1))
    >>> 4.3 < tail_quantile(x, 1e-4) < 4.7  # 4.51 in truth
    True
    """
    n = len(ordered)
    top = ordered[-max(200, n // 50) :].astype(float)
    if p * n >= 20 or p >= len(top) / n or top[0] <= 0:
        return float(np.quantile(ordered, 1 - min(p, 1.0)))
    squares = top**2
    mean = max(float((squares - squares[0]).mean()), 1e-9)
    return float(np.sqrt(squares[0] + mean * np.log(len(top) / n / p)))
