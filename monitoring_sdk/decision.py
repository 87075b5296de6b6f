"""What a decision about a window leaves behind: results, an incident, a trigger, messages.

All identifiers follow from what they name (UUID version 5), so a decision taken twice, by a retry
or by two workers, names the same things twice instead of making new ones.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from monitoring_sdk.report import Check, Incident, Status, Trigger
from monitoring_sdk.window import Window

Part = Literal["data", "performance"]
MessageKind = Literal[
    "slack",
    "slack_update",
    "slack_chart",
    "apprise",
    "deployment",
    "webhook",
    "command",
    "approval",
]
ALERTS: tuple[MessageKind, ...] = ("slack", "slack_update", "slack_chart", "apprise")
"""The kinds that tell people."""
ATTACHED: tuple[MessageKind, ...] = ("slack_update", "slack_chart")
"""The kinds that belong to a message of Slack, and are nothing without it."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:monitoring-sdk")


def _named(kind: str, *parts: str) -> str:
    # The unit separator cannot be in a model's name, so no two lists of parts read the same.
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join([kind, *parts])))


def incident_id(model: str, opening: Window) -> str:
    """Name the incident that a window opened.

    Examples
    --------
    >>> day = Window.from_dict({"start": "2013-06-03T04:00Z", "end": "2013-06-04T04:00Z"})
    >>> incident_id("flights", day) == incident_id("flights", day)
    True
    """
    return _named("incident", model, str(opening))


def trigger_id(incident: str) -> str:
    """Name the one request to retrain that an incident can make.

    Examples
    --------
    >>> trigger_id("a") == trigger_id("b")
    False
    """
    return _named("trigger", incident)


def message_id(model: str, incident: str, transition: str) -> str:
    """Name the one message that tells of a transition: the delivery id at its receiver.

    Examples
    --------
    >>> message_id("flights", "a", "opened") == message_id("flights", "a", "closed")
    False
    """
    return _named("message", model, incident, transition)


@dataclass(frozen=True, slots=True)
class ResultRow:
    """The verdict on one part of one window, as it is stored.

    Attributes
    ----------
    part : str
        `data` (quality, drift, prediction, operations) or `performance` (what needs labels).
    settings : str
        Hash of the settings that change numbers, not of those of alerts or hooks.
    fingerprint : str
        Of the source's rows, and for `performance` of the labels seen.
    revision : int
        Counts the verdicts on this part of this window from 1; 0 before it is stored.
    """

    model: str
    window: Window
    part: Part
    baseline: str | None
    settings: str
    fingerprint: str
    as_of: datetime
    status: Status
    reason: str | None = None
    rows: int | None = None
    checks: tuple[Check, ...] = ()
    revision: int = 0


def in_place(rows: Sequence[ResultRow], row: ResultRow) -> list[ResultRow]:
    """Put a verdict among others of its part, in order of time; in the place of the one before."""
    at = bisect_left(rows, row.window, key=lambda r: r.window)
    after = at + (at < len(rows) and rows[at].window == row.window)
    return [*rows[:at], row, *rows[after:]]


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell the outside, once.

    `payload` is JSON. For `slack`: `channel` (an id, or None for the console), `text`, `blocks`.
    For `slack_update` likewise, and for `slack_chart` what is drawn, both with `reply_to`: the id
    of the message that they belong to. For `apprise`: `target` (never its URL), `name`, `type`,
    `text` (the title) and `body`.
    For `deployment` and `command`: the hook's own value under its kind, and `trigger_id`,
    `window_end` (ISO 8601), `reason`; likewise for `webhook`, whose address is not kept, and for
    `approval` with `deployment`, the one that asks, and `within`, the seconds for an answer.
    """

    id: str
    kind: MessageKind
    model: str
    incident: str
    transition: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """All that is committed at once for a window.

    Attributes
    ----------
    decides : bool
        Whether this moves the model on to `window`. False for a mere revision of older windows,
        which leaves incidents alone.
    """

    model: str
    window: Window
    as_of: datetime
    results: tuple[ResultRow, ...] = ()
    incident: Incident | None = None
    trigger: Trigger | None = None
    messages: tuple[Message, ...] = ()
    decides: bool = True
