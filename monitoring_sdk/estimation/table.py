"""ESTIMATORS: every way to estimate performance without labels, one row each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.estimation.cbpe import cbpe, weighted_cbpe
from monitoring_sdk.estimation.crosscheck import atc, importance_weighting
from monitoring_sdk.estimation.estimate import Estimate
from monitoring_sdk.estimation.formulas import FORMULAS
from monitoring_sdk.estimation.losses import LOSSES, dle
from monitoring_sdk.estimation.rows import Reference, Rows


class Compute(Protocol):
    """The form of an estimator."""

    def __call__(
        self, reference: Reference, window: Rows, metrics: Iterable[str], *, seed: int = 0
    ) -> dict[str, Estimate]:
        """Return an estimate of each metric."""
        ...


@dataclass(frozen=True, slots=True)
class Estimator:
    """One estimator: what it computes, for which tasks, of which metrics."""

    name: str
    compute: Compute
    tasks: frozenset[str]
    metrics: frozenset[str]
    description: str


_CLASSES, _NUMBERS = frozenset({"binary", "multiclass"}), frozenset({"regression"})
_FROM_SCORES = frozenset(FORMULAS)
_ROWS = (
    Estimator(
        "weighted_cbpe",
        weighted_cbpe,
        _CLASSES,
        _FROM_SCORES,
        "scores calibrated on reference rows weighted towards the window",
    ),
    Estimator("cbpe", cbpe, _CLASSES, _FROM_SCORES, "scores calibrated on the reference"),
    Estimator(
        "dle",
        dle,
        _NUMBERS,
        frozenset(LOSSES),
        "a model of the loss on features and prediction",
    ),
    Estimator(
        "importance_weighting",
        importance_weighting,
        _CLASSES | _NUMBERS,
        _FROM_SCORES | frozenset(LOSSES),
        "the reference's labelled rows weighted towards the window",
    ),
    Estimator(
        "atc",
        atc,
        _CLASSES,
        frozenset({"accuracy"}),
        "the share of rows above the confidence that the reference's accuracy answers to",
    ),
)
ESTIMATORS: Mapping[str, Estimator] = MappingProxyType({row.name: row for row in _ROWS})
DEFAULTS: Mapping[str, str] = MappingProxyType(
    {"binary": "weighted_cbpe", "multiclass": "weighted_cbpe", "regression": "dle"}
)


def estimable(name: str, task: str) -> tuple[str, ...]:
    """Return the metrics that an estimator knows for a task.

    Examples
    --------
    >>> estimable("dle", "regression")
    ('mae', 'mse', 'rmse')
    >>> estimable("dle", "binary")
    ()
    """
    row = ESTIMATORS[name]
    if task not in row.tasks:
        return ()
    if task == "regression":
        return tuple(metric for metric in LOSSES if metric in row.metrics)
    return tuple(m for m, f in FORMULAS.items() if task in f.tasks and m in row.metrics)


def estimate(
    name: str, reference: Reference, window: Rows, metrics: Iterable[str], *, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate the metrics of a window.

    Parameters
    ----------
    name : str
        A key of `ESTIMATORS`.
    reference : Reference
        Labelled rows of the time when the model was as it should be.
    window : Rows
        Rows without labels, from the same coder.
    metrics : iterable of str
        Metric names, as in a monitor file.
    seed : int
        The same rows and seed give the same numbers.

    Returns
    -------
    dict of str to Estimate
        In the order of the metrics; undefined, with the reason, where there is no number.

    Raises
    ------
    ConfigError
        When there is no such estimator.
    """
    if name not in ESTIMATORS:
        raise ConfigError(explain("unknown estimator", got=name, allowed=sorted(ESTIMATORS)))
    return ESTIMATORS[name].compute(reference, window, metrics, seed=seed)
