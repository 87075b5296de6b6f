"""Phases of the calendar: the hour or the day of a window, and a profile for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.window import Window

Phase = Literal["hour_of_day", "day_of_week", "hour_of_week"]
PHASES: tuple[str, ...] = get_args(Phase)

MIN_OF_PHASE = 2
"""A phase with fewer reference windows has no profile of its own."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def phase_of(window: Window, kind: str, timezone: str) -> str:
    """Return the phase in which a window starts, by the wall clock of a time zone.

    Parameters
    ----------
    kind : {"hour_of_day", "day_of_week", "hour_of_week"}
    timezone : str
        An IANA name. An hour that clocks repeat is one phase, and one that they skip has no window.

    Returns
    -------
    str
        `09`, `Mon` or `Mon 09`.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> hour = Window(datetime(2024, 3, 4, 5, tzinfo=UTC), datetime(2024, 3, 4, 6, tzinfo=UTC))
    >>> [phase_of(hour, kind, "America/New_York") for kind in PHASES]
    ['00', 'Mon', 'Mon 00']
    """
    start = window.start.astimezone(ZoneInfo(timezone))
    day, hour = _DAYS[start.weekday()], f"{start.hour:02}"
    return {"hour_of_day": hour, "day_of_week": day}.get(kind, f"{day} {hour}")


@dataclass(frozen=True)
class Phases:
    """What each phase of the reference looked like.

    Parameters
    ----------
    kind : {"hour_of_day", "day_of_week", "hour_of_week"}
    timezone : str
    windows : mapping of str to int
        How many reference windows each phase has.
    profiles : mapping of str to Profile
        Of the phases that have `MIN_OF_PHASE` windows or more.
    """

    kind: str
    timezone: str
    windows: Mapping[str, int]
    profiles: Mapping[str, Profile]

    def of(self, window: Window) -> str:
        """Return the phase of a window."""
        return phase_of(window, self.kind, self.timezone)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind": self.kind,
            "timezone": self.timezone,
            "windows": dict(self.windows),
            "profiles": {phase: p.to_dict() for phase, p in self.profiles.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Phases:
        """Read the JSON form back."""
        profiles = {phase: Profile.from_dict(p) for phase, p in data["profiles"].items()}
        return cls(data["kind"], data["timezone"], dict(data["windows"]), profiles)


def fit_phases(
    windows: Sequence[Window], profiles: Mapping[Window, Profile], kind: str, timezone: str
) -> Phases:
    """Add up the profiles of the reference windows, phase by phase.

    Slices are kept where there are at most 24 phases: an hour of the week is a small part of a
    segment, and all of them together would be most of the baseline.
    """
    groups = by_phase(windows, kind, timezone)
    kept = {
        phase: reduce(Profile.merge, (profiles[w] for w in group))
        for phase, group in sorted(groups.items())
        if len(group) >= MIN_OF_PHASE
    }
    if kind == "hour_of_week":
        kept = {phase: dataclasses.replace(p, slices={}) for phase, p in kept.items()}
    return Phases(kind, timezone, {p: len(group) for p, group in sorted(groups.items())}, kept)


def by_phase(windows: Sequence[Window], kind: str, timezone: str) -> dict[str, list[Window]]:
    """Group windows by their phase, in order."""
    groups: dict[str, list[Window]] = {}
    for window in windows:
        groups.setdefault(phase_of(window, kind, timezone), []).append(window)
    return groups


def without_each(profiles: Sequence[Profile]) -> list[Profile]:
    """Return, for each of two profiles or more, the sum of all the others.

    Examples
    --------
    >>> [p.rows for p in without_each([Profile(1, {}), Profile(2, {}), Profile(4, {})])]
    [6, 5, 3]
    """
    count = len(profiles)
    # The sums of all before, and of all after: three merges a window, however many there are.
    before = list(profiles[:1])
    after = list(profiles[-1:])
    for i in range(1, count - 1):
        before.append(before[-1].merge(profiles[i]))
        after.append(profiles[count - 1 - i].merge(after[-1]))
    after.reverse()
    middle = [before[i - 1].merge(after[i]) for i in range(1, count - 1)]
    return [after[0], *middle, before[-1]]
