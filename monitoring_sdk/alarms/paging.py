"""One window at a time: which families page, and the life of the incident that they open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.layout import Layout
from monitoring_sdk.alarms.residuals import Floats
from monitoring_sdk.alarms.simulation import standardise
from monitoring_sdk.alarms.thresholds import QUIET_WINDOWS, Thresholds
from monitoring_sdk.alarms.watched import FAMILIES


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
    """

    families: tuple[str, ...] = ()
    quiet: int = 0
    since: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "families": list(self.families)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PagingState:
        """Read the JSON form back."""
        return cls(tuple(data["families"]), data["quiet"], data["since"])

    def usable(self, horizon: int) -> bool:
        """Say whether a horizon that ends with the next window lies after the last incident."""
        return self.since is None or horizon <= self.since + 1


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


def ratios(
    z: Floats,
    over: NDArray[np.bool_],
    over_half: NDArray[np.bool_],
    thresholds: Thresholds,
    layout: Layout,
) -> Floats:
    """Return each score over its threshold, 0 for a value under its effect floor.

    Parameters
    ----------
    z : array, shape (H, K)
        NaN where a horizon is not filled.
    over, over_half : array of bool, shape (H, K)
        Whether the effect is as large as its floor, and as half of it. An energy is made of the
        values over half of theirs.
    thresholds : Thresholds
    layout : Layout
    """
    k = len(layout.watched)
    found = layout.statistics(np.nan_to_num(z), over_half)
    found = standardise(found, thresholds.centre, thresholds.spread)
    found[:, :k] = np.where(over, found[:, :k], 0)
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
        return PagingState(tuple(together), 0, since), not state.families, False
    quiet = state.quiet + 1
    if state.families and quiet >= QUIET_WINDOWS:
        return PagingState((), quiet, 0), False, True
    return replace(state, quiet=quiet, since=since), False, False


def page(
    z: Floats,
    over: NDArray[np.bool_],
    over_half: NDArray[np.bool_],
    thresholds: Thresholds,
    layout: Layout,
    state: PagingState,
) -> Paging:
    """Judge one window and move the incident on.

    A family pages at a horizon when the score of one of its values passes its threshold and the
    effect its floor, or when an energy passes. An incident opens with the first family, others
    join it, and it closes after three windows in which none passes; what lies before that is then
    no part of longer horizons any more.

    Parameters
    ----------
    z : array, shape (H, K)
        As `monitoring_sdk.alarms.scores.scores` gives them for the window.
    over, over_half : array of bool, shape (H, K)
        Whether the effect is as large as its floor, and as half of it.
    thresholds : Thresholds
    layout : Layout
    state : PagingState
    """
    found = ratios(z, over, over_half, thresholds, layout)
    waits = [not state.usable(w) for w in thresholds.horizons]
    found[waits] = 0
    family = layout.unit_families[layout.unit_of]
    passed = tuple(
        (name, w)
        for at, name in enumerate(FAMILIES)
        for row, w in enumerate(thresholds.horizons)
        if (found[row, family == at] > 1).any()
    )
    names = tuple(dict.fromkeys(name for name, _ in passed))
    after, opened, closed = step(state, names)
    joined = () if opened else tuple(n for n in names if n not in state.families)
    return Paging(passed, found, opened, closed, joined, after)
