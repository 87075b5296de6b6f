"""The flow `monitor`: one window of one model, hop by hop."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.steps import follow_up, keep_within, model_name, must_have_looked, say, window_of
from monitoring_sdk import stages
from monitoring_sdk.adapters.heartbeat import beat
from monitoring_sdk.adapters.kubernetes import refuse_what_dies_with_the_pod
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.report import Report
from monitoring_sdk.window import Window
from tasks.act import decide, read_back
from tasks.hop import whole, window_label
from tasks.look import build_profile, check_quality, compute_metrics, detect_drift, pull_window
from tasks.publish import publish

# A store that is gone when the run ends: what a dry run decides is kept nowhere.
NOWHERE = "sqlite://"


def _run_name() -> str:
    parameters = flow_run.get_parameters()
    try:
        config, _ = stages.find_config(parameters["model"])
        window, _ = window_of(config, parameters.get("window_end"), parameters.get("as_of"))
    except MonitoringError:
        # The flow itself says what is wrong.
        return model_name()
    return f"{config.model} {window_label(config, window)}"


@flow(name="monitor", flow_run_name=_run_name, persist_result=False)
def monitor(
    model: str,
    window_end: datetime | None = None,
    notify: bool = True,
    recompute: bool = False,
    dry_run: bool = False,
    as_of: datetime | None = None,
    page: bool = True,
) -> dict[str, Any]:
    """Look at one window of a model: quality, metrics, drift; then alert or ask for retraining.

    Drift is a finding, not a failure: the run fails only when it could not look.

    Args:
        model: Name of a monitor file in `monitors/`, or the path of one.
        window_end: End of the window; by default the latest one that is complete at the
            scheduled start. A time without an offset is in the monitor's time zone.
        notify: Whether to alert and to ask for retraining where that is due.
        recompute: Judge the window again even if the same rows were judged before.
        dry_run: Judge the window by itself; keep nothing and send nothing.
        as_of: Labels known by this time are seen; by default those known when the window was due.
        page: Whether to write the model's HTML page anew, which takes longer than all the rest;
            where many windows are looked at in a row, the last one will do.

    Returns:
        The report, as JSON.
    """
    refuse_what_dies_with_the_pod(os.environ)
    config, _ = stages.find_config(model)
    window, at = window_of(config, window_end, as_of)
    if dry_run:
        notify = page = False
    store = open_store(NOWHERE if dry_run else None)
    try:
        report = _look(config, window, at, store, notify=notify, again=recompute)
        if notify:
            follow_up(config, report, store)
            report = stages.refreshed(report, store)
        publish(config, whole(report), store, page=page)
        if not dry_run:
            keep_within(config, store)
    finally:
        store.close()
    say(f"{config.model} {window_label(config, window)}: {report.status}")
    must_have_looked(report)
    if not dry_run and (problem := beat(config.model)):
        say(problem)
    return report.to_dict()


def _look(
    config: MonitorConfig, window: Window, at: datetime, store: Store, *, notify: bool, again: bool
) -> Report:
    handle = pull_window(config, window, at)
    if not again and (done := stages.stored_row(handle, store)) is not None:
        return read_back(whole(handle), whole(done), store, notify=notify)
    quality = check_quality(whole(handle))
    profile = build_profile(whole(handle), whole(quality))
    metrics = compute_metrics(whole(handle), whole(quality), store, recompute=again)
    drift = detect_drift(whole(handle), whole(quality), whole(profile), store)
    return decide(
        whole(handle),
        whole(quality),
        whole(profile),
        whole(metrics),
        whole(drift),
        store,
        notify=notify,
        recompute=again,
    )
