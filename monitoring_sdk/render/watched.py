"""Alerts of what nobody looks at: a model without a verdict, a run that crashed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitoring_sdk.render.slack import (
    FIELD_MAX,
    HEADER_MAX,
    SECTION_MAX,
    escape,
    mrkdwn,
    owner_line,
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told: a headline, a line or two, and facts by their names.

    Attributes
    ----------
    quiet : bool
        Whether it is good news: without a header, and it calls nobody.
    links : mapping
        Addresses by their names.
    """

    title: str
    lines: Sequence[str] = ()
    facts: Mapping[str, str] | None = None
    quiet: bool = False
    links: Mapping[str, str] | None = None


def notice_content(notice: Notice, kind: str, owner: Any, call: str | None) -> dict[str, Any]:
    """Write a notice as a message of Slack, or as plain text for everything else.

    Parameters
    ----------
    notice : Notice
    kind : str
        Of the receiver: `slack`, or anything else.
    owner : object with `team` and `runbook`
        As `config.owner`.
    call : str or None
        Who is called, where it is no good news.

    Examples
    --------
    >>> late = Notice("flights: no window has been evaluated", ["Last run: none is known"])
    >>> notice_content(late, "apprise", None, None)["body"]
    'Last run: none is known'
    >>> [b["type"] for b in notice_content(late, "slack", None, "@oncall")["blocks"]]
    ['header', 'section', 'section']
    """
    write = _slack if kind == "slack" else _plain
    return write(notice, owner, None if notice.quiet else call)


def _slack(notice: Notice, owner: Any, call: str | None) -> dict[str, Any]:
    header = {"type": "plain_text", "text": escape(notice.title, HEADER_MAX), "emoji": False}
    blocks: list[dict[str, Any]] = [{"type": "header", "text": header}]
    if notice.quiet:
        blocks = [{"type": "section", "text": mrkdwn(escape(notice.title))}]
    if notice.lines:
        # Escaping may make them longer than a section takes.
        body = "\n".join(
            escape(line, SECTION_MAX // len(notice.lines) - 1) for line in notice.lines
        )
        blocks.append({"type": "section", "text": mrkdwn(body)})
    if notice.facts:
        fields = [
            mrkdwn(f"*{name}*\n{escape(value, FIELD_MAX - 100)}")
            for name, value in notice.facts.items()
        ]
        blocks.append({"type": "section", "fields": fields[:10]})
    who = "" if notice.quiet else owner_line(owner, notice.links or {}, call)
    if who:
        blocks.append({"type": "section", "text": mrkdwn(who)})
    return {"text": escape(notice.title), "blocks": blocks}


def _plain(notice: Notice, owner: Any, call: str | None) -> dict[str, Any]:
    known = dict(notice.links or {})
    if runbook := getattr(owner, "runbook", None):
        known.setdefault("runbook", runbook)
    lines = [
        *notice.lines,
        *(f"{name}: {value}" for name, value in (notice.facts or {}).items()),
        *(f"{name.capitalize()}: {url}" for name, url in known.items() if not notice.quiet),
    ]
    kind = "success" if notice.quiet else "failure"
    return {"text": notice.title[:250], "body": "\n".join(lines) or notice.title, "type": kind}
