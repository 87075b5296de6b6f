"""Metrics expected from calibrated scores: CBPE, and the same calibrated for the window.

Confidence-based performance estimation counts each row under every class that its label may be,
as probable as the calibrated score says. `weighted_cbpe` calibrates on reference rows weighted by
how often they would occur in the window (Bialek, Kuberski, Perrakis and Bifet, 2024,
arXiv 2401.08348), so that it follows shifts of features that a score does not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.estimation.calibration import Calibrator, fit_calibrator
from monitoring_sdk.estimation.estimate import (
    FEWEST_ROWS,
    Estimate,
    from_outcomes,
    left_out,
    refusal,
    undefined,
    variance,
)
from monitoring_sdk.estimation.formulas import FORMULAS, inapplicable
from monitoring_sdk.estimation.outcomes import Outcomes, drawn, known, spread_over
from monitoring_sdk.estimation.overlap import density_ratio, weighted_part
from monitoring_sdk.estimation.rows import Reference, Rows

Floats = NDArray[np.float64]
_DRAWN_CELLS, _FEWEST_DRAWS, _MOST_DRAWS = 400_000, 30, 100
_FEWEST_WINDOWS = 5


@dataclass(frozen=True, slots=True)
class Fits:
    """A calibrator of all reference rows, and one without each group of them."""

    whole: Calibrator
    without: tuple[Calibrator, ...]


def fit_all(reference: Reference, weight: Floats) -> Fits:
    """Calibrate on all rows, and on all but each group."""
    score, truth, group = reference.rows.score, reference.truth, reference.group
    weight = weight * reference.rows.weights
    parts = (group != g for g in range(int(group.max()) + 1))
    return Fits(
        fit_calibrator(score, truth, weight),
        tuple(fit_calibrator(score, truth, weight * part) for part in parts if part.any()),
    )


@lru_cache(maxsize=4)
def _plain_fits(reference: Reference) -> Fits:
    """Calibrate without weights: once a process, since it does not depend on the window."""
    return fit_all(reference, np.ones(reference.n))


def outcomes(rows: Rows, mass: Floats, payoff: tuple[tuple[float, ...], ...] | None) -> Outcomes:
    """Put rows and what their labels may be together."""
    said = None if rows.prediction is None else rows.prediction.astype(np.int64)
    return Outcomes(mass, rows.score, said, payoff)


def expected(
    rows: Rows, calibrators: Iterable[Calibrator | None], payoff: tuple | None = None
) -> Outcomes:
    """Return what labels are expected, a version for each calibrator.

    Parameters
    ----------
    calibrators : iterable of Calibrator or None
        None takes the scores as the probabilities that they claim to be.
    """
    score = np.zeros(0) if rows.score is None else rows.score
    found = [spread_over(score if c is None else c(score)) for c in calibrators]
    return outcomes(rows, np.stack(found) * rows.weights[:, None], payoff)


def cbpe(
    reference: Reference, window: Rows, metrics: Iterable[str], *, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate metrics from scores calibrated on the reference as it is."""
    names = tuple(metrics)
    rows, reason = readable(reference, window)
    if reason:
        return undefined(names, reason, rows.n)
    return _estimates(reference, window, rows, names, _plain_fits(reference), seed, ())


def weighted_cbpe(
    reference: Reference, window: Rows, metrics: Iterable[str], *, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate metrics from scores calibrated on the reference as the window would have it."""
    names = tuple(metrics)
    rows, reason = readable(reference, window)
    if reason:
        return undefined(names, reason, rows.n)
    near = weighted_part(reference)
    ratio = density_ratio(near, rows, seed=seed)
    if ratio.fault:
        return undefined(names, ratio.fault, rows.n)
    fits = fit_all(near, ratio.weight)
    return _estimates(reference, window, rows, names, fits, seed, ratio.notes)


def calibrated_for(
    reference: Reference, window: Rows, *, seed: int = 0
) -> tuple[Calibrator | None, str | None]:
    """Return the calibrator of the reference as a window would have it, or why there is none.

    Where the reference has no rows like the window's, it is the calibrator of the reference as it
    is, and the reason says so.
    """
    rows, reason = readable(reference, window)
    if reason:
        return None, reason
    near = weighted_part(reference)
    ratio = density_ratio(near, rows, seed=seed)
    if ratio.fault:
        return _plain_fits(reference).whole, ratio.fault
    weight = ratio.weight * near.rows.weights
    return fit_calibrator(near.rows.score, near.truth, weight), None


@lru_cache(maxsize=2)
def readable(reference: Reference, window: Rows) -> tuple[Rows, str | None]:
    """Return the rows of a window that scores can speak for, and why none can."""
    if window.score is None or reference.rows.score is None:
        return window, "needs a score column, and there is none"
    usable = window.usable()
    rows = window if usable.all() else window.take(usable)
    return rows, refusal(reference, rows.n)


def _estimates(
    reference: Reference,
    window: Rows,
    rows: Rows,
    names: tuple[str, ...],
    fits: Fits,
    seed: int,
    notes: tuple[str, ...],
) -> dict[str, Estimate]:
    at_once = expected(rows, [fits.whole, *fits.without], reference.payoff)
    chance = spread_over(fits.whole(np.asarray(rows.score)))
    draws = realisations(rows, chance, np.random.default_rng(seed), reference.payoff)
    return from_outcomes(
        names,
        reference.task,
        rows,
        at_once,
        draws,
        usual_gaps(reference),
        (*notes, *left_out(window, rows.n)),
    )


def realisations(
    rows: Rows, chance: Floats, rng: np.random.Generator, payoff: tuple | None = None
) -> Outcomes:
    """Draw the labels of the rows some times over."""
    times = int(np.clip(_DRAWN_CELLS // chance.size, _FEWEST_DRAWS, _MOST_DRAWS))
    return outcomes(rows, drawn(chance, times, rng) * rows.weights[:, None], payoff)


@lru_cache(maxsize=4)
def usual_gaps(reference: Reference) -> Mapping[str, float]:
    """Return by metric the variance between reference windows that scores do not explain.

    Each window's realised metric is compared with what a calibrator without its stretch of time
    expects. What lies beyond the sampling error of the windows, and one standard error of that, is
    how much a window's metric is off as a rule, though nothing is wrong.
    """
    fits, group = _plain_fits(reference), reference.group
    found: dict[str, list[tuple[float, float]]] = {}
    for block in np.unique(reference.block):
        index = np.flatnonzero(reference.block == block)
        if len(index) < FEWEST_ROWS or len(fits.without) < _FEWEST_WINDOWS:
            continue
        part, chosen = reference.take(index), fits.without[group[index[0]]]
        for name, gap in _gaps_of(part, chosen).items():
            found.setdefault(name, []).append(gap)
    return MappingProxyType({name: _beyond_sampling(gaps) for name, gaps in found.items()})


def _gaps_of(part: Reference, chosen: Calibrator) -> dict[str, tuple[float, float]]:
    """Return the squared gap of realised and expected, and its sampling variance, by metric."""
    rows, classes = part.rows, len(part.classes)
    chance = spread_over(chosen(np.asarray(rows.score)))
    mass = chance[None] * rows.weights[:, None]
    both = np.concatenate([mass, known(part.truth, classes, rows.weights)])
    compared = outcomes(rows, both, part.payoff)
    draws = realisations(rows, chance, np.random.default_rng(0), part.payoff)
    found = {}
    for name, formula in FORMULAS.items():
        if inapplicable(formula, part.task, rows) is None:
            before, after = formula.compute(compared)
            if np.isfinite(after - before):
                found[name] = (float(after - before) ** 2, variance(formula.compute(draws)))
    return found


def _beyond_sampling(gaps: list[tuple[float, float]]) -> float:
    if len(gaps) < _FEWEST_WINDOWS:
        return 0.0
    seen, sampling = np.mean(gaps, axis=0)
    return max(0.0, float(seen - sampling * (1 + np.sqrt(2 / len(gaps)))))
