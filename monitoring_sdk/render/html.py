"""A model's history as one HTML page that stands alone: no scripts, no requests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from monitoring_sdk.render import diagnosis
from monitoring_sdk.render.lines import badge, check_row, incident_row
from monitoring_sdk.render.numbers import NOTHING, moment, number, short
from monitoring_sdk.render.numbers import window_words as window_text
from monitoring_sdk.render.slices import beside, shown_in_full, whole, worst_segments
from monitoring_sdk.render.tidy import checks_of, incident_spans, tidy
from monitoring_sdk.render.words import (
    FAMILY_ORDER,
    STATUSES,
    words,
    worst_first,
)
from monitoring_sdk.report import Check, Incident, Report, Trigger

WINDOWS = 400


def safe_url(url: str | None) -> str | None:
    """Return an address that may stand in a page: http(s) alone, so that no link runs a script.

    Examples
    --------
    >>> safe_url("https://example.org/book"), safe_url("javascript:alert(1)")
    ('https://example.org/book', None)
    """
    return url if url and re.match(r"https?://", url, re.IGNORECASE) else None


def _by_family(check: Check) -> int:
    """Place what needs a look first; the others by family."""
    if check.status in ("alert", "error", "no_data"):
        return -1
    return FAMILY_ORDER.index(check.family)


def _newest(reports: Sequence[Report], frame: pd.DataFrame) -> tuple[Report | None, list[Check]]:
    report = max(reports, key=lambda r: r.window.end, default=None)
    if report is not None and report.checks:
        return report, worst_first(report.checks)
    if frame.empty:
        return report, []
    newest = frame[frame["window_end"] == frame["window_end"].max()]
    return report, worst_first(checks_of(newest))


def _rows(reports: Sequence[Report], frame: pd.DataFrame, windows: int) -> pd.DataFrame:
    if reports:
        ordered = sorted(reports, key=lambda r: r.window.end)[-windows:]
        table = pd.DataFrame(
            {
                "window_start": [r.window.start for r in ordered],
                "window_end": [r.window.end for r in ordered],
                "rows": [r.rows for r in ordered],
            }
        )
        table["rows"] = pd.to_numeric(table["rows"]).astype(float)
        return table
    found = frame[
        (frame["family"] == "operations")
        & (frame["name"] == "rows")
        & frame["segment"].isna()
        & frame["version"].isna()
    ]
    return found[["window_start", "window_end", "value"]].rename(columns={"value": "rows"})


def _fields(history: pd.DataFrame | None, reports: Sequence[Report]) -> dict[str, Check]:
    """Return a check for each key of a history, from the newest reports that have them."""
    wanted = set() if history is None or history.empty else set(history["key"].astype(str))
    found: dict[str, Check] = {}
    for report in sorted(reports, key=lambda r: r.window.end, reverse=True):
        if len(found) >= len(wanted):
            break
        found |= {c.key: c for c in report.checks if c.key in wanted}
    return found


def _newest_performance(reports: Sequence[Report]) -> list[Check]:
    """Return the newest performance that is judged: that of the newest window seldom is."""
    for report in sorted(reports, key=lambda r: r.window.end, reverse=True):
        found = [c for c in report.checks if c.family == "performance" and c.value is not None]
        if found:
            return found
    return []


def _judged_performance(frame: pd.DataFrame, timezone: str) -> tuple[str, list[str]]:
    """Return the newest window whose performance is judged, and its checks in words."""
    rows = frame[(frame["family"] == "performance") & frame["judged"]]
    if rows.empty:
        return "", []
    newest = rows[rows["window_end"] == rows["window_end"].max()]
    checks = sorted(worst_first(checks_of(newest)), key=lambda c: not (whole(c) or c.pages))
    return window_text(checks[0].window, timezone), [words(c) for c in checks[:3]]


def _sections(
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    incidents: Sequence[Incident],
    order: Sequence[str],
    timezone: str,
) -> dict[str, Any]:
    from monitoring_sdk.render import figures
    from monitoring_sdk.render.strip import legend

    spans = incident_spans(incidents, frame)
    ends = frame if not frame.empty else rows
    sections: dict[str, Any] = {"strip": None, "rows_figure": None, "legend": legend()}
    names = ("performance", "drift", "quality", "operations")
    if ends.empty:
        return sections | {f"{name}_figures": [] for name in names}
    span = (ends["window_start"].min(), ends["window_end"].max())
    if not rows.empty:
        sections["rows_figure"] = figures.rows_figure(rows, spans, span)
    sections["strip"] = figures.strip_figure(frame, spans, span)
    chosen = figures.choose(frame, order)
    for name in names:
        keys = getattr(chosen, name)
        sections[f"{name}_figures"] = figures.check_figures(frame, keys, spans, span, timezone)
    return sections


def _reliability(reports: Sequence[Report], timezone: str) -> list[Any]:
    from monitoring_sdk.render.reliability import reliability_figure

    figure = reliability_figure(reports, timezone)
    return [] if figure is None else [figure]


def _glance(
    report: Report | None, checks: Sequence[Check], incidents: Sequence[Incident], timezone: str
) -> dict[str, Any]:
    status = report.status if report else ("no_data" if not checks else "insufficient")
    if report is None and checks:
        status = "alert" if any(c.pages for c in checks) else "ok"
        status = status if any(c.status in ("ok", "alert") for c in checks) else "insufficient"
    window = report.window if report else (checks[0].window if checks else None)
    reason = short(report.reason, 300) if report and report.reason else ""
    counts = Counter(str(c.status) for c in checks)
    opened = [i for i in incidents if i.closed is None]
    return {
        "status": badge(status),
        "window": window_text(window, timezone) if window else NOTHING,
        "reason": reason,
        "rows": number(report.rows) if report else NOTHING,
        "baseline": short(report.baseline) if report and report.baseline else NOTHING,
        "counts": [(badge(s), counts[s]) for s in STATUSES if counts[s]],
        "alerts": [words(c) for c in checks if c.status == "alert"][:3],
        "open": [
            {"since": moment(i.opened, timezone), "families": ", ".join(i.families)} for i in opened
        ],
    }


def _diagnosis(reports: Sequence[Report], timezone: str) -> dict[str, Any] | None:
    """Return the newest diagnosis there is, and the window that it was made in."""
    known = [r for r in reports if r.diagnosis is not None]
    if not known:
        return None
    newest = max(known, key=lambda r: r.window.end)
    found = newest.diagnosis
    return {
        "window": window_text(newest.window, timezone),
        "kind": short(found["kind"]) if found else NOTHING,
        "sentence": diagnosis.sentence(found),
        "parts": diagnosis.parts(found),
        "head": diagnosis.HEAD,
        "segments": diagnosis.segments(found),
    }


def html_report(
    model: str,
    owner: Any = None,
    history: pd.DataFrame | None = None,
    *,
    generated_at: datetime,
    reports: Sequence[Report] = (),
    incidents: Sequence[Incident] = (),
    triggers: Sequence[Trigger] = (),
    timezone: str = "UTC",
    windows: int = WINDOWS,
) -> str:
    """Write a model's history as one self-contained HTML page.

    Parameters
    ----------
    owner : object with `team`, `mention` and `runbook`, optional
        As `config.owner`.
    history : DataFrame
        A row per check and window, as `Store.history` gives it.
    generated_at : datetime
        Written on the page; nothing else depends on the clock.
    reports : sequence of Report
        The newest verdict of each window. The newest one is shown in full; without any, the
        newest window of the history is.
    timezone : str
        In which days and times are written.
    windows : int
        The charts show the newest so many windows; incidents are listed all.

    Returns
    -------
    str
        HTML whose policy forbids scripts and requests; every name in it is escaped.
    """
    import jinja2
    from markupsafe import Markup

    frame = tidy(history, windows, _fields(history, reports))
    report, checks = _newest(reports, frame)
    judged, performance = _judged_performance(frame, timezone)
    newest_first = sorted(incidents, key=lambda i: i.opened, reverse=True)
    rows = _rows(reports, frame, windows)
    context = _sections(frame, rows, incidents, [c.key for c in checks], timezone)
    context["performance_figures"] += _reliability(reports, timezone)
    listed = [c for c in checks if shown_in_full(c)]
    versions, rows_beside = beside([*checks, *_newest_performance(reports)])
    told = {key for i in incidents for key in i.checks}
    every = (c for r in reports for c in r.checks)
    known = {(c.key, c.window): c for c in every if c.exceeded and c.key in told}
    context |= {
        "model": short(model, 100),
        "owner": owner,
        "runbook": safe_url(getattr(owner, "runbook", None)),
        "generated_at": generated_at.isoformat(timespec="seconds"),
        "timezone": timezone,
        "glance": _glance(report, checks, newest_first, timezone),
        "judged": judged,
        "performance": performance,
        "diagnosis": _diagnosis(reports, timezone),
        "incidents": [incident_row(i, frame, triggers, timezone, known) for i in newest_first],
        "findings": [words(c) for c in checks if c.family == "quality" and c.status != "ok"],
        "quality_checks": sum(c.family == "quality" for c in checks),
        "checks": [check_row(c) for c in sorted(listed, key=_by_family)],
        "unlisted": len(checks) - len(listed),
        "segments": worst_segments(checks),
        "versions": versions,
        "beside": rows_beside,
        "statuses": [badge(s) for s in STATUSES],
        "shown": int(frame["window_end"].nunique()),
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("monitoring_sdk.render", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # Only what vega.svg wrote, which escapes its texts, is trusted as markup.
    environment.filters["drawn"] = Markup
    return environment.get_template("report.html.j2").render(context)
