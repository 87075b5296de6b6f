"""Positive and negative weight at each distinct score, and the areas that follow from it.

An area comes with its slope, the derivative by the weight of a positive and of a negative row at
each distinct score; the rows' own variance follows from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.weights import dot

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCurve:
    """What lies at each of g distinct scores, from the highest score down.

    Attributes
    ----------
    scores, positives, negatives : array of float64, shape (g,)
        The score, and the summed weights of positive and negative rows.
    positive_squares, negative_squares : array of float64, shape (g,)
        The summed squares of these weights.
    rows : tuple of int
        Positive and negative rows.
    group : array of int64, shape (n,)
        The place of each row's score.
    """

    scores: Floats
    positives: Floats
    negatives: Floats
    positive_squares: Floats
    negative_squares: Floats
    rows: tuple[int, int]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def group(self) -> NDArray[np.int64]:
        """The place of each row's score among the distinct ones."""
        first = np.zeros(len(self.order), np.int64)
        first[self.starts[1:]] = 1
        place = np.empty(len(self.order), np.int64)
        place[self.order] = np.cumsum(first)
        return place

    @property
    def has_both(self) -> bool:
        """Whether there are positive and negative rows."""
        return min(self.rows) > 0


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """An area and its slopes by the weight of a positive and of a negative row at each score."""

    value: float
    positives: Floats
    negatives: Floats

    def error(self, curve: ScoreCurve) -> float:
        """Return its standard error."""
        ones = dot(self.positives**2, curve.positive_squares)
        return math.sqrt(ones + dot(self.negatives**2, curve.negative_squares))

    def by_row(self, curve: ScoreCurve, truth: NDArray[np.bool_]) -> Floats:
        """Return each row's slope, for areas that are averaged over the same rows."""
        place = curve.group
        return np.where(truth, self.positives[place], self.negatives[place])


def score_curve(truth: NDArray[np.bool_], score: Floats, weight: Floats | None) -> ScoreCurve:
    """Sort rows by score, and sum their weights at each distinct one.

    Examples
    --------
    >>> curve = score_curve(np.array([True, False, True]), np.array([0.2, 0.2, 0.9]), None)
    >>> curve.scores.tolist(), curve.positives.tolist(), curve.negatives.tolist()
    ([0.9, 0.2], [1.0, 1.0], [0.0, 1.0])
    """
    order = np.argsort(score)[::-1]
    ranked, hit = score[order], truth[order].astype(np.float64)
    fresh = np.ones(len(ranked), bool)
    fresh[1:] = ranked[1:] != ranked[:-1]
    starts = np.flatnonzero(fresh)
    rows = (int(np.count_nonzero(truth)), len(truth) - int(np.count_nonzero(truth)))

    def summed(values: Floats) -> Floats:
        return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)

    if weight is None:
        sums = summed(hit), summed(1 - hit)
        return ScoreCurve(ranked[starts], *sums, *sums, rows, order, starts)
    own = weight[order]
    ones, zeros = own * hit, own * (1 - hit)
    sums = summed(ones), summed(zeros)
    squares = summed(own * ones), summed(own * zeros)
    return ScoreCurve(ranked[starts], *sums, *squares, rows, order, starts)


def roc_area(curve: ScoreCurve) -> Area:
    """Return the area under the ROC curve, ties counting half, with DeLong's slopes.

    Source: E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, 1988, Biometrics 44.
    """
    ones, zeros = float(curve.positives.sum()), float(curve.negatives.sum())
    below = (zeros - np.cumsum(curve.negatives) + curve.negatives / 2) / zeros
    above = (np.cumsum(curve.positives) - curve.positives / 2) / ones
    value = min(dot(curve.positives, below) / ones, 1.0)
    # The share of wins has n - 1 degrees of freedom on either side; one row has no spread.
    n_ones, n_zeros = (np.sqrt(n / (n - 1)) if n > 1 else np.nan for n in curve.rows)
    return Area(value, (below - value) / ones * n_ones, (above - value) / zeros * n_zeros)


def precision_area(curve: ScoreCurve) -> Area:
    """Return the average precision, with the slopes of its sum over distinct scores."""
    found = np.cumsum(curve.positives)
    called = found + np.cumsum(curve.negatives)
    total, precision = float(found[-1]), found / called
    value = min(dot(curve.positives, precision) / total, 1.0)
    # A row at one score changes the precision at that score and at all below it.
    gained = _from_here_down(curve.positives * (called - found) / called**2)
    lost = _from_here_down(curve.positives * found / called**2)
    return Area(value, (precision + gained - value) / total, -lost / total)


def _from_here_down(values: Floats) -> Floats:
    return np.cumsum(values[::-1])[::-1]
