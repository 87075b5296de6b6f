"""One decision about a model: what it reads and what it writes, in one transaction."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from monitoring_sdk.adapters import feedback, outbox, results, trigger_rows
from monitoring_sdk.adapters.engine import insert_once
from monitoring_sdk.adapters.incident_rows import incident_of
from monitoring_sdk.adapters.schema import incident, lease, result
from monitoring_sdk.decision import Decision, Message, Part, ResultRow
from monitoring_sdk.errors import StoreError
from monitoring_sdk.feedback import Epoch, Feedback
from monitoring_sdk.report import Incident, Trigger, timestamp
from monitoring_sdk.window import Window

if TYPE_CHECKING:
    import pandas as pd

_OPENING = 5_370_129_446_018_273
"""The advisory lock of PostgreSQL for decisions that look at other models' incidents."""


class Deciding:
    """A model's state for as long as its lease is held; made by `Store.deciding`."""

    def __init__(self, connection: sa.Connection, model: str, holder: str, now: datetime) -> None:
        self._connection = connection
        self._model = model
        self._now = now
        self._fence = self._take_lease(holder)

    def _take_lease(self, holder: str) -> int:
        """Take the model's lease row, waiting for who holds it, and count the fence up.

        The transaction itself excludes others (SQLite has one writer, PostgreSQL locks the row
        that is updated). The fence tells a holder whose connection was cut, and whose work was
        rolled back, that it is no longer the holder.
        """
        mine = lease.c.model == self._model
        first = {"model": self._model, "fence": 0, "holder": holder, "taken": self._now}
        known = self._connection.execute(sa.select(lease.c.fence).where(mine)).first()
        if known is None:
            insert_once(self._connection, lease, first)
        self._connection.execute(
            lease.update()
            .where(mine)
            .values(fence=lease.c.fence + 1, holder=holder, taken=self._now)
        )
        return int(self._connection.execute(sa.select(lease.c.fence).where(mine)).scalar_one())

    def decided_until(self) -> datetime | None:
        """Return the end of the newest decided window."""
        query = sa.select(lease.c.decided_until).where(lease.c.model == self._model)
        return self._connection.execute(query).scalar()

    def open_incident(self) -> Incident | None:
        """Return the model's open incident."""
        query = sa.select(incident).where(
            incident.c.model == self._model, incident.c.closed.is_(None)
        )
        found = self._connection.execute(query).first()
        return None if found is None else incident_of(found)

    def incident(self, identity: str) -> Incident | None:
        """Return one of the model's incidents by its id."""
        query = sa.select(incident).where(
            incident.c.model == self._model, incident.c.id == identity
        )
        found = self._connection.execute(query).first()
        return None if found is None else incident_of(found)

    def closed_incidents(self, limit: int) -> list[Incident]:
        """Return the model's newest closed incidents, oldest first."""
        query = (
            sa.select(incident)
            .where(incident.c.model == self._model, incident.c.closed.is_not(None))
            .order_by(incident.c.opened.desc())
        )
        found = self._connection.execute(query.limit(limit)).all()
        return [incident_of(row) for row in reversed(found)]

    def feedback(self) -> list[Feedback]:
        """Return what people said about the model, oldest first."""
        return feedback.read_feedback(self._connection, self._model)

    def epochs(self) -> list[Epoch]:
        """Return the model's epochs that began with an expected change, in order of time."""
        return feedback.read_epochs(self._connection, self._model)

    def made(self, ids: Collection[str]) -> set[str]:
        """Return those message ids for which the outbox has a message, sent or not."""
        return feedback.made_of(self._connection, ids)

    def say(self, said: Feedback) -> bool:
        """Keep what somebody said; False when the same was said of that incident before."""
        self._own(said.model, "feedback")
        self._keep(self.decided_until())
        return feedback.write_feedback(self._connection, said)

    def start_epoch(self, started: Epoch) -> bool:
        """Keep an epoch; False when one of the model begins at that moment already."""
        self._own(started.model, "an epoch")
        self._keep(self.decided_until())
        return feedback.write_epoch(self._connection, started)

    def close(self, identity: str, at: datetime) -> bool:
        """Close an incident at a moment of logical time; False when it is not open."""
        self._keep(self.decided_until())
        closing = incident.update().where(
            incident.c.model == self._model,
            incident.c.id == identity,
            incident.c.closed.is_(None),
        )
        return self._connection.execute(closing.values(closed=at)).rowcount == 1

    def triggers(self) -> list[Trigger]:
        """Return the model's triggers, those that are or were put off among them, oldest first."""
        return trigger_rows.read_triggers(self._connection, self._model, unasked=True)

    def answer(
        self, trigger_id: str, state: str, outcome: str | None, unless: Collection[str]
    ) -> bool:
        """Write what came of a trigger; False when it is in one of some states already."""
        self._keep(self.decided_until())
        return trigger_rows.move(self._connection, trigger_id, state, outcome, list(unless))

    def lapse_triggers(self, open_incident: str | None) -> None:
        """Give up what is put off of incidents that are closed."""
        trigger_rows.lapse(self._connection, self._model, open_incident)

    def history(
        self,
        keys: Collection[str] | None = None,
        before: datetime | None = None,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """Return the model's checks over its windows; see `Store.history`."""
        return results.read_history(self._connection, self._model, keys, before, limit)

    def result(self, window: Window, part: Part) -> ResultRow | None:
        """Return the newest verdict on a part of a window."""
        query = results.select_newest().where(
            results.matches(
                {
                    "model": self._model,
                    "window_start": window.start,
                    "window_end": window.end,
                    "part": part,
                }
            )
        )
        found = self._connection.execute(query).first()
        return None if found is None else results.row_of(found)

    def results(self, start: datetime, end: datetime, part: Part) -> list[ResultRow]:
        """Return the newest verdict on a part of each window inside `[start, end)`, in order."""
        query = results.select_newest().where(
            result.c.model == self._model,
            result.c.part == part,
            result.c.window_start >= start,
            result.c.window_end <= end,
        )
        found = self._connection.execute(query.order_by(result.c.window_end))
        return [results.row_of(row) for row in found]

    def incidents(self) -> list[Incident]:
        """Return the model's incidents, oldest first."""
        query = sa.select(incident).where(incident.c.model == self._model)
        found = self._connection.execute(query.order_by(incident.c.opened, incident.c.id))
        return [incident_of(row) for row in found]

    def judged(self, since: datetime, until: datetime, lag: timedelta) -> list[ResultRow]:
        """Return the newest verdicts on the windows that end in `(since, until]`.

        A verdict on performance counts by when its labels were looked at, `lag` after a window.
        """
        return results.judged(self._connection, self._model, since, until, lag)

    def incidents_near(self, at: datetime, within: timedelta) -> list[Incident]:
        """Return the other models' incidents that opened no further than `within` from a moment.

        Until this decision is committed no other one gets an answer: of two models whose incidents
        are one, the second to ask sees the first.
        """
        if self._connection.dialect.name == "postgresql":
            # SQLite has one writer anyway.
            self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_OPENING)))
        near = incident.c.opened.between(at - within, at + within)
        query = sa.select(incident).where(incident.c.model != self._model, near)
        return [incident_of(found) for found in self._connection.execute(query)]

    def told(self, incidents: Collection[str], transition: str | None = None) -> list[Message]:
        """Return the messages to people on incidents, in the order of their coming.

        Those of Slack and of Apprise, on one transition or on all.
        """
        return outbox.told(self._connection, incidents, transition)

    def spoken(self, kinds: Collection[str]) -> list[Message]:
        """Return the messages to people on the model, of some kinds of transition."""
        return outbox.spoken(self._connection, self._model, kinds)

    def evaluated_until(self) -> datetime | None:
        """Return the end of the newest window that was evaluated, whatever was found."""
        return results.evaluated_until(self._connection, self._model)

    def tell(self, message: Message) -> None:
        """Put a message into the outbox, unless it is there already."""
        outbox.put(self._connection, message, self._now)

    def save(self, decision: Decision) -> None:
        """Write a decision: verdicts, incident, trigger and messages; what is there stays as it is.

        Raises
        ------
        StoreError
            When the lease was taken by another, when the decision is on another model, or when it
            decides a window that is not newer than the newest decided one.
        """
        self._own(decision.model, "a decision")
        self._hold(decision)
        for row in decision.results:
            self._save_result(row)
        if decision.incident is not None:
            self._save_incident(decision.incident)
        if decision.trigger is not None:
            trigger_rows.save_trigger(self._connection, decision.trigger)
        for message in decision.messages:
            self.tell(message)

    def _hold(self, decision: Decision) -> None:
        until = self.decided_until()
        if decision.decides and until is not None and decision.window.end <= until:
            raise StoreError(
                f"{self._model}: the window {decision.window} cannot be decided again: windows are "
                f"decided in order, and up to {timestamp(until)} they can only be revised"
            )
        self._keep(decision.window.end if decision.decides else until)

    def _own(self, model: str, what: str) -> None:
        if model != self._model:
            raise StoreError(f"{what} on {model} under the lease of {self._model}")

    def _keep(self, until: datetime | None) -> None:
        """See that the lease is still held, and write how far logical time has come."""
        held = self._connection.execute(
            lease.update()
            .where(lease.c.model == self._model, lease.c.fence == self._fence)
            .values(decided_until=until)
        )
        if held.rowcount != 1:
            raise StoreError(f"{self._model}: another worker took the lease; nothing was written")

    def _save_result(self, row: ResultRow) -> None:
        newest = self.result(row.window, row.part)
        revision = 1 if newest is None else newest.revision + 1
        same = results.matches(results.key_of(row))
        known = self._connection.execute(sa.select(result).where(same)).first()
        values = {**results.values_of(row), "revision": revision}
        if known is None:
            self._connection.execute(result.insert().values(**values))
        elif newest is not None and known.revision == newest.revision:
            if known.status == "error" and row.status != "error":
                # It was never evaluated, so there is no verdict to keep.
                values["revision"] = known.revision
                self._connection.execute(result.update().where(same).values(**values))
        elif newest is not None and row.as_of > newest.as_of:
            # Rows or labels went back to what they were: that verdict is the newest once more.
            self._connection.execute(result.update().where(same).values(**values))

    def _save_incident(self, row: Incident) -> None:
        values: dict[str, Any] = {
            "id": row.id,
            "model": row.model,
            "opened": row.opened,
            "closed": row.closed,
            "families": list(row.families),
            "checks": list(row.checks),
            "quiet": row.quiet,
        }
        updated = self._connection.execute(
            incident.update().where(incident.c.id == row.id).values(**values)
        )
        if updated.rowcount == 0:
            self._connection.execute(incident.insert().values(**values))
