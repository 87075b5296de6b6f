"""How far the last windows lie from normal, in standard errors that include the baseline's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.fit import Fit
from monitoring_sdk.alarms.residuals import Floats, unskewed

_OUTWARDS = 0.35
_FILLED = 0.5
"""Of a horizon's windows at least this share must have a value."""


@dataclass(frozen=True, eq=False, slots=True)
class Trail:
    """Deviations of windows, shape (..., T, K), and their sums up to each window.

    Parameters
    ----------
    e : array
        NaN where a window has no value.
    known : array of bool
    total, count : array
        Sums of what is known, and how much that is, from the first window on.
    """

    e: Floats
    known: NDArray[np.bool_]
    total: Floats
    count: Floats

    @property
    def full(self) -> bool:
        """Whether every window has every value."""
        return bool(self.known.all())

    def means(self, w: int, first: int = 0) -> tuple[Floats, Floats]:
        """Return the mean deviation over the last `w` windows, and how many those are.

        Parameters
        ----------
        w : int
        first : int
            Only of windows from this one on.

        Returns
        -------
        means, counts : array, shape (..., T - first, K)
            NaN and 0 before there are `w` windows, or where too few of them have a value.
        """
        if w == 1:
            return self.e[..., first:, :], self.known[..., first:, :].astype(self.e.dtype)
        total, count = (_over(part, w, first) for part in (self.total, self.count))
        enough = count >= np.ceil(_FILLED * w)
        enough[..., : max(0, w - 1 - first), :] = False
        count = np.where(enough, count, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(enough, total / count, np.nan), count


def trail(e: Floats) -> Trail:
    """Sum deviations up once for every horizon."""
    known = np.isfinite(e)
    total = np.cumsum(np.where(known, e, 0), axis=-2)
    return Trail(e, known, total, np.cumsum(known.astype(e.dtype), axis=-2))


def _over(total: Floats, w: int, first: int = 0) -> Floats:
    """Return sums over the last `w` windows from those up to each; over fewer at the start."""
    out, start, end = total[..., first:, :].copy(), max(first, w), total.shape[-2]
    if start < end:
        out[..., start - first :, :] -= total[..., start - w : end - w, :]
    return out


def sums(x: Floats, w: int) -> Floats:
    """Return sums over the last `w` windows; over fewer at the start."""
    return _over(np.cumsum(x, axis=-2), w)


@dataclass(frozen=True, eq=False, slots=True)
class Horizon:
    """What a fit says of means over `w` windows, whichever windows they are.

    Parameters
    ----------
    w : int
    g : array, shape (..., K)
        As `Fit.g` gives it.
    own : array, shape (..., K)
        The variance of the baseline's own mean and season.
    skew : array, shape (..., K)
        Of such a mean.
    """

    w: int
    g: Floats
    own: Floats
    skew: Floats


def horizon(fit: Fit, w: int) -> Horizon:
    """Return what a fit says of means over `w` windows."""
    period = fit.season.shape[-2]
    u = min(w, period)
    own = (1 - fit.seasonal) * fit.g_infinity + fit.seasonal * period / u * fit.g(u)
    own = own / fit.windows
    g = fit.g(w)
    return Horizon(w, g, fit.variance * own, fit.skew * np.sqrt(g / w))


def standard_errors(
    n: Floats, counts: Floats, fit: Fit, over: Horizon, full: bool, first: int = 0
) -> Floats:
    """Return the standard error of a mean deviation over the last windows.

    Its square is v(n) g_w / m + v [(1 - s) g_inf + s P g_u / u] / R, m the windows with a value,
    s how far the season is believed, u = min(w, P). The last term is the error of the baseline's
    own mean and season: looking at more windows than a season does not lessen it.

    Parameters
    ----------
    n : array, shape (T, K)
        Rows that each value rests on.
    counts : array, shape (..., T - first, K)
        As `Trail.means` gives them.
    fit : Fit
    over : Horizon
        Of that fit.
    full : bool
        Whether every window has every value.
    first : int
        Only of windows from this one on.
    """
    if full and len(n) >= over.w and _constant(n):
        at_n = fit.tau2 + fit.sigma2 / np.maximum(n[0], 1)
        return np.sqrt(at_n * (over.g / over.w) + over.own)[..., None, :]
    inverse = _mean_inverse(n, over.w)[first:].astype(fit.mu.dtype)
    v = fit.tau2[..., None, :] + fit.sigma2[..., None, :] * inverse
    spread = v * over.g[..., None, :] / np.maximum(counts, 1)
    return np.sqrt(spread + over.own[..., None, :])


def _constant(n: Floats) -> bool:
    return bool((n == n[:1]).all())


def _mean_inverse(n: Floats, w: int) -> Floats:
    """Return the mean of 1/n over the last windows that have rows."""
    known = (n > 0).astype(float)
    return sums(known / np.maximum(n, 1), w) / np.maximum(sums(known, w), 1)


def read(z: Floats, skew: Floats) -> Floats:
    """Return scores as normal ones, without the skewness that a mean keeps.

    Inwards in full, outwards in part: a tail shorter than normal is not as short as the third
    moment says, which few rows near zero get from their other side (of 2 asin sqrt of five expected
    hits in 500 rows, 3.65 is read as 4.1, and is 3.81 by the binomial law).
    """
    found = unskewed(z, skew)
    return np.where(np.abs(found) > np.abs(z), z + _OUTWARDS * (found - z), found)


def scores(
    x: Floats,
    n: Floats,
    fit: Fit,
    horizons: Sequence[int],
    phase: NDArray[np.int64] | None = None,
) -> Floats:
    """Return how far windows lie from normal, over several horizons.

    Parameters
    ----------
    x : array, shape (T, K)
        In order of time; NaN where a window has no value.
    n : array, shape (T, K)
        Rows that each value rests on.
    fit : Fit
    horizons : sequence of int
        Numbers of windows to look back on.
    phase : array of int, shape (T,), optional

    Returns
    -------
    array, shape (T, H, K)
        Standard errors; NaN where a horizon is not filled.

    Examples
    --------
    >>> from monitoring_sdk.alarms.fit import fit
    >>> x = np.random.default_rng(0).normal(0, 0.1, (60, 1))
    >>> n = np.full((60, 1), 100.0)
    >>> z = scores(np.full((3, 1), 0.2), n[:3], fit(x, n, np.ones(1), ["drift"]), (1, 3))
    >>> bool(z[2, 0, 0] > 1.5), bool(z[2, 1, 0] > 2), bool(np.isnan(z[1, 1, 0]))
    (True, True, True)
    """
    past, found = trail(x - fit.expected(phase, len(x))), []
    for over in (horizon(fit, w) for w in horizons):
        means, counts = past.means(over.w)
        found.append(read(means / standard_errors(n, counts, fit, over, past.full), over.skew))
    return np.stack(found, axis=-2)
