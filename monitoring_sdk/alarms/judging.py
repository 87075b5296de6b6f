"""Judging windows: each value against its threshold, and what the window comes to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.counts import CountFit, least_share
from monitoring_sdk.alarms.evidence import Evidence, gather, table
from monitoring_sdk.alarms.fit import Fit
from monitoring_sdk.alarms.layout import Layout, lay_out
from monitoring_sdk.alarms.mix import Mix
from monitoring_sdk.alarms.paging import Paging, PagingState, limits, page
from monitoring_sdk.alarms.residuals import Floats
from monitoring_sdk.alarms.scores import Horizon, horizon
from monitoring_sdk.alarms.thresholds import Thresholds
from monitoring_sdk.alarms.values import Values
from monitoring_sdk.alarms.watched import Watched, readable

PROVISIONAL_WINDOWS = 14
"""With fewer reference windows than this, thresholds are marked provisional."""

_DAY = 86400
_MONTH = 30 * _DAY
_LEAST_SPAN, _LONGEST_SPAN = 30, 720
_MOST_SHARES = 10_000


@dataclass(frozen=True, slots=True)
class Budget:
    """False pages allowed in a period."""

    pages: float
    period: timedelta

    def __str__(self) -> str:
        """Write it as it is read."""
        days = self.period.total_seconds() / _DAY
        return f"{self.pages:g} per {days:g}d"

    def span(self, cadence_seconds: float) -> tuple[int, float]:
        """Return how many windows are looked at together, and the pages allowed in them.

        Thirty windows at least: who looks once a week or a month does not want every other look
        to page, though a budget for 30 days would have it so.

        Examples
        --------
        >>> Budget(1, timedelta(days=30)).span(86400), Budget(1, timedelta(days=30)).span(7 * 86400)
        ((30, 1.0), (30, 1.0))
        """
        longest = max(self.period.total_seconds(), _MONTH)
        span = int(np.clip(round(longest / cadence_seconds), _LEAST_SPAN, _LONGEST_SPAN))
        in_time = span * cadence_seconds / self.period.total_seconds()
        return span, self.pages * min(in_time, longest / self.period.total_seconds())


class CheckAlarm(NamedTuple):
    """One value of a window, or one energy, against its threshold.

    Parameters
    ----------
    key : str
    value : float or None
        Of the window; a share as a share.
    effect : float or None
        How far the mean over the horizon lies from normal, in the units of the value.
    usual : float or None
        What it usually is, in the same units; `usual + effect` is the mean over the horizon.
    limit : float or None
        The mean over the horizon at which it would pass, in the units of the value.
    horizon : int
        Windows looked back on: the fewest over which it passed, else the window alone.
    z, threshold : float
        The score over that horizon and what it has to pass.
    exceeded : bool
        Whether it passed, with an effect over its floor.
    nearest : float
        The score over the threshold at the horizon where that is most; above 1 it passes, if the
        effect is large enough.
    """

    key: str
    value: float | None
    effect: float | None
    usual: float | None
    limit: float | None
    horizon: int
    z: float
    threshold: float
    exceeded: bool
    nearest: float


@dataclass(frozen=True, eq=False, slots=True)
class Judgement:
    """What the last of some windows comes to."""

    checks: tuple[CheckAlarm, ...]
    paging: Paging


def _known(values: Floats) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in values.tolist()]


@dataclass(frozen=True, eq=False)
class Alarms:
    """What a model's windows are judged by, made from reference windows and a budget.

    Parameters
    ----------
    watched : tuple of Watched
    fit : Fit
    counts : CountFit
    thresholds : Thresholds
    budget : Budget
    cadence_seconds : float
    windows : int
        Reference windows.
    mix : Mix, optional
        How levels of categories move together.
    """

    watched: tuple[Watched, ...]
    fit: Fit
    counts: CountFit
    thresholds: Thresholds
    budget: Budget
    cadence_seconds: float
    windows: int
    mix: Mix | None = None

    @property
    def provisional(self) -> bool:
        """Whether there are too few reference windows to rely on any threshold."""
        return self.windows < PROVISIONAL_WINDOWS

    @cached_property
    def provisional_keys(self) -> frozenset[str]:
        """What has too few reference windows to rely on: a value, or an energy with one of them."""
        # What is counted has no fit of its own.
        few = (self.fit.windows < PROVISIONAL_WINDOWS) & ~self.layout.counted
        both = np.append(few, few @ (self.layout.members > 0))
        return frozenset(key for key, one in zip(self.keys, both, strict=True) if one)

    @property
    def achieved(self) -> float:
        """Pages in a budget's period over the reference windows, each judged by the others."""
        span = self.windows * self.cadence_seconds
        return self.thresholds.achieved * self.budget.period.total_seconds() / span

    @cached_property
    def allowed(self) -> float:
        """Pages that the budget allows in the windows that thresholds were simulated for."""
        return self.budget.span(self.cadence_seconds)[1]

    def raised(self, state: PagingState) -> Thresholds:
        """Return the thresholds of the next window: higher where the budget is spent twice."""
        bar = state.bar(self.allowed)
        if bar == 1:
            return self.thresholds
        return dataclasses.replace(self.thresholds, level=self.thresholds.level * bar)

    @cached_property
    def layout(self) -> Layout:
        """How the values share the budget."""
        return lay_out(self.watched, self.mix)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The key of each value and then of each energy."""
        return (*(w.key for w in self.watched), *self.layout.energies)

    def evidence(
        self,
        history: Sequence[Values | None],
        phase: Sequence[int] | None = None,
        *,
        last: bool = False,
    ) -> Evidence:
        """Return what windows show at each horizon.

        Parameters
        ----------
        history : sequence of Values or None
            In order of time, without gaps: None for a window that was not measured.
        phase : sequence of int, optional
            Of each window, as in `fit_alarms`.
        last : bool
            Only of the last window.
        """
        x, n = table(history, self.keys[: len(self.watched)])
        at = None if phase is None else np.asarray(phase, dtype=np.int64)
        h = self._horizons
        return gather(x, n, self.fit, self.counts, self.layout, h, at, last)

    @cached_property
    def _horizons(self) -> tuple[Horizon, ...]:
        return tuple(horizon(self.fit, w) for w in self.thresholds.horizons)

    def walk(
        self,
        history: Sequence[Values | None],
        phase: Sequence[int] | None = None,
        state: PagingState | None = None,
    ) -> tuple[Paging, ...]:
        """Return what each window comes to, in order; parameters as in `judge`."""
        found, state, out = self.evidence(history, phase), state or PagingState(), []
        for t in range(len(history)):
            paging = page(found.at(t), self.raised(state), self.layout, state)
            state = paging.state
            out.append(paging)
        return tuple(out)

    def judge(
        self,
        history: Sequence[Values | None],
        phase: Sequence[int] | None = None,
        state: PagingState | None = None,
    ) -> Judgement:
        """Judge the last of some windows.

        Parameters
        ----------
        history : sequence of Values or None
            In order of time, without gaps, the window itself the last; only as many as the longest
            horizon count. None for a window that was not measured.
        phase : sequence of int, optional
            Of each window, as in `fit_alarms`.
        state : PagingState, optional
            After the window before.
        """
        most = max(self.thresholds.horizons)
        recent = list(history)[-most:]
        found = self.evidence(recent, None if phase is None else list(phase)[-most:], last=True)
        before = state or PagingState()
        thresholds = self.raised(before)
        paging = page(found.at(-1), thresholds, self.layout, before)
        return Judgement(self._checks(found, paging, limits(thresholds, self.layout)), paging)

    def _checks(self, found: Evidence, paging: Paging, threshold: Floats) -> tuple[CheckAlarm, ...]:
        k, horizons = len(self.watched), self.thresholds.horizons
        value, usual = (readable(v, self.layout.places) for v in (found.x[-1], found.usual[-1]))
        statistic = self.layout.statistics(np.nan_to_num(found.z[-1]))
        statistic[:, k:] = (statistic[:, k:] - self.thresholds.centre) / self.thresholds.spread
        passed = paging.ratios > 1
        first, every = np.argmax(passed, axis=0), np.arange(len(self.keys))
        limit = self._limits(found, first[:k], threshold, usual)
        z = np.append(found.z[-1, first[:k], every[:k]], statistic[first[k:], every[k:]])
        self._fill_counted(limit, found, first, threshold)
        effect = found.effect[-1, first[:k], every[:k]]
        nearest = np.maximum(statistic / threshold, 0).max(axis=0)
        none = [None] * (len(self.keys) - k)
        columns = (
            self.keys,
            *([*_known(part), *none] for part in (value, effect, usual, limit)),
            [horizons[row] for row in first.tolist()],
            z.tolist(),
            threshold[first, every].tolist(),
            passed[first, every].tolist(),
            nearest.tolist(),
        )
        every_one = map(CheckAlarm._make, zip(*columns, strict=True))
        return tuple(c for c in every_one if math.isfinite(c.z))

    def _fill_counted(
        self, limit: Floats, found: Evidence, first: NDArray[np.int64], threshold: Floats
    ) -> None:
        """Set the limits of what is counted: the least share of hits that passes."""
        for rare, at in enumerate(np.flatnonzero(self.layout.counted)):
            if np.isfinite(found.z[-1, first[at], at]):
                rows = float(found.n[-self.thresholds.horizons[first[at]] :, at].sum())
                least = self._least_share(float(threshold[first[at], at]), rows, rare)
                limit[at] = max(least, float(found.floor[at]))

    @cached_property
    def _known_shares(self) -> dict[tuple[float, float, int], float]:
        return {}

    def _least_share(self, need: float, rows: float, at: int) -> float:
        """Return `least_share`, which windows of as many rows have in common."""
        key = need, rows, at
        if key not in self._known_shares:
            if len(self._known_shares) > _MOST_SHARES:
                self._known_shares.clear()
            self._known_shares[key] = least_share(need, rows, self.counts, at)
        return self._known_shares[key]

    def _limits(
        self, found: Evidence, first: NDArray[np.int64], threshold: Floats, usual: Floats
    ) -> Floats:
        """Return the mean at which each value would pass, on the side where it lies."""
        at = np.arange(len(first))
        need, error = threshold[first, at], found.error[-1, first, at]
        sides = self.layout.sign
        up = np.where(sides == 0, found.effect[-1, first, at] >= 0, sides > 0)
        score = np.where(up, need, -need)
        skew = np.array([over.skew for over in self._horizons])
        lean = skew[first, at] * (score**2 - 1) / 6
        with np.errstate(invalid="ignore", over="ignore"):
            edge = readable(found.usual[-1] + error * (score + lean), self.layout.places)
            floor = usual + np.where(up, found.floor, -found.floor)
            found_at = np.where(up, np.maximum(edge, floor), np.minimum(edge, floor))
        return np.where(np.isfinite(need) & np.isfinite(error), found_at, np.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the floats read back exactly."""
        return {
            "schema": 1,
            "budget": {"pages": self.budget.pages, "seconds": self.budget.period.total_seconds()},
            "cadence_seconds": self.cadence_seconds,
            "windows": self.windows,
            "achieved": self.achieved,
            "watched": [w.to_dict() for w in self.watched],
            "fit": self.fit.to_dict(),
            "counts": self.counts.to_dict(),
            "thresholds": self.thresholds.to_dict(),
            "mix": None if self.mix is None else self.mix.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Alarms:
        """Read the JSON form back."""
        budget = Budget(data["budget"]["pages"], timedelta(seconds=data["budget"]["seconds"]))
        return cls(
            tuple(Watched.from_dict(w) for w in data["watched"]),
            Fit.from_dict(data["fit"]),
            CountFit.from_dict(data["counts"]),
            Thresholds.from_dict(data["thresholds"]),
            budget,
            data["cadence_seconds"],
            data["windows"],
            None if data.get("mix") is None else Mix.from_dict(data["mix"]),
        )
