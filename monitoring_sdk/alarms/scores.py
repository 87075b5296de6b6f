"""How far the last windows lie from normal, in standard errors that include the baseline's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.fit import Fit
from monitoring_sdk.alarms.residuals import Floats, unskewed

_OUTWARDS = 0.35
_FILLED = 0.5
"""Of a horizon's windows at least this share must have a value."""


def trailing_means(e: Floats, w: int) -> tuple[Floats, Floats]:
    """Return the mean deviation from normal over the last `w` windows, and how many those are.

    Parameters
    ----------
    e : array, shape (..., T, K)
        Deviations; NaN where a window has no value.
    w : int

    Returns
    -------
    means, counts : array, shape (..., T, K)
        NaN and 0 before there are `w` windows, or where too few of them have a value.
    """
    known = np.isfinite(e)
    if w == 1:
        return e, known.astype(e.dtype)
    total, count = sums(np.where(known, e, 0), w), sums(known.astype(e.dtype), w)
    enough = count >= np.ceil(_FILLED * w)
    enough[..., : w - 1, :] = False
    count = np.where(enough, count, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(enough, total / count, np.nan), count


def sums(x: Floats, w: int) -> Floats:
    """Return sums over the last `w` windows; over fewer at the start."""
    total = np.cumsum(x, axis=-2)
    total[..., w:, :] -= total[..., :-w, :].copy()
    return total


def standard_errors(n: Floats, counts: Floats, fit: Fit, w: int) -> Floats:
    """Return the standard error of a mean deviation over the last `w` windows.

    Its square is v(n) g_w / m + v [(1 - s) g_inf + s P g_u / u] / R, m the windows with a value,
    s how far the season is believed, u = min(w, P). The last term is the error of the baseline's
    own mean and season: looking at more windows than a season does not lessen it.

    Parameters
    ----------
    n : array, shape (T, K)
        Rows that each value rests on.
    counts : array, shape (..., T, K)
        As `trailing_means` gives them.
    fit : Fit
    w : int
    """
    period = fit.season.shape[-2]
    u = min(w, period)
    own = (1 - fit.seasonal) * fit.g_infinity + fit.seasonal * period / u * fit.g(u)
    own = own / fit.windows
    usual = fit.variance
    share = fit.g(w) / np.maximum(counts, 1).max(axis=-2) if _all_full(counts, w) else None
    if share is not None and _constant(n):
        at_n = fit.tau2 + fit.sigma2 / np.maximum(n[0], 1)
        return np.sqrt(at_n * share + usual * own)[..., None, :]
    inverse = _mean_inverse(n, w).astype(fit.mu.dtype)
    v = fit.tau2[..., None, :] + fit.sigma2[..., None, :] * inverse
    spread = v * fit.g(w)[..., None, :] / np.maximum(counts, 1)
    return np.sqrt(spread + (usual * own)[..., None, :])


def _constant(n: Floats) -> bool:
    return bool((n == n[:1]).all())


def _all_full(counts: Floats, w: int) -> bool:
    return bool((counts[..., w - 1 :, :] == w).all()) and counts.shape[-2] >= w


def _mean_inverse(n: Floats, w: int) -> Floats:
    """Return the mean of 1/n over the last windows that have rows."""
    known = (n > 0).astype(float)
    return sums(known / np.maximum(n, 1), w) / np.maximum(sums(known, w), 1)


def read(z: Floats, fit: Fit, w: int) -> Floats:
    """Return scores over `w` windows as normal ones, without the skewness that a mean keeps.

    Inwards in full, outwards in part: a tail shorter than normal is not as short as the third
    moment says, which few rows near zero get from their other side (of 2 asin sqrt of five expected
    hits in 500 rows, 3.65 is read as 4.1, and is 3.81 by the binomial law).
    """
    found = unskewed(z, skew_over(fit, w))
    return np.where(np.abs(found) > np.abs(z), z + _OUTWARDS * (found - z), found)


def skew_over(fit: Fit, w: int) -> Floats:
    """Return the skewness of a mean of `w` windows, shape (K,)."""
    return fit.skew * np.sqrt(fit.g(w) / w)


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
    e, found = x - fit.expected(phase, len(x)), []
    for w in horizons:
        means, counts = trailing_means(e, w)
        found.append(read(means / standard_errors(n, counts, fit, w), fit, w))
    return np.stack(found, axis=-2)
