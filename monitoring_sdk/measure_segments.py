"""Measure the segments of a window: the distances of each, and how many requests it had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from monitoring_sdk.measure import OPERATION_FLOOR, Layout, Measurement, measure_columns
from monitoring_sdk.profile.grid import Grid
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.profile.segments import Segmentation
from monitoring_sdk.value import Value


def measure_segments(
    profile: Profile,
    reference: Profile,
    grid: Grid,
    layout: Layout,
    segmentation: Segmentation,
    wanted: Sequence[str] | None = None,
    limited: Iterable[str] = (),
    *,
    requests: Mapping[str, int] | None = None,
) -> tuple[Measurement, ...]:
    """Measure the columns of every segment, and the rows of those that are kept by name.

    A kept segment without rows has a row count of 0 and no distances. The segmentation's own
    columns are left out: within a segment they do not vary.

    Parameters
    ----------
    requests : mapping of str to int, optional
        Rows of each segment, by its key, where not every row of the profile is a request: what a
        shadow answered beside another version is none.
    """
    found: list[Measurement] = []
    limited = tuple(limited)
    columns = [c for c in layout.profiled if c not in segmentation.columns]
    for i, (key, segment) in enumerate(zip(segmentation.keys, segmentation.segments, strict=True)):
        part, usual = profile.slices.get(key), reference.slices.get(key)
        if usual is None:
            continue
        if i < len(segmentation.kept):
            rows = 0 if part is None else part.rows
            found.append(
                rows_of_segment(rows if requests is None else requests.get(key, 0), segment)
            )
        if part is not None:
            found += measure_columns(
                part, usual, grid, layout, wanted, limited, columns=columns, segment=segment
            )
    return tuple(found)


def rows_of_segment(rows: int, segment: Mapping[str, str]) -> Measurement:
    """Measure how many rows a segment has; none is a number too."""
    value = Value(float(rows), n=rows)
    floor = OPERATION_FLOOR["rows"]
    return Measurement(
        "operations", "rows", value, "both", noise=0.0, relative_floor=floor, segment=segment
    )
