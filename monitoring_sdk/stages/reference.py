"""The reference of one window: the profile that it is compared with, and the series for limits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from monitoring_sdk import references
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.references import Reference
from monitoring_sdk.report import Incident
from monitoring_sdk.stages.handle import Handle
from monitoring_sdk.window import Window

FAR_BACK = 60
"""The window before is looked for among so many: after a longer outage it is another world."""


def reference_for(handle: Handle, baseline: Baseline, profile: Profile, store: Store) -> Reference:
    """Return what a window's profile is compared with.

    Windows before it come from the store, as they were when they were last judged: those on the
    same baseline, and for a rolling reference those outside of incidents.

    Parameters
    ----------
    profile : Profile
        The window's own; a window before that lacks one of its columns is not used.
    """
    config, window, whole = handle.config, handle.window, baseline.profile
    settings = config.baseline
    if settings is None or (settings.phase is None and settings.reference == "fixed"):
        return Reference(whole)
    if settings.phase is not None:
        return references.of_phase(whole, baseline.phases, settings.phase, window)
    if settings.reference == "rolling" and settings.length is not None:
        start = references.reach(window, settings.length, config.window.timezone)
        troubled = [i for i in store.incidents(config.model) if i.opened <= window.start]
        before = _stored(handle, store, start, troubled)
        return references.rolling(whole, list(before.values()), profile.columns)
    start = window.start - FAR_BACK * config.cadence.approximate
    before = _stored(handle, store, start, (), newest=1)
    last = next(iter(before.values()), None)
    return references.previous(whole, last, profile.columns)


def _stored(
    handle: Handle,
    store: Store,
    start: datetime,
    troubled: Collection[Incident],
    *,
    newest: int | None = None,
) -> dict[Window, Profile]:
    """Read the profiles of the windows with rows from `start` on to this one, in order."""
    model = handle.config.model
    found: dict[Window, Profile] = {}
    for row in reversed(store.results(model, start, handle.window.start, "data")):
        if newest is not None and len(found) == newest:
            break
        if not row.rows or row.baseline != handle.baseline:
            continue
        if any(_covers(incident, row.window) for incident in troubled):
            continue
        body = store.profile(model, row.window, row.baseline, row.fingerprint)
        if body is not None:
            found[row.window] = Profile.from_dict(body)
    return dict(reversed(found.items()))


def _covers(incident: Incident, window: Window) -> bool:
    return incident.opened <= window.end and (
        incident.closed is None or window.end <= incident.closed
    )


def series_for(
    config: MonitorConfig, baseline: Baseline, window: Window
) -> Mapping[str, ReferenceSeries]:
    """Return each check over the reference windows; by phase, over those of the window's phase."""
    phased = config.baseline is not None and config.baseline.phase is not None
    return references.of_same_phase(
        baseline.reference, baseline.windows, baseline.phases if phased else None, window
    )
