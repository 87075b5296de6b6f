"""Labelled rows of a ranking model: one row an item of a query's list, its label the relevance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.columns import as_scores, group_codes
from monitoring_sdk.metrics.weights import counted, digest_rows, missing_weights, weight_fault

_KINDS = {
    "relevance": np.float64,
    "score": np.float64,
    "query": np.int64,
    "item": np.int64,
    "weight": np.float64,
}


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """The rows of all lists, list after list and best score first; tied rows are interchangeable.

    Attributes
    ----------
    query : array of int64, shape (n,)
        Each row's list, from 0 up.
    rank : array of int64, shape (n,)
        From 1; within a tie in any order.
    relevance, score : array of float64, shape (n,)
    item : array of int64, shape (n,), or None
    tie : array of int64, shape (n,)
        Each row's group of rows with the same score in the same list.
    starts, tie_starts : array of int64
        Where each list and each tie begins.
    weight : array of float64, shape (number of lists,), or None
        The mean weight of each list's rows.
    """

    query: NDArray[np.int64]
    rank: NDArray[np.int64]
    relevance: NDArray[np.float64]
    score: NDArray[np.float64]
    item: NDArray[np.int64] | None
    tie: NDArray[np.int64]
    starts: NDArray[np.int64]
    tie_starts: NDArray[np.int64]
    weight: NDArray[np.float64] | None

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of each list."""
        return np.diff(self.starts, append=len(self.query))

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum values over each list."""
        return np.add.reduceat(values, self.starts)


@dataclass(frozen=True, eq=False)
class LabelledLists:
    """The labelled rows of a ranking model: one (query, item) prediction each.

    Parameters
    ----------
    relevance : array of float64, shape (n,)
        How relevant the item was, >= 0; above 0 is relevant.
    score : array of float64, shape (n,)
        The higher, the earlier in the list; NaN where there is none.
    query : array of int64, shape (n,)
        Which list the row is of; -1 where that is unknown.
    item : array of int64, shape (n,), optional
        Which item it is; -1 where that is unknown.
    weight : array of float64, shape (n,), optional
        How much the row's list counts, >= 0; NaN where there is none.
    fault : str, optional
        Why no metric of these rows means anything; each is then undefined, with this reason.

    Examples
    --------
    >>> rows = LabelledLists([0.0, 1.0, 1.0], [0.2, 0.9, 0.1], [0, 0, 1])
    >>> rows.n, rows.lists.rank.tolist(), rows.lists.relevance.tolist()
    (3, [1, 2, 1], [1.0, 0.0, 1.0])
    """

    task: ClassVar[str] = "ranking"

    relevance: NDArray[np.float64]
    score: NDArray[np.float64]
    query: NDArray[np.int64]
    item: NDArray[np.int64] | None = None
    weight: NDArray[np.float64] | None = None
    fault: str | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths and impossible relevances; read plain lists."""
        for name, kind in _KINDS.items():
            if getattr(self, name) is None:
                continue
            column = np.asarray(getattr(self, name), dtype=kind)
            object.__setattr__(self, name, column)
            if column.shape != (len(self.relevance),):
                raise ValueError(f"{name} has shape {column.shape}, relevance {self.n} rows")
        wrong = _relevance_fault(self.relevance)
        object.__setattr__(self, "fault", self.fault or wrong or weight_fault(self.weight))

    @property
    def n(self) -> int:
        """Labelled rows, with or without a place in a list."""
        return len(self.relevance)

    @property
    def columns(self) -> frozenset[str]:
        """What a metric may need that these rows have."""
        known = {"prediction", "score", "query"}
        return frozenset(known | ({"item"} if self.item is not None else set()))

    @property
    def unweighted(self) -> int:
        """Rows that have no weight though others do."""
        return missing_weights(self.weight)

    @property
    def unscored(self) -> int:
        """Rows without a place: neither a score nor a rank."""
        return int(np.count_nonzero(np.isnan(self.score)))

    @property
    def unlisted(self) -> int:
        """Rows that name no query."""
        return int(np.count_nonzero(self.query < 0))

    @cached_property
    def lists(self) -> Lists:
        """The rows that count, in the order of their lists."""
        keep = ~np.isnan(self.score) & (self.query >= 0) & counted(self.weight, self.n)
        query, score = self.query[keep], self.score[keep]
        order = np.lexsort((-score, query))
        query, score = query[order], score[order]
        first = np.ones(len(query), bool)
        first[1:] = query[1:] != query[:-1]
        fresh = first.copy()
        fresh[1:] |= score[1:] != score[:-1]
        starts, tie_starts = np.flatnonzero(first), np.flatnonzero(fresh)
        own = np.cumsum(first) - 1
        weight = None
        if self.weight is not None and len(starts):
            summed = np.add.reduceat(self.weight[keep][order], starts)
            weight = summed / np.diff(starts, append=len(query))
        return Lists(
            own,
            np.arange(len(query)) - starts[own] + 1 if len(starts) else own,
            self.relevance[keep][order],
            score,
            None if self.item is None else self.item[keep][order],
            np.cumsum(fresh) - 1,
            starts,
            tie_starts,
            weight,
        )

    def take(self, rows: NDArray[Any]) -> LabelledLists:
        """Return some of the rows, by a mask or by their places."""
        chosen = {
            name: column[rows] for name in _KINDS if (column := getattr(self, name)) is not None
        }
        return replace(self, **chosen)

    def digest(self) -> str:
        """Hash the rows; their order does not matter."""
        columns = [getattr(self, name) for name in _KINDS]
        return digest_rows([c for c in columns if c is not None], self.n)


def _relevance_fault(relevance: NDArray[np.float64]) -> str | None:
    if not len(relevance):
        return None
    if not np.isfinite(relevance).all():
        return "a relevance is not finite"
    lowest = float(relevance.min())
    return f"a relevance is negative: {lowest:.6g}" if lowest < 0 else None


def labelled_lists(
    label: Any,
    *,
    prediction: Any = None,
    score: Any = None,
    query: Any = None,
    item: Any = None,
    weight: Any = None,
) -> LabelledLists:
    """Read the columns of a ranking model; rows without a label are left out.

    Lists are then the labelled rows in their order, condensed as T. Sakai does (2007, SIGIR,
    "Alternatives to Bpref").

    Parameters
    ----------
    label : array-like of shape (n,)
        Relevance; null and NaN mean unknown.
    prediction : array-like of shape (n,), optional
        The place in the list, 1 first; not read where there is a score.
    score : array-like of shape (n,), optional
        The higher, the earlier.
    query, item : array-like of shape (n,), optional
        Identifiers; without `query`, the rows have a `fault`.
    weight : array-like of shape (n,), optional

    Raises
    ------
    SourceError
        When label, prediction, score or weight is not numeric.

    Examples
    --------
    >>> rows = labelled_lists([0, 1, None], prediction=[2, 1, 3], query=["q", "q", "q"])
    >>> rows.lists.relevance.tolist()
    [1.0, 0.0]
    """
    relevance = as_scores(label, where="label")
    keep, fault = ~np.isnan(relevance), None
    if score is not None:
        order = as_scores(score)
    elif prediction is not None:
        order = -as_scores(prediction, where="prediction")
    else:
        order, fault = np.full(len(relevance), np.nan), "needs a prediction or a score column"
    if query is None:
        lists, fault = np.zeros(len(relevance), np.int64), "needs a query column, and there is none"
    else:
        lists = group_codes(query)
    items = None if item is None else group_codes(item)[keep]
    weights = None if weight is None else as_scores(weight, where="weight")[keep]
    return LabelledLists(relevance[keep], order[keep], lists[keep], items, weights, fault)
