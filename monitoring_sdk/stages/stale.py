"""Stale models: those of which no window was judged for two periods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitoring_sdk.stages.status import Standing

PERIODS = 2


def overdue_since(standing: Standing, now: datetime) -> datetime | None:
    """Return the end of the newest window that should have been judged, where a model is stale.

    A model is stale when its last two windows are past, with their lag, and neither was judged.
    One that was never looked at is stale too. None where it is not, or has no monitor file.
    """
    config = standing.monitored.config
    if config is None:
        return None
    due = config.cadence.latest(now, config.window.lag)
    before = config.cadence.previous(due.start)
    judged = standing.window
    if judged is not None and judged.end > before:
        return None
    return due.end


def stale_models(found: Sequence[Standing], now: datetime) -> list[str]:
    """Say which models are stale, a line each; a broken file is one: nobody looks there."""
    said = []
    for standing in found:
        name = standing.monitored.model
        if standing.monitored.path is not None and standing.monitored.config is None:
            said.append(f"{name}: its monitor file is broken, so nobody looks at it")
        elif (due := overdue_since(standing, now)) is not None:
            last = (
                "never" if standing.window is None else f"{standing.window.end:%Y-%m-%d %H:%M} UTC"
            )
            said.append(
                f"{name}: no window was judged for two periods; last judged: {last}, "
                f"due: {due:%Y-%m-%d %H:%M} UTC"
            )
    return said
