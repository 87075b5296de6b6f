"""A new model's baseline goes on from the old one's inputs: only what the model says is new."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.alarms.row_scores import with_adjusted
from monitoring_sdk.alarms.values import ValueForm
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.comparison import Comparison
from monitoring_sdk.measure import Layout
from monitoring_sdk.profile.grid import CategoricalGrid, Grid
from monitoring_sdk.profile.numeric import numeric_values
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.render.keys import parts_of
from monitoring_sdk.window import Window

if TYPE_CHECKING:
    import pandas as pd

_OF_THE_MODEL = ("prediction", "performance", "estimate")
_MOST_NUMBERS = 10_000_000
"""Of the sample, held at once."""


def inputs_of(old: Baseline | None, layout: Layout) -> tuple[str, ...]:
    """Return the features that a new baseline can count by the cells of an older one.

    There are none where the older one compares with something nearer than its whole span.
    """
    if old is None or old.comparison != Comparison() or old.watching is None:
        return ()
    features = (*layout.numeric, *layout.categorical)
    before = (*old.layout.numeric, *old.layout.categorical)
    return tuple(c for c in features if c in before and c in old.grid.columns)


def inherited_grid(grid: Grid, old: Baseline | None, inputs: tuple[str, ...]) -> Grid:
    """Return a grid with an older baseline's cells for some columns, where they are of one kind."""
    if old is None:
        return grid
    columns = dict(grid.columns)
    for name in inputs:
        own, before = grid.columns.get(name), old.grid.columns[name]
        if isinstance(own, CategoricalGrid) == isinstance(before, CategoricalGrid):
            columns[name] = before
    return Grid(columns)


def inherited_form(form: ValueForm, old: Baseline | None, grid: Grid) -> ValueForm:
    """Return what is watched, as an older baseline watched it where the cells are its own."""
    if old is None or old.watching is None:
        return form
    before = {c.column: c for c in old.watching.form.columns}
    return ValueForm(
        tuple(
            before[c.column]
            if c.column in before and grid.columns[c.column] is old.grid.columns.get(c.column)
            else c
            for c in form.columns
        )
    )


def beside_each_other(
    form: ValueForm,
    old: Baseline | None,
    grid: Grid,
    sample: Mapping[str, pd.Series],
    windows: Sequence[Profile],
) -> ValueForm:
    """Add how the columns' locations hang together: as an older baseline has it, or the sample.

    Where the older one's does not fit these columns there is none: its windows are among the
    reference, and they were not compared by the new one's.
    """
    before = None if old is None or old.watching is None else old.watching.form
    if before is not None and before.adjusted is not None:
        kept = {c.column: c for c in before.columns}
        own = {c.column: c for c in form.columns}
        same = all(own.get(c) is kept[c] for c in before.adjusted.columns)
        return dataclasses.replace(form, adjusted=before.adjusted if same else None)
    named = [c.column for c in form.columns if c.numeric and c.column in sample]
    rows = max((len(sample[c]) for c in named), default=0)
    step = max(1, -(-rows * len(named) // _MOST_NUMBERS))
    numbers = {c: _numbers(sample[c].iloc[::step], c) for c in named}
    return with_adjusted(form, grid, numbers, windows)


def _numbers(rows: pd.Series, name: str) -> NDArray[np.floating[Any]]:
    return numeric_values(pa.Array.from_pandas(rows), name)[0]


def with_history(new: Baseline, old: Baseline | None) -> Baseline:
    """Put an older baseline's windows before a new one's, for all that is no model's word.

    Parameters
    ----------
    new : Baseline
        On the older one's grid, where it can be; not yet saved.
    old : Baseline or None
        None leaves the new one as it is.
    """
    if old is None:
        return new
    own = {c for c, cells in new.grid.columns.items() if cells is old.grid.columns.get(c)}
    earlier = [i for i, w in enumerate(old.windows) if w.end <= new.span.start]
    windows = (*(old.windows[i] for i in earlier), *new.windows)
    reference = _joined(new, old, earlier, own)
    columns = {
        name: old.profile.columns[name].merge(column)  # type: ignore[arg-type]
        if name in own and name in old.profile.columns
        else column
        for name, column in new.profile.columns.items()
    }
    profile = dataclasses.replace(new.profile, columns=columns)
    note = f"inputs go on from baseline {old.version}: {len(earlier)} windows before its own"
    return dataclasses.replace(
        new,
        windows=windows,
        reference=reference,
        profile=profile,
        notes=(*new.notes, note) if earlier else new.notes,
    )


def _joined(
    new: Baseline, old: Baseline, earlier: list[int], own: set[str]
) -> Mapping[str, ReferenceSeries]:
    none, count = ReferenceSeries((None,) * len(earlier), (0,) * len(earlier)), len(new.windows)
    found = {}
    for key, series in new.reference.items():
        before = old.reference.get(key) if _goes_on(key, own) else None
        first = none
        if before is not None:
            values = tuple(before.values[i] for i in earlier)
            first = ReferenceSeries(values, tuple(before.n[i] for i in earlier))
        assert len(series.values) == count
        found[key] = ReferenceSeries((*first.values, *series.values), (*first.n, *series.n))
    return found


def _goes_on(key: str, own: set[str]) -> bool:
    """Say whether a check means the same under the new model as under the old one."""
    parts = parts_of(key)
    if parts.family in _OF_THE_MODEL:
        return False
    return parts.column in own if parts.column is not None else parts.family == "operations"


def windows_before(new: Baseline, windows: tuple[Window, ...]) -> int:
    """Return how many windows of a baseline come before those that it was built on."""
    return len(new.windows) - len(windows)
