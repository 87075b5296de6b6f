"""The hop of the fleet: one model through every stage."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from monitoring_sdk import stages
from monitoring_sdk.adapters.heartbeat import beat, of_each_model
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import load_config
from monitoring_sdk.errors import MonitoringError
from tasks.hop import window_label


@task(cache_policy=NO_CACHE, persist_result=False, task_run_name="{path.stem}")
def look_at_model(path: Path, at: datetime, *, notify: bool, page: bool) -> dict[str, Any]:
    """Look at a model's latest complete window, as of the scheduled start."""
    config = load_config(path)
    window = config.cadence.latest(at, config.window.lag)
    store = open_store()
    try:
        report = stages.evaluate_window(config, window, at, store, notify=notify)
        if page:
            stages.publish(config, store)
    finally:
        store.close()
    if report.status == "error":
        raise MonitoringError(f"{config.model} {report.window}: {report.reason}")
    if of_each_model() and (problem := beat(config.model)):
        get_run_logger().warning(problem)
    return {
        "model": config.model,
        "window": window_label(config, window),
        "status": report.status,
        "rows": report.rows,
        "reason": report.reason or "",
    }
