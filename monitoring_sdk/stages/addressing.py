"""Messages get their addresses: where they go, by which id, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitoring_sdk.adapters.outbox import REPLY_TO
from monitoring_sdk.adapters.store import Deciding
from monitoring_sdk.config_alerts import target_id, target_label
from monitoring_sdk.decision import Message, message_id
from monitoring_sdk.render.alerts import amended, verdict_words
from monitoring_sdk.report import Incident
from monitoring_sdk.routing import Target
from monitoring_sdk.stages.grouping import place_of

Content = dict[str, Any]


def place(target: Target) -> str:
    """Name a target in ids and rows: never by a URL."""
    return target.address or "" if target.kind == "slack" else target_id(str(target.address))


def addressed(
    model: str, target: Target, incident: str, transition: str, content: Content, *, first: bool
) -> Message:
    """Address a message; the first on a transition is named by it alone."""
    at = place(target)
    if target.kind == "slack":
        payload = {"channel": target.address, **content}
    else:
        payload = {"target": at, "name": target_label(str(target.address)), **content}
    identity = message_id(model, incident, transition if first else f"{transition}@{at}")
    return Message(identity, target.kind, model, incident, transition, payload)


def answering(lead: Message, transition: str, content: Content, *, first: bool) -> Message:
    """Write on where a message went: in its thread, where there are threads."""
    _, at = place_of(lead)
    identity = transition if first else f"{transition}@{at}"
    kept = ("channel",) if lead.kind == "slack" else ("target", "name")
    payload = {**{name: lead.payload.get(name) for name in kept}, **content}
    if at is not None and lead.kind == "slack":
        payload[REPLY_TO] = lead.payload.get(REPLY_TO) or lead.id
    named = message_id(lead.model, lead.incident, identity)
    return Message(named, lead.kind, lead.model, lead.incident, transition, payload)


def leads(tx: Deciding, incident: str) -> list[Message]:
    """Return the first message on an incident in each place, in the order of their coming."""
    firsts: dict[tuple[str, str | None], Message] = {}
    for message in tx.told([incident]):
        firsts.setdefault(place_of(message), message)
    return list(firsts.values())


def updates(
    tx: Deciding, incident: Incident, lead: Message, transition: str, timezone: str
) -> Iterator[Message]:
    """Bring the first message on an incident up to date, where that can be done.

    It says how the incident stands, and what people said of it.
    """
    if lead.kind != "slack" or not lead.payload.get("channel"):
        return
    said = [verdict_words(f) for f in tx.feedback() if f.incident == incident.id]
    content = amended(lead.payload, incident, timezone, said)
    yield Message(
        message_id(lead.model, lead.id, f"update:{transition}"),
        "slack_update",
        lead.model,
        lead.incident,
        f"update:{transition}",
        {"channel": lead.payload["channel"], **content, REPLY_TO: lead.id},
    )
