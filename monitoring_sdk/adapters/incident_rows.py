"""Incidents, read back from their table."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from monitoring_sdk.report import Incident


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
