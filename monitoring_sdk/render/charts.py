"""Static charts of one check, or of the rows, over windows.

State is never told by colour alone: alerts are diamonds (hollow for warnings), windows that could
not be judged are crosses at the foot, incidents are shaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from monitoring_sdk.render.vega import (
    ALERT,
    ESTIMATE,
    INCIDENT,
    PAGE_INK,
    QUIET,
    VALUE,
    Drawing,
    Span,
    finite,
    iso,
    named,
    time_axis,
)

DOTS_MAX = 60
# Equal room for the labels keeps the charts of a page aligned.
EXTENT: dict[str, Any] = {"minExtent": 38}


def _shades(span: Span) -> alt.Chart:
    mark = alt.Chart(named("incidents")).mark_rect(color=INCIDENT, opacity=0.25, clip=True)
    return mark.encode(x=time_axis(span), x2="u:T")


def _shade_rows(incidents: Sequence[Span]) -> list[dict[str, Any]]:
    return [{"t": iso(a), "u": iso(b)} for a, b in incidents]


def _y_domain(rows: pd.DataFrame) -> list[float]:
    shown = pd.concat([rows["value"], rows["threshold"]]).dropna()
    low, high = float(shown.min()), float(shown.max())
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    # Distances and shares start at 0; a fitted metric would be a flat line there.
    below = rows["direction"].eq("below").any()
    start = low - margin if below or low < 0 else 0.0
    return [start, high + margin]


def check_chart(
    rows: pd.DataFrame,
    *,
    estimated: pd.DataFrame | None = None,
    incidents: Sequence[Span] = (),
    span: Span | None = None,
    percent: bool = False,
    title: str | None = None,
    size: tuple[int, int] = (440, 130),
    ink: str = PAGE_INK,
) -> Drawing | None:
    """Draw one check over windows: value, limit, alerts marked, incident spans shaded.

    Parameters
    ----------
    rows : DataFrame
        One key of a tidy history.
    estimated : DataFrame, optional
        The same metric as it was estimated without labels, drawn thinly beside it.
    incidents : sequence of (start, end)
        Spans to shade.
    span : (start, end), optional
        Of the time axis, so that charts of a page share it.

    Returns
    -------
    Drawing or None
        None where no window has a value: there is nothing to draw.
    """
    if rows["value"].notna().sum() == 0:
        return None
    span = span or (rows["window_start"].min(), rows["window_end"].max())
    points = _points(rows)
    beside = rows.iloc[:0] if estimated is None else estimated[estimated["value"].notna()]
    domain = _y_domain(pd.concat([rows, beside]))
    y = alt.Y(
        "v:Q",
        scale=alt.Scale(domain=domain, zero=False, nice=True),
        axis=alt.Axis(title=None, tickCount=4, format=_format(domain, percent), **EXTENT),
    )
    base = alt.Chart(named("windows")).encode(x=time_axis(span))
    line = base.mark_line(color=VALUE, strokeWidth=1.6, clip=True).encode(y=y)
    limit = (
        alt.Chart(named("limits"))
        .mark_line(
            color=ink, opacity=0.75, strokeDash=[5, 3], strokeWidth=1.2, interpolate="step-after"
        )
        .encode(x=time_axis(span), y=alt.Y("limit:Q"))
    )
    layers = [_shades(span)] if incidents else []
    layers += [limit] if rows["threshold"].notna().any() else []
    layers += [_estimate_line(span, y)] if len(beside) else []
    layers += [line, *_marks(base, y, size[1])]
    rows_of = {
        "windows": points,
        "estimates": _points(beside),
        "limits": _limits(rows),
        "incidents": _shade_rows(incidents),
    }
    return Drawing(alt.layer(*layers), rows_of, size, title, ink)


def _estimate_line(span: Span, y: alt.Y) -> Any:
    base = alt.Chart(named("estimates")).encode(x=time_axis(span), y=y)
    return base.mark_line(color=ESTIMATE, strokeWidth=1.1, strokeDash=[2, 2], clip=True)


def _points(rows: pd.DataFrame) -> list[dict[str, Any]]:
    known = rows["value"].notna()
    # A value between two windows without one would leave no trace as a line.
    alone = known & ~known.shift(1, fill_value=False) & ~known.shift(-1, fill_value=False)
    middles = rows["window_start"] + (rows["window_end"] - rows["window_start"]) / 2
    dots = known if known.sum() <= DOTS_MAX else alone
    return [
        {
            "t": iso(middle),
            "v": finite(r.value),
            "alert": r.status == "alert",
            "critical": r.severity == "critical",
            "judged": bool(r.judged),
            "dot": bool(dot),
        }
        for r, dot, middle in zip(rows.itertuples(), dots, middles, strict=True)
    ]


def _limits(rows: pd.DataFrame) -> list[dict[str, Any]]:
    # From the start of each window, and to the end of the last one.
    ends = [*rows["window_start"], rows["window_end"].iloc[-1]]
    values = [*rows["threshold"], rows["threshold"].iloc[-1]]
    return [{"t": iso(t), "limit": finite(v)} for t, v in zip(ends, values, strict=True)]


def _format(domain: Sequence[float], percent: bool) -> str:
    size = max(abs(d) for d in domain)
    if percent:
        return "~%"
    if size >= 1e4:
        return "~s"
    # A size of NaN (no rows are known) is no small number either.
    return ".2~e" if size < 1e-3 else ".4~f"


def _marks(base: Any, y: alt.Y, height: int) -> list[Any]:
    dots = base.transform_filter("datum.dot").mark_point(
        shape="circle", filled=True, color=VALUE, size=14, opacity=1
    )
    alerts = base.transform_filter("datum.alert && datum.critical && datum.v != null").mark_point(
        shape="diamond", filled=True, color=ALERT, size=60, opacity=1
    )
    warnings = base.transform_filter("datum.alert && !datum.critical && datum.v != null")
    hollow = warnings.mark_point(shape="diamond", filled=False, color=ALERT, size=45)
    unjudged = base.transform_filter("!datum.judged").mark_point(
        shape="cross", filled=True, color=QUIET, size=22, opacity=1, angle=45
    )
    return [
        dots.encode(y=y),
        alerts.encode(y=y),
        hollow.encode(y=y),
        unjudged.encode(y=alt.value(height - 4)),
    ]


def rows_chart(
    rows: pd.DataFrame,
    *,
    incidents: Sequence[Span] = (),
    span: Span | None = None,
    title: str | None = None,
    size: tuple[int, int] = (440, 130),
    ink: str = PAGE_INK,
) -> Drawing | None:
    """Draw the rows of each window; a window without rows gets a cross, not a gap.

    Parameters
    ----------
    rows : DataFrame
        Columns window_start, window_end, rows.
    """
    if rows.empty:
        return None
    span = span or (rows["window_start"].min(), rows["window_end"].max())
    bars = [
        {"t": iso(r.window_start), "u": iso(r.window_end), "v": finite(r.rows) or 0.0}
        for r in rows.itertuples()
    ]
    top = float(rows["rows"].max(skipna=True))
    style = _format([top], percent=False)
    y = alt.Y("v:Q", axis=alt.Axis(title=None, tickCount=4, format=style, **EXTENT))
    base = alt.Chart(named("windows")).encode(x=time_axis(span))
    bar = base.mark_rect(color=VALUE, opacity=0.75, clip=True).encode(
        x2="u:T", y=y, y2=alt.Y2Value(size[1])
    )
    empty = base.transform_filter("datum.v == 0").mark_point(
        shape="cross", filled=True, color=QUIET, size=22, opacity=1, angle=45
    )
    layers = [_shades(span)] if incidents else []
    layers += [bar, empty.encode(y=alt.value(size[1] - 4))]
    rows_of = {"windows": bars, "incidents": _shade_rows(incidents)}
    return Drawing(alt.layer(*layers), rows_of, size, title, ink)
