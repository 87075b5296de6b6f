"""Weighted confusion counts, and how each summary of them moves with every count.

A formula gives its number and its slope, the derivative by each count. All are unchanged when the
counts are scaled, so the variance of the number is the sum of slope squared times summed squared
weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """How often each prediction met each truth, over the rows that have both.

    Attributes
    ----------
    counts : array of float64, shape (k, k)
        Summed weights of the rows of class i that were predicted as j; of a binary model the
        positive class is the second.
    squares : array of float64, shape (k, k)
        Their summed squares.
    n : int
        Rows counted.
    """

    counts: Matrix
    squares: Matrix
    n: int

    @property
    def labels(self) -> Matrix:
        """The weight of the rows of each class."""
        return self.counts.sum(axis=1)

    @property
    def predictions(self) -> Matrix:
        """The weight of the rows predicted as each class."""
        return self.counts.sum(axis=0)

    @property
    def hits(self) -> Matrix:
        """The weight of the rows of each class that were predicted right."""
        return self.counts.diagonal()

    def error(self, slope: Matrix) -> float:
        """Return the standard error of a number with this slope."""
        return math.sqrt(float(np.sum(slope * slope * self.squares)))


def confuse(
    truth: NDArray[np.int64], said: NDArray[np.int64], weight: Matrix | None, k: int
) -> Confusion:
    """Count rows by truth and prediction, codes in [0, k).

    Examples
    --------
    >>> confuse(np.array([0, 1, 1]), np.array([0, 0, 1]), None, 2).counts.tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    cell = truth * k + said
    own = np.ones(len(cell)) if weight is None else weight

    def summed(values: Matrix) -> Matrix:
        return np.bincount(cell, values, k * k).astype(np.float64).reshape(k, k)

    counts = summed(own)
    return Confusion(counts, counts if weight is None else summed(own * own), len(truth))


def ratio(top: Matrix, bottom: Matrix) -> Matrix:
    """Divide, with 0 where there is nothing to divide by."""
    return np.divide(top, bottom, out=np.zeros(len(bottom)), where=bottom > 0)


# Each of the next three: the score of every class, and three vectors a, b, c such that the
# derivative of class m's score by count (i, j) is a[m] [i = j = m] + b[m] [i = m] + c[m] [j = m].
Parts = tuple[Matrix, Matrix, Matrix, Matrix]


def precisions(counts: Confusion) -> Parts:
    """Return each class's precision and its slopes; 0 for a class that nothing was predicted as."""
    score, one = ratio(counts.hits, counts.predictions), np.ones(len(counts.hits))
    inverse = ratio(one, counts.predictions)
    return score, inverse, np.zeros(len(one)), -score * inverse


def recalls(counts: Confusion) -> Parts:
    """Return each class's recall and its slopes; 0 for a class without a label."""
    score, one = ratio(counts.hits, counts.labels), np.ones(len(counts.hits))
    inverse = ratio(one, counts.labels)
    return score, inverse, -score * inverse, np.zeros(len(one))


def f1s(counts: Confusion) -> Parts:
    """Return each class's F1 and its slopes; 0 for a class that is never met."""
    total = counts.labels + counts.predictions
    score, inverse = ratio(2 * counts.hits, total), ratio(np.ones(len(total)), total)
    return score, 2 * inverse, -score * inverse, -score * inverse


def averaged(parts: Parts, share: Matrix) -> tuple[float, Matrix]:
    """Return the mean of the classes' scores with fixed shares, and its slope."""
    score, both, row, column = parts
    slope = np.diag(share * both) + (share * row)[:, None] + (share * column)[None, :]
    return float(share @ score), slope


def averaged_by_support(parts: Parts, counts: Confusion) -> tuple[float, Matrix]:
    """Return the mean of the classes' scores weighted by their labels, and its slope."""
    total = float(counts.counts.sum())
    value, slope = averaged(parts, counts.labels / total)
    # The shares move with the counts too.
    return value, slope + (parts[0][:, None] - value) / total


def matthews(counts: Confusion) -> tuple[float, Matrix] | None:
    """Return Matthews' correlation over k classes and its slope; None where a margin is constant.

    Source: J. Gorodkin, 2004, Computational Biology and Chemistry 28, eq. 8.
    """
    c, t, p = counts.counts, counts.labels, counts.predictions
    # Relative weights: sums of fourth powers stay in range.
    total = float(c.sum())
    c, t, p = c / total, t / total, p / total
    both = float(np.trace(c) - t @ p)
    of_p, of_t = float(1 - p @ p), float(1 - t @ t)
    if np.count_nonzero(p) < 2 or np.count_nonzero(t) < 2:
        return None
    scale = 1 / math.sqrt(of_p * of_t)
    value = both * scale
    d_both = np.eye(len(t)) + np.trace(c) - p[:, None] - t[None, :]
    d_p = np.broadcast_to(2 * (1 - p)[None, :], c.shape)
    d_t = np.broadcast_to(2 * (1 - t)[:, None], c.shape)
    slope = d_both * scale - value / 2 * (d_p / of_p + d_t / of_t)
    return value, slope / total


Formula = Callable[[Confusion], Parts]
