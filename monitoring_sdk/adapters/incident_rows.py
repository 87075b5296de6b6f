"""Incidents and triggers, read back from their tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from monitoring_sdk.report import Incident, Trigger


def incident_of(found: sa.Row[Any]) -> Incident:
    """Read an incident back."""
    return Incident(
        found.id,
        found.model,
        found.opened,
        found.closed,
        tuple(found.families),
        tuple(found.checks),
        found.quiet,
    )


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
