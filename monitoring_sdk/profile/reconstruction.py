"""The reconstruction error of a row: how badly the reference's main directions describe it.

A row whose columns are each ordinary can still break the way in which they go together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.categorical import count_levels
from monitoring_sdk.profile.grid import MAX_LEVELS, MIN_COUNT
from monitoring_sdk.profile.levels import canonical_level
from monitoring_sdk.profile.numeric import numeric_values

Floats = NDArray[np.float64]

VARIANCE = 0.65
"""Components are kept until they carry more than this share of the variance."""

OUTLYING = 10.0
"""Values count as no further out than so many standard deviations, or one row would be a mean."""


@dataclass(frozen=True, slots=True)
class LevelShares:
    """A category column as numbers: the share that each level has in the reference.

    Parameters
    ----------
    known : mapping of str to float
        Of the levels that are frequent enough to be kept by name.
    rare : float
        For every other level.
    missing : float
        For null: the share of the most frequent level.
    """

    known: Mapping[str, float]
    rare: float
    missing: float

    def encode(self, array: pa.Array, name: str) -> Floats:
        """Return the share of each row's level."""
        try:
            encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
            levels = encoded.dictionary.to_pylist()
        except (pa.ArrowNotImplementedError, ValueError, OverflowError):
            raise SourceError(
                f"column {name!r} is of type {array.type} and cannot be read as levels"
            ) from None
        shares = [
            self.missing if v is None or v != v else self.known.get(canonical_level(v), self.rare)
            for v in levels
        ]
        codes = encoded.indices.fill_null(len(levels)).to_numpy(zero_copy_only=False)
        return np.array([*shares, self.missing])[codes.astype(np.int64, copy=False)]


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """Principal components of the reference, as what they leave of a row.

    Parameters
    ----------
    numeric : tuple of str
        Columns that are numbers; null, NaN and infinities become the reference's mean.
    categorical : mapping of str to LevelShares
    mean, scale : array of float64, shape (d,)
        Of the reference, numeric columns first.
    residual : array of float64, shape (d, d - k)
        Orthonormal directions that the k kept components do not span.
    """

    numeric: tuple[str, ...]
    categorical: Mapping[str, LevelShares]
    mean: Floats
    scale: Floats
    residual: Floats

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row needs."""
        return (*self.numeric, *self.categorical)

    def error(self, batch: pa.RecordBatch) -> Floats:
        """Return for each row the Euclidean distance to its reconstruction, >= 0.

        Raises
        ------
        SourceError
            When a column cannot be read as what it was in the reference.
        """
        out = np.empty((batch.num_rows, len(self.mean)))
        for j, name in enumerate(self.columns):
            array = batch.column(name)
            if j < len(self.numeric):
                values = numeric_values(array, name)[0].astype(np.float64)
                out[:, j] = np.where(np.isfinite(values), values, self.mean[j])
            else:
                out[:, j] = self.categorical[name].encode(array, name)
        out -= self.mean
        with np.errstate(over="ignore"):
            out /= self.scale
        np.clip(out, -OUTLYING, OUTLYING, out=out)
        left = out @ self.residual
        return np.sqrt(np.einsum("ij,ij->i", left, left))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the floats read back exactly."""
        return {
            "numeric": list(self.numeric),
            "categorical": {
                name: {"known": dict(s.known), "rare": s.rare, "missing": s.missing}
                for name, s in self.categorical.items()
            },
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "residual": self.residual.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Reconstruction:
        """Read the JSON form back."""
        return cls(
            tuple(data["numeric"]),
            {name: LevelShares(**s) for name, s in data["categorical"].items()},
            *(np.array(data[k], dtype=np.float64) for k in ("mean", "scale", "residual")),
        )


def fit_reconstruction(
    table: pa.Table,
    numeric: Sequence[str],
    categorical: Sequence[str],
    min_count: int = MIN_COUNT,
) -> Reconstruction | None:
    """Fit the components on reference rows.

    Numeric columns are imputed by their mean and category columns become the share of their
    level; all are standardised, and components are kept until they carry more than 65 % of the
    variance. None where nothing would be left to measure: fewer than two rows or columns with
    values, or columns so unrelated that every component is kept. Levels with fewer than
    `min_count` rows share one share.

    Examples
    --------
    >>> x = np.arange(100.0)
    >>> found = fit_reconstruction(pa.table({"a": x, "b": x}), ["a", "b"], [])
    >>> found.error(pa.record_batch({"a": [5.0, 5.0], "b": [5.0, 95.0]})).round(2).tolist()
    [0.0, 2.2]
    """
    columns: dict[str, Floats] = {}
    shares: dict[str, LevelShares] = {}
    for name in numeric:
        values = numeric_values(_whole(table, name), name)[0].astype(np.float64)
        finite = np.isfinite(values)
        if finite.any():
            columns[name] = np.where(finite, values, values[finite].mean())
    numbers = tuple(columns)
    for name in categorical:
        array = _whole(table, name)
        known = _shares(count_levels(array, name), min_count)
        if known is not None:
            shares[name] = known
            columns[name] = known.encode(array, name)
    if len(columns) < 2 or table.num_rows < 2:
        return None
    rows = np.column_stack(list(columns.values()))
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[~((scale > 0) & np.isfinite(scale))] = 1.0
    residual = _residual((rows - mean) / scale)
    return None if residual is None else Reconstruction(numbers, shares, mean, scale, residual)


def _residual(rows: Floats) -> Floats | None:
    """Return the directions beyond those that carry most variance; None if there are none."""
    if not np.isfinite(rows).all():
        return None
    variance, directions = np.linalg.eigh(rows.T @ rows / len(rows))
    variance, directions = np.maximum(variance[::-1], 0.0), directions[:, ::-1]
    if not variance.sum():
        return None
    carried = np.cumsum(variance) / variance.sum()
    kept = int(np.searchsorted(carried, VARIANCE, side="right")) + 1
    return directions[:, kept:] if kept < len(variance) else None


def _shares(counts: Mapping[str, int], min_count: int) -> LevelShares | None:
    total = sum(counts.values())
    if not total:
        return None
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    known = {level: n / total for level, n in ranked[:MAX_LEVELS] if n >= min_count}
    others = np.array([n for level, n in ranked if level not in known], dtype=float)
    # What a row with one of the other levels would have had on average.
    rare = float((others**2).sum() / others.sum()) / total if len(others) else 0.0
    return LevelShares(known, rare, ranked[0][1] / total)


def _whole(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)
