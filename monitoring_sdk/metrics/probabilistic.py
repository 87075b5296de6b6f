"""Metrics of scores: ranking and calibration; equal to scikit-learn's.

Where scikit-learn raises, the value is undefined and says why; rows without a score are left out
and counted. The interval of the AUC is DeLong's (DeLong, DeLong and Clarke-Pearson, 1988,
Biometrics 44), that of a mean of losses the normal one; all at 95 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from monitoring_sdk.metrics.curves import precision_area, roc_area
from monitoring_sdk.metrics.guards import conclude, lacking, left_out, nothing_to_count
from monitoring_sdk.metrics.intervals import around, finite, mean_value, normal, on_logits, share
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.weights import dot
from monitoring_sdk.value import Value

Formula = Callable[[Labelled], Value]
ECE_BINS = 10
EPS = float(np.finfo(np.float64).eps)
TURNED = 0.05
"""The share of turned labels that `label_noise` tells best."""
SUREST = 0.01
"""A label speaks no louder against a surer score than this: few models are right beyond it."""
LEAST_ROOM = 1e-6
"""Scores that lie all within .001 of one half say nothing that a label could turn round."""


def no_probability(score: NDArray[np.float64]) -> str | None:
    """Say why numbers are no probabilities, or None.

    Examples
    --------
    >>> no_probability(np.array([0.5, 1.5]))
    'a score is no probability: 1.5'
    """
    low, high = float(score.min()), float(score.max())
    if low >= 0 and high <= 1:
        return None
    return f"a score is no probability: {high if high > 1 else low:.6g}"


def on_scores(*, probability: bool) -> Callable[[Formula], Formula]:
    """Guard a metric of scores: what it cannot be computed on is undefined, with the reason."""

    def decorate(formula: Formula) -> Formula:
        @wraps(formula)
        def compute(rows: Labelled) -> Value:
            if rows.score is None:
                return lacking("score")
            if rows.fault is not None:
                return Value.undefined(rows.fault, n=rows.n)
            score = rows.scored.score
            n = len(score)
            if n == 0:
                return nothing_to_count(rows.n, rows.unscored, "score")
            if not np.isfinite([score.min(), score.max()]).all():
                return Value.undefined("a score is infinite", n=n)
            wrong = no_probability(score) if probability else None
            if wrong is not None:
                return Value.undefined(wrong, n=n)
            said = left_out(rows.unscored, rows.n, "score")
            unweighted = left_out(rows.unweighted, rows.n, "weight")
            return conclude(formula(rows), n, said, unweighted)

        return compute

    return decorate


@on_scores(probability=False)
def roc_auc(rows: Labelled) -> Value:
    """Return the area under the ROC curve, in [0, 1]; ties count half.

    Examples
    --------
    >>> roc_auc(Labelled([False, False, True, True], score=[0.1, 0.4, 0.35, 0.8])).value
    0.75
    """
    if not rows.curve.has_both:
        return Value.undefined("one class only among the labels")
    area = roc_area(rows.curve)
    return Value(area.value, interval=normal(area.value, area.error(rows.curve), 0.0, 1.0))


@on_scores(probability=False)
def average_precision(rows: Labelled) -> Value:
    """Return the precision averaged over the recall gained at each distinct score, in [0, 1].

    Its interval is normal on the scale of log odds (K. Boyd, K. Eng and C. D. Page, 2013, ECML).

    Examples
    --------
    >>> rows = Labelled([False, False, True, True], score=[0.1, 0.4, 0.35, 0.8])
    >>> round(average_precision(rows).value, 4)
    0.8333
    """
    if rows.curve.rows[0] == 0:
        return Value.undefined("no positive label")
    area = precision_area(rows.curve)
    return Value(area.value, interval=on_logits(area.value, area.error(rows.curve)))


@on_scores(probability=True)
def log_loss(rows: Labelled) -> Value:
    """Return the mean negative log-likelihood in nats, >= 0.

    Probabilities are clipped to [eps, 1 - eps] with the eps of float64, as scikit-learn does.
    The classes are known, so a window of one class has a value (scikit-learn with ``labels``).

    Examples
    --------
    >>> round(log_loss(Labelled([True, False], score=[0.8, 0.4])).value, 6)
    0.366985
    """
    known = rows.scored
    likelihood = np.where(known.truth, known.score, 1 - known.score)
    return mean_value(-np.log(np.clip(likelihood, EPS, 1 - EPS)), known.weight, low=0.0)


@on_scores(probability=True)
def brier(rows: Labelled) -> Value:
    """Return the mean squared distance of probability and outcome, in [0, 1].

    Examples
    --------
    >>> round(brier(Labelled([True, False], score=[0.8, 0.4])).value, 6)
    0.1
    """
    known = rows.scored
    return mean_value((known.score - known.truth) ** 2, known.weight, low=0.0)


def turned_weight(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much louder than against it a label of one speaks for 5 % turned labels.

    It is the log likelihood ratio of a label of 1 less that of a label of 0: above 0 where the
    score is below one half, below 0 where it is above. Scores are clipped to [.01, .99].

    Examples
    --------
    >>> turned_weight(np.array([0.1, 0.5, 0.9])).round(3).tolist()
    [0.382, 0.0, -0.382]
    """
    p = np.clip(score, SUREST, 1 - SUREST)
    return np.asarray(logit(p + TURNED * (1 - 2 * p)) - logit(p))


@on_scores(probability=True)
def label_noise(rows: Labelled) -> Value:
    """Return the estimated share of labels that are turned round; about 0, or below, without any.

    The mean of ``a (y - p)`` over that of ``a (1 - 2 p)``, of labels y and scores p. If a share e
    of labels is turned, whichever they are, its mean is e plus what it is without: 0 where scores
    are calibrated. The weights are those of `turned_weight`: the likelihood ratio tells 5 % of
    turned labels from none best (J. Neyman and E. S. Pearson, 1933, Phil. Trans. A 231).

    Examples
    --------
    >>> score = np.repeat([0.1, 0.9], 10)
    >>> as_scored = np.repeat([False, True, False, True], [9, 1, 1, 9])
    >>> one_more = np.repeat([False, True, False, True], [8, 2, 1, 9])
    >>> [round(label_noise(Labelled(y, score=score)).value, 3) for y in (as_scored, one_more)]
    [0.0, 0.062]
    """
    known = rows.scored
    weight = turned_weight(known.score)
    if known.weight is not None:
        weight = weight * known.weight
    against, room = weight * (known.truth - known.score), weight * (1 - 2 * known.score)
    total, n = float(room.sum()), len(room)
    rows_weight = n if known.weight is None else float(known.weight.sum())
    if not total > LEAST_ROOM * rows_weight:
        return Value.undefined("no score is off one half")
    value = float(against.sum()) / total
    error = float(np.sqrt(np.sum((against - value * room) ** 2))) / total
    return finite(value, normal(value, error * float(np.sqrt(n / (n - 1))) if n > 1 else np.nan))


def _bins(score: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    # Closed on the right, the first bin on both sides.
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], score)


def calibration_error(
    hit: NDArray[np.bool_], score: NDArray[np.float64], weight: NDArray[np.float64] | None
) -> Value:
    """Return the expected calibration error over ten bins, and an interval on the safe side.

    Noise alone makes the error positive: under perfect calibration a bin's gap has the mean of a
    folded normal number, sqrt(2 / pi) standard errors. The interval's lower end is lowered by
    that much, so that it reaches 0 where noise explains the value.
    """
    own = np.ones(len(score)) if weight is None else weight
    cell, gap, total = _bins(score, ECE_BINS), score - hit, float(own.sum())
    gaps = np.bincount(cell, weights=own * gap, minlength=ECE_BINS)
    value = float(np.abs(gaps).sum()) / total
    rows = np.maximum(np.bincount(cell, minlength=ECE_BINS), 1)
    centred = gap - (gaps / np.maximum(np.bincount(cell, own, ECE_BINS), EPS))[cell]
    within = np.bincount(cell, weights=(own * centred) ** 2, minlength=ECE_BINS)
    noise = float(np.sqrt(within * rows / np.maximum(rows - 1, 1)).sum()) / total
    error = float(np.sqrt(np.sum((own * (np.sign(gaps)[cell] * gap - value)) ** 2))) / total
    if not error > 0:
        return Value(value)
    low, high = around(value, error)
    return Value(value, interval=(max(0.0, low - float(np.sqrt(2 / np.pi)) * noise), high))


@on_scores(probability=True)
def ece(rows: Labelled) -> Value:
    """Return the expected calibration error over ten bins of equal width, in [0, 1].

    The mean over rows of ``abs(mean score - share of positives)`` of their bin; bins are closed
    on the right, the first on both sides, as in scikit-learn's ``calibration_curve``.
    Source: Naeini, Cooper and Hauskrecht, 2015, AAAI.

    Examples
    --------
    >>> round(ece(Labelled([True, False], score=[0.8, 0.4])).value, 6)
    0.3
    """
    known = rows.scored
    return calibration_error(known.truth, known.score, known.weight)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of a reliability curve: its rows, their mean score, and the share positive.

    `interval` is Wilson's, of the share.
    """

    n: int
    mean_score: float
    share: float
    interval: tuple[float, float]


def reliability_curve(rows: Labelled, bins: int = ECE_BINS) -> tuple[ReliabilityBin, ...]:
    """Return how often what was scored so high came true, a bin of equal width at a time.

    Bins are those of `ece`; empty ones are left out. There are none where the scores are no
    probabilities.

    Examples
    --------
    >>> rows = Labelled([True, False, True], score=[0.8, 0.4, 0.75])
    >>> [(b.n, round(b.mean_score, 3), b.share) for b in reliability_curve(rows)]
    [(1, 0.4, 0.0), (2, 0.775, 1.0)]
    """
    known = rows.scored
    if not len(known.score) or rows.fault or no_probability(known.score) is not None:
        return ()
    own = np.ones(len(known.score)) if known.weight is None else known.weight
    cell, found = _bins(known.score, bins), []
    for place in np.unique(cell):
        weight = own[cell == place]
        hit = known.truth[cell == place]
        ones, zeros = weight[hit], weight[~hit]
        squares = dot(ones, ones), dot(zeros, zeros)
        came_true = share(float(ones.sum()), float(zeros.sum()), *squares)
        score = dot(weight, known.score[cell == place]) / float(weight.sum())
        assert came_true.value is not None
        assert came_true.interval is not None
        found.append(ReliabilityBin(len(weight), score, came_true.value, came_true.interval))
    return tuple(found)
