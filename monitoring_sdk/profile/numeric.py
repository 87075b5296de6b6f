"""The additive counts and moments of a numeric column."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.grid import NumericGrid

Sorted = NDArray[np.float64] | NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NumericProfile:
    """One numeric column of some rows, counted on a grid.

    Parameters
    ----------
    rows, nulls, nans, pos_inf, neg_inf : int
        ``rows`` is the sum of the others and ``count``.
    cells : array of int64, shape (m + 1,)
        Finite values in each cell of the grid.
    count : int
        Finite values.
    pivot, deviation : float
        The grid's pivot, and the mean of the finite values less the pivot.
    m2 : float
        Sum of squared deviations of the finite values from their mean; inf where it overflows.
    min, max : float or None
        Of the finite values; None where there are none.
    """

    rows: int
    nulls: int
    nans: int
    pos_inf: int
    neg_inf: int
    cells: NDArray[np.int64]
    count: int
    pivot: float
    deviation: float
    m2: float
    min: float | None
    max: float | None

    @property
    def mean(self) -> float | None:
        """Mean of the finite values."""
        return self.pivot + self.deviation if self.count else None

    @property
    def sd(self) -> float | None:
        """Standard deviation of the finite values (ddof 0); inf where it overflows."""
        return math.sqrt(self.m2 / self.count) if self.count else None

    def __eq__(self, other: object) -> bool:
        """Compare every count and every float."""
        return isinstance(other, NumericProfile) and self.to_dict() == other.to_dict()

    def merge(self, other: NumericProfile) -> NumericProfile:
        """Return the profile of both sets of rows.

        Counts, min and max are exact; moments agree with those of one pass to 1e-12 relative
        (Chan, Golub and LeVeque 1983).

        Raises
        ------
        ValueError
            When the two were not counted on the same grid.
        """
        if len(self.cells) != len(other.cells) or self.pivot != other.pivot:
            raise ValueError("profiles of different grids do not add")
        low = min((x for x in (self.min, other.min) if x is not None), default=None)
        high = max((x for x in (self.max, other.max) if x is not None), default=None)
        deviation, m2 = _merge_moments(self, other)
        return NumericProfile(
            rows=self.rows + other.rows,
            nulls=self.nulls + other.nulls,
            nans=self.nans + other.nans,
            pos_inf=self.pos_inf + other.pos_inf,
            neg_inf=self.neg_inf + other.neg_inf,
            cells=self.cells + other.cells,
            count=self.count + other.count,
            pivot=self.pivot,
            deviation=deviation,
            m2=m2,
            min=low,
            max=high,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the floats read back exactly."""
        return {
            "kind": "numeric",
            "rows": self.rows,
            "nulls": self.nulls,
            "nans": self.nans,
            "pos_inf": self.pos_inf,
            "neg_inf": self.neg_inf,
            "count": self.count,
            "pivot": self.pivot,
            "deviation": self.deviation,
            "m2": self.m2 if math.isfinite(self.m2) else str(self.m2),
            "min": self.min,
            "max": self.max,
            "cells": self.cells.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NumericProfile:
        """Read the JSON form back."""
        kept = {k: v for k, v in data.items() if k != "kind"}
        kept["cells"] = np.array(data["cells"], dtype=np.int64)
        kept["m2"] = float(data["m2"])
        return cls(**kept)


def _merge_moments(a: NumericProfile, b: NumericProfile) -> tuple[float, float]:
    if not a.count or not b.count:
        kept = a if a.count else b
        return kept.deviation, kept.m2
    n = a.count + b.count
    delta = b.deviation - a.deviation
    deviation = a.deviation + delta * (b.count / n)
    m2 = a.m2 + b.m2 + delta * delta * (a.count * b.count / n)
    if not math.isfinite(deviation):
        deviation = a.deviation * (a.count / n) + b.deviation * (b.count / n)
    return deviation, m2 if m2 == m2 else math.inf


def empty_numeric(grid: NumericGrid) -> NumericProfile:
    """Return the profile of no rows."""
    cells = np.zeros(len(grid.edges) + 1, dtype=np.int64)
    return NumericProfile(0, 0, 0, 0, 0, cells, 0, grid.pivot, 0.0, 0.0, None, None)


def numeric_values(array: pa.Array, name: str) -> tuple[NDArray[Any], int]:
    """Return the numbers of an Arrow array and how many nulls it has.

    Parameters
    ----------
    array : pyarrow.Array
        Numbers, booleans, decimals, or text that parses as numbers; dictionaries of those.
    name : str
        The column, for the message.

    Returns
    -------
    values : array of float64 or float32, shape (n,)
        Nulls are NaN. May be a view of the array's memory, so it must not be written to.
    nulls : int

    Raises
    ------
    SourceError
        When the type has no numbers; the message names column and type and shows no value.
    """
    kind = array.type
    if not (pa.types.is_float64(kind) or pa.types.is_float32(kind)):
        try:
            if pa.types.is_dictionary(kind):
                array = array.dictionary_decode()
            if pa.types.is_boolean(kind):
                array = array.cast(pa.uint8())
            array = array.cast(pa.float64(), safe=False)
        except pa.ArrowException:
            raise SourceError(
                f"column {name!r} is of type {kind} and cannot be read as numbers"
            ) from None
    return array.to_numpy(zero_copy_only=False), array.null_count


def profile_numeric(array: pa.Array, grid: NumericGrid, name: str = "") -> NumericProfile:
    """Count one batch of a numeric column on its grid.

    The batch is sorted and the few edges are searched in it, which is many times faster than
    searching every value among the edges.

    Parameters
    ----------
    array : pyarrow.Array
        As for `numeric_values`.
    grid : NumericGrid
    name : str
        The column, for the message of an error.

    Raises
    ------
    SourceError
        When the array holds no numbers.

    Examples
    --------
    >>> from monitoring_sdk.profile.grid import fit_numeric
    >>> p = profile_numeric(pa.array([1.0, None, float("nan"), 9.0]), fit_numeric([1, 2, 3]))
    >>> p.rows, p.nulls, p.nans, p.count, p.mean, int(p.cells[-1])
    (4, 1, 1, 2, 5.0, 1)
    """
    values, nulls = numeric_values(array, name)
    ordered = np.sort(values)
    ends = np.array([np.inf, np.nan], dtype=ordered.dtype)
    above, nan = (int(i) for i in np.searchsorted(ordered, ends))
    below = int(np.searchsorted(ordered, -ends[0], side="right"))
    finite = ordered[below:above]
    edges = grid.edges32 if finite.dtype == np.float32 else grid.edges
    cuts = np.searchsorted(finite, edges)
    deviation, m2 = _moments(finite, grid.pivot)
    return NumericProfile(
        rows=len(values),
        nulls=nulls,
        nans=len(values) - nan - nulls,
        pos_inf=nan - above,
        neg_inf=below,
        cells=np.diff(cuts, prepend=0, append=len(finite)).astype(np.int64, copy=False),
        count=len(finite),
        pivot=grid.pivot,
        deviation=deviation,
        m2=m2,
        # Adding zero turns -0.0, which sorts anywhere among the zeros, into 0.0.
        min=float(finite[0]) + 0.0 if len(finite) and grid.extremes else None,
        max=float(finite[-1]) + 0.0 if len(finite) and grid.extremes else None,
    )


def _moments(finite: Sorted, pivot: float) -> tuple[float, float]:
    """Return mean less pivot, and sum of squares about the mean, of sorted values."""
    n = len(finite)
    if not n:
        return 0.0, 0.0
    if finite[0] == finite[-1]:
        return float(finite[0]) - pivot, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        parts = np.subtract(finite, pivot, dtype=np.float64)
        mean = float(parts.sum()) / n
        if not math.isfinite(mean):
            mean = float((parts / n).sum())
        parts -= mean
        np.square(parts, out=parts)
        m2 = float(parts.sum())
    return mean, m2 if m2 == m2 else math.inf
