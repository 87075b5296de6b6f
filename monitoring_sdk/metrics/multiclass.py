"""Averages over the classes of a multiclass model; equal to scikit-learn's.

The classes are those among labels and predictions. As in scikit-learn with ``zero_division=0``, a
class that nothing was predicted as has precision 0, one that no label has has recall 0; the value
then says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

from monitoring_sdk.metrics import classification, probabilistic
from monitoring_sdk.metrics.classes import LabelledClasses
from monitoring_sdk.metrics.columns import class_name
from monitoring_sdk.metrics.confusion import (
    Confusion,
    Formula,
    averaged,
    averaged_by_support,
    f1s,
    precisions,
    recalls,
)
from monitoring_sdk.metrics.guards import notes
from monitoring_sdk.metrics.intervals import on_logits
from monitoring_sdk.value import Value

Score = Literal["precision", "recall", "f1"]
_PARTS: Mapping[str, Formula] = MappingProxyType(
    {"precision": precisions, "recall": recalls, "f1": f1s}
)
MOST_NAMED = 5


def _named(classes: tuple[str, ...], which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    names = [classes[code] for code in np.flatnonzero(which)]
    return ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")


def _zero_divisions(classes: tuple[str, ...], counts: Confusion, score: Score) -> str | None:
    """Name the classes whose score is 0 for want of anything to divide by."""
    labels, predictions = counts.labels > 0, counts.predictions > 0
    if score == "precision" and (labels & ~predictions).any():
        return f"never predicted, precision 0: {_named(classes, labels & ~predictions)}"
    if score == "recall" and (predictions & ~labels).any():
        return f"without a label, recall 0: {_named(classes, predictions & ~labels)}"
    return None


def macro(rows: LabelledClasses, score: Score) -> Value:
    """Return the plain mean of a score over the classes among labels and predictions, in [0, 1].

    Examples
    --------
    >>> rows = LabelledClasses(("a", "b"), [0, 0, 1, 1], [0, 0, 0, 1])
    >>> macro(rows, "recall").value
    0.75
    """

    def formula(counts: Confusion) -> Value:
        met = counts.labels + counts.predictions > 0
        value, slope = averaged(_PARTS[score](counts), met / np.count_nonzero(met))
        said = _zero_divisions(rows.classes, counts, score)
        value = min(value, 1.0)
        return Value(value, said, interval=on_logits(value, counts.error(slope)))

    return classification.guarded(rows, formula)


def weighted(rows: LabelledClasses, score: Score) -> Value:
    """Return the mean of a score over the classes, each as heavy as its labels, in [0, 1].

    Examples
    --------
    >>> rows = LabelledClasses(("a", "b"), [0, 0, 0, 1], [0, 0, 1, 1])
    >>> weighted(rows, "precision").value
    0.875
    """

    def formula(counts: Confusion) -> Value:
        value, slope = averaged_by_support(_PARTS[score](counts), counts)
        said = None if score == "recall" else _zero_divisions(rows.classes, counts, score)
        value = min(value, 1.0)
        return Value(value, said, interval=on_logits(value, counts.error(slope)))

    return classification.guarded(rows, formula)


def balanced_accuracy(rows: LabelledClasses) -> Value:
    """Return the mean recall of the classes that labels have, in [0, 1]."""
    found = classification.balanced_accuracy(rows)
    if not found.defined:
        return found
    lone = (rows.confusion.labels == 0) & (rows.confusion.predictions > 0)
    said = f"without a label, left out: {_named(rows.classes, lone)}" if lone.any() else None
    return Value(found.value, notes(said, found.reason), interval=found.interval, n=found.n)


_OF_ONE = MappingProxyType(
    {
        "precision": classification.precision,
        "recall": classification.recall,
        "f1": classification.f1,
        "specificity": classification.specificity,
        "roc_auc": probabilistic.roc_auc,
        "average_precision": probabilistic.average_precision,
    }
)


def of_class(rows: LabelledClasses, name: str, score: str) -> Value:
    """Return a binary metric of one class against all others.

    Parameters
    ----------
    rows : LabelledClasses
    name : str
        The class, compared as `is_positive` does.
    score : str
        `precision`, `recall`, `f1`, `specificity`, `roc_auc` or `average_precision`.

    Examples
    --------
    >>> rows = LabelledClasses(("a", "b"), [0, 0, 0, 1], [0, 0, 1, 1])
    >>> of_class(rows, "b", "precision").value
    0.5
    """
    wanted = class_name(name)
    if rows.n == 0:
        return Value.undefined("no labelled rows", n=0)
    if wanted not in rows.classes:
        known = _named(rows.classes, np.ones(len(rows.classes), bool))
        return Value.undefined(f"no class {name!r} among labels and predictions: {known}", n=rows.n)
    found = _OF_ONE[score](rows.against_rest(wanted))
    if found.defined:
        return found
    return Value.undefined(f"class {wanted!r}: {found.reason}", n=found.n)
