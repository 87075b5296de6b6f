"""The store's tables, the same on SQLite and PostgreSQL.

A table's history is in `migrations/`; a test holds that the migrations end at these tables.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

# The newest revision in migrations/versions: read at every opening, so that a store which is up to
# date opens without importing Alembic.
HEAD = "0001"


class Moment(sa.TypeDecorator[datetime]):
    """A moment in UTC: aware on both sides of the database, whatever the database keeps."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse a naive time: nobody could say which moment it is."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without an offset cannot be stored: {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment in UTC (SQLite forgets the zone, PostgreSQL gives the session's)."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _window() -> tuple[sa.Column[datetime], sa.Column[datetime]]:
    return (
        sa.Column("window_start", Moment, nullable=False),
        sa.Column("window_end", Moment, nullable=False),
    )


# One row a model: whoever holds it decides. `fence` counts the holders, so that one who was
# presumed dead and comes back is noticed; `decided_until` is how far logical time has come.
lease = sa.Table(
    "lease",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("taken", Moment, nullable=False),
    sa.Column("decided_until", Moment),
)

result = sa.Table(
    "result",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    *_window(),
    sa.Column("part", sa.Text, nullable=False),
    sa.Column("baseline", sa.Text, nullable=False),  # "" for none: NULLs are never equal
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("as_of", Moment, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("rows", sa.BigInteger),
    sa.Column("checks", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint(
        "model", "window_start", "window_end", "part", "baseline", "settings", "fingerprint",
        name="uq_result_key",
    ),
    sa.UniqueConstraint(
        "model", "part", "window_end", "window_start", "revision", name="uq_result_revision"
    ),
)  # fmt: skip

incident = sa.Table(
    "incident",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("opened", Moment, nullable=False),
    sa.Column("closed", Moment),
    sa.Column("families", sa.JSON, nullable=False),
    sa.Column("checks", sa.JSON, nullable=False),
    sa.Column("quiet", sa.Integer, nullable=False),
    sa.Index("ix_incident_model_opened", "model", "opened"),
)
# The database itself holds that a model has one open incident at a time.
sa.Index(
    "uq_incident_open",
    incident.c.model,
    unique=True,
    sqlite_where=incident.c.closed.is_(None),
    postgresql_where=incident.c.closed.is_(None),
)

trigger = sa.Table(
    "trigger",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("incident", sa.Text, sa.ForeignKey("incident.id"), nullable=False, unique=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("window_end", Moment, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text),
    sa.Index("ix_trigger_model_window_end", "model", "window_end"),
)

# What is to be told outside. `version` counts every claim and settlement: compare-and-set is on it.
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("incident", sa.Text, nullable=False),
    sa.Column("transition", sa.Text, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("created", Moment, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("next_attempt", Moment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("claimed_by", sa.Text),
    sa.Column("claimed_until", Moment),
    sa.Column("settled", Moment),
    sa.Column("detail", sa.Text),
    sa.Column("receipt", sa.JSON),
    sa.Index("ix_outbox_state_next_attempt", "state", "next_attempt"),
)

profile = sa.Table(
    "profile",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    *_window(),
    sa.Column("baseline", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint(
        "model", "window_start", "window_end", "baseline", "fingerprint", name="uq_profile_key"
    ),
)

# Which baseline versions were saved, and the spans of logical time for which each is valid.
baseline = sa.Table(
    "baseline",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("saved", Moment, nullable=False),
    sa.Column("span_start", Moment, nullable=False),
    sa.Column("span_end", Moment, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
)

epoch = sa.Table(
    "epoch",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("valid_from", Moment, primary_key=True),
    sa.Column("baseline", sa.Text, nullable=False),
    sa.Column("families", sa.JSON),
    sa.Column("reason", sa.Text),
)

# What people said about incidents and models: acknowledged, false alarm, expected change, silence.
feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("incident", sa.Text, sa.ForeignKey("incident.id")),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("said_by", sa.Text, nullable=False),
    sa.Column("said", Moment, nullable=False),
    sa.Column("until", Moment),
    sa.Column("reason", sa.Text),
    sa.Index("ix_feedback_model_said", "model", "said"),
)
