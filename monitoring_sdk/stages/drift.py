"""Profile and drift: the window's counts on the baseline's grid, and how far they have moved."""

from __future__ import annotations

from monitoring_sdk.evaluate import judge
from monitoring_sdk.measure import measure_columns, methods_for
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.report import Check, Status
from monitoring_sdk.stages.handle import Handle, baseline_of
from monitoring_sdk.stages.quality import Quality
from monitoring_sdk.stages.scan import scan


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


def detect_drift(handle: Handle, quality: Quality, profile: Profile | None) -> tuple[Check, ...]:
    """Judge the distance of every column to the baseline's."""
    if handle.rows == 0:
        return ()
    baseline, kinds = baseline_of(handle), handle.layout.kinds
    checks: list[Check] = []
    if profile is None:
        reason = quality.blocked or "not profiled"
        for column, kind in kinds.items():
            checks += _unmeasured(handle, column, kind, "skipped", reason)
        return tuple(checks)
    for column, kind in kinds.items():
        if column not in baseline.grid.columns:
            reason = f"not in baseline {baseline.version}: build a new one"
            checks += _unmeasured(handle, column, kind, "error", reason)
        elif column in profile.problems:
            checks += _unmeasured(handle, column, kind, "error", profile.problems[column])
    measured = measure_columns(
        profile,
        baseline.profile,
        baseline.grid,
        handle.layout,
        handle.config.drift,
        handle.config.thresholds,
    )
    return tuple(checks) + tuple(
        judge(
            m,
            handle.window,
            reference=baseline.reference,
            thresholds=handle.config.thresholds,
        )
        for m in measured
    )
