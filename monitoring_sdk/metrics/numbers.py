"""Labelled rows of a regression model: the true number beside the predicted one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.columns import as_scores
from monitoring_sdk.metrics.weights import counted, digest_rows, missing_weights, weight_fault

_COLUMNS = ("y_true", "y_pred", "weight")


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The rows whose label and prediction are finite, and their weights where rows have one."""

    truth: NDArray[np.float64]
    said: NDArray[np.float64]
    weight: NDArray[np.float64] | None

    @property
    def residual(self) -> NDArray[np.float64]:
        """Prediction less truth."""
        return self.said - self.truth


@dataclass(frozen=True, eq=False)
class LabelledNumbers:
    """The labelled rows of a regression model.

    Parameters
    ----------
    y_true : array of float64, shape (n,)
        The true numbers; infinite ones are left out of every metric, which says so.
    y_pred : array of float64, shape (n,), optional
        The predicted numbers; NaN where there is none, infinite ones as above.
    weight : array of float64, shape (n,), optional
        How much each row counts, >= 0; NaN where there is none.
    fault : str, optional
        Why no metric of these rows means anything; each is then undefined, with this reason.

    Examples
    --------
    >>> rows = LabelledNumbers([1.0, 2.0, 3.0], [1.5, float("nan"), float("inf")])
    >>> rows.n, rows.pairs.residual.tolist(), rows.unpredicted, rows.infinite
    (3, [0.5], 1, 1)
    """

    task: ClassVar[str] = "regression"

    y_true: NDArray[np.float64]
    y_pred: NDArray[np.float64] | None = None
    weight: NDArray[np.float64] | None = None
    fault: str | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, and read plain lists."""
        for name in _COLUMNS:
            if getattr(self, name) is None:
                continue
            column = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, column)
            if column.shape != (len(self.y_true),):
                raise ValueError(f"{name} has shape {column.shape}, y_true {len(self.y_true)} rows")
        object.__setattr__(self, "fault", self.fault or weight_fault(self.weight))

    @property
    def n(self) -> int:
        """Labelled rows, with or without a prediction."""
        return len(self.y_true)

    @property
    def columns(self) -> frozenset[str]:
        """What a metric may need that these rows have."""
        return frozenset() if self.y_pred is None else frozenset({"prediction"})

    @property
    def unweighted(self) -> int:
        """Rows that have no weight though others do."""
        return missing_weights(self.weight)

    @property
    def unpredicted(self) -> int:
        """Rows without a prediction."""
        return 0 if self.y_pred is None else int(np.count_nonzero(np.isnan(self.y_pred)))

    @property
    def infinite(self) -> int:
        """Rows whose label or prediction is infinite."""
        said = self.y_true if self.y_pred is None else self.y_pred
        return int(np.count_nonzero(np.isinf(self.y_true) | np.isinf(said)))

    @cached_property
    def pairs(self) -> Pairs:
        """The rows that count: finite label, finite prediction, weight above 0."""
        if self.y_pred is None:
            return Pairs(np.zeros(0), np.zeros(0), None)
        keep = np.isfinite(self.y_true) & np.isfinite(self.y_pred) & counted(self.weight, self.n)
        weight = None if self.weight is None else self.weight[keep]
        return Pairs(self.y_true[keep], self.y_pred[keep], weight)

    def take(self, rows: NDArray[Any]) -> LabelledNumbers:
        """Return some of the rows, by a mask or by their places."""
        chosen = {
            name: column[rows] for name in _COLUMNS if (column := getattr(self, name)) is not None
        }
        return replace(self, **chosen)

    def digest(self) -> str:
        """Hash the rows; their order does not matter."""
        columns = [getattr(self, name) for name in _COLUMNS]
        return digest_rows([c for c in columns if c is not None], self.n)


def labelled_numbers(label: Any, *, prediction: Any = None, weight: Any = None) -> LabelledNumbers:
    """Read the columns of a regression model; rows without a label are left out.

    Parameters
    ----------
    label, prediction, weight : array-like of shape (n,)
        Numbers; null and NaN mean none.

    Raises
    ------
    SourceError
        When a column is not numeric.

    Examples
    --------
    >>> labelled_numbers([1, None, 3], prediction=[1.5, 2, 3]).y_pred.tolist()
    [1.5, 3.0]
    """
    truth = as_scores(label, where="label")
    keep = ~np.isnan(truth)
    said = None if prediction is None else as_scores(prediction, where="prediction")[keep]
    weights = None if weight is None else as_scores(weight, where="weight")[keep]
    return LabelledNumbers(truth[keep], said, weights)
