"""What came of a trigger: approval, the hook's run, and the outcome, told in the thread."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from monitoring_sdk.adapters import prefect_calls
from monitoring_sdk.adapters.outbox import OutboxRow
from monitoring_sdk.adapters.redaction import redact
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import ConfigError, MonitoringError, explain
from monitoring_sdk.feedback import silenced_until
from monitoring_sdk.render.retraining import Note
from monitoring_sdk.report import SCHEMA, Trigger
from monitoring_sdk.retraining import (
    ANSWERED,
    AWAITING,
    DECLINED,
    FINISHED,
    KEPT,
    PENDING,
    PROMOTED,
    PROMOTING,
)
from monitoring_sdk.stages.answers import Said, answer, settle
from monitoring_sdk.stages.asking import hook_messages, note
from monitoring_sdk.stages.handle import find_config
from monitoring_sdk.stages.steps import worker

SHORTEST = 6
Outcome = Literal["promoted", "kept", "failed"]
"""What can be said from outside."""


def find_trigger(store: Store, text: str) -> Trigger:
    """Return the trigger of an id, or of the beginning of one.

    Raises
    ------
    ConfigError
        When there is none, or there are several.
    """
    known = store.triggers(unasked=True)
    found = [t for t in known if len(text) >= SHORTEST and t.id.startswith(text.strip().lower())]
    if len(found) != 1:
        what = "several triggers begin so" if found else "no trigger has this id"
        ids = [t.id for t in (found or known)[-5:]]
        raise ConfigError(explain(what, where="ID", got=text, allowed=ids))
    return found[0]


def record(
    store: Store,
    config: MonitorConfig,
    trigger: Trigger,
    outcome: Outcome,
    *,
    said_by: str,
    now: datetime,
    version: str | None = None,
    reason: str | None = None,
) -> bool:
    """Write what somebody says came of a trigger; see `monitoring_sdk.stages.answers.settle`.

    Parameters
    ----------
    outcome : {'promoted', 'kept', 'failed'}
    version : str, optional
        The new model's.

    Returns
    -------
    bool
        False when the same was said before.

    Raises
    ------
    ConfigError
        When another outcome was said before, or nothing was asked for yet.
    """
    text = outcome if version is None else f"{outcome} {version}"
    text += f", said by {said_by}" + (f": {reason}" if reason else "")
    return settle(store, config, trigger, Said(outcome, text, version), now=now)


def decide_approval(
    store: Store, trigger: Trigger, approved: bool, *, said_by: str, now: datetime, reason: str = ""
) -> bool:
    """Release the hook of a trigger, or decline it; False when it awaits no approval any more."""
    config, _ = find_config(trigger.model)
    said = f"by {said_by}" + (f": {reason}" if reason else "")
    with store.deciding(trigger.model, holder=worker(), now=now) as tx:
        current = next((t for t in tx.triggers() if t.id == trigger.id), None)
        if current is None or current.state != AWAITING:
            return False
        if not approved:
            return answer(tx, config, trigger, DECLINED, f"declined {said}", "declined")
        tx.answer(trigger.id, PENDING, None, ())
        for message in hook_messages(config, dataclasses.replace(trigger, state=PENDING), tx):
            tx.tell(message)
    return True


def look_after(
    store: Store,
    now: datetime,
    model: str | None = None,
    configs: Collection[MonitorConfig] = (),
) -> None:
    """See what came of triggers: how their runs ended, and who has not answered for too long.

    Parameters
    ----------
    now : datetime
        By the clock: people and hooks live by it.
    model : str, optional
        One model; by default all.
    configs : collection of MonitorConfig
        Of models whose files need not lie in the folder of monitors.
    """
    waiting = [t for t in store.triggers(model) if t.state not in ANSWERED]
    if not waiting:
        return
    rows, known = store.messages(), {c.model: c for c in configs}
    for trigger in waiting:
        with contextlib.suppress(MonitoringError):  # one model's file may be gone
            config = known.get(trigger.model) or find_config(trigger.model)[0]
            _look_at(store, config, trigger, rows, now)


def _look_at(
    store: Store, config: MonitorConfig, trigger: Trigger, rows: Sequence[OutboxRow], now: datetime
) -> None:
    settings = config.retraining
    own = {r.message.transition: r for r in rows if r.message.incident == trigger.incident}
    asked, hook = own.get("approval"), own.get("trigger")
    if settings is None:
        return
    if trigger.state == AWAITING and asked is not None:
        _escalate(store, config, trigger, "unapproved", asked, settings.approval_within, now)
    if hook is None or hook.state != "sent":
        return
    run = (hook.receipt or {}).get("flow_run")
    ended = prefect_calls.run_end(str(run)) if run and trigger.state == "sent" else None
    if ended is not None:
        settle(store, config, trigger, _of_run(ended), now=now)
    elif trigger.state in ("sent", FINISHED, PROMOTING):
        _escalate(store, config, trigger, "unanswered", hook, settings.outcome_within, now)


def _of_run(ended: prefect_calls.RunEnd) -> Said:
    """Read a run's end: a flow may name its last state `Promoted` or `Kept`."""
    text = f"the run ended {ended.name}" + (f": {redact(ended.message)}" if ended.message else "")
    if ended.type != "COMPLETED":
        return Said("failed", text)
    if ended.name.lower() == PROMOTED:
        return Said("promoted", text)
    if ended.name.lower() == KEPT:
        return Said("kept", text)
    return Said("finished", f"the run ended {ended.name}, without saying what came of it")


def _escalate(
    store: Store,
    config: MonitorConfig,
    trigger: Trigger,
    what: Note,
    since: OutboxRow,
    within: timedelta,
    now: datetime,
) -> None:
    """Tell, once, that nobody has answered for too long; not while the model is silenced."""
    if now - max(since.created, since.next_attempt) < within:
        return
    with store.deciding(trigger.model, holder=worker(), now=now) as tx:
        if silenced_until(tx.feedback(), now) is None:
            tx.tell(note(config, trigger, what, tx))


def trigger_document(store: Store, identity: str, *, changed: bool = False) -> dict[str, Any]:
    """Return a trigger as JSON."""
    trigger = find_trigger(store, identity)
    return {
        "schema": SCHEMA,
        "model": trigger.model,
        "trigger": trigger.to_dict(),
        "changed": changed,
    }
