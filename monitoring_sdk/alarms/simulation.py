"""Simulated references and futures of a model whose windows do not change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from monitoring_sdk.alarms.counts import CountFit, simulated_scores
from monitoring_sdk.alarms.fit import Design, Fit, estimate
from monitoring_sdk.alarms.layout import Layout, floors
from monitoring_sdk.alarms.residuals import Floats
from monitoring_sdk.alarms.scores import horizon, standard_errors, trail
from monitoring_sdk.alarms.tails import unit_tails

_AT_ONCE = 4_000_000
_SIMULATED_WINDOWS = 7200
_FEWEST, _MOST = 48, 120
_BURN_IN = 20
_SMOOTHING, _STRIDE = 0.02, 37
_OWN_TAIL = 0.99
_TIMES_USED = 8
_LEAST_SCALE = 2.3
_NO_MEMORY, _MUCH_MEMORY = 0.02, 0.15


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """What N simulated futures of T windows showed.

    Parameters
    ----------
    scores, gated : array, shape (N, T, H, F)
        The largest unit of each family over that unit's scale; `gated` with effect floors.
    reference : array, shape (N, R, F)
        The same of each simulated reference window, judged by the others.
    unit_scale : array, shape (H, U)
    unit_tail : array, shape (U,)
        What the most extreme window of a simulated reference hardly ever passes, by unit.
    centre, spread : array, shape (H, G)
    """

    scores: Floats
    gated: Floats
    reference: Floats
    unit_scale: Floats
    unit_tail: Floats
    centre: Floats
    spread: Floats

    def standardised(self, statistics: Floats, horizon: int) -> Floats:
        """Return statistics with energies on the scale of the values, at one horizon."""
        return standardise(statistics, self.centre[horizon], self.spread[horizon])


def standardise(statistics: Floats, centre: Floats, spread: Floats) -> Floats:
    """Return statistics with their last, the energies, less their centre and over their spread."""
    if centre.shape[-1]:
        out = statistics[..., -centre.shape[-1] :]
        out -= centre
        out /= spread
    return statistics


@dataclass(frozen=True, eq=False, slots=True)
class _World:
    """What futures are drawn from: a fit, factors of its residuals, and the rows to come."""

    fit: Fit
    counts: CountFit
    short: Floats
    lasting: Floats
    design: Design
    layout: Layout
    horizons: tuple[int, ...]
    span: int
    rows: Floats
    phase: NDArray[np.int64] | None
    floors: tuple[tuple[Floats, Floats], tuple[Floats, Floats]]


def _coming(design: Design, span: int) -> NDArray[np.int64]:
    """Return which reference window each window to come is like: the last whole seasons, again."""
    windows = len(design.n)
    length = windows - windows % design.period
    return windows - length + np.arange(span) % length


def _factor(e: Floats) -> Floats:
    """Return a matrix whose random combinations have the covariance of `e`, with unit variance.

    Rows are windows, so that values that move together in a window do so in what is drawn.
    """
    e = e / np.sqrt(np.maximum((e**2).sum(0), 1e-30))
    if len(e) > e.shape[1]:
        e = np.asarray(np.linalg.qr(e, mode="r"))
    return e.astype(np.float32)


def _factors(residuals: Floats, fit: Fit, design: Design) -> tuple[Floats, Floats]:
    """Return the factors of what comes and goes in a window, and of what lasts over several.

    What lasts often moves many values together, sampling noise does not: one covariance for both
    would let the means of several windows spread too little together. The differences of
    neighbouring windows are mostly the one, their sums over three mostly the other.
    """
    e = residuals / np.sqrt(fit.tau2 + fit.sigma2 / np.maximum(design.n, 1))
    if fit.kappa.max() <= _NO_MEMORY:
        return _factor(e), _factor(e)
    sums = e[2:] + e[1:-1] + e[:-2]
    short = np.diff(e, axis=0) if fit.kappa.mean() > _MUCH_MEMORY else e
    return _factor(short), _factor(sums)


def _drawn(factor: Floats, count: int, windows: int, rng: np.random.Generator) -> Floats:
    """Return normal noise with the covariance of a factor, shape (count, windows, K)."""
    rows, k = factor.shape
    out = rng.standard_normal((count * windows, rows), dtype=np.float32) @ factor
    out *= np.float32(np.sqrt(1 - _SMOOTHING))
    # A value's noise serves others too, at other windows.
    noise = rng.standard_normal(_STRIDE * count * windows + k, dtype=np.float32)
    noise *= np.float32(np.sqrt(_SMOOTHING))
    out += sliding_window_view(noise, k)[: _STRIDE * count * windows : _STRIDE]
    return out.reshape(count, windows, k)


def _paths(world: _World, count: int, rng: np.random.Generator) -> Floats:
    """Return simulated deviations from the mean over reference and future."""
    fit, design = world.fit, world.design
    windows = len(design.n) + world.span
    out = _drawn(world.short, count, windows, rng)
    if fit.kappa.max() > _NO_MEMORY:
        kappa = fit.kappa.astype(np.float32)
        phi = np.float32(fit.phi[0])
        slow = _drawn(world.lasting, count, windows + _BURN_IN, rng)
        slow[:, 1:] *= np.sqrt(1 - phi**2)
        for t in range(1, windows + _BURN_IN):
            slow[:, t] += phi * slow[:, t - 1]
        out *= np.sqrt(1 - kappa)
        out += np.sqrt(kappa) * slow[:, _BURN_IN:]
    n = np.concatenate([design.n, world.rows])
    out *= np.sqrt(fit.tau2 + fit.sigma2 / np.maximum(n, 1)).astype(np.float32)
    if world.phase is not None and design.phase is not None and design.period > 1:
        phase = np.concatenate([design.phase, world.phase])
        out += fit.season[phase].astype(np.float32)
    return out


def leave_one_out(fit: Fit, residuals: Floats, design: Design) -> Floats:
    """Return each reference window's scores by the others alone, shape (..., R, K)."""
    inverse = (1 / np.maximum(design.n, 1)).astype(residuals.dtype)
    v = fit.tau2[..., None, :] + fit.sigma2[..., None, :] * inverse
    part = (fit.p_eff / fit.windows)[..., None, :]
    out = residuals / (np.maximum(1 - part, 0.1) * np.sqrt(v * (1 + part)))
    out[..., _unfitted(design)] = 0
    return out.astype(residuals.dtype)


def _unfitted(design: Design) -> NDArray[np.bool_]:
    """Say which values have no mean: those that are counted, and those without any value."""
    return np.asarray(~design.known.any(axis=0))


def _rare_scores(world: _World, count: int, rng: np.random.Generator) -> Floats:
    """Return scores of what is counted, shape (count, T, H, C); each draw is used eight times."""
    drawn = -(-count // _TIMES_USED)
    rows = world.rows[:, world.layout.counted]
    found = simulated_scores(world.counts, rows, world.horizons, drawn, rng)
    return np.tile(found.astype(np.float32), (_TIMES_USED, 1, 1, 1))[:count]


def _simulate(world: _World, count: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return raw statistics of futures, the same with floors, and those of references."""
    layout, design = world.layout, world.design
    path = _paths(world, count, rng)
    windows = len(design.n)
    reference = np.where(design.known, path[:, :windows], np.float32(0))
    fitted, e = estimate(reference, design)
    phase = world.phase if design.period > 1 else None
    # Windows before the first that is judged belong to the longer horizons.
    lead = max(world.horizons) - 1
    ahead = path[:, windows:] - fitted.expected(phase, world.span)
    ahead = np.concatenate([e[:, windows - lead :], ahead], axis=1) if lead else ahead
    n = np.concatenate([design.n[windows - lead :], world.rows]) if lead else world.rows
    raw, gated = [], []
    rare = _rare_scores(world, count, rng)
    past = trail(ahead)
    for row, w in enumerate(world.horizons):
        means, counts = past.means(w)
        z = means / standard_errors(n, counts, fitted, horizon(fitted, w), past.full)
        z, means = z[:, lead:], means[:, lead:]
        z[..., layout.counted] = rare[:, :, row]
        z[..., _unfitted(design) & ~layout.counted] = 0
        (above, below), (above_half, below_half) = world.floors
        found = layout.statistics(z)
        raw.append(found)
        over = (means >= above) | (means <= -below)
        half = (means >= above_half) | (means <= -below_half)
        gated.append(layout.gated(found, z, over, half, means))
    own = layout.statistics(leave_one_out(fitted, e, design))
    return np.stack(raw, axis=2), np.stack(gated, axis=2), own


def futures(
    fit: Fit,
    counts: CountFit,
    residuals: Floats,
    design: Design,
    layout: Layout,
    span: int,
    horizons: tuple[int, ...],
    seed: int,
) -> Run:
    """Simulate references and futures, fit each reference, and score its future.

    Parameters
    ----------
    fit, counts, residuals : Fit, CountFit, array of shape (R, K)
    design : Design
    layout : Layout
    span : int
        Windows of a future.
    horizons : tuple of int
    seed : int
    """
    coming = _coming(design, span)
    # A window that was not measured says nothing of how many rows are to come.
    usual = design.n.sum(0) / np.maximum((design.n > 0).sum(0), 1)
    rows = np.where(design.n[coming] > 0, design.n[coming], usual)
    world = _World(
        fit,
        counts,
        *_factors(residuals, fit, design),
        design,
        layout,
        horizons,
        span,
        rows,
        None if design.phase is None else design.phase[coming],
        (floors(layout, fit.mu), floors(layout, fit.mu, 0.5)),
    )
    return _run(world, np.random.default_rng(seed))


def _run(world: _World, rng: np.random.Generator) -> Run:
    """Simulate in parts that fit in memory; the first sets the scale of the energies."""
    layout, span = world.layout, world.span
    sims = int(np.clip(_SIMULATED_WINDOWS // span, _FEWEST, _MOST))
    size = _AT_ONCE // ((len(world.design.n) + span) * len(layout.watched))
    centre = spread = None
    parts: list[tuple[Floats, Floats, Floats]] = []
    for done in range(0, sims, max(1, size)):
        raw, held, own = _simulate(world, min(max(1, size), sims - done), rng)
        if centre is None or spread is None:
            energies = raw[..., len(layout.watched) :]
            centre, spread = energies.mean((0, 1)), np.maximum(energies.std((0, 1)), 1e-6)
        found = standardise(raw, centre, spread), standardise(held, centre, spread)
        reference = standardise(own, centre[0], spread[0])
        raw_units, held_units, own_units = (layout.unit_maxima(x) for x in (*found, reference))
        parts.append((raw_units, held_units, own_units))
    assert centre is not None
    assert spread is not None
    units, gated, reference = (np.concatenate(x) for x in zip(*parts, strict=True))
    scale = np.maximum(unit_tails(units, layout), _LEAST_SCALE)
    return Run(
        scores=layout.family_maxima(units / scale),
        gated=layout.family_maxima(gated / scale),
        reference=layout.family_maxima(reference / scale[0]),
        unit_scale=scale,
        unit_tail=np.maximum(np.quantile(reference.max(1), _OWN_TAIL, axis=0), _LEAST_SCALE),
        centre=centre,
        spread=spread,
    )
