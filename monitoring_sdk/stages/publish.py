"""Deliver and publish: what the outbox holds goes out, and the page is written."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from monitoring_sdk.adapters.chart_image import draw
from monitoring_sdk.adapters.folders import folder, is_remote, reached, write
from monitoring_sdk.adapters.notify import DeliverySummary, deliver, senders_of_environment
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.adapters.webhook import WebhookSender
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_retraining import Hook
from monitoring_sdk.decision import ALERTS
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.stages.handle import find_config
from monitoring_sdk.stages.newest import newest_reports
from monitoring_sdk.stages.steps import clock, worker
from monitoring_sdk.stages.targets import address_of

PAGE_WINDOWS = 400
"""The page tells of this many of the newest windows."""

TRIGGERS = ("approval", "deployment", "webhook", "command")


@dataclass(frozen=True)
class Published:
    """Where a model's page is, on disk or behind a URL, and, where that is set up, for people."""

    path: Path
    url: str | None

    @property
    def link(self) -> str:
        """What leads to it: the address for people, else its own."""
        return self.url or (
            str(self.path) if is_remote(self.path) else self.path.absolute().as_uri()
        )


def deliver_kinds(
    store: Store,
    kinds: Collection[str],
    *,
    now: datetime | None = None,
    configs: Collection[MonitorConfig] = (),
) -> DeliverySummary:
    """Send what the outbox holds of some kinds of message.

    Parameters
    ----------
    configs : collection of MonitorConfig
        Of models whose files need not lie in the folder of monitors: where a webhook is, and how
        it is signed, is read from the file when it is called.
    """

    def hook_of(model: str) -> Hook | None:
        try:
            own = next((c for c in configs if c.model == model), None) or find_config(model)[0]
        except ConfigError:
            return None
        return None if own.retraining is None else own.retraining.hook

    every = senders_of_environment(partial(address_of, configs=configs), partial(draw, store=store))
    senders = {"webhook": WebhookSender(hook_of), **every}
    wanted = {k: s for k, s in senders.items() if k in kinds}
    return deliver(store, wanted, now=now or clock(), holder=worker())


def deliver_alerts(
    store: Store, *, now: datetime | None = None, configs: Collection[MonitorConfig] = ()
) -> DeliverySummary:
    """Send the alerts that the outbox holds."""
    return deliver_kinds(store, ALERTS, now=now, configs=configs)


def deliver_updates(store: Store, *, now: datetime | None = None) -> DeliverySummary:
    """Bring first messages up to date; nobody is told of anything."""
    return deliver_kinds(store, ("slack_update",), now=now)


def deliver_triggers(
    store: Store, *, now: datetime | None = None, configs: Collection[MonitorConfig] = ()
) -> DeliverySummary:
    """Call the retraining hooks that the outbox holds; see `deliver_kinds`."""
    return deliver_kinds(store, TRIGGERS, now=now, configs=configs)


def deliver_all(store: Store, *, now: datetime | None = None) -> DeliverySummary:
    """Send all that the outbox holds."""
    return deliver_kinds(store, (*ALERTS, *TRIGGERS), now=now)


def reports_root() -> Path:
    """Return the folder of HTML pages; one behind a URL does what a path does."""
    root = os.environ.get("MONITORING_REPORTS") or ".monitoring/reports"
    return folder(root, "MONITORING_REPORTS")


def page_address(model: str) -> str | None:
    """Return where people open a model's page, if that is set up."""
    base = os.environ.get("MONITORING_REPORTS_URL")
    return f"{base.rstrip('/')}/{model}.html" if base else None


def publish(
    config: MonitorConfig, store: Store, *, out: Path | None = None, now: datetime | None = None
) -> Published:
    """Write the HTML page of a model's history, replacing the one before it at once.

    Raises
    ------
    MonitoringError
        When the folder cannot be written to.
    """
    # What draws brings pandas along, which other stages do without.
    from monitoring_sdk.render.html import html_report

    path = (out or reports_root()) / f"{config.model}.html"
    windows = list(store.rows_of_windows(config.model, limit=PAGE_WINDOWS))
    now = now or clock()
    page = html_report(
        config.model,
        config.owner,
        store.history(config.model, limit=PAGE_WINDOWS),
        generated_at=now,
        reports=newest_reports(config, windows, now, store),
        incidents=store.incidents(config.model),
        triggers=store.triggers(config.model),
        timezone=config.window.timezone,
    )
    with reached(path):
        write(path, page.encode())
    return Published(path, page_address(config.model))
