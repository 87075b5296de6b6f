"""The additive counts of a category column."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.distinct import Distinct, distinct, sketch, union
from monitoring_sdk.profile.grid import CategoricalGrid, hash_level
from monitoring_sdk.profile.levels import canonical_level

# Fewer distinct levels than this are quicker to look up one by one than to hand to Arrow.
_FEW = 64


@dataclass(frozen=True, eq=False)
class CategoricalProfile:
    """One category column of some rows, counted on a grid.

    Parameters
    ----------
    rows, nulls : int
        NaN counts as null.
    counts : array of int64, shape (L,)
        Rows of each kept level.
    other, unseen : int
        Rows of levels that the reference had and does not keep, and of levels new to it.
    tail : bytes, optional
        Sketch of the levels that are not kept, other and unseen alike; None where they were not
        sketched, as in profiles of an older version.
    """

    rows: int
    nulls: int
    counts: NDArray[np.int64]
    other: int
    unseen: int
    tail: bytes | None = None

    @property
    def count(self) -> int:
        """Rows that have a level."""
        return self.rows - self.nulls

    @property
    def levels_of_tail(self) -> bytes | None:
        """The sketch of the levels that are not kept; no bytes where no row has one."""
        return self.tail if self.other + self.unseen else b""

    @property
    def distinct(self) -> Distinct | None:
        """Distinct levels, exact up to 512 that are not kept; None where they were not sketched."""
        tail = self.levels_of_tail
        return None if tail is None else distinct(tail) + int(np.count_nonzero(self.counts))

    def __eq__(self, other: object) -> bool:
        """Compare every count."""
        return isinstance(other, CategoricalProfile) and self.to_dict() == other.to_dict()

    def merge(self, other: CategoricalProfile) -> CategoricalProfile:
        """Return the profile of both sets of rows, exactly.

        Raises
        ------
        ValueError
            When the two were not counted on the same grid.
        """
        if len(self.counts) != len(other.counts):
            raise ValueError("profiles of different grids do not add")
        tails = self.levels_of_tail, other.levels_of_tail
        return CategoricalProfile(
            rows=self.rows + other.rows,
            nulls=self.nulls + other.nulls,
            counts=self.counts + other.counts,
            other=self.other + other.other,
            unseen=self.unseen + other.unseen,
            tail=None if tails[0] is None or tails[1] is None else union(tails[0], tails[1]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        data = {
            "kind": "categorical",
            "rows": self.rows,
            "nulls": self.nulls,
            "counts": self.counts.tolist(),
            "other": self.other,
            "unseen": self.unseen,
        }
        tail = self.levels_of_tail
        return {**data, "tail": base64.b64encode(tail).decode()} if tail else data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CategoricalProfile:
        """Read the JSON form back."""
        kept = {k: v for k, v in data.items() if k != "kind"}
        kept["counts"] = np.array(data["counts"], dtype=np.int64)
        if "tail" in data:
            kept["tail"] = base64.b64decode(data["tail"], validate=True)
        return cls(**kept)


def empty_categorical(grid: CategoricalGrid) -> CategoricalProfile:
    """Return the profile of no rows."""
    return CategoricalProfile(0, 0, np.zeros(len(grid.levels), dtype=np.int64), 0, 0, b"")


def count_levels(array: pa.Array, name: str = "") -> dict[str, int]:
    """Count the canonical levels of an Arrow array of any type; nulls and NaN are left out.

    Parameters
    ----------
    array : pyarrow.Array
    name : str
        The column, for the message of an error.

    Raises
    ------
    SourceError
        When a value has no Python form, as text that is no UTF-8.

    Examples
    --------
    >>> count_levels(pa.array(["a", "b", "a", None]))
    {'a': 2, 'b': 1}
    """
    out: dict[str, int] = {}
    values, counts = _distinct(array)
    for value, n in zip(scalars(values, name), counts.tolist(), strict=True):
        if value is not None and value == value:
            level = canonical_level(value)
            out[level] = out.get(level, 0) + n
    return out


def profile_categorical(
    array: pa.Array, grid: CategoricalGrid, name: str = ""
) -> CategoricalProfile:
    """Count one batch of a category column on its grid.

    Rows are counted in Arrow; Python sees each distinct level once.

    Parameters
    ----------
    array : pyarrow.Array
        Of any type.
    grid : CategoricalGrid
    name : str
        The column, for the message of an error.

    Raises
    ------
    SourceError
        When a value has no Python form, as text that is no UTF-8.

    Examples
    --------
    >>> from monitoring_sdk.profile.grid import fit_categorical
    >>> grid = fit_categorical({"1": 60, "2": 40, "3": 1}, salt="s")
    >>> p = profile_categorical(pa.array([1.0, 1.0, 2.0, 3.0, 4.0, None]), grid)
    >>> p.counts.tolist(), p.other, p.unseen, p.nulls
    ([2, 1], 1, 1, 1)
    """
    if grid.dropped:
        nulls = pc.sum(pc.is_null(array, nan_is_null=True)).as_py() or 0
        known = len(array) - nulls
        return CategoricalProfile(len(array), nulls, np.zeros(0, np.int64), known, 0)
    values, counts = _distinct(array)
    kept = np.zeros(len(grid.levels), dtype=np.int64)
    other = unseen = 0
    tail: set[str] = set()
    if len(values) > _FEW and pa.types.is_string(values.type):
        values, counts = _take_kept(values, counts, grid, kept)
    for value, n in zip(scalars(values, name), counts.tolist(), strict=True):
        if value is None or value != value:
            continue
        level = canonical_level(value)
        at = grid.index.get(level)
        if at is not None:
            kept[at] += n
            continue
        mark = hash_level(level, grid.salt)
        tail.add(mark)
        if not grid.closed or mark in grid.rare:
            other += n
        else:
            unseen += n
    seen = int(kept.sum()) + other + unseen
    return CategoricalProfile(len(array), len(array) - seen, kept, other, unseen, sketch(tail))


def _take_kept(
    values: pa.Array, counts: NDArray[np.int64], grid: CategoricalGrid, kept: NDArray[np.int64]
) -> tuple[pa.Array, NDArray[np.int64]]:
    """Add the kept levels to `kept` without a Python object each; return the rest."""
    at = pc.index_in(values, value_set=pa.array(grid.levels, type=values.type))
    known = at.is_valid().to_numpy(zero_copy_only=False)
    np.add.at(kept, at.drop_null().to_numpy(), counts[known])
    return values.filter(pa.array(~known)), counts[~known]


def scalars(values: pa.Array, name: str) -> list[Any]:
    """Return an array's values as Python has them, so that each has its canonical text.

    Raises
    ------
    SourceError
        When one has no Python form, as text that is no UTF-8.
    """
    if pa.types.is_float32(values.type) or pa.types.is_float16(values.type):
        return list(values.to_numpy(zero_copy_only=False))  # numpy knows their shortest text
    try:
        return values.to_pylist()
    except (ValueError, OverflowError):  # no UTF-8, or a date that Python has not
        raise SourceError(
            f"column {name!r} is of type {values.type} and cannot be read as levels"
        ) from None


def _distinct(array: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return values and their counts; a value may come twice, and null may be one of them."""
    if not pa.types.is_dictionary(array.type):
        return _value_counts(array)
    indices = array.indices
    if len(array.dictionary) > 4 * len(array) + 64:
        # A small slice of a large dictionary: look only at what occurs.
        values, counts = _value_counts(indices)
        return array.dictionary.take(values), counts
    if indices.null_count:
        indices = indices.drop_null()
    counts = np.bincount(indices.to_numpy(), minlength=len(array.dictionary))
    used = np.flatnonzero(counts)
    if len(used) == len(counts):
        return array.dictionary, counts
    return array.dictionary.take(pa.array(used)), counts[used]


def nested_as_texts(array: pa.Array) -> pa.Array:
    """Return lists and structs as their texts, which Arrow can tell apart; others as they are.

    Examples
    --------
    >>> nested_as_texts(pa.array([["a"], None])).to_pylist()
    ["['a']", None]
    """
    if not pa.types.is_nested(array.type):
        return array
    return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())


def _value_counts(array: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    if array.type in (pa.string_view(), pa.binary_view()):
        # Arrow counts the nulls of a view as empty text.
        array = array.cast(pa.string() if array.type == pa.string_view() else pa.binary())
    try:
        table = array.value_counts()
    except pa.ArrowNotImplementedError:  # lists, structs: no hash in Arrow
        table = nested_as_texts(array).value_counts()
    return table.field(0), table.field(1).to_numpy().astype(np.int64, copy=False)
