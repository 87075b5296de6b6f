"""What a sample of rows says of each column: its kind, its levels, its gaps; and of its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Kind = Literal["number", "text", "boolean", "moment", "vector", "other"]

FEW_ROWS = 2000
"""Texts are read in so many rows; all else is counted in every row of the sample."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def words_of(name: str) -> str:
    """Return the words of a column's name, lower case, joined by underscores.

    Examples
    --------
    >>> words_of("predictedAt"), words_of("Y-Pred Proba_1")
    ('predicted_at', 'y_pred_proba_1')
    """
    return "_".join(_WORD.findall(name)).lower()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a sample says of a column.

    Attributes
    ----------
    nulls : int
        Rows without a value; NaN is none.
    distinct : int
        Different values.
    whole : bool
        Whether every number is an integer, however it is stored.
    low, high : float or None
        The extremes of finite numbers.
    words : float
        Mean number of words of a text.
    width : int
        Length of every vector; 0 where lengths differ.
    """

    name: str
    kind: Kind
    rows: int
    nulls: int
    distinct: int
    whole: bool = False
    low: float | None = None
    high: float | None = None
    words: float = 0.0
    width: int = 0

    @property
    def present(self) -> int:
        """The rows that have a value."""
        return self.rows - self.nulls

    @property
    def unique(self) -> bool:
        """Whether, but for one row in a hundred, no value comes twice and none is missing."""
        return self.rows > 1 and self.nulls <= 0.01 * self.rows and self.distinct > 0.99 * self.rows

    @property
    def share(self) -> bool:
        """Whether all numbers lie in [0, 1]."""
        return self.low is not None and self.high is not None and 0 <= self.low <= self.high <= 1


def kind_of(type_: pa.DataType) -> Kind:
    """Return what an Arrow type holds."""
    t = pa.types
    if t.is_dictionary(type_):
        return kind_of(type_.value_type)
    if t.is_boolean(type_):
        return "boolean"
    if t.is_integer(type_) or t.is_floating(type_) or t.is_decimal(type_):
        return "number"
    if t.is_string(type_) or t.is_large_string(type_) or t.is_string_view(type_):
        return "text"
    if t.is_timestamp(type_) or t.is_date(type_):
        return "moment"
    listed = t.is_list(type_) or t.is_large_list(type_) or t.is_fixed_size_list(type_)
    return "vector" if listed and kind_of(type_.value_type) == "number" else "other"


def numbers(column: Any) -> NDArray[np.float64]:
    """Return a column of numbers or truths as floats, NaN where there is none."""
    column = _plain(column)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    found = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(found, dtype=np.float64)


def class_codes(column: Any) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of classes, and for each row the place of its own; -1 where it has none.

    1, 1.0 and true are the class "1".

    Examples
    --------
    >>> names, codes = class_codes(pa.array([1.0, None, 0.0, 1.0]))
    >>> names, codes.tolist()
    (['1', '0'], [0, -1, 1, 0])
    """
    coded = _plain(column).dictionary_encode()
    written = [_class_name(v) for v in coded.dictionary.to_pylist()]
    names = [n for n in dict.fromkeys(written) if n is not None]
    places = {name: i for i, name in enumerate(names)}
    lookup = np.array([*(-1 if n is None else places[n] for n in written), -1], dtype=np.int64)
    return names, lookup[coded.indices.fill_null(len(written)).to_numpy(zero_copy_only=False)]


def class_names(column: Any) -> NDArray[np.object_]:
    """Return the class of each row by its name, None where it has none.

    Examples
    --------
    >>> class_names(pa.array([1.0, None, 0.0])).tolist(), class_names(pa.array([True])).tolist()
    (['1', None, '0'], ['1'])
    """
    names, codes = class_codes(column)
    return np.array([*names, None], dtype=object)[codes]


def _class_name(value: object) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _plain(column: Any) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def observe(table: pa.Table) -> dict[str, Facts]:
    """Return the facts of every column of a sample.

    Examples
    --------
    >>> facts = observe(pa.table({"x": [1.0, 2.0, None], "c": ["a", "a", "b"]}))
    >>> facts["x"].whole, facts["x"].nulls, facts["c"].distinct
    (True, 1, 2)
    """
    return {name: _observed(name, table.column(name)) for name in dict.fromkeys(table.column_names)}


def _observed(name: str, column: pa.ChunkedArray) -> Facts:
    column = _plain(column)
    kind, rows = kind_of(column.type), len(column)
    if kind == "number":
        return _number(name, numbers(column))
    if kind == "vector":
        lengths = pc.list_value_length(column).drop_null()
        same = len(lengths) > 0 and pc.count_distinct(lengths).as_py() == 1
        width = lengths[0].as_py() if same else 0
        return Facts(name, kind, rows, column.null_count, 0, width=width)
    if kind == "other":
        return Facts(name, kind, rows, column.null_count, 0)
    distinct = pc.count_distinct(column).as_py()
    words = 0.0
    if kind == "text":
        few = column.drop_null()[:FEW_ROWS]
        blanks = pc.count_substring_regex(few, r"\S+")
        words = float(pc.mean(blanks).as_py() or 0.0)
    return Facts(name, kind, rows, column.null_count, distinct, words=words)


def _number(name: str, values: NDArray[np.float64]) -> Facts:
    known = values[~np.isnan(values)]
    finite = known[np.isfinite(known)]
    whole = len(finite) > 0 and bool((finite == np.floor(finite)).all())
    return Facts(
        name,
        "number",
        len(values),
        len(values) - len(known),
        len(np.unique(known)),
        whole=whole,
        low=float(finite.min()) if len(finite) else None,
        high=float(finite.max()) if len(finite) else None,
    )
