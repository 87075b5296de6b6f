"""Inference logs behind URLs: filed by a process and by the collector, erased from, kept within."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pandas as pd
import pyarrow as pa
import pytest
from conftest import name_s3

from monitoring_sdk import ModelMonitor
from monitoring_sdk.adapters import folders
from monitoring_sdk.adapters.collector_intake import MOMENT, Intake, Job
from monitoring_sdk.adapters.log_files import remove_days
from monitoring_sdk.adapters.sources.source import open_source
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.stages.erasing import erase

FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def config_of(log: str) -> MonitorConfig:
    partition = {"column": "date", "format": "%Y-%m-%d"}
    return parse_config(
        {
            "model": "shop",
            "source": {"predictions": {"path": f"{log}/predictions", "partition": partition}},
            "columns": {"id": "id", "timestamp": "timestamp", "prediction": "prediction"},
        }
    )


def log_days(monitor: ModelMonitor, days: int = 3) -> None:
    for number in range(days):
        at = [FIRST + timedelta(days=number, hours=h) for h in range(3)]
        ids = [f"{number}-0", f"{number}-1", "gone"]
        monitor.log_predictions([0, 1, 1], ids=ids, timestamps=at, features={"x": [1, 2, 3]})


def names(log: str) -> list[str]:
    fs, inner = fsspec.core.url_to_fs(log)
    fs.invalidate_cache()
    return sorted(name.removeprefix(inner) for name in fs.find(inner))


def ids_of(log: str) -> list[str]:
    fs, inner = fsspec.core.url_to_fs(log)
    fs.invalidate_cache()
    frames = [pd.read_parquet(fs.open(name)) for name in fs.find(inner)]
    return sorted(str(i) for frame in frames for i in frame["id"])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_log_behind_a_url_is_a_source_and_can_be_erased_from(remote: str, here: Path) -> None:
    log = f"{remote}/log/shop"
    monitor = ModelMonitor(model="shop", log=log)
    log_days(monitor)
    assert monitor.flush()
    assert [name.split("/")[2] for name in names(log)] == [
        f"date=2024-01-0{n}" for n in range(1, 4)
    ]
    # Nothing but what is on its way was ever on this disk.
    assert not list(here.rglob("*.parquet"))
    config = config_of(log)
    window = config.cadence.ending(FIRST + timedelta(days=2))
    source = open_source(config.source.predictions)
    assert source.count(window, config.columns.timestamp) == 3

    found = erase(["gone"], config)
    assert (found.rows, len(found.files)) == (3, 3)
    assert not any("store of objects" in text for text in found.unreached)
    assert ids_of(log) == [f"{n}-{i}" for n in range(3) for i in range(2)]
    assert erase(["gone"], config).rows == 0

    gone = remove_days(folders.folder(f"{log}/predictions"), FIRST + timedelta(days=3))
    assert [path.parent.name for path in gone] == ["date=2024-01-01", "date=2024-01-02"]
    assert ids_of(log) == ["2-0", "2-1"]


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URL of a bucket that is not there yet, on a server that variables name."""
    name_s3(monkeypatch, s3)
    fs = fsspec.filesystem("s3")
    fs.clear_instance_cache()
    yield "s3://not-yet"
    fsspec.filesystem("s3").rm("not-yet", recursive=True)
    fs.clear_instance_cache()


def test_rows_wait_for_a_place_that_is_away(here: Path, bucket: str) -> None:
    monitor = ModelMonitor(model="shop", log=f"{bucket}/log/shop")
    log_days(monitor, 1)
    # To the driver that is a file which is not found.
    assert not monitor.flush(20)
    status = monitor.log_status
    assert (status.settled, status.spooled) == (0, 3)
    assert f"{bucket}/log/shop: cannot be reached" in str(status.problem)
    fsspec.filesystem("s3").mkdir(bucket)
    assert monitor.flush(20)
    assert monitor.log_status.settled == 3
    assert ids_of(f"{bucket}/log/shop") == ["0-0", "0-1", "gone"]


FORKING = """\
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from monitoring_sdk import ModelMonitor
monitor = ModelMonitor(model="shop", log="s3://not-yet/log")
monitor.log_predictions([1], ids=["parent"])
monitor.flush()
pid = os.fork()
if pid == 0:
    monitor.log_predictions([1], ids=["child"])
    sys.exit(0)
os.waitpid(pid, 0)
"""


def test_a_forked_worker_reaches_it_too(here: Path, bucket: str) -> None:
    fsspec.filesystem("s3").mkdir(bucket)
    subprocess.run([sys.executable, "-c", FORKING], check=True, timeout=60)
    assert ids_of(f"{bucket}/log") == ["child", "parent"]


def test_two_collectors_file_in_one_remote_folder(remote: str, here: Path) -> None:
    files = folders.folder(f"{remote}/log")
    moments = pa.array([FIRST], pa.timestamp("us", "UTC"))
    for name in ("one", "two"):
        intake = Intake(here / name, every=0.05, files=files)
        rows = pa.table({"id": [name], "timestamp": moments, MOMENT: moments})
        job = Job("shop", "predictions", rows, [name.encode()])
        assert intake.submit(job)
        assert job.done.result(10) == 1
        intake.close()
    assert ids_of(f"{remote}/log") == ["one", "two"]
    assert not list(here.rglob("*.parquet"))


def test_beside_a_collector_the_log_is_on_this_disk(here: Path) -> None:
    with pytest.raises(ConfigError, match="beside url it must be a folder on this disk"):
        ModelMonitor(model="shop", log="memory://log", url="http://127.0.0.1:9", api_key="k")
