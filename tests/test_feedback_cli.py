"""`monitoring status`, `incident` and `silence`: what they print, keep and refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import PrefectServer
from feedback_model import MODEL, MONITOR, decide, only_incident, told, window, write_monitor

from monitoring_sdk import cli, stages
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig


@pytest.fixture
def monitors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a folder of monitors and a store of this test's own."""
    monkeypatch.setenv("MONITORING_MONITORS", str(tmp_path / "monitors"))
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path}/store.db")
    return tmp_path / "monitors"


@pytest.fixture
def config(monitors: Path, monkeypatch: pytest.MonkeyPatch) -> MonitorConfig:
    """The model's monitor file."""
    return write_monitor(monitors.parent, monkeypatch)


@pytest.fixture
def store(config: MonitorConfig) -> Iterator[Store]:
    """Open the store, with an incident open since the 1st of March."""
    opened = open_store()
    decide(config, opened, 1, "drift")
    decide(config, opened, 2, "drift", "prediction")
    yield opened
    opened.close()


@pytest.fixture
def identity(store: Store) -> str:
    """The id of that incident."""
    return only_incident(store).id


def monitoring(*arguments: Any) -> Result:
    """Call the command."""
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def document(*arguments: Any) -> Any:
    """Call it with --json, and read stdout as one document."""
    result = monitoring(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(*arguments: Any, status: int = 2) -> str:
    """Call it, see it fail in words, and return them."""
    result = monitoring(*arguments)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


class TestIncident:
    def test_it_is_shown_with_what_was_said(self, identity: str):
        shown = document("incident", identity[:6])
        assert shown["incident"]["id"] == identity
        assert shown["incident"]["families"] == ["drift", "prediction"]
        assert (shown["model"], shown["said"], shown["changed"]) == (MODEL, [], False)
        assert shown["triggers"][0]["incident"] == identity
        assert "nothing was said about it yet" in monitoring("incident", identity).stdout

    def test_who_and_when_is_kept(self, identity: str, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("LOGNAME", "login")
        shown = document("incident", identity, "--ack", "--reason", "at it", "--by", "ann")
        assert shown["changed"]
        (said,) = shown["said"]
        assert (said["kind"], said["said_by"], said["reason"]) == ("ack", "ann", "at it")
        assert said["said"].endswith("Z")
        closed = document("incident", identity, "--false-alarm")
        assert [s["said_by"] for s in closed["said"]] == ["ann", "login"]
        assert closed["incident"]["closed"] == "2024-03-03T05:00:00Z"

    def test_an_expected_change_shows_its_epoch(self, identity: str):
        shown = document("incident", identity, "--expected-change", "--reason", "new prices")
        assert shown["epoch"] == {
            "valid_from": "2024-03-01T05:00:00Z",
            "baseline": "v1",
            "families": ["drift", "prediction"],
            "reason": "new prices",
        }
        text = monitoring("incident", identity).stdout
        assert "drift, prediction start afresh (baseline v1)" in text
        assert "expected change: " in text

    def test_the_same_twice_is_said_to_change_nothing(self, identity: str, store: Store):
        assert monitoring("incident", identity, "--ack").exit_code == 0
        again = monitoring("incident", identity, "--ack", "--by", "bob")
        assert again.exit_code == 0
        assert "said before: nothing changed" in again.stdout
        assert len(store.feedback()) == 1

    def test_two_verdicts_at_once_are_refused(self, identity: str, store: Store):
        told_why = refused("incident", identity, "--ack", "--false-alarm")
        assert "--ack and --false-alarm exclude each other" in told_why
        assert store.feedback() == []

    def test_a_reason_without_a_verdict_is_refused(self, identity: str):
        assert "go with one of --ack" in refused("incident", identity, "--reason", "why")

    def test_an_unknown_or_short_id_is_refused(self, identity: str):
        assert "no incident has this id: got '123456'" in refused("incident", "123456", "--ack")
        assert "needs 6 characters" in refused("incident", identity[:4])

    def test_it_creates_no_store(self, config: MonitorConfig, tmp_path: Path):
        assert "there is none in the store" in refused("incident", "123456", "--ack")
        assert not (tmp_path / "store.db").exists()


class TestSilence:
    def test_it_holds_alerts_back_and_is_ended(self, config: MonitorConfig, store: Store):
        now = stages.clock()
        said = document("silence", MODEL, "--for", "6h", "--reason", "release", "--by", "ann")
        assert (said["model"], said["said_by"], said["reason"]) == (MODEL, "ann", "release")
        (kept,) = store.feedback(MODEL)
        assert kept.until - kept.said == timedelta(hours=6)
        decide(config, store, 3, "drift", "estimate", now=now + timedelta(hours=1))
        assert "joined:estimate" not in told(store)
        ended = monitoring("silence", MODEL, "--for", "0h")
        assert ended.stdout == "shop: alerts are made again\n"
        decide(config, store, 4, "quality", now=stages.clock())
        assert told(store)[-1] == "joined:quality"

    def test_a_model_without_a_store_can_be_silenced(self, config: MonitorConfig):
        result = monitoring("silence", MODEL, "--for", "30min", "--reason", "x")
        assert result.stdout.startswith("shop: no alerts until ")

    def test_a_monitor_file_may_be_given(self, config: MonitorConfig, monitors: Path):
        said = document("silence", monitors / f"{MODEL}.yaml", "--for", "1h", "--reason", "x")
        assert said["model"] == MODEL

    def test_a_broken_monitor_file_is_no_obstacle(self, config: MonitorConfig, monitors: Path):
        (monitors / f"{MODEL}.yaml").write_text("model: [")
        assert document("silence", MODEL, "--for", "1h", "--reason", "x")["model"] == MODEL

    def test_wrong_usage_is_refused(self, store: Store):
        assert "did you mean shop?" in refused("silence", "shpo", "--for", "1h", "--reason", "x")
        for length in ("soon", "6", "-1h", "9999999999d"):
            told_why = refused("silence", MODEL, f"--for={length}", "--reason", "x")
            assert "--for: not a length of time" in told_why
        assert "longer than a year" in refused("silence", MODEL, "--for", "60w", "--reason", "x")
        assert "--reason is missing" in refused("silence", MODEL, "--for", "1h")
        assert "--for" in refused("silence", MODEL, "--reason", "x")
        assert store.feedback() == []


class TestStatus:
    def test_a_line_a_model(self, store: Store, identity: str):
        (shown,) = document("status")["models"]
        assert (shown["model"], shown["status"], shown["rows"]) == (MODEL, "alert", 100)
        assert shown["window"]["end"] == "2024-03-03T05:00:00Z"
        assert shown["incident"]["id"] == identity
        assert shown["budget"] == {"spent": 1, "allowed": "1 per 30d"}
        head, line, *left = monitoring("status").stdout.splitlines()
        assert [told.startswith("stale: shop: ") for told in left] == [True]
        assert head.split()[:3] == ["model", "last", "window"]
        since = f"{identity[:8]} since 2024-03-02: drift, prediction"
        assert since in line
        assert line.startswith("shop   2024-03-02   alert")
        assert line.endswith("1 of 1 per 30d")

    def test_an_acknowledgement_and_a_silence_are_shown(self, identity: str):
        monitoring("incident", identity, "--ack")
        monitoring("silence", MODEL, "--for", "6h", "--reason", "x")
        (shown,) = document("status")["models"]
        assert shown["incident"]["acknowledged"]
        assert shown["silenced_until"] is not None
        assert ", acknowledged" in monitoring("status").stdout
        monitoring("silence", MODEL, "--for", "0h")
        assert document("status")["models"][0]["silenced_until"] is None

    def test_the_budget_counts_its_last_period_alone(self, config: MonitorConfig, store: Store):
        monitoring("incident", only_incident(store).id, "--false-alarm")
        decide(config, store, 3, "drift")
        assert document("status")["models"][0]["budget"]["spent"] == 2
        # Thirty days before the end of the 1st of April, the first of them was open already.
        decide(config, store, 32)
        assert document("status")["models"][0]["budget"]["spent"] == 1

    def test_a_broken_file_harms_no_other(self, store: Store, monitors: Path):
        (monitors / "a.yaml").write_text("model: a\noops: 1\n")
        (monitors / "b.yaml").write_bytes(b"\xff\xfe\x00")
        (monitors / "c.yaml").write_text(MONITOR.replace("model: shop", "model: other"))
        (monitors / "d.yml").mkdir()
        (monitors / "_fleet.yaml").write_text("budget: 1 per 30d")
        result = monitoring("status")
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert [line.split()[0] for line in lines[1:6]] == ["a", "b", "d", "other", "shop"]
        assert all(line.endswith("broken file") for line in lines[1:4])
        assert lines[4].endswith("0 of 0.2 per 30d")
        assert "a: " in lines[6]
        assert "more: monitoring check " in lines[7]
        assert "b.yaml: cannot be read: it is not UTF-8 text" in result.stdout
        models = {m["model"]: m for m in document("status")["models"]}
        assert "oops" in str(models["a"]["problems"])
        assert models["other"]["window"] is None
        assert models["shop"]["status"] == "alert"

    def test_a_file_that_broke_still_has_its_windows(self, store: Store, monitors: Path):
        (monitors / f"{MODEL}.yaml").write_text("model: shop\noops: 1\n")
        (shown,) = document("status")["models"]
        assert shown["status"] == "alert"
        assert shown["budget"] is None

    def test_a_model_of_the_store_alone_is_listed(self, store: Store, monitors: Path):
        (monitors / f"{MODEL}.yaml").unlink()
        (shown,) = document("status")["models"]
        assert (shown["model"], shown["file"], shown["status"]) == (MODEL, None, "alert")
        assert "no monitor file" in monitoring("status").stdout

    def test_without_anything_it_says_so_and_creates_nothing(self, monitors: Path, tmp_path: Path):
        assert "no model" in monitoring("status").stdout
        assert document("status")["models"] == []
        assert list(tmp_path.iterdir()) == []

    def test_a_store_that_cannot_be_opened_is_exit_1(
        self, config: MonitorConfig, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("MONITORING_STORE", "postgresql://me:s3cret@127.0.0.1:1/db")
        assert "s3cret" not in refused("status", status=1)


def test_none_of_them_imports_prefect(store: Store, identity: str):
    calls = [["status"], ["incident", identity, "--ack"], ["silence", MODEL, "--for", "0h"]]
    code = (
        "import sys, monitoring_sdk.cli as cli\n"
        f"for call in {calls!r}:\n"
        "    cli.main(call, standalone_mode=False)\n"
        "heavy = {'prefect', 'great_expectations', 'altair', 'jinja2'}\n"
        "sys.exit(repr(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.server
def test_the_flow_says_it_too(store: Store, identity: str, prefect_server: PrefectServer):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.run_local import call_flow
    from monitoring_sdk.errors import ConfigError

    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        shown = call_flow("feedback", incident=identity[:8], verdict="false_alarm", by="ann")
        again = call_flow("feedback", incident=identity, verdict="false_alarm")
        with pytest.raises(ConfigError, match="no incident has this id"):
            call_flow("feedback", incident="123456", verdict="ack")
    assert (shown["changed"], again["changed"]) == (True, False)
    assert [(s["kind"], s["said_by"]) for s in again["said"]] == [("false_alarm", "ann")]
    assert only_incident(store).closed == window(stages.find_config(MODEL)[0], 2).end
    (run, *_) = prefect_server.flow_runs(name={"any_": [f"{identity[:8]} false alarm"]})
    assert prefect_server.task_names(run["id"], 1) == ["say"]
