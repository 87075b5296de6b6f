"""Rows in Parquet and CSV files: only the files, row groups and columns that can matter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.adapters.sources import delimited, listing, parquet_files
from monitoring_sdk.adapters.sources.listing import Entry
from monitoring_sdk.adapters.sources.parquet_files import RowGroup
from monitoring_sdk.adapters.sources.schemas import conform, present, unify
from monitoring_sdk.adapters.sources.source import BATCH_ROWS
from monitoring_sdk.adapters.sources.timestamps import Span, to_utc
from monitoring_sdk.config_sections import Partition, TimestampColumn
from monitoring_sdk.errors import SourceError
from monitoring_sdk.window import Window


@dataclass(frozen=True, slots=True)
class _Part:
    """A file, its columns, and of a Parquet file the row groups to look at."""

    entry: Entry
    schema: pa.Schema
    groups: tuple[RowGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSource:
    """Files by path, glob, folder or fsspec URL; columns in folder names (`dt=...`) count too.

    Parameters
    ----------
    path : str
        Where the files are.
    partition : Partition, optional
        How the folders of dates are named, so that those outside a window are not opened.
    """

    path: str
    partition: Partition | None = None

    @property
    def name(self) -> str:
        """The path, without what is secret in a URL."""
        return listing.redacted(self.path)

    def schema(
        self, window: Window | None = None, timestamp: TimestampColumn | None = None
    ) -> pa.Schema:
        """Return the columns and types; with a window, those of the files that can hold its rows.

        A large CSV file is typed by its first block; a scan looks at all of it.
        """
        return unify(p.schema for p in self._parts(Span.of(window), timestamp))

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
        """Yield the rows of a window, as `Source.scan` says."""
        span = _span(window, timestamp, until)
        parts = self._parts(span, timestamp)
        if not parts:
            return
        needed = list(columns) if span.everything else [*columns, timestamp.column]  # type: ignore[union-attr]
        available = unify(p.schema for p in parts).names
        needed = present(needed, available, self.name, missing_ok=missing_ok)
        self._require(parts, None if span.everything else timestamp)
        wanted = [c for c in needed if c in set(columns)]
        parts = [self._typed(p, needed) for p in parts]
        schema = _selected(unify(p.schema for p in parts), wanted)
        for part in parts:
            for batch in self._read(part, needed, span, timestamp, batch_rows):
                yield conform(batch.select(_held(batch, wanted)), schema, part.entry.shown)

    def count(self, window: Window | None, timestamp: TimestampColumn | None) -> int:
        """Return the number of rows in a window; footers answer where they can."""
        span = _span(window, timestamp, None)
        rows = 0
        parts = self._parts(span, timestamp)
        self._require(parts, timestamp)
        for part in parts:
            rest = part
            if part.entry.parquet:
                sure = [g for g in part.groups if span.everything or g.within(span)]
                rows += sum(g.rows for g in sure)
                groups = tuple(g for g in part.groups if g not in sure)
                if not groups:
                    continue
                rest = _Part(part.entry, part.schema, groups)
            names = [timestamp.column] if timestamp is not None else rest.schema.names[:1]
            rest = self._typed(rest, names)
            read = self._read(rest, names, span, timestamp, BATCH_ROWS)
            rows += sum(b.num_rows for b in read)
        return rows

    def fingerprint(self, window: Window | None, timestamp: TimestampColumn | None) -> str:
        """Return a hash of the files that can hold rows of a window.

        Of Parquet files it takes the sizes and statistics of the row groups that overlap the
        window, so that a file that grows at its end changes the hash of its last windows alone; of
        others the size and the time of change.
        """
        span = Span.of(window)
        digest = hashlib.sha256()
        for part in self._parts(span, timestamp):
            says = [g.digest for g in part.groups] if part.groups else part.entry.version
            digest.update(repr((part.entry.shown, says)).encode())
        return digest.hexdigest()[:32]

    def undated(self, window: Window | None, timestamp: TimestampColumn) -> int | None:
        """Count the rows without a moment beside a window's own, by the footers of Parquet."""
        groups = [g for p in self._parts(Span.of(window), timestamp) for g in p.groups]
        return sum(g.nulls for g in groups if g.nulls is not None) if groups else None

    def bounds(self, timestamp: TimestampColumn) -> tuple[datetime, datetime] | None:
        """Return the earliest and the latest moment; footers answer where they can."""
        extremes: list[int] = []
        parts = self._parts(Span(), timestamp)
        self._require(parts, timestamp)
        for part in parts:
            known = [g for g in part.groups if g.low is not None and g.high is not None]
            extremes += [v for g in known for v in (g.low, g.high) if v is not None]
            unknown = tuple(g for g in part.groups if g not in known)
            if part.entry.parquet and not unknown:
                continue
            names = [timestamp.column]
            rest = self._typed(_Part(part.entry, part.schema, unknown), names)
            for batch in self._read(rest, names, Span(), timestamp, BATCH_ROWS):
                moments = _moments(batch, timestamp, part.entry)
                found = pc.min_max(moments.cast(pa.int64())).as_py().values()
                extremes += [v for v in found if v is not None]
        if not extremes:
            return None
        low, high = pa.array([min(extremes), max(extremes)]).cast(pa.timestamp("us", "UTC"))
        return low.as_py(), high.as_py()

    def _parts(self, span: Span, timestamp: TimestampColumn | None) -> list[_Part]:
        """Return the files that can hold rows of a span."""
        entries = listing.list_entries(self.path)
        folders = _folder_fields(entries)
        parts = []
        for entry in listing.inside(entries, self.partition, span):
            if not entry.parquet:
                schema = delimited.read_types(self.path, entry, None)
                parts.append(_Part(entry, _with_folders(schema, entry, folders)))
                continue
            footer = parquet_files.read_footer(self.path, entry, timestamp)
            groups = tuple(g for g in footer.groups if span.everything or g.touches(span))
            # A file without rows still tells its columns where nothing else is asked.
            if groups or span.everything:
                parts.append(_Part(entry, _with_folders(footer.schema, entry, folders), groups))
        return parts

    def _require(self, parts: Sequence[_Part], timestamp: TimestampColumn | None) -> None:
        """Refuse a timestamp that no file has: its rows would all be silently left out."""
        if parts and timestamp is not None:
            names = unify(p.schema for p in parts).names
            present([timestamp.column], names, self.name, missing_ok=False)

    def _typed(self, part: _Part, columns: Sequence[str]) -> _Part:
        """Give the columns of a CSV file the types that hold for all of its rows."""
        if part.entry.parquet:
            return part
        folders = dict(part.entry.partitions)
        file = delimited.read_types(self.path, part.entry, None)
        names = tuple(c for c in columns if c in file.names)
        typed = delimited.read_types(self.path, part.entry, names)
        kept = [f for f in part.schema if f.name in folders and f.name not in file.names]
        return _Part(part.entry, pa.schema([*typed, *kept]))

    def _read(
        self,
        part: _Part,
        columns: Sequence[str],
        span: Span,
        timestamp: TimestampColumn | None,
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        """Yield a file's rows of the span; columns that it lacks are left out."""
        entry = part.entry
        held = [c for c in columns if c in part.schema.names]
        if not span.everything and (timestamp is None or timestamp.column not in held):
            # Rows without a moment are in no window.
            return
        if entry.parquet:
            inner = parquet_files.read_footer(self.path, entry, timestamp).schema.names
            own = [c for c in held if c in inner]
            groups = [g.index for g in part.groups]
            batches = parquet_files.read_groups(self.path, entry, groups, own, batch_rows)
        else:
            file = delimited.read_types(self.path, entry, None)
            own = [c for c in held if c in file.names]
            batches = delimited.read_rows(self.path, entry, part.schema, own, batch_rows)
        folders = [c for c in held if c not in own]
        for batch in batches:
            full = _add_folders(batch, folders, part)
            kept = full if span.everything else _kept(full, span, timestamp, entry)
            if kept.num_rows:
                yield kept


def _span(window: Window | None, timestamp: TimestampColumn | None, until: datetime | None) -> Span:
    span = Span.of(window, until)
    if timestamp is None and not span.everything:
        raise SourceError("a window of rows needs columns.timestamp")
    return span


def _moments(batch: pa.RecordBatch, timestamp: TimestampColumn, entry: Entry) -> pa.Array:
    try:
        column = batch.column(timestamp.column)
        return to_utc(column, timestamp.unit, column=timestamp.column)
    except SourceError as error:
        raise SourceError(f"{entry.shown}: {error}") from None


def _kept(
    batch: pa.RecordBatch, span: Span, timestamp: TimestampColumn | None, entry: Entry
) -> pa.RecordBatch:
    if timestamp is None:
        return batch
    mask = span.mask(_moments(batch, timestamp, entry))
    inside = mask.true_count
    return batch if inside == len(mask) else batch.filter(mask)


def _held(batch: pa.RecordBatch, columns: Sequence[str]) -> list[str]:
    return [c for c in columns if c in batch.schema.names]


def _selected(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(c) for c in columns])


def _folder_fields(entries: Iterable[Entry]) -> dict[str, pa.Field]:
    """Return the columns that folder names hold; every file has a say in their types."""
    known = [dict(e.partitions) for e in entries]
    names = dict.fromkeys(key for folders in known for key in folders)
    return {n: pa.field(n, _folder_type([f.get(n) for f in known])) for n in names}


def _with_folders(schema: pa.Schema, entry: Entry, folders: Mapping[str, pa.Field]) -> pa.Schema:
    """Add what folder names say; a column in the file itself comes first."""
    for key, _ in entry.partitions:
        if key not in schema.names:
            schema = schema.append(folders[key])
    return schema


def _folder_type(values: Sequence[str | None]) -> pa.DataType:
    whole = all(v is None or v == _NOTHING or _is_whole(v) for v in values)
    return pa.int64() if whole else pa.string()


# How Hive and Spark name the folder of rows without a value.
_NOTHING = "__HIVE_DEFAULT_PARTITION__"


def _is_whole(value: str) -> bool:
    return value.lstrip("-").isdecimal() and len(value) < 19


def _add_folders(batch: pa.RecordBatch, names: Sequence[str], part: _Part) -> pa.RecordBatch:
    values = dict(part.entry.partitions)
    for name in names:
        kind = part.schema.field(name).type
        text = None if values[name] == _NOTHING else values[name]
        scalar = pa.scalar(text, pa.string()).cast(kind)
        batch = batch.append_column(name, pa.repeat(scalar, batch.num_rows))
    return batch
