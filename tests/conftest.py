"""Real servers, one of each for all tests that need it: Prefect's takes ten seconds to start."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import httpx
import psycopg
import pytest
from hypothesis import settings
from postgres_server import PostgresServer, installed, postgres_server
from slack_server import SlackServer
from webhook_receiver import Receiver
from xdist.scheduler import LoadFileScheduling

RECORDED_SECONDS = 20.0
BUSY_SECONDS = 20.0


# The same examples each time, so that a change is judged by what it changed. To look for new ones:
# HYPOTHESIS_PROFILE=explore make test
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors: many tests wait for a server or a process."""
    return (os.cpu_count() or 1) + 1


# What takes long goes first, so that no process is alone with it at the end.
LONG = (
    "test_stages_car_loan",
    "test_slices",
    "test_init",
    "test_flights_example",
    "test_peers_failures",
    "test_performance_tasks",
    "test_versions",
    "test_crashes",
    "test_store",
    "test_references_walked",
    "test_distinct_levels",
    "test_calendar",
    "test_bad_input",
    "test_budget_pipeline",
    "test_concept_monitor",
    "test_joint_monitor",
)


# These need the Prefect server. In one process they start one, which costs a minute of its own.
SERVED = (
    "test_retrain",
    "test_killed",
    "test_deployment",
    "test_flows",
    "test_cli",
    "test_delivery",
    "test_secrets",
    "test_outcomes",
    "test_watchdog",
    "test_feedback_cli",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, so that no process is alone with it at the end."""
    rank = {name: number for number, name in enumerate((*SERVED, *LONG))}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


class ByFile(LoadFileScheduling):
    """Share out the files in their order, and those that need the Prefect server together."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "server" if Path(file).stem in SERVED else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile | None:
    """Have pytest-xdist share out the tests in this way, with `--dist loadfile`."""
    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return ByFile(config, log)


@dataclass(frozen=True)
class PrefectServer:
    """A running server: its environment for child processes, and a client of its API."""

    environment: dict[str, str]
    api: httpx.Client
    folder: Path

    @property
    def url(self) -> str:
        """The address of its API."""
        return self.environment["PREFECT_API_URL"]

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Ask the API, and return its JSON."""
        answer = self.ask(path, body)
        answer.raise_for_status()
        return answer.json()

    def ask(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Ask the API again while its database is busy, as Prefect's own client does."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            answer = self.api.post(path, json=body)
            if answer.status_code != 503 or time.monotonic() > deadline:
                return answer
            time.sleep(0.5)

    def flow_runs(self, **filters: Any) -> list[dict[str, Any]]:
        """Return flow runs that pass a filter."""
        found: list[dict[str, Any]] = self.post("flow_runs/filter", {"flow_runs": filters})
        return found

    def task_names(self, flow_run: str, least: int) -> list[str]:
        """Return the names of a flow run's task runs, in the order of their start.

        The server writes them down some time after they ended: at least so many are waited for.
        """
        body = {
            "task_runs": {"flow_run_id": {"any_": [flow_run]}},
            "sort": "EXPECTED_START_TIME_ASC",
        }
        deadline = time.monotonic() + RECORDED_SECONDS
        while True:
            names = [run["name"] for run in self.post("task_runs/filter", body)]
            if len(names) >= least or time.monotonic() > deadline:
                return names
            time.sleep(0.2)

    def artifacts(self, flow_run: str) -> dict[str, Any]:
        """Return a flow run's artifacts by their keys."""
        body = {"artifacts": {"flow_run_id": {"any_": [flow_run]}}}
        return {a["key"]: a for a in self.post("artifacts/filter", body)}


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """Start a server on a free port of the loopback address, with a home of its own."""
    from flows import ui

    folder = tmp_path_factory.mktemp("prefect")
    port = ui.free_port()
    environment = ui.prefect_environment(folder / "home", port)
    with (
        ui.server(environment, port, folder / "server.log"),
        httpx.Client(base_url=f"{environment['PREFECT_API_URL']}/", timeout=30) as api,
    ):
        yield PrefectServer(environment, api, folder)


@pytest.fixture
def prefect(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """Have this process speak with the server."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        yield prefect_server


@pytest.fixture
def deployed(prefect: PrefectServer) -> Iterator[Callable[..., str]]:
    """Make a deployment of a flow that has some parameters; it is gone after the test."""
    made: list[str] = []

    def make(name: str, *parameters: str) -> str:
        flow = prefect.post("flows/", {"name": name})["id"]
        schema = {"type": "object", "properties": {p: {"title": p} for p in parameters}}
        body = {"name": "shop", "flow_id": flow, "parameter_openapi_schema": schema}
        made.append(prefect.post("deployments/", body)["id"])
        return made[-1]

    yield make
    for deployment in made:
        prefect.api.delete(f"deployments/{deployment}").raise_for_status()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL, where its programs are installed."""
    if not installed():
        pytest.skip("PostgreSQL is not installed")
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> str:
    """Return the name of a database that is a store without a row: to be copied."""
    from monitoring_sdk.adapters.store import open_store

    url = postgres.fresh()
    open_store(url).close()
    return psycopg.conninfo.conninfo_to_dict(url)["dbname"]


each_database = pytest.fixture(params=["sqlite", "postgresql"])


@each_database
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a store without a row, on each kind of database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/er/store.db"
    return fresh_store(request)


@each_database
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a database that is no store yet, on each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/100% store/s.db"
    found: str = request.getfixturevalue("postgres").fresh()
    return found


# For tests in which the database plays no part.
on_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def fresh_store(request: pytest.FixtureRequest) -> str:
    """Return the address of a store of its own in PostgreSQL."""
    url: str = request.getfixturevalue("postgres").fresh(request.getfixturevalue("migrated"))
    return url


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    """A stand-in for Slack on the loopback address."""
    with SlackServer() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks on the loopback address."""
    with Receiver() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Start an S3 server on loopback, where moto is installed; return its address."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def name_s3(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Have this process and its children find the S3 server at an address."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture(params=["memory", "s3"])
def remote(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URL of an empty remote folder, on each kind of file system in turn."""
    if request.param == "s3":
        name_s3(monkeypatch, request.getfixturevalue("s3"))
    fs = fsspec.filesystem(request.param, skip_instance_cache=False)
    fs.mkdir("monitoring")
    yield f"{request.param}://monitoring"
    fs.rm("monitoring", recursive=True)
