"""FORMULAS: the metrics that can be estimated, over labels that are known in probability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.estimation.outcomes import Outcomes
from monitoring_sdk.estimation.rows import Rows

Floats = NDArray[np.float64]
Averaged = Literal["macro", "micro", "weighted"]
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Formula:
    """One metric: `compute` gives a number for each version of the rows, NaN where it has none.

    `needs` is what it reads: the prediction, any score, or a score that is a probability. `span`
    is its range, and `empty` says when there is none.
    """

    name: str
    compute: Callable[[Outcomes], Floats]
    needs: Literal["prediction", "score", "probability"]
    tasks: frozenset[str]
    span: tuple[float, float] = (0.0, 1.0)
    empty: str = "one class only is expected"


def _over(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where the denominator is nothing."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)


def _accuracy(rows: Outcomes) -> Floats:
    return _over(np.trace(rows.confusion, axis1=1, axis2=2), rows.total)


def _precision(rows: Outcomes) -> Floats:
    return _over(rows.confusion[:, 1, 1], rows.confusion[:, :, 1].sum(axis=1))


def _recall(rows: Outcomes) -> Floats:
    return _over(rows.confusion[:, 1, 1], rows.confusion[:, 1].sum(axis=1))


def _specificity(rows: Outcomes) -> Floats:
    return _over(rows.confusion[:, 0, 0], rows.confusion[:, 0].sum(axis=1))


def _f1(rows: Outcomes) -> Floats:
    involved = rows.confusion[:, 1].sum(axis=1) + rows.confusion[:, :, 1].sum(axis=1)
    return _over(2 * rows.confusion[:, 1, 1], involved)


def _balanced_accuracy(rows: Outcomes) -> Floats:
    right = np.diagonal(rows.confusion, axis1=1, axis2=2)
    return np.mean(_over(right, rows.confusion.sum(axis=2)), axis=1)


def _mcc(rows: Outcomes) -> Floats:
    """Gorodkin's correlation of truth and prediction (2004, Comput. Biol. Chem. 28)."""
    truth, said = rows.confusion.sum(axis=2), rows.confusion.sum(axis=1)
    right, all_ = np.trace(rows.confusion, axis1=1, axis2=2), rows.total
    both = (truth * said).sum(axis=1)
    spread = (all_**2 - (truth**2).sum(axis=1)) * (all_**2 - (said**2).sum(axis=1))
    return _over(right * all_ - both, np.sqrt(np.maximum(spread, 0)))


def _business_value(rows: Outcomes) -> Floats:
    if rows.payoff is None:
        return np.full(len(rows.mass), np.nan)
    return _over((rows.confusion * np.asarray(rows.payoff)).sum(axis=(1, 2)), rows.total)


def _area(rows: Outcomes, label: int) -> Floats:
    """The area under the ROC curve of one class, from cumulated mass; ties count half."""
    ranked = rows.ranking(label)
    ones, zeros = ranked.positive.sum(axis=1), ranked.negative.sum(axis=1)
    below = zeros[:, None] - np.cumsum(ranked.negative, axis=1) + ranked.negative / 2
    return _over((ranked.positive * below).sum(axis=1), ones * zeros)


def _roc_auc(rows: Outcomes) -> Floats:
    return _area(rows, 1)


def _roc_auc_ovr(rows: Outcomes) -> Floats:
    return np.mean([_area(rows, j) for j in range(rows.mass.shape[2])], axis=0)


def _average_precision(rows: Outcomes) -> Floats:
    ranked = rows.ranking(1)
    found = np.cumsum(ranked.positive, axis=1)
    seen = found + np.cumsum(ranked.negative, axis=1)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    return _over((ranked.positive * precision).sum(axis=1), found[:, -1])


def _log_loss(rows: Outcomes) -> Floats:
    likelihood = np.clip(_probabilities(rows), _EPS, 1 - _EPS)
    return _over(np.einsum("bnk,nk->b", rows.mass, -np.log(likelihood)), rows.total)


def _brier(rows: Outcomes) -> Floats:
    said = _probabilities(rows)
    # The squared distance to each label that may come; a binary model's is of one class alone.
    away = (said**2).sum(axis=1, keepdims=True) - 2 * said + 1
    away /= 2 if rows.score is not None and rows.score.ndim == 1 else 1
    return _over(np.einsum("bnk,nk->b", rows.mass, away), rows.total)


def _probabilities(rows: Outcomes) -> Floats:
    score = rows.score_of(1) if rows.score is None or rows.score.ndim == 1 else rows.score
    return np.stack([1 - score, score], axis=1) if score.ndim == 1 else score


def _averaged(shares: Literal["precision", "recall", "f1"], over: Averaged) -> Callable:
    """Return the mean over classes of a share; a class that is never said has precision 0."""

    def compute(rows: Outcomes) -> Floats:
        right = np.diagonal(rows.confusion, axis1=1, axis2=2)
        truth, said = rows.confusion.sum(axis=2), rows.confusion.sum(axis=1)
        below = {"precision": said, "recall": truth, "f1": (said + truth) / 2}[shares]
        if over == "micro":
            return _over(right.sum(axis=1), below.sum(axis=1))
        each = np.divide(right, below, out=np.zeros_like(right), where=below > 0)
        known = (truth + said) > 0
        weight = truth if over == "weighted" else known.astype(np.float64)
        return _over((each * weight).sum(axis=1), weight.sum(axis=1))

    return compute


_BINARY, _CLASSES = frozenset({"binary"}), frozenset({"multiclass"})
_BOTH = _BINARY | _CLASSES
_POSITIVE, _ANY = "no positive label is expected", (-np.inf, np.inf)
_ROWS = (
    Formula("accuracy", _accuracy, "prediction", _BOTH, empty="no rows"),
    Formula("precision", _precision, "prediction", _BINARY, empty="no positive prediction"),
    Formula("recall", _recall, "prediction", _BINARY, empty=_POSITIVE),
    Formula("f1", _f1, "prediction", _BINARY, empty=_POSITIVE),
    Formula("specificity", _specificity, "prediction", _BINARY),
    Formula("balanced_accuracy", _balanced_accuracy, "prediction", _BOTH),
    Formula("mcc", _mcc, "prediction", _BOTH, (-1.0, 1.0), "one class only is said or expected"),
    Formula("business_value", _business_value, "prediction", _BOTH, _ANY, "no payoff is stated"),
    Formula("roc_auc", _roc_auc, "score", _BINARY),
    Formula("average_precision", _average_precision, "score", _BINARY, empty=_POSITIVE),
    Formula("roc_auc_ovr", _roc_auc_ovr, "score", _CLASSES, empty="a class is never expected"),
    Formula("log_loss", _log_loss, "probability", _BOTH, (0.0, np.inf), "no rows"),
    Formula("brier", _brier, "probability", _BOTH, (0.0, 2.0), "no rows"),
    *(
        Formula(f"{share}_{over}", _averaged(share, over), "prediction", _CLASSES, empty="no rows")
        for share in ("precision", "recall", "f1")
        for over in ("macro", "micro", "weighted")
    ),
)
FORMULAS: Mapping[str, Formula] = MappingProxyType({row.name: row for row in _ROWS})


def inapplicable(formula: Formula, task: str, rows: Rows) -> str | None:
    """Say why a metric cannot be had of these rows, or nothing."""
    if task not in formula.tasks:
        return f"not estimated for the task {task}"
    if formula.needs == "prediction" and rows.prediction is None:
        return "needs a prediction column, and there is none"
    if formula.needs != "prediction" and rows.score is None:
        return "needs a score column, and there is none"
    if formula.needs == "probability" and rows.score is not None:
        low, high = float(rows.score.min()), float(rows.score.max())
        if low < 0 or high > 1:
            return f"a score is no probability: {high if high > 1 else low:.6g}"
    return None
