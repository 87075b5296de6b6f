"""Rows that estimators read: a window's without labels, the reference's with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.matrix import Coder

Floats = NDArray[np.float64]

MOST_ROWS = 50_000
"""A reference keeps so many rows at most."""
MOST_WEIGHTED = 10_000
"""So many reference rows are weighted towards a window."""
BLOCKS = 20
"""Into so many stretches a reference is cut that says nothing of its windows."""
GROUPS = 10
"""Into so many stretches of time a reference is cut, to leave each out in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of features with what a model said of them.

    Parameters
    ----------
    matrix : array of float64, shape (n, d)
        From a `Coder`; NaN is missing.
    prediction : array, shape (n,), optional
        Classes as numbers from 0 (binary: 1 is the positive one), -1 where there is none; for
        regression the predicted number, NaN where there is none.
    score : array of float64, shape (n,) for a binary model, (n, k) for k classes, optional
        NaN where there is none.
    weight : array of float64, shape (n,), optional
        What each row counts, >= 0.
    """

    matrix: Floats
    prediction: NDArray[np.generic] | None = None
    score: Floats | None = None
    weight: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        for name in ("prediction", "score", "weight"):
            column = getattr(self, name)
            if column is not None and len(column) != self.n:
                raise ValueError(f"{name} has {len(column)} rows, the matrix {self.n}")

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.matrix)

    @property
    def weights(self) -> Floats:
        """What each row counts; one without a weight column."""
        return np.ones(self.n) if self.weight is None else self.weight

    def take(self, index: NDArray[np.generic]) -> Rows:
        """Return some of the rows, by position or mask."""
        return Rows(
            self.matrix[index],
            None if self.prediction is None else self.prediction[index],
            None if self.score is None else self.score[index],
            None if self.weight is None else self.weight[index],
        )

    def usable(self) -> NDArray[np.bool_]:
        """Return where nothing is missing of the prediction and score columns that there are."""
        there = np.ones(self.n, bool)
        if self.score is not None:
            finite = np.isfinite(self.score)
            there &= finite if self.score.ndim == 1 else finite.all(axis=1)
        if self.prediction is not None:
            number = self.prediction.astype(np.float64)
            whole = np.issubdtype(self.prediction.dtype, np.integer)
            there &= number >= 0 if whole else np.isfinite(number)
        if self.weight is not None:
            there &= np.isfinite(self.weight) & (self.weight > 0)
        return there


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Labelled rows of the time that a baseline speaks for, in order of time.

    Parameters
    ----------
    task : str
        binary, multiclass or regression.
    rows : Rows
        All of them usable, and with a label; see `reference`.
    truth : array, shape (n,)
        As the predictions: classes as numbers from 0, or numbers.
    coder : Coder
        What the matrix was made with, and a window's must be.
    block : array of int, shape (n,)
        The reference window that each row is from, from 0 upwards: how much windows differ from
        each other is part of an estimate's error.
    classes : tuple of str
        Their names, in the order of their numbers.
    payoff : tuple of tuple of float, optional
        What a row is worth, by number of its true and its predicted class.
    """

    task: str
    rows: Rows
    truth: NDArray[np.generic]
    coder: Coder
    block: NDArray[np.int64]
    classes: tuple[str, ...] = ("0", "1")
    payoff: tuple[tuple[float, ...], ...] | None = None

    @property
    def n(self) -> int:
        """How many rows there are."""
        return self.rows.n

    @property
    def group(self) -> NDArray[np.int64]:
        """The stretch of time, at most `GROUPS` of them, that each row is in."""
        blocks, number = np.unique(self.block, return_inverse=True)
        return number * min(GROUPS, len(blocks)) // max(len(blocks), 1)

    def take(self, index: NDArray[np.generic]) -> Reference:
        """Return some of the rows, by position or mask."""
        return Reference(
            self.task,
            self.rows.take(index),
            self.truth[index],
            self.coder,
            self.block[index],
            self.classes,
            self.payoff,
        )

    def thinned(self, most: int) -> Reference:
        """Return at most so many rows, evenly spaced in time."""
        if self.n <= most:
            return self
        return self.take(np.arange(most) * self.n // most)


def reference(
    task: str,
    rows: Rows,
    truth: NDArray[np.generic],
    coder: Coder,
    *,
    block: NDArray[np.int64] | None = None,
    classes: Sequence[str] = ("0", "1"),
    payoff: tuple[tuple[float, ...], ...] | None = None,
) -> Reference:
    """Keep the usable labelled rows, at most `MOST_ROWS` of them, evenly spaced.

    Parameters
    ----------
    truth : array, shape (n,)
        -1 (NaN for regression) where there is no label.
    block : array of int, shape (n,), optional
        The reference window of each row; without it, `BLOCKS` stretches of equally many rows.

    Examples
    --------
    >>> rows = Rows(np.zeros((3, 1)), np.array([0, 1, 1]), np.array([0.1, 0.9, np.nan]))
    >>> reference("binary", rows, np.array([0, 1, 1]), Coder(("x",), (), ())).n
    2
    """
    number = truth.astype(np.float64)
    there = np.isfinite(number) if task == "regression" else number >= 0
    if block is None:
        block = np.arange(rows.n) * BLOCKS // max(rows.n, 1)
    whole = Reference(task, rows, truth, coder, block, tuple(classes), payoff)
    return whole.take(there & rows.usable()).thinned(MOST_ROWS)
