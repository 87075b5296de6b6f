"""One window at a time: which families page, and the life of the incident that they open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from monitoring_sdk.alarms.evidence import Passing
from monitoring_sdk.alarms.layout import Layout
from monitoring_sdk.alarms.residuals import Floats
from monitoring_sdk.alarms.simulation import standardise
from monitoring_sdk.alarms.thresholds import QUIET_WINDOWS, Thresholds
from monitoring_sdk.alarms.watched import FAMILIES

_STEP, _HIGHEST = 0.2, 1.4


def raised(spent: int, allowed: float) -> float:
    """Return what thresholds are multiplied by once pages have spent the budget twice over.

    Few false pages are far beyond their threshold, and few real faults are just beyond it for
    long: a third page in the period of a budget of one has to be a fifth surer, a fourth two.

    Parameters
    ----------
    spent : int
        Pages in the budget's period so far.
    allowed : float
        Pages that the budget allows in it.

    Examples
    --------
    >>> [raised(spent, 1.0) for spent in (0, 1, 2, 3, 9)]
    [1.0, 1.0, 1.2, 1.4, 1.4]
    """
    beyond = spent + 1 - max(1, math.ceil(2 * allowed))
    return min(1 + _STEP * max(0, beyond), _HIGHEST)


@dataclass(frozen=True, slots=True)
class PagingState:
    """Where paging stands between two windows.

    Parameters
    ----------
    families : tuple of str
        Those of the open incident; none where none is open.
    quiet : int
        Windows since any family passed.
    since : int or None
        Windows since the last incident closed: longer horizons wait until they lie after it.
        None where none ever closed.
    opened : tuple of int
        Windows since each page in the budget's period.
    """

    families: tuple[str, ...] = ()
    quiet: int = 0
    since: int | None = None
    opened: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "families": list(self.families), "opened": list(self.opened)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PagingState:
        """Read the JSON form back."""
        return cls(tuple(data["families"]), data["quiet"], data["since"], tuple(data["opened"]))

    def usable(self, horizon: int) -> bool:
        """Say whether a horizon that ends with the next window lies after the last incident."""
        return self.since is None or horizon <= self.since + 1

    def bar(self, allowed: float) -> float:
        """Return what thresholds are multiplied by; an incident that is open needs no more."""
        return 1.0 if self.families else raised(len(self.opened), allowed)

    def _later(self, span: int, opened: bool) -> tuple[int, ...]:
        """Return the windows since each page after one more window."""
        older = tuple(age + 1 for age in self.opened if age + 1 < span)
        return (*older, 1) if opened else older


@dataclass(frozen=True, eq=False, slots=True)
class Paging:
    """What one window comes to.

    Parameters
    ----------
    passed : tuple of (str, int)
        Families and the horizons at which they passed.
    ratios : array, shape (H, K + G)
        Each value's and energy's score over its threshold; above 1 it passes.
    opened, closed : bool
        Whether the window opens an incident, or closes one.
    joined : tuple of str
        Families that are new to the incident that was open.
    state : PagingState
    """

    passed: tuple[tuple[str, int], ...]
    ratios: Floats
    opened: bool
    closed: bool
    joined: tuple[str, ...]
    state: PagingState


def limits(thresholds: Thresholds, layout: Layout) -> Floats:
    """Return the threshold of each value and energy at each horizon, shape (H, K + G).

    On the scale of the scores; infinite where a family watches nothing.
    """
    unit = layout.unit_of
    return thresholds.level[:, layout.unit_families[unit]] * thresholds.unit_scale[:, unit]


def ratios(seen: Passing, thresholds: Thresholds, layout: Layout) -> Floats:
    """Return each score over its threshold, 0 for a value under its effect floor.

    An energy is made of the values over half of theirs.

    Parameters
    ----------
    seen : Passing
    thresholds : Thresholds
    layout : Layout
    """
    k = len(layout.watched)
    z, means = np.nan_to_num(seen.z), np.nan_to_num(seen.means)
    found = layout.statistics(z, seen.over_half, means)
    found = standardise(found, thresholds.centre, thresholds.spread)
    found[:, :k] = np.where(seen.over, found[:, :k], 0)
    return np.maximum(found / limits(thresholds, layout), 0)


def step(state: PagingState, families: tuple[str, ...]) -> tuple[PagingState, bool, bool]:
    """Return the state after a window in which `families` passed, whether it opened, or closed.

    Examples
    --------
    >>> state, opened, _ = step(PagingState(), ("drift",))
    >>> for _ in range(3):
    ...     state, _, closed = step(state, ())
    >>> opened, closed, state.since
    (True, True, 0)
    """
    since = None if state.since is None else state.since + 1
    if families:
        together = dict.fromkeys((*state.families, *families))
        after = replace(state, families=tuple(together), quiet=0, since=since)
        return after, not state.families, False
    quiet = state.quiet + 1
    if state.families and quiet >= QUIET_WINDOWS:
        return replace(state, families=(), quiet=quiet, since=0), False, True
    return replace(state, quiet=quiet, since=since), False, False


def page(seen: Passing, thresholds: Thresholds, layout: Layout, state: PagingState) -> Paging:
    """Judge one window and move the incident on.

    A family pages at a horizon when the score of one of its values passes its threshold and the
    effect its floor, or when an energy passes. An incident opens with the first family, others
    join it, and it closes after three windows in which none passes; what lies before that is then
    no part of longer horizons any more.

    Parameters
    ----------
    seen : Passing
    thresholds : Thresholds
    layout : Layout
    state : PagingState
    """
    found = ratios(seen, thresholds, layout)
    waits = [not state.usable(w) for w in thresholds.horizons]
    found[waits] = 0
    family = layout.unit_families[layout.unit_of]
    beyond = found > 1
    passed = tuple(
        (name, w)
        for at, name in enumerate(FAMILIES if beyond.any() else ())
        for row, w in enumerate(thresholds.horizons)
        if beyond[row, family == at].any()
    )
    names = tuple(dict.fromkeys(name for name, _ in passed))
    after, opened, closed = step(state, names)
    after = replace(after, opened=state._later(thresholds.windows, opened))
    joined = () if opened else tuple(n for n in names if n not in state.families)
    return Paging(passed, found, opened, closed, joined, after)
