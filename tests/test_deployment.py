"""The deployments on a real server: deployed twice, scheduled, started by hand, run by a worker."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import PrefectServer
from prefect.settings import PREFECT_API_URL, temporary_settings
from small_model import DRIFT_DAY, MODEL, day, write_small_model

from flows import ui
from flows.automations import create_missing
from monitoring_sdk import stages
from monitoring_sdk.adapters.prefect_calls import crashed_run

pytestmark = pytest.mark.server


def wait_for(found: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return what a question finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.5)
    return answer


@pytest.fixture(scope="module")
def monitored(prefect_server: PrefectServer) -> Path:
    """Write the small model with a baseline; return its folder."""
    folder = prefect_server.folder / "deployed"
    config, _ = stages.find_config(write_small_model(folder, sys.executable))
    stages.build_baseline(config, now=datetime.now(UTC), root=str(folder / "baselines"))
    return folder


@pytest.fixture(scope="module")
def environment(prefect_server: PrefectServer, monitored: Path) -> dict[str, str]:
    """Return the environment of worker and runs."""
    return {
        **prefect_server.environment,
        "MONITORING_MONITORS": str(monitored / "monitors"),
        "MONITORING_BASELINES": str(monitored / "baselines"),
        "MONITORING_REPORTS": str(monitored / "reports"),
        "MONITORING_STORE": f"sqlite:///{monitored / 'store.db'}",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }


@pytest.fixture(scope="module")
def deployments(
    prefect_server: PrefectServer, environment: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Deploy everything; return the deployments by `flow/deployment`."""
    ui.deploy(environment)
    return read_deployments(prefect_server)


def read_deployments(server: PrefectServer) -> dict[str, dict[str, Any]]:
    """Return the server's deployments by `flow/deployment`."""
    flows = {flow["id"]: flow["name"] for flow in server.post("flows/filter", {})}
    found = server.post("deployments/filter", {})
    return {f"{flows[d['flow_id']]}/{d['name']}": d for d in found}


@pytest.fixture(scope="module")
def run(
    prefect_server: PrefectServer,
    environment: dict[str, str],
    deployments: dict[str, dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Start a run by hand on a window with drift, and have a real worker run it to its end."""
    started = prefect_server.post(
        f"deployments/{deployments['monitor/flights']['id']}/create_flow_run",
        {"parameters": {"model": MODEL, "window_end": day(DRIFT_DAY + 1).isoformat()}},
    )

    def ended() -> dict[str, Any] | None:
        (found,) = prefect_server.flow_runs(id={"any_": [started["id"]]})
        return found if found["state_type"] in ("COMPLETED", "FAILED", "CRASHED") else None

    with ui.worker(environment, prefect_server.folder / "worker.log"):
        yield wait_for(ended, 120, "end of the run")


def test_everything_is_deployed(deployments: dict[str, dict[str, Any]]) -> None:
    assert set(deployments) == {
        "monitor/flights",
        "backfill/flights",
        "build-baseline/flights",
        "retrain/flights",
        "feedback/all-models",
        "fleet/all-models",
        "watchdog/all-models",
        "approve/all-models",
    }
    monitor = deployments["monitor/flights"]
    assert monitor["parameters"] == {"model": "flights"}
    assert monitor["enforce_parameter_schema"] is True
    assert monitor["global_concurrency_limit"]["limit"] == 1
    assert monitor["concurrency_options"]["collision_strategy"] == "ENQUEUE"


def test_the_schedule_creates_runs(
    prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]]
) -> None:
    monitor = deployments["monitor/flights"]["id"]
    runs = wait_for(
        lambda: prefect_server.flow_runs(
            deployment_id={"any_": [monitor]}, state={"type": {"any_": ["SCHEDULED"]}}
        ),
        60,
        "scheduled run",
    )
    scheduled = [r for r in runs if r["auto_scheduled"]]
    assert scheduled
    zone = ZoneInfo("America/New_York")
    for one in scheduled:
        at = datetime.fromisoformat(one["expected_start_time"]).astimezone(zone)
        assert (at.hour, at.minute) == (0, 15)
        assert one["parameters"] == {"model": "flights"}


def test_a_second_deploy_updates_the_first(
    prefect_server: PrefectServer,
    environment: dict[str, str],
    deployments: dict[str, dict[str, Any]],
) -> None:
    ui.deploy(environment)
    again = read_deployments(prefect_server)
    assert {name: d["id"] for name, d in again.items()} == {
        name: d["id"] for name, d in deployments.items()
    }
    # What somebody turned off stays so, and both automations are there once.
    automations = {a["name"]: a for a in prefect_server.post("automations/filter", {})}
    assert sorted(automations) == ["monitoring-crashed-runs", "monitoring-zombie-runs"]
    zombie = automations["monitoring-zombie-runs"]["id"]
    answer = prefect_server.api.patch(f"automations/{zombie}", json={"enabled": False})
    assert answer.status_code == 204
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        assert create_missing() == {"monitoring-zombie-runs": "there already"}
    found = prefect_server.post("automations/filter", {})
    assert sorted((a["name"], a["enabled"]) for a in found) == [
        ("monitoring-crashed-runs", True),
        ("monitoring-zombie-runs", False),
    ]


def test_a_crash_starts_the_watchdog_with_the_run_but_its_own_does_not(
    prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]]
) -> None:
    def crash(name: str) -> str:
        path = f"deployments/{deployments[name]['id']}/create_flow_run"
        run: dict[str, Any] = prefect_server.post(path, {"parameters": {}})
        state = {"type": "CRASHED", "name": "Crashed", "message": "killed"}
        prefect_server.post(f"flow_runs/{run['id']}/set_state", {"state": state, "force": True})
        return str(run["id"])

    def started() -> list[dict[str, Any]]:
        watchdog = {"any_": [deployments["watchdog/all-models"]["id"]]}
        runs = prefect_server.flow_runs(deployment_id=watchdog)
        return [r for r in runs if "crashed" in r["parameters"]]

    # In this order: an alert for the first would be there before the one for the second.
    crash("watchdog/all-models")
    crashed = crash("monitor/flights")
    (run,) = wait_for(started, 60, "run of the watchdog")
    assert run["parameters"] == {"crashed": crashed}
    cancelled = {"state": {"type": "CANCELLED"}, "force": True}
    prefect_server.post(f"flow_runs/{run['id']}/set_state", cancelled)
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        found = crashed_run(crashed)
        assert found is not None
        assert (found.message, found.id) == ("killed", crashed)
        # What did not crash, and what is no run at all, is nothing to tell of.
        assert crashed_run(str(run["id"])) is crashed_run("nonsense") is None


@pytest.mark.parametrize("parameters", [{"notify": "perhaps"}, {"model": ["flights"]}])
def test_a_bad_parameter_is_refused_before_there_is_a_run(
    prefect_server: PrefectServer,
    deployments: dict[str, dict[str, Any]],
    parameters: dict[str, Any],
) -> None:
    path = f"deployments/{deployments['monitor/flights']['id']}/create_flow_run"
    assert prefect_server.ask(path, {"parameters": parameters}).status_code == 409


def test_a_worker_runs_the_flow(run: dict[str, Any], prefect_server: PrefectServer) -> None:
    log = (prefect_server.folder / "worker.log").read_text()
    assert run["state_type"] == "COMPLETED", log
    assert run["name"] == f"{MODEL} {day(DRIFT_DAY):%Y-%m-%d}"


def test_the_graph_shows_the_branch(run: dict[str, Any], prefect_server: PrefectServer) -> None:
    hops = (
        "pull_window",
        "check_quality",
        "build_profile",
        "compute_metrics",
        "detect_drift",
        "decide",
        "send_slack_alert",
        "trigger_retraining",
        "publish",
    )
    names = prefect_server.task_names(run["id"], len(hops))
    assert names == [f"{hop} {day(DRIFT_DAY):%Y-%m-%d}" for hop in hops]


def test_artifacts_can_be_read(
    run: dict[str, Any], prefect_server: PrefectServer, monitored: Path
) -> None:
    artifacts = prefect_server.artifacts(run["id"])
    names = ("report", "checks", "digest", "page")
    assert set(artifacts) == {f"{MODEL}-{name}" for name in names}
    assert "PSI" in artifacts[f"{MODEL}-report"]["data"]
    assert "psi/size" in artifacts[f"{MODEL}-checks"]["data"]
    assert (monitored / "reports" / f"{MODEL}.html").as_uri() in artifacts[f"{MODEL}-page"]["data"]


def test_the_hook_was_called_once(run: dict[str, Any], monitored: Path) -> None:
    assert run["state_type"] == "COMPLETED"
    assert (monitored / "hook.txt").read_text() == "called "
