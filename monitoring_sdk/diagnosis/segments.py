"""Which rows a rise of the loss sits in: every condition on a feature, and on two, at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from monitoring_sdk.diagnosis.cells import (
    ALPHA,
    FEWEST_ROWS,
    MOST_CELLS,
    Cell,
    Place,
    Rows,
    binned,
    by_bin,
    by_condition,
    measure,
    members,
    rise,
    variance_of,
)
from monitoring_sdk.diagnosis.expected import Expected, expected_loss
from monitoring_sdk.diagnosis.features import Feature, fit_features
from monitoring_sdk.diagnosis.losses import Floats, Losses

SLIVER = 0.1


def segments(
    reference: Losses,
    current: Losses,
    *,
    seed: int = 0,
    expected: Expected | None = None,
) -> tuple[Cell, ...]:
    """Name the segments in which the loss rose beyond what their features let one expect.

    Of all cells - every run of deciles of a number, every level of a category, the missing values,
    and every crossing of two such - the clearest is named, its rows are put aside, and the search
    goes on among the rest. A cell is named when the rise in it, and its rise over that of the rest
    of each set that holds it (all rows; for a crossing also its two conditions), pass a one-sided
    z of 1 % over all cells looked at (Bonferroni): so no crossing is named where one of its
    conditions says as much, and none where all rows changed alike.

    Parameters
    ----------
    reference, current : Losses
        Labelled rows, coded by one `Coder`.
    seed : int
    expected : Expected, optional
        Of these very rows, where it is at hand; else it is fitted here.

    Returns
    -------
    tuple of Cell
        At most four, by falling `within`.

    Raises
    ------
    ImportError
        Without LightGBM, which the `pipeline` extra brings.
    """
    if min(reference.n, current.n) < FEWEST_ROWS or not reference.coder.names:
        return ()
    if expected is None:
        expected = expected_loss(reference, current, seed=seed)
    features = fit_features(reference.matrix, reference.coder)
    samples = (
        binned(features, reference, reference.loss - expected.reference),
        binned(features, current, current.loss - expected.current),
    )
    found = _search(features, samples[0], samples[1])
    cells = [measure(features, place, z, (reference, current), samples) for place, z in found]
    most = max((cell.within for cell in cells), default=0.0)
    # What is left of a segment whose bounds fall between two bins is not another one.
    kept = [cell for cell in cells if cell.within >= SLIVER * most]
    return tuple(sorted(kept, key=lambda cell: -cell.within))


def _search(features: Sequence[Feature], left: Rows, right: Rows) -> list[tuple[Place, float]]:
    """Return the cells to name with their z, the clearest first."""
    d = len(features)
    places: list[tuple[int, ...]] = [(a,) for a in range(d)]
    places += [(a, b) for a in range(d) for b in range(a + 1, d)]
    looked = sum(int(np.prod([len(features[a].conditions) for a in p])) for p in places)
    least = -float(ndtri(ALPHA / max(looked, 1)))
    found: list[tuple[Place, float]] = []
    while len(found) < MOST_CELLS:
        best: tuple[Place, float] | None = None
        clear: list[tuple[int, ...]] = []
        for p in places:
            z, at = _clearest(features, p, left, right, least)
            if at is None:
                continue
            clear.append(p)
            if best is None or z > best[1]:
                best = (tuple(zip(p, at, strict=True)), z)
        if best is None:
            break
        found.append(best)
        left, right = (x.keep(~members(features, x.bins, best[0])) for x in (left, right))
        # Columns in which nothing was clear will not become clear with fewer rows.
        places = clear
    return found


def _clearest(
    features: Sequence[Feature], place: tuple[int, ...], left: Rows, right: Rows, least: float
) -> tuple[float, tuple[int, ...] | None]:
    """Return the largest z among the cells of one or two columns that may be named."""
    bins = [by_bin(features, place, rows) for rows in (left, right)]
    usual = [variance_of(t.reshape(3, -1).sum(axis=1)) for t in bins]
    cells = [by_condition(features, place, t) for t in bins]
    change, variance = rise(cells, usual)
    z = change / np.sqrt(variance)
    allowed = (np.minimum(cells[0][0], cells[1][0]) >= FEWEST_ROWS) & (z >= least)
    for wider in _wider(features, place, bins):
        if not allowed.any():
            return 0.0, None
        rest = [w - t for w, t in zip(wider, cells, strict=True)]
        other, spread = rise(rest, usual)
        # Where next to nothing is left beside the cell, the wider set is the one to name.
        allowed &= np.minimum(rest[0][0], rest[1][0]) >= FEWEST_ROWS
        allowed &= (change - other) / np.sqrt(variance + spread) >= least
    if not allowed.any():
        return 0.0, None
    z = np.where(allowed, z, -np.inf)
    at = np.unravel_index(int(np.argmax(z)), z.shape)
    return float(z[at]), tuple(int(i) for i in at)


def _wider(
    features: Sequence[Feature], place: tuple[int, ...], bins: list[Floats]
) -> list[list[Floats]]:
    """Return the sets that hold each cell: all rows and, for a crossing, either condition."""
    axes = tuple(range(1, 1 + len(place)))
    out = [[t.sum(axis=axes, keepdims=True) for t in bins]]
    if len(place) == 2:
        first, second = (features[a].conditions for a in place)
        out.append([first @ t.sum(axis=2, keepdims=True) for t in bins])
        out.append([t.sum(axis=1, keepdims=True) @ second.T for t in bins])
    return out
