"""Why a window paged, or did not, in words and one chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import altair as alt

from monitoring_sdk.render.numbers import moment, number, window_words
from monitoring_sdk.render.vega import (
    ALERT,
    INCIDENT,
    PAPER_INK,
    QUIET,
    VALUE,
    Drawing,
    Span,
    iso,
    named,
    time_axis,
)
from monitoring_sdk.render.words import words
from monitoring_sdk.report import Check, Incident
from monitoring_sdk.window import Window

TOP = 5


def explain_text(document: Mapping[str, Any], timezone: str = "UTC") -> str:
    """Write what `monitoring explain` found.

    Parameters
    ----------
    document : mapping
        Its JSON document.
    timezone : str
        In which times are written.
    """
    window = Window.from_dict(document["window"])
    paging = [Check.from_dict(c) for c in document["paging"]]
    nearest = [Check.from_dict(c) for c in document["nearest"]]
    lines = [f"{document['model']} {window_words(window, timezone)}: {_verdict(document)}"]
    if paging:
        lines += ["", f"What pages ({len(paging)}):"]
        lines += [f"  {words(c)}{_why(c)}" for c in paging[: 2 * TOP]]
        lines += [f"  +{len(paging) - 2 * TOP} more"] if len(paging) > 2 * TOP else []
    if nearest:
        lines += ["", "What came nearest without paging:"]
        lines += [f"  {number(c.score, '%', 2):>5}  {words(c)}{_held(c)}" for c in nearest[:TOP]]
    lines += ["", *_basis(document)]
    if document["not_judged"]:
        said = ", ".join(f"{n} {status}" for status, n in document["not_judged"].items())
        lines.append(f"Not judged: {said}.")
    for one in document["incidents"]:
        lines.append(_incident(one, str(document["model"]), timezone))
    if document.get("chart"):
        lines.append(f"Chart: {document['chart']}")
    return "\n".join(lines)


def _verdict(document: Mapping[str, Any]) -> str:
    if document["paged"]:
        return "it paged: an incident opened with it"
    if document["paging"] and document["incidents"]:
        return "no page of its own: what alerts belongs to an incident that is told already"
    if document["paging"]:
        return "its checks alert, but it was revised after its time: no incident opens by that"
    if document["status"] == "ok":
        return "no page: nothing passed its threshold"
    return f"no page: {str(document['status']).replace('_', ' ')}"


def _why(check: Check) -> str:
    origin = {"user": "a limit of the monitor file", "contract": "a hard contract"}
    said = origin.get(check.threshold_from or "")
    return f" [{said}]" if said else ""


def _held(check: Check) -> str:
    over = (check.score or 0) > 1
    return "; sure, but too small to page for" if over and not check.exceeded else ""


def _basis(document: Mapping[str, Any]) -> list[str]:
    budget = document["budget"]
    if budget is None:
        return ["There is no budget here: fewer than five reference windows, or an old baseline."]
    later = budget["learned_windows"]
    since = f" and {later} since" if later else ""
    lines = [
        f"Budget {budget['budget']}: thresholds of {budget['watched']} values from "
        f"{budget['reference_windows']} reference windows{since}, simulated to give "
        f"{number(budget['expected_pages'], digits=2)} pages in "
        f"{budget['expected_in_windows']} windows without change.",
        f"Over the reference windows, each judged by the others, it would have paged "
        f"{number(budget['reference_pages_per_period'], digits=2)} times per budget period; "
        f"it looks back on {', '.join(str(h) for h in budget['horizons'])} windows.",
    ]
    if budget["bar"] > 1:
        lines.append(
            f"{budget['spent']} pages in the budget's period before it that nobody took for true: "
            f"thresholds stand {number(budget['bar'] - 1, '%', 2)} higher."
        )
    if budget["provisional"]:
        lines.append("With so few reference windows these thresholds are provisional.")
    return lines


def _incident(data: Mapping[str, Any], model: str, timezone: str) -> str:
    one = Incident.from_dict(model, data)
    end = "still open" if one.closed is None else f"closed {moment(one.closed, timezone)}"
    return (
        f"Incident {one.id}: opened {moment(one.opened, timezone)}, {end}, "
        f"{', '.join(one.families)}."
    )


def explain_chart(
    scores: Sequence[Mapping[str, Any]],
    window: Window,
    incidents: Sequence[tuple[datetime, datetime]] = (),
    *,
    title: str | None = None,
    size: tuple[int, int] = (640, 220),
) -> Drawing | None:
    """Draw how near each window came to a page; the line at 1 is the threshold.

    Parameters
    ----------
    scores : sequence of mappings
        `window`, `score` and `alert` of each, as in the JSON document.
    window : Window
        The one that is explained: a line marks it.
    incidents : sequence of (start, end)
        Spans to shade.
    """
    known = [s for s in scores if s["score"] is not None]
    if not known:
        return None
    windows = [Window.from_dict(s["window"]) for s in scores]
    span: Span = (windows[0].start, windows[-1].end)
    rows = [
        {"t": iso(w.start + (w.end - w.start) / 2), "v": s["score"], "alert": s["alert"]}
        for w, s in zip(windows, scores, strict=True)
    ]
    top = max(1.2, *(min(s["score"], 6.0) for s in known)) * 1.05
    axis = alt.Axis(title="score over threshold", tickCount=5, format=".1f")
    y = alt.Y("v:Q", scale=alt.Scale(domain=[0, top], clamp=True), axis=axis)
    base = alt.Chart(named("windows")).encode(x=time_axis(span))
    alerts = base.transform_filter("datum.alert && datum.v != null")
    unjudged = base.transform_filter("datum.v == null")
    shades = alt.Chart(named("incidents")).mark_rect(color=INCIDENT, opacity=0.25, clip=True)
    layers = [
        shades.encode(x=time_axis(span), x2="u:T"),
        alt.Chart(named("limit"))
        .mark_rule(color=PAPER_INK, strokeDash=[5, 3], strokeWidth=1.3)
        .encode(y=alt.Y("v:Q")),
        alt.Chart(named("this")).mark_rule(color=QUIET, strokeWidth=1.3).encode(x=time_axis(span)),
        base.mark_line(color=VALUE, strokeWidth=1.5).encode(y=y),
        base.mark_point(filled=True, color=VALUE, size=16, opacity=1).encode(y=y),
        alerts.mark_point(shape="diamond", filled=True, color=ALERT, size=70, opacity=1).encode(
            y=y
        ),
        unjudged.mark_point(shape="cross", color=QUIET, size=22, angle=45).encode(
            y=alt.value(size[1] - 4)
        ),
    ]
    middle = window.start + (window.end - window.start) / 2
    data = {
        "windows": rows,
        "limit": [{"v": 1.0}],
        "this": [{"t": iso(middle)}],
        "incidents": [{"t": iso(a), "u": iso(b)} for a, b in incidents],
    }
    return Drawing(alt.layer(*layers), data, size, title, PAPER_INK)
