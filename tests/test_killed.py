"""A run that is killed and started again leaves one verdict, one alert and one trigger."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import PrefectServer
from slack_server import TOKEN, SlackServer
from small_model import DRIFT_DAY, day, write_small_model

from monitoring_sdk import cli, stages
from monitoring_sdk.adapters.store import open_store

pytestmark = pytest.mark.server

WINDOW_END = day(DRIFT_DAY + 1)
LATER = timedelta(minutes=30)
"""By then every claim of a process that died is free again."""


@pytest.fixture
def place(tmp_path: Path, prefect: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay out a model whose window drifts, with a baseline, a Slack channel and a hook."""
    file = write_small_model(tmp_path, sys.executable)
    file.write_text(file.read_text() + "alerts: {slack: {channel: C0123456}}\n")
    own = {
        "MONITORING_BASELINES": str(tmp_path / "baselines"),
        "MONITORING_STORE": f"sqlite:///{tmp_path}/store.db",
        "MONITORING_REPORTS": str(tmp_path / "reports"),
        "SLACK_BOT_TOKEN": TOKEN,
    }
    for name, value in (prefect.environment | own).items():
        monkeypatch.setenv(name, value)
    stages.build_baseline(stages.find_config(file)[0], now=datetime.now(UTC))
    return tmp_path


def arguments(place: Path) -> list[str]:
    """Return the arguments of the run that is killed and started again."""
    file = place / "monitors" / "small.yaml"
    return ["run", str(file), "--window-end", WINDOW_END.isoformat()]


def start(place: Path) -> subprocess.Popen[bytes]:
    """Start `monitoring run` in a process group of its own."""
    with open(place / "run.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "monitoring_sdk.cli", *arguments(place)],
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
        )


def kill_when(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    """SIGKILL a process and its children once something has happened."""
    deadline = time.monotonic() + 90
    while not reached():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "it never came that far"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def count(place: Path, query: str) -> int:
    """Ask the store, which may not be there yet."""
    path = place / "store.db"
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def settle(place: Path, slack: SlackServer) -> None:
    """Start the run again, let it end, and deliver what is left once old claims are void."""
    again = CliRunner().invoke(cli.main, arguments(place))
    assert again.exit_code == 0, (place / "run.log").read_text() + again.output
    store = open_store()
    try:
        stages.deliver_all(store, now=datetime.now(UTC) + LATER)
    finally:
        store.close()


def assert_once(place: Path, slack: SlackServer) -> None:
    """See one verdict, one incident, one message and one trigger."""
    assert count(place, "select count(*) from result where part = 'data'") == 1
    assert count(place, "select count(*) from incident") == 1
    assert count(place, "select count(*) from trigger") == 1
    assert count(place, "select count(*) from outbox where state != 'sent'") == 0
    assert len(slack.messages) == len(set(slack.delivery_ids())) == 1
    # A hook is called at least once, with the one trigger's id to tell a repeat by.
    assert 1 <= (place / "hook.txt").read_text().count("called") <= 2


def test_killed_before_the_decision(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SlackServer() as slack:
        monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
        kill_when(start(place), lambda: count(place, "select count(*) from profile") > 0)
        settle(place, slack)
        assert_once(place, slack)


def test_killed_between_the_decision_and_its_delivery(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SlackServer() as slack:
        monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
        kill_when(start(place), lambda: count(place, "select count(*) from outbox") > 0)
        settle(place, slack)
        assert_once(place, slack)


def test_killed_while_slack_is_answering(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SlackServer() as slack:
        slack.faults.append(("chat.postMessage", "hang"))
        monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
        kill_when(start(place), lambda: len(slack.messages) > 0)
        settle(place, slack)
        assert "conversations.history" in slack.calls
        assert_once(place, slack)
