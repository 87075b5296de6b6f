"""Normal scores of single rows, and their means over windows: what hangs together in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.adjusted import fit_adjusted
from monitoring_sdk.alarms.values import ValueForm, window_values
from monitoring_sdk.profile.grid import Grid, NumericGrid
from monitoring_sdk.profile.profile import Profile


def row_scores(
    form: ValueForm, grid: Grid, rows: Mapping[str, NDArray[np.floating[Any]]]
) -> dict[str, NDArray[np.float64]]:
    """Return the normal scores of rows, whose mean over a window is a column's location.

    Parameters
    ----------
    form : ValueForm
    grid : Grid
    rows : mapping of str to array, shape (n,)
        Numbers by column, NaN for none; columns that have no location are left out.

    Examples
    --------
    >>> from monitoring_sdk.alarms.values import fit_form
    >>> from monitoring_sdk.profile.grid import fit_numeric
    >>> from monitoring_sdk.profile.profile import profile_batches
    >>> import pyarrow as pa
    >>> grid = Grid({"age": fit_numeric(range(20, 70))})
    >>> reference = profile_batches([pa.record_batch({"age": list(range(20, 70))})], grid)
    >>> form = fit_form(reference, grid, {}, {"age": "drift"}, 50)
    >>> found = row_scores(form, grid, {"age": np.arange(20.0, 70)})["age"]
    >>> [round(float(x), 9) for x in (abs(found.mean()), found.std())]
    [0.0, 1.0]
    """
    found = {}
    for column in form.columns:
        cells = grid.columns.get(column.column)
        if not (isinstance(cells, NumericGrid) and column.scores.shape[1]):
            continue
        if column.column not in rows or column.watched[0].family != "drift":
            continue
        value = np.asarray(rows[column.column], dtype=np.float64)
        fine = np.searchsorted(cells.edges, value, side="right")
        coarse = np.searchsorted(column.starts, fine, side="right") - 1
        found[column.column] = np.where(np.isnan(value), np.nan, column.scores[coarse, 0])
    return found


def with_adjusted(
    form: ValueForm,
    grid: Grid,
    rows: Mapping[str, NDArray[np.floating[Any]]],
    windows: Sequence[Profile],
) -> ValueForm:
    """Add to a form how the locations of its columns hang together, where they do.

    Parameters
    ----------
    form : ValueForm
    grid : Grid
    rows : mapping of str to array, shape (n,)
        As for `row_scores`.
    windows : sequence of Profile
        Of the reference.
    """
    scores = row_scores(form, grid, rows)
    return replace(form, adjusted=fit_adjusted(scores, locations(form, windows)))


def locations(form: ValueForm, windows: Sequence[Profile]) -> dict[str, NDArray[np.float64]]:
    """Return the location of each column that has one in each window; NaN for none.

    Parameters
    ----------
    form : ValueForm
    windows : sequence of Profile
        R of them.

    Returns
    -------
    dict of str to array of float64, shape (R,)
    """
    plain = ValueForm(tuple(column for column in form.columns if column.numeric))
    found = np.array([window_values(profile, plain).x for profile in windows])
    found = found.reshape(len(windows), len(plain.keys))
    return {
        w.column: found[:, i]
        for i, w in enumerate(plain.watched)
        if w.kind == "location" and w.column is not None
    }
