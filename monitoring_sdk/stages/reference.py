"""The reference of one window: the profile that it is compared with, and the series for limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from monitoring_sdk import references
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.calendar import excluded
from monitoring_sdk.comparison import Comparison, Recent
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.references import Reference
from monitoring_sdk.report import Check, Incident
from monitoring_sdk.stages.handle import Handle
from monitoring_sdk.window import Window

FAR_BACK = 60
"""The window before is looked for among so many: after a longer outage it is another world."""


def reference_for(handle: Handle, baseline: Baseline, profile: Profile, store: Store) -> Reference:
    """Return what a window's profile is compared with: what its baseline was built for.

    Limits of distances to one reference mean nothing beside distances to another one. Windows
    before this one come from the store, as they were when they were last judged: those on the same
    baseline and outside of what the calendar excludes, and for a rolling reference those outside of
    incidents.

    Parameters
    ----------
    profile : Profile
        The window's own; a window before that lacks one of its columns is not used.
    """
    config, window, whole = handle.config, handle.window, baseline.profile
    comparison = baseline.comparison
    if baseline.phases is not None:
        return references.of_phase(whole, baseline.phases, window)
    if comparison.reference == "rolling" and comparison.length is not None:
        start = references.reach(window, comparison.length, config.window.timezone)
        troubled = [i for i in store.incidents(config.model) if i.opened <= window.start]
        before = _before(handle, baseline, store, start, troubled)
        return references.rolling(whole, before, profile.columns)
    if comparison.reference == "previous":
        start = window.start - FAR_BACK * config.cadence.approximate
        newest = _before(handle, baseline, store, start, (), most=1)
        return references.previous(whole, newest[-1] if newest else None, profile.columns)
    return Reference(whole)


def _before(
    handle: Handle,
    baseline: Baseline,
    store: Store,
    start: datetime,
    troubled: Collection[Incident],
    *,
    most: int | None = None,
) -> list[Recent]:
    """Return the windows with rows from `start` on, in order: the baseline's, then ours.

    Parameters
    ----------
    troubled : collection of Incident
        Whose windows are left out.
    most : int, optional
        Only so many of ours, the newest.
    """
    model, end = handle.config.model, handle.window.start
    known = [r for r in baseline.recent if r.span.start >= start and r.span.end <= end]
    # A window of the reference may have been looked at too: it counts once.
    first = max(start, baseline.span.end) if baseline.recent else start
    found: list[Recent] = []
    for row in reversed(store.results(model, first, end, "data")):
        if len(found) == most:
            break
        if not row.rows or row.baseline != handle.baseline or excluded(handle.config, row.window):
            continue
        if any(incident.covers(row.window) for incident in troubled):
            continue
        body = store.profile(model, row.window, row.baseline, row.fingerprint)
        if body is not None:
            found.append(Recent(row.window, 1, Profile.from_dict(body)))
    return [*known, *reversed(found)]


def series_for(baseline: Baseline, window: Window) -> Mapping[str, ReferenceSeries]:
    """Return each check over the reference windows; by phase, over those of the window's phase."""
    return references.of_same_phase(baseline.reference, baseline.windows, baseline.phases, window)


def mismatch(config: MonitorConfig, baseline: Baseline) -> str | None:
    """Say that the monitor file asks for another reference than the baseline was built for."""
    asked = Comparison.of(config.baseline)
    if asked == baseline.comparison:
        return None
    return (
        f"baseline {baseline.version} compares with {baseline.comparison}: "
        f"build a new one to compare with {asked}"
    )


def compared_with(
    handle: Handle, baseline: Baseline, profile: Profile, store: Store
) -> tuple[Baseline, str | None]:
    """Return a baseline as this window sees it: its own reference, and limits of its phase.

    The second item says why it is not the reference that the monitor file asks for, if it is not.
    """
    found = reference_for(handle, baseline, profile, store)
    series = series_for(baseline, handle.window)
    seen = dataclasses.replace(baseline, profile=found.profile, reference=series)
    return seen, mismatch(handle.config, baseline) or found.reason


def told(checks: Iterable[Check], reason: str | None) -> tuple[Check, ...]:
    """Say beside every value why it is not compared with what the monitor file asks for."""
    if reason is None:
        return tuple(checks)
    return tuple(
        c
        if c.value is None
        else dataclasses.replace(c, reason="; ".join(filter(None, (c.reason, reason))))
        for c in checks
    )
