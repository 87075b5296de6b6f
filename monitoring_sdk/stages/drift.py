"""Profile and drift: the window's counts on the baseline's grid, and how far they have moved."""

from __future__ import annotations

from collections.abc import Iterable

from monitoring_sdk.adapters.store import Store
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.budget_verdicts import NOT_JUDGED
from monitoring_sdk.comparison import Comparison
from monitoring_sdk.evaluate import judge
from monitoring_sdk.measure import Measurement, measure_columns, methods_for
from monitoring_sdk.measure_segments import measure_segments
from monitoring_sdk.measure_watched import measure_watched
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.profile.segments import Segmentation
from monitoring_sdk.report import Check, Status, slice_key
from monitoring_sdk.stages.handle import Handle, baseline_of
from monitoring_sdk.stages.joint import joint_measurements, joint_unlooked
from monitoring_sdk.stages.quality import Quality
from monitoring_sdk.stages.reference import compared_with, told
from monitoring_sdk.stages.scan import declared_segmentations, scan


def build_profile(handle: Handle, quality: Quality) -> Profile | None:
    """Return the window's profile; None where there are no rows or quality blocks."""
    if handle.rows == 0 or quality.blocked:
        return None
    return scan(handle).profile


def _unmeasured(handle: Handle, column: str, kind: str, status: Status, reason: str) -> list[Check]:
    """Return the checks of a column that could not be measured, so that none goes missing."""
    names = methods_for(kind, handle.config.drift, handle.config.thresholds)
    family_of, window = handle.layout.family_of, handle.window
    return [Check(family_of(n, column), n, window, status, column, reason=reason) for n in names]


def detect_drift(
    handle: Handle, quality: Quality, profile: Profile | None, store: Store
) -> tuple[Check, ...]:
    """Judge the distance of every column to its reference, of the whole and of each slice."""
    if handle.rows == 0:
        return ()
    baseline, kinds = baseline_of(handle), handle.layout.profiled
    checks: list[Check] = []
    if profile is None:
        reason = quality.blocked or "not profiled"
        for column, kind in kinds.items():
            checks += _unmeasured(handle, column, kind, "skipped", reason)
        return (*checks, *joint_unlooked(handle, baseline, reason))
    baseline, fallback = compared_with(handle, baseline, profile, store)
    measured_columns = []
    for column, kind in kinds.items():
        if column not in baseline.grid.columns:
            reason = f"not in baseline {baseline.version}: build a new one"
            checks += _unmeasured(handle, column, kind, "error", reason)
        elif column in profile.problems:
            checks += _unmeasured(handle, column, kind, "error", profile.problems[column])
        elif _without_champion(handle, profile, column):
            reason = f"no rows of {handle.config.versions.champion}, the champion"  # type: ignore[union-attr]
            checks += _unmeasured(handle, column, kind, "no_data", reason)
        else:
            measured_columns.append(column)
    asked = handle.config.drift, handle.config.thresholds
    found = measure_columns(
        profile,
        baseline.profile,
        baseline.grid,
        handle.layout,
        *asked,
        columns=measured_columns,
    )
    checks += _judged(handle, baseline, (*found, *_of_shadows(handle, baseline, profile)))
    checks += _for_alarms(handle, baseline, profile)
    together, unlooked = joint_measurements(handle, baseline, profile)
    checks += [*_judged(handle, baseline, together), *unlooked]
    return told((*checks, *_segments(handle, baseline, profile)), fallback)


def _for_alarms(handle: Handle, baseline: Baseline, profile: Profile) -> list[Check]:
    """Measure what alarms are set on; the verdicts follow when the window is decided."""
    if baseline.watching is None or baseline.comparison != Comparison():
        return []
    return [
        Check(
            m.family,
            m.name,
            handle.window,
            "insufficient" if m.value.defined else "undefined",
            m.column,
            value=m.value.value,
            n=m.value.n,
            reason=m.value.reason or NOT_JUDGED,
        )
        for m in measure_watched(profile, baseline.watching.form)
        if m.column in handle.layout.profiled
    ]


def _without_champion(handle: Handle, profile: Profile, column: str) -> bool:
    return (
        handle.layout.version is not None
        and column in handle.layout.model
        and profile.columns[column].rows == 0
    )


def _judged(
    handle: Handle, baseline: Baseline, measured: Iterable[Measurement], tests: int = 1
) -> list[Check]:
    return [
        judge(
            m,
            handle.window,
            reference=baseline.reference,
            thresholds=handle.config.thresholds,
            tests=tests,
        )
        for m in measured
    ]


def _of_shadows(handle: Handle, baseline: Baseline, profile: Profile) -> list[Measurement]:
    """Measure what shadow versions predict, beside what the champion did in the reference."""
    config = handle.config
    found: list[Measurement] = []
    for version in () if config.versions is None else config.versions.shadow:
        part = profile.slices.get(slice_key(None, version))
        if part is not None:
            found += measure_columns(
                part,
                baseline.profile,
                baseline.grid,
                handle.layout,
                config.drift,
                config.thresholds,
                columns=handle.layout.model,
                version=version,
            )
    return found


def _segments(handle: Handle, baseline: Baseline, profile: Profile) -> list[Check]:
    """Judge every segment; what cannot be told apart is said once for each segmentation."""
    config, checks = handle.config, []
    known = {s.columns: s for s in declared_segmentations(config, baseline)}
    tests = sum(len(s.segments) for s in known.values())
    for columns in dict.fromkeys(config.columns.segments):
        unread = _untold(known.get(columns), baseline, profile)
        if unread is not None:
            status, reason = unread
            name = Segmentation(columns).name
            checks.append(Check("drift", "segments", handle.window, status, name, reason=reason))
            continue
        measured = measure_segments(
            profile,
            baseline.profile,
            baseline.grid,
            handle.layout,
            known[columns],
            config.drift,
            config.thresholds,
            requests=scan(handle).requests,
        )
        checks += _judged(handle, baseline, measured, tests)
    return checks


def _untold(
    segmentation: Segmentation | None, baseline: Baseline, profile: Profile
) -> tuple[Status, str] | None:
    if segmentation is None:
        return "skipped", f"not in baseline {baseline.version}: build a new one"
    if segmentation.name in profile.problems:
        return "error", profile.problems[segmentation.name]
    if not segmentation.kept:
        return "insufficient", f"baseline {baseline.version} has no segment of enough rows"
    return None
