"""The names in a monitor file: metrics, drift methods, estimators, and checks with a limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from monitoring_sdk.config_problems import shown
from monitoring_sdk.drift.joint import JOINT
from monitoring_sdk.drift.methods import METHODS
from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.estimation.table import ESTIMATORS
from monitoring_sdk.metrics.operations import OPERATIONS
from monitoring_sdk.metrics.table import find_metric, metric_names

Task = Literal["binary", "multiclass", "regression", "ranking"]

MORE_CHECKS = ("concept_drift", "missing_windows", "null_ids", "unknown_version_share")
"""Checks outside the tables that can have a limit of the user's."""


def is_metric(name: str, task: str) -> bool:
    """Say whether a name is that of a metric of a task.

    Examples
    --------
    >>> is_metric("ndcg@10", "ranking"), is_metric("ndcg@10", "binary")
    (True, False)
    """
    return _metric_problem(name, task) is None


def _metric_problem(name: str, task: str) -> str | None:
    try:
        find_metric(name, task)
    except ConfigError as error:
        return str(error)
    return None


def names_problems(filled: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    """Check the names of metrics, methods, estimators and thresholds; each fault is a line.

    A name is shown as `data`, the file, has it: a variable's content is nobody's business.
    """
    task = str(filled.get("task") or "binary")
    task = task if task in get_args(Task) else "binary"
    methods = (*METHODS, *JOINT)
    estimators = tuple(n for n, row in ESTIMATORS.items() if task in row.tasks)
    problems: list[str] = []
    for section, with_metrics, others in (
        ("metrics", True, ()),
        ("drift", False, methods),
        ("thresholds", True, (*methods, *OPERATIONS, *MORE_CHECKS)),
        ("estimation.methods", False, estimators),
    ):
        allowed = (*(metric_names(task) if with_metrics else ()), *others)
        written = listed(data, section)
        for name, came in zip(listed(filled, section), written, strict=True):
            if not isinstance(name, str) or name in others:
                continue
            fault = _metric_problem(name, task) if with_metrics else "unknown"
            if fault is None:
                continue
            # A metric's own words show its name: only where the file itself has it.
            if name != came or fault.startswith("unknown"):
                fault = explain("unknown name", got=shown(came), allowed=allowed)
            where = f"{section}.{name}" if section == "thresholds" else section
            problems.append(f"{where}: {fault}")
    return problems + _needs_problems(filled, task)


def _needs_problems(filled: Mapping[str, Any], task: str) -> list[str]:
    """Name what metrics that are asked for cannot do without."""
    columns = filled.get("columns")
    columns = columns if isinstance(columns, Mapping) else {}
    problems = []
    for section in ("metrics", "thresholds"):
        for name in listed(filled, section):
            if not isinstance(name, str) or not is_metric(name, task):
                continue
            needs = find_metric(name, task).needs
            lacking = [n for n in ("score", "query", "item") if n in needs and not columns.get(n)]
            problems += [f"{section}: {name} needs columns.{n}" for n in lacking]
            if "payoff" in needs and not filled.get("business_value"):
                problems.append("business_value: the metric needs what tp, fp, fn and tn are worth")
    return list(dict.fromkeys(problems))


def listed(document: Mapping[str, Any], section: str) -> list[Any]:
    """Return the entries of a section, one value as a list of one."""
    found: Any = document
    for step in section.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return list(found) if isinstance(found, list | Mapping) else [found]
