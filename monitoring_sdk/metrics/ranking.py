"""Metrics of ranked lists, the mean over the queries; ties are averaged over their orders.

Queries without a relevant item say nothing about the order; they are left out and counted. `n` is
the number of queries: the intervals (at 95 %, within [0, 1]) take them as independent.
Closed forms under ties: F. McSherry and M. Najork, 2008, ECIR.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from monitoring_sdk.metrics.guards import conclude, left_out, nothing_to_count
from monitoring_sdk.metrics.intervals import mean_in_unit
from monitoring_sdk.metrics.lists import LabelledLists, Lists
from monitoring_sdk.value import Value

Floats = NDArray[np.float64]


def unusable(rows: LabelledLists) -> Value | None:
    """Say why nothing can be computed on these rows, or None."""
    if rows.fault is not None:
        return Value.undefined(rows.fault, n=rows.n)
    if not len(rows.lists.query):
        return nothing_to_count(rows.n, rows.unscored, "score or place in a list")
    if np.isinf(rows.lists.score).any():
        return Value.undefined("a score is infinite", n=len(rows.lists.starts))
    return None


def omissions(rows: LabelledLists) -> tuple[str | None, ...]:
    """Say which rows no list metric takes."""
    return (
        left_out(rows.unlisted, rows.n, "query"),
        left_out(rows.unscored, rows.n, "score or place in a list"),
        left_out(rows.unweighted, rows.n, "weight"),
    )


def _mean_over(rows: LabelledLists, of_query: Floats, keep: NDArray[np.bool_], what: str) -> Value:
    """Return the mean over the queries that a metric takes, and say how many it does not."""
    kept, n = int(np.count_nonzero(keep)), len(keep)
    if kept == 0:
        return Value.undefined(f"every query has {what}", n=0)
    weight = rows.lists.weight
    found = mean_in_unit(of_query[keep], None if weight is None else weight[keep])
    omitted = f"{n - kept} of {n} queries have {what} and are left out" if kept < n else None
    return conclude(found, kept, omitted, *omissions(rows))


NONE_RELEVANT = "no relevant item"


def _relevant(lists: Lists) -> Floats:
    return (lists.relevance > 0).astype(np.float64)


def expected(lists: Lists, values: Floats) -> Floats:
    """Return for each row the mean of its tie's values: what to expect at that rank."""
    sizes = np.diff(lists.tie_starts, append=len(values))
    return (np.add.reduceat(values, lists.tie_starts) / sizes)[lists.tie]


def ndcg(rows: LabelledLists, k: int) -> Value:
    """Return the normalised discounted cumulative gain of the first k ranks, in [0, 1].

    The gain is the relevance itself, the discount log2(1 + rank), as in scikit-learn. A list of
    one item has one order only and is left out.

    Examples
    --------
    >>> rows = LabelledLists([0.0, 1.0, 2.0], [0.1, 0.9, 0.2], [0, 0, 0])
    >>> round(ndcg(rows, 10).value, 6)
    0.859719
    """
    fault = unusable(rows)
    if fault is not None:
        return fault
    lists = rows.lists
    discount = np.where(lists.rank <= k, 1 / np.log2(lists.rank + 1.0), 0.0)
    # Relative to the list's largest relevance, so that no sum runs out of range.
    highest = np.maximum.reduceat(lists.relevance, lists.starts)
    gain = lists.relevance / np.where(highest > 0, highest, 1.0)[lists.query]
    ideal = gain[np.lexsort((-gain, lists.query))]
    best = lists.total(ideal * discount)
    keep = (highest > 0) & (lists.sizes > 1)
    won = lists.total(expected(lists, gain) * discount)
    what = f"{NONE_RELEVANT}, or one item only," if (lists.sizes == 1).any() else NONE_RELEVANT
    return _mean_over(rows, won / np.where(best > 0, best, 1.0), keep, what)


def _found(lists: Lists, k: int) -> tuple[Floats, Floats]:
    """Return for each query the relevant items expected in its first k ranks, and of all."""
    relevant = _relevant(lists)
    return (
        lists.total(expected(lists, relevant) * (lists.rank <= k)),
        lists.total(relevant),
    )


def recall_at(rows: LabelledLists, k: int) -> Value:
    """Return the share of a query's relevant items that are in its first k ranks, in [0, 1].

    Examples
    --------
    >>> recall_at(LabelledLists([1.0, 0.0, 1.0], [0.9, 0.5, 0.1], [0, 0, 0]), 1).value
    0.5
    """
    fault = unusable(rows)
    if fault is not None:
        return fault
    found, total = _found(rows.lists, k)
    return _mean_over(rows, found / np.maximum(total, 1), total > 0, NONE_RELEVANT)


def precision_at(rows: LabelledLists, k: int) -> Value:
    """Return the share of the first k ranks that hold a relevant item, in [0, 1].

    A list of fewer than k items has empty ranks: it is divided by k all the same.
    """
    fault = unusable(rows)
    if fault is not None:
        return fault
    found, total = _found(rows.lists, k)
    return _mean_over(rows, found / k, total > 0, NONE_RELEVANT)


def average_precision_at(rows: LabelledLists, k: int) -> Value:
    """Return the mean average precision of the first k ranks, in [0, 1].

    For a query: the precisions at the ranks of its relevant items within the first k, summed, over
    the number of relevant items or k, whichever is smaller.

    Examples
    --------
    >>> rows = LabelledLists([1.0, 0.0, 1.0], [0.9, 0.5, 0.1], [0, 0, 0])
    >>> round(average_precision_at(rows, 10).value, 6)
    0.833333
    """
    fault = unusable(rows)
    if fault is not None:
        return fault
    lists = rows.lists
    relevant = _relevant(lists)
    size = np.diff(lists.tie_starts, append=len(relevant))[lists.tie]
    inside = np.add.reduceat(relevant, lists.tie_starts)[lists.tie]
    place = np.arange(len(relevant)) - lists.tie_starts[lists.tie]
    up_to = np.cumsum(relevant)
    before_tie = (up_to - relevant)[lists.tie_starts][lists.tie]
    before_list = (up_to - relevant)[lists.starts][lists.query]
    # Of a tie's r relevant items among g, given one at this rank, each rank before holds one of
    # the others with chance (r - 1) / (g - 1).
    earlier = place * np.maximum(inside - 1, 0) / np.maximum(size - 1, 1)
    seen = before_tie - before_list + 1 + earlier
    precision = np.where(lists.rank <= k, inside / size * seen / lists.rank, 0.0)
    total = lists.total(relevant)
    of_query = lists.total(precision) / np.maximum(np.minimum(total, k), 1)
    return _mean_over(rows, of_query, total > 0, NONE_RELEVANT)


def _none_yet(lists: Lists) -> Floats:
    """Return for each row the chance that no relevant item is at its rank or before."""
    relevant = _relevant(lists)
    size = np.diff(lists.tie_starts, append=len(relevant))[lists.tie].astype(np.float64)
    inside = np.add.reduceat(relevant, lists.tie_starts)[lists.tie]
    drawn = np.arange(len(relevant)) - lists.tie_starts[lists.tie] + 1.0
    up_to = np.cumsum(relevant)
    before = (up_to - relevant)[lists.tie_starts] - (up_to - relevant)[
        lists.starts[lists.query[lists.tie_starts]]
    ]
    # Hypergeometric: none of the relevant ones among those drawn from the tie so far.
    spare = size - inside - drawn
    possible = (spare >= 0) & (before[lists.tie] == 0)
    chance = np.zeros(len(relevant))
    g, r, m, s = (x[possible] for x in (size, inside, drawn, spare))
    chance[possible] = np.exp(
        gammaln(g - r + 1) + gammaln(g - m + 1) - gammaln(s + 1) - gammaln(g + 1)
    )
    return chance


def hit_rate_at(rows: LabelledLists, k: int) -> Value:
    """Return the share of queries with a relevant item in their first k ranks, in [0, 1].

    Examples
    --------
    >>> rows = LabelledLists([1.0, 0.0, 1.0, 0.0], [0.9, 0.5, 0.1, 0.3], [0, 0, 1, 1])
    >>> hit_rate_at(rows, 1).value
    0.5
    """
    fault = unusable(rows)
    if fault is not None:
        return fault
    lists = rows.lists
    last = lists.starts + np.minimum(lists.sizes, k) - 1
    return _mean_over(
        rows, 1 - _none_yet(lists)[last], lists.total(_relevant(lists)) > 0, NONE_RELEVANT
    )


def mrr(rows: LabelledLists) -> Value:
    """Return the mean of 1 over the rank of the first relevant item, in [0, 1].

    Examples
    --------
    >>> mrr(LabelledLists([0.0, 1.0, 1.0], [0.9, 0.5, 0.1], [0, 0, 0])).value
    0.5
    """
    fault = unusable(rows)
    if fault is not None:
        return fault
    lists = rows.lists
    none_yet = _none_yet(lists)
    before = np.append(1.0, none_yet[:-1])
    before[lists.starts] = 1.0
    first = lists.total((before - none_yet) / lists.rank)
    return _mean_over(rows, first, lists.total(_relevant(lists)) > 0, NONE_RELEVANT)
