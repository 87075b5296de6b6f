"""The profile of a window: what one streaming pass over its rows leaves, and it adds up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.categorical import (
    CategoricalProfile,
    empty_categorical,
    profile_categorical,
)
from monitoring_sdk.profile.grid import CategoricalGrid, Grid, NumericGrid
from monitoring_sdk.profile.joint import merge_vectors
from monitoring_sdk.profile.labelled import LabelledProfile
from monitoring_sdk.profile.numeric import NumericProfile, empty_numeric, profile_numeric
from monitoring_sdk.profile.vectors import VectorMoments

ColumnProfile = NumericProfile | CategoricalProfile


@dataclass(frozen=True)
class Profile:
    """Counts and moments of every column of some rows, on a grid.

    Parameters
    ----------
    rows : int
    columns : mapping of str to NumericProfile or CategoricalProfile
        Only columns that were read in full.
    labelled : LabelledProfile, optional
        Counts of the labelled rows, which may be fewer.
    problems : mapping of str to str
        Why a column of the grid is not among `columns`.
    slices : mapping of str to Profile
        The profiles of some of the rows, by the names that `slice_key` gives: those of a segment,
        those of a version. A slice that is not there has no rows.
    vectors : mapping of str to VectorMoments
        Mean and covariance of the features together (by the empty name) and of embeddings.
    """

    rows: int
    columns: Mapping[str, ColumnProfile]
    labelled: LabelledProfile | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    slices: Mapping[str, Profile] = field(default_factory=dict)
    vectors: Mapping[str, VectorMoments] = field(default_factory=dict)

    def merge(self, other: Profile) -> Profile:
        """Return the profile of both sets of rows, as if they had been read in one pass.

        A column that either side could not read is a problem of the whole: half of its rows
        would pass for all of them.

        Raises
        ------
        ValueError
            When the two were not counted on the same grid.
        """
        problems = {**other.problems, **self.problems}
        mine, theirs = (set(p.columns) - set(problems) for p in (self, other))
        if mine != theirs:
            raise ValueError(f"profiles of different columns do not add: {sorted(mine ^ theirs)}")
        columns = {
            name: _merge(column, other.columns[name])
            for name, column in self.columns.items()
            if name not in problems
        }
        labelled = self.labelled or other.labelled
        if self.labelled is not None and other.labelled is not None:
            labelled = self.labelled.merge(other.labelled)
        slices = {**other.slices, **self.slices}
        for key in self.slices.keys() & other.slices.keys():
            slices[key] = self.slices[key].merge(other.slices[key])
        vectors = merge_vectors(self.vectors, other.vectors, problems)
        return Profile(self.rows + other.rows, columns, labelled, problems, slices, vectors)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; counts and floats read back exactly."""
        data = {
            "rows": self.rows,
            "columns": {name: column.to_dict() for name, column in self.columns.items()},
            "labelled": None if self.labelled is None else self.labelled.to_dict(),
            "problems": dict(self.problems),
        }
        slices = {key: part.to_dict() for key, part in sorted(self.slices.items())}
        vectors = {name: found.to_dict() for name, found in self.vectors.items()}
        # What a model does not use is not there: the text of its baseline stays as it was.
        more = {"slices": slices, "vectors": vectors}
        return data | {key: found for key, found in more.items() if found}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Profile:
        """Read the JSON form back."""
        columns = {name: _column_from_dict(d) for name, d in data["columns"].items()}
        labelled = data.get("labelled")
        return cls(
            data["rows"],
            columns,
            None if labelled is None else LabelledProfile.from_dict(labelled),
            dict(data.get("problems", {})),
            {key: cls.from_dict(d) for key, d in data.get("slices", {}).items()},
            {name: VectorMoments.from_dict(d) for name, d in data.get("vectors", {}).items()},
        )


def _column_from_dict(data: Mapping[str, Any]) -> ColumnProfile:
    if data["kind"] == "numeric":
        return NumericProfile.from_dict(data)
    return CategoricalProfile.from_dict(data)


def _merge(a: ColumnProfile, b: ColumnProfile) -> ColumnProfile:
    if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
        return a.merge(b)
    if isinstance(a, CategoricalProfile) and isinstance(b, CategoricalProfile):
        return a.merge(b)
    raise ValueError("a numeric and a category profile do not add")


def profile_column(
    array: pa.Array, grid: NumericGrid | CategoricalGrid, name: str
) -> ColumnProfile:
    """Count one batch of one column on its grid.

    Raises
    ------
    SourceError
        When a numeric column holds no numbers, or a category column no readable levels.
    """
    if isinstance(grid, NumericGrid):
        return profile_numeric(array, grid, name)
    return profile_categorical(array, grid, name)


class ProfileBuilder:
    """Profile record batches one at a time; memory does not grow with the rows.

    Parameters
    ----------
    grid : Grid
        The columns to count; a batch may have others too.
    missing_ok : bool
        Whether a column that a batch lacks, or that cannot be read, becomes one of the result's
        `problems` and the rest goes on. Otherwise it raises.

    Examples
    --------
    >>> from monitoring_sdk.profile.grid import fit_numeric
    >>> builder = ProfileBuilder(Grid({"x": fit_numeric([1, 2, 3])}))
    >>> builder.add(pa.record_batch({"x": [1.0, 2.5]}))
    >>> builder.add(pa.record_batch({"x": [3.0]}))
    >>> profile = builder.result()
    >>> profile.rows, profile.columns["x"].max
    (3, 3.0)
    """

    def __init__(self, grid: Grid, *, missing_ok: bool = False) -> None:
        self._grid = grid
        self._missing_ok = missing_ok
        self._rows = 0
        self._problems: dict[str, str] = {}
        self._columns: dict[str, ColumnProfile] = {
            name: empty_numeric(g) if isinstance(g, NumericGrid) else empty_categorical(g)
            for name, g in grid.columns.items()
        }

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one more batch.

        Raises
        ------
        SourceError
            When a column is missing or cannot be read, unless that is `missing_ok`.
        """
        self._rows += batch.num_rows
        for name in list(self._columns):
            try:
                at = batch.schema.get_field_index(name)
                if at < 0:
                    raise SourceError(f"column {name!r} is missing, or there twice")
                part = profile_column(batch.column(at), self._grid.columns[name], name)
            except SourceError as error:
                if not self._missing_ok:
                    raise
                self._problems[name] = str(error)
                del self._columns[name]
            else:
                self._columns[name] = _merge(self._columns[name], part)

    def result(self, labelled: LabelledProfile | None = None) -> Profile:
        """Return the profile of the batches so far."""
        return Profile(self._rows, dict(self._columns), labelled, dict(self._problems))


def profile_batches(
    batches: Iterable[pa.RecordBatch], grid: Grid, *, missing_ok: bool = False
) -> Profile:
    """Profile record batches, in one pass.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
    grid : Grid
    missing_ok : bool
        As for `ProfileBuilder`.

    Raises
    ------
    SourceError
        When a column is missing or cannot be read, unless that is `missing_ok`.
    """
    builder = ProfileBuilder(grid, missing_ok=missing_ok)
    for batch in batches:
        builder.add(batch)
    return builder.result()
