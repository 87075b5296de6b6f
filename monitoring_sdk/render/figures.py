"""Which charts a page shows, and each with its caption: the key ones and the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from monitoring_sdk.render.charts import check_chart, rows_chart
from monitoring_sdk.render.numbers import moment, number, pair, short, unit_of
from monitoring_sdk.render.strip import strip_chart, titles
from monitoring_sdk.render.tidy import checks_of, ranked
from monitoring_sdk.render.vega import Span, svg
from monitoring_sdk.render.words import FAMILY_ORDER, title

STRIP_ROWS = 36
PERFORMANCE, DRIFT, QUALITY, OPERATIONS = 7, 6, 2, 2
CONCEPT, GAP = "performance/concept_drift", "concept_gap@"


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
    """Choose at most 17 checks to draw.

    Parameters
    ----------
    frame : DataFrame
        A tidy history.
    order : sequence of str
        Keys in the order of the monitor file, for the performance charts.
    """
    recent = _with_values(ranked(frame))
    ever = _with_values(ranked(frame, recent=max(1, frame["window_end"].nunique())))
    # Of slices only what alerts is drawn: they are many, and have tables of their own.
    recent, ever = ([r for r in table if _of_all(r) or r["critical"]] for table in (recent, ever))
    place = {key: i for i, key in enumerate(order)}
    performance = _performance(recent)
    sliced = {r["key"] for r in recent if not _of_all(r)}
    performance.sort(key=lambda k: (k in sliced, k != CONCEPT, place.get(k, len(place))))
    newest = _one_a_column(recent)[: DRIFT - 2]
    # What drifted long ago explains the incidents of the page, after what drifts now.
    older = _one_a_column([*newest, *ever, *recent])[len(newest) :]
    quality = [r["key"] for r in ever if r["family"] == "quality" and r["alerts"] > 0]
    operations = [r["key"] for r in recent if r["family"] == "operations" and r["name"] != "rows"]
    return Chosen(
        tuple(performance[:PERFORMANCE]),
        tuple(r["key"] for r in [*newest, *older][:DRIFT]),
        tuple(quality[:QUALITY]),
        tuple(operations[:OPERATIONS]),
    )


def _performance(ranks: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Return the keys of performance: an estimate is drawn beside what it is an estimate of."""
    realised = {r["name"] for r in ranks if r["family"] == "performance"}
    return [
        r["key"]
        for r in ranks
        if (r["family"] == "performance" and not r["name"].startswith(GAP))
        or (r["family"] == "estimate" and r["name"].partition("@")[0] not in realised)
    ]


def _of_all(rank: Mapping[Any, Any]) -> bool:
    return not isinstance(rank["segment"], Mapping | str) and not isinstance(rank["version"], str)


def _with_values(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return [r for r in table.to_dict("records") if r["values"] > 0]


def _one_a_column(ranks: Sequence[dict[Any, Any]]) -> list[dict[Any, Any]]:
    """Keep the first drift check of each column: several methods on it tell the same story."""
    first: dict[tuple[str, object], dict[Any, Any]] = {}
    for rank in ranks:
        if rank["family"] in ("drift", "prediction"):
            first.setdefault((rank["family"], rank["column"]), rank)
    return list(first.values())


def check_figures(
    frame: pd.DataFrame, keys: Sequence[str], incidents: Sequence[Span], span: Span, timezone: str
) -> list[Figure]:
    """Draw checks over windows, each with its newest value in words."""
    figures = []
    for key in keys:
        rows = frame[frame["key"] == key]
        name = str(rows["name"].iloc[0])
        estimated = frame[frame["key"] == key.replace("performance/", "estimate/", 1)]
        estimated = estimated if key.startswith("performance/") else estimated.iloc[:0]
        chart = check_chart(
            rows,
            estimated=estimated,
            incidents=incidents,
            span=span,
            percent=unit_of(name) == "%",
        )
        if chart is None:
            continue
        newest = rows[rows["value"].notna()].tail(1)
        check = checks_of(newest)[0]
        name_of = title(check)
        at = moment(newest["window_start"].iloc[0].to_pydatetime(), timezone)
        value, limit = pair(check.value, check.threshold, unit_of(name))
        said = f"{value} on {at}" + ("" if check.threshold is None else f", limit {limit}")
        alerts = int((rows["status"] == "alert").sum())
        missing = int((~rows["judged"]).sum())
        caption = f"{said}; {_counted(len(rows), alerts, missing)}"
        if estimated["value"].notna().any():
            caption += "; dotted: estimated"
        figures.append(Figure(name_of, caption, svg(chart, name_of, caption)))
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
    named = titles(frame, keys[:5])
    worst = ", ".join(short(named[k], 40) for k in keys[:5])
    caption = f"Value as a share of its limit, {which}, a column for each window"
    return Figure("Timeline", caption, svg(chart, caption, f"From the top: {worst}"))
