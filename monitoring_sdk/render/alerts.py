"""Messages on an incident beside its first one, and all of them as plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitoring_sdk.feedback import Feedback
from monitoring_sdk.render.diagnosis import sentence
from monitoring_sdk.render.numbers import duration, moment, number, short, window_words
from monitoring_sdk.render.slack import (
    BLOCKS_MAX,
    HEADER_MAX,
    SECTION_MAX,
    TOP,
    escape,
    mention,
    mrkdwn,
)
from monitoring_sdk.render.words import headline, told, words, worst_first
from monitoring_sdk.report import Check, Incident, Report

BODY_MAX = 8000
"""Of a notification: few services take more, and Apprise cuts for those that take less."""
CONTEXT_MAX = 10
"""Elements of a context block: Slack refuses more."""
SAID: Mapping[str, str] = {
    "ack": "acknowledged",
    "false_alarm": "declared a false alarm",
    "expected_change": "declared an expected change",
}
TYPES: Mapping[str, str] = {"closed": "success", "revised": "info", "warning": "warning"}


@dataclass(frozen=True, slots=True)
class Flip:
    """A verdict that rows or labels turned which came late."""

    check: Check

    @property
    def said(self) -> str:
        """The check as it stands now, and what that is."""
        now = "now an alert" if self.check.pages else "no alert any more"
        return f"{words(self.check)}: {now}"


def state_words(incident: Incident, timezone: str = "UTC") -> str:
    """Say how an incident stands: open or closed, since when, and by which families.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> state_words(Incident("i", "m", datetime(2013, 6, 4, tzinfo=UTC), families=("drift",)))
    'Open since 2013-06-04: drift'
    """
    families = f": {', '.join(incident.families)}" if incident.families else ""
    opened = moment(incident.opened, timezone)
    if incident.closed is None:
        return f"Open since {opened}{families}"
    lasted = duration(incident.closed - incident.opened)
    return f"Closed {moment(incident.closed, timezone)} after {lasted}, opened {opened}{families}"


def verdict_words(said: Feedback) -> str:
    """Say who said what of an incident.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2013, 6, 4, tzinfo=UTC)
    >>> verdict_words(Feedback("flights", "ack", "ann", at, "a", reason="on it"))
    'acknowledged by ann: on it'
    """
    what = SAID.get(said.kind, said.kind)
    return f"{what} by {short(said.said_by)}" + (
        f": {short(said.reason, 300)}" if said.reason else ""
    )


def amended(
    content: Mapping[str, Any], incident: Incident, timezone: str, said: Sequence[str] = ()
) -> dict[str, Any]:
    """Bring the first message of an incident up to date: its state stands below the header.

    Parameters
    ----------
    content : mapping
        `text` and `blocks` as they were sent first.
    said : sequence of str
        What people said of it; in small print below the state.
    """
    state = escape(state_words(incident, timezone))
    mark = ":large_green_circle:" if incident.closed else ":red_circle:"
    kind, _, rest = state.partition(" ")
    above = [_section(f"{mark} *{kind}* {rest}")]
    if said:
        elements = [mrkdwn(escape(line, 500)) for line in said[-CONTEXT_MAX:]]
        above.append({"type": "context", "elements": elements})
    blocks = list(content.get("blocks") or ())
    return {
        "text": f"[{kind.lower()}] {content['text']}",
        "blocks": [*blocks[:1], *above, *blocks[1:]][:BLOCKS_MAX],
    }


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn(text)}


def _listed(lines: Sequence[str], top: int, limit: int) -> list[str]:
    """Keep lines that fit; what does not is counted."""
    kept: list[str] = []
    room = limit - len("+1,000,000 more")
    for line in lines[:top]:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    more = len(lines) - len(kept)
    return [*kept, f"+{more:,} more"] if more else kept


def revised_title(model: str, flips: Sequence[Flip]) -> str:
    """Say that what came late turned verdicts.

    Examples
    --------
    >>> revised_title("flights", [])
    'flights: late labels or rows turned the verdict on 0 checks'
    """
    checks = "1 check" if len(flips) == 1 else f"{len(flips):,} checks"
    return f"{short(model)}: late labels or rows turned the verdict on {checks}"


def _flip_lines(flips: Sequence[Flip], timezone: str) -> list[str]:
    return [f"{window_words(f.check.window, timezone)}: {f.said}" for f in flips]


def revised_message(model: str, flips: Sequence[Flip], timezone: str) -> dict[str, Any]:
    """Write an amendment as a Slack message; it calls nobody."""
    title = escape(revised_title(model, flips))
    lines = [f"• {escape(line, 350)}" for line in _flip_lines(flips, timezone)]
    body = "\n".join([f"*{title[:500]}*", *_listed(lines, TOP, SECTION_MAX - 600)])
    return {"text": "\n".join([title, *_listed(lines, 3, 2000)]), "blocks": [_section(body)]}


def warning_title(model: str, checks: Sequence[Check]) -> str:
    """Name what warns: the worst check, and how many more."""
    more = f", and {len(checks) - 1} more" if len(checks) > 1 else ""
    return f"{short(model)}: warning: {words(worst_first(checks)[0])}{more}"


def warning_message(model: str, checks: Sequence[Check], call: str | None) -> dict[str, Any]:
    """Write warnings as a Slack message."""
    title = warning_title(model, checks)
    lines = [f"• {escape(words(c), 350)}" for c in worst_first(checks)]
    header = {"type": "plain_text", "text": escape(title, HEADER_MAX), "emoji": False}
    blocks = [
        {"type": "header", "text": header},
        _section("\n".join(_listed(lines, TOP, SECTION_MAX))),
        *([_section(mention(call))] if call else []),
    ]
    return {"text": escape(title), "blocks": blocks}


def _notification(kind: str, title: str, lines: Sequence[str]) -> dict[str, Any]:
    body = "\n".join(line for line in lines if line)[:BODY_MAX]
    # A service without a title puts it before the body; one without a body refuses.
    return {"text": title[:250], "body": body or title, "type": TYPES.get(kind, "failure")}


def revised_notification(model: str, flips: Sequence[Flip], timezone: str) -> dict[str, Any]:
    """Write an amendment as plain text."""
    lines = _listed(_flip_lines(flips, timezone), TOP, BODY_MAX)
    return _notification("revised", revised_title(model, flips), lines)


def warning_notification(model: str, checks: Sequence[Check]) -> dict[str, Any]:
    """Write warnings as plain text."""
    lines = _listed([words(c) for c in worst_first(checks)], TOP, BODY_MAX)
    return _notification("warning", warning_title(model, checks), lines)


def notification(
    incident: Incident,
    report: Report,
    transition: str,
    *,
    owner: Any = None,
    links: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    group: str = "",
) -> dict[str, Any]:
    """Write an incident's transition as plain text, for what is not Slack.

    Returns
    -------
    dict
        `text` (the title), `body` and `type`, as Apprise names it: `failure`, `warning`, `info` or
        `success`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitoring_sdk.window import Window
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> report = Report("flights", day, day.end, "ok")
    >>> over = Incident("1234567890", "flights", day.start, day.end)
    >>> notification(over, report, "closed")["body"].splitlines()[0]
    'Closed 2013-06-04 after 1 day, opened 2013-06-03'
    """
    checks = told(incident, report, transition)
    known = dict(links or report.links)
    if runbook := getattr(owner, "runbook", None):
        known.setdefault("runbook", runbook)
    rows = "" if report.rows is None else f", {number(report.rows)} rows"
    lines = [
        group,
        *_listed([f"- {words(c)}" for c in checks], TOP, BODY_MAX // 2),
        sentence(report.diagnosis) or "",
        state_words(incident, timezone),
        f"Window {window_words(report.window, timezone)}{rows}; incident {incident.id[:8]}",
        *(f"{name.capitalize()}: {url}" for name, url in known.items() if url),
    ]
    kind = transition.partition(":")[0]
    return _notification(kind, headline(incident, report, transition, timezone), lines)
