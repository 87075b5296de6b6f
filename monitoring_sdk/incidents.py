"""Open, go on, close: the life of an incident, from the checks of one window after another."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from monitoring_sdk.decision import incident_id
from monitoring_sdk.report import FAMILIES, Check, Incident
from monitoring_sdk.window import Window

QUIET_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """The incident after a window, and what changed in it.

    `incident` is None where none is or was open. `transitions` holds `opened`, `closed` or
    `joined:<family>`, and is empty where an incident merely goes on: nobody is told twice.
    """

    incident: Incident | None
    transitions: tuple[str, ...] = ()


def judged(checks: Sequence[Check]) -> bool:
    """Say whether anything could be judged at all: otherwise silence is no sign of health.

    Examples
    --------
    >>> judged([])
    False
    """
    return any(c.status in ("ok", "alert") for c in checks)


def advance(
    incident: Incident | None,
    checks: Sequence[Check],
    *,
    model: str,
    window: Window,
    close_after: int = QUIET_WINDOWS,
) -> Progress:
    """Take an incident, or the lack of one, over the next window.

    Parameters
    ----------
    incident : Incident or None
        The open one.
    checks : sequence of Check
        Every check that this window's run judged, whatever window each speaks of (labels of an
        older window may have come due).
    model : str
    window : Window
        The deciding window; `opened` and `closed` are its logical end.
    close_after : int
        How many quiet windows close an incident. A window in which nothing could be judged is not
        quiet, and does not start the count again either.

    Returns
    -------
    Progress

    Examples
    --------
    >>> day = Window.from_dict({"start": "2013-06-03T04:00Z", "end": "2013-06-04T04:00Z"})
    >>> page = Check("drift", "psi", day, "alert", column="distance")
    >>> progress = advance(None, [page], model="flights", window=day)
    >>> progress.transitions, progress.incident.families
    (('opened',), ('drift',))
    >>> advance(progress.incident, [page], model="flights", window=day).transitions
    ()
    """
    paging = [c for c in checks if c.pages]
    families = {c.family for c in paging}
    keys = tuple(sorted({c.key for c in paging}))
    if incident is None or incident.closed is not None:
        if not paging:
            return Progress(None)
        opened = Incident(
            incident_id(model, window), model, window.end, None, _ordered(families), keys
        )
        return Progress(opened, ("opened",))
    if paging:
        joined = families - set(incident.families)
        grown = dataclasses.replace(
            incident,
            families=incident.families + _ordered(joined),
            checks=incident.checks + tuple(k for k in keys if k not in incident.checks),
            quiet=0,
        )
        return Progress(grown, tuple(f"joined:{family}" for family in _ordered(joined)))
    if not judged(checks):
        return Progress(incident)
    return _quieter(incident, window, close_after)


def _quieter(incident: Incident, window: Window, close_after: int) -> Progress:
    quiet = incident.quiet + 1
    if quiet < close_after:
        return Progress(dataclasses.replace(incident, quiet=quiet))
    return Progress(dataclasses.replace(incident, quiet=quiet, closed=window.end), ("closed",))


def _ordered(families: Collection[str]) -> tuple[str, ...]:
    return tuple(f for f in FAMILIES if f in families)
