"""The digest: what was notable in a day or a week, and paged nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring_sdk.render.keys import slice_words
from monitoring_sdk.render.markdown import plain, table
from monitoring_sdk.render.numbers import moment, pair, short, unit_of, window_words
from monitoring_sdk.render.slack import HEADER_MAX, SECTION_MAX, escape, link
from monitoring_sdk.render.words import check_excess, key_words, status_label, title
from monitoring_sdk.report import Check, Incident, Report
from monitoring_sdk.window import Window

TOP = 20
UNJUDGED = ("error", "no_data", "insufficient")


@dataclass(frozen=True, slots=True)
class Noted:
    """A check that was notable: in how many windows, where it was worst, and when last."""

    worst: Check
    windows: int
    newest: Window


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Windows that could not be judged for one reason: the newest of them, and why."""

    status: str
    windows: int
    newest: Window
    reason: str | None


@dataclass(frozen=True, slots=True)
class Digest:
    """What is to be told of a span `[since, until)`."""

    since: datetime
    until: datetime
    noted: tuple[Noted, ...] = ()
    opened: tuple[Incident, ...] = ()
    closed: tuple[Incident, ...] = ()
    unjudged: tuple[Unjudged, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.noted or self.opened or self.closed or self.unjudged)


def digest(
    reports: Sequence[Report],
    since: datetime,
    until: datetime,
    incidents: Iterable[Incident] = (),
) -> Digest:
    """Gather what was notable and under the budget, and what became of incidents.

    Parameters
    ----------
    reports : sequence of Report
        What was judged in the span; the checks may speak of earlier windows.
    since, until : datetime
        An incident that opened or closed after the one and not after the other is told.
    incidents : iterable of Incident, optional
        Beside those of the reports; of one that comes twice the last counts.

    Returns
    -------
    Digest
        A check is notable where it alerted as a warning, or as a shadow's, or exceeded its limit
        without an alert; the farthest beyond their limits come first.

    Examples
    --------
    >>> from datetime import UTC
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> psi = Check("drift", "psi", day, "ok", "size", value=0.3, threshold=0.2, exceeded=True)
    >>> found = digest([Report("m", day, day.end, "ok", checks=(psi,))], day.start, day.end)
    >>> [noted_words(n) for n in found.noted]
    ['size: PSI in 1 window: 0.3 beside 0.2, 2013-06-03']
    """
    by_key: dict[str, list[Check]] = {}
    for check in (c for r in reports for c in r.checks):
        if (check.status == "alert" or check.exceeded) and not check.pages:
            by_key.setdefault(check.key, []).append(check)
    known = {i.id: i for i in (*(i for r in reports for i in r.incidents), *incidents)}
    ordered = sorted(known.values(), key=lambda i: (i.opened, i.id))
    return Digest(
        since,
        until,
        tuple(sorted(map(_noted, by_key.values()), key=_farthest)),
        tuple(i for i in ordered if since < i.opened <= until),
        tuple(i for i in ordered if i.closed is not None and since < i.closed <= until),
        _unjudged(reports),
    )


def _noted(checks: Sequence[Check]) -> Noted:
    windows = {c.window for c in checks}
    worst = max(checks, key=lambda c: (check_excess(c) or 0.0, c.window))
    return Noted(worst, len(windows), max(windows))


def _farthest(noted: Noted) -> tuple[float, str]:
    return -(check_excess(noted.worst) or 0.0), noted.worst.key


def _unjudged(reports: Sequence[Report]) -> tuple[Unjudged, ...]:
    found = []
    for status in UNJUDGED:
        own = {r.window: r.reason for r in reports if r.status == status}
        if own:
            newest = max(own)
            found.append(Unjudged(status, len(own), newest, own[newest]))
    return tuple(found)


def noted_words(noted: Noted, timezone: str = "UTC") -> str:
    """Say in one line what was notable of a check: its worst value beside its limit, and when."""
    check, many = noted.worst, noted.windows > 1
    what = f"{title(check)} in {_windows(noted.windows)}"
    value, limit = pair(check.value, check.threshold, unit_of(check.name))
    if check.value is not None:
        beside = f" beside {limit}" if check.threshold is not None else ""
        what += f": {'at worst ' if many else ''}{value}{beside}"
    what += f", {'newest ' if many else ''}{window_words(noted.newest, timezone)}"
    return f"{what} ({short(check.reason, 160)})" if check.reason else what


def _windows(count: int) -> str:
    return "1 window" if count == 1 else f"{count:,} windows"


def _incident_lines(found: Digest, timezone: str) -> list[str]:
    lines = []
    for what, incidents in (("opened", found.opened), ("closed", found.closed)):
        for incident in incidents:
            at = incident.opened if what == "opened" else (incident.closed or incident.opened)
            about = ", ".join(key_words(k) for k in incident.checks[:3])
            more = f", and {len(incident.checks) - 3} more" if len(incident.checks) > 3 else ""
            lines.append(f"incident {what} {moment(at, timezone)}: {about}{more}")
    return lines


def _unjudged_lines(found: Digest, timezone: str) -> list[str]:
    return [
        f"{_windows(u.windows)} not judged: {status_label(u.status)}, "
        f"{'newest ' if u.windows > 1 else ''}{window_words(u.newest, timezone)}"
        + (f" ({short(u.reason, 160)})" if u.reason else "")
        for u in found.unjudged
    ]


def digest_title(model: str, found: Digest, timezone: str = "UTC") -> str:
    """Name a digest by its model and its span."""
    span = window_words(Window(found.since, found.until), timezone)
    return f"{short(model)}: digest of {span}"


def digest_slack(
    model: str,
    found: Digest,
    *,
    links: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    top: int = TOP,
) -> dict[str, Any]:
    """Write a digest as one Slack message, within Slack's limits; it mentions nobody.

    Returns
    -------
    dict
        `text` (what a console or a notification shows) and `blocks`.
    """
    head = digest_title(model, found, timezone)
    noted = [noted_words(n, timezone) for n in found.noted]
    every = (noted, _incident_lines(found, timezone), _unjudged_lines(found, timezone))
    parts = [_listed(lines, top) for lines in every if lines]
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": escape(head, HEADER_MAX), "emoji": False},
        }
    ]
    blocks += [_section("\n".join(part)) for part in parts]
    known = [link(url, name.capitalize()) for name, url in (links or {}).items() if name != "run"]
    if known:
        blocks.append(_section(" · ".join(known[:5])))
    text = "\n".join([escape(head, HEADER_MAX), *(line for part in parts for line in part)])
    return {"text": text, "blocks": blocks}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _listed(lines: Sequence[str], top: int) -> list[str]:
    """Write lines as a list within a section's length; what does not fit is counted."""
    kept, room = [], SECTION_MAX - len("+1,000,000 more")
    for line in lines[:top]:
        shown = f"• {escape(line, 400)}"
        room -= len(shown) + 1
        if room < 0:
            break
        kept.append(shown)
    more = len(lines) - len(kept)
    return [*kept, f"+{more:,} more"] if more else kept


def digest_markdown(model: str, found: Digest, *, timezone: str = "UTC") -> str:
    """Write a digest as Markdown: a table of the checks, then incidents and what was not judged."""
    parts = [f"## {plain(digest_title(model, found, timezone))}"]
    if found.noted:
        head = ("check", "rows", "windows", "worst", "limit", "newest", "why")
        parts.append(table(head, [_cells(n, timezone) for n in found.noted]))
    lines = [*_incident_lines(found, timezone), *_unjudged_lines(found, timezone)]
    if lines:
        parts.append("\n".join(f"- {plain(line, 500)}" for line in lines))
    if found.empty:
        parts.append("Nothing was notable.")
    return "\n\n".join(parts) + "\n"


def _cells(noted: Noted, timezone: str) -> list[str]:
    check = noted.worst
    value, limit = pair(check.value, check.threshold, unit_of(check.name))
    return [
        plain(check.key),
        plain(slice_words(check.segment, check.version) or "all"),
        f"{noted.windows:,}",
        value,
        limit,
        plain(window_words(noted.newest, timezone)),
        plain(check.reason) if check.reason else "",
    ]
