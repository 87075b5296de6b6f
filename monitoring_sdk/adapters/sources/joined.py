"""Prediction rows with features from a table of their own, as one source."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.adapters.sources.latest import LatestRows
from monitoring_sdk.adapters.sources.schemas import present
from monitoring_sdk.adapters.sources.source import BATCH_ROWS, Source, together
from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.config_sections import TimestampColumn
from monitoring_sdk.errors import SourceError, explain
from monitoring_sdk.window import Window

GROUP_ROWS = 2_000_000
"""So many prediction rows are held at a time; the feature table is read once for each group."""

NEAR, FAR = timedelta(days=1), timedelta(days=31)
"""Features are looked for this far before the predictions first, then further back."""

_BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Joined:
    """What a join came to.

    Attributes
    ----------
    rows : int
        Prediction rows.
    null_keys : int
        Of them those without a key.
    unmatched : int
        Those for whose key there was no row of features, the null ones not among them.
    repeats : int
        Rows of features with the key of another one that was read.
    """

    rows: int = 0
    null_keys: int = 0
    unmatched: int = 0
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class _Theirs:
    """The columns that a scan takes from the features, and whether those say since when."""

    joined: pa.Schema
    dated: bool


@dataclass(frozen=True, slots=True)
class JoinedSource:
    """Predictions, and beside each the latest row of features that was known by then.

    A column of both tables is the predictions' one. A prediction without features has nulls.
    Where the feature table lacks the predictions' timestamp column, the last row of a key counts,
    whenever it was written.

    Parameters
    ----------
    predictions, features : Source
    on : tuple of str
        The key: columns of the same names in both tables; `1` and `"1"` are one key.
    timestamp : TimestampColumn
        Of the predictions, and of the features where they have it.
    each : bool
        Whether a row of features belongs to one prediction, so that a change of much older rows
        changes no window.
    """

    predictions: Source
    features: Source
    on: tuple[str, ...]
    timestamp: TimestampColumn
    each: bool = False

    @property
    def name(self) -> str:
        """Where both tables are."""
        return f"{self.predictions.name} with {self.features.name}"

    def schema(
        self, window: Window | None = None, timestamp: TimestampColumn | None = None
    ) -> pa.Schema:
        """Return the predictions' columns, then those that the features alone have."""
        own = self.predictions.schema(window, timestamp)
        theirs = self.feature_schema(window)
        return pa.schema([*own, *(f for f in theirs if f.name not in own.names)])

    def feature_schema(self, window: Window | None = None) -> pa.Schema:
        """Return the columns of the feature table; with a window, of the part that it may need.

        Raises
        ------
        SourceError
            When the feature table is not there, or lacks a column of the key.
        """
        with _told():
            found = pa.schema([])
            if window is not None and self.each:
                found = self.features.schema(
                    Window(window.start - NEAR, window.end), self.timestamp
                )
            if not found.names:
                found = self.features.schema()
        for key in self.on:
            if key not in found.names:
                raise SourceError(
                    explain(
                        "no such column in the features",
                        where="source.features.on",
                        got=key,
                        allowed=found.names,
                    )
                )
        return found

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
        """Yield the rows of a window, as `Source.scan` says.

        Where a column of the features is asked for, the rows of the window are held in memory, at
        most `GROUP_ROWS` at a time; the features are streamed past them.
        """
        own = self.predictions.schema(window, timestamp).names
        theirs = self._theirs(columns, own, window)
        wanted = list(dict.fromkeys(columns))
        if theirs is not None:
            available = [*own, *theirs.joined.names]
            wanted = present(wanted, available, self.name, missing_ok=missing_ok)
        mine = wanted if theirs is None else [c for c in wanted if c in own]
        keys = [] if theirs is None else self._keys(own)
        batches = self.predictions.scan(
            list(dict.fromkeys([*mine, *keys])),
            window=window,
            timestamp=timestamp,
            until=until,
            batch_rows=batch_rows,
            missing_ok=missing_ok,
        )
        if theirs is None:
            yield from batches
            return
        for table in _pieces(batches, GROUP_ROWS):
            found = self._latest(table, theirs).beside()
            for name in theirs.joined.names:
                table = table.append_column(name, found.column(name))
            yield from table.select(wanted).combine_chunks().to_batches(max_chunksize=batch_rows)

    def joined(self, window: Window | None = None) -> Joined:
        """Count what the join comes to in a window; the keys of both tables are read."""
        at = self.timestamp if window is not None else None
        own = self.predictions.schema(window, at).names
        if not own:
            return Joined()
        theirs = _Theirs(pa.schema([]), self._dated(self.feature_schema(window)))
        total = Joined()
        batches = self.predictions.scan(self._keys(own), window=window, timestamp=at)
        for table in _pieces(batches, GROUP_ROWS):
            latest = self._latest(table, theirs)
            total = Joined(
                total.rows + table.num_rows,
                total.null_keys + latest.null_keys,
                total.unmatched + latest.unmatched,
                total.repeats + latest.repeats,
            )
        return total

    def count(self, window: Window | None, timestamp: TimestampColumn | None) -> int:
        """Return the number of prediction rows in a window."""
        return self.predictions.count(window, timestamp)

    def undated(self, window: Window | None, timestamp: TimestampColumn) -> int | None:
        """Return how many predictions near a window have no moment."""
        return self.predictions.undated(window, timestamp)

    def bounds(self, timestamp: TimestampColumn) -> tuple[datetime, datetime] | None:
        """Return the earliest and the latest moment of the predictions."""
        return self.predictions.bounds(timestamp)

    def fingerprint(self, window: Window | None, timestamp: TimestampColumn | None) -> str:
        """Return a hash that changes when rows of the window, or their features, have changed.

        Of a feature table without timestamps it takes the whole; else what is not later than the
        window and, where a row of features belongs to one prediction, at most a day older.
        """
        dated = self._dated(self.feature_schema(window))
        with _told():
            if window is None or not dated:
                theirs = self.features.fingerprint(None, None)
            else:
                start = window.start - NEAR if self.each else _BEGINNING
                theirs = self.features.fingerprint(Window(start, window.end), self.timestamp)
        mine = self.predictions.fingerprint(window, timestamp)
        return hashlib.sha256(f"{mine} {theirs}".encode()).hexdigest()[:32]

    def _theirs(
        self, columns: Sequence[str], own: Sequence[str], window: Window | None
    ) -> _Theirs | None:
        """Return the columns that only the features have; they are not reached without need."""
        asked = [c for c in dict.fromkeys(columns) if c not in own]
        # Where nothing holds rows of the window, nothing is joined.
        if not asked or not own:
            return None
        held = self.feature_schema(window)
        joined = pa.schema([held.field(c) for c in asked if c in held.names])
        return _Theirs(joined, self._dated(held)) if joined.names else None

    def _keys(self, own: Sequence[str]) -> list[str]:
        """Return the columns of the predictions that a join needs."""
        needed = dict.fromkeys([*self.on, self.timestamp.column])
        for key in needed:
            if key not in own:
                raise SourceError(
                    explain(
                        "no such column in the predictions",
                        where="source.features.on",
                        got=key,
                        allowed=list(own),
                    )
                )
        return list(needed)

    def _dated(self, schema: pa.Schema) -> bool:
        return self.timestamp.column in schema.names

    def _latest(self, table: pa.Table, theirs: _Theirs) -> LatestRows:
        """Find the row of features that each prediction row of a table saw."""
        at = self.timestamp if theirs.dated else None
        moments = None if at is None else _moments(table, at)
        latest = LatestRows(table.select(list(self.on)), moments, theirs.joined)
        needed = [*self.on, *theirs.joined.names, *([at.column] if at else [])]
        size = max(BATCH_ROWS, table.num_rows)
        with _told():
            for span in [None] if moments is None else _backwards(moments):
                if latest.complete:
                    break
                batches = self.features.scan(needed, window=span, timestamp=at, missing_ok=True)
                for part in _pieces(batches, size):
                    latest.add(part, None if at is None else _moments(part, at))
        return latest


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say that it is the features that cannot be read."""
    try:
        yield
    except SourceError as error:
        raise SourceError(f"source.features: {error}") from None


def _moments(table: pa.Table, at: TimestampColumn) -> pa.ChunkedArray:
    return to_utc(table.column(at.column), at.unit, column=at.column)


def _backwards(moments: pa.ChunkedArray) -> list[Window]:
    """Return where to look for what was known at these moments, the newest first.

    What is found in a later span is later than all of the spans before it, so that the search ends
    as soon as every key is found.
    """
    low, high = pc.min_max(moments).as_py().values()
    if low is None:
        return []
    ends = [high + _MICROSECOND, low - NEAR, low - FAR, _BEGINNING]
    return [Window(start, end) for end, start in pairwise(ends)]


def _pieces(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Put batches together to tables of `rows` rows or more: looking up keys has a fixed cost."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(b.num_rows for b in held) >= rows:
            yield together(held)
            held = []
    if held:
        yield together(held)
