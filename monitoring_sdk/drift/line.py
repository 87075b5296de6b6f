"""Distances that need an order: Kolmogorov-Smirnov and Wasserstein, with the error of the grid.

A grid knows the two distribution functions at its edges, not between them. Inside a cell of
masses p and q the difference of the functions, D at the cell's left edge, stays within
[D - q, D + p]; from that follow an interval for the exact distance, and the published bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogorov

from monitoring_sdk.drift.cells import ColumnGrid, Undefined, numeric_pair
from monitoring_sdk.profile.categorical import CategoricalProfile
from monitoring_sdk.profile.grid import CategoricalGrid, NumericGrid
from monitoring_sdk.profile.numeric import NumericProfile
from monitoring_sdk.profile.profile import ColumnProfile
from monitoring_sdk.value import Value

Floats = NDArray[np.float64]

# What summing in another order may change, relative to the sum.
_ROUNDING = 1e-12

_ORDERED = ({"0", "1"}, {"false", "true"})


def ks(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Two-sample Kolmogorov-Smirnov statistic, in [0, 1], with its asymptotic p-value.

    Infinities are values like others. The exact statistic lies in [value, value + bound]; the
    bound is at most the largest mass of a cell that is no atom.
    """
    if isinstance(grid, CategoricalGrid):
        return _two_levels(reference, current, grid)
    ref, cur = numeric_pair(reference, current)
    counts = [np.concatenate([[x.neg_inf], x.cells, [x.pos_inf]]) for x in (ref, cur)]
    sizes = [int(c.sum()) for c in counts]
    if not sizes[1]:
        raise Undefined("no values in the current window")
    p, q = (c / n for c, n in zip(counts, sizes, strict=True))
    after = np.cumsum(counts[0]) / sizes[0] - np.cumsum(counts[1]) / sizes[1]
    value = float(np.abs(after).max())
    reach = np.maximum(np.abs(after - p), np.abs(after + q))
    loose = np.ones(len(reach), dtype=bool)
    loose[[0, -1]] = False
    loose[grid.atoms + 1] = False
    p_value = _kolmogorov(value, *sizes)
    bound = max(float(reach.max(where=loose, initial=0.0)) - value, 0.0) + _ROUNDING
    return Value(value, bound=bound, p_value=p_value, n=sizes[1])


def _kolmogorov(value: float, n: int, m: int) -> float:
    """Return the limit law's p-value, corrected for small samples as Stephens (1970) does.

    Near the exact law (which takes milliseconds a column) wherever p is above .001; further out
    a handful of rows comes out too large, on the careful side.
    """
    root = np.sqrt(n / (n + m) * m)
    return float(np.clip(kolmogorov(value * (root + 0.12 + 0.11 / root)), 0, 1))


def wasserstein(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Wasserstein-1 distance of the finite values, >= 0, in the column's units."""
    if isinstance(grid, CategoricalGrid):
        return _two_levels(reference, current, grid)
    ref, cur = numeric_pair(reference, current)
    if not cur.count:
        raise Undefined("no finite values in the current window")
    with np.errstate(over="ignore", invalid="ignore"):
        value, bound = _transport(ref, cur, grid)
    if not np.isfinite(value + bound):
        raise Undefined("the values span more than a float can hold")
    infinite = ref.neg_inf + ref.pos_inf + cur.neg_inf + cur.pos_inf
    note = f"{infinite} infinite values left out" if infinite else None
    return Value(value, note, bound=bound, n=cur.count)


def _transport(ref: NumericProfile, cur: NumericProfile, grid: NumericGrid) -> tuple[float, float]:
    """Return the area between the distribution functions, and how wrong it may be.

    The signed area T is known: it is how far the means are apart. So the area is also T plus
    twice its negative part, and twice its positive part less T; where one sample mostly lies on
    one side of the other, one of these two hardly depends on what is inside the cells.
    """
    width, left, p, q = _gaps(ref, cur, grid)
    low, high = left - q, left + p
    least = np.maximum(np.maximum(low, -high), 0.0)
    most = np.maximum(np.abs(low), np.abs(high))
    right = left + p - q
    straight = float(width @ _area(left, right))
    signed = cur.deviation - ref.deviation
    off = signed - float(width @ (left + right)) / 2
    ways = (
        (float(width @ least), float(width @ most), straight),
        (
            signed + 2 * float(width @ np.maximum(-high, 0.0)),
            signed + 2 * float(width @ np.maximum(-low, 0.0)),
            straight + off,
        ),
        (
            -signed + 2 * float(width @ np.maximum(low, 0.0)),
            -signed + 2 * float(width @ np.maximum(high, 0.0)),
            straight - off,
        ),
    )
    floor, ceiling = max(way[0] for way in ways), min(way[1] for way in ways)
    narrowest = min(ways, key=lambda way: way[1] - way[0])
    value = max(min(narrowest[2], ceiling), floor, 0.0)
    scale = value + abs(cur.deviation) + abs(ref.deviation)
    return value, max(ceiling - value, value - floor, 0.0) + _ROUNDING * scale


def _gaps(
    ref: NumericProfile, cur: NumericProfile, grid: NumericGrid
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return each cell's width, D at its left edge, and its mass in either sample."""
    if ref.min is None or ref.max is None or cur.min is None or cur.max is None:
        raise Undefined("min and max are not kept, so the outer cells have no width")
    p, q = ref.cells / ref.count, cur.cells / cur.count
    after = np.cumsum(ref.cells) / ref.count - np.cumsum(cur.cells) / cur.count
    left = np.append(0.0, after[:-1])
    ends = min(ref.min, cur.min, grid.edges[0]), max(ref.max, cur.max, grid.edges[-1])
    width = np.diff(np.concatenate([[ends[0]], grid.edges, [ends[1]]]))
    width[(p == 0) & (q == 0) & (left == 0)] = 0.0
    return width, left, p, q


def _area(left: Floats, right: Floats) -> Floats:
    """Return the mean of |D| over a cell in which D runs straight from left to right."""
    a, b = np.abs(left), np.abs(right)
    crossing = left * right < 0
    total = np.where(a + b > 0, a + b, 1.0)
    return np.where(crossing, (a * a + b * b) / (2 * total), (a + b) / 2)


def wasserstein_sd(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Wasserstein-1 distance over the reference's standard deviation (ddof 0); >= 0."""
    if isinstance(grid, CategoricalGrid):
        raise Undefined("levels have no standard deviation")
    distance = wasserstein(reference, current, grid)
    sd = numeric_pair(reference, current)[0].sd
    if distance.value is None or distance.bound is None or sd is None:
        return distance
    if not np.isfinite(sd):
        raise Undefined("the reference's standard deviation is more than a float can hold")
    if distance.value == 0.0:
        scale = 1.0 if sd == 0.0 else sd
    elif sd == 0.0:
        raise Undefined("the reference is constant: its standard deviation is 0")
    else:
        scale = sd
    value, bound = distance.value / scale, distance.bound / scale
    if not np.isfinite(value + bound):
        raise Undefined("the distance over so small a standard deviation is no float")
    return Value(value, distance.reason, bound=bound, n=distance.n)


def _two_levels(reference: ColumnProfile, current: ColumnProfile, grid: CategoricalGrid) -> Value:
    """Return |p - q| for the levels 0 and 1, which is what both distances are on them."""
    assert isinstance(reference, CategoricalProfile)
    assert isinstance(current, CategoricalProfile)
    pair = next((pair for pair in _ORDERED if grid.levels and pair >= set(grid.levels)), None)
    if pair is None:
        raise Undefined("levels have no order; this distance is for numbers, or for 0 and 1")
    high = max(pair)
    shares = []
    for which, profile in (("reference", reference), ("current window", current)):
        total = int(profile.counts.sum())
        if not total:
            raise Undefined(f"no rows of a known level in the {which}")
        at = grid.index.get(high)
        shares.append(0.0 if at is None else int(profile.counts[at]) / total)
    left_out = reference.other + current.other + current.unseen
    note = f"{left_out} rows of other levels left out" if left_out else None
    n = int(current.counts.sum())
    return Value(abs(shares[1] - shares[0]), note, bound=_ROUNDING, n=n)
