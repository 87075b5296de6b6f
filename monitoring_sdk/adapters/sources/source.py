"""What a source of rows can do, and how one is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from monitoring_sdk.config_sections import SourceSpec, TimestampColumn
from monitoring_sdk.errors import SourceError
from monitoring_sdk.window import Window

BATCH_ROWS = 131_072


class Source(Protocol):
    """Rows with moments, in files or in a database; nothing is held open between calls."""

    @property
    def name(self) -> str:
        """Where the rows are, as messages may show it."""

    def schema(
        self, window: Window | None = None, timestamp: TimestampColumn | None = None
    ) -> pa.Schema:
        """Return the columns and types; with a window, those of what can hold its rows."""

    def scan(
        self,
        columns: Sequence[str],
        *,
        window: Window | None = None,
        timestamp: TimestampColumn | None = None,
        until: datetime | None = None,
        batch_rows: int = BATCH_ROWS,
        missing_ok: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows with `window.start <= timestamp < window.end`, in batches.

        Parameters
        ----------
        columns : sequence of str
            What the batches hold, in this order.
        window : Window, optional
            Which rows; all without. A row whose timestamp is null is in no window.
        timestamp : TimestampColumn, optional
            Needed with `window` or `until`; it need not be among `columns`.
        until : datetime, optional
            Only rows with `timestamp <= until`.
        batch_rows : int
            The most rows of a batch.
        missing_ok : bool
            Skip columns that the source lacks, where an error is raised otherwise.

        Raises
        ------
        SourceError
            When the source cannot be read, or lacks a column.
        """

    def count(self, window: Window | None, timestamp: TimestampColumn | None) -> int:
        """Return the number of rows in a window."""

    def fingerprint(self, window: Window | None, timestamp: TimestampColumn | None) -> str:
        """Return a hash that changes when rows of the window have come, gone or changed.

        Without a window it speaks of all rows.
        """

    def undated(self, window: Window | None, timestamp: TimestampColumn) -> int | None:
        """Return how many rows near a window have no moment, and so are in none.

        None where that cannot be told without reading all that there is.
        """

    def bounds(self, timestamp: TimestampColumn) -> tuple[datetime, datetime] | None:
        """Return the earliest and the latest moment in UTC, or None without any."""


def open_source(spec: SourceSpec) -> Source:
    """Return the source that a monitor file names; nothing is reached before it is asked.

    Examples
    --------
    >>> open_source(SourceSpec(path="data/predictions.parquet")).name
    'data/predictions.parquet'
    """
    # A database's driver takes a second to import: only who has a database waits for it.
    if spec.url is not None:
        from monitoring_sdk.adapters.sources.database import DatabaseSource

        return DatabaseSource(spec.url, spec.table, spec.query)
    from monitoring_sdk.adapters.sources.files import FileSource

    if spec.path is None:
        raise SourceError("a source needs a path, or a url with a table or a query")
    return FileSource(spec.path, spec.partition)


def read_table(
    source: Source,
    columns: Sequence[str],
    *,
    window: Window | None = None,
    timestamp: TimestampColumn | None = None,
    until: datetime | None = None,
    missing_ok: bool = False,
    limit: int | None = None,
) -> pa.Table:
    """Return a scan's rows as one table, for columns that fit in memory.

    Parameters
    ----------
    limit : int, optional
        Only the first so many rows; no more is read than they need.

    Raises
    ------
    SourceError
        As `Source.scan`.
    """
    batches: list[pa.RecordBatch] = []
    rows = 0
    for batch in source.scan(
        columns, window=window, timestamp=timestamp, until=until, missing_ok=missing_ok
    ):
        batches.append(batch)
        rows += batch.num_rows
        if limit is not None and rows >= limit:
            break
    if not batches:
        schema = source.schema()
        names = [c for c in columns if c in schema.names]
        return pa.schema([schema.field(c) for c in names]).empty_table()
    return together(batches).slice(0, limit)


def together(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Return a scan's batches, one at least, as one table.

    A database may learn only from a later row that a column of nulls holds numbers, so that types
    differ between batches.
    """
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    return pa.concat_tables(tables, promote_options="permissive")
