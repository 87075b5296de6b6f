"""What tells that nobody looks: the heartbeat, stale models; and the fleet in one run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import PrefectServer
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from small_model import DAYS, MODEL, day, write_small_model

from flows.run_local import call_flow
from monitoring_sdk import stages
from monitoring_sdk.adapters import heartbeat
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.cli import main
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.stages.stale import stale_models
from monitoring_sdk.stages.status import standings


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
