"""Labelled rows of a binary model: truth beside prediction and score, nulls told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring_sdk.errors import SourceError, explain

_TRUTH = {"true": 1, "false": 0}


def _number(value: object) -> int | float | None:
    """Return the number that a class name stands for (true is 1), or None."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _TRUTH:
            return _TRUTH[text]
        try:
            return int(text)
        except ValueError:
            pass
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _class_key(value: object) -> object:
    number = _number(value)
    return str(value).strip() if number is None else number


def _is_null(value: object) -> bool:
    text = str(value).strip().lower()
    return value is None or text in ("", "nan")


def as_array(values: Any) -> pa.Array:
    """Return a column (list, numpy, pandas, Arrow) as one Arrow array; NaN in floats is null.

    Lists that mix types become text, so that a class is compared by its name.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not isinstance(values, pa.Array):
        try:
            values = pa.array(values, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            values = pa.array([None if _is_null(v) else str(v) for v in values], pa.string())
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
        return pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
    return values


def is_positive(values: Any, positive: object) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which values are the positive class, by name and not by type.

    ``1``, ``1.0``, ``"1"``, ``"1.0"``, ``True`` and ``"true"`` are one class, ``0`` and ``False``
    another. Other text is compared as it stands, but for blanks around it.

    Parameters
    ----------
    values : array-like of shape (n,)
        A column of classes: list, numpy, pandas or Arrow.
    positive : object
        The class that the score speaks of.

    Returns
    -------
    tuple of arrays of bool, each of shape (n,)
        Where the value is positive, and where it is null (None, NaN or blank text). A null is
        never positive.

    Examples
    --------
    >>> positive, null = is_positive(["1", "0", None, "true"], 1)
    >>> positive.tolist(), null.tolist()
    ([True, False, False, True], [False, False, True, False])
    """
    array = as_array(values)
    kind = array.type
    wanted = _class_key(positive)
    if pa.types.is_null(kind):
        return np.zeros(len(array), bool), np.ones(len(array), bool)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = array.cast(pa.int8()) if pa.types.is_boolean(kind) else array
        null = _bools(pc.is_null(numbers))
        if isinstance(wanted, str):
            return np.zeros(len(array), bool), null
        return _bools(pc.fill_null(pc.equal(numbers, pa.scalar(wanted)), False)), null
    # Text, decimals, dates: few distinct values, so each is judged once.
    encoded = array.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    nulls = np.array([*(_is_null(v) for v in names), True])
    hits = np.array([*(_class_key(v) == wanted for v in names), False]) & ~nulls
    return hits[codes], nulls[codes]


def _bools(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=bool)


def as_scores(values: Any, *, where: str = "score") -> NDArray[np.float64]:
    """Return a column of numbers as float64, NaN where there is none.

    Raises
    ------
    SourceError
        When a value is not a number.

    Examples
    --------
    >>> as_scores([0.5, None, 1]).tolist()
    [0.5, nan, 1.0]
    """
    array = as_array(values)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    try:
        numbers = array.cast(pa.float64(), safe=not pa.types.is_integer(array.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceError(
            explain(f"not a column of numbers ({error})", where=where, got=str(array.type))
        ) from None
    return np.asarray(numbers.fill_null(np.nan).to_numpy(zero_copy_only=False), dtype=np.float64)


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
        The class that the score speaks of.

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
    return Labelled(truth[keep], said, scores, predicted)


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
    )
