"""Labelled rows of a multiclass model: the class that was true beside the predicted one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.columns import as_scores, class_codes, class_name
from monitoring_sdk.metrics.confusion import Confusion, confuse
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.weights import (
    counted,
    digest_rows,
    missing_weights,
    name_hash,
    weight_fault,
)

MOST_CLASSES = 1000
"""A column with more distinct values holds no classes."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredClasses:
    """The rows that have scores: truth as codes of the score columns, scores, weight."""

    classes: tuple[str, ...]
    truth: NDArray[np.int64]
    scores: NDArray[np.float64]
    weight: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class LabelledClasses:
    """The labelled rows of a multiclass model.

    Parameters
    ----------
    classes : tuple of str
        The k classes that labels, predictions and score columns speak of, by name.
    y_true : array of int64, shape (n,)
        The true class's code, its place among `classes`.
    y_pred : array of int64, shape (n,), optional
        The predicted class's code; -1 where there is no prediction.
    scores : array of float64, shape (n, k), optional
        The model's probability of each class; NaN where there is none, and all over the column of
        a class that has no score column.
    weight : array of float64, shape (n,), optional
        How much each row counts, >= 0; NaN where there is none.
    fault : str, optional
        Why no metric of these rows means anything; each is then undefined, with this reason.

    Examples
    --------
    >>> rows = LabelledClasses(("a", "b", "c"), [0, 1, 2], [0, 1, 1])
    >>> rows.n, rows.confusion.hits.tolist()
    (3, [1.0, 1.0, 0.0])
    """

    task: ClassVar[str] = "multiclass"

    classes: tuple[str, ...]
    y_true: NDArray[np.int64]
    y_pred: NDArray[np.int64] | None = None
    scores: NDArray[np.float64] | None = None
    weight: NDArray[np.float64] | None = None
    fault: str | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, and read plain lists."""
        shapes: dict[str, tuple[type, tuple[int, ...]]] = {
            "y_true": (np.int64, (len(self.y_true),)),
            "y_pred": (np.int64, (len(self.y_true),)),
            "scores": (np.float64, (len(self.y_true), len(self.classes))),
            "weight": (np.float64, (len(self.y_true),)),
        }
        for name, (kind, shape) in shapes.items():
            if getattr(self, name) is None:
                continue
            column: NDArray[Any] = np.asarray(getattr(self, name), dtype=kind)
            object.__setattr__(self, name, column)
            if column.shape != shape:
                raise ValueError(f"{name} has shape {column.shape}, and should have {shape}")
        object.__setattr__(self, "fault", self.fault or weight_fault(self.weight))

    @property
    def n(self) -> int:
        """Labelled rows, with or without a prediction."""
        return len(self.y_true)

    @property
    def columns(self) -> frozenset[str]:
        """What a metric may need that these rows have."""
        has = {"prediction": self.y_pred, "score": self.scores}
        return frozenset(name for name, column in has.items() if column is not None)

    @property
    def unweighted(self) -> int:
        """Rows that have no weight though others do."""
        return missing_weights(self.weight)

    @property
    def unpredicted(self) -> int:
        """Rows without a prediction."""
        return 0 if self.y_pred is None else int(np.count_nonzero(self.y_pred < 0))

    @cached_property
    def confusion(self) -> Confusion:
        """The confusion counts of the rows that have a prediction."""
        k = len(self.classes)
        if self.y_pred is None:
            return confuse(np.zeros(0, np.int64), np.zeros(0, np.int64), None, k)
        keep = (self.y_pred >= 0) & counted(self.weight, self.n)
        weight = None if self.weight is None else self.weight[keep]
        return confuse(self.y_true[keep], self.y_pred[keep], weight, k)

    @cached_property
    def score_columns(self) -> NDArray[np.int64]:
        """The codes of the classes that have a score column."""
        if self.scores is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero(~np.isnan(self.scores).all(axis=0))

    @property
    def unscorable(self) -> str | None:
        """Name a class that is among the labels and has no score column; None where all have."""
        lacking = np.setdiff1d(self.y_true, self.score_columns)
        if self.scores is None or not len(self.score_columns) or not len(lacking):
            return None
        return f"class {self.classes[lacking[0]]!r} has labels and no scores"

    @cached_property
    def _with_scores(self) -> NDArray[np.bool_]:
        if self.scores is None or not len(self.score_columns):
            return np.zeros(self.n, bool)
        missing = np.isnan(self.scores[:, self.score_columns])
        return np.asarray(~missing.any(axis=1), dtype=bool)

    @property
    def unscored(self) -> int:
        """Rows that lack a score of some class."""
        return 0 if self.scores is None else int(np.count_nonzero(~self._with_scores))

    @cached_property
    def scored(self) -> ScoredClasses:
        """The rows that have all scores, of the classes that have a score column."""
        codes = self.score_columns
        names = tuple(self.classes[c] for c in codes)
        if self.scores is None:
            return ScoredClasses(names, np.zeros(0, np.int64), np.zeros((0, 0)), None)
        keep = self._with_scores & counted(self.weight, self.n)
        place = np.full(len(self.classes), -1, np.int64)
        place[codes] = np.arange(len(codes))
        weight = None if self.weight is None else self.weight[keep]
        return ScoredClasses(names, place[self.y_true[keep]], self.scores[keep][:, codes], weight)

    def against_rest(self, name: str) -> Labelled:
        """Return the rows of one class against all others, as a binary model's.

        Examples
        --------
        >>> LabelledClasses(("a", "b"), [0, 1], [1, 1]).against_rest("b").y_true.tolist()
        [False, True]
        """
        code = self.classes.index(name)
        return Labelled(
            self.y_true == code,
            None if self.y_pred is None else self.y_pred == code,
            None if self.scores is None else self.scores[:, code],
            None if self.y_pred is None else self.y_pred >= 0,
            self.fault,
            self.weight,
        )

    def take(self, rows: NDArray[Any]) -> LabelledClasses:
        """Return some of the rows, by a mask or by their places; the classes stay."""
        names = ("y_true", "y_pred", "scores", "weight")
        chosen = {
            name: column[rows] for name in names if (column := getattr(self, name)) is not None
        }
        return replace(self, **chosen)

    def digest(self) -> str:
        """Hash the rows; neither their order matters nor which other classes there are."""
        named = np.array([*(name_hash(c) for c in self.classes), 0], np.int64)
        parts: list[NDArray[Any]] = [named[self.y_true]]
        if self.y_pred is not None:
            parts.append(named[self.y_pred])
        parts += [self.scores[:, c] for c in self.score_columns if self.scores is not None]
        if self.weight is not None:
            parts.append(self.weight)
        return digest_rows(parts, self.n)


def labelled_classes(
    label: Any,
    *,
    prediction: Any = None,
    score: Mapping[Any, Any] | None = None,
    weight: Any = None,
) -> LabelledClasses:
    """Read the columns of a multiclass model; rows without a label are left out.

    Parameters
    ----------
    label, prediction : array-like of shape (n,)
        Classes, of any type, compared by name: 1, 1.0 and "1" are one class.
    score : mapping of class to array-like of shape (n,), optional
        The probability of each class; null and NaN mean none.
    weight : array-like of shape (n,), optional

    Raises
    ------
    SourceError
        When a score or a weight is not numeric.

    Examples
    --------
    >>> rows = labelled_classes(["a", "b", None], prediction=["a", "c", "c"])
    >>> rows.classes, rows.y_pred.tolist()
    (('a', 'b', 'c'), [0, 2])
    """
    truth, names = class_codes(label)
    said, more = (None, ()) if prediction is None else class_codes(prediction)
    by_class = {class_name(c): as_scores(v) for c, v in (score or {}).items()}
    classes = tuple(sorted({*names, *more, *by_class}))
    place = {name: code for code, name in enumerate(classes)}
    keep = truth >= 0
    scores = None
    if score is not None:
        scores = np.full((int(np.count_nonzero(keep)), len(classes)), np.nan)
        for name, column in by_class.items():
            scores[:, place[name]] = column[keep]
    weights = None if weight is None else as_scores(weight, where="weight")[keep]
    fault = None
    if len(classes) > MOST_CLASSES:
        fault = f"not classes: there are {len(classes)} distinct values"
    own = _recode(truth, names, place)[keep]
    other = None if said is None else _recode(said, more, place)[keep]
    return LabelledClasses(classes, own, other, scores, weights, fault)


def _recode(
    codes: NDArray[np.int64], names: tuple[str, ...], place: Mapping[str, int]
) -> NDArray[np.int64]:
    return np.array([*(place[name] for name in names), -1], np.int64)[codes]
