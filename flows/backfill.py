"""The flow `backfill`: every complete window of a span, in order, in one run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.steps import follow_up, model_name, say
from monitoring_sdk import stages
from monitoring_sdk.adapters.kubernetes import refuse_what_dies_with_the_pod
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.report import Report
from monitoring_sdk.window import Window, parse_time
from tasks.act import evaluate_window, revise
from tasks.hop import whole, window_label
from tasks.publish import publish


def _run_name() -> str:
    asked = flow_run.get_parameters()
    return f"{model_name()} {asked['start']:%Y-%m-%d} to {asked['end']:%Y-%m-%d}"


@flow(name="backfill", flow_run_name=_run_name, persist_result=False)
def backfill(
    model: str,
    start: datetime,
    end: datetime,
    as_of: datetime | None = None,
    notify: bool = False,
    recompute: bool = False,
    checks: bool = False,
    processes: int = 1,
) -> dict[str, Any]:
    """Look at every complete window of a span, in order, each as it was seen when it was due.

    A window already done is read back, so a run that was broken off goes on where it stopped. At
    the end the span's verdicts are revised with the labels known by then; no incident is opened by
    that, and nothing is sent.

    Args:
        model: Name of a monitor file in `monitors/`, or the path of one.
        start: Begin of the span. A time without an offset is in the monitor's time zone.
        end: End of the span.
        as_of: Labels known by this time revise the verdicts at the end; by default those of now.
        notify: Whether to alert and to ask for retraining, as it would have happened.
        recompute: Judge the windows again even if the same rows were judged before.
        checks: Whether the returned report lists the checks of each window.
        processes: How many processes look at windows. One decides, in order; others look at the
            windows ahead of it, each with the memory of a run of its own.

    Returns:
        The report of the span, as JSON.
    """
    refuse_what_dies_with_the_pod(os.environ)
    if processes < 1:
        raise ConfigError(explain("processes must be 1 or more", got=processes))
    config, _ = stages.find_config(model)
    zone = config.window.timezone
    windows = windows_of(config, parse_time(start, zone), parse_time(end, zone))
    at = stages.clock() if as_of is None else parse_time(as_of, zone)
    store = open_store()
    try:
        report = _walk(config, windows, store, notify, recompute, processes)
        revise(config, windows, at, store)
        publish(config, report, store)
        return stages.span_document(config, windows, at, store, checks=checks)
    finally:
        store.close()


def _walk(
    config: MonitorConfig,
    windows: Sequence[Window],
    store: Store,
    notify: bool,
    recompute: bool,
    processes: int,
) -> Report:
    """Take the windows through all stages, and return the report of the last one."""
    with stages.looking_ahead(config, processes - 1) as ahead:
        # What was judged before is most likely read back.
        span = windows[0].start, windows[-1].end
        known = {} if recompute else store.rows_of_windows(config.model, *span)
        for number, window in enumerate(windows, start=1):
            for later in windows[number : number + processes]:
                if later not in known:
                    ahead.begin(later, stages.step_as_of(config, later))
            report = evaluate_window(
                config,
                window,
                stages.step_as_of(config, window),
                store,
                notify=notify,
                recompute=recompute,
                ahead=whole(ahead),
            )
            label = window_label(config, window)
            say(f"{config.model} {label} ({number} of {len(windows)}): {report.status}")
            if notify:
                follow_up(config, report, store)
    return report


def windows_of(config: MonitorConfig, start: datetime, end: datetime) -> tuple[Window, ...]:
    """Return the complete windows of a span.

    Raises
    ------
    ConfigError
        When there is none.
    """
    windows = tuple(config.cadence.windows(start, end))
    if not windows:
        raise ConfigError(
            f"no complete window of {config.window.every} lies between {start.isoformat()} "
            f"and {end.isoformat()}"
        )
    return windows
