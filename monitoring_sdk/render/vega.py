"""What every chart shares: colours, the time axis, the theme, and the way to SVG and PNG.

Colours are from Okabe and Ito's set, which people with colour-vision deficiencies can tell apart.
Text takes the page's colour (`PAGE_INK`), so that one SVG serves light and dark pages.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

from monitoring_sdk.render.numbers import short

Span = tuple[datetime, datetime]

VALUE, ALERT, INCIDENT, QUIET = "#0072b2", "#d55e00", "#e69f00", "#8c8c8c"
ESTIMATE = "#009e73"
PAGE_INK, PAPER_INK = "currentColor", "#24292f"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Layers and, apart from them, the rows that they name, the size and the look.

    altair copies a chart deeply at every step; what is added at the very end costs nothing.
    """

    chart: Any
    rows: Mapping[str, Sequence[dict[str, Any]]]
    size: tuple[int, int]
    title: str | None = None
    ink: str = PAGE_INK

    def to_dict(self) -> dict[str, Any]:
        """Return the Vega-Lite specification with its rows."""
        # The charts here are fixed; that altair's schema accepts them is a test, not a daily cost.
        spec: dict[str, Any] = self.chart.to_dict(validate=False)
        spec |= {"width": self.size[0], "height": self.size[1], "config": theme(self.ink)}
        if self.title:
            spec["title"] = short(self.title, 90)
        return spec | {"datasets": {name: list(rows) for name, rows in self.rows.items()}}


def named(rows: str) -> alt.NamedData:
    """Name the rows of a layer; the `Drawing` brings them."""
    return alt.NamedData(rows)


def iso(at: Any) -> str:
    """Write a moment as Vega reads it."""
    return pd.Timestamp(at).isoformat()


def finite(value: Any) -> float | None:
    """Return a number that JSON can carry, or None."""
    return float(value) if np.isfinite(value) else None


def time_axis(span: Span) -> alt.X:
    """Return the axis of logical time, the same for all charts of a page."""
    scale = alt.Scale(type="utc", domain=[iso(t) for t in span])
    axis = alt.Axis(title=None, tickCount=6, labelFlush=True, grid=False)
    return alt.X("t:T", scale=scale, axis=axis)


def theme(ink: str) -> dict[str, Any]:
    """Return the look of all charts; `ink` colours texts, axes and grid."""
    axis = {f"{part}Color": ink for part in ("label", "title", "tick", "domain", "grid")}
    return {
        "background": "transparent" if ink == PAGE_INK else "white",
        "font": "sans-serif",
        "aria": False,
        "view": {"stroke": None},
        "axis": axis
        | {"gridOpacity": 0.13, "domainOpacity": 0.4, "tickOpacity": 0.4, "labelFontSize": 11},
        "title": {"color": ink, "fontSize": 13, "anchor": "start"},
    }


def _vl_version() -> str | None:
    """Return the Vega-Lite that vl-convert holds nearest to the one altair writes."""
    wanted = str(alt.SCHEMA_VERSION).removeprefix("v").split(".")[:2]
    held: list[list[str]] = [str(v).split(".") for v in vl_convert.get_vegalite_versions()]
    if wanted in held:
        return ".".join(wanted)
    same = [v for v in held if v[0] == wanted[0]]
    newest = max(same, key=lambda v: int(v[1]), default=None)
    return None if newest is None else ".".join(newest)


def svg(drawing: Drawing, title: str, description: str = "") -> str:
    """Turn a chart into SVG that can stand inside a page beside others.

    It carries a title and a description for screen readers, and ids of its own.
    """
    text: str = vl_convert.vegalite_to_svg(drawing.to_dict(), vl_version=_vl_version())
    # Vega numbers its clips across the process: count afresh, so that a chart is always the same.
    clips: dict[str, str] = {}
    text = re.sub(r"\bclip\d+\b", lambda m: clips.setdefault(m[0], f"clip{len(clips)}"), text)
    tag = "c" + hashlib.sha256((title + text).encode()).hexdigest()[:10]
    text = re.sub(r'\bid="', f'id="{tag}-', text)
    text = text.replace("url(#", f"url(#{tag}-").replace('xlink:href="#', f'xlink:href="#{tag}-')
    said = f'<title id="{tag}-title">{escape(title)}</title>'
    said += f'<desc id="{tag}-desc">{escape(description or title)}</desc>'
    label = f'role="img" aria-labelledby="{tag}-title {tag}-desc"'
    return re.sub(r"<svg ([^>]*)>", lambda m: f"<svg {label} {m[1]}>{said}", text, count=1)


def png(drawing: Drawing, scale: float = 2.0) -> bytes:
    """Turn a chart into PNG bytes, for artifacts; build it with `ink=PAPER_INK`."""
    found: bytes = vl_convert.vegalite_to_png(
        drawing.to_dict(), vl_version=_vl_version(), scale=scale
    )
    return found
