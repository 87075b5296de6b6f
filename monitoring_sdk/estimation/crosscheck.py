"""Estimators that look at something else than calibrated scores: where they disagree, look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.estimation.cbpe import outcomes, readable, usual_gaps
from monitoring_sdk.estimation.estimate import (
    Estimate,
    combined,
    from_outcomes,
    jackknife,
    left_out,
    undefined,
)
from monitoring_sdk.estimation.formulas import FORMULAS, inapplicable
from monitoring_sdk.estimation.losses import weighted_losses
from monitoring_sdk.estimation.outcomes import known
from monitoring_sdk.estimation.overlap import Ratio, density_ratio, weighted_part
from monitoring_sdk.estimation.rows import Reference, Rows

Floats = NDArray[np.float64]
_DRAWS = 40


def atc(
    reference: Reference, window: Rows, metrics: Iterable[str], *, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate accuracy as the share of rows more confident than a threshold.

    The threshold is the confidence above which as many reference rows lie as are right there
    (average thresholded confidence: Garg, Balakrishnan, Lipton, Neyshabur and Sedghi, 2022, ICLR);
    of rows that lie on it, the part that makes this exact.
    """
    names = tuple(metrics)
    rows, reason = readable(reference, window)
    reason = reason or inapplicable(FORMULAS["accuracy"], reference.task, rows)
    reason = reason or inapplicable(FORMULAS["brier"], reference.task, rows)
    if reason:
        return undefined(names, reason, rows.n)
    before, after = _confidence(reference.rows), _confidence(rows)
    right = np.equal(np.asarray(reference.rows.prediction), reference.truth)
    group, weight = reference.group, reference.rows.weights
    parts = [group != g for g in range(int(group.max()) + 1)]
    whole = _above(before, right, weight, after, rows.weights)
    without = [
        _above(before[p], right[p], weight[p], after, rows.weights) for p in parts if p.any()
    ]
    found = undefined(names, "this estimator knows accuracy alone", rows.n)
    if "accuracy" in found:
        heavy = float((rows.weights**2).sum() / rows.weights.sum() ** 2)
        calibration = jackknife(np.array(without)) + usual_gaps(reference).get("accuracy", 0.0)
        found["accuracy"] = combined(
            whole,
            whole * (1 - whole) * heavy,
            calibration,
            span=(0.0, 1.0),
            n=rows.n,
            notes=left_out(window, rows.n),
        )
    return found


def _confidence(rows: Rows) -> Floats:
    """Return the score of the predicted class."""
    score, said = np.asarray(rows.score), np.asarray(rows.prediction).astype(np.int64)
    if score.ndim == 1:
        return np.where(said == 1, score, 1 - score)
    return score[np.arange(len(said)), said]


def _above(
    before: Floats, right: NDArray[np.bool_], weight: Floats, after: Floats, counts: Floats
) -> float:
    order = np.argsort(-before, kind="stable")
    below = np.cumsum(weight[order])
    wanted = float(weight @ right)
    place = min(int(np.searchsorted(below, wanted)), len(order) - 1)
    threshold = before[order[place]]
    beyond = float(weight[before > threshold].sum())
    on_it = float(weight[before == threshold].sum())
    part = (wanted - beyond) / on_it
    share = (after > threshold) + part * (after == threshold)
    return float(counts @ share / counts.sum())


def importance_weighting(
    reference: Reference, window: Rows, metrics: Iterable[str], *, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate metrics as those of the reference's labelled rows, weighted towards the window.

    Source: Shimodaira, 2000, J. Stat. Plan. Inference 90.
    """
    names = tuple(metrics)
    if reference.task == "regression":
        return weighted_losses(reference, window, names, seed=seed)
    rows, reason = readable(reference, window)
    near = weighted_part(reference)
    ratio = None if reason else density_ratio(near, rows, seed=seed)
    if ratio is None or ratio.fault:
        return undefined(names, reason or (ratio.fault if ratio else None) or "", rows.n)
    return _weighted(near, usual_gaps(reference), ratio, window, rows, names, seed)


def _weighted(
    near: Reference,
    gaps: Mapping[str, float],
    ratio: Ratio,
    window: Rows,
    rows: Rows,
    names: tuple[str, ...],
    seed: int,
) -> dict[str, Estimate]:
    weight = near.rows.weights * ratio.weight
    mass = known(near.truth, len(near.classes), weight)
    group = near.group
    kept = np.stack([np.ones(near.n), *(group != g for g in range(int(group.max()) + 1))])
    at_once = outcomes(near.rows, mass * kept[:, :, None], near.payoff)
    often = np.random.default_rng(seed).poisson(weight / weight.sum() * rows.n, (_DRAWS, near.n))
    one = known(near.truth, len(near.classes), np.ones(near.n))
    draws = outcomes(near.rows, one * often[:, :, None], near.payoff)
    notes = (*ratio.notes, *left_out(window, rows.n))
    return from_outcomes(names, near.task, near.rows, at_once, draws, gaps, notes, n=rows.n)
