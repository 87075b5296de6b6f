"""One alert straight to Slack, for a process that has no outbox."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import datetime

from monitoring_sdk.adapters.outbox import Claimed, OutboxRow
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.decision import Message
from monitoring_sdk.errors import DeliveryError


def post_text(text: str, channel: str | None, now: datetime) -> str:
    """Post a text, and say where it went; a webhook has a channel of its own, a token needs one.

    Raises
    ------
    DeliveryError
        When Slack did not take it.
    """
    sender = SlackSender.from_environment()
    if channel is None:
        sender = dataclasses.replace(sender, token=None)
    payload = {"channel": channel, "text": text, "blocks": None}
    message = Message(str(uuid.uuid4()), "slack", "", "", "direct", payload)
    row = OutboxRow(message, "pending", now, now, 0, None, None, 0)
    outcome = sender.send(Claimed(row, "direct", ambiguous=False))
    if outcome.kind != "sent":
        raise DeliveryError(f"Slack did not take the alert: {outcome.detail}")
    return f"slack {channel}" if sender.token else "slack by webhook"
