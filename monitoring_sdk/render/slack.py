"""Incident messages as Slack blocks, within every limit that Slack sets.

The limits are kept here since neither Slack's SDK nor its models catch them all before Slack
refuses the message: 50 blocks, 150 characters in a header, 3000 in a section, 2000 in a field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitoring_sdk.render.diagnosis import sentence
from monitoring_sdk.render.numbers import moment, number, short, window_words
from monitoring_sdk.render.words import headline, label, told, words
from monitoring_sdk.report import Check, Incident, Report

BLOCKS_MAX = 50
HEADER_MAX = 150
SECTION_MAX = 3000
FIELD_MAX = 2000
URL_MAX = 1000
TOP = 8

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LINK_NAMES = (("runbook", "Runbook"), ("report", "Report"), ("run", "Run"))
_USER = re.compile(r"@?([UW][A-Z0-9]{5,})")
_GROUP = re.compile(r"@?(S[A-Z0-9]{5,})")
_READY = re.compile(r"<(?:@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+|!(?:here|channel|everyone))>")


def escape(text: object, limit: int = SECTION_MAX) -> str:
    """Escape `&`, `<` and `>` for Slack, and cut to `limit` characters of the escaped text.

    Never empty: Slack refuses an empty text.

    Examples
    --------
    >>> escape("<!channel> & co"), escape("&&&&", 12)
    ('&lt;!channel&gt; &amp; co', '&amp;&amp;…')
    """
    plain = str(text)
    parts = [_ESCAPES.get(c, c) for c in plain]
    if sum(map(len, parts)) <= limit:
        return "".join(parts) if plain.strip() else "–"
    kept, used = [], 0
    for part in parts:
        if used + len(part) > limit - 1:
            break
        kept.append(part)
        used += len(part)
    return "".join(kept) + "…"


def mention(owner: str | None) -> str:
    """Write whom to call: Slack ids become mentions, other names stay as text.

    Examples
    --------
    >>> mention("U012ABCDEF"), mention("@S012ABCDEF"), mention("@here"), mention("@oncall")
    ('<@U012ABCDEF>', '<!subteam^S012ABCDEF>', '<!here>', '@oncall')
    """
    if not owner:
        return ""
    if _READY.fullmatch(owner):
        return owner
    if match := _USER.fullmatch(owner):
        return f"<@{match[1]}>"
    if match := _GROUP.fullmatch(owner):
        return f"<!subteam^{match[1]}>"
    if owner in ("@here", "@channel", "@everyone"):
        return f"<!{owner[1:]}>"
    return escape(short(owner, 80))


def link(url: str, text: str) -> str:
    """Write a link; what no browser opens (a path, a too long address) is shown as text.

    Examples
    --------
    >>> link("https://example.org/a?b=1&c=2", "Run"), link(".monitoring/r.html", "Report")
    ('<https://example.org/a?b=1&amp;c=2|Run>', 'Report: .monitoring/r.html')
    """
    clickable = re.fullmatch(r"https?://[^\s|]+", url) is not None
    if clickable and len(url) <= URL_MAX:
        return f"<{escape(url, URL_MAX * 5)}|{escape(short(text))}>"
    return f"{escape(short(text))}: {escape(short(url, 200))}"


def mrkdwn(text: str) -> dict[str, Any]:
    """Write Slack's text with marks; no more than these becomes a link."""
    # verbatim: a column that is named like a channel or an address must not become a link.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _joined(lines: Iterable[str], limit: int) -> str:
    kept: list[str] = []
    used = 0
    for line in lines:
        used += len(line) + 1
        if used > limit:
            break
        kept.append(line)
    return "\n".join(kept)


def _check_lines(checks: Sequence[Check], top: int) -> list[str]:
    lines = [f"• {escape(words(c), 350)}" for c in checks[:top]]
    if len(checks) > top:
        lines.append(f"+{len(checks) - top:,} more")
    return lines


def _unjudged(report: Report) -> str:
    counts: dict[str, int] = {}
    for check in report.checks:
        if check.status not in ("ok", "alert"):
            counts[check.status] = counts.get(check.status, 0) + 1
    said = ", ".join(f"{n:,} {label(status)}" for status, n in sorted(counts.items()))
    return f"Not judged: {said}" if said else ""


def _facts(incident: Incident, report: Report, timezone: str) -> list[dict[str, Any]]:
    facts = [("Window", window_words(report.window, timezone))]
    if report.rows is not None:
        facts.append(("Rows", number(report.rows)))
    if report.baseline:
        facts.append(("Baseline", short(report.baseline)))
    facts.append(("Opened", moment(incident.opened, timezone)))
    if incident.closed is not None:
        facts.append(("Closed", moment(incident.closed, timezone)))
    families = ", ".join(incident.families)
    if families:
        facts.append(("Families", short(families)))
    # As `monitoring incident` takes it.
    facts.append(("Incident", short(incident.id[:8])))
    return [mrkdwn(f"*{name}*\n{escape(value, FIELD_MAX - 20)}") for name, value in facts]


def _call(owner: Any, transition: str) -> str | None:
    """Say whom a message calls; an end calls nobody."""
    named = None if transition == "closed" else getattr(owner, "mention", None)
    return named.get("critical") if isinstance(named, Mapping) else named


def owner_line(owner: Any, links: Mapping[str, str], call: str | None) -> str:
    """Write whom a message calls, whose the model is, and the links."""
    parts = [mention(call)]
    team = getattr(owner, "team", None)
    if team:
        parts.append(f"Team {escape(short(team))}")
    known = dict(links)
    runbook = getattr(owner, "runbook", None)
    if runbook:
        known.setdefault("runbook", runbook)
    named = dict(_LINK_NAMES)
    order = [k for k, _ in _LINK_NAMES if k in known] + [k for k in known if k not in named]
    parts += [link(known[k], named.get(k, k)) for k in order[:8] if known[k]]
    text = ""
    for part in filter(None, parts):
        joined = f"{text} · {part}" if text else part
        text = joined if len(joined) <= SECTION_MAX else text
    return text


def slack_message(
    incident: Incident,
    report: Report,
    transition: str,
    *,
    owner: Any = None,
    links: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    top: int = TOP,
) -> dict[str, Any]:
    """Write an incident's transition as one Slack message.

    Parameters
    ----------
    incident, report : Incident, Report
        The incident, and the report of the deciding window.
    transition : str
        `opened`, `joined:<family>`, `reminder:<count>` or `closed`: the last is told quietly,
        without a header, and calls nobody.
    owner : object with `team`, `mention` and `runbook`, optional
        As `config.owner`; its `mention` is called.
    links : mapping, optional
        Addresses named `runbook`, `report`, `run`; a path is shown as text.
    timezone : str
        In which times are written.
    top : int
        Checks written out; the others are counted as "+N more".

    Returns
    -------
    dict
        `text` (the notification and the fallback) and `blocks`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitoring_sdk.window import Window
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> drift = Check("drift", "psi", day, "alert", column="a<b", value=0.31, threshold=0.21,
    ...               direction="above", exceeded=True)
    >>> report = Report("flights", day, day.end, "alert", rows=912, checks=(drift,))
    >>> slack_message(Incident("1", "flights", day.end), report, "opened")["text"]
    'flights: a&lt;b: PSI 0.31, above 0.21'
    """
    title = headline(incident, report, transition, timezone)
    checks = told(incident, report, transition)
    header = {"type": "plain_text", "text": escape(title, HEADER_MAX), "emoji": False}
    blocks: list[dict[str, Any]] = [{"type": "header", "text": header}]
    if transition == "closed":
        blocks = [{"type": "section", "text": mrkdwn(escape(title))}]
    who = owner_line(owner, links or report.links, _call(owner, transition))
    body = _joined(filter(None, [*_check_lines(checks, top), _unjudged(report)]), SECTION_MAX)
    if body:
        blocks.append({"type": "section", "text": mrkdwn(body)})
    if why := sentence(report.diagnosis):
        blocks.append({"type": "section", "text": mrkdwn(escape(why))})
    blocks.append({"type": "section", "fields": _facts(incident, report, timezone)[:10]})
    if who:
        blocks.append({"type": "section", "text": mrkdwn(who)})
    return {"text": escape(title), "blocks": blocks[:BLOCKS_MAX]}
