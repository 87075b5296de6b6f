"""What is told of incidents after a window: silences, acknowledgements and what was kept back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitoring_sdk.adapters.store import Deciding
from monitoring_sdk.decision import message_id
from monitoring_sdk.feedback import acknowledged, silenced_until, to_tell
from monitoring_sdk.report import Incident

LOOK_BACK = 10
"""So many of the newest closed incidents are looked at for an end that was not told."""


def reminder(incident: Incident | None, end: datetime, after: timedelta) -> tuple[str, ...]:
    """Return the reminder that is due of an incident which still alerts, if any.

    Parameters
    ----------
    incident : Incident or None
    end : datetime
        The end of the deciding window.
    after : timedelta
        How long after the opening the first one comes; the pauses double from one to the next.

    Returns
    -------
    tuple of str
        Its transition.

    Examples
    --------
    >>> from datetime import UTC
    >>> opened, day = datetime(2013, 6, 4, tzinfo=UTC), timedelta(days=1)
    >>> [reminder(Incident("i", "m", opened), opened + n * day, day) for n in (0, 1, 2, 3)]
    [(), ('reminder:1',), ('reminder:1',), ('reminder:2',)]
    """
    if incident is None or incident.closed is not None or incident.quiet or not after:
        return ()
    count = int((end - incident.opened) / after + 1).bit_length() - 1
    return (f"reminder:{count}",) if count > 0 else ()


def transitions_to_tell(
    tx: Deciding,
    incident: Incident | None,
    transitions: Sequence[str],
    now: datetime,
    quiet_until: datetime | None = None,
) -> list[tuple[Incident, str]]:
    """Say for which transitions of which incidents a decision makes a message.

    Beside what this window changed, that is what a silence kept back, and the end of incidents
    that a person closed.

    Parameters
    ----------
    tx : Deciding
    incident : Incident or None
        As it stands after the window.
    transitions : sequence of str
        What the window changed in it.
    now : datetime
        By the clock: silences are of people, not of logical time.
    quiet_until : datetime, optional
        The end of the maintenance that `now` lies in: it is as a silence.

    Returns
    -------
    list of (Incident, str)
    """
    said = tx.feedback()
    if quiet_until is not None or silenced_until(said, now) is not None:
        return []
    changed = {} if incident is None else {incident.id: tuple(transitions)}
    concerned = [i for i in tx.closed_incidents(LOOK_BACK) if i.id not in changed]
    if incident is not None:
        concerned.append(incident)
    names = {
        (i.id, t): message_id(i.model, i.id, t)
        for i in concerned
        for t in ("opened", "closed", *changed.get(i.id, ()))
    }
    made = tx.made(names.values())
    return [
        (i, transition)
        for i in concerned
        for transition in to_tell(
            changed.get(i.id, ()),
            still_open=i.closed is None,
            made=[t for (of, t), name in names.items() if of == i.id and name in made],
            acknowledged=acknowledged(said, i.id),
        )
    ]
