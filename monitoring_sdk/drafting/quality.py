"""Expectations that the sample meets, on the columns without which nothing can be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitoring_sdk.drafting.facts import Facts
from monitoring_sdk.drafting.guess import Guess, Item

_MOST_VALUES = 20


def expect(
    facts: Mapping[str, Facts],
    ids: Sequence[str],
    scores: Sequence[str],
    prediction: str,
    values: Sequence[Any] = (),
) -> Guess:
    """Return the guess of `quality`: what no row of the sample breaks.

    Parameters
    ----------
    values : sequence
        Every class that was predicted, empty where predictions are amounts.
    """
    items = [
        _item("expect_column_values_to_not_be_null", name, "never missing")
        for name in dict.fromkeys((*ids, prediction))
        if not facts[name].nulls
    ]
    between = ("expect_column_values_to_be_between", "a probability")
    for name in scores:
        if facts[name].share:
            items.append(_item(between[0], name, between[1], min_value=0, max_value=1))
    if len(ids) == 1 and facts[ids[0]].distinct == facts[ids[0]].rows:
        # One row that comes twice is no reason to look at nothing else: a warning.
        why = "never twice; a warning, so that the rest is still looked at"
        items.append(_item("expect_column_values_to_be_unique", ids[0], why, severity="warning"))
    if 0 < len(values) <= _MOST_VALUES:
        kind = "expect_column_values_to_be_in_set"
        why = "the classes seen so far; a new one is told, and the rest is still looked at"
        items.append(_item(kind, prediction, why, value_set=list(values), severity="warning"))
    rows = facts[prediction].rows
    said = f"met by all {rows} rows looked at; a critical one that fails skips the window"
    return Guess("quality", tuple(items), said)


def _item(kind: str, column: str, why: str, **more: Any) -> Item:
    return Item({"type": kind, "column": column, **more}, why)
