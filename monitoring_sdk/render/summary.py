"""What the command line says of one window, or of a span of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from monitoring_sdk.render.console import weeks
from monitoring_sdk.render.numbers import window_words
from monitoring_sdk.render.words import headline, rows_words, status_label, words, worst_first
from monitoring_sdk.report import Incident, Report

TOP = 8


def report_text(document: Mapping[str, Any], timezone: str = "UTC") -> str:
    """Write a window's verdict: one line, then what alerts or could not be judged."""
    report = Report.from_dict(document)
    lines = [
        f"{report.model} {window_words(report.window, timezone)}: {status_label(report.status)}, "
        f"{rows_words(report.rows)}, baseline {report.baseline or 'none'}"
        + (f" ({report.reason})" if report.reason else "")
    ]
    loud = [c for c in report.checks if c.status in ("alert", "error")]
    lines += [f"  {c.status}{_severity(c.severity)}: {words(c)}" for c in worst_first(loud)[:TOP]]
    if len(loud) > TOP:
        lines.append(f"  +{len(loud) - TOP} more")
    counts: dict[str, int] = {}
    for check in report.checks:
        counts[check.status] = counts.get(check.status, 0) + 1
    lines.append("  checks: " + (", ".join(f"{n} {s}" for s, n in counts.items()) or "none"))
    for incident in report.incidents:
        state = "closed" if incident.closed else "open"
        lines.append(f"  incident {incident.id}: {state}, {', '.join(incident.families)}")
    lines += [f"  retraining {t.id}: {t.state}, {t.reason}" for t in report.triggers]
    return "\n".join(lines)


def _severity(severity: str) -> str:
    return "" if severity == "critical" else f" ({severity})"


def _opening(incident: Incident, reports: Sequence[Report]) -> Report | None:
    """Return the report that an incident opened on: labels come late, so often an earlier one."""
    before = [r for r in reports if r.window.end <= incident.opened]
    for report in reversed(before):
        paging = tuple(c for c in report.checks if c.pages and c.key in incident.checks)
        if paging:
            return dataclasses.replace(report, checks=paging)
    return before[-1] if before else None


def span_text(document: Mapping[str, Any], timezone: str = "UTC") -> str:
    """Write a span of windows by week, and its incidents."""
    reports = [Report.from_dict(w) for w in document["windows"]]
    if not reports:
        return f"{document['model']}: no complete window in the span"
    incidents = {i["id"]: i for i in document["incidents"]}
    by_id = {i.id: i for r in reports for i in r.incidents}
    opened = [by_id[k] for k in incidents if k in by_id]
    names = dict.fromkeys(c.name for r in reports for c in r.checks if c.family == "performance")
    lines = [weeks(reports, metrics=list(names)[:4], incidents=opened, timezone=timezone)]
    for incident in opened:
        report = _opening(incident, reports)
        end = f"closed {incident.closed:%Y-%m-%d %H:%M} UTC" if incident.closed else "still open"
        text = headline(incident, report, "opened", timezone) if report is not None else ""
        lines.append(f"incident {incident.opened:%Y-%m-%d %H:%M} UTC, {end}: {text}")
    lines.append(f"{document['pages']} pages in {len(reports)} windows")
    return "\n".join(lines)
