"""The flows on a real engine: which window, which hops, what they keep, when they fail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import PrefectServer
from prefect.client.orchestration import get_client
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled
from small_model import DRIFT_DAY, MODEL, day, write_small_model

from flows.run_local import call_flow
from flows.steps import window_of
from flows.ui import free_port
from monitoring_sdk import stages
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import ConfigError, MonitoringError, SourceError
from tasks import act
from tasks.hop import window_label
from tasks.publish import artifact_key

QUIET_DAY = 23
HOPS = (
    "pull_window",
    "check_quality",
    "build_profile",
    "compute_metrics",
    "detect_drift",
    "decide",
)


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the small model once, with its baseline; return its folder."""
    folder = tmp_path_factory.mktemp("flows")
    config, _ = stages.find_config(write_small_model(folder, sys.executable))
    stages.build_baseline(config, now=datetime.now(UTC), root=str(folder / "baselines"))
    return folder


@pytest.fixture
def config(fitted: Path) -> MonitorConfig:
    """The small model's monitor file."""
    return stages.find_config(fitted / "monitors" / f"{MODEL}.yaml")[0]


@pytest.fixture
def place(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the flows find the small model, with a store and reports of their own."""
    monkeypatch.setenv("MONITORING_MONITORS", str(fitted / "monitors"))
    monkeypatch.setenv("MONITORING_BASELINES", str(fitted / "baselines"))
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("MONITORING_REPORTS", str(tmp_path / "reports"))
    for name in ("SLACK_BOT_TOKEN", "SLACK_WEBHOOK_URL", "MONITORING_REPORTS_URL"):
        monkeypatch.delenv(name, raising=False)
    (fitted / "hook.txt").unlink(missing_ok=True)
    return tmp_path


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    """The store that the flows write to."""
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture
def server(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """Let this process run its flows on the session's server."""
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        yield prefect_server
        # What is still to be logged goes to this server, not to one that is gone.
        APILogWorker.drain_all(timeout=10)


def last_run(server: PrefectServer, name: str) -> dict[str, Any]:
    """Return the newest flow run of a name."""
    runs = server.flow_runs(name={"any_": [name]})
    return max(runs, key=lambda run: str(run["created"]))


def monitor_day(number: int, **more: Any) -> dict[str, Any]:
    """Run the flow `monitor` for a day of the small model."""
    report: dict[str, Any] = call_flow("monitor", model=MODEL, window_end=day(number + 1), **more)
    return report


def test_a_run_is_linked_to_where_there_is_a_page_of_it(
    config: MonitorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "0f" * 16)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}):
        assert act._links(config)["run"].startswith("http://127.0.0.1:4200/flow-runs/flow-run/0f")
    # The server of one command ends with it.
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert "run" not in act._links(config)


class TestWindow:
    def test_the_end_names_the_window_and_it_is_seen_as_it_was_due(
        self, config: MonitorConfig
    ) -> None:
        window, at = window_of(config, day(5), None)
        assert (window.start, window.end, at) == (day(4), day(5), day(5))

    def test_a_time_without_an_offset_is_in_the_zone_of_the_monitor(
        self, config: MonitorConfig
    ) -> None:
        here = config.window.model_copy(update={"timezone": "America/New_York"})
        window, _ = window_of(
            config.model_copy(update={"window": here}), datetime(2024, 3, 5), None
        )
        assert window.end == datetime(2024, 3, 5, 5, tzinfo=UTC)

    def test_the_lag_is_waited_for(self, config: MonitorConfig) -> None:
        late = config.window.model_copy(update={"lag": timedelta(hours=2)})
        lagging = config.model_copy(update={"window": late})
        before, _ = window_of(lagging, None, day(5) + timedelta(hours=1))
        after, at = window_of(lagging, None, day(5) + timedelta(hours=2))
        assert (before.end, after.end) == (day(4), day(5))
        assert window_of(lagging, day(5), None) == (after, at)

    def test_no_window_is_looked_at_before_it_is_complete(self, config: MonitorConfig) -> None:
        with pytest.raises(ConfigError, match="before the end of the window"):
            window_of(config, day(5), day(5) - timedelta(seconds=1))

    def test_an_end_between_two_windows_is_refused(self, config: MonitorConfig) -> None:
        with pytest.raises(ConfigError, match="no window of 1d"):
            window_of(config, day(5) + timedelta(hours=1), None)

    @pytest.mark.parametrize(
        ("every", "label"),
        [
            ("1d", "2024-03-05"),
            ("1w", "2024-03-05"),
            ("1mo", "2024-03"),
            ("1h", "2024-03-05 00:00"),
        ],
    )
    def test_windows_have_readable_names(
        self, config: MonitorConfig, every: str, label: str
    ) -> None:
        cut = config.window.model_copy(update={"every": every})
        window, _ = window_of(config, day(5), None)
        assert window_label(config.model_copy(update={"window": cut}), window) == label


@pytest.mark.parametrize("model", ["flights", "Flights_v2.eu", "a-b", "ALL.CAPS"])
def test_artifact_keys_are_what_prefect_takes(model: str) -> None:
    key = artifact_key(model, "report")
    assert key.replace("-", "").isalnum()
    assert key == key.lower()
    assert key.endswith("-report")


def test_a_server_that_does_not_answer_is_named() -> None:
    gone = f"http://127.0.0.1:{free_port()}/api"
    with (
        temporary_settings({PREFECT_API_URL: gone}),
        pytest.raises(MonitoringError, match=f"no Prefect server answers at {gone}"),
    ):
        call_flow("monitor", model=MODEL)


@pytest.mark.server
class TestMonitor:
    def test_a_quiet_window_ends_without_a_branch(
        self, server: PrefectServer, store: Store, place: Path
    ) -> None:
        report = monitor_day(QUIET_DAY)
        assert (report["schema"], report["model"], report["rows"]) == (1, MODEL, 200)
        assert (report["status"], report["incidents"], report["triggers"]) == ("ok", [], [])
        run = last_run(server, f"{MODEL} {day(QUIET_DAY):%Y-%m-%d}")
        assert run["state_type"] == "COMPLETED"
        label = f"{day(QUIET_DAY):%Y-%m-%d}"
        assert server.task_names(run["id"], len(HOPS) + 1) == [
            f"{hop} {label}" for hop in (*HOPS, "publish")
        ]
        assert (place / "reports" / f"{MODEL}.html").is_file()

    def test_an_alert_is_sent_and_the_hook_called_once(
        self, server: PrefectServer, store: Store, fitted: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        first = monitor_day(DRIFT_DAY, page=False)
        second = monitor_day(DRIFT_DAY, page=False)
        assert first["status"] == second["status"] == "alert"
        assert len(first["triggers"]) == 1
        assert (fitted / "hook.txt").read_text() == "called "
        assert capfd.readouterr().err.count(f"[{MODEL}]") == 1
        assert [row.state for row in store.messages()] == ["sent", "sent"]
        run = last_run(server, f"{MODEL} {day(DRIFT_DAY):%Y-%m-%d}")
        names = [name.split()[0] for name in server.task_names(run["id"], 3)]
        assert names == ["pull_window", "read_back", "publish"]

    def test_without_notify_nothing_is_sent(
        self, server: PrefectServer, store: Store, fitted: Path
    ) -> None:
        report = monitor_day(DRIFT_DAY, notify=False, page=False)
        assert len(report["incidents"]) == 1
        assert store.messages() == []
        assert not (fitted / "hook.txt").exists()

    def test_a_dry_run_keeps_nothing(
        self, server: PrefectServer, store: Store, place: Path, fitted: Path
    ) -> None:
        report = monitor_day(DRIFT_DAY, dry_run=True)
        assert report["status"] == "alert"
        assert store.results(MODEL) == []
        assert store.incidents(MODEL) == []
        assert store.messages() == []
        assert not (place / "reports").exists()
        assert not (fitted / "hook.txt").exists()

    def test_recompute_goes_through_every_hop_again(
        self, server: PrefectServer, store: Store
    ) -> None:
        once = monitor_day(QUIET_DAY, page=False)
        again = monitor_day(QUIET_DAY, page=False, recompute=True)
        assert again == once
        run = last_run(server, f"{MODEL} {day(QUIET_DAY):%Y-%m-%d}")
        assert "detect_drift" in {n.split()[0] for n in server.task_names(run["id"], len(HOPS) + 1)}

    def test_a_late_run_looks_at_the_window_it_was_scheduled_for(
        self, server: PrefectServer, store: Store
    ) -> None:
        from prefect.flow_engine import run_flow

        from flows.monitor import monitor

        slot = day(QUIET_DAY + 1) + timedelta(minutes=15)
        with get_client(sync_client=True) as client:
            late = client.create_flow_run(
                monitor,
                parameters={"model": MODEL, "page": False},
                state=Scheduled(scheduled_time=slot),
            )
        report = run_flow(monitor, flow_run=late, parameters={"model": MODEL, "page": False})
        assert report["window"] == {"start": "2024-03-24T00:00:00Z", "end": "2024-03-25T00:00:00Z"}
        assert report["as_of"] == "2024-03-25T00:15:00Z"

    def test_an_unknown_model_fails_the_run_and_names_the_known_ones(
        self, server: PrefectServer, store: Store
    ) -> None:
        with pytest.raises(ConfigError, match=f"allowed: {MODEL}; did you mean {MODEL}"):
            call_flow("monitor", model="smal")
        failed = last_run(server, "smal")
        assert failed["state_type"] == "FAILED"
        assert f"allowed: {MODEL}" in failed["state"]["message"]

    def test_a_source_that_is_gone_fails_the_run(
        self, server: PrefectServer, store: Store, fitted: Path
    ) -> None:
        data = fitted / "predictions.parquet"
        away = data.rename(fitted / "away.parquet")
        try:
            with pytest.raises(SourceError, match=r"predictions\.parquet"):
                monitor_day(QUIET_DAY)
        finally:
            away.rename(data)
        assert store.results(MODEL) == []

    def test_a_window_that_could_not_be_evaluated_fails_the_run(
        self, server: PrefectServer, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import dataclasses

        decide = stages.decide
        monkeypatch.setattr(
            stages,
            "decide",
            lambda *a, **k: dataclasses.replace(
                decide(*a, **k), status="error", reason="the disk is on fire"
            ),
        )
        with pytest.raises(MonitoringError, match="the disk is on fire"):
            monitor_day(QUIET_DAY, page=False)


@pytest.mark.server
class TestBackfill:
    def test_a_span_is_walked_in_order_and_read_back(
        self, server: PrefectServer, store: Store, fitted: Path
    ) -> None:
        span = {"start": day(DRIFT_DAY - 2), "end": day(DRIFT_DAY + 2), "as_of": day(DRIFT_DAY + 5)}
        document = call_flow("backfill", model=MODEL, **span)
        starts = [w["window"]["start"][:10] for w in document["windows"]]
        assert starts == [f"{day(DRIFT_DAY + i):%Y-%m-%d}" for i in (-2, -1, 0, 1)]
        assert [w["status"] for w in document["windows"]] == ["ok", "ok", "alert", "alert"]
        assert (document["schema"], document["model"], document["pages"]) == (1, MODEL, 1)
        assert "checks" not in document["windows"][0]
        assert store.messages() == []
        assert not (fitted / "hook.txt").exists()

        rows = [(r.window, r.part, r.revision) for r in store.results(MODEL, newest=False)]
        again = call_flow("backfill", model=MODEL, **span, checks=True)
        assert [(r.window, r.part, r.revision) for r in store.results(MODEL, newest=False)] == rows
        assert [w["status"] for w in again["windows"]] == ["ok", "ok", "alert", "alert"]
        # Its labels came a day later: performance stands under the window that it judges.
        judged = [c["key"] for c in again["windows"][3]["checks"] if c["status"] != "insufficient"]
        assert "performance/accuracy" in judged

    def test_with_notify_it_goes_as_it_would_have_gone(
        self, server: PrefectServer, store: Store, fitted: Path
    ) -> None:
        call_flow(
            "backfill", model=MODEL, start=day(DRIFT_DAY), end=day(DRIFT_DAY + 2), notify=True
        )
        assert (fitted / "hook.txt").read_text() == "called "
        assert {row.state for row in store.messages()} == {"sent"}

    def test_a_span_without_a_window_is_refused(self, server: PrefectServer, store: Store) -> None:
        with pytest.raises(ConfigError, match="no complete window"):
            call_flow("backfill", model=MODEL, start=day(3), end=day(3) + timedelta(hours=5))


@pytest.mark.server
def test_a_new_baseline_is_a_new_version(
    server: PrefectServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(place / "baselines"))
    first = call_flow("build_baseline", model=MODEL)
    second = call_flow("build_baseline", model=MODEL, start=day(5), end=day(15))
    assert (first["baseline"], first["rows"], first["windows"]) == ("v1", 4000, 20)
    assert (second["baseline"], second["rows"], second["windows"]) == ("v2", 2000, 10)
