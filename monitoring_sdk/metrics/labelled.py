"""Labelled rows of a binary model: truth beside prediction and score, nulls told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.columns import as_scores, is_positive, other_classes


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each prediction met each truth, over the rows that have both."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def n(self) -> int:
        """Rows counted."""
        return self.tp + self.fp + self.fn + self.tn


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCurve:
    """Positive and negative rows at each distinct score, from the highest score down."""

    scores: NDArray[np.float64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Labelled:
    """The labelled rows of a binary model.

    Parameters
    ----------
    y_true : array of bool, shape (n,)
        Where the truth is the positive class.
    y_pred : array of bool, shape (n,), optional
        Where the prediction is.
    score : array of float64, shape (n,), optional
        The model's score for the positive class; NaN where there is none.
    predicted : array of bool, shape (n,), optional
        Where there is a prediction; without it, everywhere.
    fault : str, optional
        Why no metric of these rows means anything; each is then undefined, with this reason.

    Examples
    --------
    >>> rows = labelled([1, 0, None], prediction=["1", "1", "0"], positive=1)
    >>> rows.n, rows.confusion
    (2, Confusion(tp=1, fp=1, fn=0, tn=0))
    """

    y_true: NDArray[np.bool_]
    y_pred: NDArray[np.bool_] | None = None
    score: NDArray[np.float64] | None = None
    predicted: NDArray[np.bool_] | None = None
    fault: str | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, and read plain lists."""
        kinds = {"y_true": bool, "y_pred": bool, "predicted": bool, "score": np.float64}
        for name, kind in kinds.items():
            column = getattr(self, name)
            if column is None:
                continue
            column = np.asarray(column, dtype=kind)
            object.__setattr__(self, name, column)
            if column.shape != (len(self.y_true),):
                raise ValueError(f"{name} has shape {column.shape}, y_true {len(self.y_true)} rows")

    @property
    def n(self) -> int:
        """Labelled rows, with or without a prediction."""
        return len(self.y_true)

    @cached_property
    def confusion(self) -> Confusion:
        """The confusion counts of the rows that have a prediction."""
        if self.y_pred is None:
            return Confusion(0, 0, 0, 0)
        truth, said = self.y_true, self.y_pred
        if self.predicted is not None:
            truth, said = truth[self.predicted], said[self.predicted]
        tp = int(np.count_nonzero(truth & said))
        positives, called = int(np.count_nonzero(truth)), int(np.count_nonzero(said))
        return Confusion(tp, called - tp, positives - tp, len(truth) - positives - called + tp)

    @cached_property
    def scored(self) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Truth and score of the rows that have a score."""
        if self.score is None:
            return np.zeros(0, bool), np.zeros(0)
        missing = np.isnan(self.score)
        if not missing.any():
            return self.y_true, self.score
        return self.y_true[~missing], self.score[~missing]

    @cached_property
    def curve(self) -> ScoreCurve:
        """The counts at each distinct score: the one sort that ranking metrics share."""
        truth, score = self.scored
        order = np.argsort(score)[::-1]
        ranked = score[order]
        last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
        last = last[: len(ranked)]
        hits = np.cumsum(truth[order])[last]
        positives = np.diff(hits, prepend=0)
        return ScoreCurve(ranked[last], positives, np.diff(last + 1, prepend=0) - positives)


def labelled(
    label: Any, *, prediction: Any = None, score: Any = None, positive: object = 1
) -> Labelled:
    """Read the columns of a binary model; rows without a label are left out.

    Parameters
    ----------
    label, prediction : array-like of shape (n,)
        Classes, of any type; see `is_positive`.
    score : array-like of shape (n,), optional
        Numbers; null and NaN mean none.
    positive : object
        The class that the score speaks of. Where label and prediction together hold more than
        one class beside it (a third class, or a positive class that is spelled otherwise in the
        data), the rows have a `fault`: taken as negatives they would look right.

    Raises
    ------
    SourceError
        When the score is not numeric.
    """
    truth, missing = is_positive(label, positive)
    keep = ~missing
    said = predicted = scores = None
    if prediction is not None:
        said, absent = is_positive(prediction, positive)
        said, predicted = said[keep], ~absent[keep]
    if score is not None:
        scores = as_scores(score)[keep]
    return Labelled(truth[keep], said, scores, predicted, _fault(label, prediction, positive))


def _fault(label: Any, prediction: Any, positive: object) -> str | None:
    others = other_classes(label, positive)
    if prediction is not None:
        others |= other_classes(prediction, positive)
    if len(others) < 2:
        return None
    named = ", ".join(sorted(others)[:5]) + (", ..." if len(others) > 5 else "")
    return f"not two classes: beside the positive class {positive!r} there are {named}"


def concatenate(parts: Sequence[Labelled]) -> Labelled:
    """Return the rows of several parts as one; a column that one part lacks is lacking.

    Examples
    --------
    >>> one = Labelled([True], [True])
    >>> concatenate([one, one]).n
    2
    """
    if not parts:
        return Labelled(np.zeros(0, bool))
    said = [p.y_pred for p in parts if p.y_pred is not None]
    scores = [p.score for p in parts if p.score is not None]
    predicted = [np.ones(p.n, bool) if p.predicted is None else p.predicted for p in parts]
    return Labelled(
        np.concatenate([p.y_true for p in parts]),
        np.concatenate(said) if len(said) == len(parts) else None,
        np.concatenate(scores) if len(scores) == len(parts) else None,
        np.concatenate(predicted) if len(said) == len(parts) else None,
        next((p.fault for p in parts if p.fault), None),
    )
