"""The messages that follow from a decision: what is told, where, and what becomes of the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring_sdk.adapters.outbox import REPLY_TO
from monitoring_sdk.adapters.store import Deciding
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_alerts import Alerts
from monitoring_sdk.decision import Message, ResultRow, message_id
from monitoring_sdk.feedback import silenced_until
from monitoring_sdk.render.alerts import (
    notification,
    revised_message,
    revised_notification,
    warning_message,
    warning_notification,
)
from monitoring_sdk.render.slack import escape, slack_message
from monitoring_sdk.render.words import title, told
from monitoring_sdk.report import Incident, Report, timestamp
from monitoring_sdk.routing import Target, maintained_until, routed, whom
from monitoring_sdk.stages.addressing import Content, addressed, answering, leads, place, updates
from monitoring_sdk.stages.fleet import alerts_of
from monitoring_sdk.stages.flips import flips, new_warnings
from monitoring_sdk.stages.grouping import grouped, place_of
from monitoring_sdk.stages.telling import reminder, transitions_to_tell


@dataclass(frozen=True, slots=True)
class _Telling:
    tx: Deciding
    config: MonitorConfig
    alerts: Alerts
    report: Report

    def content(self, kind: str, incident: Incident, transition: str, call: str | None) -> Content:
        write = slack_message if kind == "slack" else notification
        return write(
            incident,
            self.report,
            transition,
            owner=self.config.owner.model_copy(update={"mention": call}),
            links=dict(self.report.links),
            timezone=self.config.window.timezone,
        )


def tell(
    tx: Deciding,
    config: MonitorConfig,
    report: Report,
    incident: Incident | None,
    transitions: Sequence[str] | None,
    rows: Sequence[ResultRow],
    now: datetime,
) -> tuple[Message, ...]:
    """Make the messages that follow from a decision.

    Parameters
    ----------
    tx : Deciding
        Before the decision is written to it.
    config : MonitorConfig
    report : Report
        Of the deciding window.
    incident : Incident or None
        As it stands after the window.
    transitions : sequence of str, or None
        What the window changed in it; None where it only revised verdicts.
    rows : sequence of ResultRow
        The verdicts that are about to be written.
    now : datetime
        By the clock.
    """
    alerts = alerts_of(config)
    telling = _Telling(tx, config, alerts, report)
    quiet = maintained_until(alerts, config.window.timezone, now)
    made: list[Message] = []
    if transitions is not None:
        due = transitions or reminder(incident, report.window.end, alerts.remind)
        for told_of, transition in transitions_to_tell(tx, incident, due, now, quiet):
            make = _opened if transition == "opened" else _followed
            made += make(telling, told_of, transition)
    if quiet is not None or silenced_until(tx.feedback(), now) is not None:
        return tuple(made)
    made += _revised(telling, rows, {m.incident for m in made})
    if transitions is not None:
        made += _warned(telling, rows)
    return tuple(made)


def _opened(telling: _Telling, incident: Incident, transition: str) -> Iterator[Message]:
    checks = told(incident, telling.report, transition)
    goes = routed(telling.alerts, incident.model, checks, telling.config.owner.mention)
    yield from _begin(telling, incident, transition, goes, first=True)


def _begin(
    telling: _Telling, incident: Incident, transition: str, goes: Iterable[Target], *, first: bool
) -> Iterator[Message]:
    """Tell targets that know nothing of an incident yet."""
    for target in goes:
        content = telling.content(target.kind, incident, transition, target.mention)
        message = addressed(incident.model, target, incident.id, transition, content, first=first)
        first = False
        message = grouped(telling.tx, telling.config, telling.report, incident, message)
        yield message
        if REPLY_TO not in message.payload:
            yield from _chart(telling, incident, message)


def _chart(telling: _Telling, incident: Incident, lead: Message) -> Iterator[Message]:
    """Draw the worst check that has a value; it is drawn when it is sent, not under the lease."""
    shown = telling.alerts.slack.chart and lead.kind == "slack" and lead.payload["channel"]
    checks = [c for c in told(incident, telling.report, "opened") if c.value is not None]
    if not shown or not checks:
        return
    name = title(checks[0])
    yield Message(
        message_id(lead.model, lead.id, "chart"),
        "slack_chart",
        lead.model,
        lead.incident,
        "chart",
        {
            "channel": lead.payload["channel"],
            REPLY_TO: lead.id,
            "check": checks[0].key,
            "until": timestamp(telling.report.window.end),
            "title": name,
            "text": escape(f"{name} over its last windows", 500),
        },
    )


def _followed(telling: _Telling, incident: Incident, transition: str) -> Iterator[Message]:
    """Tell on, wherever the incident was told of, and bring the first messages up to date."""
    firsts = leads(telling.tx, incident.id)
    checks = told(incident, telling.report, transition)
    goes = routed(telling.alerts, incident.model, checks, telling.config.owner.mention)
    calls: dict[tuple[str, str], str | None] = {(t.kind, place(t)): t.mention for t in goes}
    usual = whom(telling.config.owner.mention, "critical")
    for n, lead in enumerate(firsts):
        kind, at = place_of(lead)
        call = calls.get((kind, at or ""), usual)
        content = telling.content(kind, incident, transition, call)
        yield answering(lead, transition, content, first=n == 0)
        yield from updates(telling.tx, incident, lead, transition, telling.config.window.timezone)
    if transition.startswith("joined"):
        known = {place_of(lead) for lead in firsts}
        new = [t for t in goes if (t.kind, place(t) or None) not in known]
        yield from _begin(telling, incident, transition, new, first=False)


def _revised(
    telling: _Telling, rows: Sequence[ResultRow], spoken_of: set[str]
) -> Iterator[Message]:
    """Amend what was told of an incident whose verdicts were turned by what came late.

    Of an incident that this decision speaks of anyway, only what is no alert any more is told.
    """
    zone, model = telling.config.window.timezone, telling.config.model
    transition = f"revised:{timestamp(telling.report.as_of)}"
    for incident, found in flips(telling.tx, rows):
        kept = [f for f in found if not (f.check.pages and incident.id in spoken_of)]
        for n, lead in enumerate(leads(telling.tx, incident.id) if kept else []):
            write = revised_message if lead.kind == "slack" else revised_notification
            yield answering(lead, transition, write(model, kept, zone), first=n == 0)


def _warned(telling: _Telling, rows: Sequence[ResultRow]) -> Iterator[Message]:
    """Tell of new warnings, where a route takes them; all others are for the digest."""
    if not any(r.severity == "warning" for r in telling.alerts.routes):
        return
    checks = new_warnings(telling.tx, telling.config.cadence, rows)
    model = telling.config.model
    goes = routed(telling.alerts, model, checks, telling.config.owner.mention) if checks else {}
    transition = f"warning:{timestamp(telling.report.window.end)}"
    for n, (target, own) in enumerate(goes.items()):
        if target.kind == "slack":
            content = warning_message(model, own, target.mention)
        else:
            content = warning_notification(model, own)
        yield addressed(model, target, "", transition, content, first=n == 0)
