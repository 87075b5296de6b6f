"""What the flows share: which window a run is for, and what follows from a report."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from prefect import get_run_logger
from prefect.runtime import flow_run

from flows.run_local import PROGRESS
from monitoring_sdk import stages
from monitoring_sdk.adapters.notify import PRINTED
from monitoring_sdk.adapters.outbox import OPEN
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_privacy import Retention
from monitoring_sdk.decision import ALERTS, ATTACHED
from monitoring_sdk.errors import ConfigError, MonitoringError
from monitoring_sdk.report import Report
from monitoring_sdk.stages import outcomes
from monitoring_sdk.window import Window, parse_time
from tasks.act import send_slack_alert, trigger_retraining
from tasks.hop import whole

TRIGGERS = stages.TRIGGERS


def model_name() -> str:
    """Name a run after its model, where a path of a monitor file was given too."""
    return Path(str(flow_run.get_parameters()["model"])).stem


def say(text: str) -> None:
    """Log a line of progress; a flow called from the command line shows it on stderr."""
    get_run_logger().info(text, extra={PROGRESS: True})


def window_of(
    config: MonitorConfig, window_end: datetime | None, as_of: datetime | None
) -> tuple[Window, datetime]:
    """Return the window that a run is for, and the moment as of which it looks.

    Without `window_end` it is the latest window that was complete, its lag over, at the scheduled
    start of the run: a run that starts late, or again, looks at the window it was meant for.

    Raises
    ------
    ConfigError
        When no window has that end, or it would be looked at before it is complete.
    """
    zone = config.window.timezone
    asked = None if as_of is None else parse_time(as_of, zone)
    if window_end is None:
        at = asked or scheduled_start()
        return config.cadence.latest(at, config.window.lag), at
    window = config.cadence.ending(parse_time(window_end, zone))
    if asked is not None and asked < window.end:
        raise ConfigError(f"as_of: {asked.isoformat()} is before the end of the window {window}")
    return window, asked or stages.step_as_of(config, window)


def scheduled_start() -> datetime:
    """Return the moment for which this run was scheduled, however late it started."""
    # Prefect gives its own kind of datetime, with an arithmetic of its own.
    return datetime.fromisoformat(flow_run.get_scheduled_start_time().isoformat()).astimezone(UTC)


def follow_up(config: MonitorConfig, report: Report, store: Store) -> None:
    """Send what the outbox holds for this model; the run's graph shows which of the two it was."""
    outcomes.look_after(store, stages.clock(), config.model, [config])
    if due(store, config.model, ALERTS):
        send_slack_alert(config, whole(report), store)
    if due(store, config.model, TRIGGERS):
        trigger_retraining(config, whole(report), store)


def keep_within(config: MonitorConfig, store: Store) -> None:
    """Remove what is older than the monitor file says; where that fails, the next run goes on."""
    if config.retention == Retention():
        return
    try:
        found = stages.retain(config, store)
    except (MonitoringError, OSError) as error:
        get_run_logger().warning(f"{config.model}: retention: {type(error).__name__}")
        return
    if found.files or found.verdicts:
        get_run_logger().info(found.text())


def due(store: Store, model: str, kinds: Collection[str]) -> bool:
    """Say whether the outbox holds a message for a model that can be sent now.

    An alert that was printed, for want of a Slack token, is held until there is one.
    """
    now = stages.clock()
    can_post = any(os.environ.get(name) for name in ("SLACK_BOT_TOKEN", "SLACK_WEBHOOK_URL"))
    return any(
        row.message.model == model
        and row.message.kind in kinds
        and (row.next_attempt <= now or row.attempts == 0)
        and (can_post or (row.detail != PRINTED and row.message.kind not in ATTACHED))
        for state in OPEN
        for row in store.messages(state)
    )


def must_have_looked(report: Report) -> None:
    """Fail the run if the window could not be evaluated; whatever was found is no failure.

    Raises
    ------
    MonitoringError
        With the reason.
    """
    if report.status == "error":
        raise MonitoringError(f"{report.model} {report.window}: {report.reason}")
