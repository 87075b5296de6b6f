"""What is left once every column with a part of its own is taken: the features, by their kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.drafting.facts import Facts, class_codes, numbers
from monitoring_sdk.drafting.guess import Guess, Item
from monitoring_sdk.drafting.keys import WRITTEN_BY_PANDAS
from monitoring_sdk.drafting.moments import Moments
from monitoring_sdk.drafting.names import hint
from monitoring_sdk.drafting.outcome import MOST_CLASSES

FEW_LEVELS = 10
"""Whole numbers with at most so many values are levels."""

MANY_LEVELS = 0.5
"""Levels that are more than this share of the rows say nothing of a distribution."""

_WORDS_OF_TEXT = 3.0
_HOURS_OF_ZONES = range(-12, 15)
_KINDS = ("numeric", "categorical", "text", "datetime", "embedding", "exclude")
_COPIED = 0.9999
_LOOKED_ROWS = 50_000
_PIECE_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Context:
    """What the columns are judged against.

    Attributes
    ----------
    at : array of datetime64[us]
        The moment of each row, in UTC.
    moments : mapping of str to Moments
        The other columns of moments.
    outcomes : mapping of str to array
        Label, prediction and scores: a feature that copies one of them is none.
    length : timedelta
        Of a window.
    """

    rows: pa.Table
    at: NDArray[np.datetime64]
    moments: Mapping[str, Moments]
    outcomes: Mapping[str, Any]
    length: timedelta
    order: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Order the rows by time, once."""
        object.__setattr__(self, "order", np.argsort(self.at, kind="stable"))


def sort_features(
    facts: Mapping[str, Facts], taken: Sequence[str], context: Context
) -> tuple[Guess, ...]:
    """Return the guesses of `columns.numeric` to `columns.exclude`, each a tuple of items.

    Kinds that no column is of are left out.
    """
    lists: dict[str, list[Item]] = {kind: [] for kind in _KINDS}
    for known in facts.values():
        if known.name not in taken:
            kind, why = _judged(known, context)
            lists[kind].append(Item(known.name, why))
    said = {
        "numeric": "numbers whose size means something",
        "categorical": "levels",
        "text": "watched by length, alphabet and words",
        "datetime": "watched by hour and weekday",
        "embedding": "vectors, watched together",
        "exclude": "not watched; take a name off this list to watch it",
    }
    return tuple(Guess(f"columns.{k}", tuple(v), said[k]) for k, v in lists.items() if v)


def _judged(known: Facts, context: Context) -> tuple[str, str]:
    """Return the kind of a column and why."""
    for found in (_empty(known), _copied(known, context), _of_time(known, context)):
        if found is not None:
            return "exclude", found
    moment = context.moments.get(known.name)
    if moment is not None and moment.dates:
        return "exclude", "days without a time of day: an age in days could be watched instead"
    if moment is not None:
        return "datetime", moment.form
    return _KIND_OF[known.kind](known)


def _empty(known: Facts) -> str | None:
    if known.name.startswith(WRITTEN_BY_PANDAS):
        return "the index that pandas wrote"
    if known.present == 0:
        return "no value in any row looked at"
    if known.distinct == 1 and known.kind != "vector":
        gaps = "" if not known.nulls else f", missing in {100 * known.nulls / known.rows:.0f} %"
        return f"one value in every row looked at{gaps}"
    return None


def _copied(known: Facts, context: Context) -> str | None:
    """Say which outcome a column repeats: it would leak what is to be predicted."""
    if known.kind in ("vector", "other", "moment") or known.distinct < 2:
        return None
    column = context.rows.column(known.name).combine_chunks()
    many = known.distinct > FEW_LEVELS and known.kind == "number"
    if not many and known.distinct > MOST_CLASSES:
        return None
    for name, other in context.outcomes.items():
        levels = len(other.unique())
        if many or levels > MOST_CLASSES:
            same = many and levels > FEW_LEVELS and _same_line(column, other)
        else:
            same = _same_levels(column, other)
        if same:
            return f"a copy of {name}: it would leak what the model is judged by"
    return None


def _same_levels(column: Any, other: Any) -> bool:
    """Say whether each level stands for one level of the other, and the other way round."""
    (levels, left), (others, right) = class_codes(column), class_codes(other)
    known = (left >= 0) & (right >= 0)
    if len(levels) != len(others) or known.sum() < 50:
        return False
    size = len(levels)
    pairs = np.bincount(left[known] * size + right[known], minlength=size**2).reshape(size, size)
    return min(pairs.max(axis=0).sum(), pairs.max(axis=1).sum()) >= _COPIED * known.sum()


def _same_line(column: Any, other: Any) -> bool:
    try:
        left, right = numbers(column)[:_LOOKED_ROWS], numbers(other)[:_LOOKED_ROWS]
    except pa.ArrowException:
        return False
    known = np.isfinite(left) & np.isfinite(right)
    if known.sum() < 50 or np.ptp(left[known]) == 0 or np.ptp(right[known]) == 0:
        return False
    return abs(float(np.corrcoef(left[known], right[known])[0, 1])) > _COPIED


def _of_time(known: Facts, context: Context) -> str | None:
    """Say that a column follows from the timestamp, or marks a span of time."""
    moments = context.moments.get(known.name)
    if moments is not None:
        since = (context.at - moments.at) / np.timedelta64(1, "h")
        # From the first hour of a day to its last, in whatever zone it is a day.
        near = (since >= -14) & (since <= 38)
        if moments.dates and near.sum() > 0.99 * max(1, (~np.isnan(since)).sum()):
            return "the date of the timestamp"
        return None
    if known.kind == "number" and known.whole and known.distinct <= 400:
        piece = _piece(numbers(context.rows.column(known.name)), context)
        if piece is not None:
            return f"the {piece} of the timestamp: in a window it has one value, or nearly"
    if known.kind in ("text", "number", "boolean") and 2 <= known.distinct <= FEW_LEVELS:
        levels = class_codes(context.rows.column(known.name))[1][context.order]
        changes = int((levels[1:] != levels[:-1]).sum())
        if changes < 2 * known.distinct and len(levels) > 50 * known.distinct:
            return "marks spans of time, such as a split into training and test"
    return None


def _piece(values: NDArray[np.float64], context: Context) -> str | None:
    """Return which part of the timestamp, no finer than a window, the numbers repeat."""
    known = np.flatnonzero(np.isfinite(values) & ~np.isnat(context.at))
    known = known[:: max(1, len(known) // _PIECE_ROWS)]
    values = values[known]
    if len(values) < 50:
        return None
    for hours in _HOURS_OF_ZONES:
        local = pd.DatetimeIndex(context.at[known] + np.timedelta64(hours, "h"))
        pieces: dict[str, Any] = {
            "weekday": local.day_of_week,
            "day": local.day,
            "day of the year": local.day_of_year,
            "month": local.month,
            "quarter": local.quarter,
            "year": local.year,
        }
        if context.length <= timedelta(hours=1):
            pieces["hour"] = local.hour
        for name, piece in pieces.items():
            # Weeks begin on Sunday or on Monday, days at 0 or at 1.
            part = np.asarray(piece, dtype=float)
            turned = [part, part + 1, (part + 1) % 7, (part + 1) % 7 + 1]
            for form in turned if name == "weekday" else turned[:1]:
                if len(np.unique(form)) > 1 and (form == values).mean() > 0.97:
                    return name
    return None


def _number(known: Facts) -> tuple[str, str]:
    if hint("id", known.name) in (0, 1, 2) and known.whole and known.distinct > FEW_LEVELS:
        return "exclude", f"an id by its name, {known.distinct} different"
    if not known.whole:
        return "numeric", "numbers"
    if known.distinct == 2:
        return "categorical", "two values"
    if hint("code", known.name) is not None and known.distinct <= MANY_LEVELS * known.rows:
        return "categorical", f"numbers that name things, {known.distinct} different"
    if known.distinct <= FEW_LEVELS and known.rows > 50 * known.distinct:
        said = f"whole numbers, {known.distinct} different; numeric if they count something"
        return "categorical", said
    if known.unique and known.kind == "number" and known.rows > 100 and _dense(known):
        return "exclude", "a number for each row"
    return "numeric", f"whole numbers, {known.distinct} different"


def _dense(known: Facts) -> bool:
    low, high = known.low, known.high
    return low is not None and high is not None and high - low < 1.1 * known.rows


def _text(known: Facts) -> tuple[str, str]:
    many = known.distinct > MANY_LEVELS * known.present
    if known.words >= _WORDS_OF_TEXT and known.distinct > min(0.1 * known.present, 200):
        return "text", f"{known.words:.0f} words on average"
    if many or (hint("id", known.name) is not None and known.distinct > FEW_LEVELS**2):
        return "exclude", f"names rows rather than kinds: {known.distinct} different"
    return "categorical", f"{known.distinct} different"


def _vector(known: Facts) -> tuple[str, str]:
    if known.width < 2:
        return "exclude", "lists of no common length"
    return "embedding", f"{known.width} numbers a row"


_KIND_OF = {
    "number": _number,
    "text": _text,
    "vector": _vector,
    "boolean": lambda _: ("categorical", "true and false"),
    "moment": lambda _: ("exclude", "moments that could not be read"),
    "other": lambda _: ("exclude", "neither numbers nor text"),
}
