"""Feature columns as one matrix of floats, coded the same way for every window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.profile.categorical import nested_as_texts
from monitoring_sdk.profile.levels import canonical_level
from monitoring_sdk.profile.numeric import numeric_values

MOST_LEVELS = 200
"""Of a category column so many levels have a code of their own; the rest share one."""


@dataclass(frozen=True, slots=True)
class Coder:
    """How feature columns become numbers: fitted on a reference, applied to any rows.

    Parameters
    ----------
    numeric, categorical : tuple of str
        The columns of the matrix, numeric ones first.
    levels : tuple of tuple of str
        The known levels of each category column, the most frequent first.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the matrix, in order."""
        return (*self.numeric, *self.categorical)

    @property
    def is_category(self) -> NDArray[np.bool_]:
        """Which columns of the matrix hold codes of levels rather than numbers."""
        return np.arange(len(self.names)) >= len(self.numeric)

    def matrix(self, table: pa.Table) -> NDArray[np.float64]:
        """Return the rows as floats.

        Parameters
        ----------
        table : pa.Table of n rows
            A column that it lacks is all null.

        Returns
        -------
        array of float64, shape (n, d)
            Null is NaN, and so is an infinity; level number i is the code i, and all levels beyond
            the known ones share the next code.

        Examples
        --------
        >>> table = pa.table({"x": [1.0, None], "c": ["a", "b"]})
        >>> fit_coder(table, ["x"], ["c"]).matrix(table).tolist()
        [[1.0, 0.0], [nan, 1.0]]
        """
        out = np.full((table.num_rows, len(self.names)), np.nan)
        for j, name in enumerate(self.numeric):
            if name in table.column_names:
                out[:, j] = _numbers(table.column(name), name)
        for j, (name, known) in enumerate(
            zip(self.categorical, self.levels, strict=True), start=len(self.numeric)
        ):
            if name in table.column_names:
                out[:, j] = _codes(table.column(name), known)
        return out


def fit_coder(
    table: pa.Table, numeric: Sequence[str], categorical: Sequence[str], fewest: int = 1
) -> Coder:
    """Learn the levels of the category columns that have so many reference rows."""
    levels = []
    for name in categorical:
        names, codes = _levels(table.column(name))
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        order = sorted(range(len(names)), key=lambda i: (-int(counts[i]), names[i]))
        levels.append(tuple(names[i] for i in order[:MOST_LEVELS] if counts[i] >= fewest))
    return Coder(tuple(numeric), tuple(categorical), tuple(levels))


def _numbers(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    """Return a numeric column with NaN for null, NaN and infinities."""
    values = [numeric_values(chunk, name)[0] for chunk in column.chunks]
    out = np.concatenate(values).astype(np.float64) if values else np.zeros(0)
    return np.where(np.isfinite(out), out, np.nan)


def _levels(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Return the canonical levels of a column, and each row's position among them (-1: null)."""
    encoded = pa.concat_arrays(column.unify_dictionaries().chunks or [pa.nulls(0, column.type)])
    encoded = nested_as_texts(encoded)
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    raw = [None if v != v else v for v in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(len(raw)).to_numpy(zero_copy_only=False).astype(np.int64)
    canonical = [None if v is None else canonical_level(v) for v in raw]
    names = list(dict.fromkeys(v for v in canonical if v is not None))
    place = {name: i for i, name in enumerate(names)}
    lookup = np.array([*(-1 if v is None else place[v] for v in canonical), -1])
    return names, lookup[codes]


def _codes(column: pa.ChunkedArray, known: Sequence[str]) -> NDArray[np.float64]:
    names, codes = _levels(column)
    place = {level: i for i, level in enumerate(known)}
    lookup = np.array([*(float(place.get(name, len(known))) for name in names), np.nan])
    return lookup[codes]
