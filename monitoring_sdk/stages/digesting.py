"""When a day or a week is over: its digest goes into the outbox, once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from monitoring_sdk.adapters.store import Deciding, Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Message, ResultRow, message_id
from monitoring_sdk.render.digest import Digest, digest, digest_markdown, digest_slack
from monitoring_sdk.report import Report
from monitoring_sdk.stages.fleet import alerts_of
from monitoring_sdk.window import Cadence, Window

EVERY = {"daily": "1d", "weekly": "1w"}


def tell_digest(
    tx: Deciding,
    config: MonitorConfig,
    window: Window,
    before: datetime | None,
    links: Mapping[str, str] | None = None,
) -> None:
    """Put a digest into the outbox, if a day or an ISO week ended since the decision before.

    After an outage it speaks of all the days or weeks since. An empty one is not sent.

    Parameters
    ----------
    tx : Deciding
        After the window's decision was written to it.
    config : MonitorConfig
    window : Window
        The decided one.
    before : datetime or None
        The end of the newest window that had been decided until then.
    links : mapping, optional
        Addresses for people.
    """
    slack = alerts_of(config).slack
    every = EVERY.get(slack.digest or "")
    if every is None:
        return
    zone = config.window.timezone
    cadence = Cadence(every, zone)
    until = cadence.floor(window.end)
    since = cadence.previous(until) if before is None else cadence.floor(before)
    if since >= until:
        return
    found = gather(tx, config, since, until)
    if found.empty:
        return
    last = (until - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date()
    transition = f"digest:{last.isoformat()}"
    content = digest_slack(config.model, found, links=links, timezone=zone)
    payload = {"channel": slack.channel, **content}
    identity = message_id(config.model, "", transition)
    tx.tell(Message(identity, "slack", config.model, "", transition, payload))


def gather(tx: Deciding, config: MonitorConfig, since: datetime, until: datetime) -> Digest:
    """Return the digest of a span: its windows, and the labels that came due in it."""
    rows = tx.judged(since, until, config.window.lag)
    return digest([_report(row) for row in rows], since, until, tx.incidents())


def digest_so_far(store: Store, config: MonitorConfig, window: Window) -> str:
    """Write what was notable in the days up to a window, whether a digest is sent or not.

    Of the seven days up to its end, as Markdown for the run's artifacts.
    """
    since = window.end - timedelta(days=7)
    rows = store.judged(config.model, since, window.end, config.window.lag)
    incidents = store.incidents(config.model)
    found = digest([_report(row) for row in rows], since, window.end, incidents)
    return digest_markdown(config.model, found, timezone=config.window.timezone)


def _report(row: ResultRow) -> Report:
    return Report(
        row.model,
        row.window,
        row.as_of,
        row.status,
        row.rows,
        row.baseline,
        row.reason,
        row.checks,
    )
