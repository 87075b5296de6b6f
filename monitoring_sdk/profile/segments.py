"""Segments: the rows of one level or of one crossing of levels, and all others as `other`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.categorical import nested_as_texts, scalars
from monitoring_sdk.profile.levels import canonical_level
from monitoring_sdk.report import slice_key

MAX_SEGMENTS = 20
"""At most so many crossings of a segmentation are watched by name."""

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Segmentation:
    """How rows are cut by the levels of one column, or by the crossings of several.

    Parameters
    ----------
    columns : tuple of str
    kept : tuple of tuple of str
        The crossings of canonical levels that are segments by name, a level for each column. All
        other rows, nulls among them, are one segment more, the last.

    Examples
    --------
    >>> Segmentation(("origin",), (("JFK",), ("EWR",))).segments[-1]
    {'origin': 'other'}
    """

    columns: tuple[str, ...]
    kept: tuple[tuple[str, ...], ...] = ()

    @property
    def name(self) -> str:
        """What the segmentation is called: its columns."""
        return " x ".join(self.columns)

    @property
    def other(self) -> str:
        """What stands for the rest: `other`, in brackets where a real level is called so."""
        name = OTHER
        while any(name in crossing for crossing in self.kept):
            name = f"({name})"
        return name

    @property
    def segments(self) -> tuple[dict[str, str], ...]:
        """Every segment as column and level, the rest at the end."""
        rest = (self.other,) * len(self.columns)
        return tuple(dict(zip(self.columns, x, strict=True)) for x in (*self.kept, rest))

    @property
    def keys(self) -> tuple[str, ...]:
        """The name of each segment, in the same order."""
        return tuple(slice_key(segment) for segment in self.segments)

    def assign(self, column_of: Callable[[str], pa.Array | pa.ChunkedArray]) -> NDArray[np.intp]:
        """Say which segment each row is in, as a position in `segments`.

        Parameters
        ----------
        column_of : callable
            Returns a column by its name, as `pyarrow.Table.column` does.

        Returns
        -------
        array of int, shape (n,)

        Raises
        ------
        SourceError
            When a column's values have no readable levels.

        Examples
        --------
        >>> table = pa.table({"origin": ["EWR", "JFK", None, "LGA"]})
        >>> Segmentation(("origin",), (("JFK",), ("EWR",))).assign(table.column).tolist()
        [1, 0, 2, 2]
        """
        # Column by column, the crossings that a row can still be one of; 0: of none.
        prefixes: dict[tuple[str, ...], int] = {(): 1}
        state: NDArray[np.intp] | None = None
        for depth, name in enumerate(self.columns):
            levels = tuple(dict.fromkeys(crossing[depth] for crossing in self.kept))
            codes = level_codes(column_of(name), levels, name)
            longer: dict[tuple[str, ...], int] = {}
            step = np.zeros((len(prefixes) + 1, len(levels) + 1), dtype=np.intp)
            for crossing in self.kept:
                at = longer.setdefault(crossing[: depth + 1], len(longer) + 1)
                step[prefixes[crossing[:depth]], levels.index(crossing[depth])] = at
            before = np.ones(len(codes), np.intp) if state is None else state
            state, prefixes = step[before, codes], longer
        assert state is not None
        places = np.full(len(prefixes) + 1, len(self.kept), dtype=np.intp)
        for i, crossing in enumerate(self.kept):
            places[prefixes[crossing]] = i
        return places[state]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"columns": list(self.columns), "kept": [list(x) for x in self.kept]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Segmentation:
        """Read the JSON form back."""
        return cls(tuple(data["columns"]), tuple(tuple(x) for x in data["kept"]))


def level_codes(
    array: pa.Array | pa.ChunkedArray, levels: Sequence[str], name: str = ""
) -> NDArray[np.intp]:
    """Return each row's position in `levels`, or their number where it has none of them.

    Rows are looked up in Arrow; Python sees each distinct value once, and of text none.

    Parameters
    ----------
    array : pyarrow.Array or ChunkedArray, shape (n,)
        Of any type; values are compared by their canonical text.
    levels : sequence of str
    name : str
        The column, for the message of an error.

    Returns
    -------
    array of int, shape (n,)
        In [0, L].

    Raises
    ------
    SourceError
        When a value has no Python form, as text that is no UTF-8.

    Examples
    --------
    >>> level_codes(pa.array([2, 1, None, 3]), ["1", "2"]).tolist()
    [1, 0, 2, 2]
    """
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    array = nested_as_texts(array)
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        at = pc.index_in(array, value_set=pa.array(levels, array.type))
        return at.fill_null(len(levels)).to_numpy(zero_copy_only=False).astype(np.intp)
    if not pa.types.is_dictionary(array.type):
        try:
            array = array.dictionary_encode()
        except pa.ArrowException:
            raise SourceError(
                f"column {name!r} is of type {array.type} and has no levels to tell rows apart by"
            ) from None
    place = {level: i for i, level in enumerate(levels)}
    texts = _texts(array.dictionary, name)
    found = [place.get(t, len(levels)) if t is not None else len(levels) for t in texts]
    codes = np.array([*found, len(levels)], dtype=np.intp)
    indices = array.indices.cast(pa.int64()).fill_null(len(found))
    return codes[indices.to_numpy(zero_copy_only=False)]


def _texts(values: pa.Array, name: str) -> list[str | None]:
    """Return the canonical level of each value; None for a null or NaN."""
    return [None if v is None or v != v else canonical_level(v) for v in scalars(values, name)]


def fit_segmentation(
    columns: Sequence[str],
    counts: Mapping[tuple[str, ...], int],
    *,
    least: float,
    most: int = MAX_SEGMENTS,
) -> Segmentation:
    """Choose the segments that are watched by name from the reference's counts.

    Parameters
    ----------
    columns : sequence of str
    counts : mapping of tuple of str to int
        Rows of each crossing of canonical levels, without the rows that lack one.
    least : float
        Crossings with fewer rows are not kept.
    most : int
        Of the rest, the most frequent are.

    Examples
    --------
    >>> fit_segmentation(["origin"], {("JFK",): 90, ("EWR",): 80, ("SWF",): 2}, least=30).kept
    (('JFK',), ('EWR',))
    """
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept: dict[str, tuple[str, ...]] = {}
    for crossing, n in ranked:
        if n >= max(least, 1) and len(kept) < most:
            # Levels may hold the signs that a name is made with: no two segments share one.
            kept.setdefault(slice_key(dict(zip(columns, crossing, strict=True))), crossing)
    return Segmentation(tuple(columns), tuple(kept.values()))


def count_crossings(
    column_of: Callable[[str], pa.Array | pa.ChunkedArray], columns: Sequence[str]
) -> dict[tuple[str, ...], int]:
    """Count the rows of each crossing of canonical levels; a row that lacks one is left out.

    Parameters
    ----------
    column_of : callable
        Returns a column by its name.
    columns : sequence of str

    Raises
    ------
    SourceError
        When a value has no Python form.

    Examples
    --------
    >>> table = pa.table({"a": ["x", "x", None], "b": [1, 1, 2]})
    >>> count_crossings(table.column, ["a", "b"])
    {('x', '1'): 2}
    """
    names = [str(i) for i in range(len(columns))]
    table = pa.table([column_of(c) for c in columns], names=names)
    grouped = table.group_by(names).aggregate([([], "count_all")])
    texts = [
        _texts(grouped.column(n).combine_chunks(), c) for n, c in zip(names, columns, strict=True)
    ]
    out: dict[tuple[str, ...], int] = {}
    for *crossing, n in zip(*texts, grouped.column("count_all").to_pylist(), strict=True):
        if None not in crossing:
            out[tuple(crossing)] = out.get(tuple(crossing), 0) + n
    return out
