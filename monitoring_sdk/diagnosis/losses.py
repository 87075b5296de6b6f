"""Labelled rows as a diagnosis reads them: a loss a row, beside the row's coded features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitoring_sdk.matrix import Coder

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """What a model lost on labelled rows, in the order of their time.

    Parameters
    ----------
    loss : array of float64, shape (n,)
        Finite and bounded; higher is worse.
    matrix : array of float64, shape (n, d)
        The same rows as `coder` writes them.
    coder : Coder
        Names the columns and their levels.

    Raises
    ------
    ValueError
        When the parts do not fit together, or a loss is not finite.
    """

    loss: Floats
    matrix: Floats
    coder: Coder

    def __post_init__(self) -> None:
        """Refuse parts of different sizes, and losses that are no numbers."""
        rows, columns = len(self.loss), len(self.coder.names)
        if self.matrix.shape != (rows, columns):
            raise ValueError(
                f"losses: {rows} losses of {columns} columns, but a matrix {self.matrix.shape}"
            )
        if not np.isfinite(self.loss).all():
            raise ValueError("losses: a loss is not finite; leave rows without a loss out")

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.loss)

    def take(self, rows: Any) -> Losses:
        """Return some rows."""
        return Losses(self.loss[rows], self.matrix[rows], self.coder)


def evenly(rows: int, most: int) -> NDArray[np.int64]:
    """Return the positions of at most `most` of so many rows, evenly spaced.

    Examples
    --------
    >>> evenly(10, 4).tolist()
    [0, 2, 5, 7]
    """
    if rows <= most:
        return np.arange(rows)
    return np.arange(most) * rows // most


def error_loss(truth: ArrayLike, said: ArrayLike) -> Floats:
    """Return 1 where the prediction is wrong, else 0.

    Examples
    --------
    >>> error_loss(["a", "b"], ["a", "a"]).tolist()
    [0.0, 1.0]
    """
    return (np.asarray(truth) != np.asarray(said)).astype(np.float64)


def clipped_log_loss(truth: ArrayLike, score: ArrayLike, *, most: float = 4.0) -> Floats:
    """Return the negative log-likelihood of each row over its ceiling, in [0, 1].

    Parameters
    ----------
    truth : array of bool, shape (n,)
    score : array of float, shape (n,)
        Probability of the positive class, in [0, 1].
    most : float
        The ceiling in nats, > 0: a row that is worse counts as this.

    Examples
    --------
    >>> clipped_log_loss([True, False], [1.0, 1.0]).tolist()
    [0.0, 1.0]
    """
    score = np.asarray(score, np.float64)
    likelihood = np.where(np.asarray(truth, bool), score, 1 - score)
    return np.minimum(np.log(1 / np.maximum(likelihood, np.exp(-most))) / most, 1.0)


def absolute_loss(truth: ArrayLike, said: ArrayLike, *, most: float) -> Floats:
    """Return the absolute error of each row over its ceiling, in [0, 1].

    `most` is in units of the label, > 0; the 99th percentile of the reference's errors is a good
    one: fixed by the reference, and one wild row cannot carry a mean.

    Examples
    --------
    >>> absolute_loss([1.0, 2.0, 9.0], [1.5, 2.0, 0.0], most=2.0).tolist()
    [0.25, 0.0, 1.0]
    """
    error = np.abs(np.asarray(truth, np.float64) - np.asarray(said, np.float64))
    return np.minimum(error, most) / most
