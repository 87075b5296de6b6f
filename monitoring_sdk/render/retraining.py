"""What people are told of a retraining, and how triggers are listed on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from monitoring_sdk.render.console import table
from monitoring_sdk.render.numbers import NOTHING, moment, short
from monitoring_sdk.render.slack import escape, mention
from monitoring_sdk.report import Trigger
from monitoring_sdk.window import parse_time

Note = Literal[
    "approval", "unapproved", "declined", "promoted", "kept", "failed", "finished", "unanswered"
]

_TITLES: Mapping[Note, str] = {
    "approval": "retraining waits for approval",
    "unapproved": "retraining still waits for approval",
    "declined": "retraining was declined",
    "promoted": "retraining gave a better model",
    "kept": "retraining gave no better model",
    "failed": "retraining failed",
    "finished": "retraining ended without saying what came of it",
    "unanswered": "nothing was heard of the retraining that was asked for",
}
_CALLS: tuple[Note, ...] = ("approval", "unapproved", "failed", "unanswered")
"""Where somebody has to act, the owner is mentioned."""

_STATES = {
    "put_off": "put off",
    "lapsed": "not asked for",
    "pending": "to be sent",
    "unknown": "sent, in doubt",
    "awaiting_approval": "waits for approval",
    "finished": "ended, outcome unknown",
}


def retraining_note(trigger: Trigger, what: Note, *, owner: Any = None) -> dict[str, Any]:
    """Write what happened to a trigger as one Slack message: `text` and `blocks`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> trigger = Trigger("t", "flights", "i", "accuracy is 0.71", datetime(2013, 6, 4, tzinfo=UTC),
    ...                   "kept", "log loss worse by 0.01")
    >>> retraining_note(trigger, "kept")["text"]
    'flights: retraining gave no better model: log loss worse by 0.01'
    """
    title = f"{trigger.model}: {_TITLES[what]}"
    said = trigger.outcome if what not in ("approval", "unapproved", "unanswered") else None
    said = said or trigger.reason
    lines = [f"*{escape(title)}*", escape(short(said, 2000))]
    if what in ("approval", "unapproved"):
        lines.append(
            "Answer the suspended run of `approve/all-models` in the Prefect UI, or "
            f"`monitoring retraining {trigger.id[:8]} --approve` (`--decline`)."
        )
    if what in ("finished", "unanswered"):
        lines.append(
            f"`monitoring retraining {trigger.id[:8]} --outcome promoted` (`kept`, `failed`)"
        )
    who = mention(getattr(owner, "mention", None)) if what in _CALLS else ""
    text = "\n".join([*lines, who] if who else lines)
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
    return {"text": escape(f"{title}: {short(said, 500)}"), "blocks": [section]}


def triggers_text(triggers: Sequence[Mapping[str, Any]]) -> str:
    """Write the list of `monitoring retraining`: a line a trigger.

    Examples
    --------
    >>> print(triggers_text([{"id": "5c57ac8e-1", "model": "flights", "state": "put_off",
    ...     "window_end": "2013-06-04T04:00:00Z", "reason": "accuracy is 0.71",
    ...     "outcome": "quiet hours"}]))
    id        model    asked for             state    because           outcome
    5c57ac8e  flights  2013-06-04 04:00 UTC  put off  accuracy is 0.71  quiet hours
    """
    if not triggers:
        return "no retraining was asked for"
    head = ("id", "model", "asked for", "state", "because", "outcome")
    lines = [
        [
            t["id"][:8],
            short(t["model"]),
            moment(parse_time(t["window_end"])),
            state_words(t["state"]),
            short(t["reason"], 60),
            short(t["outcome"], 60) if t["outcome"] else NOTHING,
        ]
        for t in triggers
    ]
    return table(head, lines, left=6)


def state_words(state: str) -> str:
    """Say a trigger's state in words.

    Examples
    --------
    >>> state_words("awaiting_approval"), state_words("promoted")
    ('waits for approval', 'promoted')
    """
    return _STATES.get(state, state)


def trigger_text(document: Mapping[str, Any]) -> str:
    """Write one trigger in full, as `monitoring retraining ID` shows it."""
    trigger = document["trigger"]
    lines = [
        f"{short(document['model'])}: retraining {trigger['id']}",
        f"  asked for {moment(parse_time(trigger['window_end']))}, {state_words(trigger['state'])}",
        f"  because {short(trigger['reason'], 300)}",
        f"  incident {trigger['incident']}",
    ]
    if trigger["outcome"]:
        lines.append(f"  {short(trigger['outcome'], 1000)}")
    return "\n".join(lines)
