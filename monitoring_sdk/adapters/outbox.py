"""The outbox: messages that were committed with a decision, until each is known to have arrived.

A row is `pending` (not sent), `unknown` (it may have been), `sent` or `dead`. Claims and
settlements are compare-and-set on the row's version, so no two workers hold the same message.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from monitoring_sdk.adapters.schema import outbox, trigger
from monitoring_sdk.decision import ATTACHED, Message

OutboxState = Literal["pending", "unknown", "sent", "dead"]
OPEN: tuple[OutboxState, ...] = ("pending", "unknown")
# The detail of a message that people saw on the console while Slack was not set up yet.
PRINTED = "printed"
REPLY_TO = "reply_to"
"""In a payload: the id of the message in whose thread it belongs."""
REPLY_WAITS = timedelta(hours=1)
"""So long a reply waits for the message that it answers; then it goes out by itself."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message and how far its delivery has come.

    `revived` is when somebody last had it sent again after it was dead, if anybody did.
    """

    message: Message
    state: OutboxState
    created: datetime
    next_attempt: datetime
    attempts: int
    detail: str | None
    receipt: Mapping[str, Any] | None
    version: int
    revived: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that one holder may now send.

    `ambiguous` says that it may have arrived already: an earlier attempt ended in doubt, its
    holder vanished in the middle, or it was revived. `thread` is where the message that it answers
    arrived.
    `superseded`: a later update of the same message is on its way, or there already. `asked_for`:
    somebody had it sent again, and this is the first attempt since.
    """

    row: OutboxRow
    holder: str
    ambiguous: bool
    thread: str | None = None
    superseded: bool = False
    asked_for: bool = False

    @property
    def message(self) -> Message:
        """The message."""
        return self.row.message


def row_of(found: sa.Row[Any]) -> OutboxRow:
    """Read an outbox row back."""
    message = Message(
        found.id, found.kind, found.model, found.incident, found.transition, found.payload
    )
    return OutboxRow(
        message,
        found.state,
        found.created,
        found.next_attempt,
        found.attempts,
        found.detail,
        found.receipt,
        found.version,
        found.settled if found.state in OPEN else None,
    )


def put(connection: sa.Connection, message: Message, now: datetime) -> bool:
    """Add a message; False when one of its id is there already, in whatever state."""
    known = sa.select(outbox.c.id).where(outbox.c.id == message.id)
    if connection.execute(known).first() is not None:
        return False
    connection.execute(
        outbox.insert().values(
            id=message.id,
            kind=message.kind,
            model=message.model,
            incident=message.incident,
            transition=message.transition,
            payload=dict(message.payload),
            created=now,
            state="pending",
            next_attempt=now,
            attempts=0,
            version=0,
        )
    )
    return True


def told(
    connection: sa.Connection, incidents: Collection[str], transition: str | None
) -> list[Message]:
    """Return the messages to people on incidents; see `Deciding.told`."""
    query = sa.select(outbox).where(
        outbox.c.kind.in_(("slack", "apprise")), outbox.c.incident.in_(list(incidents))
    )
    if transition is not None:
        query = query.where(outbox.c.transition == transition)
    return [row_of(found).message for found in connection.execute(query.order_by(outbox.c.seq))]


def spoken(connection: sa.Connection, model: str, kinds: Collection[str]) -> list[Message]:
    """Return the messages to people on a model, of some kinds of transition, oldest first.

    The kind of a transition is what stands before its colon.
    """
    query = sa.select(outbox).where(
        outbox.c.model == model,
        outbox.c.kind.in_(("slack", "apprise")),
        sa.or_(*(outbox.c.transition.startswith(f"{kind}:") for kind in kinds)),
    )
    return [row_of(found).message for found in connection.execute(query.order_by(outbox.c.seq))]


def claim(
    connection: sa.Connection,
    now: datetime,
    holder: str,
    limit: int,
    ttl: timedelta,
    kinds: Collection[str] | None,
    skip: Collection[str],
) -> list[Claimed]:
    """Claim due rows that nobody holds; see `Store.claim`."""
    free = sa.or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= now)
    # A message that was never tried is due, whatever the clock was when it was put down.
    is_due = sa.or_(outbox.c.next_attempt <= now, outbox.c.attempts == 0)
    due = sa.select(outbox).where(outbox.c.state.in_(OPEN), is_due, free)
    if kinds is not None:
        due = due.where(outbox.c.kind.in_(kinds))
    if skip:
        due = due.where(outbox.c.id.not_in(skip))
    due = due.where(~_waits(now))
    if busy := _being_updated(connection, now):
        same = outbox.c.payload[REPLY_TO].as_string().in_(busy)
        due = due.where(~sa.and_(outbox.c.kind == "slack_update", same))
    answers = outbox.c.payload[REPLY_TO].as_string().is_not(None)
    due = due.order_by(answers, outbox.c.next_attempt, outbox.c.seq).limit(limit)
    # PostgreSQL: pass by what another is claiming at this moment. SQLite has one writer anyway.
    due = due.with_for_update(skip_locked=True)
    claimed = []
    for found in connection.execute(due).all():
        taken = connection.execute(
            outbox.update()
            .where(outbox.c.seq == found.seq, outbox.c.version == found.version)
            .values(claimed_by=holder, claimed_until=now + ttl, version=found.version + 1)
        )
        if taken.rowcount == 1:
            row = dataclasses.replace(row_of(found), version=found.version + 1)
            gone = found.claimed_by is not None
            asked = row.revived is not None and not row.attempts and not gone
            doubt = found.state == "unknown" or gone or asked
            thread, late = _thread(connection, row.message), _superseded(connection, found)
            claimed.append(Claimed(row, holder, doubt, thread, late, asked))
    return claimed


def _waits(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a row answers one that is still on its way.

    A reply does not wait for ever; what only belongs to a message waits until that is settled.
    """
    lead = outbox.alias("lead")
    soon = sa.and_(
        lead.c.created > now - REPLY_WAITS,
        sa.or_(lead.c.detail.is_(None), lead.c.detail != PRINTED),
    )
    return sa.exists().where(
        lead.c.id == outbox.c.payload[REPLY_TO].as_string(),
        lead.c.state.in_(OPEN),
        sa.or_(outbox.c.kind.in_(ATTACHED), soon),
    )


def _being_updated(connection: sa.Connection, now: datetime) -> list[str]:
    """Return the messages an update of which is being sent: another one waits for its turn."""
    busy = sa.select(outbox.c.payload[REPLY_TO].as_string()).where(
        outbox.c.kind == "slack_update", outbox.c.claimed_until > now
    )
    return list(connection.execute(busy).scalars())


def _superseded(connection: sa.Connection, found: sa.Row[Any]) -> bool:
    """Say whether a later update of the same message was made: what comes last must win."""
    if found.kind != "slack_update":
        return False
    later = sa.select(outbox.c.seq).where(
        outbox.c.incident == found.incident,
        outbox.c.kind == "slack_update",
        outbox.c.seq > found.seq,
        outbox.c.payload[REPLY_TO].as_string() == found.payload.get(REPLY_TO),
    )
    return connection.execute(later.limit(1)).first() is not None


def _thread(connection: sa.Connection, message: Message) -> str | None:
    """Return the `ts` of the message that one answers, if its receiver gave one."""
    if not message.payload.get(REPLY_TO):
        return None
    lead = sa.select(outbox.c.receipt).where(outbox.c.id == message.payload[REPLY_TO])
    receipt = connection.execute(lead).scalar()
    return (receipt or {}).get("ts")


def settle(
    connection: sa.Connection,
    claimed: Claimed,
    state: OutboxState,
    now: datetime,
    detail: str | None,
    next_attempt: datetime | None,
    receipt: Mapping[str, Any] | None,
    attempted: bool,
) -> bool:
    """Write how a claim ended; see `Store.settle`."""
    row = claimed.row
    values: dict[str, Any] = {
        "state": state,
        "detail": detail,
        "next_attempt": next_attempt or now,
        "attempts": row.attempts + attempted,
        "version": row.version + 1,
        "claimed_by": None,
        "claimed_until": None,
    }
    if receipt is not None:
        values["receipt"] = dict(receipt)
    if state not in OPEN:
        values["settled"] = now
    written = connection.execute(
        outbox.update()
        .where(
            outbox.c.id == row.message.id,
            outbox.c.version == row.version,
            outbox.c.claimed_by == claimed.holder,
        )
        .values(**values)
    )
    if written.rowcount == 1 and row.message.transition == "trigger":
        # A hook's delivery is its trigger's: the two must never be seen to disagree.
        connection.execute(
            trigger.update()
            .where(trigger.c.incident == row.message.incident, trigger.c.outcome.is_(None))
            .values(state="failed" if state == "dead" else state)
        )
    return written.rowcount == 1


def revive(connection: sa.Connection, ids: Collection[str], now: datetime) -> None:
    """Make dead rows pending again; see `Store.revive`.

    `created` stays: it says from when on Slack is searched. An open row that was settled once is
    one that was revived then.
    """
    dead = sa.and_(outbox.c.id.in_(list(ids)), outbox.c.state == "dead")
    hooks = sa.and_(dead, outbox.c.transition == "trigger")
    asking = list(connection.execute(sa.select(outbox.c.incident).where(hooks)).scalars())
    connection.execute(
        trigger.update()
        .where(trigger.c.incident.in_(asking), trigger.c.outcome.is_(None))
        .values(state="pending")
    )
    connection.execute(
        outbox.update()
        .where(dead)
        .values(
            state="pending",
            attempts=0,
            next_attempt=now,
            settled=now,
            detail=None,
            version=outbox.c.version + 1,
        )
    )
