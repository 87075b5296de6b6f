"""What the reference windows tell of levels that are new in a window: by nature, or by drift."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from monitoring_sdk.drift.levels import settle, unseen_elsewhere
from monitoring_sdk.measure import Measurement
from monitoring_sdk.profile.categorical import CategoricalProfile
from monitoring_sdk.profile.grid import CategoricalGrid, Grid
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.report import slice_key
from monitoring_sdk.value import Value


def settle_grid(grid: Grid, profiles: Sequence[Profile]) -> Grid:
    """Open the grid of every column whose reference windows keep bringing levels of their own."""
    columns = dict(grid.columns)
    for name, cells in grid.columns.items():
        if isinstance(cells, CategoricalGrid) and cells.closed:
            columns[name] = settle(cells, _of_column(profiles, name, ""))
    return Grid(columns)


def with_unseen(
    measured: Sequence[Sequence[Measurement]], profiles: Sequence[Profile]
) -> list[list[Measurement]]:
    """Give each reference window the share of levels that none of the others has.

    On a grid fitted on these very windows nothing is unseen, in a later window of the same kind
    something always is.

    Parameters
    ----------
    measured : sequence of sequences of Measurement
        For each window.
    profiles : sequence of Profile
        Of the same windows.
    """
    known: dict[tuple[str, str], dict[int, Value]] = {}
    found = []
    for i, window in enumerate(measured):
        own = []
        for m in window:
            if m.name == "unseen_share" and m.column is not None and m.value.defined:
                key = (m.column, slice_key(m.segment, m.version))
                if key not in known:
                    known[key] = _elsewhere(profiles, *key)
                m = dataclasses.replace(m, value=known[key].get(i, m.value))
            own.append(m)
        found.append(own)
    return found


def _part(profile: Profile, column: str, key: str) -> CategoricalProfile | None:
    part = profile.slices.get(key) if key else profile
    found = part.columns.get(column) if part is not None else None
    return found if isinstance(found, CategoricalProfile) else None


def _of_column(profiles: Sequence[Profile], column: str, key: str) -> list[CategoricalProfile]:
    parts = (_part(p, column, key) for p in profiles)
    return [p for p in parts if p is not None and p.count]


def _elsewhere(profiles: Sequence[Profile], column: str, key: str) -> dict[int, Value]:
    parts = [_part(p, column, key) for p in profiles]
    there = [i for i, p in enumerate(parts) if p is not None and p.count]
    values = unseen_elsewhere(_of_column(profiles, column, key))
    return {i: v for i, v in zip(there, values, strict=True) if v.defined}
