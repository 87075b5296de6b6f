"""Parquet: what a footer says, and the rows of the row groups that can matter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring_sdk.adapters.sources.listing import Entry, arrow_filesystem
from monitoring_sdk.adapters.sources.timestamps import Span, to_utc
from monitoring_sdk.config_sections import TimestampColumn
from monitoring_sdk.errors import SourceError


@dataclass(frozen=True, slots=True)
class RowGroup:
    """What a footer says of a row group; `low`, `high` and `nulls` are None where it does not.

    The three speak of the timestamp.
    """

    index: int
    rows: int
    low: int | None
    high: int | None
    complete: bool
    digest: str
    nulls: int | None = None

    def touches(self, span: Span) -> bool:
        """Whether any of its rows can lie in the span."""
        return self.rows > 0 and span.overlaps(self.low, self.high)

    def within(self, span: Span) -> bool:
        """Whether all of its rows certainly lie in the span."""
        return self.complete and span.covers(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Footer:
    """The schema and the row groups of a file."""

    schema: pa.Schema
    groups: tuple[RowGroup, ...]


def unreadable(entry: Entry, error: Exception) -> SourceError:
    """Say that a file cannot be read: which one, and why in a line."""
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return SourceError(f"{entry.shown}: cannot be read: {reason}")


# Small facts, not footers: a backfill asks for those of the same files at every window.
@lru_cache(maxsize=4096)
def read_footer(place: str, entry: Entry, timestamp: TimestampColumn | None) -> Footer:
    """Read a file's schema and the facts of its row groups.

    Parameters
    ----------
    place : str
        The source's path, which says the file system.
    entry : Entry
        The file.
    timestamp : TimestampColumn, optional
        Whose smallest and largest value each row group is asked for.

    Raises
    ------
    SourceError
        When the file is truncated or no Parquet.
    """
    try:
        with pq.ParquetFile(entry.path, filesystem=arrow_filesystem(place)) as file:
            schema = file.schema_arrow.remove_metadata()
            meta = file.metadata
            groups = tuple(_group(meta, i, schema, timestamp) for i in range(meta.num_row_groups))
    except (pa.ArrowException, OSError) as error:
        raise unreadable(entry, error) from None
    return Footer(schema, groups)


def _group(meta: Any, index: int, schema: pa.Schema, timestamp: TimestampColumn | None) -> RowGroup:
    group = meta.row_group(index)
    digest = hashlib.sha256(f"{group.num_rows}".encode())
    found = None
    for i in range(group.num_columns):
        chunk = group.column(i)
        stats = chunk.statistics
        # Sizes and extremes of every column: a corrected value seldom leaves them all alone.
        facts = (chunk.path_in_schema, chunk.total_compressed_size, chunk.total_uncompressed_size)
        limits = (stats.min_raw, stats.max_raw, stats.null_count) if _usable(stats) else None
        digest.update(repr((facts, limits)).encode())
        if timestamp is not None and chunk.path_in_schema == timestamp.column:
            found = stats
    low, high = _limits(found, schema, timestamp)
    complete = low is not None and found is not None and found.null_count == 0
    nulls = found.null_count if found is not None and found.has_null_count else None
    return RowGroup(index, group.num_rows, low, high, complete, digest.hexdigest()[:16], nulls)


def _usable(stats: Any) -> bool:
    return stats is not None and stats.has_min_max


def _limits(
    stats: Any, schema: pa.Schema, timestamp: TimestampColumn | None
) -> tuple[int | None, int | None]:
    if timestamp is None or not _usable(stats):
        return None, None
    kind = schema.field(timestamp.column).type
    temporal = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    counted = timestamp.unit is not None and pa.types.is_integer(kind)
    if not temporal and not counted:
        return None, None
    try:
        moments = to_utc(pa.array([stats.min, stats.max], type=kind), timestamp.unit)
        low, high = moments.cast(pa.int64()).to_pylist()
    except (pa.ArrowException, SourceError, ValueError, OverflowError):
        return None, None
    return low, high


def read_groups(
    place: str, entry: Entry, groups: Sequence[int], columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of some row groups, in order, one row group in memory at a time.

    Raises
    ------
    SourceError
        When the file is damaged.
    """
    fs = arrow_filesystem(place)
    remote = type(fs).__name__ != "LocalFileSystem"
    try:
        with pq.ParquetFile(
            entry.path, filesystem=fs, pre_buffer=remote, page_checksum_verification=True
        ) as file:
            for index in groups:
                yield from file.iter_batches(batch_rows, row_groups=[index], columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise unreadable(entry, error) from None
