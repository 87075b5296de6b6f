"""Windows that other processes look at ahead: the same verdicts, whatever becomes of the look."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from small_model import day, write_small_model

from monitoring_sdk import stages
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import SourceError
from monitoring_sdk.stages import looking
from monitoring_sdk.stages.estimate import forget_calibrators, kept_calibrator
from monitoring_sdk.window import Window

PATIENCE = 30.0


@pytest.fixture(scope="module", autouse=True)
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model with its baseline; other processes find it by the environment."""
    folder = tmp_path_factory.mktemp("looking")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_BASELINES", str(folder / "baselines"))
        config, _ = stages.find_config(write_small_model(folder, sys.executable))
        stages.build_baseline(config, now=datetime.now(UTC))
        yield folder


@pytest.fixture(scope="module")
def config(scene: Path) -> MonitorConfig:
    return stages.find_config(scene / "monitors" / "small.yaml")[0]


@pytest.fixture(scope="module")
def ahead(config: MonitorConfig) -> Iterator[stages.Ahead]:
    """One process beside this one, for all tests that leave it alive."""
    with stages.looking_ahead(config, 1) as found:
        yield found


def window(number: int) -> Window:
    return Window(day(number), day(number + 1))


def handle(config: MonitorConfig, number: int) -> stages.Handle:
    return stages.pull_window(config, window(number), day(number + 1))


def walked(config: MonitorConfig, store: Store, ahead: stages.Ahead | None) -> list[dict[str, Any]]:
    """Walk over the days before and after the drift, and return what was said of them."""
    documents = []
    for number in range(29, 32):
        if ahead is not None:
            ahead.begin(window(number + 1), day(number + 2))
        report = stages.evaluate_window(
            config, window(number), day(number + 1), store, notify=False, ahead=ahead
        )
        documents.append(report.to_dict())
    return documents


def test_verdicts_are_those_of_one_process(
    config: MonitorConfig, ahead: stages.Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = walked(config, open_store("sqlite://"), None)
    forget_calibrators()
    here = []
    look = looking.look
    monkeypatch.setattr(
        stages.steps, "look", lambda pulled: here.append(pulled.window) or look(pulled)
    )
    assert walked(config, open_store("sqlite://"), ahead) == alone
    assert alone[-1]["status"] == "alert"
    # Nobody looked ahead at the first one.
    assert here == [window(29)]


def test_what_the_later_stages_need_comes_with_a_look(
    config: MonitorConfig, ahead: stages.Ahead
) -> None:
    pulled = handle(config, 25)
    found = looking.look(pulled)
    calibrator = kept_calibrator(pulled)
    assert calibrator is not None
    forget_calibrators()
    ahead.begin(window(25), day(26))
    taken = ahead.take(pulled)
    assert taken is not None
    assert taken.quality == found.quality
    assert taken.estimates == found.estimates
    assert kept_calibrator(pulled) == calibrator


def test_a_look_at_other_rows_is_not_taken(config: MonitorConfig, ahead: stages.Ahead) -> None:
    ahead.begin(window(26), day(27))
    assert ahead.take(dataclasses.replace(handle(config, 26), fingerprint="others")) is None
    ahead.begin(window(26), day(27))
    assert ahead.take(dataclasses.replace(handle(config, 26), baseline="v2")) is None


def test_a_window_that_was_not_begun_or_was_dropped_is_looked_at_here(
    config: MonitorConfig, ahead: stages.Ahead
) -> None:
    assert ahead.take(handle(config, 27)) is None
    ahead.begin(window(27), day(28))
    ahead.drop(window(27))
    assert ahead.take(handle(config, 27)) is None


def test_what_goes_wrong_ahead_is_told_where_it_matters(
    tmp_path: Path, config: MonitorConfig, ahead: stages.Ahead
) -> None:
    """The rows are gone when they are looked at ahead, and there again when it is their turn."""
    gone = config.source.model_copy(
        update={
            "predictions": config.source.predictions.model_copy(
                update={"path": str(tmp_path / "none.parquet")}
            )
        }
    )
    elsewhere = stages.Ahead(config.model_copy(update={"source": gone}), ahead.pool)
    elsewhere.begin(window(29), day(30))
    store = open_store("sqlite://")
    report = stages.evaluate_window(config, window(29), day(30), store, ahead=elsewhere)
    assert report.status == "ok"
    elsewhere.begin(window(29), day(30))
    with pytest.raises(SourceError, match=r"none\.parquet"):
        stages.evaluate_window(elsewhere.config, window(29), day(30), store, ahead=elsewhere)


def test_windows_that_are_read_back_leave_no_look(
    config: MonitorConfig, ahead: stages.Ahead
) -> None:
    store = open_store("sqlite://")
    first = stages.evaluate_window(config, window(24), day(25), store)
    ahead.begin(window(24), day(25))
    again = stages.evaluate_window(config, window(24), day(25), store, ahead=ahead)
    # Read back: what was overdue or due then is not told again.
    assert (again.status, again.rows) == (first.status, first.rows)
    assert ahead.take(handle(config, 24)) is None


def test_it_goes_on_alone_when_the_other_process_is_killed(config: MonitorConfig) -> None:
    with stages.looking_ahead(config, 1) as ahead:
        assert ahead.pool is not None
        os.kill(ahead.pool.submit(os.getpid).result(), signal.SIGKILL)
        ahead.begin(window(23), day(24))
        report = stages.evaluate_window(
            config, window(23), day(24), open_store("sqlite://"), ahead=ahead
        )
        assert report.status == "ok"
        assert ahead.pool is None
        ahead.begin(window(24), day(25))
        assert ahead.take(handle(config, 24)) is None


STARTS_ONE = """
import os, time
from monitoring_sdk.stages import looking

if __name__ == "__main__":
    with looking.looking_ahead(None, 1) as ahead:
        print(ahead.pool.submit(os.getpid).result(), flush=True)
        time.sleep(60)
"""


def test_the_other_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    script = tmp_path / "starts_one.py"
    script.write_text(STARTS_ONE)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()
    until = time.monotonic() + PATIENCE
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()
