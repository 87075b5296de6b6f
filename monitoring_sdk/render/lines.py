"""Checks, incidents and statuses as the lines of a page's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from monitoring_sdk.render.keys import subject
from monitoring_sdk.render.numbers import NOTHING, moment, pair, short, unit_of
from monitoring_sdk.render.tidy import incident_checks
from monitoring_sdk.render.words import (
    STATUSES,
    THRESHOLDS_FROM,
    key_words,
    label,
    status_label,
    words,
)
from monitoring_sdk.report import Check, Incident, Trigger
from monitoring_sdk.window import Window

MARKS: Mapping[str, str] = {"ok": "✓", "alert": "▲", "error": "✕", "no_data": "∅"}
OTHER_MARK = "○"


@dataclass(frozen=True, slots=True)
class Badge:
    """A status to show: its name, a mark for those who do not see the colour, what it means."""

    status: str
    text: str
    mark: str
    meaning: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A line of the table of checks."""

    family: str
    where: str
    what: str
    value: str
    threshold: str
    origin: str
    n: str
    badge: Badge
    severity: str
    reason: str


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """A line of the table of incidents."""

    id: str
    opened: str
    closed: str
    families: str
    checks: tuple[str, ...]
    more: int
    retraining: tuple[str, ...]


def badge(status: str) -> Badge:
    """Return how a status is shown.

    Examples
    --------
    >>> badge("no_data").text, badge("ok").mark
    ('no data', '✓')
    """
    return Badge(
        status, status_label(status), MARKS.get(status, OTHER_MARK), STATUSES.get(status, "")
    )


def check_row(check: Check) -> CheckRow:
    """Return a check as a line of the table."""
    value, threshold = pair(check.value, check.threshold, unit_of(check.name))
    arrow = {"above": "≤ ", "below": "≥ "}.get(check.direction or "", "")
    return CheckRow(
        family=check.family,
        where=subject(check) or NOTHING,
        what=label(check.name),
        value=value,
        threshold=threshold if threshold == NOTHING else arrow + threshold,
        origin=THRESHOLDS_FROM.get(check.threshold_from or "", NOTHING),
        n=NOTHING if check.n is None else f"{check.n:,}",
        badge=badge(check.status),
        severity=check.severity,
        reason=short(check.reason, 300) if check.reason else "",
    )


def incident_row(
    incident: Incident,
    frame: pd.DataFrame,
    triggers: Sequence[Trigger],
    timezone: str,
    known: Mapping[tuple[str, Window], Check],
) -> IncidentRow:
    """Return an incident as a line: its checks with the values they had, and what followed.

    `known` has the checks of the reports, which say their reasons; a history does not.
    """
    found = incident_checks(frame, incident)
    said = [words(known.get((c.key, c.window), c)) for c in found] or [
        key_words(k) for k in incident.checks[:3]
    ]
    lines = []
    for trigger in triggers:
        if trigger.incident == incident.id:
            at = moment(trigger.window_end, timezone)
            outcome = short(trigger.outcome, 300) if trigger.outcome else "outcome not known yet"
            lines += [
                f"{short(trigger.state)} for the window ending {at}: {outcome}",
                f"because {short(trigger.reason, 300)}",
            ]
    return IncidentRow(
        id=short(incident.id, 40),
        opened=moment(incident.opened, timezone),
        closed="open" if incident.closed is None else moment(incident.closed, timezone),
        families=", ".join(incident.families) or NOTHING,
        checks=tuple(said),
        more=max(0, len(incident.checks) - len(said)),
        retraining=tuple(lines),
    )
