"""Features from a table of their own: the join, what it sees at which time, what it costs."""

from __future__ import annotations

import sqlite3
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_sdk import stages
from monitoring_sdk.adapters.sources import joined as joining
from monitoring_sdk.adapters.sources import parquet_files
from monitoring_sdk.adapters.sources.joined import JoinedSource
from monitoring_sdk.adapters.sources.latest import LatestRows
from monitoring_sdk.adapters.sources.source import open_source, read_table
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import load_config, parse_config
from monitoring_sdk.config_sections import Partition, SourceSpec, TimestampColumn
from monitoring_sdk.errors import ConfigError, SourceError
from monitoring_sdk.stages import labelled_rows
from monitoring_sdk.stages.checking import check_monitor
from monitoring_sdk.stages.handle import layout_of, open_predictions
from monitoring_sdk.window import Window

AT = TimestampColumn(column="at")
NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)
DAY = Window(datetime(2024, 3, 5, tzinfo=UTC), datetime(2024, 3, 6, tzinfo=UTC))


def hours(*offsets) -> list[datetime]:
    return [NOON + timedelta(hours=h) for h in offsets]


def source(tmp_path, predictions, features, on=("id",), *, each=True) -> JoinedSource:
    for name, columns in (("predictions", predictions), ("features", features)):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet", row_group_size=3)
    return JoinedSource(
        open_source(SourceSpec(path=str(tmp_path / "predictions.parquet"))),
        open_source(SourceSpec(path=str(tmp_path / "features.parquet"))),
        tuple(on),
        AT,
        each,
    )


def read(opened, *columns, window=DAY):
    at = None if window is None else AT
    return read_table(opened, columns, window=window, timestamp=at).to_pydict()


def test_rows_of_a_window_get_their_features_and_nulls_where_there_are_none(tmp_path):
    opened = source(
        tmp_path,
        {
            "id": [1, 2, 3, None, 9],
            "at": hours(-1, 0, 1, 2, 24),
            "score": [0.1, 0.2, 0.3, 0.4, 0.9],
        },
        {"id": [3, 1, 9, 8], "size": [30.0, 10.0, 90.0, 80.0], "kind": ["c", "a", "i", "h"]},
    )
    assert read(opened, "size", "score", "kind") == {
        "size": [10.0, None, 30.0, None],
        "score": [0.1, 0.2, 0.3, 0.4],
        "kind": ["a", None, "c", None],
    }
    assert opened.count(DAY, AT) == 4
    assert opened.schema(DAY, AT).names == ["id", "at", "score", "size", "kind"]
    found = opened.joined(DAY)
    assert (found.rows, found.null_keys, found.unmatched, found.repeats) == (4, 1, 1, 0)


@pytest.mark.parametrize("theirs", [["1", "02", "3"], [1.0, 2.0, 3.0]])
def test_keys_compare_as_ids_do(tmp_path, theirs):
    opened = source(
        tmp_path, {"id": [1, 2, 3], "at": hours(0, 0, 0)}, {"id": theirs, "x": [10, 20, 30]}
    )
    matches = 20 if theirs[1] == 2.0 else None
    assert read(opened, "x") == {"x": [10, matches, 30]}


def test_the_latest_row_known_by_then_counts_however_long_ago(tmp_path):
    opened = source(
        tmp_path,
        {"id": ["a", "a", "b", "c"], "at": hours(0, 3, 0, 0)},
        {
            "id": ["a", "a", "a", "b", "b", "c"],
            "at": hours(-1, 2, 4, -24 * 20, -24 * 400, 1),
            "x": [1, 2, 3, 4, 5, 6],
        },
    )
    # c is known an hour too late.
    assert read(opened, "x") == {"x": [1, 2, 4, None]}


def test_without_a_timestamp_the_last_row_counts_and_repeats_are_counted(tmp_path):
    opened = source(
        tmp_path, {"id": [1, 2], "at": hours(0, 0)}, {"id": [1, 2, 1, 1], "x": [1, 2, 3, 4]}
    )
    assert read(opened, "x") == {"x": [4, 2]}
    assert opened.joined(DAY).repeats == 2


def test_a_key_of_several_columns_may_repeat_among_predictions(tmp_path):
    opened = source(
        tmp_path,
        {"shop": ["n", "n", "s", "n"], "item": [1, 2, 1, 1], "at": hours(0, 0, 0, 1)},
        {"shop": ["n", "s", "n"], "item": ["1", "1", "2"], "x": [1, 2, 3]},
        on=("shop", "item"),
        each=False,
    )
    assert read(opened, "x") == {"x": [1, 3, 2, 1]}


def test_a_column_of_both_tables_is_the_predictions_one(tmp_path):
    opened = source(
        tmp_path, {"id": [1], "at": hours(0), "x": [5]}, {"id": [1], "x": [7], "y": [8]}
    )
    assert read(opened, "x", "y") == {"x": [5], "y": [8]}


def test_columns_of_the_predictions_alone_never_reach_the_features(tmp_path):
    opened = source(tmp_path, {"id": [1], "at": hours(0), "x": [5]}, {"id": [1], "y": [8]})
    (tmp_path / "features.parquet").unlink()
    assert read(opened, "x") == {"x": [5]}
    with pytest.raises(SourceError, match=r"source.features: .*features.parquet: no such file"):
        read(opened, "y")
    with pytest.raises(SourceError, match=r"source.features: .*no such file"):
        opened.fingerprint(DAY, AT)


def test_what_is_missing_is_named(tmp_path):
    opened = source(tmp_path, {"id": [1], "at": hours(0)}, {"id": [1], "size": [8]})
    with pytest.raises(SourceError, match=r"no column 'sise' \(did you mean 'size'\?\)"):
        read(opened, "size", "sise")
    assert read_table(
        opened, ["size", "no"], window=DAY, timestamp=AT, missing_ok=True
    ).to_pydict() == {"size": [8]}
    other = JoinedSource(opened.predictions, opened.features, ("key",), AT)
    with pytest.raises(SourceError, match="no such column in the features"):
        read(other, "size")


def test_a_window_without_rows_is_empty_and_typed(tmp_path):
    opened = source(tmp_path, {"id": [1], "at": hours(0)}, {"id": [1], "x": [8]})
    later = Window(DAY.end, DAY.end + timedelta(days=1))
    assert read(opened, "x", window=later) == {"x": []}
    nothing = source(tmp_path, {"id": pa.nulls(2), "at": hours(0, 1)}, {"id": [1], "x": [8]})
    assert read(nothing, "x") == {"x": [None, None]}


def test_the_fingerprint_covers_both_tables(tmp_path):
    predictions = {"id": [1, 2], "at": hours(0, 1)}

    def prints(features, *, each=True, rows=predictions):
        return source(tmp_path, rows, features, each=each).fingerprint(DAY, AT)

    plain = prints({"id": [1, 2], "x": [1, 2]})
    assert plain == prints({"id": [1, 2], "x": [1, 2]})
    assert plain != prints({"id": [1, 2], "x": [1, 7]})
    assert plain != prints({"id": [1, 2], "x": [1, 2]}, rows={"id": [1, 2], "at": hours(0, 2)})
    # Rows of other days are in row groups of their own: nothing of this window has changed.
    old = {"id": [7, 8, 9, 1, 2], "at": hours(-96, -95, -94, 0, 1)}
    assert prints({**old, "x": [7, 8, 9, 1, 2]}) == prints({**old, "x": [0, 0, 0, 1, 2]})
    assert prints({**old, "x": [7, 8, 9, 1, 2]}, each=False) != prints(
        {**old, "x": [0, 0, 0, 1, 2]}, each=False
    )


MOMENTS = st.one_of(st.none(), st.integers(0, 12))


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from([None, 1, 2, 3]), MOMENTS), max_size=12),
    st.lists(st.tuples(st.sampled_from([None, 1, 2, 3, 4]), MOMENTS), max_size=30),
    st.integers(1, 7),
    st.booleans(),
)
def test_the_latest_row_equals_a_search_by_hand(asked, rows, size, dated):
    schema = pa.schema({"x": pa.int64()})

    def moments(pairs):
        column = pa.array([t for _, t in pairs], pa.int64()).cast(pa.timestamp("us", "UTC"))
        return pa.chunked_array([column]) if dated else None

    def keys(pairs):
        return pa.table({"k": pa.array([k for k, _ in pairs], pa.int64())})

    latest = LatestRows(keys(asked), moments(asked), schema)
    for i in range(0, len(rows), size):
        part = rows[i : i + size]
        table = keys(part).append_column("x", pa.array(range(i, i + len(part))))
        latest.add(table, moments(part))
        latest._settle()
    expected = []
    for key, when in asked:
        fits = [
            (t if dated else 0, i)
            for i, (k, t) in enumerate(rows)
            if k is not None
            and k == key
            and (not dated or (t is not None and when is not None and t <= when))
        ]
        expected.append(max(fits)[1] if fits else None)
    assert latest.beside().column("x").to_pylist() == expected


def test_groups_of_predictions_give_what_one_group_gives(tmp_path, monkeypatch):
    chance = np.random.default_rng(3)
    predictions = {"id": chance.integers(0, 50, 400), "at": hours(*chance.uniform(-12, 11, 400))}
    features = {
        "id": chance.integers(0, 60, 900),
        "at": hours(*chance.uniform(-2000, 11, 900)),
        "x": np.arange(900),
    }
    opened = source(tmp_path, predictions, features)
    whole = read(opened, "x")
    monkeypatch.setattr(joining, "GROUP_ROWS", 60)
    assert read(opened, "x") == whole
    assert None not in whole["x"]


def test_only_partitions_of_the_window_are_opened_where_they_answer(tmp_path, monkeypatch):
    for d in range(1, 11):
        folder = tmp_path / "features" / f"dt=2024-03-{d:02}"
        folder.mkdir(parents=True)
        at = datetime(2024, 3, d, 6, tzinfo=UTC)
        pq.write_table(pa.table({"id": [d], "at": [at], "x": [d]}), folder / "a.parquet")
    pq.write_table(pa.table({"id": [5], "at": [NOON]}), tmp_path / "p.parquet")
    spec = SourceSpec(path=str(tmp_path / "features"), partition=Partition(column="dt"))
    opened = JoinedSource(
        open_source(SourceSpec(path=str(tmp_path / "p.parquet"))),
        open_source(spec),
        ("id",),
        AT,
        True,
    )
    read_files = []
    rows = parquet_files.read_groups

    def spy(place, entry, *more):
        read_files.append(entry.shown)
        return rows(place, entry, *more)

    monkeypatch.setattr(parquet_files, "read_groups", spy)
    assert read(opened, "x") == {"x": [5]}
    assert "p.parquet" in read_files
    assert all("2024-03-0" + d not in " ".join(read_files) for d in "12378")


def test_the_window_is_pushed_down_to_a_database(tmp_path):
    path = tmp_path / "features.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE f (id TEXT, at TEXT, x REAL)")
        rows = [(str(i), (NOON - timedelta(days=i)).isoformat(), i) for i in range(200)]
        connection.executemany("INSERT INTO f VALUES (?, ?, ?)", rows)
        connection.commit()
    pq.write_table(pa.table({"id": [0, 150], "at": [NOON, NOON]}), tmp_path / "p.parquet")
    opened = JoinedSource(
        open_source(SourceSpec(path=str(tmp_path / "p.parquet"))),
        open_source(SourceSpec(url=f"sqlite:///{path}", table="f")),
        ("id",),
        AT,
    )
    assert read(opened, "x") == {"x": [0.0, 150.0]}
    before = opened.fingerprint(DAY, AT)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM f WHERE id = '77'")
        connection.commit()
    assert opened.fingerprint(DAY, AT) != before


def test_memory_grows_with_the_window_and_not_with_the_feature_table(tmp_path):
    rows = 600_000
    opened = source(
        tmp_path,
        {"id": np.arange(100), "at": hours(*np.zeros(100))},
        {"id": ["0"], "x": ["y"]},
    )
    pq.write_table(
        pa.table({"id": np.arange(rows) % 1000, "x": ["a text of thirty two characters"] * rows}),
        tmp_path / "features.parquet",
        row_group_size=50_000,
    )
    read(opened, "x")
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    found = read(opened, "x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["x"] == ["a text of thirty two characters"] * 100
    assert peak < 30e6
    assert pa.total_allocated_bytes() - before < 5e6


MONITOR = """\
model: joined
source:
  predictions: {folder}/predictions.parquet
  features: {{path: {folder}/features.parquet{on}}}
  labels: {folder}/labels.parquet
columns: {{id: id, timestamp: at, prediction: y_pred, label: y_true{more}}}
baseline: {{start: 2024-03-05, end: 2024-03-06}}
"""


def monitor(tmp_path, on="", more=""):
    pd.DataFrame(
        {"id": [1, 2, 3], "user": [7, 7, 8], "at": hours(0, 1, 2), "y_pred": [0, 1, 1], "age": 4}
    ).to_parquet(tmp_path / "predictions.parquet")
    pd.DataFrame(
        {"id": ["1", "2", "2"], "user": [7, 8, 8], "age": [9, 9, 9], "size": [1.0, 2.0, 3.0]}
    ).to_parquet(tmp_path / "features.parquet")
    pd.DataFrame({"id": [1, 2, 3], "y_true": [0, 1, 0]}).to_parquet(tmp_path / "labels.parquet")
    path = tmp_path / "joined.yaml"
    path.write_text(MONITOR.format(folder=tmp_path, on=on, more=more))
    return path


def test_check_names_the_columns_of_both_tables_and_how_they_join(tmp_path, monkeypatch):
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    checked = check_monitor(monitor(tmp_path))
    assert not checked.problems
    assert "source.features: size, by id" in checked.found
    text = checked.text()
    assert "in both tables, taken from the predictions: user, age" in text
    assert "of 3 prediction rows 1 have no row of features" in text
    assert "1 rows of features repeat a key" in text
    assert "features: 3 numeric" in text
    wrong = check_monitor(monitor(tmp_path, more=", numeric: [sise]"))
    assert "no such column in the predictions or the features" in wrong.problems[0]
    assert "size" in wrong.problems[0]


def test_a_key_is_no_feature_unless_it_is_named(tmp_path):
    config = load_config(monitor(tmp_path, on=", on: user"))
    schema = open_predictions(config).schema()
    assert layout_of(config, schema).numeric == ("age", "size")
    config = load_config(monitor(tmp_path, on=", on: user", more=", numeric: [user, size]"))
    assert layout_of(config, schema).numeric == ("user", "size")


def test_a_key_is_needed(tmp_path):
    config = parse_config(
        {
            "model": "m",
            "source": {"predictions": "p.parquet", "features": "f.parquet"},
            "columns": {"timestamp": "at", "prediction": "y"},
        }
    )
    with pytest.raises(ConfigError, match=r"source\.features needs `on`"):
        open_predictions(config)


def test_a_trainer_gets_features_and_labels_beside_the_predictions(tmp_path):
    rows = labelled_rows(load_config(monitor(tmp_path)), DAY, DAY.end)
    assert rows["size"].tolist()[:2] == [1.0, 3.0]
    assert np.isnan(rows["size"][2])
    assert rows["y_true"].tolist() == [0, 1, 0]


def test_drift_and_missing_rows_of_the_feature_table_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    chance, first, count = np.random.default_rng(2), datetime(2024, 3, 1, tzinfo=UTC), 150
    frames = []
    for d in range(14):
        at = [first + timedelta(days=d, minutes=9 * k) for k in range(count)]
        size = chance.normal(size=count) + 3.0 * (d == 12)
        ids = np.arange(count) + d * count
        label = chance.integers(0, 2, count)
        frames.append(pd.DataFrame({"id": ids, "at": at, "y": label, "size": size, "true": label}))
    rows = pd.concat(frames, ignore_index=True)
    rows[["id", "at", "y", "true"]].to_parquet(tmp_path / "p.parquet")
    # The last day's features never came but for a few.
    kept = rows[(rows["at"] < first + timedelta(days=13)) | (rows["id"] % 10 == 0)]
    kept = kept.assign(id=kept["id"].astype(str), group=np.where(kept["id"] % 2, "odd", "even"))
    kept[["id", "at", "size", "group"]].sample(frac=1, random_state=1).to_parquet(
        tmp_path / "f.parquet"
    )
    config = parse_config(
        {
            "model": "joined",
            "source": {
                "predictions": str(tmp_path / "p.parquet"),
                "features": str(tmp_path / "f.parquet"),
            },
            "columns": {
                "id": "id",
                "timestamp": "at",
                "prediction": "y",
                "label": "true",
                "numeric": ["size"],
                "segments": ["group"],
            },
            "baseline": {"start": "2024-03-01", "end": "2024-03-11"},
        }
    )
    stages.build_baseline(config, now=first + timedelta(days=20))
    store = open_store("sqlite://")
    windows = list(config.cadence.windows(first + timedelta(days=11), first + timedelta(days=14)))
    quiet, drifted, torn = stages.walk(config, windows, store)
    alerts = [{c.key for c in r.checks if c.pages} for r in (quiet, drifted, torn)]
    assert "drift/psi/size" not in alerts[0] | alerts[2]
    assert "drift/psi/size" in alerts[1]
    assert "quality/null_share/size" in alerts[2]
    share = next(c for c in torn.checks if c.key == "quality/null_share/size")
    assert share.value == pytest.approx(0.9)
    # Segments of a feature cut the labelled rows too.
    assert {c.key for c in quiet.checks} >= {
        "performance/accuracy[group=odd]",
        "drift/psi/size[group=even]",
    }
