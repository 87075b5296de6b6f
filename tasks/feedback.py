"""The hop that keeps what somebody says about an incident."""

from __future__ import annotations

from datetime import datetime

from monitoring_sdk.adapters.store import Store
from monitoring_sdk.feedback import Verdict
from monitoring_sdk.report import Incident
from monitoring_sdk.stages import feedback
from tasks.hop import hop


@hop
def say(
    store: Store, incident: Incident, verdict: Verdict, *, by: str, now: datetime, reason: str
) -> feedback.Effect:
    """Keep a verdict on an incident, with what follows from it."""
    return feedback.say(store, incident, verdict, said_by=by, now=now, reason=reason)
