"""Variance of residuals and how long they remember, steadied by all values of a kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.floating[Any]]

_TINY = 1e-30
_LAGS = (1, 2, 3)
FEW_CHECKS = 8


def _by_pool(pools: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    found = (np.flatnonzero(pools == i) for i in np.unique(pools))
    return [at for at in found if len(at)]


def correlogram(e: Floats, windows: Floats) -> list[Floats]:
    """Return the raw autocorrelation at each lag."""
    total = np.maximum((e**2).sum(-2), _TINY)
    return [
        (e[..., lag:, :] * e[..., :-lag, :]).sum(-2)
        / total
        * windows
        / np.maximum(windows - lag, 1)
        for lag in _LAGS
    ]


def memory(
    raw: list[Floats],
    seasonal: Floats,
    period: int,
    windows: Floats,
    pools: NDArray[np.int64],
    unsampled: Floats,
) -> tuple[Floats, Floats]:
    """Return phi, pooled over all values, and kappa, shrunk within a pool.

    Sampling noise remembers nothing: where more of the variance is something else (`unsampled`),
    more memory is expected, by a slope common to all values.

    A correlogram about a fitted mean is too low: the mean's own variance, g_inf/R, is missing in
    every term, and the ratio's expansion takes 2 rho / R more (Marriott and Pope, 1954). About a
    fitted season only what lies whole seasons apart is missing.
    """
    live = windows > len(_LAGS)
    if not live.any():
        live = np.ones_like(live)
    phi, kappa = np.full((*seasonal.shape[:-1], 1), 0.6, seasonal.dtype), np.zeros_like(seasonal)
    for _ in range(3):
        infinite = 1 + 2 * kappa * phi / (1 - phi)
        found = []
        for lag, r in zip(_LAGS, raw, strict=True):
            apart = kappa * (phi ** abs(period - lag) + phi ** (period + lag))
            lost = (1 - seasonal) * infinite + seasonal * period * apart
            lost = np.minimum(lost / windows, 0.5)
            found.append(r * (1 - lost) + lost + 2 * kappa * phi**lag / windows)
        means = [f[..., live].mean(-1, keepdims=True) for f in found]
        ratio = (means[1] + means[2]) / np.maximum(means[0] + means[1], 0.02)
        phi = np.where(means[0] > 0.03, np.clip(ratio, 0.4, 0.95), 0.6).astype(seasonal.dtype)
        first = _steadied(found[0], windows, pools, unsampled * live)
        kappa = np.clip(np.clip(first, 0, 0.95) / phi, 0, 1)
    return phi, kappa


def _steadied(r: Floats, windows: Floats, pools: NDArray[np.int64], unsampled: Floats) -> Floats:
    """Return autocorrelations shrunk towards a multiple of `unsampled`, and a pool's mean off it.

    As Efron and Morris (1975, JASA 70) shrink towards a regression.
    """
    squares = (unsampled**2).sum(-1, keepdims=True)
    slope = (r * unsampled).sum(-1, keepdims=True) / np.maximum(squares, _TINY)
    expected = np.clip(slope, 0, 0.95) * unsampled
    first = r.copy()
    for at in _by_pool(pools):
        noise = float(np.mean(1 / windows[at]))
        off = r[..., at] - expected[..., at]
        many = len(at) >= FEW_CHECKS
        middle = off.mean(-1, keepdims=True) if many else np.zeros_like(off[..., :1])
        spread = off.var(-1, keepdims=True) if many else 2 * noise
        real = np.maximum(spread - noise, 0)
        middle = np.maximum(expected[..., at] + middle, 0)
        first[..., at] = middle + (r[..., at] - middle) * real / (real + noise)
    return first


def moderated(s2: Floats, theory: Floats, freedom: Floats, pools: NDArray[np.int64]) -> Floats:
    """Shrink variances towards a common multiple of the theoretical ones, pool by pool.

    The prior's weight and place follow from how the log ratios spread (Smyth, 2004, SAGMB 3:3).
    """
    out = s2.copy()
    for at in _by_pool(pools):
        at = at[theory[at] > 0]
        if len(at) < FEW_CHECKS:
            continue
        half = freedom[..., at] / 2
        log = np.log(np.maximum(s2[..., at], _TINY) / theory[at])
        excess = log.var(-1, keepdims=True) - special.polygamma(1, half).mean(-1, keepdims=True)
        prior = np.where(excess > 2e-3, 2 * (0.5 + 1 / np.maximum(excess, 2e-3)), 1000.0)
        centre = (log - special.digamma(half) + np.log(half)).mean(-1, keepdims=True)
        ratio = np.exp(centre + special.digamma(prior / 2) - np.log(prior / 2))
        total = prior + 2 * half
        aim = np.maximum(ratio, 1.0) * theory[at]
        out[..., at] = (prior * aim + 2 * half * s2[..., at]) / total
    return np.maximum(out, 0.95 * theory)


def lean(mu: Floats, sampled: Floats, rows: Floats) -> Floats:
    """Return the skewness of ``2 asin sqrt`` of shares that independent rows give.

    Of hits it is (1 - 2p) / sqrt(n p (1 - p)); an angle turns it round and halves it.

    Parameters
    ----------
    mu : array, shape (K,)
        The mean angle.
    sampled : array, shape (K,)
        Of the variance, the part that independent rows give.
    rows : array, shape (K,)

    Examples
    --------
    >>> lean(np.array([0.2]), np.ones(1), np.array([500.0])).round(2).tolist()  # 5 hits expected
    [-0.22]
    """
    safe = np.clip(mu, 1e-6, np.pi - 1e-6)
    return np.asarray(-(sampled**1.5) / (np.tan(safe) * np.sqrt(np.maximum(rows, 1))))


def skewness(
    e: Floats,
    known: NDArray[np.bool_],
    pools: NDArray[np.int64],
    theory: Floats,
) -> Floats:
    """Return the skewness of residuals, shape (K,).

    What theory knows of, and in a pool of at least eight what more they have in common. That is
    shrunk by what chance would show; values of a pool depend on each other, so that more than ten
    count as ten.

    Parameters
    ----------
    e : array, shape (R, K)
    known : array of bool, shape (R, K)
    pools : array of int, shape (K,)
    theory : array, shape (K,)
        The skewness that independent rows would give; 0 where it is not known.
    """
    out = theory.astype(np.float64)
    windows = known.sum(0)
    spread = np.sqrt((e**2).sum(0) / np.maximum(windows, 1))
    cubes = (e**3).sum(0) / np.maximum(windows, 1) / np.maximum(spread**3, _TINY)
    for at in _by_pool(pools):
        at = at[(windows[at] > len(_LAGS)) & (spread[at] > 0)]
        if len(at) < FEW_CHECKS:
            continue
        more = float((cubes[at] - theory[at]).mean())
        chance = 6 / (float(windows[at].mean()) * min(len(at), 10))
        out[at] += more * max(0.0, 1 - chance / max(more**2, _TINY))
    return np.clip(out, -0.5, 0.5)


def unskewed(z: Floats, skew: Floats) -> Floats:
    """Return the normal scores that skewed ones stand for.

    The inverse of the first term of Cornish and Fisher (1938, Revue de l'Institut International de
    Statistique 5): z = u + skew (u^2 - 1) / 6.

    Examples
    --------
    >>> unskewed(np.array([-3.0, 0.0, 4.0]), np.array(0.3)).round(2).tolist()
    [-3.6, 0.05, 3.45]
    """
    safe = np.where(np.abs(skew) < 1e-6, 1.0, skew)
    square = 1 + (2 * safe / 3) * (z + safe / 6)
    # Where the parabola has no inverse any more, straight on: further out stays further out.
    root = np.where(square > 0.25, np.sqrt(np.maximum(square, 0.25)), square + 0.25)
    return np.where(np.abs(skew) < 1e-6, z, 3 / safe * (root - 1))
