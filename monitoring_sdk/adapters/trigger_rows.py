"""Triggers in the store: one row an incident, from being put off to what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from monitoring_sdk.adapters.schema import trigger
from monitoring_sdk.report import Trigger
from monitoring_sdk.retraining import LAPSED, PUT_OFF, UNASKED


def trigger_of(found: sa.Row[Any]) -> Trigger:
    """Read a trigger back."""
    return Trigger(
        found.id,
        found.model,
        found.incident,
        found.reason,
        found.window_end,
        found.state,
        found.outcome,
    )


def read_model(connection: sa.Connection, identity: str) -> str | None:
    """Return the model of a trigger, by a query that has one row for any id."""
    query = sa.select(sa.func.max(trigger.c.model)).where(trigger.c.id == identity)
    return connection.execute(query).scalar_one()


def read_trigger(connection: sa.Connection, identity: str) -> Trigger | None:
    """Return the trigger of an id."""
    found = connection.execute(sa.select(trigger).where(trigger.c.id == identity)).first()
    return None if found is None else trigger_of(found)


def read_triggers(
    connection: sa.Connection, model: str | None, *, unasked: bool = False
) -> list[Trigger]:
    """Return the triggers, of one model or of all, oldest first.

    Parameters
    ----------
    unasked : bool
        Also those that are put off, or whose incident closed while they were.
    """
    query = sa.select(trigger).order_by(trigger.c.window_end, trigger.c.id)
    if model is not None:
        query = query.where(trigger.c.model == model)
    if not unasked:
        query = query.where(trigger.c.state.not_in(UNASKED))
    return [trigger_of(found) for found in connection.execute(query)]


def save_trigger(connection: sa.Connection, row: Trigger) -> None:
    """Write a trigger; one that was put off goes on, and any other of the incident stays."""
    values = {
        "id": row.id,
        "model": row.model,
        "incident": row.incident,
        "reason": row.reason,
        "window_end": row.window_end,
        "state": row.state,
        "outcome": row.outcome,
    }
    own = trigger.c.incident == row.incident
    if connection.execute(sa.select(trigger.c.id).where(own)).first() is None:
        connection.execute(trigger.insert().values(**values))
    else:
        waiting = trigger.update().where(own, trigger.c.state == PUT_OFF)
        connection.execute(waiting.values(**values))


def lapse(connection: sa.Connection, model: str, open_incident: str | None) -> None:
    """Give up what is put off of incidents that are closed."""
    waiting = trigger.update().where(trigger.c.model == model, trigger.c.state == PUT_OFF)
    if open_incident is not None:
        waiting = waiting.where(trigger.c.incident != open_incident)
    closed = "the incident closed before it was time"
    connection.execute(waiting.values(state=LAPSED, outcome=closed))


def move(
    connection: sa.Connection,
    identity: str,
    state: str,
    outcome: str | None,
    unless: Sequence[str] = (),
) -> bool:
    """Write state and outcome of a trigger; False when it is in one of some states, or not there.

    The condition and the change are one statement: of two answers at once, one counts.
    """
    changing = trigger.update().where(trigger.c.id == identity, trigger.c.state.not_in(unless))
    return connection.execute(changing.values(state=state, outcome=outcome)).rowcount == 1
