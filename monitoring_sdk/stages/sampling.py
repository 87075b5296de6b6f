"""Rows from all over a source, few enough to be looked at in seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from monitoring_sdk.adapters.sources import listing
from monitoring_sdk.adapters.sources.source import Source, read_table, together
from monitoring_sdk.config_sections import Partition, SourceSpec, TimestampColumn
from monitoring_sdk.drafting.moments import Moments
from monitoring_sdk.stages.scan import every
from monitoring_sdk.window import Window

SLICES = 8

_FOLDER_DATES = ("%Y-%m-%d", "%Y%m%d", "%Y-%m")


def spread_rows(
    source: Source,
    names: Sequence[str],
    at: TimestampColumn,
    span: tuple[datetime, datetime],
    rows: int,
    most: int,
) -> pa.Table:
    """Read rows from all over the source.

    Text files can only be read from their beginning: every so many-th row of one pass. Others are
    asked for the first rows of equal slices of time, which skips what lies between.
    """
    files = getattr(source, "path", None)
    if files is not None and not all(e.parquet for e in listing.list_entries(files)):
        step, seen, kept = math.ceil(rows / most), 0, []
        for batch in source.scan(names):
            kept.append(every(batch, seen, step, names))
            seen += batch.num_rows
        return together(kept).combine_chunks()
    low, high = span
    length = (high - low) / SLICES
    tables = []
    for i in range(SLICES):
        end = low + (i + 1) * length if i < SLICES - 1 else high
        window = Window(low + i * length, end)
        if window.start < window.end:
            tables.append(
                read_table(source, names, window=window, timestamp=at, limit=most // SLICES)
            )
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


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
