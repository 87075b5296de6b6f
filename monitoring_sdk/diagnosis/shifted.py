"""Which inputs became more, or fewer, and so raised the mean loss."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from monitoring_sdk.diagnosis.cells import (
    ALPHA,
    FEWEST_ROWS,
    MOST_CELLS,
    Cell,
    binned,
    by_bin,
    by_condition,
    measure,
    rise,
    variance_of,
)
from monitoring_sdk.diagnosis.expected import Expected, expected_loss
from monitoring_sdk.diagnosis.features import fit_features
from monitoring_sdk.diagnosis.losses import Floats, Losses


def shifted_cells(
    reference: Losses,
    current: Losses,
    *,
    seed: int = 0,
    expected: Expected | None = None,
) -> tuple[Cell, ...]:
    """Name the conditions whose rows became more, or fewer, and so raised the mean loss.

    For each column the condition whose `mix` is largest, where both the change of its share and
    the distance of its reference loss from that of the other rows pass a two-sided z of 1 % over
    all conditions (Bonferroni). Columns that move together each tell the same story.

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
        At most four, by falling `mix`.

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
    least = -float(ndtri(ALPHA / 2 / sum(len(f.conditions) for f in features)))
    pairs = ((reference, expected.reference), (current, expected.current))
    samples = [binned(features, x, x.loss) for x, _ in pairs]
    beyond = [binned(features, x, x.loss - e) for x, e in pairs]
    found = []
    for a in range(len(features)):
        bins = [by_bin(features, (a,), rows) for rows in samples]
        left, right = (by_condition(features, (a,), t) for t in bins)
        at, z = _most_mixed(left, right, bins, least)
        if at is not None:
            found.append(measure(features, ((a, at),), z, (reference, current), beyond))
    return tuple(sorted(found, key=lambda cell: -cell.mix)[:MOST_CELLS])


def _most_mixed(
    left: Floats, right: Floats, bins: list[Floats], least: float
) -> tuple[int | None, float]:
    """Return the condition with the largest mix among those that are clear, and its z."""
    all_left, all_right = (t.sum(axis=1, keepdims=True) for t in bins)
    share = [left[0] / all_left[0], right[0] / all_right[0]]
    pooled = (left[0] + right[0]) / (all_left[0] + all_right[0])
    spread = pooled * (1 - pooled) * (1 / all_left[0] + 1 / all_right[0])
    z_share = (share[1] - share[0]) / np.sqrt(np.maximum(spread, 1e-300))
    usual = [variance_of(all_left[:, 0])] * 2
    above, variance = rise([all_left - left, left], usual)
    z = np.minimum(np.abs(z_share), np.abs(above) / np.sqrt(variance))
    mix = (share[1] - share[0]) * (left[1] / np.maximum(left[0], 1) - all_left[1] / all_left[0])
    enough = (left[0] >= FEWEST_ROWS) & (all_left[0] - left[0] >= FEWEST_ROWS)
    mix = np.where(enough & (z >= least) & (mix > 0), mix, 0.0)
    at = int(np.argmax(mix))
    return (at, float(z[at])) if mix[at] > 0 else (None, 0.0)
