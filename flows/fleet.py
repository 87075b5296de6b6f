"""The flow `fleet`: the latest window of every model, a task each, and whether any is stale."""

from __future__ import annotations

import os
from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.task_runners import ThreadPoolTaskRunner

from flows.steps import say, scheduled_start
from monitoring_sdk import stages
from monitoring_sdk.adapters.heartbeat import beat, of_each_model
from monitoring_sdk.adapters.kubernetes import refuse_what_dies_with_the_pod
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.stages.handle import monitor_files
from monitoring_sdk.stages.stale import stale_models
from monitoring_sdk.stages.status import standings
from tasks.fleet import look_at_model

# One model at a time: a pass keeps the rows of the one window that is looked at.
ONE_BY_ONE: Any = ThreadPoolTaskRunner(max_workers=1)


@flow(name="fleet", persist_result=False, task_runner=ONE_BY_ONE)
def fleet(notify: bool = True, page: bool = True) -> dict[str, Any]:
    """Look at the latest window of every monitor file; a model that is broken harms no other.

    Args:
        notify: Whether to alert and to ask for retraining where that is due.
        page: Whether to write the models' HTML pages anew.

    Returns:
        Each model's status, with the reason where it could not be looked at.
    """
    refuse_what_dies_with_the_pod(os.environ)
    at = scheduled_start()
    looks = {
        path.stem: look_at_model.submit(path, at, notify=notify, page=page)
        for path in monitor_files()
    }
    rows = [_row(name, future) for name, future in looks.items()]
    if notify:
        store = open_store()
        try:
            stages.deliver_all(store)
        finally:
            store.close()
    create_table_artifact(
        key="fleet", table=rows, description=f"{len(rows)} models, each by its latest window"
    )
    failed = [row for row in rows if row["status"] == "error"]
    if failed:
        names = "; ".join(f"{row['model']}: {row['reason']}" for row in failed)
        raise MonitoringError(f"{len(failed)} of {len(rows)} models: could not look: {names}")
    if not of_each_model() and (problem := beat("fleet")):
        say(problem)
    return {"schema": 1, "models": rows}


def _row(name: str, future: Any) -> dict[str, Any]:
    found = future.result(raise_on_failure=False)
    if isinstance(found, dict):
        return found
    return {"model": name, "window": "", "status": "error", "rows": None, "reason": str(found)}


@flow(name="watchdog", persist_result=False)
def watchdog(fail: bool = True) -> dict[str, Any]:
    """Say which models were not looked at for two periods.

    Args:
        fail: Whether the run fails where one is stale, so that an automation can tell people.

    Returns:
        The stale models, a line each.
    """
    store = open_store()
    try:
        now = stages.clock()
        stale = stale_models(standings(store, now), now)
    finally:
        store.close()
    for line in stale:
        say(line)
    if stale and fail:
        raise MonitoringError("; ".join(stale))
    return {"schema": 1, "stale": stale}
