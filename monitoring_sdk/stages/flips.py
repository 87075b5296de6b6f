"""What a decision turns: verdicts that late rows or labels make others, and new warnings."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring_sdk.adapters.store import Deciding
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.incidents import QUIET_WINDOWS
from monitoring_sdk.render.alerts import Flip
from monitoring_sdk.report import Check, Incident
from monitoring_sdk.window import Cadence, Window


def flips(tx: Deciding, rows: Sequence[ResultRow]) -> list[tuple[Incident, list[Flip]]]:
    """Return the verdicts that are about to turn, by the incident that they were evidence of.

    Parameters
    ----------
    tx : Deciding
        Before the rows are written to it.
    rows : sequence of ResultRow
        A verdict under other settings, or beside another baseline, is not the same one turned.

    Returns
    -------
    list of (Incident, list of Flip)
        An alert that is none any more belongs to the newest incident with that check which had
        opened when it was given; a new alert to the open incident, if that has it.
    """
    found: dict[str, tuple[Incident, list[Flip]]] = {}
    incidents: list[Incident] | None = None
    for row in rows:
        known = tx.result(row.window, row.part)
        turned = [] if known is None else _turned(known, row)
        if known is None or not turned:
            continue
        incidents = tx.incidents() if incidents is None else incidents
        for check in turned:
            own = [i for i in incidents if check.key in i.checks and _about(i, check, known)]
            if own:
                found.setdefault(own[-1].id, (own[-1], []))[1].append(Flip(check))
    return list(found.values())


def _turned(known: ResultRow, row: ResultRow) -> list[Check]:
    if (known.settings, known.baseline) != (row.settings, row.baseline):
        return []
    if row.as_of < known.as_of or row.fingerprint == known.fingerprint:
        # A span that is walked again knows less than what was said last, and another worker on the
        # same rows and labels knows the same: neither is news.
        return []
    before = {c.key: c for c in known.checks}
    return [
        c
        for c in row.checks
        if (old := before.get(c.key)) is not None
        and ((old.pages and c.status == "ok") or (c.pages and old.status == "ok"))
    ]


def _about(incident: Incident, check: Check, known: ResultRow) -> bool:
    return incident.closed is None if check.pages else incident.opened <= known.as_of


def new_warnings(tx: Deciding, cadence: Cadence, rows: Sequence[ResultRow]) -> list[Check]:
    """Return the warnings of verdicts that did not warn in the windows just before.

    As many windows as close an incident: what comes and goes is told once.
    """
    found = []
    for row in rows:
        checks = [c for c in row.checks if _warns(c)]
        if checks:
            recent = _warned_before(tx, cadence, row)
            found += [c for c in checks if c.key not in recent]
    return found


def _warns(check: Check) -> bool:
    return check.status == "alert" and check.severity == "warning" and check.version is None


def _warned_before(tx: Deciding, cadence: Cadence, row: ResultRow) -> set[str]:
    keys: set[str] = set()
    start = row.window.start
    for _ in range(QUIET_WINDOWS):
        before = Window(cadence.previous(start), start)
        known = tx.result(before, row.part)
        keys |= {c.key for c in (known.checks if known is not None else ()) if _warns(c)}
        start = before.start
    return keys
