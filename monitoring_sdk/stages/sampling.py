"""Rows from all over a source, few enough to be looked at in seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.adapters.sources import listing
from monitoring_sdk.adapters.sources.source import Source, open_source, read_table, together
from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.config_sections import Partition, SourceSpec, TimestampColumn
from monitoring_sdk.drafting.moments import Moments
from monitoring_sdk.stages.kept_rows import every
from monitoring_sdk.window import Window

SLICES = 8
HEAD_ROWS = 10_000

_FOLDER_DATES = ("%Y-%m-%d", "%Y%m%d", "%Y-%m")


def read_sample(
    spec: SourceSpec, most: Callable[[int], int], timestamp: Callable[[pa.Table], TimestampColumn]
) -> tuple[pa.Table, int, tuple[datetime, datetime] | None]:
    """Return rows from all over a source, how many there are, and their first and last moment.

    Parameters
    ----------
    most : callable
        How many rows may be kept, from the number of columns.
    timestamp : callable
        Which column says when, from the first rows.
    """
    source = open_source(spec)
    names = source.schema().names
    limit = most(len(names))
    if spec.path is not None and not all(e.parquet for e in listing.list_entries(spec.path)):
        return _thinned(source, names, limit, timestamp)
    rows = source.count(None, None)
    table = read_table(source, names, limit=limit if rows <= limit else HEAD_ROWS)
    if not rows:
        return table, 0, None
    at = timestamp(table)
    span = source.bounds(at)
    if span is not None and rows > limit:
        table = _sliced(source, names, at, span, limit)
    return table, rows, span


def _sliced(
    source: Source,
    names: Sequence[str],
    at: TimestampColumn,
    span: tuple[datetime, datetime],
    most: int,
) -> pa.Table:
    """Read the first rows of equal slices of time, which skips what lies between."""
    low, high = span
    bounds = [low + i * (high - low) / SLICES for i in range(SLICES)] + [high]
    tables = [
        read_table(source, names, window=Window(*pair), timestamp=at, limit=most // SLICES)
        for pair in pairwise(bounds)
        if pair[0] < pair[1]
    ]
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def _thinned(
    source: Source,
    names: Sequence[str],
    most: int,
    timestamp: Callable[[pa.Table], TimestampColumn],
) -> tuple[pa.Table, int, tuple[datetime, datetime] | None]:
    """Read text files once: they cannot be entered in their middle.

    Of the rows kept every second one is dropped whenever there are too many.
    """
    at, ends, kept, rows, step = None, [], [], 0, 1
    for batch in source.scan(names):
        if at is None:
            at = timestamp(pa.Table.from_batches([batch]))
        moments = to_utc(batch.column(at.column), at.unit, column=at.column)
        ends += [v for v in pc.min_max(moments).as_py().values() if v is not None]
        kept.append(every(batch, rows, step, names))
        rows += batch.num_rows
        while sum(k.num_rows for k in kept) > most:
            whole = together(kept).combine_chunks()
            half = whole.take(pa.array(range(0, whole.num_rows, 2), pa.int64()))
            kept, step = half.to_batches(), 2 * step
    if not kept:
        return source.schema().empty_table(), 0, None
    return together(kept).combine_chunks(), rows, (min(ends), max(ends)) if ends else None


def with_partition(spec: SourceSpec, table: pa.Table, at: Moments | None) -> SourceSpec:
    """Name the folders of dates, where they follow the moments of the rows within a day."""
    if spec.path is None or at is None:
        return spec
    entries = listing.list_entries(spec.path)
    for name in dict(entries[0].partitions) if entries else ():
        values = sorted({dict(e.partitions).get(name, "") for e in entries})
        form = next((f for f in _FOLDER_DATES if _dated(values, f)), None)
        if form is None or name not in table.column_names:
            continue
        folders = table.column(name).combine_chunks().dictionary_encode()
        names = [datetime.strptime(str(v), form) for v in folders.dictionary.to_pylist()]
        days = np.array(names, "datetime64[us]")[folders.indices.to_numpy()]
        apart = (at.at - days) / np.timedelta64(1, "D")
        # A folder of a local day holds moments from a day before it in UTC to a day after it.
        most = 33 if form == "%Y-%m" else 2
        if ((apart >= -1) & (apart <= most)).mean() == 1.0:
            partition = Partition(column=name, format=form)
            return SourceSpec(path=spec.path, partition=partition)
    return spec


def _dated(values: Sequence[str], form: str) -> bool:
    try:
        return all(datetime.strptime(v, form) for v in values)
    except ValueError:
        return False
