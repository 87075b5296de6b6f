"""For a terminal: how all models stand, and what was said of an incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitoring_sdk.render.console import table
from monitoring_sdk.render.grouped import group_words
from monitoring_sdk.render.numbers import NOTHING, moment, number, short, window_words
from monitoring_sdk.render.words import status_label
from monitoring_sdk.window import Window, parse_time

PROBLEMS_SHOWN = 10
_HEAD = ("model", "last window", "verdict", "open incident", "silenced until", "rows", "budget")
_KINDS = {
    "ack": "acknowledged",
    "false_alarm": "false alarm",
    "expected_change": "expected change",
}


def status_text(document: Mapping[str, Any]) -> str:
    """Write the document of `monitoring status`: a line a model, then what is wrong with files.

    Examples
    --------
    >>> print(status_text({"models": [{
    ...     "model": "flights", "file": None, "problems": [], "timezone": "UTC", "status": "ok",
    ...     "window": {"start": "2013-06-03T00:00Z", "end": "2013-06-04T00:00Z"}, "rows": 912,
    ...     "incident": None, "budget": None, "silenced_until": None}]}))
    model    last window  verdict  open incident  silenced until  rows           budget
    flights  2013-06-03   ok       –              –                912  no monitor file
    """
    models = document["models"]
    lines = [table(_HEAD, [_line(m) for m in models], left=5)]
    if not models:
        lines = ["no model: there is no monitor file, and the store is empty"]
    for model in (m for m in models if m["problems"]):
        first, *more = model["problems"]
        lines.append(f"{short(model['model'])}: {first}")
        if more:
            lines.append(f"  and {len(more)} more: monitoring check {model['file']}")
    lines += [group_words(g["models"], g["columns"]) for g in document.get("groups", ())]
    return "\n".join([*lines, *outbox_lines(document.get("outbox", {}))])


def outbox_lines(outbox: Mapping[str, Any]) -> list[str]:
    """Say what has not arrived, a line each; nothing where all has.

    Examples
    --------
    >>> outbox_lines({"pending": 0, "unknown": 0, "dead": 1, "problems": [{
    ...     "model": "flights", "kind": "slack", "to": "C1", "transition": "opened",
    ...     "state": "dead", "since": "2013-06-04T00:00Z", "detail": "is_archived",
    ...     "id": "0f3c6a1e-52b1"}]})[1:]
    ['  flights: opened to slack C1, dead since 2013-06-04: is_archived (--revive 0f3c6a1e)']
    """
    counts = [(name, outbox.get(name, 0)) for name in ("dead", "unknown", "pending")]
    # What was not tried yet is no news.
    if not outbox.get("problems"):
        return []
    said = ", ".join(f"{n:,} {name}" for name, n in counts if n)
    problems = sorted(outbox["problems"], key=lambda p: ("dead", "unknown").count(p["state"]) == 0)
    lines = [_problem(p) for p in problems[:PROBLEMS_SHOWN]]
    more = len(problems) - len(lines)
    if outbox.get("dead"):
        said += "; monitoring deliver --revive [ID] sends what is dead again"
    return [f"not delivered: {said}", *lines, *([f"  and {more:,} more"] if more else [])]


def _problem(problem: Mapping[str, Any]) -> str:
    to = " ".join(filter(None, (problem["kind"].replace("_", " "), problem["to"])))
    since = moment(parse_time(problem["since"]))
    detail = f": {short(problem['detail'], 300)}" if problem["detail"] else ""
    what = f"{short(problem['model'])}: {short(problem['transition'])} to {short(to)}"
    # As `monitoring deliver` takes it.
    again = f" (--revive {problem['id'][:8]})" if problem["state"] == "dead" else ""
    return f"  {what}, {problem['state']} since {since}{detail}{again}"


def _line(model: Mapping[str, Any]) -> list[str]:
    zone = model["timezone"]
    window, until, budget = model["window"], model["silenced_until"], model["budget"]
    verdict = NOTHING if model["status"] is None else status_label(model["status"])
    if budget is not None:
        spent = f"{budget['spent']} of {budget['allowed']}"
    else:
        spent = "broken file" if model["problems"] else "no monitor file"
    return [
        short(model["model"]),
        NOTHING if window is None else window_words(Window.from_dict(window), zone),
        verdict,
        _incident(model["incident"], zone),
        NOTHING if until is None else moment(parse_time(until), zone),
        NOTHING if model["rows"] is None else number(model["rows"]),
        spent,
    ]


def _incident(incident: Mapping[str, Any] | None, zone: str) -> str:
    if incident is None:
        return NOTHING
    since = moment(parse_time(incident["opened"]), zone)
    noted = ", acknowledged" if incident["acknowledged"] else ""
    return f"{incident['id'][:8]} since {since}: {', '.join(incident['families'])}{noted}"


def incident_text(document: Mapping[str, Any]) -> str:
    """Write the document of `monitoring incident`: the incident, and what was said about it."""
    incident = document["incident"]
    opened, closed = (
        None if incident[name] is None else moment(parse_time(incident[name]))
        for name in ("opened", "closed")
    )
    lines = [
        f"{short(document['model'])}: incident {incident['id']}",
        f"  opened {opened}, {'still open' if closed is None else f'closed {closed}'}",
        f"  families: {', '.join(incident['families']) or NOTHING}",
        *(f"  {short(key, 200)}" for key in incident["checks"]),
    ]
    lines += [
        f"  retraining {t['id']}: {t['state']}, {short(t['reason'], 300)}"
        for t in document["triggers"]
    ]
    lines += [f"  {_said(said)}" for said in document["said"]]
    if not document["said"]:
        lines.append("  nothing was said about it yet")
    if (epoch := document["epoch"]) is not None:
        start = moment(parse_time(epoch["valid_from"]))
        of = "all families" if epoch["families"] is None else ", ".join(epoch["families"])
        lines.append(f"  epoch from {start}: {of} start afresh (baseline {epoch['baseline']})")
    return "\n".join(lines)


def _said(said: Mapping[str, Any]) -> str:
    text = f"{_KINDS.get(said['kind'], said['kind'])}: {short(said['said_by'])}, "
    text += moment(parse_time(said["said"]))
    return text + (f": {short(said['reason'], 300)}" if said["reason"] else "")
