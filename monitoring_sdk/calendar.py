"""The calendar: in a span that is known to be unusual, what merely deviates pages nobody."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_alarm import Event
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.report import Check, overall_status
from monitoring_sdk.window import Window, parse_time

QUIETED = ("budget", "provisional")
"""Where the thresholds come from that speak of the usual; all others hold on any day."""


def events_at(config: MonitorConfig, window: Window) -> tuple[Event, ...]:
    """Return the events of a monitor's calendar that a window overlaps, in the file's order.

    Examples
    --------
    >>> from monitoring_sdk.config import parse_config
    >>> config = parse_config({"model": "m", "source": {"predictions": "p.parquet"},
    ...     "columns": {"timestamp": "t", "prediction": "y"},
    ...     "calendar": [{"name": "sale", "start": "2024-11-29", "end": "2024-12-03"}]})
    >>> day = Window(parse_time("2024-12-02"), parse_time("2024-12-03"))
    >>> [event.name for event in events_at(config, day)]
    ['sale']
    >>> events_at(config, Window(day.end, parse_time("2024-12-04")))
    ()
    """
    if not config.calendar:
        return ()
    return tuple(
        event
        for event, span in zip(config.calendar, spans(config), strict=True)
        if span.start < window.end and window.start < span.end
    )


def spans(config: MonitorConfig) -> tuple[Window, ...]:
    """Return the spans of a calendar's events in UTC, in the file's order."""
    zone = config.window.timezone
    return tuple(
        Window(parse_time(e.start, zone), parse_time(e.end, zone)) for e in config.calendar
    )


def digest_only(config: MonitorConfig, window: Window) -> str | None:
    """Return the name of the event for which a window's deviations go to the digest, if any."""
    return next((e.name for e in events_at(config, window) if e.do == "digest_only"), None)


def excluded(config: MonitorConfig, window: Window) -> bool:
    """Say whether a window is no reference window, and its rows no reference rows."""
    return any(e.reference == "exclude" for e in events_at(config, window))


def set_apart(config: MonitorConfig, earlier: Window, window: Window) -> bool:
    """Say whether an earlier window is no evidence on a window: an event that is over is past.

    Within an event the windows before count as ever.
    """
    return digest_only(config, earlier) is not None and digest_only(config, window) is None


def quieted(config: MonitorConfig, rows: Sequence[ResultRow]) -> tuple[ResultRow, ...]:
    """Make warnings of the alerts in an event whose limit says no more than what is usual.

    A limit of the user's, a contract, and what needs no limit (a quality check that failed, a
    column or all rows missing) alert as on any other day.

    Parameters
    ----------
    config : MonitorConfig
    rows : sequence of ResultRow
        Verdicts, each on one part of one window.

    Returns
    -------
    tuple of ResultRow
        In the same order; a row outside of events is the one that came.
    """
    return tuple(_quieted(row, digest_only(config, row.window)) for row in rows)


def _quieted(row: ResultRow, event: str | None) -> ResultRow:
    if event is None or not any(_deviates(c) for c in row.checks):
        return row
    checks = tuple(_warning(c, event) if _deviates(c) else c for c in row.checks)
    status, reason = row.status, row.reason
    if status == "alert":
        status, reason = overall_status(checks)
    return dataclasses.replace(row, checks=checks, status=status, reason=reason)


def _deviates(check: Check) -> bool:
    return (
        check.status == "alert" and check.severity == "critical" and check.threshold_from in QUIETED
    )


def _warning(check: Check, event: str) -> Check:
    said = f"in the calendar: {event}"
    reason = f"{check.reason}; {said}" if check.reason else said
    return dataclasses.replace(check, severity="warning", reason=reason)
