"""Metrics of predicted classes, from the confusion counts; equal to scikit-learn's.

Where scikit-learn warns or raises, the value is undefined and says why. Intervals are at 95 %:
Wilson's for shares of rows counted once, elsewhere from the slopes by each count, on a scale that
keeps them in range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps

import numpy as np

from monitoring_sdk.metrics.classes import LabelledClasses
from monitoring_sdk.metrics.confusion import Confusion, averaged, f1s, matthews, recalls
from monitoring_sdk.metrics.guards import conclude, lacking, left_out, nothing_to_count
from monitoring_sdk.metrics.intervals import normal, on_fisher, on_logits, share
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.value import Value

Predicted = Labelled | LabelledClasses
TN, FP, FN, TP = (0, 0), (0, 1), (1, 0), (1, 1)
_CELLS = {"tn": TN, "fp": FP, "fn": FN, "tp": TP}


def guarded(rows: Predicted, formula: Callable[[Confusion], Value]) -> Value:
    """Compute a formula over the confusion counts, or say why it cannot be."""
    if rows.y_pred is None:
        return lacking("prediction")
    if rows.fault is not None:
        return Value.undefined(rows.fault, n=rows.n)
    n = rows.confusion.n
    if n == 0:
        return nothing_to_count(rows.n, rows.unpredicted, "prediction")
    said = left_out(rows.unpredicted, rows.n, "prediction")
    return conclude(formula(rows.confusion), n, said, left_out(rows.unweighted, rows.n, "weight"))


def from_confusion(formula: Callable[[Confusion], Value]) -> Callable[[Predicted], Value]:
    """Turn a formula over confusion counts into a metric over labelled rows."""

    @wraps(formula)
    def compute(rows: Predicted) -> Value:
        return guarded(rows, formula)

    return compute


def _share(counts: Confusion, hit: tuple[int, int], miss: tuple[int, int], empty: str) -> Value:
    weights, squares = counts.counts, counts.squares
    if weights[hit] + weights[miss] == 0:
        return Value.undefined(empty)
    return share(
        float(weights[hit]), float(weights[miss]), float(squares[hit]), float(squares[miss])
    )


@from_confusion
def accuracy(counts: Confusion) -> Value:
    """Return the share of rows predicted right, in [0, 1]; of any number of classes.

    Examples
    --------
    >>> accuracy(Labelled([True, False, False, True], [True, True, False, True])).value
    0.75
    """
    wrong = ~np.eye(len(counts.counts), dtype=bool)
    return share(
        float(counts.hits.sum()),
        float(counts.counts[wrong].sum()),
        float(counts.squares.trace()),
        float(counts.squares[wrong].sum()),
    )


@from_confusion
def precision(counts: Confusion) -> Value:
    """Return the share of positive predictions that are right, in [0, 1].

    Examples
    --------
    >>> precision(Labelled([True, False], [False, False])).reason
    'no positive prediction'
    """
    return _share(counts, TP, FP, "no positive prediction")


@from_confusion
def recall(counts: Confusion) -> Value:
    """Return the share of positive rows that were found, in [0, 1]."""
    return _share(counts, TP, FN, "no positive label")


@from_confusion
def specificity(counts: Confusion) -> Value:
    """Return the share of negative rows that were left alone (recall of the negative class)."""
    return _share(counts, TN, FP, "no negative label")


@from_confusion
def f1(counts: Confusion) -> Value:
    """Return the harmonic mean of precision and recall, in [0, 1]; 0 where nothing was found.

    Examples
    --------
    >>> f1(Labelled([True, True, False], [True, False, False])).value
    0.6666666666666666
    """
    if counts.counts[TN] == counts.counts.sum():
        return Value.undefined("neither a positive label nor a positive prediction")
    value, slope = averaged(f1s(counts), np.array([0.0, 1.0]))
    return Value(value, interval=on_logits(value, counts.error(slope)))


@from_confusion
def balanced_accuracy(counts: Confusion) -> Value:
    """Return the mean of the classes' recalls, in [0, 1]; of a binary model, with specificity.

    Classes that no label has are left out.
    """
    present = counts.labels > 0
    if np.count_nonzero(present) < 2:
        return Value.undefined("one class only among the labels")
    value, slope = averaged(recalls(counts), present / np.count_nonzero(present))
    return Value(min(value, 1.0), interval=on_logits(value, counts.error(slope)))


@from_confusion
def mcc(counts: Confusion) -> Value:
    """Return Matthews' correlation of label and prediction, in [-1, 1].

    As in scikit-learn it is 0 where only the labels, or only the predictions, are of one class,
    and undefined where both are of the same one.
    """
    if (counts.counts > 0).sum() == 1 and counts.hits.any():
        return Value.undefined("one class only among labels and predictions")
    found = matthews(counts)
    if found is None:
        return Value(0.0)
    value, slope = found
    return Value(min(max(value, -1.0), 1.0), interval=on_fisher(value, counts.error(slope)))


def business_value(rows: Labelled) -> Value:
    """Return the mean payoff of a row, in the units of the payoffs.

    Examples
    --------
    >>> payoff = {"tp": 100.0, "fp": -5.0, "fn": -200.0, "tn": 0.0}
    >>> business_value(Labelled([True, False], [True, True], payoff=payoff)).value
    47.5
    """
    if rows.payoff is None:
        return Value.undefined("needs what each outcome is worth (business_value)", n=0)
    worth = np.zeros((2, 2))
    for outcome, cell in _CELLS.items():
        worth[cell] = rows.payoff[outcome]

    def formula(counts: Confusion) -> Value:
        total, n = float(counts.counts.sum()), counts.n
        value = float(np.sum(counts.counts * worth)) / total
        if n < 2:
            return Value(value)
        error = counts.error((worth - value) / total) * math.sqrt(n / (n - 1))
        return Value(value, interval=normal(value, error))

    return guarded(rows, formula)
