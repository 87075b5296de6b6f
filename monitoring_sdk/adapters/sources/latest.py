"""For each row of a table, the latest row of another one that has its key and is not later."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.label_keys import IdKeys

_NEVER = np.iinfo(np.int64).min


class LatestRows:
    """Rows of a second table, streamed past the keys of a first one; the latest of each is kept.

    Memory grows with the rows of the first table: of the second, only what is the latest so far
    for one of them is kept for long.

    Parameters
    ----------
    keys : pa.Table of n rows
        The key columns of the first table.
    moments : pa.ChunkedArray of n timestamps, or None
        Only rows of the second table that are not later are seen; a row without a moment sees
        none. None: the last row in the order of coming counts.
    schema : pa.Schema
        The columns that are wanted of the second table.

    Examples
    --------
    >>> keys = pa.table({"id": [1, 2, 2]})
    >>> latest = LatestRows(keys, None, pa.schema({"x": pa.int64()}))
    >>> latest.add(pa.table({"id": ["2", "2", "9"], "x": [5, 6, 7]}), None)
    >>> latest.beside().column("x").to_pylist(), latest.unmatched, latest.repeats
    ([None, 6, 6], 1, 1)
    """

    def __init__(self, keys: pa.Table, moments: pa.ChunkedArray | None, schema: pa.Schema) -> None:
        self._keys = IdKeys(keys, keys.column_names)
        self._schema = schema
        self._steps, self._moments = np.unique(_whole(moments, keys.num_rows), return_inverse=True)
        # Where a moment is missing, no row is early enough.
        self._first = 1 if len(self._steps) and self._steps[0] == _NEVER else 0
        self._codes, self._times = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._rows: list[pa.Table] = []
        self._winner = np.full(keys.num_rows, -1, np.int64)
        self._settled = 0
        self._seen = np.zeros(self._keys.distinct, bool)
        self._came = 0

    def add(self, table: pa.Table, moments: pa.ChunkedArray | None) -> None:
        """Take rows of the second table: its keys, the wanted columns, and when each was known."""
        codes, _ = self._keys.encode(table)
        times = _whole(moments, table.num_rows)
        joins = (codes >= 0) & (times <= self._steps[-1] if len(self._steps) else False)
        if moments is not None:
            joins &= times > _NEVER
        self._came += int(np.count_nonzero(joins))
        self._seen[codes[joins]] = True
        self._codes = np.concatenate([self._codes, codes[joins]])
        self._times = np.concatenate([self._times, times[joins]])
        self._rows.append(self._wanted(table).filter(pa.array(joins)))
        if len(self._codes) - self._settled > max(len(self._winner), 100_000):
            self._settle()

    def _wanted(self, table: pa.Table) -> pa.Table:
        """Take the wanted columns; older files may not have had all of them."""
        for field in self._schema:
            if field.name not in table.column_names:
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        return table.select(self._schema.names)

    @property
    def complete(self) -> bool:
        """Whether every row that has a key has found one: older rows change nothing."""
        return self.unmatched == 0

    @property
    def null_keys(self) -> int:
        """Rows of the first table without a key."""
        return int(np.count_nonzero(self._keys.codes < 0))

    @property
    def unmatched(self) -> int:
        """Rows of the first table that have a key and found none."""
        self._settle()
        return int(np.count_nonzero((self._winner < 0) & (self._keys.codes >= 0)))

    @property
    def repeats(self) -> int:
        """Rows that joined and had the key of another one."""
        return self._came - int(np.count_nonzero(self._seen))

    def beside(self) -> pa.Table:
        """Return the wanted columns, of n rows in the order of the first table."""
        self._settle()
        rows = _concat(self._rows, self._schema)
        return rows.take(pa.array(self._winner, mask=self._winner < 0))

    def _settle(self) -> None:
        """Find the latest row for each, and let go of all others."""
        if len(self._codes) == self._settled:
            return
        steps = len(self._steps) + 1
        when = np.maximum(np.searchsorted(self._steps, self._times, side="left"), self._first)
        rank = self._codes * steps + when
        order = np.lexsort((self._times, rank))  # stable: of equal ones the later row comes last
        asked = self._keys.codes * steps + self._moments
        at = np.searchsorted(rank[order], asked, side="right") - 1
        row = order[np.maximum(at, 0)]
        found = (at >= 0) & (self._codes[row] == self._keys.codes)
        kept, place = np.unique(row[found], return_inverse=True)
        self._winner = np.full(len(self._winner), -1, np.int64)
        self._winner[found] = place
        self._codes, self._times = self._codes[kept], self._times[kept]
        self._rows = [_concat(self._rows, self._schema).take(pa.array(kept))]
        self._settled = len(kept)


def _whole(moments: pa.ChunkedArray | None, rows: int) -> NDArray[np.int64]:
    """Return moments as microseconds since 1970; a missing one is before all others."""
    if moments is None:
        return np.zeros(rows, np.int64)
    return np.asarray(moments.cast(pa.int64()).fill_null(_NEVER).to_numpy())


def _concat(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """Put tables together; a database may learn a column's type only from a later row."""
    if not schema.names:
        # A table without columns has forgotten how many rows it has.
        rows = sum(t.num_rows for t in tables)
        return pa.table({"": pa.nulls(rows)})
    return pa.concat_tables(
        [schema.empty_table(), *tables] if not tables else list(tables),
        promote_options="permissive",
    )
