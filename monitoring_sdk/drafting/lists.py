"""Ranking: which rows make one list, what is ranked, and where it stood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.drafting.facts import Facts
from monitoring_sdk.drafting.guess import Guess
from monitoring_sdk.drafting.keys import keys
from monitoring_sdk.drafting.names import hint, strength


def find_lists(
    rows: pa.Table, facts: Mapping[str, Facts], taken: Sequence[str]
) -> tuple[Guess, ...]:
    """Find the columns of a ranking model; none where the rows do not look like lists.

    Returns
    -------
    tuple of Guess
        Of `columns.query`, `columns.item` and `columns.prediction` (the position in the list), or
        empty. Rows are lists where positions start at 0 or 1 and none comes twice in a query.
    """
    free = [f for f in facts.values() if f.name not in taken]
    queries = sorted(
        (f for f in free if hint("query", f.name) is not None and f.distinct < 0.9 * f.rows),
        key=lambda f: strength("query", f.name),
    )
    places = [f for f in free if hint("rank", f.name) is not None and f.whole and f.low in (0, 1)]
    for query in queries:
        for place in places:
            pairs = pc.count_distinct(keys(rows, [query.name, place.name])).as_py()
            if pairs > 0.98 * rows.num_rows:
                return _found(query, place, free)
    return ()


def _found(query: Facts, place: Facts, free: Sequence[Facts]) -> tuple[Guess, ...]:
    items = [f for f in free if hint("item", f.name) is not None]
    mean = query.rows / max(query.distinct, 1)
    return (
        Guess("columns.query", query.name, f"lists of {mean:.1f} rows on average"),
        Guess("columns.item", items[0].name if items else None, "by its name")
        if items
        else Guess("columns.item", None, "no column names what is ranked"),
        Guess(
            "columns.prediction",
            place.name,
            f"from {place.low:.0f} on, and none comes twice in a {query.name}",
        ),
    )
