"""Databases: read-only, only a window's rows, whatever form their moments have."""

from __future__ import annotations

import sqlite3
import traceback
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from monitoring_sdk.adapters.sources import values
from monitoring_sdk.adapters.sources.source import open_source, read_table
from monitoring_sdk.adapters.sources.timestamps import Span
from monitoring_sdk.config_sections import SourceSpec, TimestampColumn
from monitoring_sdk.errors import SourceError
from monitoring_sdk.window import Window

pytest.importorskip("sqlalchemy")

TS = TimestampColumn(column="ts")
DAY = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
EDGES = [DAY.start - timedelta(seconds=1), DAY.start, DAY.end - timedelta(seconds=1), DAY.end]
FORMS = {
    "blank": lambda t: t.strftime("%Y-%m-%d %H:%M:%S"),
    "T": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.000"),
    "Z": lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "offset": lambda t: (t - timedelta(hours=9)).strftime("%Y-%m-%d %H:%M:%S-09:00"),
    "s": lambda t: int(t.timestamp()),
    "ms": lambda t: int(t.timestamp() * 1000),
    "float s": lambda t: t.timestamp() + 0.25,
}


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "rows.db"

    def fill(moments, table="rows"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f'DROP TABLE IF EXISTS "{table}"')
            connection.execute(f'CREATE TABLE "{table}" (ts, i INTEGER, "a b" REAL, note TEXT)')
            kept = [(m, i, i / 2, None if i % 2 else "x") for i, m in enumerate(moments)]
            connection.executemany(f'INSERT INTO "{table}" VALUES (?, ?, ?, ?)', kept)
            connection.commit()
        return f"sqlite:///{path}"

    return fill


def ids(spec, timestamp=TS, **options) -> list[int]:
    source = open_source(spec)
    table = read_table(source, ["i"], timestamp=timestamp, **{"window": DAY, **options})
    return table.column("i").to_pylist()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["table", "query"])
def test_window_of_every_form_of_moments(database, form, place):
    url = database([*map(FORMS[form], EDGES), None])
    where = {"table": "rows"} if place == "table" else {"query": "SELECT * FROM rows;"}
    unit = form.split()[-1] if form.split()[-1] in ("s", "ms") else None
    column = TimestampColumn(column="ts", unit=unit)
    source = open_source(SourceSpec(url=url, **where))
    assert ids(SourceSpec(url=url, **where), column) == [1, 2]
    assert source.count(DAY, column) == 2
    assert source.count(None, None) == 5
    assert source.bounds(column)[0].replace(microsecond=0) == EDGES[0]
    until = (
        None
        if form == "float s"
        else ids(SourceSpec(url=url, **where), column, window=None, until=DAY.end)
    )
    assert until in (None, [0, 1, 2, 3])


def test_mixed_forms_of_text_lose_no_row(database):
    moments = [FORMS[f](t) for f in ("blank", "T", "Z", "offset") for t in EDGES]
    url = database(moments)
    assert ids(SourceSpec(url=url, table="rows")) == [1, 2, 5, 6, 9, 10, 13, 14]


def test_window_is_pushed_down(database, monkeypatch):
    url = database([FORMS["ms"](t) for t in EDGES])
    fetched = []
    real = values.arrays

    def spy(rows, kinds):
        fetched.append(len(rows))
        return real(rows, kinds)

    monkeypatch.setattr(values, "arrays", spy)
    assert ids(SourceSpec(url=url, table="rows"), TimestampColumn(column="ts", unit="ms")) == [1, 2]
    assert sum(fetched) == 2


def test_fingerprint_changes_with_rows_of_the_window_alone(database):
    stamp = FORMS["blank"]
    source = open_source(SourceSpec(url=database(map(stamp, EDGES)), table="rows"))
    before = source.fingerprint(DAY, TS)
    database(map(stamp, [*EDGES, DAY.end + timedelta(hours=1)]))
    assert source.fingerprint(DAY, TS) == before
    database(map(stamp, [*EDGES, DAY.start + timedelta(hours=1)]))
    assert source.fingerprint(DAY, TS) != before


def test_odd_names_and_types(database):
    url = database(map(FORMS["blank"], EDGES), table="order of rows")
    source = open_source(SourceSpec(url=url, table="order of rows"))
    assert source.schema() == pa.schema(
        {"ts": pa.string(), "i": pa.int64(), "a b": pa.float64(), "note": pa.string()}
    )
    found = read_table(source, ["note", "a b"], window=DAY, timestamp=TS).to_pylist()
    assert found == [{"note": None, "a b": 0.5}, {"note": "x", "a b": 1.0}]


def test_query_keeps_its_colons_and_percents(database):
    url = database(map(FORMS["blank"], EDGES))
    spec = SourceSpec(url=url, query="SELECT i, ts, ':x %s' AS q FROM rows WHERE i % 2 = 1")
    table = read_table(open_source(spec), ["i", "q"], window=DAY, timestamp=TS)
    assert table.to_pylist() == [{"i": 1, "q": ":x %s"}]


@pytest.mark.parametrize(
    "query", ["DELETE FROM rows", "SELECT 1; DELETE FROM rows", "INSERT INTO rows VALUES (1,1,1,1)"]
)
def test_nothing_is_written(database, query):
    url = database(map(FORMS["blank"], EDGES))
    with pytest.raises(SourceError):
        ids(SourceSpec(url=url, query=query))
    assert open_source(SourceSpec(url=url, table="rows")).count(None, None) == 4


def test_missing_columns_tables_and_files(database, tmp_path):
    url = database(map(FORMS["blank"], EDGES))
    source = open_source(SourceSpec(url=url, table="rows"))
    with pytest.raises(SourceError, match=r"'nota' \(did you mean 'note'\?\)"):
        list(source.scan(["nota"]))
    assert next(iter(source.scan(["nota", "i"], missing_ok=True))).schema.names == ["i"]
    with pytest.raises(SourceError, match="no such table"):
        list(open_source(SourceSpec(url=url, table="absent")).scan(["i"]))
    with pytest.raises(SourceError, match="no such file"):
        list(open_source(SourceSpec(url=f"sqlite:///{tmp_path}/no.db", table="t")).scan(["i"]))
    assert not (tmp_path / "no.db").exists()
    with pytest.raises(SourceError, match="unit"):
        ids(SourceSpec(url=database([FORMS["s"](t) for t in EDGES]), table="rows"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:s3cret@127.0.0.1:1/db",
        "nosuch://me:s3cret@127.0.0.1/db",
        "sqlite://me:s3cret@/x.db",
        "postgresql+psycopg://127.0.0.1:1/db?password=s3cret",
        "me:s3cret@no url",
    ],
)
def test_password_is_in_no_error_and_no_repr(url):
    spec = SourceSpec(url=url, table="t")
    source = open_source(spec)
    with pytest.raises(SourceError) as caught:
        source.count(None, None)
    shown = "".join(traceback.format_exception(caught.value)) + repr(spec) + repr(source)
    assert "s3cret" not in shown


def test_large_results_come_in_bounded_batches(database):
    seconds = [DAY.start + timedelta(seconds=i) for i in range(5000)]
    url = database(map(FORMS["blank"], seconds))
    source = open_source(SourceSpec(url=url, table="rows"))
    batches = list(source.scan(["i", "note"], window=DAY, timestamp=TS, batch_rows=2000))
    assert [b.num_rows for b in batches] == [2000, 2000, 1000]
    assert sum(b.column(0).to_pylist()[0] == 0 for b in batches) == 1


def test_no_rows_at_all(database):
    source = open_source(SourceSpec(url=database([]), table="rows"))
    assert source.bounds(TS) is None
    assert source.count(DAY, TS) == 0
    assert read_table(source, ["i"], window=DAY, timestamp=TS).num_rows == 0


def test_bounds_for_aware_and_naive_databases():
    aware = Span.of(DAY).like(datetime(2020, 1, 1, tzinfo=UTC), None)
    naive = Span.of(DAY).like(datetime(2020, 1, 1), None)
    assert aware == (DAY.start, DAY.end, True)
    assert naive == (datetime(2013, 6, 3), datetime(2013, 6, 4), True)
