"""Predictions beside their labels: one read of each, for several windows at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.adapters.sources.source import open_source, together
from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import SourceError
from monitoring_sdk.label_due import known_until
from monitoring_sdk.labels import ResolvedLabels, resolve, with_missing
from monitoring_sdk.metrics.rows import LabelledRows, read_rows
from monitoring_sdk.profile.levels import canonical_level
from monitoring_sdk.profile.segments import Segmentation, level_codes
from monitoring_sdk.stages.handle import open_predictions
from monitoring_sdk.window import Window


@dataclass(frozen=True, eq=False)
class Slice:
    """Some rows of a window: those of a segment, or of a version; without either, the main ones.

    Attributes
    ----------
    rows : array of int64
        Their numbers in the joined table, labelled or not.
    """

    rows: NDArray[np.int64]
    segment: Mapping[str, str] | None = None
    version: str | None = None


@dataclass(frozen=True, eq=False)
class Joined:
    """The predictions of some windows, and what is known of their labels as of a moment.

    Attributes
    ----------
    table : pa.Table of n rows
        What metrics read of the predictions.
    moments : array of datetime64[us], shape (n,)
        Their timestamps in UTC.
    found : ResolvedLabels
    as_of : datetime
    """

    config: MonitorConfig
    table: pa.Table
    moments: NDArray[np.datetime64]
    found: ResolvedLabels
    as_of: datetime

    @cached_property
    def _in_order(self) -> NDArray[np.intp]:
        return np.argsort(self.moments, kind="stable")

    def rows_in(self, window: Window) -> NDArray[np.int64]:
        """Return the numbers of a window's rows, as they were read."""
        bounds = [np.datetime64(t.replace(tzinfo=None), "us") for t in (window.start, window.end)]
        low, high = np.searchsorted(self.moments, bounds, sorter=self._in_order)
        return np.sort(self._in_order[low:high])

    @cached_property
    def fault(self) -> str | None:
        """Which columns are lacking without which metrics would speak of other rows."""
        columns, eligible = self.config.columns, self.config.labels.eligible
        wanted = [columns.weight, columns.query, columns.item, self._version]
        wanted.append(None if eligible is None else eligible.column)
        lacking = [c for c in wanted if c is not None and c not in self.table.column_names]
        return f"predictions lack the column {', '.join(lacking)}" if lacking else None

    @property
    def _version(self) -> str | None:
        return None if self.config.versions is None else self.config.columns.model_version

    @cached_property
    def eligible(self) -> NDArray[np.bool_] | None:
        """Which rows can get a label at all; None where all can."""
        chosen = self.config.labels.eligible
        if chosen is None or chosen.column not in self.table.column_names:
            return None
        levels = [canonical_level(v) for v in chosen.values]
        return level_codes(self.table.column(chosen.column), levels, chosen.column) < len(levels)

    @cached_property
    def _versions(self) -> NDArray[np.intp] | None:
        """Each row's place among champion and shadows; their number for any other version."""
        versions, column = self.config.versions, self._version
        if versions is None or column is None or column not in self.table.column_names:
            return None
        known = [versions.champion, *versions.shadow]
        return level_codes(self.table.column(column), known, column)

    @cached_property
    def label(self) -> pa.Array:
        """The label of each row as of now; a missing one is `labels.missing_is`, where set."""
        return self.filled(self.found.label)

    def settled_label(self) -> pa.Array:
        """Return each row's label; `labels.missing_is` only where it is known to be missing."""
        labels, until = self.config.labels, self.as_of
        step = self.config.cadence.approximate
        if labels.missing_is is None:
            return self.found.label
        if self.config.columns.label_timestamp is not None:
            known = known_until(until, self.found.newest, step)
            if known is None:
                return self.found.label
            until = known
        # A row's labels are due after those of its window, which ends a step later at most.
        due = np.datetime64((until - labels.delay - step).replace(tzinfo=None), "us")
        fills = (self.found.history.ids >= 0) & (self.moments <= due)
        if self.eligible is not None:
            fills &= self.eligible
        return with_missing(self.found.label, labels.missing_is, fills)

    def label_at(self, ends: NDArray[np.int64], age: timedelta) -> pa.Array:
        """Return the label of each row as it was when its window was so old.

        Parameters
        ----------
        ends : array of int64, shape (n,)
            The end of each row's window in microseconds since 1970.
        """
        return self.filled(self.found.history.known_by(ends + age // timedelta(microseconds=1)))

    def filled(self, label: pa.Array) -> pa.Array:
        """Put `labels.missing_is` where a row that has an id has no label."""
        missing_is = self.config.labels.missing_is
        if missing_is is None:
            return label
        return with_missing(label, missing_is, self.found.history.ids >= 0)

    def main(self, rows: NDArray[np.int64]) -> Slice:
        """Return those rows that can get a label; with several versions, the champion's."""
        keep = np.ones(len(rows), bool) if self.eligible is None else self.eligible[rows]
        if self._versions is not None:
            keep &= self._versions[rows] == 0
        return Slice(rows[keep])

    def slices(
        self, rows: NDArray[np.int64], segmentations: Sequence[Segmentation]
    ) -> Iterator[Slice]:
        """Yield the segments of the main rows, and the rows of each shadow version."""
        main = self.main(rows).rows
        for segmentation in segmentations:
            if not set(segmentation.columns) <= set(self.table.column_names):
                continue
            part = self.table.select(segmentation.columns).take(pa.array(main))
            codes = segmentation.assign(part.column)
            for place, segment in enumerate(segmentation.segments):
                own = main[codes == place]
                # Where every level has a name of its own there is no rest.
                if len(own) or place < len(segmentation.kept):
                    yield Slice(own, segment)
        if self._versions is not None and self.config.versions is not None:
            able = rows if self.eligible is None else rows[self.eligible[rows]]
            for place, version in enumerate(self.config.versions.shadow, start=1):
                yield Slice(able[self._versions[able] == place], None, version)

    def labelled(self, rows: NDArray[np.int64], label: pa.Array) -> LabelledRows:
        """Return rows as metrics read them; those without a label are left out.

        Where a column is lacking that says which rows count, and how much, no metric is defined.

        Parameters
        ----------
        label : pa.Array of length n
                Of every row of the table.
        """
        take, columns = pa.array(rows), self.config.columns

        def column(name: str | None) -> pa.ChunkedArray | None:
            return self.table.column(name).take(take) if name in self.table.column_names else None

        score: Any = column(columns.score) if not isinstance(columns.score, dict) else None
        if isinstance(columns.score, dict):
            by_class = {name: column(c) for name, c in columns.score.items()}
            score = None if None in by_class.values() else by_class
        payoff = self.config.business_value
        found = read_rows(
            self.config.task,
            label.take(take),
            prediction=column(columns.prediction),
            score=score,
            positive=columns.positive,
            weight=column(columns.weight),
            query=column(columns.query),
            item=column(columns.item),
            payoff=None if payoff is None else payoff.model_dump(),
        )
        return found if self.fault is None else dataclasses.replace(found, fault=self.fault)


def _needed_columns(config: MonitorConfig) -> list[str]:
    """Name what a join needs of the predictions."""
    columns, eligible = config.columns, config.labels.eligible
    names = [
        *columns.id,
        columns.prediction,
        *columns.scores,
        columns.weight,
        columns.query,
        columns.item,
        columns.model_version if config.versions is not None else None,
        None if eligible is None else eligible.column,
        *(name for crossing in columns.segments for name in crossing),
        columns.timestamp.column,
    ]
    return list(dict.fromkeys(n for n in names if n is not None))


def _predictions(config: MonitorConfig, span: Window) -> pa.Table:
    wanted = _needed_columns(config)
    source, at = open_predictions(config), config.columns.timestamp
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


def join_rows(config: MonitorConfig, windows: Sequence[Window], as_of: datetime) -> Joined:
    """Read the predictions of some windows and the labels known as of a moment.

    Raises
    ------
    SourceError
        When either source cannot be read, or lacks a column.
    """
    span = Window(min(w.start for w in windows), max(w.end for w in windows))
    return join_table(config, _predictions(config, span), span, as_of)


def join_table(config: MonitorConfig, table: pa.Table, span: Window, as_of: datetime) -> Joined:
    """Find the labels, as of a moment, of predictions that were read before.

    Raises
    ------
    SourceError
        When the labels cannot be read, or a column is lacking.
    """
    columns, known = config.columns, config.columns.label_timestamp
    missing = [c for c in columns.id if c not in table.column_names]
    if missing:
        raise SourceError(f"predictions lack the id column {missing[0]!r}")
    try:
        found = resolve(
            table,
            label_batches(config, span, as_of),
            id_columns=columns.id,
            label=str(columns.label),
            label_timestamp=known.column if known is not None else None,
            unit=known.unit if known is not None else None,
            as_of=as_of,
        )
    except SourceError as error:
        raise SourceError(f"labels: {error}") from None
    return Joined(config, table, _moments(table, config), found, as_of)


def _moments(table: pa.Table, config: MonitorConfig) -> NDArray[np.datetime64]:
    at = config.columns.timestamp
    column = table.column(at.column)
    if not len(column):
        return np.zeros(0, "datetime64[us]")
    utc = pa.chunked_array([to_utc(chunk, at.unit) for chunk in column.chunks])
    return utc.to_numpy().astype("datetime64[us]")
