"""What a backfill leaves behind that people rest on, in a form that two runs can be compared by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitoring_sdk.adapters.store import Store

Picture = Mapping[str, Mapping[str, Any]]
"""By the name of a table: its rows, by what each is about."""


def picture(store: Store, model: str, slack: list[dict], hook: Path) -> Picture:
    """Return what the store keeps of a model, and what was really received outside.

    Parameters
    ----------
    store : Store
    model : str
    slack : list of dict
        The messages that the stand-in for Slack took.
    hook : Path
        The file in which the hook writes down each call.

    Notes
    -----
    Left out are the clock's marks (when a message was put down, tried and settled), how often it
    was tried, and the number of calls of a hook, which is promised to be one at least.
    """
    verdicts = store.results(model, newest=False)
    newest = {(r.window, r.part): r for r in verdicts}
    called = set(hook.read_text().split()) if hook.exists() else set()
    return {
        "windows": {f"{w.end:%m-%d} {part}": _verdict(r) for (w, part), r in newest.items()},
        "verdicts": {f"{r.window.end:%m-%d} {r.part} {r.revision}": _verdict(r) for r in verdicts},
        "incidents": {i.id: i.to_dict() for i in store.incidents(model)},
        "outbox": {
            r.message.id: (r.state, r.message.transition, r.message.incident, r.message.payload)
            for r in store.messages()
        },
        "messages": _received(slack),
        "triggers": {t.id: (t.to_dict(), t.id in called) for t in store.triggers(model)},
        "strange calls": dict.fromkeys(called - {t.id for t in store.triggers(model)}),
    }


def _verdict(row: Any) -> tuple[Any, ...]:
    key = (row.baseline, row.settings, row.fingerprint, row.as_of, row.revision)
    return (*key, row.status, row.reason, row.rows, [c.to_dict() for c in row.checks])


def _received(slack: list[dict]) -> dict[str, Any]:
    """Return each message with its thread and how often it came; a chart goes by its thread."""
    name = {
        m["ts"]: m["metadata"]["event_payload"]["delivery_id"] for m in slack if "metadata" in m
    }
    name |= {
        m["ts"]: f"chart of {name.get(m.get('thread_ts', ''))}"
        for m in slack
        if m["ts"] not in name
    }
    times = Counter(name.values())
    return {
        name[m["ts"]]: (m.get("text"), name.get(m.get("thread_ts", "")), times[name[m["ts"]]])
        for m in slack
    }


def differences(before: Picture, after: Picture) -> dict[str, list[str]]:
    """Return, for each table, what is missing, came in addition, or is not the same."""
    found: dict[str, list[str]] = {}
    for table, rows in before.items():
        others = after[table]
        found[table] = [
            *(f"missing: {key}" for key in rows.keys() - others.keys()),
            *(f"added: {key}: {str(others[key])[:200]}" for key in others.keys() - rows.keys()),
            *(
                f"other: {key}: {_changed(rows[key], others[key])}"
                for key in rows.keys() & others.keys()
                if rows[key] != others[key]
            ),
        ]
    return found


def _changed(before: Any, after: Any) -> str:
    """Say what of two values is not the same, deep inside where they are alike."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
        name = before.get("key", "")
        return f"{name}{ {k: _changed(before.get(k), after.get(k)) for k in keys} }"
    same = isinstance(before, list | tuple) and isinstance(after, list | tuple)
    if same and len(before) == len(after):
        return "; ".join(_changed(x, y) for x, y in zip(before, after, strict=True) if x != y)
    return f"{str(before)[:300]} became {str(after)[:300]}"
