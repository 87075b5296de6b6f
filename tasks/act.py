"""The hops that follow from a look: decide, alert, ask for retraining."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect import get_run_logger
from prefect.runtime import flow_run

from monitoring_sdk import stages
from monitoring_sdk.adapters.notify import DeliverySummary
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.report import Check, Report
from monitoring_sdk.window import Window
from tasks.hop import hop, in_ui


@hop
def decide(
    handle: stages.Handle,
    quality: stages.Quality,
    profile: Profile | None,
    metrics: stages.Metrics,
    drift: Sequence[Check],
    store: Store,
    *,
    notify: bool,
    recompute: bool = False,
) -> Report:
    """Judge all checks, and commit verdict, incident, trigger and messages at once."""
    return stages.decide(
        handle,
        quality,
        profile,
        metrics,
        drift,
        store,
        notify=notify,
        recompute=recompute,
        links=_links(handle.config),
    )


def _links(config: MonitorConfig) -> dict[str, str]:
    """Return where people can read on: the model's page, and the run in the UI."""
    links = {
        "report": stages.page_address(config.model),
        # Of a server that ends with the command Prefect says "None/flow-runs/...".
        "run": flow_run.ui_url if in_ui() else None,
    }
    return {name: address for name, address in links.items() if address}


@hop
def read_back(handle: stages.Handle, done: ResultRow, store: Store, *, notify: bool) -> Report:
    """Read the verdict on rows that were judged before, and join the labels known by now."""
    links = _links(handle.config)
    return stages.read_back(handle, done, store, notify=notify, links=links)


@hop
def evaluate_window(
    config: MonitorConfig,
    window: Window,
    as_of: datetime,
    store: Store,
    *,
    notify: bool,
    recompute: bool,
    ahead: stages.Ahead | None = None,
) -> Report:
    """Take one window of a span through all stages."""
    links = _links(config)
    return stages.evaluate_window(
        config, window, as_of, store, notify=notify, recompute=recompute, links=links, ahead=ahead
    )


@hop
def revise(config: MonitorConfig, windows: Sequence[Window], as_of: datetime, store: Store) -> None:
    """Judge the performance of a span again, with the labels known by now."""
    stages.revise(config, windows, as_of, store)


@hop
def send_slack_alert(config: MonitorConfig, report: Report, store: Store) -> DeliverySummary:
    """Send the alerts that the outbox holds."""
    return _told(stages.deliver_alerts(store, configs=[config]))


@hop
def trigger_retraining(config: MonitorConfig, report: Report, store: Store) -> DeliverySummary:
    """Call the retraining hooks that the outbox holds."""
    return _told(stages.deliver_triggers(store, configs=[config]))


def _told(summary: DeliverySummary) -> DeliverySummary:
    # What did not go out stays in the outbox and is tried again: no reason to fail the run.
    logger = get_run_logger()
    logger.info("sent %d, to be tried again %d", summary.sent, summary.retried)
    for problem in summary.problems:
        logger.warning("not delivered: %s", problem)
    return summary
