"""The normal scores of single rows: how the locations of columns hang together is read off them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.values import ValueForm
from monitoring_sdk.profile.grid import Grid, NumericGrid


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
