"""Feedback and epochs in the store: what people said, and the spans that began with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from monitoring_sdk.adapters.engine import insert_once
from monitoring_sdk.adapters.schema import epoch, feedback, outbox
from monitoring_sdk.feedback import Epoch, Feedback


def read_feedback(connection: sa.Connection, model: str | None) -> list[Feedback]:
    """Return what was said, of one model or of all, oldest first."""
    query = sa.select(feedback).order_by(feedback.c.said, feedback.c.id)
    if model is not None:
        query = query.where(feedback.c.model == model)
    return [_feedback_of(found) for found in connection.execute(query)]


def write_feedback(connection: sa.Connection, said: Feedback) -> bool:
    """Keep what was said; False when it was said before: the same of an incident, once.

    The table has no key for it: whoever writes holds the model's lease.
    """
    same = [feedback.c.model == said.model, feedback.c.kind == said.kind]
    if said.incident is not None:
        same.append(feedback.c.incident == said.incident)
    else:
        same += [
            feedback.c.incident.is_(None),
            feedback.c.said == said.said,
            feedback.c.until == said.until,
            feedback.c.said_by == said.said_by,
        ]
    if connection.execute(sa.select(feedback.c.id).where(*same)).first() is not None:
        return False
    values = {
        name: getattr(said, name)
        for name in ("model", "incident", "kind", "said_by", "said", "until", "reason")
    }
    connection.execute(feedback.insert().values(**values))
    return True


def _feedback_of(found: sa.Row[Any]) -> Feedback:
    return Feedback(
        found.model,
        found.kind,
        found.said_by,
        found.said,
        found.incident,
        found.until,
        found.reason,
    )


def read_epochs(connection: sa.Connection, model: str) -> list[Epoch]:
    """Return a model's epochs, in order of time."""
    query = sa.select(epoch).where(epoch.c.model == model).order_by(epoch.c.valid_from)
    return [
        Epoch(
            found.model,
            found.valid_from,
            found.baseline,
            None if found.families is None else tuple(found.families),
            found.reason,
        )
        for found in connection.execute(query)
    ]


def write_epoch(connection: sa.Connection, started: Epoch) -> bool:
    """Keep an epoch; False when one of the model begins at that moment already."""
    values = {
        "model": started.model,
        "valid_from": started.valid_from,
        "baseline": started.baseline,
        "families": sa.null() if started.families is None else list(started.families),
        "reason": started.reason,
    }
    return insert_once(connection, epoch, values)


def made_of(connection: sa.Connection, ids: Collection[str]) -> set[str]:
    """Return those message ids for which there is a message, in whatever state."""
    query = sa.select(outbox.c.id).where(outbox.c.id.in_(list(ids)))
    return set(connection.execute(query).scalars())
