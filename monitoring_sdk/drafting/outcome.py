"""What the model says and what came true: prediction, task, score, positive class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.drafting.facts import Facts, class_names, numbers
from monitoring_sdk.drafting.guess import Guess
from monitoring_sdk.drafting.names import hint, strength
from monitoring_sdk.errors import ConfigError, explain

MOST_CLASSES = 50
"""Whole numbers with more different values are amounts, not classes."""

_ORDERED_ROWS = 50_000
_POSITIVE = ("1", "true", "yes", "y", "positive", "fraud", "bad", "default", "churn", "spam")


def auc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    """Return the chance that a positive row scores above another, ties counting half.

    Examples
    --------
    >>> auc(np.array([True, False]), np.array([0.9, 0.1]))
    1.0
    """
    known = np.isfinite(score)
    positive, score = positive[known][:_ORDERED_ROWS], score[known][:_ORDERED_ROWS]
    hits = int(positive.sum())
    if not hits or hits == len(positive):
        return None
    from scipy.stats import rankdata  # half a second of import that few need

    above = rankdata(score)[positive].sum() - hits * (hits + 1) / 2
    return float(above / (hits * (len(positive) - hits)))


def find_prediction(
    facts: Mapping[str, Facts], taken: Sequence[str], given: str | None = None
) -> Guess:
    """Choose the column that holds what the model decided.

    Raises
    ------
    ConfigError
        When no column's name says so.
    """
    if given is not None:
        if given not in facts:
            raise ConfigError(
                explain("no such column", where="--prediction", got=given, allowed=list(facts))
            )
        return Guess("columns.prediction", given, "as asked")
    named = [
        f
        for f in facts.values()
        if f.name not in taken and f.kind != "vector" and hint("prediction", f.name) is not None
    ]
    # A score that is named `predicted_score` is one only where nothing else is the prediction.
    named.sort(key=lambda f: (hint("score", f.name) is not None, strength("prediction", f.name)))
    if not named:
        raise ConfigError(
            "no prediction: no column's name says that it holds what the model predicted (such as "
            f"y_pred, prediction, predicted_...); there are {', '.join(facts)}; "
            "name it with --prediction"
        )
    others = [f.name for f in named[1:] if hint("score", f.name) is None]
    why = f"by its name; {told(named[0])}"
    if others:
        why += f"; {', '.join(others)} could be meant too"
    return Guess("columns.prediction", named[0].name, why, sure=not others)


def told(facts: Facts) -> str:
    """Say in a few words what a column holds.

    Examples
    --------
    >>> told(Facts("x", "number", 10, 0, 10, low=0.0, high=0.9))
    'numbers in [0, 1]'
    """
    if not facts.present:
        return "no values"
    if facts.distinct == 1:
        return "one value"
    if facts.kind == "number":
        if facts.whole:
            return f"whole numbers, {facts.distinct} different"
        return "numbers in [0, 1]" if facts.share else "numbers"
    if facts.kind == "boolean":
        return "true and false"
    return f"text, {facts.distinct} different"


def find_task(prediction: Facts, label: Facts | None, given: str | None = None) -> Guess:
    """Say what kind of model it is, from the values of prediction and label.

    Raises
    ------
    ConfigError
        When the prediction holds probabilities of two classes: decided classes are needed too.
    """
    if given is not None:
        return Guess("task", given, "as asked")
    both = [prediction] if label is None else [prediction, label]
    levels = max(f.distinct for f in both)
    classes = all(f.kind != "number" or f.whole for f in both) and levels <= MOST_CLASSES
    if not classes and label is not None and label.distinct == 2 and prediction.share:
        raise ConfigError(
            f"columns.prediction: {prediction.name} holds probabilities, where {label.name} has "
            "two classes: a binary monitor needs the decided class of each row too; add a column "
            f"with it, or name one with --prediction ({prediction.name} is then the score)"
        )
    if classes and levels <= 2:
        why = f"{' and '.join(f.name for f in both)}: "
        why += "two different values" if levels == 2 else "one value, of two as it seems"
        return Guess("task", "binary", why, sure=levels == 2)
    if classes or any(f.kind == "text" for f in both):
        return _multiclass(prediction, label, levels)
    why = f"{prediction.name}: {told(prediction)}, which are amounts, not classes"
    return Guess("task", "regression", why)


def _multiclass(prediction: Facts, label: Facts | None, levels: int) -> Guess:
    why = f"{prediction.name} has {levels} different values"
    numeric = prediction.kind == "number"
    if numeric:
        why += ", all whole numbers; where they count something, write regression"
    return Guess("task", "multiclass", why, sure=not numeric and levels <= MOST_CLASSES)


def find_score(
    rows: pa.Table, facts: Mapping[str, Facts], prediction: str, taken: Sequence[str]
) -> tuple[Guess, Guess]:
    """Choose the score of a binary model, and the class that it speaks of.

    A column is the score where its name says so and it orders the predictions, or where it orders
    them perfectly whatever its name. Returns the guesses of `columns.score` and `columns.positive`.
    """
    decided = class_names(rows.column(prediction))
    levels = sorted({str(v) for v in decided if v is not None})
    assumed = _likely_positive(levels)
    truth = decided == assumed
    found = []
    for known in facts.values():
        if known.name in (prediction, *taken) or known.kind != "number" or known.distinct < 3:
            continue
        order = auc(truth, numbers(rows.column(known.name)))
        far = 0.0 if order is None else abs(order - 0.5)
        named = hint("score", known.name)
        if (named is not None and (far >= 0.3 or order is None)) or (known.share and far > 0.4995):
            # Of proba_0 and proba_1 the one of the positive class.
            found.append((strength("score", known.name), -(order or 0.5), known, order))
    if not found:
        nothing = "no column orders the predictions; metrics that need a score are left out"
        return Guess("columns.score", None, nothing), _positive(rows, prediction, assumed, None)
    _, _, best, order = min(found, key=lambda f: f[:2])
    said = f"{told(best)}" if order is None else f"{told(best)} that order {prediction}"
    why = said + ("" if order is None else f" (AUC {max(order, 1 - order):.2f})")
    if not best.share:
        why += "; no probability: log_loss, brier and ece need one"
    if order is not None and order < 0.5:
        assumed = next((v for v in levels if v != assumed), assumed)
    sure = hint("score", best.name) is not None
    return Guess("columns.score", best.name, why, sure), _positive(rows, prediction, assumed, order)


def _likely_positive(levels: Sequence[str]) -> str:
    for name in levels:
        if name.lower() in _POSITIVE:
            return name
    # Text has no order: the last is as good as another, and said to be doubtful.
    return levels[-1] if levels else "1"


def _positive(rows: pa.Table, prediction: str, name: str, order: float | None) -> Guess:
    column = rows.column(prediction)
    value = next((v for v in column.unique().to_pylist() if _same(v, name)), name)
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    if value == "1":
        value = 1
    if order is not None:
        return Guess("columns.positive", value, "the class of the rows that score higher")
    sure = name.lower() in _POSITIVE
    why = "by its name" if sure else "which of the classes is the one looked for? write the other"
    return Guess("columns.positive", value, why, sure)


def _same(value: object, name: str) -> bool:
    return value is not None and class_names(pa.array([value]))[0] == name
