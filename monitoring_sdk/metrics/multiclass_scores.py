"""Metrics of a multiclass model's scores: areas under curves, and calibration.

As in scikit-learn the scores of a row are probabilities that sum to 1; a hundredth beside it is
taken for rounding. Averages over classes are taken row by row, so that their intervals know that
the classes' areas come from the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.classes import LabelledClasses, ScoredClasses
from monitoring_sdk.metrics.curves import Area, ScoreCurve, precision_area, roc_area, score_curve
from monitoring_sdk.metrics.guards import conclude, lacking, left_out, nothing_to_count
from monitoring_sdk.metrics.intervals import mean_value, normal, on_logits
from monitoring_sdk.metrics.probabilistic import EPS, calibration_error, no_probability
from monitoring_sdk.metrics.weights import dot
from monitoring_sdk.value import Value

Floats = NDArray[np.float64]
SUM_TOLERANCE = 0.01


def _fault(known: ScoredClasses) -> str | None:
    """Say why scores are no probabilities of the classes, or None."""
    if not np.isfinite(known.scores).all():
        return "a score is infinite"
    wrong = no_probability(known.scores)
    if wrong is not None:
        return wrong
    total = known.scores.sum(axis=1)
    worst = float(total[np.abs(total - 1).argmax()])
    if abs(worst - 1) > SUM_TOLERANCE:
        return f"the scores of a row sum to {worst:.6g}, not to 1"
    return None


def _on_scores(formula: Callable[[ScoredClasses], Value]) -> Callable[[LabelledClasses], Value]:
    """Guard a metric of scores: what it cannot be computed on is undefined, with the reason."""

    @wraps(formula)
    def compute(rows: LabelledClasses) -> Value:
        if rows.scores is None:
            return lacking("score")
        if rows.fault is not None:
            return Value.undefined(rows.fault, n=rows.n)
        known = rows.scored
        n = len(known.truth)
        if n == 0:
            return nothing_to_count(rows.n, rows.unscored, "score")
        fault = rows.unscorable or _fault(known)
        if fault is not None:
            return Value.undefined(fault, n=n)
        said = left_out(rows.unscored, rows.n, "score")
        return conclude(formula(known), n, said, left_out(rows.unweighted, rows.n, "weight"))

    return compute


@_on_scores
def log_loss(known: ScoredClasses) -> Value:
    """Return the mean negative log-likelihood of the true class in nats, >= 0.

    Probabilities are clipped to [eps, 1 - eps] with the eps of float64, as scikit-learn does.

    Examples
    --------
    >>> rows = LabelledClasses(("a", "b"), [0, 1], scores=[[0.8, 0.2], [0.4, 0.6]])
    >>> round(log_loss(rows).value, 6)
    0.366985
    """
    likelihood = known.scores[np.arange(len(known.truth)), known.truth]
    return mean_value(-np.log(np.clip(likelihood, EPS, 1 - EPS)), known.weight, low=0.0)


@_on_scores
def brier(known: ScoredClasses) -> Value:
    """Return the mean squared distance of probabilities and outcome, in [0, 2].

    With two classes it is halved, as scikit-learn does, so that it equals a binary model's.
    """
    outcome = known.truth[:, None] == np.arange(len(known.classes))
    squared = ((known.scores - outcome) ** 2).sum(axis=1)
    return mean_value(squared / 2 if len(known.classes) < 3 else squared, known.weight, low=0.0)


@_on_scores
def ece(known: ScoredClasses) -> Value:
    """Return the expected calibration error of the top class over ten bins, in [0, 1].

    The mean over rows of ``abs(mean top score - share right)`` of their bin.
    Source: Guo, Pleiss, Sun and Weinberger, 2017, ICML.
    """
    top = known.scores.argmax(axis=1)
    score = known.scores[np.arange(len(top)), top]
    return calibration_error(top == known.truth, score, known.weight)


def _against_rest(
    known: ScoredClasses, area: Callable[[ScoreCurve], Area]
) -> tuple[Floats, Floats]:
    """Return each class's area against all others, and the rows' slopes, shape (classes, n)."""
    values, slopes = [], []
    for code in range(len(known.classes)):
        hit = known.truth == code
        curve = score_curve(hit, known.scores[:, code], known.weight)
        found = area(curve)
        values.append(found.value)
        slopes.append(found.by_row(curve, hit))
    return np.array(values), np.array(slopes)


def _error(known: ScoredClasses, slope: Floats) -> float:
    own = slope if known.weight is None else slope * known.weight
    return math.sqrt(dot(own, own))


def _support(known: ScoredClasses) -> Floats:
    return np.bincount(known.truth, known.weight, len(known.classes)).astype(np.float64)


def _absent(known: ScoredClasses) -> str | None:
    """Say which class an average over all of them lacks, or None."""
    support = _support(known)
    if np.count_nonzero(support) < 2:
        return "one class only among the labels"
    lacking_label = np.flatnonzero(support == 0)
    if len(lacking_label):
        return f"no label of class {known.classes[lacking_label[0]]!r}"
    return None


@_on_scores
def roc_auc_ovr(known: ScoredClasses) -> Value:
    """Return the mean over the classes of the area under the ROC curve against all others."""
    absent = _absent(known)
    if absent is not None:
        return Value.undefined(absent)
    values, slopes = _against_rest(known, roc_area)
    value = float(values.mean())
    return Value(value, interval=normal(value, _error(known, slopes.mean(axis=0)), 0.0, 1.0))


@_on_scores
def roc_auc_ovr_weighted(known: ScoredClasses) -> Value:
    """Return the mean of the areas against all others, each class as heavy as its labels.

    A class that no label has weighs nothing.
    """
    support = _support(known)
    if np.count_nonzero(support) < 2:
        return Value.undefined("one class only among the labels")
    present = np.flatnonzero(support)
    values, slopes = _against_rest(_only(known, present), roc_area)
    part = support[present] / support.sum()
    value = float(part @ values)
    place = np.searchsorted(present, known.truth)
    slope = (part[:, None] * slopes).sum(axis=0) + (values[place] - value) / support.sum()
    return Value(value, interval=normal(value, _error(known, slope), 0.0, 1.0))


def _only(known: ScoredClasses, codes: NDArray[np.int64]) -> ScoredClasses:
    """Return the same rows with the scores of some classes, among which are all labels."""
    names = tuple(known.classes[c] for c in codes)
    return ScoredClasses(
        names, np.searchsorted(codes, known.truth), known.scores[:, codes], known.weight
    )


@_on_scores
def roc_auc_ovo(known: ScoredClasses) -> Value:
    """Return the mean over the pairs of classes of the area between the two, in [0, 1].

    Of each pair both scores are used. Classes that no label has are left out.
    Source: D. J. Hand and R. J. Till, 2001, Machine Learning 45, eq. 7.
    """
    present = np.flatnonzero(_support(known))
    if len(present) < 2:
        return Value.undefined("one class only among the labels")
    total, slope = 0.0, np.zeros(len(known.truth))
    for pair in combinations(present, 2):
        rows = np.flatnonzero((known.truth == pair[0]) | (known.truth == pair[1]))
        weight = None if known.weight is None else known.weight[rows]
        for code in pair:
            hit = known.truth[rows] == code
            curve = score_curve(hit, known.scores[rows, code], weight)
            area = roc_area(curve)
            total += area.value
            slope[rows] += area.by_row(curve, hit)
    areas = len(present) * (len(present) - 1)
    value = total / areas
    return Value(value, interval=normal(value, _error(known, slope / areas), 0.0, 1.0))


@_on_scores
def average_precision_macro(known: ScoredClasses) -> Value:
    """Return the mean over the classes of the average precision against all others."""
    absent = _absent(known)
    if absent is not None:
        return Value.undefined(absent)
    values, slopes = _against_rest(known, precision_area)
    value = float(values.mean())
    return Value(value, interval=on_logits(value, _error(known, slopes.mean(axis=0))))
