"""Rows that hardly ever come, such as those of levels new to the reference: judged as counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from monitoring_sdk.alarms.residuals import Floats
from monitoring_sdk.alarms.scores import sums

_PRIOR_WINDOWS = 30.0


@dataclass(frozen=True, eq=False, slots=True)
class CountFit:
    """What is normal for counts: a gamma law of their rate, and how much they come in bunches.

    Parameters
    ----------
    hits : array, shape (C,)
        Rows over all reference windows, and Jeffreys' half; in bunches.
    rows : array, shape (C,)
        Of all kinds, over those windows.
    bunch : array, shape (C,)
        Rows of a bunch: the variance of a count over its mean, at least 1.
    """

    hits: Floats
    rows: Floats
    bunch: Floats

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the floats read back exactly."""
        return {name: getattr(self, name).tolist() for name in self.__slots__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CountFit:
        """Read the JSON form back."""
        return cls(**{name: np.array(data[name], dtype=np.float64) for name in cls.__slots__})


def fit_counts(shares: Floats, n: Floats) -> CountFit:
    """Fit counts over R reference windows.

    Parameters
    ----------
    shares, n : array, shape (R, C)
        Shares of rows, NaN where there is none, and rows.

    Examples
    --------
    >>> found = fit_counts(np.full((60, 1), 0.002), np.full((60, 1), 500.0))
    >>> found.hits.tolist(), found.rows.tolist(), found.bunch.tolist()
    ([60.5], [30000.0], [1.0])
    """
    known = np.isfinite(shares)
    counts, rows = np.where(known, shares * n, 0), np.where(known, n, 0)
    total, every = counts.sum(0), np.maximum(rows.sum(0), 1)
    expected = np.maximum(rows * total / every, 1e-12)
    apart = np.where(known & (total > 0), (counts - expected) ** 2 / expected, 0).sum(0)
    windows = np.maximum(known.sum(0) - 1, 1)
    # As if so many more windows had shown single rows: a few events say little of bunches.
    bunch = np.maximum((apart + _PRIOR_WINDOWS) / (windows + _PRIOR_WINDOWS), 1.0)
    return CountFit(total / bunch + 0.5, every / bunch, bunch)


def count_scores(hits: Floats, rows: Floats, fit: CountFit) -> Floats:
    """Return how far counts lie above normal, as normal scores of their mid-p tail.

    The count of the next rows is negative binomial: Poisson, its rate gamma.

    Parameters
    ----------
    hits, rows : array, shape (..., C)
        Over the last windows.
    fit : CountFit

    Examples
    --------
    >>> fit = fit_counts(np.full((60, 1), 0.002), np.full((60, 1), 500.0))
    >>> count_scores(np.array([[1.0], [8.0]]), np.array([[500.0]]), fit).round(1).ravel().tolist()
    [0.1, 4.3]
    """
    count = hits / fit.bunch
    p = fit.rows / (fit.rows + rows / fit.bunch)
    upper = special.betaincc(fit.hits, count + 1, p)
    # The tail from the count itself on, which a count of nothing has in full.
    least = np.where(count > 0, special.betaincc(fit.hits, np.maximum(count, 1e-9), p), 1.0)
    return -special.ndtri(np.clip((upper + least) / 2, 1e-15, 1 - 1e-15))


def least_share(score: float, rows: float, fit: CountFit, at: int) -> float:
    """Return the smallest share of some rows whose count passes a score; 1 where none does.

    Parameters
    ----------
    score : float
    rows : float
    fit : CountFit
    at : int
        Which of the counts.

    Examples
    --------
    >>> fit = fit_counts(np.full((60, 1), 0.002), np.full((60, 1), 500.0))
    >>> least_share(4.0, 500.0, fit, 0)
    0.016
    """
    own = CountFit(*(part[at : at + 1] for part in (fit.hits, fit.rows, fit.bunch)))
    low, high = 0, max(int(rows), 1)
    while low < high:
        middle = (low + high) // 2
        passes = count_scores(np.array([float(middle)]), np.array([rows]), own)[0] > score
        low, high = (low, middle) if passes else (middle + 1, high)
    return min(1.0, low / max(rows, 1.0))


def simulated_scores(
    fit: CountFit, rows: Floats, horizons: Sequence[int], count: int, rng: np.random.Generator
) -> Floats:
    """Simulate rates, references and windows, and score each window by its own reference.

    Parameters
    ----------
    fit : CountFit
    rows : array, shape (T, C)
        Of the windows to come.
    horizons : sequence of int
    count : int
        Simulations.
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (count, T, H, C)
        Over the windows that there are, at the start.
    """
    rate = rng.gamma(fit.hits, 1.0, (count, len(fit.hits))) / fit.rows
    seen = rng.poisson(rate * fit.rows) + 0.5
    exposure = rows / fit.bunch
    coming = rng.poisson(rate[:, None, :] * exposure).astype(float)
    again = CountFit(seen[:, None, :], fit.rows, np.ones_like(fit.bunch))
    found = [_each_once(sums(coming, w), sums(exposure, w), again) for w in horizons]
    return np.stack(found, axis=2)


def _each_once(hits: Floats, rows: Floats, fit: CountFit) -> Floats:
    """Return `count_scores`, each distinct case looked up once: most counts are few."""
    whole = np.broadcast_arrays(hits, rows, fit.hits, fit.rows)
    cases, at = np.unique(np.stack([x.ravel() for x in whole]), axis=1, return_inverse=True)
    found = count_scores(cases[0], cases[1], CountFit(cases[2], cases[3], np.ones(cases.shape[1])))
    return found[at].reshape(whole[0].shape)
