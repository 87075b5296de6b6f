"""How often a reference row would occur in a window: density ratios from a domain classifier."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.domain import tell_apart
from monitoring_sdk.estimation.rows import MOST_WEIGHTED, Reference, Rows

Floats = NDArray[np.float64]

MOST_COMPARED = 4_000
"""So many rows of each side a classifier is fitted on; it then speaks for the others too."""
FOLDS = 2
LEAST, MOST = 0.001, 20.0
"""Ratios are kept within these: beyond them a single row would speak for a window."""
FEWEST_EFFECTIVE = 50
LEAST_COVERED = 0.5
_SAID_BELOW = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """Weights that make reference rows look like a window's.

    Attributes
    ----------
    weight : array of float64, shape (n,)
        Of each reference row, with mean one.
    effective : float
        Kish's effective number of reference rows, (sum w)^2 / sum w^2.
    covered : float
        Share of the window's rows that have their like in the reference: at most `MOST` times as
        frequent as there.
    """

    weight: Floats
    effective: float
    covered: float

    @property
    def fault(self) -> str | None:
        """Why nothing can be weighted by it, or None."""
        if self.covered < LEAST_COVERED:
            return f"only {self.covered:.0%} of the rows have their like in the reference"
        if self.effective < FEWEST_EFFECTIVE:
            return (
                f"the reference has {self.effective:.0f} effective rows like the window's, "
                f"{FEWEST_EFFECTIVE} are the fewest"
            )
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say beside an estimate."""
        if self.covered >= _SAID_BELOW:
            return ()
        return (f"{1 - self.covered:.0%} of the rows have no like in the reference",)


@lru_cache(maxsize=4)
def weighted_part(reference: Reference) -> Reference:
    """Return the rows of a reference that are weighted."""
    return reference.thinned(MOST_WEIGHTED)


@lru_cache(maxsize=2)
def density_ratio(reference: Reference, window: Rows, *, seed: int = 0) -> Ratio:
    """Compare a reference with a window by their features.

    Parameters
    ----------
    reference : Reference
        From `weighted_part`. Asked again of the same rows, the answer is at hand.
    window : Rows
        Coded by the reference's coder.

    Notes
    -----
    The ratio is h / (1 - h), h being the probability that a row is the window's if both samples
    were equally large, from a classifier that did not see the row (Bickel, Brueckner and Scheffer,
    2009, JMLR 10).
    """
    kept, rest = _cut(reference.rows.matrix)
    seen, _ = _cut(window.matrix)
    domain = tell_apart(
        reference.rows.matrix[kept],
        window.matrix[seen],
        reference.coder.is_category,
        seed=seed,
        folds=FOLDS,
    )
    chance = np.empty(reference.n)
    chance[kept], chance[rest] = domain.reference, domain.predict(reference.rows.matrix[rest])
    weight = np.clip(_odds(chance), LEAST, MOST)
    covered = float(np.mean(_odds(domain.current) < MOST)) if window.n else 0.0
    effective = float(weight.sum() ** 2 / (weight**2).sum()) if len(weight) else 0.0
    return Ratio(weight / weight.mean() if len(weight) else weight, effective, covered)


def _odds(probability: Floats) -> Floats:
    return probability / np.maximum(1 - probability, 1e-12)


def _cut(matrix: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return evenly spaced rows to fit on, and the others."""
    n = len(matrix)
    kept = np.arange(min(n, MOST_COMPARED)) * n // max(min(n, MOST_COMPARED), 1)
    return kept, np.setdiff1d(np.arange(n), kept, assume_unique=True)
