"""Is a model fitted today better than the one that serves? Judged on rows that neither saw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from examples.flights.data import ZONE
from examples.flights.training import Model, fit, predict
from monitoring_sdk.metrics.curves import roc_area, score_curve
from monitoring_sdk.metrics.paired import Difference, paired_difference

TRAINING_SPAN = timedelta(days=90)
HOLDOUT_SPAN = timedelta(days=14)
# Fewer held-out days or rows than this decide nothing.
LEAST_DAYS = 5
LEAST_ROWS = 500


@dataclass(frozen=True)
class Quality:
    """How good a model is on the held-out rows."""

    log_loss: float
    roc_auc: float


@dataclass(frozen=True)
class Comparison:
    """Both models on the same held-out rows."""

    champion: Quality
    challenger: Quality
    log_loss: Difference
    roc_auc: Difference


@dataclass(frozen=True)
class Span:
    """Labelled rows that depart from `start` up to, but without, `end` (UTC)."""

    start: datetime
    end: datetime
    rows: int


@dataclass(frozen=True)
class Outcome:
    """What a retraining came to.

    Attributes
    ----------
    better
        Whether the challenger should replace the champion.
    reason
        Why, in one sentence.
    training, holdout
        The rows that the challenger saw, and those that neither model saw.
    challenger, comparison
        The fitted model and how it did; None where there were too few rows.
    """

    better: bool
    reason: str
    training: Span
    holdout: Span
    challenger: Model | None = None
    comparison: Comparison | None = None


def retrain(
    rows: pd.DataFrame,
    champion: Model,
    as_of: datetime,
    *,
    label: str = "y_true",
    seed: int = 0,
) -> Outcome:
    """Refit on the latest labelled span and compare with the champion on later rows.

    The challenger sees the newest 90 days less the newest 14; both are scored on those 14, or on
    the part of them that the champion did not see. The challenger is better when its log loss is
    lower beyond its uncertainty (the 95 % interval of the difference lies above zero) and its AUC
    is not lower beyond its own. The challenger that was compared is the one to publish: it is not
    refitted on the held-out rows, for then nobody would have tested what is served.

    Parameters
    ----------
    rows
        Prediction rows joined with their labels: `timestamp`, `label_timestamp` (aware), the
        features and `label`. Rows whose label is unknown at `as_of` are left out.
    champion
        The model that serves.
    as_of
        The logical moment of the retraining; nothing later is looked at.

    Returns
    -------
    Outcome
    """
    known = rows[rows[label].notna() & (rows["label_timestamp"] <= as_of)]
    split = max(as_of - HOLDOUT_SPAN, min(champion.trained_until, as_of))
    # A label that came after the split is unknown to a model fitted at the split.
    seen = _within(known, as_of - TRAINING_SPAN, split)
    seen = seen[seen["label_timestamp"] <= split]
    unseen = _within(known, split, as_of)
    training = Span(as_of - TRAINING_SPAN, split, len(seen))
    holdout = Span(split, as_of, len(unseen))
    problem = _too_little(seen, unseen, label)
    if problem:
        return Outcome(False, problem, training, holdout)
    challenger = fit(seen, target=label, seed=seed)
    comparison = compare(champion, challenger, unseen, label=label)
    better, reason = _verdict(comparison.log_loss, comparison.roc_auc)
    return Outcome(better, reason, training, holdout, challenger, comparison)


def compare(
    champion: Model, challenger: Model, rows: pd.DataFrame, *, label: str = "y_true"
) -> Comparison:
    """Score both models on the same labelled rows, none of which either has seen."""
    late = rows[label].to_numpy(dtype="float64") == 1
    old, new = predict(champion, rows), predict(challenger, rows)
    old_loss, new_loss = log_losses(late, old), log_losses(late, new)
    # Flights of a day share its weather: a group each.
    days = pd.factorize(_days(rows))[0]
    return Comparison(
        champion=Quality(float(old_loss.mean()), roc_auc(late, old)),
        challenger=Quality(float(new_loss.mean()), roc_auc(late, new)),
        log_loss=paired_difference(
            lambda at: old_loss[at].mean(), lambda at: new_loss[at].mean(), days, better="lower"
        ),
        roc_auc=paired_difference(
            lambda at: roc_auc(late[at], old[at]), lambda at: roc_auc(late[at], new[at]), days
        ),
    )


def log_losses(late: NDArray[np.bool_], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's loss, whose mean is the log loss: taken once, however many means follow.

    Examples
    --------
    >>> log_losses(np.array([True, False]), np.array([0.5, 0.25])).round(4).tolist()
    [0.6931, 0.2877]
    """
    right = np.where(late, score, 1 - score)
    return -np.log(np.maximum(right, np.finfo(np.float64).eps))


def roc_auc(late: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve.

    Examples
    --------
    >>> roc_auc(np.array([True, False, True]), np.array([0.5, 0.25, 0.125]))
    0.5
    """
    return roc_area(score_curve(late, score, None)).value


def _within(rows: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    return rows[(rows["timestamp"] >= start) & (rows["timestamp"] < end)]


def _days(rows: pd.DataFrame) -> pd.Series:
    return rows["timestamp"].dt.tz_convert(ZONE).dt.date


def _too_little(seen: pd.DataFrame, unseen: pd.DataFrame, label: str) -> str | None:
    for name, rows in (("training", seen), ("held-out", unseen)):
        if len(rows) < LEAST_ROWS or rows[label].nunique() < 2:
            return f"{len(rows)} labelled {name} rows: too few, or of one class, to judge"
    days = _days(unseen).nunique()
    if days < LEAST_DAYS:
        return f"{days} held-out days that the champion did not see: too few to judge"
    return None


def _verdict(loss: Difference, auc: Difference) -> tuple[bool, str]:
    low, high = loss.interval
    found = f"log loss better by {loss.value:.4f}, 95 % interval {low:.4f} to {high:.4f}"
    if low <= 0:
        return False, f"not better beyond its uncertainty: {found}"
    if auc.interval[1] < 0:
        return False, f"{found}; but the AUC is lower by {-auc.value:.4f}, beyond its uncertainty"
    return True, found
