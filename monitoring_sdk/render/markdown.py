"""A report as Markdown, for an artifact in the Prefect UI."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from monitoring_sdk.render import diagnosis
from monitoring_sdk.render.keys import subject
from monitoring_sdk.render.numbers import NOTHING, moment, number, pair, short, unit_of
from monitoring_sdk.render.numbers import window_words as window_text
from monitoring_sdk.render.words import (
    STATUSES,
    THRESHOLDS_FROM,
    key_words,
    label,
    status_label,
    words,
    worst_first,
)
from monitoring_sdk.report import Check, Report

TABLE_MAX = 200
_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "\\`*_[]|#~"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)


def plain(text: object, limit: int = 300) -> str:
    """Escape a text so that Markdown shows it as it is, on one line.

    Examples
    --------
    >>> plain("a|b <c>")
    'a\\\\|b &lt;c&gt;'
    """
    return short(text, limit).translate(_SPECIAL)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table from cells that are escaped already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def image(drawn: bytes | str, title: str) -> str:
    """Write a PNG (bytes) or an SVG (text) as an image in a data URI.

    The Prefect UI strips SVG elements from Markdown; it shows images.

    Examples
    --------
    >>> image("<svg/>", "rows")
    '![rows](data:image/svg+xml;base64,PHN2Zy8+)'
    """
    kind = "png" if isinstance(drawn, bytes) else "svg+xml"
    data = drawn if isinstance(drawn, bytes) else drawn.encode()
    return f"![{plain(title)}](data:image/{kind};base64,{base64.b64encode(data).decode()})"


def _row(check: Check, report: Report, timezone: str) -> list[str]:
    value, threshold = pair(check.value, check.threshold, unit_of(check.name))
    status = status_label(check.status)
    if check.status == "alert":
        status = f"**{status}**" if check.severity == "critical" else f"{status} (warning)"
    # Labels that came due at this step speak of an earlier window.
    other = check.window != report.window
    about = f" of {window_text(check.window, timezone)}" if other else ""
    return [
        check.family,
        plain(subject(check) or NOTHING),
        plain(label(check.name)) + about,
        status,
        value,
        threshold,
        THRESHOLDS_FROM.get(check.threshold_from or "", NOTHING),
        NOTHING if check.n is None else f"{check.n:,}",
        plain(check.reason) if check.reason else "",
    ]


def _incidents(report: Report, timezone: str) -> list[str]:
    lines = []
    for incident in report.incidents:
        closed = "" if incident.closed is None else f", closed {moment(incident.closed, timezone)}"
        about = ", ".join(plain(key_words(k)) for k in incident.checks[:5])
        more = f", and {len(incident.checks) - 5} more" if len(incident.checks) > 5 else ""
        opened = moment(incident.opened, timezone)
        lines.append(f"- incident opened {opened}{closed}: {about}{more}")
    for trigger in report.triggers:
        outcome = f", {plain(trigger.outcome)}" if trigger.outcome else ""
        lines.append(f"- retraining {plain(trigger.state)}: {plain(trigger.reason)}{outcome}")
    return lines


def _diagnosis(found: Mapping[str, Any]) -> list[str]:
    """Write what kind of shift it is, and its segments as a table."""
    text = (
        f"**What kind of shift: {plain(found['kind'])}.** {plain(diagnosis.sentence(found), 500)}"
    )
    lines = "\n".join(f"- {plain(line)}" for line in diagnosis.parts(found))
    rows = [[plain(v) for v in dataclasses.astuple(s)] for s in diagnosis.segments(found)]
    return [text, lines, *([table(diagnosis.HEAD, rows)] if rows else [])]


def report_markdown(
    report: Report,
    *,
    charts: Sequence[tuple[str, bytes | str]] = (),
    timezone: str = "UTC",
    limit: int = TABLE_MAX,
) -> str:
    """Write a report as Markdown: the verdict, what is wrong, then all checks, the worst first.

    Parameters
    ----------
    charts : sequence of (title, PNG bytes or SVG text)
        Embedded as images.
    limit : int
        Checks in the table at most; the rest is counted.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitoring_sdk.window import Window
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> print(report_markdown(Report("flights", day, day.end, "ok", rows=912)))
    # flights: ok
    <BLANKLINE>
    Window 2013-06-03, 912 rows, baseline –. 0 checks.
    """
    checks = worst_first(report.checks)
    counts = [(s, sum(c.status == s for c in checks)) for s in STATUSES]
    said = ", ".join(f"{n} {status_label(s)}" for s, n in counts if n)
    reason = f" ({plain(report.reason)})" if report.reason else ""
    rows = NOTHING if report.rows is None else number(report.rows)
    baseline = plain(report.baseline) if report.baseline else NOTHING
    parts = [
        f"# {plain(report.model)}: {status_label(report.status)}{reason}",
        f"Window {window_text(report.window, timezone)}, {rows} rows, baseline {baseline}. "
        f"{len(checks):,} checks{': ' + said if said else ''}.",
    ]
    alerts = [f"- {plain(words(c), 500)}" for c in checks if c.status == "alert"]
    if alerts:
        more = [f"- +{len(alerts) - 10:,} more"] if len(alerts) > 10 else []
        parts.append("\n".join([*alerts[:10], *more]))
    if report.diagnosis is not None:
        parts += _diagnosis(report.diagnosis)
    if incidents := _incidents(report, timezone):
        parts.append("\n".join(incidents))
    parts += [image(drawn, title) for title, drawn in charts]
    if checks:
        head = ["Family", "Column", "Check", "Status", "Value", "Limit", "Limit is", "Rows"]
        parts.append(table([*head, "Reason"], [_row(c, report, timezone) for c in checks[:limit]]))
    if len(checks) > limit:
        parts.append(f"+{len(checks) - limit:,} more checks")
    return "\n\n".join(parts)
