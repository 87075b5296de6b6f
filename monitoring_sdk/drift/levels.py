"""How many levels a category column has, and whether new ones belong to its nature."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from scipy.special import lambertw

from monitoring_sdk.drift.cells import ColumnGrid, Undefined
from monitoring_sdk.profile.categorical import CategoricalProfile
from monitoring_sdk.profile.distinct import distinct, distinct_beyond, union
from monitoring_sdk.profile.grid import CategoricalGrid, NumericGrid
from monitoring_sdk.profile.profile import ColumnProfile
from monitoring_sdk.value import Value

OPEN_SHARE = 0.005
"""A column whose usual window has a larger share of levels of its own has an open set of them."""


def distinct_ratio(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Distinct levels over the number that the reference has in as many rows; >= 0, usually 1.

    Kept levels are expected by their own shares, the others as if all of them were equally
    frequent, so many that the reference would show as many as it does. So an id column in which
    each row has its own stays at 1 whatever the rows, and so does one whose few levels all occur.
    Beyond 512 levels that are not kept the number is an estimate (standard error 4.4 %); the
    interval is of that error alone, two standard errors either side.
    """
    if isinstance(grid, NumericGrid):
        raise Undefined("a numeric column has no levels")
    assert isinstance(reference, CategoricalProfile)
    assert isinstance(current, CategoricalProfile)
    for which, profile in (("reference", reference), ("current window", current)):
        if not profile.count:
            raise Undefined(f"no values in the {which}")
    found = current.distinct
    if found is None or reference.distinct is None:
        raise Undefined("the reference was profiled before distinct levels were counted")
    usual = _expected(reference, current.count)
    interval = None if found.exact else (found.low / usual, found.high / usual)
    return Value(found.value / usual, interval=interval, n=current.count)


def _expected(reference: CategoricalProfile, rows: int) -> float:
    """Return the expected number of distinct levels in so many rows like the reference's."""
    shares = reference.counts / reference.count
    with np.errstate(divide="ignore"):  # a single level has the share 1
        kept = float(-np.expm1(rows * np.log1p(-shares)).sum())
    tail = reference.other + reference.unseen
    if not tail:
        return kept
    seen = reference.levels_of_tail
    assert seen is not None
    # K equal levels show K (1 - exp(-N/K)) in N rows; with t = N/K and r the levels a row,
    # (1 - exp(-t)) / t = r, which Lambert's W inverts.
    r = min(distinct(seen).value / tail, 1.0)
    t = max(float(lambertw(-np.exp(-1 / r) / r).real) + 1 / r, 0.0)
    drawn = rows * tail / reference.count
    x = t * drawn / tail
    return kept + drawn * (-float(np.expm1(-x)) / x if x > 0 else 1.0)


def unseen_elsewhere(windows: Sequence[CategoricalProfile]) -> tuple[Value, ...]:
    """Return for each reference window the share of rows whose level no other one of them has.

    This is what `unseen_share` is to be judged by: on a grid fitted on these very windows it is 0
    in each, while any later window has some levels of its own. Of levels that are not kept, the
    rows are taken in proportion to their number.

    Parameters
    ----------
    windows : sequence of CategoricalProfile
        On one grid.

    Returns
    -------
    tuple of Value
        In [0, 1]; undefined where a window has no values, nothing beside it, or no sketch.
    """
    if len(windows) < 2:
        return tuple(Value.undefined("no other reference window", n=w.count) for w in windows)
    tails = [w.levels_of_tail for w in windows]
    known = [t for t in tails if t is not None]
    if len(known) < len(windows):
        reason = "profiled before distinct levels were counted"
        return tuple(Value.undefined(reason, n=w.count) for w in windows)
    before = [b"", *accumulate(known[:-1], union)]
    after = [b"", *accumulate(known[:0:-1], union)][::-1]
    total = np.sum([w.counts for w in windows], axis=0)
    found = []
    for w, tail, others in zip(windows, known, map(union, before, after), strict=True):
        if not w.count:
            found.append(Value.undefined("no values in the window", n=0))
            continue
        own = distinct_beyond(tail, others).value / distinct(tail).value if tail else 0.0
        rows = min(own, 1.0) * (w.other + w.unseen) + int(w.counts[w.counts == total].sum())
        found.append(Value(rows / w.count, n=w.count))
    return tuple(found)


def settle(grid: CategoricalGrid, windows: Sequence[CategoricalProfile]) -> CategoricalGrid:
    """Return the grid, opened where its reference windows keep bringing levels of their own.

    Ids of orders or sessions are new in every window: by nature, not by drift. On an open grid
    levels that are not kept count as `other`, and `unseen_share` is undefined with the reason.
    Counts of the windows on the grid stay valid: they have no unseen rows.
    """
    own = [v.value for v in unseen_elsewhere(windows) if v.value is not None]
    if not own or float(np.median(own)) <= OPEN_SHARE:
        return grid
    return dataclasses.replace(grid, closed=False, rare=frozenset())
