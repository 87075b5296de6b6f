"""What a store tells of its models without reading their histories."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitoring_sdk.adapters.feedback import read_epochs, read_feedback
from monitoring_sdk.adapters.incident_rows import incident_of
from monitoring_sdk.adapters.outbox import OutboxRow, OutboxState, spoken
from monitoring_sdk.adapters.outbox import row_of as outbox_row
from monitoring_sdk.adapters.results import evaluated_until, judged, row_of, select_newest
from monitoring_sdk.adapters.schema import incident, lease, outbox, result
from monitoring_sdk.adapters.trigger_rows import read_model, read_trigger, read_triggers
from monitoring_sdk.decision import Message, ResultRow
from monitoring_sdk.feedback import Epoch, Feedback
from monitoring_sdk.report import Incident, Trigger


class Overview:
    """The part of `Store` that tells of models, incidents, triggers, messages and feedback."""

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        raise NotImplementedError

    def decided_until(self, model: str) -> datetime | None:
        """Return the end of the newest decided window."""
        query = sa.select(lease.c.decided_until).where(lease.c.model == model)
        with self._reading() as connection:
            return connection.execute(query).scalar()

    def incidents(
        self, model: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Incident]:
        """Return the incidents opened in `(start, end]`, of one model or of all, oldest first.

        `opened` is the logical end of the opening window, hence the bounds: they are those of the
        windows inside `[start, end)`.
        """
        query = sa.select(incident).order_by(incident.c.opened, incident.c.id)
        if model is not None:
            query = query.where(incident.c.model == model)
        if start is not None:
            query = query.where(incident.c.opened > start)
        if end is not None:
            query = query.where(incident.c.opened <= end)
        with self._reading() as connection:
            return [incident_of(found) for found in connection.execute(query)]

    def triggers(self, model: str | None = None, *, unasked: bool = False) -> list[Trigger]:
        """Return the triggers, of one model or of all, oldest first.

        Parameters
        ----------
        model : str, optional
        unasked : bool
            Also those that are put off, or whose incident closed while they were.
        """
        with self._reading() as connection:
            return read_triggers(connection, model, unasked=unasked)

    def model_of_trigger(self, identity: str) -> str | None:
        """Return the model of a trigger's id; it takes as long where there is none."""
        with self._reading() as connection:
            return read_model(connection, identity)

    def trigger(self, identity: str) -> Trigger | None:
        """Return the trigger of an id."""
        with self._reading() as connection:
            return read_trigger(connection, identity)

    def feedback(self, model: str | None = None) -> list[Feedback]:
        """Return what people said, of one model or of all, oldest first."""
        with self._reading() as connection:
            return read_feedback(connection, model)

    def epochs(self, model: str) -> list[Epoch]:
        """Return the epochs of a model that began with an expected change, in order of time."""
        with self._reading() as connection:
            return read_epochs(connection, model)

    def models(self) -> list[str]:
        """Return the models that the store knows anything of, by name."""
        with self._reading() as connection:
            return sorted(connection.execute(sa.select(lease.c.model)).scalars())

    def judged(
        self, model: str, since: datetime, until: datetime, lag: timedelta
    ) -> list[ResultRow]:
        """Return the newest verdicts on a model's windows of a span; see `Deciding.judged`."""
        with self._reading() as connection:
            return judged(connection, model, since, until, lag)

    def messages(self, state: OutboxState | None = None) -> list[OutboxRow]:
        """Return the outbox, or its rows of one state, in the order of their coming."""
        query = sa.select(outbox).order_by(outbox.c.seq)
        if state is not None:
            query = query.where(outbox.c.state == state)
        with self._reading() as connection:
            return [outbox_row(found) for found in connection.execute(query)]

    def evaluated_until(self, model: str) -> datetime | None:
        """Return the end of a model's newest window that was evaluated, whatever was found."""
        with self._reading() as connection:
            return evaluated_until(connection, model)

    def spoken(self, model: str, kinds: Collection[str]) -> list[Message]:
        """Return the messages to people on a model, of some kinds of transition, oldest first."""
        with self._reading() as connection:
            return spoken(connection, model, kinds)

    def last_window(self, model: str) -> dict[str, ResultRow]:
        """Return the newest verdicts on a model's newest window, by part; empty without any."""
        newest = (
            sa.select(result.c.window_start, result.c.window_end)
            .where(result.c.model == model, result.c.part == "data")
            .order_by(result.c.window_end.desc(), result.c.window_start.desc())
        )
        with self._reading() as connection:
            window = connection.execute(newest.limit(1)).first()
            if window is None:
                return {}
            found = connection.execute(
                select_newest().where(
                    result.c.model == model,
                    result.c.window_start == window.window_start,
                    result.c.window_end == window.window_end,
                )
            )
            return {row.part: row_of(row) for row in found}
