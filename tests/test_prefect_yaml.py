"""`prefect.yaml`, key by key: Prefect itself ignores in silence what it does not know."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prefect import Flow
from prefect.cli.deploy._models import (
    ConcurrencyLimitSpec,
    DeploymentConfig,
    PrefectYamlModel,
    RawScheduleConfig,
    WorkPoolConfig,
)
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.events.schemas.automations import AutomationCore
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.server.schemas.schedules import CronSchedule
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel
from ruamel.yaml import YAML

from flows import ui
from flows.automations import create_missing, read_automations
from monitoring_sdk.config import MODEL_NAME

FILE = Path(__file__).parent.parent / "prefect.yaml"

# The name and place for anchors in Prefect's own documentation; its schema does not list it.
ANCHORS = "definitions"
HEARTBEAT = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"


def read() -> dict[str, Any]:
    """Return the file as plain data."""
    data: dict[str, Any] = YAML(typ="safe", pure=True).load(FILE)
    return data


def allowed(schema: type[BaseModel]) -> set[str]:
    """Return the keys that a part of the file may have."""
    return {field.alias or name for name, field in schema.model_fields.items()}


def unknown_keys(data: dict[str, Any]) -> list[str]:
    """Return every key that Prefect would ignore, with its place."""
    found = [k for k in data if k not in allowed(PrefectYamlModel) | {ANCHORS}]
    for deployment in data["deployments"]:
        where = deployment["entrypoint"]
        parts: list[tuple[str, dict[str, Any], type[BaseModel]]] = [
            (where, deployment, DeploymentConfig),
            (f"{where}.work_pool", deployment["work_pool"], WorkPoolConfig),
            (
                f"{where}.concurrency_limit",
                deployment["concurrency_limit"],
                ConcurrencyLimitSpec,
            ),
            *(
                (f"{where}.schedules", schedule, RawScheduleConfig)
                for schedule in deployment.get("schedules", ())
            ),
        ]
        found += [
            f"{place}.{k}" for place, part, form in parts for k in part if k not in allowed(form)
        ]
    return found


DEPLOYMENTS = read()["deployments"]
each = pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["entrypoint"])


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    """Import the flow of a deployment by its module entrypoint."""
    module, name = deployment["entrypoint"].rsplit(".", 1)
    flow = getattr(importlib.import_module(module), name)
    assert isinstance(flow, Flow)
    return flow


def test_no_key_is_unknown() -> None:
    assert unknown_keys(read()) == []


@pytest.mark.parametrize(
    "path",
    [
        ("scheduels",),
        ("deployments", 0, "schedule_s"),
        ("deployments", 0, "work_pool", "nmae"),
        ("deployments", 0, "concurrency_limit", "colision_strategy"),
        ("deployments", 0, "schedules", 0, "time_zone"),
    ],
)
def test_an_unknown_key_is_found(path: tuple[str | int, ...]) -> None:
    data = read()
    place: Any = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = 1
    # An anchored part is found wherever it is used.
    assert {found.rsplit(".", 1)[-1] for found in unknown_keys(data)} == {path[-1]}


def test_the_file_is_what_prefect_accepts() -> None:
    assert len(PrefectYamlModel.model_validate(read()).deployments) == len(DEPLOYMENTS)


def test_deployments_have_names_of_their_own() -> None:
    names = [f"{flow_of(d).name}/{d['name']}" for d in DEPLOYMENTS]
    assert sorted(names) == sorted(set(names))
    assert {
        "monitor/flights",
        "backfill/flights",
        "build-baseline/flights",
        "retrain/flights",
        "feedback/all-models",
        "fleet/all-models",
        "watchdog/all-models",
        "approve/all-models",
    } <= set(names)


@each
def test_parameters_are_those_of_the_flow(deployment: dict[str, Any]) -> None:
    flow = flow_of(deployment)
    accepted = inspect.signature(flow.fn).parameters
    assert set(deployment["parameters"]) <= set(accepted)
    # A flow that is told no model is there for all of them.
    of_model = deployment["name"] if "model" in accepted else None
    assert deployment["parameters"].get("model") == of_model
    assert MODEL_NAME.fullmatch(deployment["name"])
    assert deployment["enforce_parameter_schema"] is True


@each
def test_every_parameter_is_described_in_the_form(deployment: dict[str, Any]) -> None:
    properties = parameter_schema(flow_of(deployment)).properties
    assert properties
    assert [name for name, entry in properties.items() if not entry.get("description")] == []


@each
def test_runs_of_a_deployment_queue_up(deployment: dict[str, Any]) -> None:
    limit = deployment["concurrency_limit"]
    assert limit["limit"] == 1
    # CANCEL_NEW would cancel manual runs too.
    assert ConcurrencyLimitStrategy(limit["collision_strategy"]) == ConcurrencyLimitStrategy.ENQUEUE


@each
def test_a_deployment_is_described_and_tagged(deployment: dict[str, Any]) -> None:
    assert deployment["description"].strip().endswith(".")
    assert deployment["name"] in deployment["tags"]
    assert deployment["work_pool"]["name"] == "process"


def test_the_monitor_is_scheduled_after_each_day_in_new_york() -> None:
    monitor = next(d for d in DEPLOYMENTS if d["entrypoint"] == "flows.monitor.monitor")
    (schedule,) = monitor["schedules"]
    assert schedule["active"] is True
    zone = ZoneInfo(schedule["timezone"])
    cron = CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
    runs = asyncio.run(cron.get_dates(3, start=datetime(2013, 3, 9, 12, tzinfo=zone)))
    # Over the change of clocks, each in the first hour of the next local day.
    assert [run.isoformat() for run in runs] == [
        "2013-03-10T00:15:00-05:00",
        "2013-03-11T00:15:00-04:00",
        "2013-03-12T00:15:00-04:00",
    ]


def test_no_path_of_a_machine_is_in_the_file() -> None:
    assert "set_working_directory" not in FILE.read_text()
    assert "directory:" not in FILE.read_text()


def test_the_automation_is_what_prefect_accepts() -> None:
    data = YAML(typ="safe", pure=True).load(FILE.with_name("automations.yaml"))
    (zombie,) = data["automations"]
    assert set(zombie) <= set(AutomationCore.model_fields)
    (made,) = read_automations()
    assert "prefect.flow-run.heartbeat" in made.trigger.expect


@each
def test_a_run_sends_heartbeats_often_enough_for_the_automation(deployment: dict[str, Any]) -> None:
    """Or else it is marked as crashed while it lives: Prefect's own pause is three minutes."""
    (zombie,) = read_automations()
    every = int(deployment["work_pool"]["job_variables"]["env"][HEARTBEAT])
    # Prefect takes no less; three may be lost.
    assert 30 <= every <= zombie.trigger.within.total_seconds() / 4
    assert ui.prefect_environment(FILE, 1)[HEARTBEAT] == str(every)
    # It looks at no runs but these.
    assert zombie.trigger.match_related["prefect.resource.id"] == ["prefect.tag.monitoring"]
    assert "monitoring" in deployment["tags"]


def test_the_trigger_has_no_key_that_prefect_ignores() -> None:
    watchdog = next(d for d in DEPLOYMENTS if d["entrypoint"] == "flows.fleet.watchdog")
    (trigger,) = watchdog["triggers"]
    assert set(trigger) <= set(DeploymentEventTrigger.model_fields)
    assert set(trigger["parameters"]) <= set(inspect.signature(flow_of(watchdog).fn).parameters)
    # The step of `prefect deploy` is a function that is there.
    ((step,),) = watchdog["build"]
    assert step == f"{create_missing.__module__}.{create_missing.__name__}"
