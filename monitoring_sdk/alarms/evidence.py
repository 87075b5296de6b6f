"""What windows show against what is normal: scores, and effects in the units that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.counts import CountFit, count_scores
from monitoring_sdk.alarms.fit import Fit
from monitoring_sdk.alarms.layout import Layout
from monitoring_sdk.alarms.residuals import Floats
from monitoring_sdk.alarms.scores import Horizon, read, standard_errors, trail
from monitoring_sdk.alarms.values import Values
from monitoring_sdk.alarms.watched import readable


@dataclass(frozen=True, eq=False, slots=True)
class Passing:
    """What a page of one window rests on.

    Parameters
    ----------
    z : array, shape (H, K)
        NaN where a horizon is not filled.
    means : array, shape (H, K)
        The deviations that `z` are the scores of.
    over, over_half : array of bool, shape (H, K)
        Whether the effect is as large as its floor, and as half of it.
    """

    z: Floats
    means: Floats
    over: NDArray[np.bool_]
    over_half: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What T windows show at each horizon.

    Parameters
    ----------
    z : array, shape (T, H, K)
        Standard errors from normal; NaN where a horizon is not filled.
    effect : array, shape (T, H, K)
        Mean deviation from normal: of a share as a share, else in the units of the value.
    means : array, shape (T, H, K)
        The same in the units of the value.
    error : array, shape (T, H, K)
        Standard error of the mean deviation, in the units of the value; NaN for counts.
    usual : array, shape (T, K)
        The usual value, in its own units.
    floor : array, shape (K,)
    x, n : array, shape (T, K)
        The values themselves, and the rows that each rests on: of every window looked back on.
    """

    z: Floats
    effect: Floats
    means: Floats
    error: Floats
    usual: Floats
    floor: Floats
    x: Floats
    n: Floats

    def at(self, t: int) -> Passing:
        """Return what a page of one window rests on."""
        return Passing(self.z[t], self.means[t], self.over[t], self.over_half[t])

    @cached_property
    def _size(self) -> Floats:
        return np.nan_to_num(np.abs(self.effect))

    @cached_property
    def over(self) -> NDArray[np.bool_]:
        """Whether the effect is as large as its floor."""
        return self._size >= self.floor

    @cached_property
    def over_half(self) -> NDArray[np.bool_]:
        """Whether the effect is as large as half of its floor."""
        return self._size >= self.floor / 2


def table(windows: Sequence[Values | None], keys: Sequence[str]) -> tuple[Floats, Floats]:
    """Return values and rows of windows, shape (T, K), in the order of `keys`.

    A window that is None, and a key that a window lacks, have NaN and no rows.

    Examples
    --------
    >>> one = Values(("a",), np.array([0.5]), np.array([9.0]), np.ones(1))
    >>> table([one, None], ["a", "b"])[1].tolist()
    [[9.0, 0.0], [0.0, 0.0]]
    """
    x, n = np.full((len(windows), len(keys)), np.nan), np.zeros((len(windows), len(keys)))
    wanted = tuple(keys)
    every = slice(None)
    places: dict[tuple[str, ...], tuple[Any, Any]] = {wanted: (every, every)}
    for row, found in enumerate(windows):
        if found is None:
            continue
        if found.keys not in places:
            at = {key: i for i, key in enumerate(found.keys)}
            here = [i for i, key in enumerate(wanted) if key in at]
            places[found.keys] = np.array(here, int), np.array([at[wanted[i]] for i in here], int)
        here, there = places[found.keys]
        x[row, here], n[row, here] = found.x[there], found.n[there]
    return x, n


def gather(
    x: Floats,
    n: Floats,
    fit: Fit,
    counts: CountFit,
    layout: Layout,
    horizons: Sequence[Horizon],
    phase: NDArray[np.int64] | None,
    last: bool = False,
) -> Evidence:
    """Return what windows show at each horizon.

    Parameters
    ----------
    x, n : array, shape (T, K)
        As `table` gives them, in order of time.
    fit : Fit
    counts : CountFit
        Of the values of the layout that are counted.
    layout : Layout
    horizons : sequence of Horizon
        Of the fit.
    phase : array of int, shape (T,), optional
    last : bool
        Only of the last window.
    """
    first = len(x) - 1 if last else 0
    usual = np.array(fit.expected(phase, len(x)), dtype=np.float64)
    usual[:, layout.counted] = (counts.hits - 0.5) / counts.rows
    z, effect, away, error = [], [], [], []
    usually = usual[first:]
    base = readable(usually, layout.places)
    counted = layout.counted
    total = trail(np.where(n > 0, x * n, np.nan)[:, counted])
    seen = trail(np.where(n > 0, n, np.nan)[:, counted])
    past = trail(x - usual)
    full = past.full
    for over in horizons:
        w = over.w
        means, filled = past.means(w, first)
        spread = standard_errors(n, filled, fit, over, full, first) + np.zeros_like(means)
        found = read(means / spread, over.skew)
        hits, rows = (part.means(w, first)[0] for part in (total, seen))
        with np.errstate(invalid="ignore", divide="ignore"):
            found[:, counted] = count_scores(hits * w, rows * w, counts)
            shown = readable(usually + means, layout.places) - base
            shown[:, counted] = hits / rows - base[:, counted]
        spread[:, counted] = np.nan
        z.append(found)
        effect.append(shown)
        away.append(means)
        error.append(spread)
    stacked = [np.stack(part, axis=1) for part in (z, effect, away, error)]
    return Evidence(stacked[0], stacked[1], stacked[2], stacked[3], usually, layout.floor, x, n)
