"""Deliver and publish: what the outbox holds goes out, and the page is written."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from monitoring_sdk.adapters.notify import DeliverySummary, deliver, senders_of_environment
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.adapters.webhook import WebhookSender
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_retraining import Hook
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.render.html import html_report
from monitoring_sdk.stages.handle import find_config
from monitoring_sdk.stages.newest import newest_reports
from monitoring_sdk.stages.steps import clock, worker

PAGE_WINDOWS = 400
"""The page tells of this many of the newest windows."""

ALERTS = ("slack",)
TRIGGERS = ("approval", "deployment", "webhook", "command")


@dataclass(frozen=True)
class Published:
    """Where a model's page is, on disk and, where that is set up, for people."""

    path: Path
    url: str | None


def deliver_kinds(
    store: Store,
    kinds: Collection[str],
    *,
    now: datetime | None = None,
    config: MonitorConfig | None = None,
) -> DeliverySummary:
    """Send what the outbox holds of some kinds of message.

    Parameters
    ----------
    config : MonitorConfig, optional
        Of a model whose file need not lie in the folder of monitors: where a webhook is, and how
        it is signed, is read from the file when it is called.
    """

    def hook_of(model: str) -> Hook | None:
        try:
            own = config if config is not None and config.model == model else find_config(model)[0]
        except ConfigError:
            return None
        return None if own.retraining is None else own.retraining.hook

    senders = {"webhook": WebhookSender(hook_of), **senders_of_environment()}
    wanted = {k: s for k, s in senders.items() if k in kinds}
    return deliver(store, wanted, now=now or clock(), holder=worker())


def deliver_alerts(store: Store, *, now: datetime | None = None) -> DeliverySummary:
    """Send the alerts that the outbox holds."""
    return deliver_kinds(store, ALERTS, now=now)


def deliver_triggers(
    store: Store, *, now: datetime | None = None, config: MonitorConfig | None = None
) -> DeliverySummary:
    """Call the retraining hooks that the outbox holds; see `deliver_kinds`."""
    return deliver_kinds(store, TRIGGERS, now=now, config=config)


def deliver_all(store: Store, *, now: datetime | None = None) -> DeliverySummary:
    """Send all that the outbox holds."""
    return deliver_kinds(store, (*ALERTS, *TRIGGERS), now=now)


def reports_root() -> Path:
    """Return the folder of HTML pages."""
    return Path(os.environ.get("MONITORING_REPORTS") or ".monitoring/reports")


def page_address(model: str) -> str | None:
    """Return where people open a model's page, if that is set up."""
    base = os.environ.get("MONITORING_REPORTS_URL")
    return f"{base.rstrip('/')}/{model}.html" if base else None


def publish(
    config: MonitorConfig, store: Store, *, out: Path | None = None, now: datetime | None = None
) -> Published:
    """Write the HTML page of a model's history, replacing the one before it at once."""
    folder = out or reports_root()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{config.model}.html"
    windows = [r.window for r in store.results(config.model, part="data")][-PAGE_WINDOWS:]
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
    draft = path.with_suffix(f".{worker()}.tmp")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)
    return Published(path, page_address(config.model))
