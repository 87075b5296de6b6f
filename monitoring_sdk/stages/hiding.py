"""What `privacy.min_count` keeps out of the store and of reports: segments of so few rows."""

from __future__ import annotations

import dataclasses

from monitoring_sdk.decision import ResultRow
from monitoring_sdk.measure import Measurement
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.report import Check, Status
from monitoring_sdk.value import Value


def _reason(least: int) -> str:
    return f"fewer than {least} rows: privacy.min_count"


def hidden(row: ResultRow, least: int) -> ResultRow:
    """Return a verdict without the numbers of segments that have so few rows.

    That a segment has far fewer rows than usual is still told, without the number.
    """
    return dataclasses.replace(row, checks=tuple(_hidden(check, least) for check in row.checks))


def _hidden(check: Check, least: int) -> Check:
    if check.segment is None or not 0 < (check.n or 0) < least:
        return check
    status: Status = "alert" if check.name == "rows" and check.status == "alert" else "insufficient"
    return Check(
        family=check.family,
        name=check.name,
        window=check.window,
        status=status,
        column=check.column,
        segment=check.segment,
        version=check.version,
        threshold_from=check.threshold_from,
        exceeded=check.exceeded and status == "alert",
        severity=check.severity,
        reason=_reason(least),
    )


def hidden_value(m: Measurement, least: int) -> Measurement:
    """Return a measurement of a reference window, undefined where a segment has so few rows."""
    if m.segment is None or not 0 < (m.value.n or 0) < least:
        return m
    return dataclasses.replace(m, value=Value.undefined(_reason(least)))


def without_small(profile: Profile, least: int) -> Profile:
    """Return a profile without the slices that have so few rows.

    A segment that comes up to `least` rows over several windows is not summed from them then.
    """
    kept = {key: part for key, part in profile.slices.items() if part.rows >= least}
    return dataclasses.replace(profile, slices=kept)
