"""The strip: checks x windows, coloured by how far each value is along the way to its limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from monitoring_sdk.render.numbers import short
from monitoring_sdk.render.tidy import checks_of
from monitoring_sdk.render.vega import (
    INCIDENT,
    PAGE_INK,
    QUIET,
    Drawing,
    Span,
    iso,
    named,
    time_axis,
)
from monitoring_sdk.render.words import title as title_of

# (upper end of the share of the limit, name, colour): light to dark towards the limit, then warm.
CLASSES: tuple[tuple[float, str, str], ...] = (
    (0.5, "under half of the limit", "#d6e6f4"),
    (0.8, "half to 0.8", "#9cc3e3"),
    (1.0, "0.8 to the limit", "#4f8fc4"),
    (1.5, "beyond, to 1.5 times", "#f0a35e"),
    (3.0, "1.5 to 3 times", "#d4590e"),
    (np.inf, "over 3 times", "#7a2a00"),
)
NO_LIMIT = ("without a limit", "#e4e4e4")
UNJUDGED, ERROR = ("not judged", QUIET), ("error", "#1a1a1a")
NAME_MAX = 34


def legend() -> list[tuple[str, str]]:
    """Return the strip's classes: name and colour."""
    return [*((name, colour) for _, name, colour in CLASSES), NO_LIMIT, UNJUDGED, ERROR]


def _class_of(rows: pd.DataFrame) -> pd.Series:
    ends = np.array([c[0] for c in CLASSES])
    names = np.array([c[1] for c in CLASSES], dtype=object)
    # A value at its limit is within it; searching from the left keeps 1.0 in "to the limit".
    place = np.minimum(np.searchsorted(ends, rows["ratio"].fillna(0.0)), len(names) - 1)
    found = pd.Series(names[place], index=rows.index)
    alone = rows["ratio"].isna()
    found = found.mask(alone, NO_LIMIT[0]).mask(alone & rows["status"].eq("alert"), CLASSES[3][1])
    found = found.where(rows["judged"], UNJUDGED[0])
    return found.where(rows["status"] != "error", ERROR[0])


def _runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Merge neighbouring windows of one class: a strip of 8000 cells becomes a few hundred."""
    rows = rows.assign(cls=_class_of(rows)).sort_values(["key", "window_end"])
    new = (
        (rows["key"] != rows["key"].shift())
        | (rows["cls"] != rows["cls"].shift())
        | (rows["window_start"] != rows["window_end"].shift())
    )
    return rows.groupby(new.cumsum()).agg(
        key=("key", "first"),
        cls=("cls", "first"),
        t=("window_start", "first"),
        u=("window_end", "last"),
    )


def titles(rows: pd.DataFrame, keys: Sequence[str]) -> dict[str, str]:
    """Name checks by the fields that a tidy history has of them."""
    first = rows[rows["key"].isin(keys)].drop_duplicates("key")
    return dict(zip(first["key"], map(title_of, checks_of(first)), strict=True))


def row_names(named: Mapping[str, str]) -> dict[str, str]:
    """Make the names of a strip's checks short, each once.

    Examples
    --------
    >>> row_names({"drift/psi/a": "a: PSI", "drift/psi/a ": "a: PSI"})
    {'drift/psi/a': 'a: PSI', 'drift/psi/a ': 'a: PSI (2)'}
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for key, text in named.items():
        name = short(text, NAME_MAX)
        count = 2
        while name in taken:
            name = f"{short(text, NAME_MAX - 5)} ({count})"
            count += 1
        taken.add(name)
        names[key] = name
    return names


def strip_chart(
    rows: pd.DataFrame,
    keys: Sequence[str],
    *,
    incidents: Sequence[Span] = (),
    span: Span | None = None,
    title: str | None = None,
    width: int = 760,
    ink: str = PAGE_INK,
) -> Drawing | None:
    """Draw checks x windows, coloured by the value's share of its limit.

    Windows that could not be judged are thin bars, so that they never look like good ones.

    Parameters
    ----------
    rows : DataFrame
        A tidy history.
    keys : sequence of str
        The checks to draw, from top to bottom.
    """
    rows = rows[rows["key"].isin(keys)]
    if rows.empty:
        return None
    span = span or (rows["window_start"].min(), rows["window_end"].max())
    named_checks = titles(rows, keys)
    keys = [k for k in keys if k in named_checks]
    names = row_names({k: named_checks[k] for k in keys})
    runs = [
        {"y": names[str(r.key)], "c": r.cls, "t": iso(r.t), "u": iso(r.u)}
        for r in _runs(rows).itertuples()
    ]
    order = [names[k] for k in keys]
    step, incident = 15, "incident"
    y = alt.Y(
        "y:N",
        scale=alt.Scale(domain=[incident, *order] if incidents else order, paddingInner=0.12),
        axis=alt.Axis(title=None, labelLimit=240, ticks=False, domain=False),
    )
    classes = legend()
    colour = alt.Color(
        "c:N",
        scale=alt.Scale(domain=[c[0] for c in classes], range=[c[1] for c in classes]),
        legend=None,
    )
    layers = [_strip_layer(True, y, colour, span), _strip_layer(False, y, colour, span)]
    if incidents:
        bars = alt.Chart(named("incidents")).mark_rect(color=INCIDENT, clip=True)
        layers.append(bars.encode(x=time_axis(span), x2="u:T", y=y))
    height = step * (len(order) + bool(incidents))
    thin = {UNJUDGED[0], ERROR[0]}
    named_rows: dict[str, list[dict[str, Any]]] = {
        "judged": [r for r in runs if r["c"] not in thin],
        "unjudged": [r for r in runs if r["c"] in thin],
        "incidents": [{"y": incident, "t": iso(a), "u": iso(b)} for a, b in incidents],
    }
    return Drawing(alt.layer(*layers), named_rows, (width, height), title, ink)


def _strip_layer(judged: bool, y: alt.Y, colour: alt.Color, span: Span) -> Any:
    if judged:
        marked = alt.Chart(named("judged")).mark_rect(clip=True)
    else:
        marked = alt.Chart(named("unjudged")).mark_bar(clip=True, height=4)
    return marked.encode(x=time_axis(span), x2="u:T", y=y, color=colour)
