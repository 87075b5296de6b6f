"""What came of a trigger is written once and told once, by whichever way it comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from monitoring_sdk.adapters.store import Deciding, Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.feedback import Epoch
from monitoring_sdk.render.retraining import Note
from monitoring_sdk.report import Trigger
from monitoring_sdk.retraining import AWAITING, DECLINED, KEPT, LAPSED, PROMOTED, PUT_OFF
from monitoring_sdk.stages.asking import note
from monitoring_sdk.stages.challenger import compared
from monitoring_sdk.stages.steps import worker

OF_THE_MODEL = ("prediction", "performance", "estimate")
"""What starts afresh with a new model: drift of the inputs keeps its reference."""
FINAL = (PROMOTED, KEPT, DECLINED)
_UNCALLED = (PUT_OFF, LAPSED, AWAITING)


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody outside, or a run, says came of a trigger.

    Attributes
    ----------
    state : str
        The state that the trigger gets; it names the note in the thread as well.
    text : str
        In words, and by whom.
    version : str, optional
        The challenger's.
    """

    state: Literal["promoted", "kept", "failed", "finished"]
    text: str
    version: str | None = None


def answer(
    tx: Deciding,
    config: MonitorConfig,
    trigger: Trigger,
    state: str,
    outcome: str,
    what: Note,
    unless: Collection[str] = FINAL,
) -> bool:
    """Write what came of a trigger, and tell it in the thread; False when it may not be changed."""
    if not tx.answer(trigger.id, state, outcome, unless):
        return False
    told = dataclasses.replace(trigger, state=state, outcome=outcome)
    tx.tell(note(config, told, what, tx))
    return True


def settle(
    store: Store, config: MonitorConfig, trigger: Trigger, said: Said, *, now: datetime
) -> bool:
    """Write what is said to have come of a trigger: the one way for command, callback and run.

    Champion and challenger are compared where their rows allow it; a promoted model starts an
    epoch. State, note and epoch are one transaction.

    Returns
    -------
    bool
        False when the same was said before.

    Raises
    ------
    ConfigError
        When another outcome was said before, or nothing was asked for yet.
    """
    if not _is_new(trigger, said):
        return False
    text = said.text
    if said.state in (PROMOTED, KEPT):
        # Before the lease: it reads rows, and nobody else has to wait for that.
        text += f"; {compared(store, config, trigger, said.version, now)}"
    with store.deciding(trigger.model, holder=worker(), now=now) as tx:
        current = next((t for t in tx.triggers() if t.id == trigger.id), trigger)
        if not _is_new(current, said):
            return False
        started = None
        if said.state == PROMOTED:
            started = _epoch(tx, config, trigger, said.version)
            text += f"; an epoch of {', '.join(OF_THE_MODEL)} starts" if started else _NO_EPOCH
        answer(tx, config, current, said.state, text, said.state)
        if started is not None:
            tx.start_epoch(started)
    return True


_NO_EPOCH = "; no epoch starts, for the trigger's window has no verdict against a baseline"


def _is_new(trigger: Trigger, said: Said) -> bool:
    """Say whether an outcome changes a trigger; refuse one that contradicts what is final."""
    if trigger.state == said.state:
        return False
    if trigger.state in FINAL or trigger.state in _UNCALLED:
        raise ConfigError(
            f"trigger {trigger.id} is {trigger.state} and cannot be {said.state}: {trigger.outcome}"
        )
    return True


def _epoch(
    tx: Deciding, config: MonitorConfig, trigger: Trigger, version: str | None
) -> Epoch | None:
    """Return the epoch of a new model: from the first window that is not decided yet."""
    until = tx.decided_until() or trigger.window_end
    try:
        window = config.cadence.ending(trigger.window_end)
    except ConfigError:  # windows have another length by now
        return None
    row = tx.result(window, "data")
    if row is None or row.baseline is None:
        return None
    named = f" {version}" if version else ""
    return Epoch(config.model, until, row.baseline, OF_THE_MODEL, f"promoted{named}: {trigger.id}")
