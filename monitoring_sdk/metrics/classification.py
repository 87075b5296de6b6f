"""Metrics of predicted classes, from the four confusion counts; equal to scikit-learn's.

Where scikit-learn warns or raises, the value is undefined and says why. Intervals are Wilson's
(E. B. Wilson, 1927, JASA 22), at 95 %, for the shares of rows counted once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from statistics import NormalDist

from monitoring_sdk.metrics.labelled import Confusion, Labelled
from monitoring_sdk.value import Value

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share, within [0, 1].

    Examples
    --------
    >>> low, high = wilson(8, 10)
    >>> round(low, 4), round(high, 4)
    (0.4902, 0.9433)
    """
    share = successes / n
    scale = 1 + Z * Z / n
    middle = (share + Z * Z / (2 * n)) / scale
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def left_out(n: int, of: int, what: str) -> str | None:
    """Say how many rows a metric left out, or nothing when it took all."""
    return f"{of - n} of {of} labelled rows have no {what} and are left out" if n < of else None


def from_confusion(formula: Callable[[Confusion], Value]) -> Callable[[Labelled], Value]:
    """Turn a formula over confusion counts into a metric over labelled rows."""

    @wraps(formula)
    def compute(rows: Labelled) -> Value:
        if rows.y_pred is None:
            return Value.undefined("needs a prediction column, and there is none", n=0)
        if rows.fault is not None:
            return Value.undefined(rows.fault, n=rows.n)
        counts = rows.confusion
        if counts.n == 0:
            return Value.undefined(
                "no labelled rows" if rows.n == 0 else "no labelled row has a prediction", n=0
            )
        found = formula(counts)
        reason = found.reason or left_out(counts.n, rows.n, "prediction")
        return Value(found.value, reason, interval=found.interval, n=counts.n)

    return compute


def _share(successes: int, n: int, empty: str) -> Value:
    if n == 0:
        return Value.undefined(empty)
    return Value(successes / n, interval=wilson(successes, n))


@from_confusion
def accuracy(counts: Confusion) -> Value:
    """Return the share of rows predicted right, in [0, 1].

    Examples
    --------
    >>> accuracy(Labelled([True, False, False, True], [True, True, False, True])).value
    0.75
    """
    return _share(counts.tp + counts.tn, counts.n, "no labelled rows")


@from_confusion
def precision(counts: Confusion) -> Value:
    """Return the share of positive predictions that are right, in [0, 1].

    Examples
    --------
    >>> precision(Labelled([True, False], [False, False])).reason
    'no positive prediction'
    """
    return _share(counts.tp, counts.tp + counts.fp, "no positive prediction")


@from_confusion
def recall(counts: Confusion) -> Value:
    """Return the share of positive rows that were found, in [0, 1]."""
    return _share(counts.tp, counts.tp + counts.fn, "no positive label")


@from_confusion
def specificity(counts: Confusion) -> Value:
    """Return the share of negative rows that were left alone (recall of the negative class)."""
    return _share(counts.tn, counts.tn + counts.fp, "no negative label")


@from_confusion
def f1(counts: Confusion) -> Value:
    """Return the harmonic mean of precision and recall, in [0, 1]; 0 where nothing was found."""
    involved = 2 * counts.tp + counts.fp + counts.fn
    if involved == 0:
        return Value.undefined("neither a positive label nor a positive prediction")
    return Value(2 * counts.tp / involved)


@from_confusion
def balanced_accuracy(counts: Confusion) -> Value:
    """Return the mean of recall and specificity, in [0, 1]."""
    positives, negatives = counts.tp + counts.fn, counts.tn + counts.fp
    if positives == 0 or negatives == 0:
        return Value.undefined("one class only among the labels")
    return Value((counts.tp / positives + counts.tn / negatives) / 2)


@from_confusion
def mcc(counts: Confusion) -> Value:
    """Return Matthews' correlation of label and prediction, in [-1, 1].

    As in scikit-learn it is 0 where only the labels, or only the predictions, are of one class,
    and undefined where both are of the same one.
    """
    if counts.n in (counts.tp, counts.tn):
        return Value.undefined("one class only among labels and predictions")
    margins = (
        (counts.tp + counts.fp)
        * (counts.tp + counts.fn)
        * (counts.tn + counts.fp)
        * (counts.tn + counts.fn)
    )
    if margins == 0:
        return Value(0.0)
    return Value((counts.tp * counts.tn - counts.fp * counts.fn) / math.sqrt(margins))
