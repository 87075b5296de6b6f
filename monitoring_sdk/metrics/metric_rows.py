"""The rows of METRICS: each metric's name, its function for each task, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from monitoring_sdk.metrics import (
    alert_rate,
    classification,
    exposure,
    multiclass,
    multiclass_scores,
    probabilistic,
    ranking,
    regression,
)
from monitoring_sdk.value import Value

Better = Literal["higher", "lower", "zero"]
PREDICTION = frozenset({"prediction"})
SCORE = frozenset({"score"})
PAYOFF = frozenset({"prediction", "payoff"})
LISTS = frozenset({"query"})
ITEMS = frozenset({"query", "item"})


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One row of the table: a metric, and the function that computes it for each task.

    Attributes
    ----------
    name : str
        Of a metric with a parameter, with its stand-in: `ndcg@k`.
    compute : mapping of task to function
        From the task's labelled rows, and the parameter where there is one.
    better : str
        On which side good values lie; of a bias, at `zero`.
    needs : frozenset of str
        Which of `prediction`, `score`, `query`, `item` and `payoff` it reads beside the label.
    """

    name: str
    compute: Mapping[str, Callable[..., Value]]
    better: Better
    needs: frozenset[str]

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks that it is defined for."""
        return frozenset(self.compute)

    @property
    def parameter(self) -> str | None:
        """The stand-in for its parameter: `k`, `r%`, `q`, `class`, or None."""
        return self.name.partition("@")[2] or None


def _averages(score: multiclass.Score) -> tuple[MetricRow, ...]:
    """Return the rows of a score's averages over classes; of one label a row, micro is accuracy."""
    computes: dict[str, Callable[..., Value]] = {
        "macro": partial(multiclass.macro, score=score),
        "weighted": partial(multiclass.weighted, score=score),
        "micro": classification.accuracy,
    }
    return tuple(
        MetricRow(f"{score}_{how}", {"multiclass": f}, "higher", PREDICTION)
        for how, f in computes.items()
    )


def _of_class(score: str, needs: frozenset[str]) -> MetricRow:
    compute = {"multiclass": partial(multiclass.of_class, score=score)}
    return MetricRow(f"{score}@class", compute, "higher", needs)


def _shared(
    name: str,
    binary: Callable[..., Value],
    classes: Callable[..., Value],
    better: Better,
    needs: frozenset[str],
) -> MetricRow:
    return MetricRow(name, {"binary": binary, "multiclass": classes}, better, needs)


_SHARED = (
    _shared("accuracy", classification.accuracy, classification.accuracy, "higher", PREDICTION),
    _shared(
        "balanced_accuracy",
        classification.balanced_accuracy,
        multiclass.balanced_accuracy,
        "higher",
        PREDICTION,
    ),
    _shared("mcc", classification.mcc, classification.mcc, "higher", PREDICTION),
    _shared("log_loss", probabilistic.log_loss, multiclass_scores.log_loss, "lower", SCORE),
    _shared("brier", probabilistic.brier, multiclass_scores.brier, "lower", SCORE),
    _shared("ece", probabilistic.ece, multiclass_scores.ece, "lower", SCORE),
)


def _rows(
    task: str, needs: frozenset[str], better: Better, **computes: Callable[..., Value]
) -> tuple[MetricRow, ...]:
    """Return rows of one task that differ in name and function only."""
    return tuple(MetricRow(name, {task: f}, better, needs) for name, f in computes.items())


_BINARY = (
    *_rows(
        "binary",
        PREDICTION,
        "higher",
        precision=classification.precision,
        recall=classification.recall,
        f1=classification.f1,
        specificity=classification.specificity,
    ),
    *_rows(
        "binary",
        SCORE,
        "higher",
        roc_auc=probabilistic.roc_auc,
        average_precision=probabilistic.average_precision,
    ),
    MetricRow("label_noise", {"binary": probabilistic.label_noise}, "lower", SCORE),
    MetricRow("precision@r%", {"binary": alert_rate.precision_at_rate}, "higher", SCORE),
    MetricRow("recall@r%", {"binary": alert_rate.recall_at_rate}, "higher", SCORE),
    MetricRow("business_value", {"binary": classification.business_value}, "higher", PAYOFF),
)
_MULTICLASS = (
    *_averages("precision"),
    *_averages("recall"),
    *_averages("f1"),
    *_rows(
        "multiclass",
        SCORE,
        "higher",
        roc_auc_ovr=multiclass_scores.roc_auc_ovr,
        roc_auc_ovr_weighted=multiclass_scores.roc_auc_ovr_weighted,
        roc_auc_ovo=multiclass_scores.roc_auc_ovo,
        average_precision_macro=multiclass_scores.average_precision_macro,
    ),
    *(_of_class(score, PREDICTION) for score in ("precision", "recall", "f1", "specificity")),
    *(_of_class(score, SCORE) for score in ("roc_auc", "average_precision")),
)
_REGRESSION = (
    *_rows(
        "regression",
        PREDICTION,
        "lower",
        mae=regression.mae,
        mse=regression.mse,
        rmse=regression.rmse,
        rmsle=regression.rmsle,
        mape=regression.mape,
        wape=regression.wape,
        median_absolute_error=regression.median_absolute_error,
    ),
    MetricRow("quantile_error@q", {"regression": regression.quantile_error}, "lower", PREDICTION),
    MetricRow("bias", {"regression": regression.bias}, "zero", PREDICTION),
    *_rows(
        "regression",
        PREDICTION,
        "higher",
        r2=regression.r2,
        explained_variance=regression.explained_variance,
    ),
)
_RANKING = (
    MetricRow("ndcg@k", {"ranking": ranking.ndcg}, "higher", LISTS),
    MetricRow("map@k", {"ranking": ranking.average_precision_at}, "higher", LISTS),
    MetricRow("mrr", {"ranking": ranking.mrr}, "higher", LISTS),
    MetricRow("recall@k", {"ranking": ranking.recall_at}, "higher", LISTS),
    MetricRow("precision@k", {"ranking": ranking.precision_at}, "higher", LISTS),
    MetricRow("hit_rate@k", {"ranking": ranking.hit_rate_at}, "higher", LISTS),
    MetricRow("coverage@k", {"ranking": exposure.coverage_at}, "higher", ITEMS),
    MetricRow("novelty@k", {"ranking": exposure.novelty_at}, "higher", ITEMS),
)

ROWS = (*_SHARED, *_BINARY, *_MULTICLASS, *_REGRESSION, *_RANKING)
