"""What tells that nobody looks: the heartbeat, stale models; and the fleet in one run."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import PrefectServer
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from slack_server import TOKEN, SlackServer
from small_model import DAYS, MODEL, day, write_small_model

from flows import backfill, build_baseline, fleet, monitor, retrain
from flows.run_local import call_flow
from monitoring_sdk import stages
from monitoring_sdk.adapters import heartbeat
from monitoring_sdk.adapters.prefect_calls import CrashedRun
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.cli import main
from monitoring_sdk.decision import Decision, ResultRow
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.stages.feedback import silence
from monitoring_sdk.stages.stale import stale_models
from monitoring_sdk.stages.status import standings
from monitoring_sdk.stages.unwatched import tell_crashed, tell_stale
from monitoring_sdk.window import Window


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_small_model(tmp_path, sys.executable)
    monkeypatch.setenv("MONITORING_MONITORS", str(tmp_path / "monitors"))
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    monkeypatch.setenv("MONITORING_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path}/store.db")
    return tmp_path


@pytest.fixture
def hearing() -> Iterator[tuple[str, list[str]]]:
    heard: list[str] = []

    class Ear(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(500 if "broken" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    server.server_close()


def test_on_kubernetes_the_defaults_are_refused_by_name(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    for name in ("MONITORING_STORE", "MONITORING_BASELINES"):
        monkeypatch.delenv(name)
    done = CliRunner().invoke(main, ["run", str(place / "monitors" / "small.yaml")])
    assert done.exit_code == 1
    assert "MONITORING_STORE" in done.stderr
    assert "MONITORING_BASELINES" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("flow", "parameters"),
    [
        (backfill.backfill, {"start": day(20), "end": day(25)}),
        (build_baseline.build_baseline, {}),
        (monitor.monitor, {}),
        (retrain.retrain, {"trainer": "json"}),
        (fleet.fleet, None),
        (fleet.watchdog, None),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_every_flow_that_looks_or_builds_refuses_them(
    flow: Any, parameters: dict[str, Any] | None, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.delenv("MONITORING_STORE")
    with pytest.raises(MonitoringError, match="MONITORING_STORE"):
        flow.fn(**({} if parameters is None else {"model": MODEL, **parameters}))
    assert not (place / ".monitoring").exists()


def test_the_heartbeat_is_heard_and_its_failure_tells_no_secret(
    hearing: tuple[str, list[str]],
) -> None:
    url, heard = hearing
    assert heartbeat.beat("a b", {heartbeat.VARIABLE: f"{url}/s3cret/{{model}}"}) is None
    assert heard == ["/s3cret/a%20b"]
    said = heartbeat.beat("m", {heartbeat.VARIABLE: f"{url}/s3cret/broken"})
    assert said == "the heartbeat was not sent: status 500"
    said = heartbeat.beat("m", {heartbeat.VARIABLE: "http://127.0.0.1:9/s3cret"})
    assert said == "the heartbeat was not sent: URLError"


def test_a_model_is_stale_after_two_periods(place: Path) -> None:
    stages.build_baseline(stages.find_config(MODEL)[0], now=datetime.now(UTC))
    store = open_store()
    assert "last judged: never" in stale_models(standings(store, day(25)), day(25))[0]
    config, _ = stages.find_config(MODEL)
    stages.evaluate_window(config, config.cadence.ending(day(24)), day(24), store)
    hour = timedelta(hours=1)
    assert stale_models(standings(store, day(24) + hour), day(24) + hour) == []
    assert stale_models(standings(store, day(26) - hour), day(26) - hour) == []
    (said,) = stale_models(standings(store, day(26)), day(26))
    assert said.startswith("small: no window was judged for two periods")
    store.close()
    done = CliRunner().invoke(main, ["status", "--fail-on-stale"])
    assert done.exit_code == 5
    assert "stale: small" in done.stdout


# --- People are told ------------------------------------------------------------------------------


@pytest.fixture
def told_to(place: Path, slack: SlackServer, monkeypatch: pytest.MonkeyPatch) -> SlackServer:
    """The small model has an owner and a channel, and nothing at all in the store."""
    file = place / "monitors" / "small.yaml"
    more = "owner: {team: ops, mention: '@oncall'}\nalerts: {slack: {channel: C0123456}}\n"
    file.write_text(file.read_text() + more)
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
    return slack


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clock."""
    return lambda now: monkeypatch.setattr(stages, "clock", lambda: now)


def look(*options: str) -> Any:
    """Look from the command line, as cron would."""
    done = CliRunner().invoke(main, ["status", "--notify", "--json", *options])
    assert done.exit_code in (0, 5), done.output
    return json.loads(done.stdout)


def judge(number: int, **changed: Any) -> None:
    """Put down a verdict on a day, as a run of that evening does."""
    window = Window(day(number), day(number + 1))
    row = ResultRow(MODEL, window, "data", "v1", "s", "f", day(number + 1), "ok", None, 9, ())
    store = open_store()
    with store.deciding(MODEL, holder="t", now=day(number + 1)) as tx:
        tx.save(Decision(MODEL, window, row.as_of, (dataclasses.replace(row, **changed),)))
    store.close()


def test_a_model_of_which_the_store_knows_nothing_is_told_of_once(told_to, at):
    at(day(25))
    assert look()["stale"]
    (alert,) = told_to.messages
    assert alert["text"] == "small: no window has ever been evaluated"
    assert "@oncall" in str(alert["blocks"][-1])
    assert "Last run: none is known" in str(alert["blocks"])
    at(day(25) + timedelta(hours=1))
    look()
    assert len(told_to.messages) == 1


def test_a_spell_has_one_alert_and_a_quiet_end_in_its_thread(told_to, at):
    judge(23)
    at(day(25))
    look()
    assert told_to.messages == []
    for later in (26, 27, 28):
        at(day(later))
        look()
    (alert,) = told_to.messages
    assert alert["text"] == "small: no window has been evaluated since 2024-03-25, 2 periods"
    assert "Last run: on 2024-03-24, as of 2024-03-25: ok" in str(alert["blocks"])
    # One window of the four is made up for: nothing new, and no end either.
    judge(24)
    look()
    assert len(told_to.messages) == 1
    # A run that could not look is not one that did.
    judge(27, status="error", reason="no such file")
    look()
    assert len(told_to.messages) == 1
    judge(28)
    at(day(29))
    look()
    look()
    assert [m["text"] for m in told_to.replies()] == ["small: evaluated again, up to 2024-03-30"]
    assert told_to.replies()[0]["thread_ts"] == alert["ts"]
    assert "@oncall" not in str(told_to.replies())
    # The next spell is another.
    at(day(33))
    look()
    assert len(told_to.shown()) == 2
    assert "since 2024-03-30, 4 periods" in told_to.shown()[1]["text"]


def test_an_error_is_named_as_the_last_run(told_to, at):
    judge(20)
    judge(24, status="error", reason="no such file")
    at(day(25))
    look()
    said = str(told_to.messages[0]["blocks"])
    assert "Last run: on 2024-03-25, as of 2024-03-26: error (no such file)" in said


def test_a_silence_and_maintenance_keep_it_back_until_they_end(told_to, at, place):
    file = place / "monitors" / "small.yaml"
    saturday = "maintenance: [{name: move, days: [sat], from: '00:00', to: '12:00'}]"
    file.write_text(file.read_text().replace("alerts: {", f"alerts: {{{saturday}, "))
    at(day(29))
    assert f"{day(29):%a}" == "Sat"
    look()
    at(day(29) + timedelta(hours=13))
    store = open_store()
    silence(store, MODEL, timedelta(hours=2), said_by="ann", now=stages.clock())
    store.close()
    look()
    assert told_to.messages == []
    at(day(29) + timedelta(hours=16))
    look()
    assert len(told_to.messages) == 1


def test_two_that_look_at_once_tell_once(told_to, at, store_url, monkeypatch):
    monkeypatch.setenv("MONITORING_STORE", store_url)
    store = open_store()
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: tell_stale(store, day(25)), range(4)))
    assert sorted(len(told.messages) for told in made) == [0, 0, 0, 1]
    assert [t.problems for t in made] == [()] * 4
    assert len(store.messages()) == 1
    store.close()


def test_it_goes_where_a_route_for_operations_says_and_by_apprise_too(told_to, at, place):
    file = place / "monitors" / "small.yaml"
    routes = "routes: [{family: operations, mention: '@sre', apprise: ['json://127.0.0.1:9'], "
    routes += "slack: {channel: C0OPS}}]"
    file.write_text(file.read_text().replace("alerts: {", f"alerts: {{{routes}, "))
    store = open_store()
    tell_stale(store, day(25))
    judge(24)
    tell_stale(store, day(25))
    rows = [row.message for row in store.messages()]
    store.close()
    assert [(m.kind, m.transition) for m in rows] == [
        ("slack", "stale:never"), ("apprise", "stale:never"),
        ("slack", "evaluated:never"), ("apprise", "evaluated:never"),
    ]  # fmt: skip
    assert rows[0].payload["channel"] == "C0OPS"
    assert "@sre" in str(rows[0].payload["blocks"])
    assert (rows[1].payload["type"], rows[3].payload["type"]) == ("failure", "success")
    assert rows[1].payload["body"].startswith("Last run: none is known")


def test_a_broken_file_keeps_nobody_from_being_told(told_to, at, place):
    (place / "monitors" / "broken.yaml").write_text("model: broken\n")
    (place / "monitors" / "_fleet.yaml").write_text("alerts: {slak: 1}\n")
    at(day(25))
    assert len(look()["stale"]) == 2
    assert [m["text"] for m in told_to.messages] == ["small: no window has ever been evaluated"]


def test_a_crash_is_told_once_to_those_of_its_model_or_to_all(told_to, place):
    other = (place / "monitors" / "small.yaml").read_text().replace("model: small", "model: other")
    (place / "monitors" / "other.yaml").write_text(other)
    store = open_store()
    for parameters in ({"model": "monitors/other.yaml"}, {}):
        run = CrashedRun(str(len(parameters)), "a run", parameters, "No heartbeat", "http://ui/1")
        for _ in range(2):
            tell_crashed(store, run, day(25))
    stages.deliver_alerts(store, now=day(25))
    made = [(m.message.model, m.message.transition) for m in store.messages()]
    store.close()
    assert made == [("other", "crashed:1"), ("other", "crashed:0")]
    assert [m["text"] for m in told_to.messages] == ["a run: the run crashed"] * 2
    said = str(told_to.messages[0]["blocks"])
    assert "No heartbeat" in said
    assert "<http://ui/1|Run>" in said
    assert "@oncall" in said


@pytest.mark.server
def test_one_broken_model_harms_no_other(
    place: Path,
    prefect_server: PrefectServer,
    hearing: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert DAYS
    url, heard = hearing
    monkeypatch.setenv(heartbeat.VARIABLE, f"{url}/{{model}}")
    stages.build_baseline(stages.find_config(MODEL)[0], now=datetime.now(UTC))
    (place / "monitors" / "broken.yaml").write_text("model: broken\n")
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        with pytest.raises(MonitoringError, match="1 of 2 models: could not look: broken:"):
            call_flow("fleet")
        APILogWorker.drain_all(timeout=10)
    run = max(
        (r for r in prefect_server.flow_runs() if r["state_type"] == "FAILED"),
        key=lambda r: str(r["created"]),
    )
    table = prefect_server.artifacts(run["id"])["fleet"]["data"]
    assert '"small"' in table
    assert '"broken"' in table
    assert heard == ["/small"]
    store = open_store()
    assert len(store.results(MODEL, part="data")) == 1
    store.close()
