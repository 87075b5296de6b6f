"""One broken column pages once: what other models find of it goes into the thread of the first."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import timedelta

from monitoring_sdk.adapters.outbox import REPLY_TO
from monitoring_sdk.adapters.store import Deciding
from monitoring_sdk.config import MonitorConfig, load_config
from monitoring_sdk.decision import Message
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.fleet import Broken, Group, group, load_fleet
from monitoring_sdk.render.grouped import grouped_message
from monitoring_sdk.render.slack import slack_message
from monitoring_sdk.report import Incident, Report
from monitoring_sdk.stages.fleet import causes_of
from monitoring_sdk.stages.handle import monitors_root


def in_group(
    tx: Deciding,
    config: MonitorConfig,
    report: Report,
    incidents: Sequence[Incident],
    messages: Sequence[Message],
) -> tuple[Message, ...]:
    """Make replies of the messages on an incident that another model's message told of already.

    Each model keeps its incident. Of a group, the first message in a channel is as ever; those on
    the others name the group and answer the first, and so does what follows on them.

    Parameters
    ----------
    tx : Deciding
    config : MonitorConfig
    report : Report
        Of the deciding window.
    incidents : sequence of Incident
        Those that the messages speak of.
    messages : sequence of Message
        What is to be told of this decision.
    """
    known = {i.id: i for i in incidents}
    made: list[Message] = []
    for message in messages:
        incident = known.get(message.incident)
        if message.kind != "slack" or incident is None:
            made.append(message)
        elif message.transition == "opened":
            found = _group_of(tx, config, incident)
            made.append(
                message if found is None else _opened(tx, config, report, incident, found, message)
            )
        else:
            opened = [m for m in made if (m.incident, m.transition) == (incident.id, "opened")]
            opened = opened or tx.told([incident.id], "opened")
            made.append(_answering(message, opened[0] if opened else None))
    return tuple(made)


def _answering(message: Message, opened: Message | None) -> Message:
    """Let what follows on an incident answer what its opening answered."""
    lead = None if opened is None else opened.payload.get(REPLY_TO)
    if lead is None:
        return message
    return dataclasses.replace(message, payload={**message.payload, REPLY_TO: lead})


def _opened(
    tx: Deciding,
    config: MonitorConfig,
    report: Report,
    incident: Incident,
    found: Group,
    message: Message,
) -> Message:
    channel, owner = config.alerts.slack.channel, config.owner
    others = [i.id for i in found.incidents if i.id != incident.id]
    told = [m for m in tx.told(others, "opened") if m.payload.get("channel") == channel]
    if not told:
        return message
    if any(_called_by(m.model) == owner.mention for m in told):
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
        "channel": channel,
        **grouped_message(content, found.models, found.columns),
        REPLY_TO: told[0].payload.get(REPLY_TO) or told[0].id,
    }
    return dataclasses.replace(message, payload=payload)


def _called_by(model: str) -> str | None:
    """Return whom the messages on a model call: nobody is called twice for one group."""
    found = _config_of(model)
    return None if found is None else found.owner.mention


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
