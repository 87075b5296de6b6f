"""The reliability curve: how often what was scored so high came true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from monitoring_sdk.render.figures import Figure
from monitoring_sdk.render.numbers import window_words
from monitoring_sdk.render.vega import ESTIMATE, PAGE_INK, VALUE, Drawing, named, svg
from monitoring_sdk.report import Check, Report

RELIABILITY = "reliability"
TITLE = "Reliability"


def reliability_chart(
    bins: Sequence[Sequence[float]], *, size: tuple[int, int] = (420, 150), ink: str = PAGE_INK
) -> Drawing:
    """Draw the share of positives over the mean score, with intervals, beside the diagonal.

    Parameters
    ----------
    bins : sequence of (rows, mean score, share, low, high)
    """
    points = [
        {"n": n, "score": score, "share": share, "low": low, "high": high}
        for n, score, share, low, high in bins
    ]
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("score:Q", scale=scale, axis=alt.Axis(title="mean score", tickCount=5, grid=False))
    y = alt.Y("share:Q", scale=scale, axis=alt.Axis(title="came true", tickCount=5))
    base = alt.Chart(named("bins"))
    diagonal = (
        alt.Chart(named("diagonal"))
        .mark_line(color=ESTIMATE, strokeDash=[2, 2], strokeWidth=1.1)
        .encode(x=x, y=y)
    )
    interval = base.mark_rule(color=VALUE, opacity=0.6).encode(
        x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q"
    )
    dots = base.mark_point(shape="circle", filled=True, color=VALUE, size=30, opacity=1)
    ends = [{"score": v, "share": v} for v in (0.0, 1.0)]
    return Drawing(
        alt.layer(diagonal, interval, dots.encode(x=x, y=y)),
        {"bins": points, "diagonal": ends},
        size,
        None,
        ink,
    )


def reliability_figure(reports: Sequence[Report], timezone: str) -> Figure | None:
    """Draw the curve of the newest window that has one; None where none has."""
    for report in sorted(reports, key=lambda r: r.window.end, reverse=True):
        check = next((c for c in report.checks if _bins(c)), None)
        if check is None:
            continue
        at = window_words(check.window, timezone)
        rows = sum(int(b[0]) for b in _bins(check))
        caption = f"{rows:,} labelled rows of {at}; on the dotted line scores are probabilities"
        return Figure(TITLE, caption, svg(reliability_chart(_bins(check)), TITLE, caption))
    return None


def _bins(check: Check) -> Sequence[Any]:
    return () if check.state is None else check.state.get(RELIABILITY, ())
