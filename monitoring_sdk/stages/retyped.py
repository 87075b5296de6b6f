"""Columns that came in another type than they had: as generated expectations read them.

A profile takes `1`, `1.0` and `"1"` for one level and reads numbers from text; an expectation that
was written for the one would fail on the other, and say nothing that the type's own check does not.
"""

from __future__ import annotations

import pyarrow as pa

from monitoring_sdk.config_sections import Expectation
from monitoring_sdk.profile.levels import canonical_level

_NUMBERS = ("expect_column_values_to_be_between", "expect_column_mean_to_be_between")
_SET = "expect_column_values_to_be_in_set"


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def as_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the canonical text of each value.

    Examples
    --------
    >>> as_texts(pa.chunked_array([[1.0, None, 2.0]])).to_pylist()
    ['1', None, '2']
    """
    values = column.to_pylist()
    texts = [None if v is None or v != v else canonical_level(v) for v in values]
    return pa.chunked_array([pa.array(texts, pa.string())])


def as_it_was(column: pa.ChunkedArray, suite: tuple[Expectation, ...]) -> pa.ChunkedArray:
    """Return a column in the type that its expectations were written for, where it has one.

    Parameters
    ----------
    suite : tuple of Expectation
        The generated expectations of this column.
    """
    types = {e.type for e in suite}
    if _SET in types and _mixed(column, suite):
        return as_texts(column)
    if types & set(_NUMBERS) and _is_text(column.type):
        try:
            return column.cast(pa.string()).cast(pa.float64())
        except pa.ArrowException:
            return column
    return column


def with_texts(expectation: Expectation, column: pa.ChunkedArray) -> Expectation:
    """Return an expectation whose set has texts, where the column is read as texts."""
    if expectation.type != _SET or not _mixed(column, (expectation,)):
        return expectation
    texts = [canonical_level(v) for v in expectation.arguments["value_set"]]
    arguments = {**expectation.arguments, "value_set": texts}
    return Expectation(type=expectation.type, severity=expectation.severity, **arguments)


def _mixed(column: pa.ChunkedArray, suite: tuple[Expectation, ...]) -> bool:
    """Say whether a set of levels and the column's values are of different kinds."""
    sets = [e.arguments["value_set"] for e in suite if e.type == _SET]
    return any(isinstance(v, str) != _is_text(column.type) for s in sets for v in s)
