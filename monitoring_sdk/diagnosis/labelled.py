"""Labelled rows of any task as losses, and as what their scores let one expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.diagnosis.concept import (
    calibration_margin,
    design_effect,
    expected_error,
)
from monitoring_sdk.diagnosis.losses import Floats, Losses, absolute_loss, error_loss
from monitoring_sdk.estimation.calibration import Calibrator, fit_calibrator
from monitoring_sdk.estimation.rows import Reference, Rows
from monitoring_sdk.matrix import Coder
from monitoring_sdk.metrics.classes import LabelledClasses
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.numbers import LabelledNumbers
from monitoring_sdk.metrics.rows import LabelledRows

FEWEST_REFERENCE = 200
BINS = 10
CEILING = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Bets:
    """What a window's rows lost, what was expected of each, and how wrong that may be."""

    loss: Floats
    expected: Floats
    margin: float


def as_reference(
    rows: LabelledRows, reference: Reference, features: Floats | None = None
) -> Reference | str:
    """Return a window's labelled rows in the numbers of its reference.

    Parameters
    ----------
    features : array of float64, shape (n, d), optional
        Of the same rows, as the reference's coder writes them.

    Returns
    -------
    Reference or str
        Rows that lack what the reference has are left out; a text says why there are none.
    """
    if rows.fault is not None:
        return rows.fault
    read = _numbers(rows, reference)
    if read is None:
        return "lists have no loss of a single row"
    truth, said, score = read
    own = Rows(
        np.zeros((rows.n, 0)) if features is None else features,
        None if reference.rows.prediction is None else said,
        None if reference.rows.score is None else score,
    )
    keep = own.usable() & (np.isfinite(truth) if truth.dtype.kind == "f" else truth >= 0)
    block = np.zeros(rows.n, np.int64)
    coder = Coder((), (), ()) if features is None else reference.coder
    whole = Reference(reference.task, own, truth, coder, block, reference.classes)
    found = whole.take(keep)
    return found if found.n else "no labelled row has what the model says"


def _numbers(
    rows: LabelledRows, reference: Reference
) -> tuple[NDArray[Any], NDArray[Any] | None, Floats | None] | None:
    """Return truth, prediction and score as the reference numbers them."""
    if isinstance(rows, Labelled):
        said = None if rows.y_pred is None else rows.y_pred.astype(np.int64)
        if said is not None and rows.predicted is not None:
            said = np.where(rows.predicted, said, -1)
        return rows.y_true.astype(np.int64), said, rows.score
    if isinstance(rows, LabelledClasses):
        # One more place than classes: the code -1, no prediction, stays -1.
        place = np.array([*(_place(c, reference.classes) for c in rows.classes), -1])
        said = None if rows.y_pred is None else place[rows.y_pred]
        return place[rows.y_true], said, _by_class(rows, reference)
    if isinstance(rows, LabelledNumbers):
        return rows.y_true, rows.y_pred, None
    return None


def _place(name: str, classes: tuple[str, ...]) -> int:
    return classes.index(name) if name in classes else -1


def _by_class(rows: LabelledClasses, reference: Reference) -> Floats | None:
    """Return the scores with their columns in the order of the reference's classes."""
    if rows.scores is None or not set(reference.classes) <= set(rows.classes):
        return None
    return rows.scores[:, [rows.classes.index(name) for name in reference.classes]]


def losses_of(rows: Reference, ceiling: float | None = None) -> Floats | str:
    """Return a loss in [0, 1] a row: wrong or right; of a number its absolute error, clipped.

    Parameters
    ----------
    rows : Reference
    ceiling : float, optional
        Where absolute errors are clipped, > 0; see `ceiling_of`.

    Returns
    -------
    array of float64 or str
        Of a binary model without predictions the squared distance of score and outcome; a text
        says why there is no loss.
    """
    said, score = rows.rows.prediction, rows.rows.score
    if rows.task == "regression" and said is not None and ceiling:
        return absolute_loss(rows.truth, said, most=ceiling)
    if rows.task != "regression" and said is not None:
        return error_loss(rows.truth, said)
    if rows.task == "binary" and score is not None:
        return np.clip(score - rows.truth.astype(np.float64), -1, 1) ** 2
    return "needs a prediction column, and there is none"


def ceiling_of(reference: Reference) -> float | None:
    """Return the 99th percentile of the reference's absolute errors; None where there is none."""
    said = reference.rows.prediction
    if reference.task != "regression" or said is None or reference.n == 0:
        return None
    error = np.abs(said.astype(np.float64) - reference.truth.astype(np.float64))
    return float(np.quantile(error, CEILING)) or None


def bets(current: Reference, reference: Reference, calibrate: Calibrator | None) -> Bets | str:
    """Return losses beside what the reference lets one expect of them.

    Parameters
    ----------
    current, reference : Reference
        With the same columns; see `as_reference`.
    calibrate : Calibrator or None
        Of the scores; best one for this window, so that a move of the inputs is expected too.
        None: the mean loss of the reference's rows with such a score, or such a prediction.

    Returns
    -------
    Bets or str
        A text says why there is nothing to bet on.
    """
    if reference.n < FEWEST_REFERENCE:
        return f"{reference.n} labelled reference rows, {FEWEST_REFERENCE} needed"
    ceiling = ceiling_of(reference)
    now, then = losses_of(current, ceiling), losses_of(reference, ceiling)
    if isinstance(now, str) or isinstance(then, str):
        return now if isinstance(now, str) else str(then)
    own, usual = (_signal(x) for x in (current, reference))
    margin = calibration_margin(usual, then, own)
    if calibrate is None or current.rows.score is None:
        return Bets(now, _by_bin(usual, then, own), margin)
    return Bets(now, _by_score(current, calibrate), margin)


def dependence_of(reference: Reference) -> float:
    """Return the design effect of a reference's windows, >= 1, for `ConceptState.update`.

    What is expected of each stretch of time is learnt from the others, so that a reference does not
    look steadier than the windows after it will.
    """
    loss = losses_of(reference, ceiling_of(reference))
    if isinstance(loss, str) or reference.n < FEWEST_REFERENCE:
        return 1.0
    group, signal, score = reference.group, _signal(reference), reference.rows.score
    expected = np.empty(reference.n)
    for g in np.unique(group):
        own, rest = group == g, group != g
        if not rest.any():
            return 1.0
        if score is None:
            expected[own] = _by_bin(signal[rest], loss[rest], signal[own])
            continue
        calibrate = fit_calibrator(score[rest], reference.truth[rest])
        expected[own] = _by_score(reference.take(own), calibrate)
    rows = np.bincount(reference.block)
    gaps = np.bincount(reference.block, weights=loss - expected)[rows > 0] / rows[rows > 0]
    return design_effect(gaps, rows[rows > 0], float((loss - expected).var()))


def _by_score(rows: Reference, calibrate: Calibrator) -> Floats:
    """Return each row's expected loss by its calibrated score."""
    said, score = rows.rows.prediction, rows.rows.score
    assert score is not None
    chance = np.clip(calibrate(score), 0.0, 1.0)
    if rows.task == "multiclass" and said is not None:
        right = chance[np.arange(rows.n), said.astype(np.int64)]
        return np.clip(1 - right, 0.0, 1.0)
    if said is None:
        return np.clip(chance * (1 - score) ** 2 + (1 - chance) * score**2, 0.0, 1.0)
    return expected_error(chance, said.astype(bool))


def _signal(rows: Reference) -> Floats:
    """Return the one number that says most of a row's loss: its score, or its prediction."""
    said, score = rows.rows.prediction, rows.rows.score
    if score is None:
        assert said is not None
        return said.astype(np.float64)
    return score if score.ndim == 1 else score.max(axis=1)


def _by_bin(usual: Floats, loss: Floats, own: Floats) -> Floats:
    """Return the reference's mean loss in the decile of each row's signal."""
    cuts = np.unique(np.quantile(usual, np.arange(1, BINS) / BINS))
    then, bins = np.searchsorted(cuts, usual, side="right"), len(cuts) + 1
    count = np.bincount(then, minlength=bins)
    total = np.bincount(then, weights=loss, minlength=bins)
    mean = np.where(count > 0, total / np.maximum(count, 1), loss.mean())
    return mean[np.searchsorted(cuts, own, side="right")]


def with_features(rows: Reference, ceiling: float | None = None) -> Losses | str:
    """Return labelled rows with their features, score and prediction, as a diagnosis reads them.

    Parameters
    ----------
    rows : Reference
        Of a reference, or of a window coded as its reference is.
    ceiling : float, optional
        The reference's, for both.
    """
    loss = losses_of(rows, ceiling)
    if isinstance(loss, str):
        return loss
    coder, score, said = rows.coder, rows.rows.score, rows.rows.prediction
    extra: dict[str, Floats] = {}
    if score is not None and score.ndim == 1:
        extra["score"] = score
    elif score is not None:
        extra |= {f"score of {c}": score[:, k] for k, c in enumerate(rows.classes)}
    elif said is not None:
        extra["prediction"] = said.astype(np.float64)
    numbers = len(coder.numeric)
    # The names of the model's own outputs must not hide a feature's.
    names = [n if n not in coder.names else f"model's {n}" for n in extra]
    matrix = np.column_stack(
        [rows.rows.matrix[:, :numbers], *extra.values(), rows.rows.matrix[:, numbers:]]
    )
    wider = Coder((*coder.numeric, *names), coder.categorical, coder.levels)
    return Losses(loss, matrix, wider)
