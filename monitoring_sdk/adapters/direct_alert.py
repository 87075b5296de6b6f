"""One alert straight to Slack, for a process that has no outbox."""

from __future__ import annotations

import uuid
from datetime import datetime

from monitoring_sdk.adapters.outbox import Claimed, OutboxRow
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.decision import Message
from monitoring_sdk.errors import ConfigError, DeliveryError
from monitoring_sdk.stages.handle import find_config


def _channel(model: str) -> str | None:
    """Return the channel that the model's monitor file names, where there is one."""
    try:
        return find_config(model)[0].alerts.slack.channel
    except ConfigError:
        return None


def post_text(model: str, text: str, now: datetime) -> str:
    """Post a text about a model, and say where it went.

    Raises
    ------
    DeliveryError
        When Slack did not take it.
    """
    channel = _channel(model)
    sender = SlackSender.from_environment()
    payload = {"channel": channel, "text": f"{model}: {text}", "blocks": None}
    message = Message(str(uuid.uuid4()), "slack", model, "", "direct", payload)
    row = OutboxRow(message, "pending", now, now, 0, None, None, 0)
    outcome = sender.send(Claimed(row, "direct", ambiguous=False))
    if outcome.state != "sent":
        raise DeliveryError(f"Slack did not take the alert: {outcome.detail}")
    return f"slack {channel}" if channel else "slack"
