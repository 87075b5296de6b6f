"""Which charts a page shows, and each with its caption: the key ones and the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from monitoring_sdk.render.charts import check_chart, rows_chart
from monitoring_sdk.render.numbers import moment, number, pair, short, unit_of
from monitoring_sdk.render.strip import strip_chart
from monitoring_sdk.render.tidy import checks_of, ranked
from monitoring_sdk.render.vega import Span, svg
from monitoring_sdk.render.words import key_words

STRIP_ROWS = 36
PERFORMANCE, DRIFT, QUALITY, OPERATIONS = 6, 6, 2, 2
FAMILY_ORDER = ("performance", "estimate", "prediction", "drift", "quality", "operations")


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart as SVG text, what it shows, and its newest value in words."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The keys to draw, by section of the page."""

    performance: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()


def choose(frame: pd.DataFrame, order: Sequence[str] = ()) -> Chosen:
    """Choose at most 16 checks to draw.

    Parameters
    ----------
    frame : DataFrame
        A tidy history.
    order : sequence of str
        Keys in the order of the monitor file, for the performance charts.
    """
    recent = ranked(frame)
    recent = recent[recent["values"] > 0]
    ever = ranked(frame, recent=max(1, frame["window_end"].nunique()))
    ever = ever[ever["values"] > 0]
    place = {key: i for i, key in enumerate(order)}
    performance = recent[recent["family"].isin(["performance", "estimate"])]["key"].tolist()
    performance.sort(key=lambda k: place.get(k, len(place)))
    both = pd.concat([recent.head(60), ever, recent])
    drift = both[both["family"].isin(["drift", "prediction"])]
    # One chart a column: several methods on one column tell the same story.
    first = drift.drop_duplicates("key").drop_duplicates(["family", "column"])
    recent_part = first[first["key"].isin(recent.head(60)["key"])].head(DRIFT - 2)
    rest = ever[ever["key"].isin(drift["key"])].drop_duplicates(["family", "column"])
    taken = list(zip(recent_part["family"], recent_part["column"], strict=True))
    rest = rest[[(f, c) not in taken for f, c in zip(rest["family"], rest["column"], strict=True)]]
    drifting = [*recent_part["key"], *rest["key"]][:DRIFT]
    quality = ever[(ever["family"] == "quality") & (ever["alerts"] > 0)]["key"].tolist()
    operations = recent[(recent["family"] == "operations") & (recent["name"] != "rows")]["key"]
    return Chosen(
        tuple(performance[:PERFORMANCE]),
        tuple(drifting),
        tuple(quality[:QUALITY]),
        tuple(operations.tolist()[:OPERATIONS]),
    )


def check_figures(
    frame: pd.DataFrame, keys: Sequence[str], incidents: Sequence[Span], span: Span, timezone: str
) -> list[Figure]:
    """Draw checks over windows, each with its newest value in words."""
    figures = []
    for key in keys:
        rows = frame[frame["key"] == key]
        name = str(rows["name"].iloc[0])
        chart = check_chart(rows, incidents=incidents, span=span, percent=unit_of(name) == "%")
        if chart is None:
            continue
        title = key_words(key)
        newest = rows[rows["value"].notna()].tail(1)
        check = checks_of(newest)[0]
        at = moment(newest["window_start"].iloc[0].to_pydatetime(), timezone)
        value, limit = pair(check.value, check.threshold, unit_of(name))
        said = f"{value} on {at}" + ("" if check.threshold is None else f", limit {limit}")
        alerts = int((rows["status"] == "alert").sum())
        missing = int((~rows["judged"]).sum())
        caption = f"{said}; {_counted(len(rows), alerts, missing)}"
        figures.append(Figure(title, caption, svg(chart, title, caption)))
    return figures


def _counted(windows: int, alerts: int, missing: int) -> str:
    text = f"{alerts:,} of {windows:,} windows beyond it"
    return f"{text}, {missing:,} not judged" if missing else text


def rows_figure(rows: pd.DataFrame, incidents: Sequence[Span], span: Span) -> Figure | None:
    """Draw the rows of each window."""
    chart = rows_chart(rows, incidents=incidents, span=span)
    if chart is None:
        return None
    counts = rows["rows"].fillna(0)
    caption = (
        f"Median {number(float(counts.median()))} rows a window; "
        f"{int((counts == 0).sum()):,} of {len(counts):,} windows without rows"
    )
    return Figure("Rows", caption, svg(chart, "Rows per window", caption))


def strip_keys(frame: pd.DataFrame, limit: int = STRIP_ROWS) -> list[str]:
    """Choose the checks of the strip: the worst, in the order of their families."""
    if frame.empty:
        return []
    table = ranked(frame, recent=frame["window_end"].nunique())
    errors = set(frame.loc[frame["status"] == "error", "key"])
    table = table[table["worst"].notna() | (table["alerts"] > 0) | table["key"].isin(errors)]
    places = {family: i for i, family in enumerate(FAMILY_ORDER)}
    kept = table.head(limit)
    rank = kept["family"].map(places).fillna(len(places))
    return list(kept.assign(rank=rank).sort_values("rank", kind="stable")["key"])


def strip_figure(frame: pd.DataFrame, incidents: Sequence[Span], span: Span) -> Figure | None:
    """Draw the strip of the worst checks."""
    keys = strip_keys(frame)
    chart = strip_chart(frame, keys, incidents=incidents, span=span) if keys else None
    if chart is None:
        return None
    total = frame["key"].nunique()
    which = f"the worst {len(keys)} of {total:,} checks" if total > len(keys) else "all checks"
    worst = ", ".join(short(key_words(k), 40) for k in keys[:5])
    caption = f"Value as a share of its limit, {which}, a column for each window"
    return Figure("Timeline", caption, svg(chart, caption, f"From the top: {worst}"))
