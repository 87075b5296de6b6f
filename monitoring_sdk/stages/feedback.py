"""Feedback: what somebody says about an incident or a model, and what follows at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitoring_sdk.adapters.store import Deciding, Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import ConfigError, MonitoringError, explain
from monitoring_sdk.feedback import Epoch, Feedback, Verdict
from monitoring_sdk.report import SCHEMA, Incident
from monitoring_sdk.stages.addressing import leads, updates
from monitoring_sdk.stages.handle import find_config
from monitoring_sdk.stages.steps import worker
from monitoring_sdk.window import parse_duration

SHORTEST = 6
"""An incident may be named by the beginning of its id, of at least so many characters."""

LONGEST = timedelta(days=366)
"""A silence that is meant to last for ever is a monitor to be taken away."""

_NEAREST = 5


@dataclass(frozen=True, slots=True)
class Effect:
    """What a verdict on an incident changes.

    Attributes
    ----------
    said : Feedback or None
        What is to be kept; None where the same was said before, and so nothing changes.
    incident : Incident
        As it stands afterwards.
    epoch : Epoch or None
        The one that starts.
    """

    said: Feedback | None
    incident: Incident
    epoch: Epoch | None = None


def effect_of(
    verdict: Feedback,
    incident: Incident,
    known: Sequence[Feedback],
    *,
    decided_until: datetime | None,
    epoch: Epoch | None = None,
) -> Effect:
    """Say what a verdict on an incident changes.

    Parameters
    ----------
    verdict : Feedback
    incident : Incident
    known : sequence of Feedback
        What was said about the model before.
    decided_until : datetime or None
        The end of the model's newest decided window: an incident that is none is closed there.
    epoch : Epoch, optional
        The one that an expected change starts.

    Returns
    -------
    Effect

    Raises
    ------
    ConfigError
        When a false alarm is declared of what is an expected change already: its epoch stays.

    Examples
    --------
    >>> from datetime import UTC
    >>> at = datetime(2013, 6, 4, tzinfo=UTC)
    >>> verdict = Feedback("flights", "false_alarm", "ann", at, "a")
    >>> found = effect_of(verdict, Incident("a", "flights", at), [],
    ...                   decided_until=at + timedelta(days=1))
    >>> found.incident.closed.day
    5
    >>> effect_of(verdict, found.incident, [verdict], decided_until=at).said is None
    True
    """
    before = {f.kind: f for f in known if f.incident == incident.id}
    if verdict.kind in before:
        return Effect(None, incident)
    changed = before.get("expected_change")
    if verdict.kind == "false_alarm" and changed is not None:
        raise ConfigError(
            f"incident {incident.id}: {changed.said_by} declared it an expected change on "
            f"{changed.said:%Y-%m-%d}, and the epoch that began with it stays: it cannot be a "
            "false alarm"
        )
    if verdict.kind == "ack":
        return Effect(verdict, incident)
    if incident.closed is None:
        closed = max(incident.opened, decided_until or incident.opened)
        incident = dataclasses.replace(incident, closed=closed)
    return Effect(verdict, incident, epoch if verdict.kind == "expected_change" else None)


def find_incident(store: Store, text: str) -> Incident:
    """Return the incident of an id, or of the beginning of one.

    Raises
    ------
    ConfigError
        When there is none, there are several, or the beginning is too short.
    """
    asked = text.strip().lower()
    known = store.incidents()
    found = [i for i in known if i.id == asked] or [i for i in known if i.id.startswith(asked)]
    if len(asked) < SHORTEST:
        raise ConfigError(
            explain(f"the beginning of an id needs {SHORTEST} characters", where="ID", got=text)
        )
    if len(found) > 1:
        ids = [i.id for i in found]
        raise ConfigError(explain("several incidents begin so", where="ID", got=text, allowed=ids))
    if not found:
        newest = [i.id for i in sorted(known, key=lambda i: i.opened)[-_NEAREST:]]
        what = "no incident has this id"
        if not known:
            what += ": there is none in the store that MONITORING_STORE names"
        raise ConfigError(explain(what, where="ID", got=text, allowed=newest))
    return found[0]


def say(
    store: Store,
    incident: Incident,
    kind: Verdict,
    *,
    said_by: str,
    now: datetime,
    reason: str | None = None,
) -> Effect:
    """Keep a verdict on an incident, with what follows from it, in one transaction.

    The first message on the incident is brought up to date by the next delivery.

    Parameters
    ----------
    store : Store
    incident : Incident
    kind : {'ack', 'false_alarm', 'expected_change'}
    said_by : str
    now : datetime
        By the clock.
    reason : str, optional

    Returns
    -------
    Effect

    Raises
    ------
    ConfigError
        When the verdict contradicts an earlier one, or, for an expected change, when the model has
        no monitor file.
    MonitoringError
        When the opening window has no verdict to start an epoch from.
    """
    config = find_config(incident.model)[0] if kind == "expected_change" else None
    verdict = Feedback(incident.model, kind, said_by, now, incident.id, None, reason or None)
    zone = _zone(incident.model)
    with store.deciding(incident.model, holder=worker(), now=now) as tx:
        current, known = tx.incident(incident.id) or incident, tx.feedback()
        repeated = any(f.incident == incident.id and f.kind == kind for f in known)
        epoch = None
        if config is not None and not repeated:
            epoch = _epoch(tx, config, current, verdict.reason)
        effect = effect_of(verdict, current, known, decided_until=tx.decided_until(), epoch=epoch)
        if effect.said is not None:
            tx.say(effect.said)
            if effect.incident.closed is not None:
                tx.close(effect.incident.id, effect.incident.closed)
            if effect.epoch is not None:
                tx.start_epoch(effect.epoch)
            for lead in leads(tx, incident.id):
                for message in updates(tx, effect.incident, lead, kind, zone):
                    tx.tell(message)
    return effect


def _zone(model: str) -> str:
    try:
        return find_config(model)[0].window.timezone
    except ConfigError:
        return "UTC"


def _epoch(tx: Deciding, config: MonitorConfig, incident: Incident, reason: str | None) -> Epoch:
    """Return the epoch that begins with the window that opened an incident."""
    window = config.cadence.ending(incident.opened)
    row = tx.result(window, "data")
    if row is None or row.baseline is None:
        raise MonitoringError(
            f"incident {incident.id}: no epoch can start, for the window {window} of "
            f"{config.model} has no verdict against a baseline"
        )
    return Epoch(config.model, window.start, row.baseline, incident.families, reason)


def incident_document(store: Store, identity: str, *, changed: bool = False) -> dict[str, Any]:
    """Return an incident as JSON, with what was said about it and what it led to.

    Parameters
    ----------
    store : Store
    identity : str
        The whole id, or the beginning of it.
    changed : bool
        Whether something has just been changed by what was said.
    """
    incident = find_incident(store, identity)
    said = [f for f in store.feedback(incident.model) if f.incident == incident.id]
    triggers = [t for t in store.triggers(incident.model) if t.incident == incident.id]
    declared = any(f.kind == "expected_change" for f in said)
    # It began with the opening window, so none began between that and its end.
    epochs = [e for e in store.epochs(incident.model) if e.valid_from < incident.opened]
    return {
        "schema": SCHEMA,
        "model": incident.model,
        "incident": incident.to_dict(),
        "said": [f.to_dict() for f in said],
        "triggers": [t.to_dict() for t in triggers],
        "epoch": epochs[-1].to_dict() if declared and epochs else None,
        "changed": changed,
    }


def silence_length(text: str) -> timedelta:
    """Read how long a silence is to last; nothing at all ends one.

    Raises
    ------
    ConfigError
        When it is no length of time, or one that nobody can mean.

    Examples
    --------
    >>> silence_length("6h").total_seconds() / 3600
    6.0
    """
    allowed = ["30min", "6h", "2d", "0h to end a silence"]
    try:
        length = parse_duration(text)
    except (ConfigError, OverflowError):
        raise ConfigError(
            explain("not a length of time", where="--for", got=text, allowed=allowed)
        ) from None
    if length > LONGEST:
        raise ConfigError(explain("longer than a year", where="--for", got=text, allowed=allowed))
    return length


def silence(
    store: Store,
    model: str,
    length: timedelta,
    *,
    said_by: str,
    now: datetime,
    reason: str | None = None,
) -> Feedback:
    """Have no alert made for a model for some time; no time at all ends a silence."""
    until = now + length
    said = Feedback(model, "silence", said_by, now, until=until, reason=reason or None)
    store.say(said)
    return said
