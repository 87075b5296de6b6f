"""Ids of predictions as dense codes, so that any id column joins by integers; stable hashes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring_sdk.profile.categorical import nested_as_texts

TEXT = pa.large_string()
# Whole floats up to here are exact, so that 1.0 can stand for the id 1.
_EXACT = float(2**53)


def id_column(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return an id column as int64, text or bytes; an empty text is null.

    Whole floats and decimals are integers (a null makes pandas read integers as floats).

    Examples
    --------
    >>> id_column(pa.array([7.0, None])).to_pylist()
    [7, None]
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = nested_as_texts(column)
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        column = _whole(column)
    elif pa.types.is_floating(kind):
        column = _whole_floats(column.cast(pa.float64()))
    elif pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        column = column.cast(pa.large_binary())
    elif not pa.types.is_large_binary(kind):
        column = column.cast(TEXT)
    if column.type == TEXT:
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, TEXT), column)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _whole(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:  # beyond int64, or a decimal with a fraction
        return column.cast(TEXT)


def _whole_floats(column: pa.Array) -> pa.Array:
    column = pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), _EXACT))
    integers = pc.if_else(whole, column, 0.0).cast(pa.int64())
    if pc.all(whole).as_py() is not False:
        return integers
    return pc.if_else(whole, integers.cast(TEXT), column.cast(TEXT))


def _alike(left: pa.Array, right: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return two id columns in one type: numbers beside text are compared as text."""
    if left.type == right.type:
        return left, right
    kinds = {left.type, right.type}
    common = pa.large_binary() if pa.large_binary() in kinds else TEXT
    return left.cast(TEXT).cast(common) if left.type == pa.int64() else left.cast(common), (
        right.cast(TEXT).cast(common) if right.type == pa.int64() else right.cast(common)
    )


def _index(values: pa.Array, among: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the place of each value among distinct ones (-1: none), and where it is null."""
    values, among = _alike(values, among)
    null = np.asarray(values.is_null().to_numpy(zero_copy_only=False), bool)
    found = pc.fill_null(pc.index_in(values, value_set=among, skip_nulls=True), -1)
    return found.to_numpy(zero_copy_only=False).astype(np.int64), null


class IdKeys:
    """The ids of a table of predictions: a dense code for each distinct one.

    Parameters
    ----------
    table : pa.Table
        The id columns of the predictions.
    names : sequence of str
        Their names; an id of several columns is null where one of them is.

    Examples
    --------
    >>> keys = IdKeys(pa.table({"id": ["a", "b", None, "a"]}), ["id"])
    >>> keys.codes.tolist(), keys.distinct
    ([0, 1, -1, 0], 2)
    """

    def __init__(self, table: pa.Table, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.rows = table.num_rows
        self._columns = [id_column(table[name]) for name in self.names]
        self._levels: list[pa.Array] = []
        self._pairs: list[pa.Array] = []
        codes, null = np.zeros(self.rows, np.int64), np.zeros(self.rows, bool)
        for place, column in enumerate(self._columns):
            levels = column.unique().drop_null()
            self._levels.append(levels)
            found, missing = _index(column, levels)
            null |= missing
            codes = codes * len(levels) + found if place else found
            if place:
                pairs = pa.array(codes[~null]).unique()
                self._pairs.append(pairs)
                codes = _index(pa.array(codes, mask=null), pairs)[0]
        self.codes = np.where(null, -1, codes)
        self.distinct = len(self._pairs[-1] if self._pairs else self._levels[0])

    def encode(self, table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the code of each row of another table (-1: none), and where its id is null."""
        codes, null = np.zeros(table.num_rows, np.int64), np.zeros(table.num_rows, bool)
        absent = null.copy()
        for place, (name, levels) in enumerate(zip(self.names, self._levels, strict=True)):
            found, missing = _index(id_column(table[name]), levels)
            null |= missing
            absent |= found < 0
            codes = codes * len(levels) + found if place else found
            if place:
                codes = _index(pa.array(codes, mask=absent), self._pairs[place - 1])[0]
                absent |= codes < 0
        return np.where(absent, -1, codes), null

    def hashes(self, table: pa.Table) -> NDArray[np.uint64]:
        """Return a stable 64-bit hash of the id in each row of a table."""
        return _hash_ids([id_column(table[name]) for name in self.names])

    def id_hashes(self) -> NDArray[np.uint64]:
        """Return a stable 64-bit hash of each distinct id, by code."""
        first = np.zeros(self.distinct, np.int64)
        rows = np.flatnonzero(self.codes >= 0)[::-1]
        first[self.codes[rows]] = rows
        return _hash_ids([column.take(pa.array(first)) for column in self._columns])


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread bits over the word (the finaliser of splitmix64; Steele, Lea and Flood, 2014)."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _hash_column(column: pa.Array) -> NDArray[np.uint64]:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers = column.to_numpy(zero_copy_only=False)
        if numbers.dtype.kind == "f":
            numbers = numbers.astype(np.float64) + 0.0  # -0.0 is 0.0
        else:
            numbers = numbers.astype(np.int64)
        return _mix(numbers.view(np.uint64))
    as_bytes = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    if column.type != TEXT and not any(is_kind(column.type) for is_kind in as_bytes):
        column = nested_as_texts(column).cast(TEXT)
    objects = column.to_numpy(zero_copy_only=False)
    import pandas as pd

    return _mix(pd.util.hash_array(objects, categorize=False))


def _hash_ids(columns: Sequence[pa.Array]) -> NDArray[np.uint64]:
    out = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        out = _mix(out ^ _hash_column(column))
    return out


def fingerprint(ids: NDArray[np.uint64], labels: pa.Array) -> str:
    """Return a hash of pairs of id and label that does not depend on their order.

    Sums of two independent 64-bit hashes of each pair, and the count; numbers count as floats, so
    that ``1`` read as ``1.0`` is no change.

    Examples
    --------
    >>> ids = np.array([5, 6], dtype=np.uint64)
    >>> fingerprint(ids, pa.array([0, 1])) == fingerprint(ids[::-1], pa.array([1.0, 0.0]))
    True
    """
    if pa.types.is_integer(labels.type) or pa.types.is_boolean(labels.type):
        labels = labels.cast(pa.int8()) if pa.types.is_boolean(labels.type) else labels
        labels = labels.cast(pa.float64(), safe=False)
    pairs = _mix(ids ^ _mix(_hash_column(labels))) if len(ids) else ids
    sums = (int(np.sum(_mix(pairs ^ np.uint64(seed)), dtype=np.uint64)) for seed in (1, 2))
    return f"{len(ids)}-" + "".join(f"{s:016x}" for s in sums)
