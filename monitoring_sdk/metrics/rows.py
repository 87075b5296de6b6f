"""Labelled rows of any task, read from their columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.metrics.classes import LabelledClasses, labelled_classes
from monitoring_sdk.metrics.labelled import Labelled, labelled
from monitoring_sdk.metrics.lists import LabelledLists, labelled_lists
from monitoring_sdk.metrics.numbers import LabelledNumbers, labelled_numbers

LabelledRows = Labelled | LabelledClasses | LabelledNumbers | LabelledLists
TASKS = ("binary", "multiclass", "regression", "ranking")


def read_rows(
    task: str,
    label: Any,
    *,
    prediction: Any = None,
    score: Any = None,
    positive: object = 1,
    weight: Any = None,
    query: Any = None,
    item: Any = None,
    payoff: Mapping[str, float] | None = None,
) -> LabelledRows:
    """Read labelled rows; a row without a label is left out.

    Parameters
    ----------
    task : str
        `binary`, `multiclass`, `regression` or `ranking`.
    label : array-like of shape (n,)
        The truth: a class, a number, or the relevance of an item.
    prediction : array-like of shape (n,), optional
        The predicted class or number; for ranking the place in the list, 1 first.
    score : array-like of shape (n,), or mapping of class to array-like, optional
        Multiclass takes a mapping; ranking orders its lists by it, the highest first; regression
        does not read it.
    positive : object
        Binary: the class that the score speaks of.
    weight : array-like of shape (n,), optional
        How much each row counts, >= 0; a row without one is left out, and that is said.
    query, item : array-like of shape (n,), optional
        Ranking: which list the row is of, and which item it is.
    payoff : mapping of str to float, optional
        Binary: what a `tp`, an `fp`, an `fn` and a `tn` are worth.

    Raises
    ------
    ConfigError
        When there is no such task.
    SourceError
        When a column that must be numeric is not.

    Examples
    --------
    >>> read_rows("regression", [1.0, None], prediction=[2.0, 2.0]).n
    1
    >>> read_rows("multiclass", ["a", "b"], prediction=["a", "a"]).classes
    ('a', 'b')
    """
    if task == "binary":
        return labelled(
            label,
            prediction=prediction,
            score=score,
            positive=positive,
            weight=weight,
            payoff=payoff,
        )
    if task == "multiclass":
        return labelled_classes(label, prediction=prediction, score=score, weight=weight)
    if task == "regression":
        return labelled_numbers(label, prediction=prediction, weight=weight)
    if task == "ranking":
        return labelled_lists(
            label, prediction=prediction, score=score, query=query, item=item, weight=weight
        )
    raise ConfigError(explain("unknown task", got=task, allowed=TASKS))
