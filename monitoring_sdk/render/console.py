"""The same for a terminal: messages as plain text, and spans of windows summarised by week."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitoring_sdk.render.numbers import NOTHING, number, short, unit_of, window_words
from monitoring_sdk.render.words import headline, label, rows_words, status_label, told, words
from monitoring_sdk.report import Incident, Report

TOP = 8


def console_message(
    incident: Incident,
    report: Report,
    transition: str,
    *,
    owner: Any = None,
    links: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    top: int = TOP,
) -> str:
    """Write an incident's transition for a terminal; the arguments are those of `slack_message`.

    Control characters in names are replaced, since a terminal would obey them.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitoring_sdk.window import Window
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> print(console_message(Incident("1", "flights", day.start, day.end),
    ...       Report("flights", day, day.end, "ok", rows=912), "closed"))
    [closed] flights: incident closed after 1 day (opened 2013-06-03)
      window 2013-06-03, 912 rows
    """
    kind = short(transition.partition(":")[0])
    lines = [f"[{kind}] {headline(incident, report, transition, timezone)}"]
    checks = told(incident, report, transition)
    lines += [f"  - {words(c)}" for c in checks[:top]]
    if len(checks) > top:
        lines.append(f"  +{len(checks) - top:,} more")
    about = f"  window {window_words(report.window, timezone)}, {rows_words(report.rows)}"
    lines.append(about + (f", baseline {short(report.baseline)}" if report.baseline else ""))
    who = [short(w) for w in (getattr(owner, "mention", None), getattr(owner, "team", None)) if w]
    if who:
        lines.append(f"  owner: {', '.join(who)}")
    known = dict(links or report.links)
    if getattr(owner, "runbook", None):
        known.setdefault("runbook", owner.runbook)
    lines += [f"  {short(name)}: {short(url, 500)}" for name, url in known.items() if url]
    return "\n".join(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Align a table of texts: the first `left` columns to the left, the others to the right.

    Examples
    --------
    >>> print(table(["week", "rows"], [["2013-06-03", "912"]]))
    week        rows
    2013-06-03   912
    """
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, *rows]
    )


LONGEST_IN_WEEKS = timedelta(days=8)
"""Longer windows are listed by month."""


@dataclass
class _Week:
    windows: int = 0
    rows: int = 0
    alerts: int = 0
    opened: int = 0
    unjudged: dict[str, int] = field(default_factory=dict)
    sums: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, report: Report, metrics: Sequence[str]) -> None:
        self.windows += 1
        self.rows += report.rows or 0
        self.alerts += report.status == "alert"
        if report.status not in ("ok", "alert"):
            self.unjudged[report.status] = self.unjudged.get(report.status, 0) + 1
        for check in report.checks:
            whole = check.segment is None and check.version is None
            wanted = check.name in metrics and check.column is None and whole
            if not wanted or check.value is None or not math.isfinite(check.value):
                continue
            weight = float(check.n or report.rows or 1)
            total, weights = self.sums.get(check.name, (0.0, 0.0))
            self.sums[check.name] = (total + weight * check.value, weights + weight)

    def mean(self, name: str) -> str:
        total, weight = self.sums.get(name, (0.0, 0.0))
        return number(total / weight, unit_of(name)) if weight else NOTHING


def weeks(
    reports: Sequence[Report],
    *,
    metrics: Sequence[str] = (),
    incidents: Sequence[Incident] = (),
    timezone: str = "UTC",
) -> str:
    """Summarise windows by week (from Monday, in `timezone`) as an aligned text table.

    Windows of a month stand by themselves, by the month's first day.

    Parameters
    ----------
    reports : sequence of Report
        The newest verdict of each window.
    metrics : sequence of str
        Columns of metrics (or `latency_p95` and the like): means weighted by rows.
    incidents : sequence of Incident
        Counted in the week in which they opened.

    Returns
    -------
    str
        A header and a line a week, weeks without windows left out; `not judged` counts windows
        by status, so that one without a verdict never passes for a good one.
    """
    zone = ZoneInfo(timezone)
    months = any(r.window.end - r.window.start > LONGEST_IN_WEEKS for r in reports)
    first_day = _first_of_month if months else _monday
    found: dict[date, _Week] = {}
    for report in reports:
        day = first_day(report.window.start.astimezone(zone).date())
        found.setdefault(day, _Week()).add(report, metrics)
    for incident in incidents:
        # An incident opens at a window's end, which may be the next Monday's midnight.
        opened = (incident.opened - timedelta(microseconds=1)).astimezone(zone).date()
        if (week := found.get(first_day(opened))) is not None:
            week.opened += 1
    if not found:
        return "no windows"
    head = ["month of" if months else "week of", "windows", "rows", "alerts", "incidents"]
    head += [label(m) for m in metrics] + ["not judged"]
    lines = [
        [
            f"{monday:%Y-%m-%d}",
            f"{w.windows:,}",
            f"{w.rows:,}",
            f"{w.alerts:,}" if w.alerts else "-",
            f"{w.opened:,}" if w.opened else "-",
            *(w.mean(m) for m in metrics),
            ", ".join(f"{n} {status_label(s)}" for s, n in sorted(w.unjudged.items())) or "-",
        ]
        for monday, w in sorted(found.items())
    ]
    return table(head, lines)


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
