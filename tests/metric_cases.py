"""Rows to try metrics on, of every task, good and bad; and every metric of the table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from monitoring_sdk.metrics.classes import LabelledClasses
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.lists import LabelledLists
from monitoring_sdk.metrics.numbers import LabelledNumbers
from monitoring_sdk.metrics.rows import LabelledRows
from monitoring_sdk.metrics.table import METRICS, Metric, find_metric

CLASSES = ("a", "b", "c")
PAYOFF = {"tp": 10.0, "fp": -4.0, "fn": -25.0, "tn": 0.0}
PARAMETERS = {"k": "3", "r%": "10%", "q": "0.9", "class": "b"}
LIST = 6


def every_metric() -> list[Metric]:
    """Every row of the table for each of its tasks, with an example of its parameter."""
    found = []
    for row in METRICS.values():
        name = row.name
        if row.parameter is not None:
            name = name.replace(f"@{row.parameter}", f"@{PARAMETERS[row.parameter]}")
        found += [find_metric(name, task) for task in sorted(row.tasks)]
    return found


def binary(n: int, rng: np.random.Generator) -> Labelled:
    truth = rng.random(n) < 0.4
    score = np.clip(np.round(rng.normal(0.4 + 0.2 * truth, 0.2), 2), 0.02, 0.98)
    return Labelled(truth, score > 0.5, score, payoff=PAYOFF)


def multiclass(n: int, rng: np.random.Generator) -> LabelledClasses:
    truth = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    raw = np.round(np.exp(rng.normal(1.2 * (truth[:, None] == np.arange(3)), 1.0)), 1) + 0.1
    scores = raw / raw.sum(axis=1, keepdims=True)
    return LabelledClasses(CLASSES, truth, scores.argmax(axis=1), scores)


def regression(n: int, rng: np.random.Generator) -> LabelledNumbers:
    truth = np.round(rng.gamma(3.0, 10.0, n) + 5.0, 1)
    return LabelledNumbers(truth, np.round(np.abs(truth + rng.normal(1.0, 6.0, n)), 1))


def ranking(n: int, rng: np.random.Generator) -> LabelledLists:
    """Lists of six of ninety items; no two rows of a list have the same score."""
    lists = n // LIST
    query = np.repeat(np.arange(lists), LIST)
    relevance = rng.choice([0.0, 0.0, 1.0, 2.0], n)
    item = np.concatenate([rng.choice(90, LIST, replace=False) for _ in range(lists)])
    return LabelledLists(relevance, relevance + rng.normal(0, 1.5, n), query, item)


MAKERS = {"binary": binary, "multiclass": multiclass, "regression": regression, "ranking": ranking}


def some_rows(task: str, n: int = 300, seed: int = 3) -> Any:
    """Seeded rows of a task, neither perfect nor useless."""
    return MAKERS[task](n, np.random.default_rng(seed))


def with_weight(rows: LabelledRows, weight: Any) -> Any:
    return replace(rows, weight=np.asarray(weight, float))


def empty(task: str) -> Any:
    return some_rows(task).take(np.zeros(0, np.int64))


def perfect(rows: Any) -> Any:
    """The same labels with predictions that could not be better."""
    if isinstance(rows, Labelled):
        return replace(rows, y_pred=rows.y_true, score=rows.y_true.astype(float))
    if isinstance(rows, LabelledClasses):
        return replace(rows, y_pred=rows.y_true, scores=np.eye(3)[rows.y_true])
    if isinstance(rows, LabelledNumbers):
        return replace(rows, y_pred=rows.y_true)
    return replace(rows, score=rows.relevance)


def worst(rows: Any) -> Any:
    """The same labels with predictions that are much worse."""
    if isinstance(rows, Labelled):
        return replace(rows, y_pred=~rows.y_true, score=(~rows.y_true).astype(float))
    if isinstance(rows, LabelledClasses):
        said = (rows.y_true + 1) % 3
        return replace(rows, y_pred=said, scores=np.eye(3)[said])
    if isinstance(rows, LabelledNumbers):
        return replace(rows, y_pred=rows.y_true * 3 + 100)
    return replace(rows, score=-rows.relevance)


def without(rows: Any, gone: np.ndarray) -> Any:
    """The same rows, some of which have lost prediction and score."""
    if isinstance(rows, Labelled):
        return replace(rows, predicted=~gone, score=np.where(gone, np.nan, rows.score))
    if isinstance(rows, LabelledClasses):
        scores = np.where(gone[:, None], np.nan, rows.scores)
        return replace(rows, y_pred=np.where(gone, -1, rows.y_pred), scores=scores)
    if isinstance(rows, LabelledNumbers):
        return replace(rows, y_pred=np.where(gone, np.nan, rows.y_pred))
    return replace(rows, score=np.where(gone, np.nan, rows.score))


def one_class(rows: Any) -> Any:
    """The same predictions where only one label ever comes."""
    if isinstance(rows, Labelled):
        return replace(rows, y_true=np.ones(rows.n, bool))
    if isinstance(rows, LabelledClasses):
        return replace(rows, y_true=np.zeros(rows.n, int))
    if isinstance(rows, LabelledNumbers):
        return replace(rows, y_true=np.full(rows.n, 7.0))
    return replace(rows, relevance=np.zeros(rows.n))


def constant(rows: Any) -> Any:
    """The same labels where every prediction is the same."""
    if isinstance(rows, Labelled):
        return replace(rows, y_pred=np.zeros(rows.n, bool), score=np.full(rows.n, 0.3))
    if isinstance(rows, LabelledClasses):
        scores = np.full((rows.n, 3), 1 / 3)
        return replace(rows, y_pred=np.zeros(rows.n, int), scores=scores)
    if isinstance(rows, LabelledNumbers):
        return replace(rows, y_pred=np.full(rows.n, 7.0))
    return replace(rows, score=np.zeros(rows.n))


def infinite(rows: Any) -> Any:
    """The same rows, the first of which has an infinite score or prediction."""
    first = np.arange(rows.n) == 0
    if isinstance(rows, Labelled):
        return replace(rows, score=np.where(first, np.inf, rows.score))
    if isinstance(rows, LabelledClasses):
        return replace(rows, scores=np.where(first[:, None], np.inf, rows.scores))
    if isinstance(rows, LabelledNumbers):
        return replace(rows, y_pred=np.where(first, np.inf, rows.y_pred))
    return replace(rows, score=np.where(first, np.inf, rows.score))


def bare(rows: Any) -> Any:
    """Rows that have labels and nothing else."""
    if isinstance(rows, Labelled):
        return Labelled(rows.y_true)
    if isinstance(rows, LabelledClasses):
        return LabelledClasses(rows.classes, rows.y_true)
    if isinstance(rows, LabelledNumbers):
        return LabelledNumbers(rows.y_true)
    fault = "needs a query column, and there is none"
    return LabelledLists(rows.relevance, rows.score, rows.query, fault=fault)


def repeated(rows: Any, times: np.ndarray) -> Any:
    """Each row so often as its number says; of a ranking, each list, as lists of their own."""
    index = np.repeat(np.arange(rows.n), times)
    again = rows.take(index)
    if not isinstance(rows, LabelledLists):
        return again
    copy = np.concatenate([np.arange(t) for t in times])
    return replace(again, query=again.query * (int(times.max()) + 1) + copy)
