"""Rows that a database driver returns, as Arrow columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlalchemy import types as sqltypes


def declared(kind: Any) -> pa.DataType:
    """Return the Arrow type of a column as the database declares it; null where that says nothing.

    Moments are not taken from the declaration: SQLite keeps them as text or numbers.
    """
    if isinstance(kind, sqltypes.Boolean):
        return pa.bool_()
    if isinstance(kind, sqltypes.Integer):
        return pa.int64()
    if isinstance(kind, sqltypes.Numeric):
        return pa.float64()
    if isinstance(kind, sqltypes.String):
        return pa.string()
    return pa.null()


def arrays(rows: Sequence[Sequence[Any]], kinds: Sequence[pa.DataType]) -> list[pa.Array]:
    """Turn rows into columns of these types, or of wider ones where a value does not fit.

    Parameters
    ----------
    rows : sequence of sequences
        As a driver returns them.
    kinds : sequence of pyarrow.DataType
        A type for each column; null where it is to be taken from the values.

    Examples
    --------
    >>> [str(a.type) for a in arrays([(1, "x", None), (2.5, "y", None)], [pa.int64(), pa.null(),
    ...     pa.null()])]
    ['double', 'string', 'null']
    """
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(kinds)
    return [_array(list(v), kind) for v, kind in zip(columns, kinds, strict=True)]


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if any(isinstance(v, datetime) and v.tzinfo is not None for v in values):
        values = [v.astimezone(UTC) if isinstance(v, datetime) else v for v in values]
    if any(isinstance(v, Decimal) for v in values):
        values = [float(v) if isinstance(v, Decimal) else v for v in values]
    if pa.types.is_integer(kind) and any(isinstance(v, float) for v in values):
        # Arrow would cut the fractions off without a word.
        kind = pa.float64()
    for target in (None if pa.types.is_null(kind) else kind, None, pa.float64()):
        try:
            found = pa.array(values, type=target)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            continue
        if not (pa.types.is_nested(found.type) or isinstance(found.type, pa.BaseExtensionType)):
            return found
        break
    # UUIDs, JSON and mixtures: what is left can only be compared.
    return pa.array([None if v is None else str(v) for v in values], type=pa.string())
