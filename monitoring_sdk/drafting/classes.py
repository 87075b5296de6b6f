"""Multiclass scores: a column of probabilities for each class, and which belongs to which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.drafting.facts import Facts, class_names, numbers, words_of
from monitoring_sdk.drafting.guess import Guess
from monitoring_sdk.drafting.names import hint

_LOOKED_ROWS = 50_000


def find_class_scores(
    rows: pa.Table,
    facts: Mapping[str, Facts],
    prediction: str,
    taken: Sequence[str],
    classes: Sequence[str],
) -> Guess:
    """Find a probability for each class: columns alike in name that sum to 1 in every row.

    Parameters
    ----------
    classes : sequence of str
        Every class that predictions or labels name.

    Returns
    -------
    Guess
        Of `columns.score`: class to column, or None where the columns do not fit the classes.
    """
    shares = [
        f.name
        for f in facts.values()
        if f.kind == "number" and f.share and f.name not in (prediction, *taken)
    ]
    decided = class_names(rows.column(prediction))[:_LOOKED_ROWS]
    for group in _alike(shares, len(classes)):
        matrix = np.stack([numbers(rows.column(c))[:_LOOKED_ROWS] for c in group], axis=1)
        complete = ~np.isnan(matrix).any(axis=1)
        if not complete.any() or not _sums_to_one(matrix[complete]):
            continue
        mapping, agreed = _matched(group, matrix[complete], decided[complete], classes)
        if mapping is not None:
            why = (
                f"they sum to 1; the highest is the predicted class in {100 * agreed:.0f} % of rows"
            )
            return Guess("columns.score", mapping, why, sure=agreed >= 0.95)
    return Guess(
        "columns.score",
        None,
        f"no {len(classes)} columns of probabilities, one for each class, that sum to 1",
    )


def _alike(names: Sequence[str], least: int) -> list[list[str]]:
    """Group columns that share all of their name but the last word, or but the first."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        words = words_of(name)
        groups["first " + words.rpartition("_")[0]].append(name)
        groups["last " + words.partition("_")[2]].append(name)
        if hint("score", name) is not None:
            groups["score"].append(name)
    groups["all"] = list(names)
    return [g for g in groups.values() if len(g) >= max(2, least)]


def _sums_to_one(matrix: NDArray[np.float64]) -> bool:
    return bool((np.abs(matrix.sum(axis=1) - 1) < 0.02).mean() > 0.99)


def _matched(
    group: Sequence[str],
    matrix: NDArray[np.float64],
    decided: NDArray[np.object_],
    classes: Sequence[str],
) -> tuple[dict[str, str] | None, float]:
    """Pair classes with columns by name, or by which column is highest where a class is decided."""
    mapping = _by_name(group, classes) or _by_maximum(group, matrix, decided, classes)
    if mapping is None:
        return None, 0.0
    names = {column: name for name, column in mapping.items()}
    highest = np.array([names.get(group[i], "") for i in matrix.argmax(axis=1)], dtype=object)
    known = np.array([v is not None for v in decided])
    return mapping, float((highest == decided)[known].mean()) if known.any() else 0.0


def _by_name(group: Sequence[str], classes: Sequence[str]) -> dict[str, str] | None:
    mapping: dict[str, str] = {}
    free = list(group)
    for name in sorted(classes, key=len, reverse=True):
        end = words_of(name)
        column = next(
            (c for c in free if _ends(words_of(c), end)),
            next((c for c in free if words_of(c).startswith(f"{end}_")), None),
        )
        if column is None or not end:
            return None
        free.remove(column)
        mapping[name] = column
    return {name: mapping[name] for name in classes}


def _ends(words: str, end: str) -> bool:
    return words == end or words.endswith(f"_{end}")


def _by_maximum(
    group: Sequence[str],
    matrix: NDArray[np.float64],
    decided: NDArray[np.object_],
    classes: Sequence[str],
) -> dict[str, str] | None:
    mapping = {}
    highest = matrix.argmax(axis=1)
    for name in classes:
        places = highest[decided == name]
        if len(places):
            mapping[name] = group[int(np.bincount(places).argmax())]
    whole = len(mapping) == len(classes) == len(set(mapping.values()))
    return mapping if whole else None
