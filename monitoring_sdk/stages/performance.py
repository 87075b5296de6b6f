"""Performance: join the labels known by now, and judge every window whose labels are due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.adapters.sources.source import open_source, together
from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import SourceError
from monitoring_sdk.label_due import DueState, labels_due
from monitoring_sdk.labels import resolve
from monitoring_sdk.measure import Measurement, measure_metrics
from monitoring_sdk.metrics.labelled import Labelled, labelled
from monitoring_sdk.window import Window

GROUP_ROWS = 3_000_000
"""Windows are joined to labels together while they have no more rows than this."""


@dataclass(frozen=True)
class Judged:
    """One window's labelled rows as of a moment, and whether it may be judged on them."""

    window: Window
    rows: Labelled
    due: DueState
    coverage: float | None
    fingerprint: str


def _predictions(config: MonitorConfig, span: Window) -> pa.Table:
    """Read what a join needs of the predictions of a span: ids, prediction, score, time."""
    columns, at = config.columns, config.columns.timestamp
    names = [*columns.id, columns.prediction, *columns.scores]
    source = open_source(config.source.predictions)
    wanted = list(dict.fromkeys([*names, at.column]))
    batches = list(source.scan(wanted, window=span, timestamp=at, missing_ok=True))
    if not batches:
        return pa.table({name: pa.nulls(0) for name in wanted})
    return together(batches)


def label_batches(config: MonitorConfig, span: Window, as_of: datetime) -> Iterator[pa.RecordBatch]:
    """Stream the labels that can speak of a span.

    A partitioned source is read from the span's start on: a label is not known before its
    prediction. Other sources are read from their beginning, so that a set scored again long after
    its labels were known is judged too.
    """
    assert config.source.labels is not None
    columns, known = config.columns, config.columns.label_timestamp
    wanted = [*columns.id, str(columns.label)]
    source = open_source(config.source.labels)
    if known is None:
        return source.scan(wanted)
    wanted.append(known.column)
    partitioned = config.source.labels.partition is not None
    # A window is half-open, but a label known at `as_of` itself counts.
    window = Window(span.start, as_of + timedelta(microseconds=1)) if partitioned else None
    return source.scan(list(dict.fromkeys(wanted)), window=window, timestamp=known, until=as_of)


def join_labels(
    config: MonitorConfig, windows: Sequence[Window], as_of: datetime
) -> Iterator[Judged]:
    """Join labels as of a moment to the predictions of some windows, one scan for all of them.

    Raises
    ------
    SourceError
        When either source cannot be read, or lacks a column.
    """
    if not windows or config.source.labels is None:
        return
    span = Window(min(w.start for w in windows), max(w.end for w in windows))
    table = _predictions(config, span)
    columns, known = config.columns, config.columns.label_timestamp
    missing = [c for c in columns.id if c not in table.column_names]
    if missing:
        raise SourceError(f"predictions lack the id column {missing[0]!r}")
    try:
        batches: Iterable[pa.RecordBatch] = label_batches(config, span, as_of)
        found = resolve(
            table,
            batches,
            id_columns=columns.id,
            label=str(columns.label),
            label_timestamp=known.column if known is not None else None,
            unit=known.unit if known is not None else None,
            as_of=as_of,
        )
    except SourceError as error:
        raise SourceError(f"labels: {error}") from None
    moments = _moments(table, config)
    for window in windows:
        low, high = (
            np.datetime64(t.replace(tzinfo=None), "us") for t in (window.start, window.end)
        )
        rows = np.flatnonzero((moments >= low) & (moments < high))
        yield _judge(config, window, as_of, table, found.label, rows)


def _moments(table: pa.Table, config: MonitorConfig) -> NDArray[np.datetime64]:
    at = config.columns.timestamp
    column = table.column(at.column)
    if not len(column):
        return np.zeros(0, "datetime64[us]")
    utc = pa.chunked_array([to_utc(chunk, at.unit) for chunk in column.chunks])
    return utc.to_numpy().astype("datetime64[us]")


def _judge(
    config: MonitorConfig,
    window: Window,
    as_of: datetime,
    table: pa.Table,
    label: pa.Array,
    rows: NDArray[np.int64],
) -> Judged:
    take = pa.array(rows)
    own = label.take(take)
    columns = config.columns

    def column(name: str | None) -> pa.ChunkedArray | None:
        return table.column(name).take(take) if name in table.column_names else None

    known = labelled(
        own,
        prediction=column(columns.prediction),
        score=column(columns.scores[0] if columns.scores else None),
        positive=columns.positive,
    )
    coverage = known.n / len(rows) if len(rows) else None
    due = labels_due(
        window,
        as_of,
        config.labels.delay,
        config.labels.coverage,
        config.labels.deadline,
        coverage,
    )
    return Judged(window, known, due, coverage, _fingerprint(rows, own, known))


def _fingerprint(rows: NDArray[np.int64], own: pa.Array, known: Labelled) -> str:
    """Hash the labelled rows as judged; the order of rows does not matter."""
    parts = [known.y_true.astype(np.uint64)]
    if known.y_pred is not None:
        parts.append(known.y_pred.astype(np.uint64))
    if known.score is not None:
        parts.append(known.score.view(np.uint64))
    mixed = np.zeros(known.n, np.uint64)
    for part in parts:
        mixed = (mixed ^ part) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    total = int(mixed.sum(dtype=np.uint64)) if known.n else 0
    return f"{len(rows)}-{len(own) - own.null_count}-{total:016x}"


def reference_performance(
    config: MonitorConfig, windows: Sequence[Window], now: datetime
) -> dict[Window, tuple[Measurement, ...]]:
    """Measure the performance of reference windows, as far as labels are known by now.

    Returns
    -------
    dict
        A window without a label is left out.
    """
    return {
        judged.window: measure_metrics(judged.rows, config.task, config.metric_names)
        for judged in join_labels(config, windows, now)
        if judged.coverage
    }
