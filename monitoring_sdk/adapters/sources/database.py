"""Rows in a database: only what a window needs, read-only, in batches."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from monitoring_sdk.adapters.sources import values
from monitoring_sdk.adapters.sources.schemas import present
from monitoring_sdk.adapters.sources.source import BATCH_ROWS
from monitoring_sdk.adapters.sources.timestamps import Span, to_utc
from monitoring_sdk.config_sections import TimestampColumn
from monitoring_sdk.errors import SourceError, explain
from monitoring_sdk.window import Window

# Python objects are large: a batch holds about this many, however many columns there are.
_VALUES = 1_000_000
_SAMPLE_ROWS = 1000

# Comparisons of parameters, which SQLAlchemy does not simplify away: see `_alone`.
_ALWAYS, _NEVER = sa.literal(1) == sa.literal(1), sa.literal(1) == sa.literal(0)


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """A table, or a query, behind an SQLAlchemy URL; read in a transaction that is rolled back.

    Parameters
    ----------
    url : str
        The database; its password never appears in an error.
    table : str, optional
        A table or view, `schema.table` too.
    query : str, optional
        A SELECT, used as a subselect.
    """

    url: str = field(repr=False)
    table: str | None = None
    query: str | None = None

    @property
    def name(self) -> str:
        """The database and the table, without user and password."""
        url = self._url()
        place = f"{url.drivername}://{url.host or ''}/{url.database or ''}"
        return f"{place}: {self.table or 'query'}"

    def schema(
        self, window: Window | None = None, timestamp: TimestampColumn | None = None
    ) -> pa.Schema:
        """Return the columns, typed as declared, or by the first rows where nothing is."""
        with self._connected() as connection:
            names = self._names(connection)
            statement = sa.select(*map(_column, names)).select_from(self._rows(names))
            rows = connection.execute(_alone(statement).limit(_SAMPLE_ROWS)).fetchall()
            declared = self._declared(connection)
        arrays = values.arrays(rows, [declared.get(n, pa.null()) for n in names])
        return pa.schema([(n, a.type) for n, a in zip(names, arrays, strict=True)])

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

        Where the database declares no type, a column of nulls has the type null until a batch
        has a value.
        """
        span = _span(window, timestamp, until)
        with self._connected() as connection:
            names = self._names(connection)
            wanted = present(columns, names, self.name, missing_ok=missing_ok)
            needed = list(wanted)
            if timestamp is not None and not span.everything and timestamp.column not in needed:
                needed += present([timestamp.column], names, self.name, missing_ok=False)
            statement = sa.select(*map(_column, needed)).select_from(self._rows(names))
            where, _ = self._where(connection, names, span, timestamp)
            if where is None:
                return
            statement = statement.where(*where)
            kinds = [self._declared(connection).get(n, pa.null()) for n in needed]
            for batch in _batches(connection, statement, needed, kinds, batch_rows):
                kept = batch if span.everything else _kept(batch, span, timestamp)
                if kept.num_rows:
                    yield kept.select(wanted)

    def count(self, window: Window | None, timestamp: TimestampColumn | None) -> int:
        """Return the number of rows in a window."""
        return int(self._summary(_span(window, timestamp, None), timestamp)[0])

    def fingerprint(self, window: Window | None, timestamp: TimestampColumn | None) -> str:
        """Return a hash of the count and of the first and last moment in a window.

        Without a timestamp it is of the count alone.
        """
        summary = self._summary(_span(window, timestamp, None), timestamp)
        return hashlib.sha256(repr(summary).encode()).hexdigest()[:32]

    def undated(self, window: Window | None, timestamp: TimestampColumn) -> int | None:
        """Leave it open: rows without a moment are in no index, and belong to no window."""
        return None

    def bounds(self, timestamp: TimestampColumn) -> tuple[datetime, datetime] | None:
        """Return the earliest and the latest moment."""
        _, low, high = self._summary(Span(), timestamp)
        if low is None or high is None:
            return None
        ends = pa.array([low, high]).cast(pa.timestamp("us", "UTC"))
        return ends[0].as_py(), ends[1].as_py()

    def _summary(
        self, span: Span, timestamp: TimestampColumn | None
    ) -> tuple[int, int | None, int | None]:
        """Return count, minimum and maximum (microseconds) of the rows of a span."""
        with self._connected() as connection:
            names = self._names(connection)
            rows = self._rows(names)
            if timestamp is None:
                total = connection.execute(_alone(sa.select(sa.func.count()).select_from(rows)))
                return int(total.scalar_one()), None, None
            present([timestamp.column], names, self.name, missing_ok=False)
            column = _column(timestamp.column)
            where, exact = self._where(connection, names, span, timestamp)
            if where is None:
                where, exact = [_NEVER], True
            if exact:
                what = (sa.func.count(), sa.func.min(column), sa.func.max(column))
                statement = _alone(sa.select(*what).select_from(rows).where(*where))
                found = connection.execute(statement).one()
                ends = values.arrays([[found[1]], [found[2]]], [pa.null()])[0]
                moments = to_utc(ends, timestamp.unit, column=timestamp.column)
                low, high = moments.cast(pa.int64()).to_pylist()
                return int(found[0]), low, high
            statement = sa.select(column).select_from(rows).where(*where)
            return _counted(connection, statement, span, timestamp)

    def _where(
        self,
        connection: Connection,
        names: Sequence[str],
        span: Span,
        timestamp: TimestampColumn | None,
    ) -> tuple[list[Any] | None, bool]:
        """Return conditions in the column's own terms, and whether they are exact.

        None stands for no row at all. SQLite does not say what a column holds, and drivers
        differ in what they return, so one value is looked at.
        """
        if timestamp is None:
            return [], True
        present([timestamp.column], names, self.name, missing_ok=False)
        column = _column(timestamp.column)
        look = sa.select(column).select_from(self._rows(names)).where(column.is_not(None)).limit(1)
        sample = connection.execute(_alone(look)).scalar()
        if span.everything:
            return [], not isinstance(sample, str)
        if sample is None:
            return None, True
        bounds = span.like(sample, timestamp.unit)
        if bounds is None:
            return [column.is_not(None)], False
        low, high, exact = bounds
        conditions = [column.is_not(None)]
        conditions += [] if low is None else [column >= sa.bindparam(None, low)]
        conditions += [] if high is None else [column < sa.bindparam(None, high)]
        return conditions, exact

    def _rows(self, names: Sequence[str]) -> Any:
        if self.query is not None:
            # A colon in the text is the user's own, not a parameter of ours.
            text = sa.text(self.query.strip().rstrip(";").replace(":", "\\:"))
            return text.columns(*map(_column, names)).subquery("source")
        schema, _, table = (self.table or "").rpartition(".")
        quoted = sa.sql.quoted_name(table, True)
        return sa.table(quoted, schema=sa.sql.quoted_name(schema, True) if schema else None)

    def _names(self, connection: Connection) -> list[str]:
        empty = sa.select(sa.text("*")).select_from(self._rows(())).where(_NEVER)
        return list(connection.execute(empty).keys())

    def _declared(self, connection: Connection) -> dict[str, pa.DataType]:
        if self.table is None:
            return {}
        schema, _, table = self.table.rpartition(".")
        columns = sa.inspect(connection).get_columns(table, schema=schema or None)
        return {c["name"]: values.declared(c["type"]) for c in columns}

    def _url(self) -> URL:
        try:
            url = sa.make_url(self.url)
        except (SQLAlchemyError, ValueError):
            raise SourceError(
                "source.url is no database URL: dialect://user:password@host/database"
            ) from None
        # The driver that this project installs, not the older one that SQLAlchemy takes unasked.
        plain = url.drivername in ("postgresql", "postgres")
        return url.set(drivername="postgresql+psycopg") if plain else url

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Give a connection in a read-only transaction, rolled back at the end."""
        url = self._url()
        lite = url.get_backend_name() == "sqlite"
        if lite and not url.query and not Path(url.database or "").exists():
            # SQLite would make an empty database of a misspelt path.
            raise SourceError(f"{self.name}: no such file")
        try:
            engine = sa.create_engine(url, poolclass=NullPool, hide_parameters=True)
            with engine.connect() as connection:
                if lite:
                    connection.execute(sa.text("PRAGMA query_only = ON"))
                elif url.get_backend_name() == "postgresql":
                    connection = connection.execution_options(postgresql_readonly=True)
                try:
                    yield connection
                finally:
                    connection.rollback()
        except (SQLAlchemyError, ImportError) as error:
            # The chain is cut: what drivers say may hold the address and what was asked.
            raise SourceError(f"{self.name}: {self._told(error, url)}") from None

    def _told(self, error: Exception, url: URL) -> str:
        if isinstance(error, ImportError):
            return f"the driver of {url.drivername} is not installed"
        if isinstance(error, sa.exc.NoSuchModuleError):
            return explain("unknown database", got=url.drivername)
        if isinstance(error, sa.exc.NoSuchTableError):
            return "no such table"
        text = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0][:200]
        secrets = [s for s in (url.password, *map(str, url.query.values())) if s]
        for secret in secrets:
            text = text.replace(str(secret), "***")
        return re.sub(r"(://)[^/\s]*@", r"\1", text)


def _column(name: str) -> Any:
    return sa.column(sa.sql.quoted_name(name, True))


def _alone(statement: Any) -> Any:
    """Give a statement a parameter, so that drivers send it by itself.

    Without one, PostgreSQL's driver sends a text that may hold several statements: one that closes
    our parenthesis and ends the read-only transaction could write after it.
    """
    return statement.where(_ALWAYS)


def _span(window: Window | None, timestamp: TimestampColumn | None, until: datetime | None) -> Span:
    span = Span.of(window, until)
    if timestamp is None and not span.everything:
        raise SourceError("a window of rows needs columns.timestamp")
    return span


def _batches(
    connection: Connection,
    statement: Any,
    names: Sequence[str],
    kinds: Sequence[pa.DataType],
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    size = max(1, min(batch_rows, max(1000, _VALUES // max(1, len(names)))))
    streaming = connection.execution_options(stream_results=True, yield_per=size)
    result = streaming.execute(_alone(statement))
    for rows in result.partitions(size):
        arrays = values.arrays(rows, kinds)
        kinds = [array.type for array in arrays]
        yield pa.RecordBatch.from_arrays(arrays, names=list(names))


def _kept(batch: pa.RecordBatch, span: Span, timestamp: TimestampColumn | None) -> pa.RecordBatch:
    if timestamp is None:
        return batch
    column = batch.column(timestamp.column)
    return batch.filter(span.mask(to_utc(column, timestamp.unit, column=timestamp.column)))


def _counted(
    connection: Connection, statement: Any, span: Span, timestamp: TimestampColumn
) -> tuple[int, int | None, int | None]:
    rows, ends = 0, []
    names, kinds = [timestamp.column], [pa.null()]
    for batch in _batches(connection, statement, names, kinds, BATCH_ROWS):
        moments = to_utc(batch.column(0), timestamp.unit, column=timestamp.column)
        if not span.everything:
            moments = moments.filter(span.mask(moments))
        rows += len(moments)
        found = pc.min_max(moments.cast(pa.int64())).as_py().values()
        ends += [v for v in found if v is not None]
    return rows, min(ends, default=None), max(ends, default=None)
