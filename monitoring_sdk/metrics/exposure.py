"""Which items a ranking model shows: how many of them, and how unusual they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.guards import conclude, left_out
from monitoring_sdk.metrics.intervals import mean, normal, wilson
from monitoring_sdk.metrics.lists import LabelledLists, Lists
from monitoring_sdk.metrics.ranking import expected, omissions, unusable
from monitoring_sdk.value import Value

Floats = NDArray[np.float64]


def _shown(lists: Lists, k: int) -> Floats:
    """Return for each row the chance that it is within its query's first k ranks."""
    return expected(lists, (lists.rank <= k).astype(np.float64))


def _item_fault(rows: LabelledLists) -> Value | None:
    if rows.item is None:
        return Value.undefined("needs an item column, and there is none", n=0)
    fault = unusable(rows)
    if fault is not None:
        return fault
    assert rows.lists.item is not None
    if (rows.lists.item < 0).all():
        return Value.undefined("no labelled row names its item", n=0)
    return None


def coverage_at(rows: LabelledLists, k: int) -> Value:
    """Return the share of the window's items that are in some query's first k ranks, in [0, 1].

    Of a tie that rank k goes through each item counts by the chance that it is shown. The interval
    is Wilson's, of the items.

    Examples
    --------
    >>> rows = LabelledLists([1, 0, 1, 0], [0.9, 0.5, 0.8, 0.3], [0, 0, 1, 1], item=[0, 1, 0, 2])
    >>> round(coverage_at(rows, 1).value, 4)
    0.3333
    """
    fault = _item_fault(rows)
    if fault is not None:
        return fault
    lists = rows.lists
    assert lists.item is not None
    known = lists.item >= 0
    _, place = np.unique(lists.item[known], return_inverse=True)
    # An item is missed when every list misses it.
    with np.errstate(divide="ignore"):
        missed = np.exp(np.bincount(place, np.log1p(-_shown(lists, k)[known])))
    value = float(np.mean(1 - missed))
    interval = wilson(value * len(missed), len(missed))
    return conclude(
        Value(value, interval=interval), len(lists.starts), _unnamed(rows), *omissions(rows)
    )


def _unnamed(rows: LabelledLists) -> str | None:
    assert rows.item is not None
    return left_out(int(np.count_nonzero(rows.item < 0)), rows.n, "item")


def novelty_at(rows: LabelledLists, k: int) -> Value:
    """Return the mean surprise of the items in the first k ranks, in bits.

    An item's surprise is -log2 of the share of the window's queries whose list holds it: 0 for an
    item that all have. Source: T. Zhou and others, 2010, PNAS 107 (surprisal).

    Examples
    --------
    >>> rows = LabelledLists([1, 0, 1, 0], [0.9, 0.5, 0.8, 0.3], [0, 0, 1, 1], item=[0, 1, 0, 2])
    >>> novelty_at(rows, 2).value
    0.5
    """
    fault = _item_fault(rows)
    if fault is not None:
        return fault
    lists = rows.lists
    assert lists.item is not None
    known = lists.item >= 0
    own = np.ones(len(lists.starts)) if lists.weight is None else lists.weight / lists.weight.mean()
    _, item = np.unique(lists.item[known], return_inverse=True)
    # Each item counts once in a list.
    held_item, held_by = np.divmod(np.unique(item * len(own) + lists.query[known]), len(own))
    held = np.bincount(held_item, own[held_by])
    surprise = np.zeros(len(known))
    # Rounding must not make an item that all lists hold less than unsurprising.
    surprise[known] = np.log2(np.maximum(own.sum() / held[item], 1.0))
    shown = _shown(lists, k) * known
    total = lists.total(shown)
    keep = total > 0
    part = shown / np.where(keep, total, 1.0)[lists.query]
    of_query = lists.total(surprise * part)
    value, _ = mean(of_query[keep], own[keep])
    # A list also moves the shares that surprise is reckoned from: of each item that it holds.
    often = np.bincount(item, (part * own[lists.query])[known])
    moved = np.bincount(held_by, (often / held)[held_item], len(own)) - 1
    error = mean((of_query - moved / np.log(2))[keep], own[keep])[1]
    found = Value(value, interval=normal(value, error, low=0.0))
    return conclude(found, int(np.count_nonzero(keep)), _unnamed(rows), *omissions(rows))
