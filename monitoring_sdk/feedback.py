"""What people say about incidents and models, and what follows from it for those who ask."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from monitoring_sdk.report import timestamp

Verdict = Literal["ack", "false_alarm", "expected_change"]
Kind = Literal["ack", "false_alarm", "expected_change", "silence"]
VERDICTS: tuple[str, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One thing that somebody said about an incident, or, for `silence`, about a model.

    Attributes
    ----------
    said_by : str
        Who said it.
    said : datetime
        When, by the clock.
    incident : str or None
        The incident's id; None for `silence`.
    until : datetime or None
        For `silence`: the moment at which it ends.
    """

    model: str
    kind: Kind
    said_by: str
    said: datetime
    incident: str | None = None
    until: datetime | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind": self.kind,
            "incident": self.incident,
            "said_by": self.said_by,
            "said": timestamp(self.said),
            "until": None if self.until is None else timestamp(self.until),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Epoch:
    """A moment of logical time from which some families of checks start afresh.

    Attributes
    ----------
    valid_from : datetime
        The start of the first window of the epoch.
    baseline : str
        The version that was valid when it began.
    families : tuple of str, or None
        Those that start afresh; None for all of them.
    """

    model: str
    valid_from: datetime
    baseline: str
    families: tuple[str, ...] | None
    reason: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "valid_from": timestamp(self.valid_from),
            "baseline": self.baseline,
            "families": None if self.families is None else list(self.families),
            "reason": self.reason,
        }


def acknowledged(feedback: Sequence[Feedback], incident_id: str) -> bool:
    """Say whether somebody has taken note of an incident: any verdict on it will do.

    Parameters
    ----------
    feedback : sequence of Feedback
        What was said about the model.
    incident_id : str

    Returns
    -------
    bool

    Examples
    --------
    >>> from datetime import UTC
    >>> said = Feedback("flights", "ack", "ann", datetime(2013, 6, 4, tzinfo=UTC), "a")
    >>> acknowledged([said], "a"), acknowledged([said], "b")
    (True, False)
    """
    return any(f.incident == incident_id and f.kind in VERDICTS for f in feedback)


def silenced_until(feedback: Sequence[Feedback], at: datetime) -> datetime | None:
    """Return the end of the silence that a model is under at a moment, or None.

    The newest word counts: a later silence replaces an earlier one, also by a shorter one, and one
    of no length ends it.

    Parameters
    ----------
    feedback : sequence of Feedback
        What was said about the model, oldest first.
    at : datetime
        By the clock. What was said after it is not known yet.

    Returns
    -------
    datetime or None

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> noon = datetime(2013, 6, 4, 12, tzinfo=UTC)
    >>> hour = timedelta(hours=1)
    >>> quiet = Feedback("flights", "silence", "ann", noon, until=noon + 6 * hour)
    >>> silenced_until([quiet], noon + hour).hour
    18
    >>> ended = Feedback("flights", "silence", "ann", noon + hour, until=noon + hour)
    >>> silenced_until([quiet, ended], noon + 2 * hour)
    """
    known = [f for f in feedback if f.kind == "silence" and f.said <= at]
    if not known:
        return None
    until = sorted(known, key=lambda f: f.said)[-1].until
    return until if until is not None and until > at else None


def false_alarms(feedback: Sequence[Feedback]) -> frozenset[str]:
    """Return the ids of the incidents that were no incidents.

    One that turned out to be an expected change is none of them, whatever was said before.

    Parameters
    ----------
    feedback : sequence of Feedback
        Of one model or of several.

    Returns
    -------
    frozenset of str

    Examples
    --------
    >>> from datetime import UTC
    >>> at = datetime(2013, 6, 4, tzinfo=UTC)
    >>> said = [Feedback("flights", "false_alarm", "ann", at, name) for name in ("a", "b")]
    >>> changed = Feedback("flights", "expected_change", "bob", at, "b")
    >>> sorted(false_alarms([*said, changed]))
    ['a']
    """
    ids: dict[str, set[str]] = {"false_alarm": set(), "expected_change": set()}
    for f in feedback:
        if f.incident is not None and f.kind in ids:
            ids[f.kind].add(f.incident)
    return frozenset(ids["false_alarm"] - ids["expected_change"])


def to_tell(
    transitions: Sequence[str],
    *,
    still_open: bool,
    made: Collection[str],
    acknowledged: bool,
) -> tuple[str, ...]:
    """Choose what is told of an incident after a window, where nobody asked for silence.

    Parameters
    ----------
    transitions : sequence of str
        What the window changed: `opened`, `joined:<family>`, `closed`.
    still_open : bool
        Whether the incident is open after the window.
    made : collection of str
        The transitions for which there is a message already, sent or not.
    acknowledged : bool
        Whether somebody has taken note of the incident.

    Returns
    -------
    tuple of str
        An opening that was kept back by a silence is told late, in place of the families that
        joined, since it names them all; an end only where the opening was told. Of an acknowledged
        incident the end alone is told.

    Examples
    --------
    >>> to_tell(["joined:drift"], still_open=True, made=["opened"], acknowledged=False)
    ('joined:drift',)
    >>> to_tell(["joined:drift"], still_open=True, made=[], acknowledged=False)
    ('opened',)
    >>> to_tell(["joined:drift"], still_open=True, made=["opened"], acknowledged=True)
    ()
    """
    if still_open:
        if acknowledged:
            return ()
        if "opened" not in made:
            return ("opened",)
        return tuple(t for t in transitions if t not in made)
    return ("closed",) if "opened" in made and "closed" not in made else ()
