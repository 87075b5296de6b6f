"""Features cut into bins, and the conditions on one feature that a segment is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.diagnosis.losses import Floats
from monitoring_sdk.matrix import Coder

BINS = 10
MOST_LEVELS = 30
"""Of a category column so many levels are conditions of their own; the rest are one."""


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """One column in bins, and the conditions on it: which bins each takes in.

    Attributes
    ----------
    name : str
    edges : array of float64
        Between the bins of a number; closed on the left. Empty for a category.
    levels : tuple of str
        Of a category, a bin each; the next bin is the other levels. Empty for a number.
    conditions : array of float64, shape (c, b)
        1 where the condition takes the bin in; the last bin is the missing values.
    """

    name: str
    edges: Floats
    levels: tuple[str, ...]
    conditions: Floats

    @property
    def bins(self) -> int:
        """Bins, the missing values among them."""
        return self.conditions.shape[1]

    def bin(self, column: Floats) -> NDArray[np.int32]:
        """Return the bin of each value of the matrix's column."""
        missing = np.isnan(column)
        if self.levels:
            inside = np.minimum(np.where(missing, 0, column), len(self.levels))
        else:
            inside = np.searchsorted(self.edges, column, side="right")
        return np.where(missing, self.bins - 1, inside).astype(np.int32)

    def describe(self, condition: int) -> str:
        """Say a condition in words, such as ``distance >= 1200`` or ``origin = JFK``."""
        taken = np.flatnonzero(self.conditions[condition])
        first, last = int(taken[0]), int(taken[-1])
        if first == self.bins - 1:
            return f"{self.name} is missing"
        if self.levels:
            known = first < len(self.levels)
            return f"{self.name} = {self.levels[first]}" if known else f"{self.name} = other levels"
        low = None if first == 0 else f"{self.edges[first - 1]:.4g}"
        high = None if last == self.bins - 2 else f"{self.edges[last]:.4g}"
        if low is None:
            return f"{self.name} < {high}" if high is not None else f"{self.name} is there"
        return f"{self.name} >= {low}" if high is None else f"{low} <= {self.name} < {high}"


def fit_features(matrix: Floats, coder: Coder) -> tuple[Feature, ...]:
    """Cut each column at the reference's deciles, or into its levels.

    The conditions on a number are all runs of neighbouring bins, so that a segment's bound need
    not fall on one bin alone; on a category its levels; on either the missing values.

    Parameters
    ----------
    matrix : array of float64, shape (n, d)
        Reference rows as `coder` writes them.
    coder : Coder
    """
    out = []
    numeric = len(coder.numeric)
    for j, name in enumerate(coder.names):
        if j >= numeric:
            levels = coder.levels[j - numeric][:MOST_LEVELS]
            out.append(Feature(name, np.zeros(0), levels, np.eye(len(levels) + 2)))
            continue
        finite = matrix[~np.isnan(matrix[:, j]), j]
        edges = np.zeros(0)
        if len(finite):
            # An observed value is an edge that reads well, and a discrete column keeps its own.
            cuts = np.quantile(finite, np.arange(1, BINS) / BINS, method="higher")
            edges = np.unique(cuts[cuts > finite.min()])
        out.append(Feature(name, edges, (), _runs(len(edges) + 1)))
    return tuple(out)


def _runs(bins: int) -> Floats:
    """Return every run of neighbouring bins, the missing values' bin apart."""
    low, high = np.triu_indices(bins)
    place = np.arange(bins)
    runs = (place >= low[:, None]) & (place <= high[:, None])
    out = np.zeros((len(runs) + 1, bins + 1))
    out[:-1, :-1] = runs
    out[-1, -1] = 1
    return out
