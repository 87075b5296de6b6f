"""The one pass over a window's rows, from which every later stage takes its part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.adapters.sources.source import together
from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.metrics.operations import OPERATIONS, Served
from monitoring_sdk.profile.grid import Grid
from monitoring_sdk.profile.profile import Profile, ProfileBuilder
from monitoring_sdk.stages.handle import Handle, baseline_of, open_predictions, present
from monitoring_sdk.window import Window

SAMPLE_ROWS = 100_000
"""Generated expectations look at a systematic sample of at most this many rows."""


@dataclass(frozen=True)
class Pass:
    """What one pass over a window left.

    Attributes
    ----------
    sample : mapping of str to pa.ChunkedArray
        Evenly spaced rows of the columns that generated expectations read.
    whole : mapping of str to pa.ChunkedArray
        Every row of the columns that declared expectations, latency and errors need.
    ids : mapping of str to pa.ChunkedArray
        The ids; of a window with very many rows those of some ids, all of their rows.
    """

    profile: Profile
    sample: Mapping[str, pa.ChunkedArray]
    whole: Mapping[str, pa.ChunkedArray]
    ids: Mapping[str, pa.ChunkedArray]
    newest: datetime | None


ID_ROWS = 1_000_000
"""Of windows with more rows, about this many are looked at for repeated ids."""

_last: dict[tuple[str, ...], Pass] = {}


def _identity(handle: Handle) -> tuple[str, ...]:
    return (handle.config.model, str(handle.window), *handle.result_key)


def forget() -> None:
    """Let go of the rows that the last pass kept."""
    _last.clear()


def scan(handle: Handle) -> Pass:
    """Read a window once; asked again for the same rows, give the same answer.

    Raises
    ------
    SourceError
        When the source breaks while it is read.
    """
    identity = _identity(handle)
    if identity not in _last:
        found = _scan(handle)
        _last.clear()
        _last[identity] = found
    return _last[identity]


def declared_columns(handle: Handle) -> list[str]:
    """Return the columns of which declared expectations read every row."""
    columns: list[str] = []
    for expectation in handle.config.quality:
        for value in expectation.arguments.values():
            for name in value if isinstance(value, list | tuple) else [value]:
                if isinstance(name, str):
                    columns.append(name)
    return present(handle, columns)


def every(batch: pa.RecordBatch, offset: int, step: int, columns: Sequence[str]) -> pa.RecordBatch:
    """Take the rows whose number in the whole window is a multiple of `step`."""
    first = -offset % step
    narrow = batch.select([c for c in columns if c in batch.schema.names])
    return narrow.take(pa.array(range(first, batch.num_rows, step), pa.int64()))


def _scan(handle: Handle) -> Pass:
    config, baseline = handle.config, baseline_of(handle)
    grid = Grid({c: g for c, g in baseline.grid.columns.items() if c in handle.layout.kinds})
    columns = config.columns
    whole = [*declared_columns(handle), columns.latency_ms, columns.error]
    sampled = [str(e["column"]) for e in baseline.suite if "column" in e]
    return scan_rows(
        config,
        handle.window,
        grid,
        whole=present(handle, whole),
        sampled=present(handle, sampled),
        ids=present(handle, columns.id),
        rows=handle.rows,
    )


def scan_rows(
    config: MonitorConfig,
    window: Window,
    grid: Grid,
    *,
    whole: Sequence[str] = (),
    sampled: Sequence[str] = (),
    ids: Sequence[str] = (),
    rows: int = 0,
) -> Pass:
    """Read the rows of a window once: profile them, and keep some columns, samples and ids.

    Parameters
    ----------
    rows : int
        How many there are about: large windows are sampled.

    Raises
    ------
    SourceError
        When the source breaks while it is read.
    """
    at = config.columns.timestamp
    wanted = list(dict.fromkeys([at.column, *grid.columns, *whole, *sampled, *ids]))
    builder = ProfileBuilder(grid, missing_ok=True)
    kept: list[pa.RecordBatch] = []
    samples: list[pa.RecordBatch] = []
    known: list[pa.RecordBatch] = []
    step, share = max(1, math.ceil(rows / SAMPLE_ROWS)), max(1, math.ceil(rows / ID_ROWS))
    seen, newest = 0, None
    source = open_predictions(config)
    for batch in source.scan(wanted, window=window, timestamp=at, missing_ok=True):
        builder.add(batch)
        kept.append(batch.select([c for c in whole if c in batch.schema.names]))
        samples.append(every(batch, seen, step, sampled))
        if ids:
            known.append(some_ids(batch.select(ids), share))
        seen += batch.num_rows
        top = pc.max(to_utc(batch.column(at.column), at.unit)).as_py() if batch.num_rows else None
        newest = max(filter(None, (newest, top)), default=None)
    return Pass(builder.result(), _columns(samples), _columns(kept), _columns(known), newest)


def some_ids(batch: pa.RecordBatch, share: int) -> pa.RecordBatch:
    """Keep one id in `share`, chosen by its hash, so that an id's repeats stay together."""
    if share == 1:
        return batch
    marks = pd.util.hash_pandas_object(batch.to_pandas(), index=False).to_numpy()
    return batch.filter(pa.array(marks % np.uint64(share) == 0))


def _columns(batches: Sequence[pa.RecordBatch]) -> dict[str, pa.ChunkedArray]:
    if not batches:
        return {}
    table = together(batches)
    return {name: table.column(name) for name in table.column_names}


def served(config: MonitorConfig, window: Window, found: Pass) -> tuple[Served, tuple[str, ...]]:
    """Return what a pass tells of the service, and which figures apply to it."""
    columns = config.columns
    latency = found.whole.get(columns.latency_ms or "")
    error = found.whole.get(columns.error or "")
    has = {None, "timestamp"} if found.profile.rows else {None}
    has |= {"latency_ms"} if latency is not None else set()
    has |= {"error"} if error is not None else set()
    names = tuple(name for name, row in OPERATIONS.items() if row.needs in has)
    return Served(found.profile.rows, window.end, latency, error, found.newest), names
