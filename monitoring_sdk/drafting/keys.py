"""Which columns name a row, and which labels belong to which rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring_sdk.drafting.facts import Facts
from monitoring_sdk.drafting.guess import Guess
from monitoring_sdk.drafting.names import hint, strength
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.label_keys import TEXT, id_column

WRITTEN_BY_PANDAS = "__index_level_"
"""How the index of a frame is named in a file: it names rows of that frame alone."""

_MOST_JOINT = 8
"""So many columns are tried together as an id of several."""


def keys(table: pa.Table, columns: Sequence[str]) -> pa.Array:
    """Return one text a row from its id columns; null where one of them is missing.

    Examples
    --------
    >>> keys(pa.table({"a": [1, 2], "b": ["x", None]}), ["a", "b"]).to_pylist()
    ['1|x', None]
    """
    parts = [id_column(table.column(c)).cast(TEXT) for c in columns]
    return pc.binary_join_element_wise(*parts, pa.scalar("|", TEXT)) if len(parts) > 1 else parts[0]


def label_places(
    rows: pa.Table, labels: pa.Table, columns: Sequence[str], known: NDArray[np.datetime64] | None
) -> NDArray[np.int64]:
    """Return for each row the place of its first known label, -1 where it has none."""
    order = np.arange(labels.num_rows)
    if known is not None:
        order = np.argsort(known, kind="stable")
    among = keys(labels, columns).take(pa.array(order))
    found = pc.index_in(keys(rows, columns), value_set=among, skip_nulls=True)
    places = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.where(places >= 0, order[places], -1) if len(order) else places


def find_id(
    rows: pa.Table,
    facts: Mapping[str, Facts],
    taken: Sequence[str],
    *,
    at: str,
    labels: pa.Table | None = None,
    label_inside: bool = False,
) -> Guess:
    """Choose the columns that name a row.

    Parameters
    ----------
    rows, facts
        The sampled predictions.
    taken : sequence of str
        Columns that are something else.
    at : str
        The timestamp, which may name a row together with others.
    labels : pyarrow.Table, optional
        Labels from elsewhere: the id must be there too.
    label_inside : bool
        Whether the prediction rows hold the label, which needs an id as well.

    Raises
    ------
    ConfigError
        When labels from elsewhere have no column by which they could be joined.
    """
    free = [f for f in facts.values() if f.name not in taken and _can_name(f)]
    free.sort(key=lambda f: strength("id", f.name))
    if labels is not None:
        common = [f for f in free if f.name in labels.column_names]
        return _joining(rows, labels, common, facts, at)
    for found in free:
        if found.unique and (found.kind == "text" or hint("id", found.name) is not None):
            return Guess(
                "columns.id", found.name, _unique(found), hint("id", found.name) is not None
            )
    for found in free:
        if found.unique:
            return Guess(
                "columns.id", found.name, _unique(found) + "; if chance, take it out", False
            )
    if label_inside:
        several = _together(rows, [f.name for f in facts.values() if _can_join(f)], at)
        if several:
            return several
    return Guess("columns.id", None, "no column is different in every row", sure=not label_inside)


def _can_name(facts: Facts) -> bool:
    if facts.name.startswith(WRITTEN_BY_PANDAS):
        return False
    return facts.kind == "text" or (facts.kind == "number" and facts.whole)


def _can_join(facts: Facts) -> bool:
    return _can_name(facts) or facts.kind in ("moment", "boolean")


def _unique(facts: Facts) -> str:
    repeated = facts.present - facts.distinct
    return (
        f"different in every row of {facts.rows}"
        if not repeated
        else f"{repeated} of {facts.rows} rows repeat one"
    )


def _joining(
    rows: pa.Table,
    labels: pa.Table,
    common: Sequence[Facts],
    facts: Mapping[str, Facts],
    at: str,
) -> Guess:
    for found in common:
        if found.unique and (share := _met(rows, labels, [found.name])):
            why = f"{_unique(found)}; {100 * share:.0f} % of the labels looked at belong to a row"
            return Guess("columns.id", found.name, why)
    shared = [f.name for f in facts.values() if f.name in labels.column_names and _can_join(f)]
    several = _together(rows, shared, at)
    if several and _met(rows, labels, list(several.value)):
        return several
    for found in common:
        if hint("id", found.name) is not None and _met(rows, labels, [found.name]):
            why = f"by its name; {_unique(found)}: labels of such rows cannot be told apart"
            return Guess("columns.id", found.name, why, sure=False)
    raise ConfigError(
        "labels: no column joins them to the predictions: both need an id of the same name, "
        "different in every prediction; the predictions have "
        f"{', '.join(facts)}; the labels have {', '.join(labels.column_names)}"
    )


def _met(rows: pa.Table, labels: pa.Table, columns: Sequence[str]) -> float:
    """Return the share of labels that belong to a row, or of rows that have a label."""
    left, right = keys(rows, columns), keys(labels, columns)
    here = pc.mean(pc.is_in(right, value_set=left, skip_nulls=True).cast(pa.int8())).as_py()
    there = pc.mean(pc.is_in(left, value_set=right, skip_nulls=True).cast(pa.int8())).as_py()
    return float(max(here or 0, there or 0))


def _together(rows: pa.Table, names: Sequence[str], at: str) -> Guess | None:
    """Find up to three columns that name a row together: those named so, then with the moment."""
    ordered = sorted(names, key=lambda n: (strength("id", n), n != at))
    for count in (1, 2, 3):
        for chosen in combinations(ordered[:_MOST_JOINT], count):
            found = keys(rows, chosen)
            if pc.count_distinct(found).as_py() > 0.99 * max(rows.num_rows, 1):
                why = f"together different in every row of {rows.num_rows}"
                return Guess("columns.id", list(chosen), why, sure=False)
    return None
