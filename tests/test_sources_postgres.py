"""Sources in a real PostgreSQL, where its programs are installed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from postgres_server import PASSWORD, PostgresServer

from monitoring_sdk.adapters.sources.joined import JoinedSource
from monitoring_sdk.adapters.sources.source import open_source, read_table
from monitoring_sdk.config_sections import SourceSpec, TimestampColumn
from monitoring_sdk.errors import SourceError
from monitoring_sdk.window import Window

DAY = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
EDGES = [DAY.start - timedelta(seconds=1), DAY.start, DAY.end - timedelta(seconds=1), DAY.end]
TABLE = """
CREATE TABLE "Odd rows" (
    aware timestamptz, naive timestamp, day date, seconds bigint, words text,
    i int, amount numeric(9, 2), ok boolean, "Mixed Case" real, tag uuid, late int
)
"""


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    place = postgres.fresh()
    with psycopg.connect(place) as connection:
        connection.execute(TABLE)
        for i, at in enumerate(EDGES):
            local, late = at.replace(tzinfo=None), 7 if i == 2 else None
            row = (at, local, at.date(), int(at.timestamp()), at.isoformat(" "), i, i / 4)
            connection.execute(
                'INSERT INTO "Odd rows" VALUES '
                "(%s, %s, %s, %s, %s, %s, %s, true, 0.5, gen_random_uuid(), %s)",
                (*row, late),
            )
    return place


@pytest.mark.parametrize("column", ["aware", "naive", "day", "seconds", "words"])
@pytest.mark.parametrize(
    "place", [{"table": "Odd rows"}, {"table": "public.Odd rows"}, {"query": 'TABLE "Odd rows"'}]
)
def test_a_window_by_every_type_of_moment(url, place, column):
    at = TimestampColumn(column=column, unit="s" if column == "seconds" else None)
    source = open_source(SourceSpec(url=url, **place))
    found = read_table(source, ["i"], window=DAY, timestamp=at).column("i").to_pylist()
    assert found == [1, 2]
    assert source.count(DAY, at) == 2
    assert source.bounds(at)[1] == EDGES[3]
    assert source.fingerprint(DAY, at) == source.fingerprint(DAY, at)


def test_types_and_names_are_kept(url):
    table = read_table(
        open_source(SourceSpec(url=url, table="Odd rows")),
        ["i", "amount", "ok", "Mixed Case", "late"],
    )
    assert table.schema == pa.schema(
        {
            "i": pa.int64(),
            "amount": pa.float64(),
            "ok": pa.bool_(),
            "Mixed Case": pa.float64(),
            "late": pa.int64(),
        }
    )
    assert table.column("amount").to_pylist() == [0.0, 0.25, 0.5, 0.75]


def test_batches_come_from_the_servers_cursor_and_settle_into_one_table(url):
    query = "SELECT i, late, tag, '10% :x' AS note FROM \"Odd rows\" ORDER BY i"
    source = open_source(SourceSpec(url=url, query=query))
    batches = list(source.scan(["i", "late", "note"], batch_rows=1))
    assert [b.num_rows for b in batches] == [1, 1, 1, 1]
    table = read_table(source, ["late", "note", "tag"])
    assert table.column("late").to_pylist() == [None, None, 7, None]
    assert set(table.column("note").to_pylist()) == {"10% :x"}
    assert pa.types.is_string(table.schema.field("tag").type)


def test_a_query_cannot_write_even_by_a_function(url):
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION wipe() RETURNS int LANGUAGE sql AS "
            "'DELETE FROM \"Odd rows\"; SELECT 1'"
        )
    with pytest.raises(SourceError, match="read-only"):
        list(open_source(SourceSpec(url=url, query="SELECT wipe() AS i")).scan(["i"]))
    assert open_source(SourceSpec(url=url, table="Odd rows")).count(None, None) == 4


ENDING = 'SELECT i FROM "Odd rows") AS s; {}DELETE FROM "Odd rows"; SELECT * FROM (SELECT 1 AS i'


@pytest.mark.parametrize(
    "end", ["", "COMMIT; ", "ROLLBACK; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; "]
)
def test_a_query_that_ends_the_read_only_transaction_is_refused(url, end):
    """A driver that sends several statements at once would run what follows the COMMIT."""
    source = open_source(SourceSpec(url=url, query=ENDING.format(end)))
    at = TimestampColumn(column="i", unit="s")
    for look in (
        source.schema,
        lambda: list(source.scan(["i"])),
        lambda: source.count(None, None),
        lambda: source.count(DAY, at),
        lambda: source.bounds(at),
    ):
        with pytest.raises(SourceError, match="multiple commands"):
            look()
    assert open_source(SourceSpec(url=url, table="Odd rows")).count(None, None) == 4


def test_names_are_quoted(url):
    with psycopg.connect(url) as connection:
        connection.execute('CREATE TABLE IF NOT EXISTS "x; y" ("""; drop table x; --" int)')
        connection.execute('INSERT INTO "x; y" VALUES (7)')
    source = open_source(SourceSpec(url=url, table="x; y"))
    assert source.schema().names == ['"; drop table x; --']
    assert [b.column(0).to_pylist() for b in source.scan(source.schema().names)] == [[7]]
    assert source.count(None, None) == 1


def test_errors_name_the_place_and_no_password(url):
    with pytest.raises(SourceError, match=r"no such table|does not exist") as caught:
        open_source(SourceSpec(url=url, table="absent")).count(None, None)
    assert PASSWORD not in str(caught.value)


def test_features_in_a_table_join_predictions_in_a_file(url, tmp_path):
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE features (id text, aware timestamptz, x real)")
        for key, day, x in (("1", -40, 1.0), ("1", 0, 2.0), ("1", 2, 3.0), ("2", -90, 4.0)):
            at = DAY.start + timedelta(days=day, hours=1)
            connection.execute("INSERT INTO features VALUES (%s, %s, %s)", (key, at, x))
    noon = DAY.start + timedelta(hours=12)
    path = tmp_path / "predictions.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3], "aware": [noon] * 3}), path)
    at = TimestampColumn(column="aware")
    features = open_source(SourceSpec(url=url, table="features"))
    source = JoinedSource(open_source(SourceSpec(path=str(path))), features, ("id",), at)
    found = read_table(source, ["id", "x"], window=DAY, timestamp=at)
    assert found.column("x").to_pylist() == [2.0, 4.0, None]
    before = source.fingerprint(DAY, at)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO features VALUES ('3', %s, 5)", (DAY.start,))
    assert source.fingerprint(DAY, at) != before
