"""Ask for retraining: what a decision records, and the message that calls the hook."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from monitoring_sdk.adapters.outbox import REPLY_TO
from monitoring_sdk.adapters.store import Deciding
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Message, ResultRow, message_id
from monitoring_sdk.feedback import acknowledged
from monitoring_sdk.render.retraining import Note, retraining_note
from monitoring_sdk.report import Incident, Report, Trigger, timestamp
from monitoring_sdk.retraining import AWAITING, PENDING, policy

APPROVAL = "approve/all-models"
"""The deployment of the flow that is suspended until somebody answers."""

_MOMENT = timedelta(microseconds=1)


def trigger_for(
    config: MonitorConfig,
    tx: Deciding,
    incident: Incident | None,
    report: Report,
    rows: Sequence[ResultRow],
) -> Trigger | None:
    """Return the trigger that a decision records; see `monitoring_sdk.retraining.policy`.

    Parameters
    ----------
    incident : Incident or None
        As it stands after the window.
    report : Report
        Of the deciding window.
    rows : sequence of ResultRow
        The verdicts of this decision, which are not written yet.
    """
    is_open = incident is not None and incident.closed is None
    tx.lapse_triggers(incident.id if is_open and incident is not None else None)
    if config.retraining is None or incident is None or not is_open:
        return None
    if acknowledged(tx.feedback(), incident.id):
        return None
    return policy(
        incident,
        report.checks,
        window=report.window,
        settings=config.retraining,
        known=tx.triggers(),
        labelled=_labelled(config, tx, incident, report, rows),
        lag=config.window.lag,
        timezone=config.window.timezone,
    )


def _labelled(
    config: MonitorConfig,
    tx: Deciding,
    incident: Incident,
    report: Report,
    rows: Sequence[ResultRow],
) -> int:
    """Count the labelled rows that were judged since an incident opened."""
    if config.retraining is None or not config.retraining.min_labels:
        return 0
    before = tx.judged(incident.opened - _MOMENT, report.window.end, config.window.lag)
    found = {r.window: r.rows or 0 for r in (*before, *rows) if r.part == "performance"}
    return sum(found.values())


def hook_messages(
    config: MonitorConfig, trigger: Trigger | None, tx: Deciding
) -> tuple[Message, ...]:
    """Return what a trigger sends: the call of the hook, or first the question whether to."""
    hook = config.retraining.hook if config.retraining is not None else None
    if trigger is None or hook is None or config.retraining is None:
        return ()
    about = {
        "trigger_id": trigger.id,
        "window_end": timestamp(trigger.window_end),
        "reason": trigger.reason,
    }
    if trigger.state == PENDING:
        # Where a webhook is, which may be a secret of its own, is read when it is called.
        payload = {"deployment": hook.deployment, "command": list(hook.command or ()), **about}
        identity = message_id(config.model, trigger.incident, "trigger")
        return (Message(identity, hook.kind, config.model, trigger.incident, "trigger", payload),)
    if trigger.state == AWAITING:
        within = config.retraining.approval_within.total_seconds()
        asked: dict[str, Any] = {"deployment": APPROVAL, "within": within, **about}
        identity = message_id(config.model, trigger.incident, "approval")
        question = Message(identity, "approval", config.model, trigger.incident, "approval", asked)
        return (question, note(config, trigger, "approval", tx))
    return ()


def note(config: MonitorConfig, trigger: Trigger, what: Note, tx: Deciding) -> Message:
    """Return what people are told of a trigger, in the thread of its incident; each thing once."""
    transition = f"retraining:{what}"
    opened = message_id(config.model, trigger.incident, "opened")
    # Of a group, the incident itself was told of in another one's thread.
    lead = next((m for m in tx.told([trigger.incident], "opened") if m.kind == "slack"), None)
    reply_to = None if lead is None else lead.payload.get(REPLY_TO)
    payload = {
        "channel": config.alerts.slack.channel,
        **retraining_note(trigger, what, owner=config.owner),
        REPLY_TO: reply_to or opened,
    }
    identity = message_id(config.model, trigger.incident, transition)
    return Message(identity, "slack", config.model, trigger.incident, transition, payload)
