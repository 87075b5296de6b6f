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
) -> tuple[Floats, Floats]:
    """Return phi, pooled over all values, and kappa, shrunk within a pool.

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
        first = found[0].copy()
        for at in _by_pool(pools):
            noise = float(np.mean(1 / windows[at]))
            own = found[0][..., at]
            middle = np.maximum(own.mean(-1, keepdims=True), 0)
            spread = own.var(-1, keepdims=True) if len(at) >= FEW_CHECKS else 2 * noise
            real = np.maximum(spread - noise, 0)
            first[..., at] = middle + (own - middle) * real / (real + noise)
        kappa = np.clip(np.clip(first, 0, 0.95) / phi, 0, 1)
    return phi, kappa


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


def skewness(e: Floats, known: NDArray[np.bool_], pools: NDArray[np.int64]) -> Floats:
    """Return the skewness of residuals, one for each pool of at least eight, shape (K,).

    It is shrunk by what chance would show; values of a pool depend on each other, so that more
    than ten count as ten.
    """
    out = np.zeros(e.shape[-1])
    windows = known.sum(0)
    spread = np.sqrt((e**2).sum(0) / np.maximum(windows, 1))
    cubes = (e**3).sum(0) / np.maximum(windows, 1) / np.maximum(spread**3, _TINY)
    for at in _by_pool(pools):
        at = at[(windows[at] > len(_LAGS)) & (spread[at] > 0)]
        if len(at) < FEW_CHECKS:
            continue
        found = float(cubes[at].mean())
        chance = 6 / (float(windows[at].mean()) * min(len(at), 10))
        out[at] = np.clip(found * max(0.0, 1 - chance / max(found**2, _TINY)), -0.5, 0.5)
    return out


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
