"""Thresholds from a budget of false pages: simulate reference and future, fit, score, count pages.

Each simulated future is judged by a fit of its own simulated reference, so that a baseline of few
windows pays for what it does not know (Gandy and Kvaloy, 2013, Scand. J. Statist. 40).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitoring_sdk.alarms.counts import CountFit
from monitoring_sdk.alarms.fit import Design, Fit
from monitoring_sdk.alarms.layout import Layout
from monitoring_sdk.alarms.residuals import Floats
from monitoring_sdk.alarms.scores import horizon, read
from monitoring_sdk.alarms.simulation import Run, futures, leave_one_out
from monitoring_sdk.alarms.tails import tail_quantile
from monitoring_sdk.alarms.watched import FAMILIES, SHARES

QUIET_WINDOWS = 3
"""So many windows without a page close an incident."""

SAFETY = 0.55
"""Of the budget this much is planned for: what a model of the windows does not know costs too."""

_UNGATED = 2.0
_USUAL_SPAN = 60
_GUARD_MOST = 1.6
_TAIL_MOST = 3.0


@dataclass(frozen=True, eq=False, slots=True)
class Thresholds:
    """When a family pages: its largest unit, over that unit's scale, is above the level.

    Parameters
    ----------
    horizons : tuple of int
    level : array, shape (H, F)
        Infinite for a family that watches nothing.
    unit_scale : array, shape (H, U)
    centre, spread : array, shape (H, G)
        Mean and standard deviation of the cube roots of the energies, without change.
    guard : array, shape (F,)
        What the levels were multiplied by, 1 to 1.6: the reference's tails over the simulated.
    expected : float
        Pages in the simulated span, without change.
    windows : int
        The simulated span.
    achieved : int
        Reference windows that page when each is judged by the others.
    """

    horizons: tuple[int, ...]
    level: Floats
    unit_scale: Floats
    centre: Floats
    spread: Floats
    guard: Floats
    expected: float
    windows: int
    achieved: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        out: dict[str, Any] = {"horizons": list(self.horizons)}
        out["level"] = [[x if np.isfinite(x) else None for x in row] for row in self.level.tolist()]
        for name in ("unit_scale", "centre", "spread", "guard"):
            out[name] = getattr(self, name).tolist()
        return out | {k: getattr(self, k) for k in ("expected", "windows", "achieved")}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Thresholds:
        """Read the JSON form back."""
        level = [[np.inf if x is None else x for x in row] for row in data["level"]]
        horizons = tuple(data["horizons"])

        def table(name: str) -> Floats:
            return np.array(data[name], dtype=np.float64).reshape(len(horizons), -1)

        return cls(
            horizons=horizons,
            level=np.array(level),
            unit_scale=table("unit_scale"),
            centre=table("centre"),
            spread=table("spread"),
            guard=np.array(data["guard"], dtype=np.float64),
            expected=data["expected"],
            windows=data["windows"],
            achieved=data["achieved"],
        )


def incidents(alarm: np.ndarray, quiet: int = QUIET_WINDOWS) -> np.ndarray:
    """Say which windows open an incident: those that alarm after `quiet` windows that did not.

    Examples
    --------
    >>> incidents(np.array([[1, 1, 0, 1, 0, 0, 0, 1]], dtype=bool)).astype(int).tolist()
    [[1, 0, 0, 0, 0, 0, 0, 1]]
    """
    out, still = np.zeros_like(alarm), np.full(alarm.shape[:-1], quiet)
    for t in range(alarm.shape[-1]):
        now = alarm[..., t]
        out[..., t] = now & (still >= quiet)
        still = np.where(now, 0, still + 1)
    return out


def _planned(safety: float, windows: int) -> float:
    """Return the share of the budget to plan for.

    Less of it over many windows: the further out a threshold lies, the more a tail that is not
    quite as simulated costs.
    """
    return safety * min(1.0, (_USUAL_SPAN / windows) ** 0.15)


def _tail_level(q: Floats, gated: Floats, target: float) -> tuple[float, float]:
    """Return the tail at which simulated futures have `target` pages each, and how many they have.

    Pages under an effect floor do not count, but no more than twice the target may hide there:
    the floors hold in the world only as far as it is like the simulation.
    """
    low, high = np.log(1e-7), 0.0
    for _ in range(40):
        middle = (low + high) / 2
        pages = incidents(gated <= np.exp(middle)).sum(-1).mean()
        hidden = incidents(q <= np.exp(middle)).sum(-1).mean()
        if pages > target or hidden > _UNGATED * target:
            high = middle
        else:
            low = middle
    tail = float(np.exp(low))
    return tail, float(incidents(gated <= tail).sum(-1).mean())


def _shares(layout: Layout, shares: Mapping[str, float], horizons: int) -> Floats:
    """Return the share of each horizon and family, horizons first; 0 for a family without units."""
    own = np.array([shares.get(f, 0.0) for f in FAMILIES])
    own[~np.isin(np.arange(len(FAMILIES)), layout.unit_families)] = 0.0
    return np.tile(own / max(own.sum(), 1e-12), horizons)


def _guard(observed: Floats, simulated: Floats) -> Floats:
    """Return how much heavier the reference's tails are than simulated ones, 1 to 1.6.

    The mean of the top tenth of windows, each judged by the others; heavier than four of five
    simulated references, since half of them are heavier than usual without any reason.
    """
    top = max(3, observed.shape[-2] // 10)

    def heavy(x: Floats) -> Floats:
        return np.sort(x, -2)[..., -top:, :].mean(-2)

    return np.clip(
        heavy(observed) / np.maximum(np.quantile(heavy(simulated), 0.8, axis=0), 1e-9),
        1,
        _GUARD_MOST,
    )


def _levels(run: Run, layout: Layout, weights: Floats, target: float) -> tuple[Floats, float]:
    """Return the level of each horizon and family, and the pages to expect."""
    sims, span, horizons = run.scores.shape[:3]
    flat = run.scores.reshape(sims * span, -1)
    gated = run.gated.reshape(sims * span, -1)
    ordered, n = np.sort(flat, axis=0), sims * span
    live = np.flatnonzero(weights > 0)
    q = [np.full(n, np.inf), np.full(n, np.inf)]
    for c in live:
        for at, found in enumerate((flat, gated)):
            tail = 1 - np.searchsorted(ordered[:, c], found[:, c]) / n
            q[at] = np.minimum(q[at], tail / weights[c])
    tail, pages = _tail_level(q[0].reshape(sims, span), q[1].reshape(sims, span), target)
    level = np.full(len(weights), np.inf)
    for c in live:
        level[c] = tail_quantile(ordered[:, c], tail * weights[c])
    return level.reshape(horizons, -1), pages


def thresholds(
    fit: Fit,
    counts: CountFit,
    residuals: Floats,
    design: Design,
    layout: Layout,
    *,
    budget_pages: float,
    windows: int,
    horizons: Sequence[int],
    shares: Mapping[str, float] = SHARES,
    safety: float = SAFETY,
    seed: int = 0,
) -> Thresholds:
    """Set thresholds so that unchanged windows page no more often than the budget says.

    Parameters
    ----------
    fit, residuals : Fit, array of shape (R, K)
        As `monitoring_sdk.alarms.fit.estimate` gives them.
    counts : CountFit
        Of what is counted.
    design : Design
    layout : Layout
    budget_pages : float
        False pages allowed in `windows` windows.
    windows : int
    horizons : sequence of int
        Numbers of windows to look back on.
    shares : mapping of str to float
        Of the budget, by family; those of families that watch nothing go to the others.
    safety : float
        Of the budget, how much to plan for.
    seed : int
    """
    run = futures(fit, counts, residuals, design, layout, windows, tuple(horizons), seed)
    weights = _shares(layout, shares, len(horizons))
    level, pages = _levels(run, layout, weights, _planned(safety, windows) * budget_pages)
    own = read(leave_one_out(fit, residuals, design), horizon(fit, 1).skew)
    units = layout.unit_maxima(run.standardised(layout.statistics(own), 0))
    # What now and then lies further out than chance would have it has a longer tail of its own.
    scale = run.unit_scale * np.clip(units.max(0) / run.unit_tail, 1, _TAIL_MOST)
    observed = layout.family_maxima(units / scale[0])
    observed = observed[design.known.any(axis=1)]
    guard = _guard(observed, run.reference)
    level = level * guard
    paged = incidents((observed > level[0]).any(-1)).sum()
    return Thresholds(
        horizons=tuple(horizons),
        level=level,
        unit_scale=scale,
        centre=run.centre,
        spread=run.spread,
        guard=guard,
        expected=pages,
        windows=windows,
        achieved=int(paged),
    )
