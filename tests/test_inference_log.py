"""The inference log of a serving process: nothing waits, nothing is lost unsaid, nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitoring_sdk import ModelMonitor
from monitoring_sdk.adapters.log_writer import LogLimits
from monitoring_sdk.adapters.logged_chunks import RecentRows, lay_plainly, tables
from monitoring_sdk.adapters.logged_rows import lay_rows
from monitoring_sdk.adapters.spool import Spool, read_segment, segments, take_over


def filed(log: Path, kind: str = "predictions") -> pd.DataFrame:
    """Return every row of a log's files."""
    parts = [pd.read_parquet(p) for p in sorted((log / kind).rglob("*.parquet"))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"id": []})


def wait_for(what: Any, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def start(folder: Path, script: str, *arguments: str) -> subprocess.Popen[str]:
    path = folder / "serving.py"
    path.write_text(script)
    return subprocess.Popen(
        [sys.executable, str(path), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# --- Rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "extra", "features"),
    [
        ([0, 1, None], {"id": ["a", "b", "c"], "latency_ms": 2.5}, None),
        (
            np.array([0.5, np.nan]),
            {"id": (1, 2), "score": np.array([0.1, 0.2])},
            {"x": 1, "y": "u"},
        ),
        (["x", "y"], {"id": np.array(["a", "b"])}, {"v": [True, False], 7: np.arange(2)}),
        ([np.int8(3)], {"id": [np.str_("a")], "score_a": [np.float32(0.5)]}, {"prediction": 9}),
    ],
)
def test_the_quick_way_lays_the_same_rows(values: Any, extra: Any, features: Any) -> None:
    quick = lay_plainly(values, "prediction", extra, features, ("id",))
    assert quick is not None
    (mine,) = tables([quick])
    (theirs,) = tables([lay_rows(values, "prediction", extra, features, ("id",))])
    assert mine.to_pylist() == theirs.to_pylist()


@pytest.mark.parametrize(
    ("values", "extra", "features"),
    [
        (5, {}, None),
        ([[1], [2]], {}, None),
        ([1, 2], {"id": 1}, None),
        ([1, 2], {"score": [1]}, None),
        ([1, 2], {}, {"x": [1, 2], "y": 0}),
        ([1], {}, pd.DataFrame({"x": [1]})),
        (pd.Series([1]), {}, None),
        ([pd.Timestamp("2024-01-01")], {}, None),
    ],
)
def test_the_quick_way_leaves_the_rest_to_the_careful_one(
    values: Any, extra: Any, features: Any
) -> None:
    assert lay_plainly(values, "prediction", extra, features, ("id",)) is None


def test_values_of_several_types_become_texts() -> None:
    (table,) = tables([{"id": [1], "x": ["a"]}, {"id": [2], "x": [0.5]}, {"id": [3], "x": [None]}])
    assert table.column("x").to_pylist() == ["a", "0.5", None]


def test_memory_holds_the_newest_rows_only() -> None:
    recent = RecentRows(1000)
    for n in range(20_000):
        recent.add({"id": [n]})
    held = pd.concat(recent.frames())["id"]
    assert 1000 <= len(held) <= 1000 + 4096
    assert held.iloc[-1] == 19_999
    assert held.is_monotonic_increasing
    monitor = ModelMonitor(keep_rows=3)
    for call in ([0, 0], [1, 1], [1, 1]):
        monitor.log_predictions(pd.Series(call))
    assert monitor.calculate_metric("rows") == 4


def test_what_the_caller_changes_later_changes_nothing(tmp_path: Path) -> None:
    monitor = ModelMonitor(model="m", log=tmp_path)
    said, sizes = [1, 0], np.array([1.0, 2.0])
    frame = pd.DataFrame({"prediction": [1, 1], "id": ["c", "d"]})
    monitor.log_predictions(said, ids=["a", "b"], features={"size": sizes})
    monitor.log_predictions(frame)
    said[0], sizes[0] = 9, 9.0
    frame.loc[0, "prediction"] = 9
    assert monitor.flush()
    rows = filed(tmp_path).sort_values("id")
    assert list(rows["prediction"]) == [1, 0, 1, 1]
    assert rows["size"].max() == 2.0


# --- Files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits", [LogLimits(segment_seconds=0.1), LogLimits(segment_bytes=1000)], ids=["age", "size"]
)
def test_files_come_by_themselves(tmp_path: Path, limits: LogLimits) -> None:
    monitor = ModelMonitor(model="m", log=tmp_path, limits=limits)
    for n in range(100):
        monitor.log_predictions([n], ids=[f"{n:040}"])
    wait_for(lambda: len(filed(tmp_path)) >= 80)
    monitor.log_true_labels([1], ids=["x"])
    assert monitor.flush()
    assert sorted(filed(tmp_path)["prediction"]) == list(range(100))
    assert len(filed(tmp_path, "labels")) == 1
    status = monitor.log_status
    assert (status.logged, status.spooled, status.settled) == (101, 101, 101)
    assert (status.dropped, status.problem) == (0, None)


def test_a_disk_that_takes_nothing_costs_the_caller_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    monitor = ModelMonitor(model="m", log=tmp_path / "log", limits=LogLimits(queue_rows=50))
    for n in range(200):
        monitor.log_predictions([n], ids=[n])
    assert not monitor.flush(0.2)
    status = monitor.log_status
    assert (status.logged, status.dropped, status.spooled) == (50, 150, 0)
    assert "the spool takes no rows" in (status.problem or "")
    assert sum("rows are dropped" in r.message for r in caplog.records) <= 1
    (tmp_path / "log").unlink()
    assert monitor.flush()
    assert sorted(filed(tmp_path / "log")["id"]) == list(range(50))
    assert monitor.log_status.problem is None


def test_threads_log_at_once_and_rows_number_themselves(tmp_path: Path) -> None:
    monitor = ModelMonitor(model="m", log=tmp_path)
    threads = [
        threading.Thread(target=lambda: [monitor.log_predictions([1]) for _ in range(500)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.flush()
    assert sorted(filed(tmp_path)["id"]) == list(range(2000))


def test_half_an_append_is_left_out_and_a_failed_one_undone(tmp_path: Path) -> None:
    spool, rows = Spool(tmp_path), pa.table({"a": [1, 2]})
    segment = spool.open_segment("predictions", rows.schema, 0.0)
    segment.append(rows)
    whole = segment.path.read_bytes()
    segment.append(rows)
    twice = segment.path.read_bytes()
    for end in range(len(twice)):
        segment.path.write_bytes(twice[:end])
        found = read_segment(segment.path)
        assert (0 if found is None else found.num_rows) == (
            0 if end < len(whole) else 2 if end < len(twice) else 4
        )
    assert take_over(tmp_path) == []
    spool.forget()
    assert [a.folder for a in take_over(tmp_path)] == [spool.folder]
    assert list(segments(spool.folder)) == [segment.path]


# --- The end of a process -----------------------------------------------------------------------

ENDING = """\
import os, signal, sys, time
from monitoring_sdk import ModelMonitor
how = sys.argv[1]
if how == "chained":
    signal.signal(signal.SIGTERM, lambda *_: (print("mine", flush=True), sys.exit(7)))
monitor = ModelMonitor(model="m", log="log")
for n in range(1000):
    monitor.log_predictions([n % 2], ids=[n])
print("ready", flush=True)
until = time.monotonic() + 60
while how not in ("exit", "error") and time.monotonic() < until:
    # Not one long sleep: Python handles no signal that comes while a sleep hands over the GIL.
    time.sleep(0.05)
if how == "error":
    raise RuntimeError("it broke")
"""


@pytest.mark.parametrize(
    ("how", "status", "out"),
    [
        ("exit", 0, "ready\n"),
        ("error", 1, "ready\n"),
        ("default", -signal.SIGTERM, "ready\n"),
        ("chained", 7, "ready\nmine\n"),
    ],
)
def test_the_log_is_flushed_at_the_end(tmp_path: Path, how: str, status: int, out: str) -> None:
    process = start(tmp_path, ENDING, how)
    said = process.stdout.readline() if process.stdout else ""
    if how not in ("exit", "error"):
        process.terminate()
    rest, _ = process.communicate(timeout=30)
    assert (process.returncode, said + rest) == (status, out)
    assert sorted(filed(tmp_path / "log")["id"]) == list(range(1000))
    assert list((tmp_path / "log" / ".spool").iterdir()) == []


KILLED = """\
import sys, time
from monitoring_sdk import ModelMonitor
monitor = ModelMonitor(model="m", log="log")
n = 0
while True:
    for _ in range(100):
        monitor.log_predictions([n % 2], ids=[n])
        n += 1
    print(n, monitor.log_status.spooled, flush=True)
    time.sleep(0.01)
"""


def test_a_kill_loses_no_more_than_what_waited_for_the_disk(tmp_path: Path) -> None:
    process = start(tmp_path, KILLED)
    assert process.stdout is not None
    told = [process.stdout.readline().split() for _ in range(30)]
    process.kill()
    process.wait()
    told += [line.split() for line in process.stdout.read().splitlines()]
    logged, spooled = (int(v) for v in [t for t in told if len(t) == 2][-1])
    assert filed(tmp_path / "log").empty
    # The next process of the model files what was left, once, and this one's rows beside it.
    monitor = ModelMonitor(model="m", log=tmp_path / "log")
    monitor.log_predictions([1], ids=[-1])
    assert monitor.flush()
    ids = sorted(filed(tmp_path / "log")["id"])
    assert ids[0] == -1
    assert ids[1:] == list(range(len(ids) - 1))
    assert len(ids) - 1 >= spooled
    assert spooled > 0
    # What waited when the kill came is at most what the queue holds; here, a moment's rows.
    assert logged - (len(ids) - 1) <= 2000
    assert monitor.log_status.settled == len(ids)


FORKING = """\
import os, sys, warnings
# Python 3.12 and later warn of a fork beside threads, which is what is tried here.
warnings.simplefilter("ignore", DeprecationWarning)
from monitoring_sdk import ModelMonitor
monitor = ModelMonitor(model="m", log="log")
monitor.log_predictions([1] * 10, ids=[f"before-{n}" for n in range(10)])
children = []
for worker in range(3):
    pid = os.fork()
    if pid == 0:
        for n in range(200):
            monitor.log_predictions([1], ids=[f"{worker}-{n}"])
        sys.exit(0)
    children.append(pid)
monitor.log_predictions([1] * 10, ids=[f"after-{n}" for n in range(10)])
print([os.waitpid(pid, 0)[1] for pid in children])
"""


def test_every_forked_worker_has_a_log_of_its_own(tmp_path: Path) -> None:
    process = start(tmp_path, FORKING)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "[0, 0, 0]\n", "")
    expected = [f"{when}-{n}" for when in ("before", "after") for n in range(10)]
    expected += [f"{worker}-{n}" for worker in range(3) for n in range(200)]
    assert sorted(filed(tmp_path / "log")["id"]) == sorted(expected)
    processes = {p.name.split("-")[1] for p in (tmp_path / "log").rglob("*.parquet")}
    assert len(processes) == 4
    assert str(os.getpid()) not in processes
