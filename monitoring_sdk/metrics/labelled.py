"""Labelled rows of a binary model: truth beside prediction and score, nulls told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.columns import as_scores, is_positive, other_classes
from monitoring_sdk.metrics.confusion import Confusion, confuse
from monitoring_sdk.metrics.curves import ScoreCurve, score_curve
from monitoring_sdk.metrics.weights import counted, digest_rows, missing_weights, weight_fault

OUTCOMES = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The rows that have a score: truth, score, and weight where rows have one."""

    truth: NDArray[np.bool_]
    score: NDArray[np.float64]
    weight: NDArray[np.float64] | None


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
    weight : array of float64, shape (n,), optional
        How much each row counts, >= 0; NaN where there is none.
    payoff : mapping of str to float, optional
        What a row is worth that is `tp`, `fp`, `fn` or `tn`.

    Examples
    --------
    >>> rows = labelled([1, 0, None], prediction=["1", "1", "0"], positive=1)
    >>> rows.n, rows.confusion.counts.tolist()
    (2, [[0.0, 1.0], [0.0, 1.0]])
    """

    task: ClassVar[str] = "binary"

    y_true: NDArray[np.bool_]
    y_pred: NDArray[np.bool_] | None = None
    score: NDArray[np.float64] | None = None
    predicted: NDArray[np.bool_] | None = None
    fault: str | None = None
    weight: NDArray[np.float64] | None = None
    payoff: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, and read plain lists."""
        for name, kind in _KINDS.items():
            column = getattr(self, name)
            if column is None:
                continue
            column = np.asarray(column, dtype=kind)
            object.__setattr__(self, name, column)
            if column.shape != (len(self.y_true),):
                raise ValueError(f"{name} has shape {column.shape}, y_true {len(self.y_true)} rows")
        if self.payoff is not None and set(self.payoff) != set(OUTCOMES):
            raise ValueError(f"payoff has {sorted(self.payoff)}, and should have {OUTCOMES}")
        object.__setattr__(self, "fault", self.fault or weight_fault(self.weight))

    @property
    def n(self) -> int:
        """Labelled rows, with or without a prediction."""
        return len(self.y_true)

    @property
    def columns(self) -> frozenset[str]:
        """What a metric may need that these rows have."""
        has = {"prediction": self.y_pred, "score": self.score, "payoff": self.payoff}
        return frozenset(name for name, column in has.items() if column is not None)

    @property
    def unweighted(self) -> int:
        """Rows that have no weight though others do."""
        return missing_weights(self.weight)

    @cached_property
    def _with_prediction(self) -> NDArray[np.bool_]:
        return np.ones(self.n, bool) if self.predicted is None else self.predicted

    @property
    def unpredicted(self) -> int:
        """Rows without a prediction."""
        return int(np.count_nonzero(~self._with_prediction))

    @cached_property
    def confusion(self) -> Confusion:
        """The confusion counts of the rows that have a prediction; the positive class is second."""
        if self.y_pred is None:
            return confuse(np.zeros(0, np.int64), np.zeros(0, np.int64), None, 2)
        keep = self._with_prediction & counted(self.weight, self.n)
        truth, said = self.y_true[keep].astype(np.int64), self.y_pred[keep].astype(np.int64)
        return confuse(truth, said, None if self.weight is None else self.weight[keep], 2)

    @property
    def unscored(self) -> int:
        """Rows without a score."""
        return 0 if self.score is None else int(np.count_nonzero(np.isnan(self.score)))

    @cached_property
    def scored(self) -> Scored:
        """The rows that have a score."""
        if self.score is None:
            return Scored(np.zeros(0, bool), np.zeros(0), None)
        keep = ~np.isnan(self.score)
        if self.weight is None:
            return Scored(self.y_true[keep], self.score[keep], None)
        keep &= counted(self.weight, self.n)
        return Scored(self.y_true[keep], self.score[keep], self.weight[keep])

    @cached_property
    def curve(self) -> ScoreCurve:
        """The weight at each distinct score: the one sort that ranking metrics share."""
        return score_curve(self.scored.truth, self.scored.score, self.scored.weight)

    def take(self, rows: NDArray[Any]) -> Labelled:
        """Return some of the rows, by a mask or by their places.

        Examples
        --------
        >>> Labelled([True, False, True]).take(np.array([True, False, True])).n
        2
        """
        chosen = {
            name: column[rows] for name in _KINDS if (column := getattr(self, name)) is not None
        }
        return replace(self, **chosen)

    def digest(self) -> str:
        """Hash the rows; their order does not matter.

        Examples
        --------
        >>> Labelled([True, False]).digest() == Labelled([False, True]).digest()
        True
        """
        parts = [p for p in (self.y_true, self.y_pred, self.score) if p is not None]
        if self.unpredicted:
            parts.append(self._with_prediction)
        if self.weight is not None:
            parts.append(self.weight)
        return digest_rows(parts, self.n)


_KINDS: Mapping[str, type] = {
    "y_true": bool,
    "y_pred": bool,
    "predicted": bool,
    "score": np.float64,
    "weight": np.float64,
}


def labelled(
    label: Any,
    *,
    prediction: Any = None,
    score: Any = None,
    positive: object = 1,
    weight: Any = None,
    payoff: Mapping[str, float] | None = None,
) -> Labelled:
    """Read the columns of a binary model; rows without a label are left out.

    Parameters
    ----------
    label, prediction : array-like of shape (n,)
        Classes, of any type; see `is_positive`.
    score, weight : array-like of shape (n,), optional
        Numbers; null and NaN mean none.
    positive : object
        The class that the score speaks of. Where label and prediction together hold more than
        one class beside it (a third class, or a positive class that is spelled otherwise in the
        data), the rows have a `fault`: taken as negatives they would look right.
    payoff : mapping of str to float, optional
        What a `tp`, an `fp`, an `fn` and a `tn` are worth.

    Raises
    ------
    SourceError
        When the score or the weight is not numeric.
    """
    truth, missing = is_positive(label, positive)
    keep = ~missing
    said = predicted = None
    if prediction is not None:
        said, absent = is_positive(prediction, positive)
        said, predicted = said[keep], ~absent[keep]
    scores = None if score is None else as_scores(score)[keep]
    weights = None if weight is None else as_scores(weight, where="weight")[keep]
    fault = _fault(label, prediction, positive)
    return Labelled(truth[keep], said, scores, predicted, fault, weights, payoff)


def _fault(label: Any, prediction: Any, positive: object) -> str | None:
    others = other_classes(label, positive)
    if prediction is not None:
        others |= other_classes(prediction, positive)
    if len(others) < 2:
        return None
    # How many, not which: a label that should not be there may be anything.
    return f"not two classes: beside the positive class {positive!r} there are {len(others)} others"


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
    full = [
        p if p.predicted is not None else replace(p, predicted=np.ones(p.n, bool)) for p in parts
    ]
    columns: dict[str, Any] = {}
    for name in _KINDS:
        own = [getattr(p, name) for p in full]
        if all(column is not None for column in own):
            columns[name] = np.concatenate(own)
    fault = next((p.fault for p in parts if p.fault), None)
    return Labelled(**columns, fault=fault, payoff=parts[0].payoff)
