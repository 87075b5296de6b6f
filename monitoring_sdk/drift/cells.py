"""Two samples' counts on the same few cells: the common ground of most distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.profile.categorical import CategoricalProfile
from monitoring_sdk.profile.grid import CategoricalGrid, NumericGrid
from monitoring_sdk.profile.numeric import NumericProfile
from monitoring_sdk.profile.profile import ColumnProfile

ColumnGrid = NumericGrid | CategoricalGrid


class Undefined(Exception):  # noqa: N818 - not a failure: it becomes a Value without a number
    """Why a distance has no number here."""


@dataclass(frozen=True)
class Cells:
    """Counts of a reference and of a current sample in the same cells.

    Parameters
    ----------
    reference, current : array of int64, shape (k,)
    """

    reference: NDArray[np.int64]
    current: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Rows of the current sample that lie in some cell."""
        return int(self.current.sum())

    @property
    def shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shares of the reference and of the current sample."""
        return self.reference / self.reference.sum(), self.current / self.current.sum()


def cells(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Cells:
    """Count both samples on the cells that distances are summed on.

    For a numeric column the reference's deciles, infinities in the outer cells; where those make
    fewer than two cells, the cells between and of its atoms. For a category column its frequent
    levels, and one cell for all others: an unseen level is a rare one that the reference missed.

    Raises
    ------
    Undefined
        When a sample has nothing to count, or a category no level that is frequent enough.
    """
    if isinstance(grid, NumericGrid):
        low, high = numeric_pair(reference, current)
        starts = _starts(grid)
        out = Cells(*(np.add.reduceat(with_infinities(p), starts) for p in (low, high)))
    else:
        if not (
            isinstance(reference, CategoricalProfile) and isinstance(current, CategoricalProfile)
        ):
            raise TypeError("a category grid needs category profiles")
        out = Cells(*(_levels(p, grid) for p in (reference, current)))
    for which, counts in (("reference", out.reference), ("current window", out.current)):
        if not counts.sum():
            raise Undefined(f"no values in the {which}")
    if isinstance(grid, CategoricalGrid) and len(out.reference) < 2:
        raise Undefined("no level of the reference is frequent enough to compare shares")
    return out


def _levels(profile: CategoricalProfile, grid: CategoricalGrid) -> NDArray[np.int64]:
    """Return the counts of the levels that are cells of their own, and of all others together."""
    apart = profile.counts[: grid.apart]
    return np.append(apart, profile.count - int(apart.sum()))


def numeric_pair(
    reference: ColumnProfile, current: ColumnProfile
) -> tuple[NumericProfile, NumericProfile]:
    """Return the two as numeric profiles; a reference without finite values has no cells.

    Raises
    ------
    Undefined
        When the reference has no finite value.
    """
    if not (isinstance(reference, NumericProfile) and isinstance(current, NumericProfile)):
        raise TypeError("a numeric grid needs numeric profiles")
    if not reference.count:
        raise Undefined("no finite values in the reference")
    return reference, current


def with_infinities(profile: NumericProfile) -> NDArray[np.int64]:
    """Return the cells' counts with the infinities in the outer two."""
    counts = profile.cells.copy()
    counts[0] += profile.neg_inf
    counts[-1] += profile.pos_inf
    return counts


def _starts(grid: NumericGrid) -> NDArray[np.int64]:
    """Return the index of the first fine cell of each coarse one."""
    inner = grid.deciles
    if not len(inner):
        # Constant, or nearly: without this a change of such a column would never be seen.
        inner = np.unique(np.concatenate([grid.atoms - 1, grid.atoms]))
    return np.append(0, inner + 1)
