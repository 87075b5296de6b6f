"""What is normal for each value over the reference windows: mean, season, variance, memory.

Everything works on the last two axes (windows, values), so that the thresholds can fit many
simulated references in one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from monitoring_sdk.alarms.residuals import Floats, correlogram, lean, memory, moderated, skewness

_TINY = 1e-30
_FEWEST_OF_PHASE = 2
_CONSTANT = 0.1
_ROBUST_CUT, _MOST_OUTLYING, _MOST_EPISODES = 5.0, 0.2, 2


@dataclass(frozen=True, eq=False, slots=True)
class Fit:
    """What is normal for K values. The variance of a window of n rows is ``tau2 + sigma2 / n``.

    Parameters
    ----------
    mu : array, shape (K,)
    season : array, shape (P, K)
        What each phase adds to the mean; one row of zeros where there is no season.
    tau2, sigma2 : array, shape (K,)
        Variance between windows that does not fall with the rows, and that which does.
    phi : array, shape (1,)
        The autocorrelation at lag l is ``kappa * phi ** l``.
    kappa : array, shape (K,)
    p_eff : array, shape (K,)
        Means that were fitted: 1 + (season's shrinkage) * (P - 1).
    windows : array, shape (K,)
        Reference windows with a value.
    rows : array, shape (K,)
        Harmonic mean of their rows.
    skew : array, shape (K,)
        Of a window's deviation; scores are read as if it were none.
    """

    mu: Floats
    season: Floats
    tau2: Floats
    sigma2: Floats
    phi: Floats
    kappa: Floats
    p_eff: Floats
    windows: Floats
    rows: Floats
    skew: Floats

    @property
    def variance(self) -> Floats:
        """Variance of a window with the usual rows."""
        return self.tau2 + self.sigma2 / self.rows

    @property
    def seasonal(self) -> Floats:
        """How far the season is believed, from 0 (not at all) to 1."""
        return (self.p_eff - 1) / max(self.season.shape[-2] - 1, 1)

    @property
    def g_infinity(self) -> Floats:
        """Variance of a mean of many windows, times their number, over that of one."""
        return 1 + 2 * self.kappa * self.phi / (1 - self.phi)

    def g(self, w: int) -> Floats:
        """Variance of a mean of `w` windows, times w, over that of one."""
        i = np.arange(1, w)
        powers = self.phi[..., None] ** i
        return 1 + 2 * self.kappa * ((1 - i / w) * powers).sum(-1).astype(self.kappa.dtype)

    def expected(self, phase: NDArray[np.int64] | None, windows: int) -> Floats:
        """Return the usual value of each window, shape (windows, K)."""
        if phase is None or self.season.shape[-2] == 1:
            return self.mu[..., None, :] + np.zeros((windows, 1), dtype=self.mu.dtype)
        return self.mu[..., None, :] + self.season[..., phase, :]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the floats read back exactly."""
        return {name: getattr(self, name).tolist() for name in self.__slots__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fit:
        """Read the JSON form back."""
        return cls(**{name: np.array(data[name], dtype=np.float64) for name in cls.__slots__})


@dataclass(frozen=True, eq=False, slots=True)
class Design:
    """What is known of the reference windows beside their values.

    Parameters
    ----------
    n : array, shape (R, K)
        Rows that each value rests on.
    known : array of bool, shape (R, K)
        Whether there is a value.
    theory : array, shape (K,)
        Variance of each value times n for independent rows; 0 where it is not known.
    pools : array of int, shape (K,)
        Values of one pool steady each other's variance and memory.
    phase : array of int, shape (R,), optional
    angles : array of bool, shape (K,)
        Which values are ``2 asin sqrt`` of a share.
    """

    n: Floats
    known: NDArray[np.bool_]
    theory: Floats
    pools: NDArray[np.int64]
    phase: NDArray[np.int64] | None
    angles: NDArray[np.bool_]

    @property
    def period(self) -> int:
        """Phases of the season; 1 where there is none, or too few windows to see one."""
        if self.phase is None:
            return 1
        phases = int(self.phase.max()) + 1
        counts = np.bincount(self.phase, minlength=phases)
        return phases if phases > 1 and counts.min() >= _FEWEST_OF_PHASE else 1


def _season(
    x: Floats, design: Design, mu: Floats, known: Floats, windows: Floats
) -> tuple[Floats, Floats]:
    """Return each phase's deviation from the mean, shrunk, and the shrinkage in [0, 1].

    The positive part of 1 - 1/F is that of James and Stein (Efron and Morris, 1973, JASA 68).
    """
    assert design.phase is not None
    period = design.period
    hot = (design.phase[:, None] == np.arange(period)).astype(x.dtype)
    counts = hot.T @ known
    apart = (x - mu[..., None, :]) * known
    means = np.swapaxes(np.tensordot(apart, hot, axes=([-2], [0])), -1, -2)
    means /= np.maximum(counts, 1)
    between = (counts * means**2).sum(-2)
    within = np.maximum((apart**2).sum(-2) - between, _TINY)
    ratio = (between / (period - 1)) / (within / np.maximum(windows - period, 1))
    shrink = np.maximum(0, 1 - 1 / np.maximum(ratio, 1e-9))
    # Of a value that has one window of a phase nothing tells the season from chance.
    shrink = np.where(counts.min(0) >= _FEWEST_OF_PHASE, shrink, 0)
    return shrink[..., None, :] * means, shrink


def estimate(x: Floats, design: Design) -> tuple[Fit, Floats]:
    """Fit references of one design; leading axes are references apart.

    Parameters
    ----------
    x : array, shape (..., R, K)
        0 where `design.known` is false.
    design : Design

    Returns
    -------
    fit : Fit
        Its arrays have the leading axes of `x`.
    residuals : array, shape (..., R, K)
        0 where there is no value.
    """
    known = design.known.astype(x.dtype)
    windows = np.maximum(known.sum(0), 1).astype(x.dtype)
    mu = (x * known).sum(-2) / windows
    shrink = np.zeros_like(mu)
    season = np.zeros((*mu.shape[:-1], 1, mu.shape[-1]), x.dtype)
    if design.period > 1:
        season, shrink = _season(x, design, mu, known, windows)
    e = x - mu[..., None, :]
    if design.period > 1:
        e = e - season[..., design.phase, :]
    e = e * known
    p_eff = 1 + shrink * (design.period - 1)
    s2 = (e**2).sum(-2) / np.maximum(windows - p_eff, 1)
    rows = (windows / np.maximum((known / np.maximum(design.n, 1)).sum(0), _TINY)).astype(x.dtype)
    usual = (design.theory / rows).astype(x.dtype)
    steady = moderated(s2, usual, np.maximum(windows - p_eff, 1), design.pools)
    unsampled = np.where(usual > 0, 1 - np.clip(usual / np.maximum(steady, _TINY), 0, 1), 0)
    raw = correlogram(e, windows)
    phi, kappa = memory(raw, shrink, design.period, windows, design.pools, unsampled)
    infinite = 1 + 2 * kappa * phi / (1 - phi)
    s2 = s2 / np.maximum(1 - (1 - shrink) * (infinite - 1) / windows, 0.5)
    # Residuals that depend on each other say less of their variance than so many apart.
    bound = 1 + 2 * kappa**2 * phi**2 / (1 - phi**2)
    freedom = np.maximum((windows - p_eff) / bound, 1)
    v = moderated(s2, usual, freedom, design.pools)
    v = np.where(v > _TINY, v, 1.0)
    sampled = np.clip(usual / v, 0, 1)
    tau2, sigma2 = v * (1 - sampled), v * sampled * rows
    none = np.zeros(x.shape[-1])
    return Fit(mu, season, tau2, sigma2, phi, kappa, p_eff, windows, rows, none), e


def _outlying(e: Floats, fit: Fit, design: Design) -> NDArray[np.bool_]:
    """Say which values lie so far out that they belong to an incident, not to the reference."""
    known = design.known
    with np.errstate(all="ignore"):
        # A value without any window is not medianed: that would warn.
        held = np.where(known | ~known.any(axis=0), e, np.nan)
        held = held - np.nanmedian(held, axis=0)
        spread = np.nanmedian(np.abs(held), axis=0) / special.ndtri(0.75)
        spread = spread * np.sqrt(fit.windows / np.maximum(fit.windows - fit.p_eff, 1))
    least = np.sqrt(design.theory / fit.rows)
    # Of few windows the median says little, where theory says nothing.
    least[(least == 0) & (fit.windows < 20)] = np.inf
    scale = np.maximum(spread, least)
    far = known & (np.abs(held) > _ROBUST_CUT * scale)
    # What lasts this long, or comes again and again, is how the value is, not an incident.
    once = (far.sum(0) <= _MOST_OUTLYING * fit.windows) & (_episodes(far) <= _MOST_EPISODES)
    return far & once


def _episodes(far: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the times that something begins, after three windows without it or more.

    Examples
    --------
    >>> _episodes(np.array([[1], [0], [1], [0], [0], [0], [1]], dtype=bool)).tolist()
    [2]
    """
    recent = far.copy()
    for back in range(1, 3):
        recent[back:] |= far[:-back]
    before = np.zeros_like(far)
    before[1:] = recent[:-1]
    return np.asarray((far & ~before).sum(0))


def _nearly_constant(
    x: Floats, n: Floats, known: NDArray[np.bool_], theory: Floats
) -> NDArray[np.bool_]:
    """Say which values hardly move, as of a column without nulls: a pool would drown in them."""
    count = np.maximum(known.sum(0), 1)
    held = np.where(known, x, 0.0)
    variance = (np.where(known, held - held.sum(0) / count, 0.0) ** 2).sum(0) / count
    expected = theory * np.where(known, 1 / np.maximum(n, 1), 0.0).sum(0) / count
    return np.asarray((variance <= _CONSTANT * expected) | (variance <= _TINY))


def design_of(
    x: Floats,
    n: Floats,
    theory: Floats,
    pools: Sequence[str],
    phase: NDArray[np.int64] | None,
    angles: NDArray[np.bool_] | None = None,
) -> Design:
    """Return the design of a reference, with what lies far out taken for missing.

    Parameters are those of `fit`.
    """
    if angles is None:
        angles = np.zeros(len(theory), dtype=bool)
    at = np.unique(np.array(pools, dtype=str), return_inverse=True)[1]
    known = np.isfinite(x) & (n > 0)
    at[_nearly_constant(x, n, known, np.asarray(theory))] = at.max(initial=0) + 1
    design = Design(np.asarray(n, np.float64), known, np.asarray(theory), at, phase, angles)
    if len(x) < 5:
        return design
    for _ in range(2):
        found, e = estimate(np.where(design.known, x, 0.0), design)
        far = _outlying(e, found, design)
        if not far.any():
            break
        design = replace(design, known=design.known & ~far)
    return design


def fit(
    x: Floats,
    n: Floats,
    theory: Floats,
    pools: Sequence[str],
    phase: NDArray[np.int64] | None = None,
) -> Fit:
    """Fit what is normal for each value over R reference windows.

    Parameters
    ----------
    x : array, shape (R, K)
        In order of time and without gaps: a missing value or window is NaN.
    n : array, shape (R, K)
        Rows that each value rests on.
    theory : array, shape (K,)
        Variance of each value times n for independent rows; 0 where it is not known.
    pools : sequence of str, of length K
        Values of one pool steady each other's variance and memory; as `pools_of` gives them.
    phase : array of int, shape (R,), optional
        The phase of each window's season, from 0. Every phase needs two windows, or the season is
        left out.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(3, 0.1, (60, 2))
    >>> found = fit(x, np.full((60, 2), 100.0), np.ones(2), ["drift", "drift"])
    >>> found.mu.round(1).tolist(), np.sqrt(found.variance).round(2).tolist()
    ([3.0, 3.0], [0.1, 0.1])
    """
    return fit_design(x, design_of(x, n, theory, pools, phase))[0]


def fit_design(x: Floats, design: Design) -> tuple[Fit, Floats]:
    """Fit one reference of a design, shape (R, K): as `estimate`, and the skewness."""
    found, e = estimate(np.where(design.known, x, 0.0), design)
    sampled = found.sigma2 / found.rows / found.variance
    leans = np.where(design.angles, lean(found.mu, sampled, found.rows), 0.0)
    skew = skewness(e, design.known, design.pools, leans)
    return replace(found, skew=skew), e
