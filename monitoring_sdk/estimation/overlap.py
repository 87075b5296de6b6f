"""How often a reference row would occur in a window: density ratios from a domain classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.domain import tell_apart
from monitoring_sdk.estimation.rows import MOST_WEIGHTED, Reference, Rows

Floats = NDArray[np.float64]

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


def density_ratio(reference: Reference, window: Rows, *, seed: int = 0) -> Ratio:
    """Compare a reference with a window by their features.

    Parameters
    ----------
    reference : Reference
        Thinned to `MOST_WEIGHTED` rows already; the window is thinned here.
    window : Rows
        Coded by the reference's coder.

    Notes
    -----
    The ratio is h / (1 - h), h being the probability that a row is the window's if both samples
    were equally large, from a classifier that did not see the row (Bickel, Brueckner and Scheffer,
    2009, JMLR 10).
    """
    rows = window.matrix
    if window.n > MOST_WEIGHTED:
        rows = rows[np.arange(MOST_WEIGHTED) * window.n // MOST_WEIGHTED]
    domain = tell_apart(reference.rows.matrix, rows, reference.coder.is_category, seed=seed)
    weight = np.clip(_odds(domain.reference), LEAST, MOST)
    covered = float(np.mean(_odds(domain.current) < MOST)) if len(rows) else 0.0
    effective = float(weight.sum() ** 2 / (weight**2).sum()) if len(weight) else 0.0
    return Ratio(weight / weight.mean() if len(weight) else weight, effective, covered)


def _odds(probability: Floats) -> Floats:
    return probability / np.maximum(1 - probability, 1e-12)
