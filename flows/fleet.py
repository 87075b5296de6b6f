"""The flow `fleet`: the latest window of every model, a task each, and whether any is stale."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.task_runners import ThreadPoolTaskRunner

from flows.steps import say, scheduled_start
from monitoring_sdk import stages
from monitoring_sdk.adapters.heartbeat import beat, of_each_model
from monitoring_sdk.adapters.kubernetes import refuse_what_dies_with_the_pod
from monitoring_sdk.adapters.prefect_calls import crashed_run
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.stages.handle import monitor_files
from monitoring_sdk.stages.stale import stale_models
from monitoring_sdk.stages.status import standings
from monitoring_sdk.stages.unwatched import tell_crashed, tell_stale
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
def watchdog(fail: bool = True, notify: bool = True, crashed: str | None = None) -> dict[str, Any]:
    """Say which models were not looked at for two periods, and tell their people once.

    Args:
        fail: Whether the run fails where one is stale, so that it is seen here too.
        notify: Whether those who get a model's alerts are told, once while it is stale.
        crashed: Id of a run that crashed, of which people are told too; an automation gives it.

    Returns:
        The stale models, a line each.
    """
    refuse_what_dies_with_the_pod(os.environ)
    store = open_store()
    try:
        now = stages.clock()
        stale = stale_models(standings(store, now), now)
        if notify:
            for line in _tell(store, now, crashed):
                say(line)
    finally:
        store.close()
    for line in stale:
        say(line)
    if stale and fail:
        raise MonitoringError("; ".join(stale))
    return {"schema": 1, "stale": stale}


def _tell(store: Store, now: datetime, crashed: str | None) -> list[str]:
    """Put what is to be told into the outbox, and send it; return what there is to say of it."""
    lines = tell_stale(store, now).lines
    if crashed:
        run = crashed_run(crashed)
        lines += tell_crashed(store, run, now).lines if run else [f"no run {crashed} crashed"]
    return [*lines, *stages.deliver_alerts(store, now=now).problems]
