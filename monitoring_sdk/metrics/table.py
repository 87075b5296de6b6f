"""METRICS: every performance metric by its name in the monitor file, one row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.metrics import classification, probabilistic
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.value import Value

BINARY = frozenset({"binary"})
PREDICTION = frozenset({"prediction"})
SCORE = frozenset({"score"})


@dataclass(frozen=True, slots=True)
class Metric:
    """One performance metric.

    `better` says on which side good values lie, `needs` which columns beside the label it reads,
    `tasks` the tasks that it is defined for.
    """

    name: str
    compute: Callable[[Labelled], Value]
    better: Literal["higher", "lower"]
    needs: frozenset[str]
    tasks: frozenset[str] = BINARY


_ROWS = (
    Metric("accuracy", classification.accuracy, "higher", PREDICTION),
    Metric("precision", classification.precision, "higher", PREDICTION),
    Metric("recall", classification.recall, "higher", PREDICTION),
    Metric("f1", classification.f1, "higher", PREDICTION),
    Metric("specificity", classification.specificity, "higher", PREDICTION),
    Metric("balanced_accuracy", classification.balanced_accuracy, "higher", PREDICTION),
    Metric("mcc", classification.mcc, "higher", PREDICTION),
    Metric("roc_auc", probabilistic.roc_auc, "higher", SCORE),
    Metric("average_precision", probabilistic.average_precision, "higher", SCORE),
    Metric("log_loss", probabilistic.log_loss, "lower", SCORE),
    Metric("brier", probabilistic.brier, "lower", SCORE),
    Metric("ece", probabilistic.ece, "lower", SCORE),
)
METRICS: Mapping[str, Metric] = MappingProxyType({row.name: row for row in _ROWS})
DEFAULTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"binary": ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss")}
)


def metric(name: str, rows: Labelled) -> Value:
    """Compute one metric by its name.

    Parameters
    ----------
    name : str
        A key of `METRICS`.
    rows : Labelled
        The labelled rows.

    Returns
    -------
    Value
        With `n`, the rows that it rests on; undefined, with the reason, where scikit-learn would
        warn or raise.

    Raises
    ------
    ConfigError
        When there is no such metric.

    Examples
    --------
    >>> metric("accuracy", Labelled([True, False], [True, True])).value
    0.5
    """
    if name not in METRICS:
        raise ConfigError(explain("unknown metric", got=name, allowed=sorted(METRICS)))
    return METRICS[name].compute(rows)
