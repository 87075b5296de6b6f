"""One broken column pages once: what other models find of it goes into the thread of the first."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from monitoring_sdk.adapters.outbox import REPLY_TO
from monitoring_sdk.adapters.store import Deciding
from monitoring_sdk.config import MonitorConfig, load_config
from monitoring_sdk.decision import Message
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.fleet import Broken, Group, group, load_fleet
from monitoring_sdk.render.grouped import group_words, grouped_message
from monitoring_sdk.render.slack import slack_message
from monitoring_sdk.report import Incident, Report
from monitoring_sdk.routing import whom
from monitoring_sdk.stages.fleet import causes_of
from monitoring_sdk.stages.handle import monitors_root


def grouped(
    tx: Deciding, config: MonitorConfig, report: Report, incident: Incident, message: Message
) -> Message:
    """Make a reply of the first message on an incident that others' messages told of already.

    Each model keeps its incident. Of a group, the first message in a channel is as ever; those on
    the others name the group and answer the first. A target of Apprise, which has no threads, gets
    a note that names the group in place of one more alarm.

    Parameters
    ----------
    tx : Deciding
    config : MonitorConfig
    report : Report
        Of the deciding window.
    incident : Incident
        The one that the message tells of.
    message : Message
        As it is where no group is found.
    """
    found = _group_of(tx, config, incident)
    if found is None:
        return message
    place = place_of(message)
    others = [i.id for i in found.incidents if i.id != incident.id]
    told = [m for m in tx.told(others, "opened") if place_of(m) == place]
    if not told:
        return message
    if message.kind == "apprise":
        said = group_words(found.models, found.columns)
        body = f"{said}\n{message.payload['body']}"
        payload = {**message.payload, "body": body, "type": "info"}
        return dataclasses.replace(message, payload=payload)
    owner = config.owner
    if any(_called_by(m.model) == whom(owner.mention, "critical") for m in told):
        owner = owner.model_copy(update={"mention": None})
    content = slack_message(
        incident,
        report,
        "opened",
        owner=owner,
        links=dict(report.links),
        timezone=config.window.timezone,
    )
    payload = {
        **message.payload,
        **grouped_message(content, found.models, found.columns),
        REPLY_TO: told[0].payload.get(REPLY_TO) or told[0].id,
    }
    return dataclasses.replace(message, payload=payload)


def place_of(message: Message) -> tuple[str, str | None]:
    """Say where a message goes: a channel of Slack, or a target of Apprise."""
    at = message.payload.get("target" if message.kind == "apprise" else "channel")
    return message.kind, at


def _called_by(model: str) -> str | None:
    """Return whom the messages on a model call: nobody is called twice for one group."""
    found = _config_of(model)
    return None if found is None else whom(found.owner.mention, "critical")


def _config_of(model: str) -> MonitorConfig | None:
    """Load a model's file; None where it is gone or wrong, which is not this model's fault."""
    try:
        return load_config(monitors_root() / f"{model}.yaml")
    except ConfigError:
        return None


def _group_of(tx: Deciding, config: MonitorConfig, incident: Incident) -> Group | None:
    fleet = load_fleet(monitors_root())
    if fleet is None:
        return None
    within: timedelta = fleet.group.within
    broken = [Broken(incident, causes_of(config, incident.checks))]
    for other in tx.incidents_near(incident.opened, within):
        if (theirs := _config_of(other.model)) is not None:
            broken.append(Broken(other, causes_of(theirs, other.checks)))
    groups = group(broken, within)
    return next((g for g in groups if incident in g.incidents), None)
