"""A model's history as one HTML page that stands alone: no scripts, no requests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from monitoring_sdk.render.figures import (
    FAMILY_ORDER,
    Figure,
    check_figures,
    choose,
    rows_figure,
    strip_figure,
)
from monitoring_sdk.render.numbers import NOTHING, moment, number, pair, short, unit_of
from monitoring_sdk.render.numbers import window_words as window_text
from monitoring_sdk.render.strip import legend
from monitoring_sdk.render.tidy import checks_of, incident_checks, incident_spans, tidy
from monitoring_sdk.render.words import (
    STATUSES,
    THRESHOLDS_FROM,
    key_words,
    label,
    status_label,
    subject,
    words,
    worst_first,
)
from monitoring_sdk.report import Check, Incident, Report, Trigger

WINDOWS = 400
MARKS: Mapping[str, str] = {"ok": "✓", "alert": "▲", "error": "✕", "no_data": "∅"}
OTHER_MARK = "○"


@dataclass(frozen=True, slots=True)
class Badge:
    """A status to show: its name, a mark for those who do not see the colour, what it means."""

    status: str
    text: str
    mark: str
    meaning: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A line of the table of checks."""

    family: str
    where: str
    what: str
    value: str
    threshold: str
    origin: str
    n: str
    badge: Badge
    severity: str
    reason: str


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """A line of the table of incidents."""

    id: str
    opened: str
    closed: str
    families: str
    checks: tuple[str, ...]
    more: int
    retraining: tuple[str, ...]


def badge(status: str) -> Badge:
    """Return how a status is shown.

    Examples
    --------
    >>> badge("no_data").text, badge("ok").mark
    ('no data', '✓')
    """
    return Badge(
        status, status_label(status), MARKS.get(status, OTHER_MARK), STATUSES.get(status, "")
    )


def check_row(check: Check) -> CheckRow:
    """Return a check as a line of the table."""
    value, threshold = pair(check.value, check.threshold, unit_of(check.name))
    arrow = {"above": "≤ ", "below": "≥ "}.get(check.direction or "", "")
    return CheckRow(
        family=check.family,
        where=subject(check) or NOTHING,
        what=label(check.name),
        value=value,
        threshold=threshold if check.threshold is None else arrow + threshold,
        origin=THRESHOLDS_FROM.get(check.threshold_from or "", NOTHING),
        n=NOTHING if check.n is None else f"{check.n:,}",
        badge=badge(check.status),
        severity=check.severity,
        reason=short(check.reason, 300) if check.reason else "",
    )


def incident_row(
    incident: Incident, frame: pd.DataFrame, triggers: Sequence[Trigger], timezone: str
) -> IncidentRow:
    """Return an incident as a line: its checks with the values they had, and what followed."""
    found = incident_checks(frame, incident)
    said = [words(c) for c in found] or [key_words(k) for k in incident.checks[:3]]
    lines = []
    for trigger in triggers:
        if trigger.incident == incident.id:
            at = moment(trigger.window_end, timezone)
            outcome = short(trigger.outcome, 300) if trigger.outcome else "outcome not known yet"
            lines += [
                f"{short(trigger.state)} for the window ending {at}: {outcome}",
                f"because {short(trigger.reason, 300)}",
            ]
    return IncidentRow(
        id=short(incident.id, 40),
        opened=moment(incident.opened, timezone),
        closed="open" if incident.closed is None else moment(incident.closed, timezone),
        families=", ".join(incident.families) or NOTHING,
        checks=tuple(said),
        more=max(0, len(incident.checks) - len(said)),
        retraining=tuple(lines),
    )


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
    found = frame[(frame["family"] == "operations") & (frame["name"] == "rows")]
    return found[["window_start", "window_end", "value"]].rename(columns={"value": "rows"})


def _judged_performance(frame: pd.DataFrame, timezone: str) -> tuple[str, list[str]]:
    """Return the newest window whose performance is judged, and its checks in words."""
    rows = frame[(frame["family"] == "performance") & frame["judged"]]
    if rows.empty:
        return "", []
    newest = rows[rows["window_end"] == rows["window_end"].max()]
    checks = worst_first(checks_of(newest))
    return window_text(checks[0].window, timezone), [words(c) for c in checks[:3]]


def _sections(
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    incidents: Sequence[Incident],
    order: Sequence[str],
    timezone: str,
) -> dict[str, Any]:
    spans = incident_spans(incidents, frame)
    ends = frame if not frame.empty else rows
    sections: dict[str, Any] = {"strip": None, "rows_figure": None}
    names = ("performance", "drift", "quality", "operations")
    if ends.empty:
        return sections | {f"{name}_figures": [] for name in names}
    span = (ends["window_start"].min(), ends["window_end"].max())
    if not rows.empty:
        sections["rows_figure"] = rows_figure(rows, spans, span)
    sections["strip"] = strip_figure(frame, spans, span)
    chosen = choose(frame, order)
    for name in names:
        figures: list[Figure] = check_figures(frame, getattr(chosen, name), spans, span, timezone)
        sections[f"{name}_figures"] = figures
    return sections


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

    frame = tidy(history, windows)
    report, checks = _newest(reports, frame)
    judged, performance = _judged_performance(frame, timezone)
    newest_first = sorted(incidents, key=lambda i: i.opened, reverse=True)
    rows = _rows(reports, frame, windows)
    context = _sections(frame, rows, incidents, [c.key for c in checks], timezone)
    context |= {
        "model": short(model, 100),
        "owner": owner,
        "runbook": safe_url(getattr(owner, "runbook", None)),
        "generated_at": generated_at.isoformat(timespec="seconds"),
        "timezone": timezone,
        "glance": _glance(report, checks, newest_first, timezone),
        "judged": judged,
        "performance": performance,
        "incidents": [incident_row(i, frame, triggers, timezone) for i in newest_first],
        "findings": [words(c) for c in checks if c.family == "quality" and c.status != "ok"],
        "quality_checks": sum(c.family == "quality" for c in checks),
        "checks": [check_row(c) for c in sorted(checks, key=_by_family)],
        "legend": legend(),
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
