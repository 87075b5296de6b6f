"""METRICS: every performance metric by its name in the monitor file, one row each.

What stands after `@` in a name is a parameter of the metric: the rank of `ndcg@10`, the alert rate
of `precision@1%`, the quantile of `quantile_error@0.9`, the class of `recall@economy`. In the table
a letter or a word stands for it: `ndcg@k`, `precision@r%`, `quantile_error@q`, `recall@class`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.metrics.metric_rows import ROWS, Better, MetricRow
from monitoring_sdk.metrics.parameters import KINDS, looks_like_number, read_parameter
from monitoring_sdk.metrics.rows import TASKS, LabelledRows
from monitoring_sdk.value import Value


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as a monitor file names it, of one task, its parameter bound."""

    name: str
    task: str
    compute: Callable[[Any], Value]
    better: Better
    needs: frozenset[str]


METRICS: Mapping[str, MetricRow] = MappingProxyType({row.name: row for row in ROWS})
DEFAULTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "binary": ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss"),
        "multiclass": ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc_ovr", "log_loss"),
        "regression": ("mae", "rmse", "r2", "bias", "median_absolute_error"),
        "ranking": ("ndcg@10", "recall@10", "map@10", "mrr"),
    }
)


def metric_names(task: str) -> tuple[str, ...]:
    """Return the names that a task's metrics go by, parameters as their stand-ins.

    Examples
    --------
    >>> metric_names("ranking")[:3]
    ('ndcg@k', 'map@k', 'mrr')
    """
    return tuple(name for name, row in METRICS.items() if task in row.tasks)


def find_metric(name: str, task: str) -> Metric:
    """Return a metric of a task by its name in a monitor file.

    Raises
    ------
    ConfigError
        When there is no such task or metric, when the metric is another task's, and when its
        parameter is missing or cannot be read.

    Examples
    --------
    >>> find_metric("ndcg@10", "ranking").better
    'higher'
    >>> find_metric("recall@10", "binary")
    Traceback (most recent call last):
        ...
    monitoring_sdk.errors.ConfigError: recall@10 is for ranking, the task is binary
    """
    if task not in TASKS:
        raise ConfigError(explain("unknown task", got=task, allowed=TASKS))
    base, at, text = name.partition("@")
    known = [row for row in METRICS.values() if row.name.partition("@")[0] == base]
    for row in known:
        if task not in row.tasks:
            continue
        if row.parameter is None and not at:
            return Metric(name, task, row.compute[task], row.better, row.needs)
        if row.parameter is None or not at:
            continue
        value = read_parameter(row.parameter, text)
        if value is not None:
            compute = _bound(row.compute[task], value)
            return Metric(name, task, compute, row.better, row.needs)
    raise ConfigError(_not_found(name, task, known))


def _bound(function: Callable[..., Value], value: float | str) -> Callable[[Any], Value]:
    return lambda rows: function(rows, value)


def _not_found(name: str, task: str, known: list[MetricRow]) -> str:
    """Say what is wrong with a name that no metric of the task answers to."""
    own = [row for row in known if task in row.tasks and row.parameter is not None]
    text, at = name.partition("@")[2], "@" in name
    fits = [
        row
        for row in known
        if (row.parameter is not None) == at
        and (row.parameter is None or read_parameter(row.parameter, text) is not None)
    ]
    # A class can be any text: it says least about which task was meant, and a number nothing.
    fits = [row for row in fits if row.parameter != "class"] or fits
    if fits and not (own and fits[0].parameter == "class" and looks_like_number(text)):
        tasks = " or ".join(t for t in TASKS if any(t in row.tasks for row in fits))
        return f"{name} is for {tasks}, the task is {task}"
    if own:
        form = KINDS[str(own[0].parameter)]
        example = own[0].name.replace(f"@{own[0].parameter}", f"@{form.example}")
        return f"{name}: {own[0].name} takes {form.what}, as in {example}"
    return explain("unknown metric", got=name, allowed=metric_names(task))


def metric(name: str, rows: LabelledRows) -> Value:
    """Compute one metric by its name.

    Parameters
    ----------
    name : str
        As in a monitor file: `accuracy`, `ndcg@10`.
    rows : LabelledRows
        The labelled rows of any task.

    Returns
    -------
    Value
        With `n`, the rows that it rests on (queries, for ranking); undefined, with the reason,
        where scikit-learn would warn or raise.

    Raises
    ------
    ConfigError
        When the rows' task has no such metric.

    Examples
    --------
    >>> from monitoring_sdk.metrics.labelled import Labelled
    >>> metric("accuracy", Labelled([True, False], [True, True])).value
    0.5
    """
    return find_metric(name, rows.task).compute(rows)
