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
    INCIDENT,
    PAGE_INK,
    QUIET,
    VALUE,
    Span,
    data,
    finite,
    iso,
    themed,
    time_axis,
)


def _shades(incidents: Sequence[Span], span: Span) -> alt.Chart:
    rows = [{"t": iso(a), "u": iso(b)} for a, b in incidents]
    mark = alt.Chart(data(rows)).mark_rect(color=INCIDENT, opacity=0.25, clip=True)
    return mark.encode(x=time_axis(span), x2="u:T")


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
    incidents: Sequence[Span] = (),
    span: Span | None = None,
    percent: bool = False,
    title: str | None = None,
    size: tuple[int, int] = (440, 130),
    ink: str = PAGE_INK,
) -> Any | None:
    """Draw one check over windows: value, limit, alerts marked, incident spans shaded.

    Parameters
    ----------
    rows : DataFrame
        One key of a tidy history.
    incidents : sequence of (start, end)
        Spans to shade.
    span : (start, end), optional
        Of the time axis, so that charts of a page share it.

    Returns
    -------
    altair chart or None
        None where no window has a value: there is nothing to draw.
    """
    if rows["value"].notna().sum() == 0:
        return None
    span = span or (rows["window_start"].min(), rows["window_end"].max())
    points = [
        {
            "t": iso(r.window_start),
            "v": finite(r.value),
            "limit": finite(r.threshold),
            "alert": r.status == "alert",
            "critical": r.severity == "critical",
            "judged": bool(r.judged),
        }
        for r in rows.itertuples()
    ]
    y = alt.Y(
        "v:Q",
        scale=alt.Scale(domain=_y_domain(rows), zero=False, nice=True),
        axis=alt.Axis(title=None, tickCount=4, format="~%" if percent else "~g"),
    )
    base = alt.Chart(data(points)).encode(x=time_axis(span))
    line = base.mark_line(color=VALUE, strokeWidth=1.6, clip=True, point=_dots(rows)).encode(y=y)
    limit = base.mark_line(
        color=ink, opacity=0.75, strokeDash=[5, 3], strokeWidth=1.2, interpolate="step-after"
    ).encode(y=alt.Y("limit:Q"))
    layers = [_shades(incidents, span)] if incidents else []
    layers += [limit] if rows["threshold"].notna().any() else []
    layers += [line, *_marks(base, y, size[1])]
    return themed(alt.layer(*layers), title, size, ink)


def _dots(rows: pd.DataFrame) -> Any:
    # A value between two windows without one would leave no trace as a line.
    few = rows["value"].notna().sum() <= 60
    return alt.OverlayMarkDef(size=9 if few else 3, color=VALUE, filled=True)


def _marks(base: Any, y: alt.Y, height: int) -> list[Any]:
    alerts = base.transform_filter("datum.alert && datum.critical && datum.v != null").mark_point(
        shape="diamond", filled=True, color=ALERT, size=60, opacity=1
    )
    warnings = base.transform_filter("datum.alert && !datum.critical && datum.v != null")
    hollow = warnings.mark_point(shape="diamond", filled=False, color=ALERT, size=45)
    unjudged = base.transform_filter("!datum.judged").mark_point(
        shape="cross", filled=True, color=QUIET, size=22, opacity=1, angle=45
    )
    return [
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
) -> Any | None:
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
    y = alt.Y("v:Q", axis=alt.Axis(title=None, tickCount=4, format="~s"))
    base = alt.Chart(data(bars)).encode(x=time_axis(span))
    bar = base.mark_rect(color=VALUE, opacity=0.75, clip=True).encode(
        x2="u:T", y=y, y2=alt.Y2Value(size[1])
    )
    empty = base.transform_filter("datum.v == 0").mark_point(
        shape="cross", filled=True, color=QUIET, size=22, opacity=1, angle=45
    )
    layers = [_shades(incidents, span)] if incidents else []
    layers += [bar, empty.encode(y=alt.value(size[1] - 4))]
    return themed(alt.layer(*layers), title, size, ink)
