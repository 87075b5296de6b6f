"""The additive counts of labelled rows of a binary model: scores by label, and the confusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCORE_CELLS = 1000


@dataclass(frozen=True, eq=False)
class LabelledProfile:
    """Labelled rows of a binary model, counted.

    Parameters
    ----------
    rows : int
        Labelled rows.
    counts : array of int64, shape (B, 2)
        Rows by score, in B cells of equal width over [0, 1] (the last one closed), and by label:
        column 0 the negatives, column 1 the positives.
    tp, fp, tn, fn : int
        Rows by prediction and label.
    unscored : int
        Rows without a score in [0, 1].
    """

    rows: int
    counts: NDArray[np.int64]
    tp: int
    fp: int
    tn: int
    fn: int
    unscored: int

    def __eq__(self, other: object) -> bool:
        """Compare every count."""
        return isinstance(other, LabelledProfile) and self.to_dict() == other.to_dict()

    def merge(self, other: LabelledProfile) -> LabelledProfile:
        """Return the profile of both sets of rows, exactly.

        Raises
        ------
        ValueError
            When the two have not the same number of score cells.
        """
        if self.counts.shape != other.counts.shape:
            raise ValueError("labelled profiles of different score cells do not add")
        names = ("rows", "counts", "tp", "fp", "tn", "fn", "unscored")
        return LabelledProfile(**{x: getattr(self, x) + getattr(other, x) for x in names})

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "counts": self.counts.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LabelledProfile:
        """Read the JSON form back."""
        counts = np.array(data["counts"], dtype=np.int64).reshape(-1, 2)
        return cls(**{**data, "counts": counts})


def profile_labelled(
    y_true: ArrayLike,
    y_pred: ArrayLike | None = None,
    score: ArrayLike | None = None,
    *,
    cells: int = SCORE_CELLS,
) -> LabelledProfile:
    """Count labelled rows.

    Parameters
    ----------
    y_true : array_like of bool, shape (n,)
    y_pred : array_like of bool, shape (n,), optional
    score : array_like of float, shape (n,), optional
        Probability of the positive class; what is outside [0, 1], or NaN, counts as unscored.
    cells : int
        Number of score cells.

    Examples
    --------
    >>> p = profile_labelled([1, 0, 1], [1, 1, 0], [0.9, 0.6, 1.0], cells=10)
    >>> p.tp, p.fp, p.tn, p.fn, p.counts[9].tolist()
    (1, 1, 0, 1, [0, 2])
    """
    truth = np.asarray(y_true).astype(bool)
    counts = np.zeros((cells, 2), dtype=np.int64)
    unscored = len(truth)
    if score is not None:
        scores = np.asarray(score, dtype=np.float64)
        valid = (scores >= 0) & (scores <= 1)
        at = np.minimum((scores[valid] * cells).astype(np.int64), cells - 1)
        counts = np.bincount(2 * at + truth[valid], minlength=2 * cells).reshape(cells, 2)
        unscored -= int(valid.sum())
    confusion = [0, 0, 0, 0]
    if y_pred is not None:
        said = np.asarray(y_pred).astype(bool)
        confusion = [
            int(np.count_nonzero(x & y))
            for x, y in ((said, truth), (said, ~truth), (~said, ~truth), (~said, truth))
        ]
    tp, fp, tn, fn = confusion
    return LabelledProfile(len(truth), counts, tp, fp, tn, fn, unscored)
