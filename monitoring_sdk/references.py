"""Which profile a window is compared with: the whole reference, its phase, or windows before it.

Reference windows are measured against profiles found in the same way, so that the limits that they
give mean the same.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from zoneinfo import ZoneInfo

from monitoring_sdk.alarms.provisional import MIN_WINDOWS, ReferenceSeries
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.comparison import Comparison, Recent
from monitoring_sdk.evaluate import MIN_ROWS
from monitoring_sdk.profile.phases import MIN_OF_PHASE, Phases, by_phase, without_each
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.window import Window

RECENT_PARTS = 32
"""In so many profiles a baseline keeps its newest windows; of more, several are added up."""

LEVELS = ("quality", "performance", "estimate", "operations")
"""Families whose values have seasons; a distance to the profile of one's own phase has none."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A profile to compare with, and why it is not the one that was asked for, if it is not."""

    profile: Profile
    reason: str | None = None


def of_phase(whole: Profile, phases: Phases, window: Window) -> Reference:
    """Return the profile of a window's phase; the whole span's where it has too few windows.

    Slices of the rows that are not kept by phase are the whole span's.
    """
    phase = phases.of(window)
    found = phases.profiles.get(phase)
    if found is None:
        count = phases.windows.get(phase, 0)
        return Reference(
            whole,
            f"compared with the whole span: {count} reference windows are {phase!r}, "
            f"{MIN_OF_PHASE} needed",
        )
    slices = found.slices or whole.slices
    return Reference(dataclasses.replace(found, slices=slices))


def reach(window: Window, length: timedelta, timezone: str) -> datetime:
    """Return the moment a length before a window, by the wall clock: seven days are seven days.

    Examples
    --------
    >>> after = Window(datetime(2024, 3, 11, 4, tzinfo=UTC), datetime(2024, 3, 12, 4, tzinfo=UTC))
    >>> str(reach(after, timedelta(days=7), "America/New_York"))
    '2024-03-04 05:00:00+00:00'
    """
    return (window.start.astimezone(ZoneInfo(timezone)) - length).astimezone(UTC)


def rolling(whole: Profile, before: Sequence[Recent], columns: Collection[str]) -> Reference:
    """Return the sum of the windows before one; the whole span's profile where they are too few.

    Parameters
    ----------
    whole : Profile
    before : sequence of Recent
        The windows that may be used.
    columns : collection of str
        The columns needed; a window that lacks one is left out.
    """
    usable = _with_columns(before, columns)
    count, rows = sum(r.windows for r in usable), sum(r.profile.rows for r in usable)
    if count < MIN_WINDOWS or rows < MIN_ROWS:
        return Reference(
            whole,
            f"compared with the whole span: {count} usable windows of {rows} rows before, "
            f"{MIN_WINDOWS} of {MIN_ROWS} needed",
        )
    return Reference(reduce(Profile.merge, (r.profile for r in usable)))


def previous(whole: Profile, before: Recent | None, columns: Collection[str]) -> Reference:
    """Return the profile of the window before; the whole span's where there is none."""
    usable = _with_columns([] if before is None else [before], columns)
    if not usable or not usable[0].profile.rows:
        return Reference(whole, "compared with the whole span: no usable window before this one")
    return Reference(usable[0].profile)


def _with_columns(before: Sequence[Recent], columns: Collection[str]) -> list[Recent]:
    """Keep the windows that have all of some columns, and of them those alone: such add."""
    return [
        dataclasses.replace(r, profile=_only(r.profile, columns))
        for r in before
        if set(columns) <= set(r.profile.columns)
    ]


def _only(profile: Profile, columns: Collection[str]) -> Profile:
    return dataclasses.replace(
        profile,
        columns={name: c for name, c in profile.columns.items() if name in columns},
        slices={key: _only(part, columns) for key, part in profile.slices.items()},
    )


def fit_recent(
    windows: Sequence[Window],
    profiles: Mapping[Window, Profile],
    comparison: Comparison,
    end: datetime,
    timezone: str,
) -> tuple[Recent, ...]:
    """Return what the first monitored windows are compared with, where the reference moves.

    Without it a change that a rolling reference would have followed pages at once, and the windows
    of that incident are never part of any reference.

    Parameters
    ----------
    windows : sequence of Window
        The reference windows, in order.
    end : datetime
        The end of the whole span.
    """
    kept: list[Window] = []
    if comparison.reference == "previous":
        kept = [w for w in windows if profiles[w].rows][-1:]
    elif comparison.length is not None:
        start = reach(Window(end, end), comparison.length, timezone)
        kept = [w for w in windows if w.start >= start]
    size = math.ceil(len(kept) / RECENT_PARTS)
    groups = [kept[i : i + size] for i in range(0, len(kept), size or 1)]
    return tuple(
        Recent(
            Window(group[0].start, group[-1].end),
            len(group),
            reduce(Profile.merge, (profiles[w] for w in group)),
        )
        for group in groups
    )


def of_reference_windows(
    whole: Profile,
    windows: Sequence[Window],
    profiles: Mapping[Window, Profile],
    comparison: Comparison,
    timezone: str,
) -> list[Profile | None]:
    """Return what each reference window is compared with, for the limits.

    By phase it is the other windows of its phase: a phase of few windows would else be compared
    with itself. Where the windows before it are asked for and there are too few, it is None: a
    distance to the whole span would be another quantity.

    Parameters
    ----------
    whole : Profile
        Of the whole span.
    windows : sequence of Window
        In order.
    profiles : mapping
        Of each window.
    """
    if comparison.phase is not None:
        return _other_windows(whole, windows, profiles, comparison.phase, timezone)
    if comparison.reference == "rolling" and comparison.length is not None:
        return _sums_before(windows, profiles, comparison.length, timezone)
    if comparison.reference == "previous":
        return _last_before(windows, profiles)
    return [whole] * len(windows)


def _other_windows(
    whole: Profile,
    windows: Sequence[Window],
    profiles: Mapping[Window, Profile],
    kind: str,
    timezone: str,
) -> list[Profile | None]:
    found: dict[Window, Profile] = {}
    for group in by_phase(windows, kind, timezone).values():
        if len(group) >= MIN_OF_PHASE:
            own = without_each([profiles[w] for w in group])
            found |= dict(zip(group, own, strict=True))
    if kind == "hour_of_week":
        # As in the baseline, which keeps no slices of so many phases.
        found = {w: dataclasses.replace(p, slices=whole.slices) for w, p in found.items()}
    return [found.get(w, whole) for w in windows]


def _sums_before(
    windows: Sequence[Window],
    profiles: Mapping[Window, Profile],
    length: timedelta,
    timezone: str,
) -> list[Profile | None]:
    """Add up the windows within a length before each one.

    Profiles add but do not subtract: a queue of two stacks makes three merges a window, however
    long the sums are.
    """
    newer: deque[Window] = deque()
    older: list[tuple[Window, Profile]] = []
    total: Profile | None = None
    found: list[Profile | None] = []
    for window in windows:
        start = reach(window, length, timezone)
        while older or newer:
            if not older:
                for w in reversed(newer):
                    own = profiles[w]
                    older.append((w, own.merge(older[-1][1]) if older else own))
                newer.clear()
                total = None
            if older[-1][0].start >= start:
                break
            older.pop()
        parts = [p for p in (older[-1][1] if older else None, total) if p is not None]
        added = reduce(Profile.merge, parts) if parts else None
        few = len(older) + len(newer) < MIN_WINDOWS or added is None or added.rows < MIN_ROWS
        found.append(None if few else added)
        newer.append(window)
        total = profiles[window] if total is None else total.merge(profiles[window])
    return found


def _last_before(
    windows: Sequence[Window], profiles: Mapping[Window, Profile]
) -> list[Profile | None]:
    found: list[Profile | None] = []
    last: Profile | None = None
    for window in windows:
        found.append(last)
        last = profiles[window] if profiles[window].rows else last
    return found


def of_same_phase(
    reference: Mapping[str, ReferenceSeries],
    windows: Sequence[Window],
    phases: Phases | None,
    window: Window,
) -> Mapping[str, ReferenceSeries]:
    """Return each check over the reference windows of a window's phase alone.

    Numbers of rows, latency and performance have seasons of their own. Distances, which are taken
    to the profile of the phase, keep the values of all phases, and so does a check with fewer than
    `MIN_WINDOWS` values in the phase.

    Parameters
    ----------
    reference : mapping
        The baseline's series, by check key, a value for each of `windows`.
    phases : Phases or None
        None leaves all as it is.
    """
    if phases is None:
        return reference
    phase = phases.of(window)
    own = [i for i, w in enumerate(windows) if phases.of(w) == phase]
    found = {}
    for key, series in reference.items():
        if key.partition("/")[0] not in LEVELS:
            found[key] = series
            continue
        kept = ReferenceSeries(
            tuple(series.values[i] for i in own), tuple(series.n[i] for i in own)
        )
        enough = sum(v is not None for v in kept.values) >= MIN_WINDOWS
        found[key] = kept if enough else series
    return found


def limits_beside_the_whole(baseline: Baseline) -> Mapping[str, ReferenceSeries]:
    """Return the series that limit what is compared with the whole span, as it is anyhow.

    Where reference windows were compared with something nearer, their distances are left out.
    """
    if baseline.comparison == Comparison():
        return baseline.reference
    return {k: s for k, s in baseline.reference.items() if k.partition("/")[0] in LEVELS}
