"""What has not arrived: always said, until it has or people have seen to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitoring_sdk.adapters.outbox import PRINTED, OutboxRow
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.report import timestamp

SHORTEST = 6
"""A message may be named by the beginning of its id, of at least so many characters."""

SHOWN = timedelta(days=30)
"""So long a message that is dead is spoken of."""


@dataclass(frozen=True, slots=True)
class OutboxStanding:
    """How many messages wait, are in doubt or are dead, and the latter two by name."""

    pending: int
    unknown: int
    dead: int
    problems: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "pending": self.pending,
            "unknown": self.unknown,
            "dead": self.dead,
            "problems": [dict(p) for p in self.problems],
        }


def outbox_standing(store: Store, now: datetime) -> OutboxStanding:
    """Say what has not arrived.

    Parameters
    ----------
    store : Store
    now : datetime
        What died within 30 days before it is counted.
    """
    rows: Sequence[OutboxRow] = [
        row
        for state in ("pending", "unknown", "dead")
        for row in store.messages(state)  # type: ignore[arg-type]
        if state != "dead" or row.next_attempt > now - SHOWN
    ]
    counts = Counter(row.state for row in rows)
    told = [r for r in rows if r.state != "pending" or (r.attempts or r.detail == PRINTED)]
    return OutboxStanding(
        counts["pending"], counts["unknown"], counts["dead"], tuple(map(_problem, told))
    )


def _problem(row: OutboxRow) -> dict[str, Any]:
    message = row.message
    detail = "printed; there is no way to send it yet" if row.detail == PRINTED else row.detail
    return {
        "id": message.id,
        "kind": message.kind,
        "to": message.payload.get("channel") or message.payload.get("name"),
        "model": message.model,
        "incident": message.incident or None,
        "transition": message.transition,
        "state": row.state,
        "attempts": row.attempts,
        "since": timestamp(row.created),
        "detail": detail,
    }


def revive(store: Store, text: str | None, now: datetime) -> list[str]:
    """Have dead messages sent again, with a patience of another seven days; return their ids.

    Parameters
    ----------
    store : Store
    text : str or None
        The id of one, or the beginning of it; None for all of them, however long they are dead.
    now : datetime

    Raises
    ------
    ConfigError
        When no dead message, or more than one, has an id that begins so.
    """
    dead = [row.message.id for row in store.messages("dead")]
    found = dead if text is None else [i for i in dead if i.startswith(text.strip().lower())]
    if text is not None and (len(found) != 1 or len(text.strip()) < SHORTEST):
        what = "several dead messages begin so" if len(found) > 1 else "no dead message has this id"
        if len(text.strip()) < SHORTEST:
            what = f"the beginning of an id needs {SHORTEST} characters"
        raise ConfigError(explain(what, where="--revive", got=text, allowed=(found or dead)[-5:]))
    store.revive(found, now)
    return found
