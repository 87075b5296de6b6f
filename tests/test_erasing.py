"""`monitoring erase` and `retention`: what goes, what stays, and what is said of it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from monitoring_sdk import ModelMonitor, cli, stages
from monitoring_sdk.adapters import log_files
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.decision import Decision, ResultRow
from monitoring_sdk.errors import ConfigError, SourceError
from monitoring_sdk.report import Incident
from monitoring_sdk.stages.erasing import erase
from monitoring_sdk.stages.operations import LOOK_BACK
from monitoring_sdk.window import Window

FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def day(number: int) -> Window:
    return Window(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def config_of(folder: Path, **changes: Any) -> MonitorConfig:
    return parse_config(
        {
            "model": "shop",
            "source": {"predictions": f"{folder}/predictions", "labels": f"{folder}/labels"},
            "columns": {
                "id": "id",
                "timestamp": "timestamp",
                "prediction": "prediction",
                "label": "label",
            },
            "labels": {"give_up": "2d"},
            **changes,
        }
    )


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a log of three days as a serving process does; ids are text."""
    monkeypatch.chdir(tmp_path)
    monitor = ModelMonitor(model="shop", baseline=None, log=tmp_path / ".monitoring/log/shop")
    for number in range(3):
        at = [FIRST + timedelta(days=number, hours=h) for h in range(4)]
        ids = [f"{number}-{i}" for i in range(3)] + ["gone"]
        monitor.log_predictions([0, 1, 0, 1], ids=ids, timestamps=at, features={"x": [1, 2, 3, 4]})
        monitor.log_true_labels([0, 1, 1, 1], ids=ids, timestamps=at)
    flush = getattr(monitor, "flush", None)
    if flush is not None:
        flush()
    return tmp_path / ".monitoring/log/shop"


def ids_in(folder: Path) -> list[str]:
    return [i for p in sorted(folder.rglob("*.parquet")) for i in pd.read_parquet(p)["id"]]


def test_an_ids_rows_go_and_all_others_stay(log: Path) -> None:
    before = {p: pq.read_table(p) for p in log.rglob("*.parquet")}
    (log.parent / "collector.db").touch()
    result = CliRunner().invoke(cli.main, ["erase", "--id", "gone", "--json"])
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["rows"], told["files_looked_at"]) == (6, 6)
    assert sorted(f["rows"] for f in told["files"]) == [1] * 6
    for what in ("baselines", "collector.db"):
        assert any(what in text for text in told["not_reached"])
    assert "gone" not in ids_in(log)
    for path, table in before.items():
        now = pq.read_table(path)
        kept = table.filter(pa.compute.not_equal(table.column("id"), "gone"))
        assert now.schema.equals(table.schema, check_metadata=True)
        assert now.equals(kept)
    assert not list(log.rglob("*.tmp"))
    again = CliRunner().invoke(cli.main, ["erase", "--id", "gone"])
    assert "0 rows erased from 0 of 6 files" in again.stdout


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string()], ids=str)
def test_an_id_is_the_same_whatever_its_type(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"id": pa.array([5, None, 6, 5]).cast(kind), "x": [1, 2, 3, 4]})
    pq.write_table(table, path, row_group_size=2, compression="snappy")
    os.chmod(path, 0o640)
    done = log_files.erase_rows(path, {"id": "5"})
    assert done is not None
    assert done.rows == 2
    assert pq.read_table(path).column("x").to_pylist() == [2, 3]
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "SNAPPY"
    assert oct(path.stat().st_mode)[-3:] == "640"
    assert log_files.erase_rows(path, {"id": "5"}) is None


def test_ids_of_several_columns_and_places_that_stay(tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()
    frame = pd.DataFrame({"user": ["u", "u", "v"], "item": [1, 2, 1], "timestamp": FIRST})
    frame.to_parquet(tmp_path / "predictions" / "a.parquet")
    frame.to_csv(tmp_path / "predictions" / "b.csv", index=False)
    source = {
        "predictions": f"{tmp_path}/predictions",
        "labels": {"url": f"sqlite:///{tmp_path}/x.db", "table": "t"},
    }
    columns = {"id": ["user", "item"], "timestamp": "timestamp", "prediction": "p", "label": "l"}
    config = config_of(tmp_path, source=source, columns=columns)
    with pytest.raises(ConfigError, match="1 values for 2 id columns"):
        erase(["u"], config)
    found = erase(["u", "1"], config)
    assert found.rows == 1
    left = pd.read_parquet(tmp_path / "predictions" / "a.parquet")
    assert left["user"].tolist() == ["u", "v"]
    assert any("1 files that are no Parquet" in text for text in found.unreached)
    assert any("a database" in text for text in found.unreached)


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(SourceError, match=r"a\.parquet: cannot be written anew"):
        log_files.erase_rows(path, {"id": "5"})
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


# --- Retention ------------------------------------------------------------------------------------


def result_of(number: int, model: str = "shop") -> ResultRow:
    window = day(number)
    return ResultRow(model, window, "data", None, "s", f"f{number}", window.end, "ok", None, 9, ())


def decided(store: Store, numbers: range, incident: Incident | None = None) -> None:
    for number in numbers:
        row = result_of(number)
        store.save_profile("shop", row.window, None, row.fingerprint, {})
        with store.deciding("shop", holder="test", now=row.window.end) as tx:
            own = incident if incident is not None and number == numbers[-1] else None
            tx.save(Decision("shop", row.window, row.as_of, (row,), own, None, (), True))


def left(store: Store) -> list[int]:
    return [(r.window.start - FIRST).days for r in store.results("shop")]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    monkeypatch.chdir(tmp_path)
    return open_store("sqlite://")


def test_results_go_by_age_and_the_last_windows_stay(store: Store, tmp_path: Path) -> None:
    last = LOOK_BACK + 50
    decided(store, range(last))
    config = config_of(tmp_path, retention={"results": "420d"})
    found = stages.retain(config, store)
    assert left(store) == list(range(last - 420, last))
    assert (found.verdicts, found.profiles) == (30, 30)
    short = config_of(tmp_path, retention={"results": "10d"})
    stages.retain(short, store)
    assert left(store) == list(range(last - LOOK_BACK, last))
    assert stages.retain(short, store).verdicts == 0


def test_what_an_open_incident_needs_stays(store: Store, tmp_path: Path) -> None:
    incident = Incident(
        id="i", model="shop", opened=day(20).end, closed=None, families=("drift",), checks=()
    )
    decided(store, range(LOOK_BACK + 50), incident)
    stages.retain(config_of(tmp_path, retention={"results": "1d"}), store)
    assert left(store)[0] == 0


def test_what_thresholds_are_set_from_stays(store: Store) -> None:
    decided(store, range(10))
    gone = store.forget("shop", day(8).end, Window(day(2).start, day(4).end))
    assert gone == (6, 6)
    assert left(store) == [2, 3, 4, 9]


def test_whole_days_of_the_log_go_once_their_labels_are_settled(log: Path, store: Store) -> None:
    config = config_of(log, retention={"log": "1d"})
    nothing = stages.retain(config, store)
    assert nothing.notes == ("no window was decided yet",)
    decided(store, range(6))
    (log / "predictions" / "date=2024-01-01" / "notes.txt").write_text("mine")
    found = stages.retain(config, store)
    # Decided until the 7th; labels are awaited for two days, and two windows are to spare.
    assert found.log_before == datetime(2024, 1, 3, tzinfo=UTC)
    assert found.files == 2
    assert sorted(p.name for p in (log / "predictions").iterdir()) == [
        "date=2024-01-01",
        "date=2024-01-02",
        "date=2024-01-03",
    ]
    assert not (log / "labels" / "date=2024-01-01").exists()
    assert "2024" in found.text() or "2 log files" in found.text()


def test_retention_is_a_command(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path}/store.db")
    store = open_store()
    decided(store, range(6))
    store.close()
    file = tmp_path / "shop.yaml"
    file.write_text(
        f"model: shop\nsource: {{predictions: {log}/predictions, labels: {log}/labels}}\n"
        "columns: {id: id, timestamp: timestamp, prediction: prediction, label: label}\n"
        "labels: {give_up: 2d}\nretention: {log: 30d, results: 2y}\n"
    )
    result = CliRunner().invoke(cli.main, ["retention", str(file), "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["removed"] == {"log_files": 0, "results": 0, "profiles": 0}


@pytest.mark.parametrize("length", ["0d", "5h", "soon", "-2y"])
def test_a_length_that_is_none_is_refused(tmp_path: Path, length: str) -> None:
    with pytest.raises(ConfigError, match=r"retention\.log: not a length of time of a day or more"):
        config_of(tmp_path, retention={"log": length})
