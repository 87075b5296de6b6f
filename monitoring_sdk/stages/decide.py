"""Decide: confirm, open and close incidents, ask for retraining, and commit it all at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime

from monitoring_sdk.adapters.store import Deciding, Store
from monitoring_sdk.calendar import quieted, set_apart
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Decision, Message, ResultRow
from monitoring_sdk.evaluate import confirm
from monitoring_sdk.incidents import advance
from monitoring_sdk.report import (
    Check,
    Report,
    Status,
    overall_status,
)
from monitoring_sdk.retraining import asked
from monitoring_sdk.stages.alarms import Budgeting
from monitoring_sdk.stages.alerting import tell
from monitoring_sdk.stages.asking import hook_messages, trigger_for
from monitoring_sdk.stages.concept import diagnosed
from monitoring_sdk.stages.digesting import tell_digest
from monitoring_sdk.stages.hiding import hidden
from monitoring_sdk.window import Window


def status_of(rows: int, checks: Sequence[Check]) -> tuple[Status, str | None]:
    """Say the status of a window's own data."""
    if rows == 0:
        return "no_data", "no rows in the window"
    return overall_status(checks)


def confirm_rows(
    tx: Deciding, config: MonitorConfig, rows: Sequence[ResultRow]
) -> tuple[ResultRow, ...]:
    """Confirm provisional excesses, oldest window first, each by the window before it."""
    done: dict[tuple[str, Window], ResultRow] = {}
    for row in sorted(rows, key=lambda r: r.window):
        before = Window(config.cadence.previous(row.window.start), row.window.start)
        earlier = done.get((row.part, before)) or tx.result(before, row.part)
        evidence = () if earlier is None else earlier.checks
        if set_apart(config, before, row.window):
            evidence = ()
        exceeded = {c.key for c in evidence if c.exceeded}
        checks = confirm(row.checks, exceeded)
        status, reason = row.status, row.reason
        if row.part == "performance" or row.rows:
            status, found = overall_status(checks)
            reason = found or reason
        done[row.part, row.window] = dataclasses.replace(
            row, checks=checks, status=status, reason=reason
        )
    return tuple(done.values())


def judged_rows(
    tx: Deciding, config: MonitorConfig, rows: Sequence[ResultRow]
) -> tuple[ResultRow, ...]:
    """Judge rows beside the windows before them: by the budget, where their baseline has one."""
    budgeting = Budgeting(tx, config)
    judged = [budgeting.judge(row) for row in confirm_rows(tx, config, rows)]
    return tuple(hidden(row, config.privacy.min_count) for row in quieted(config, judged))


def changed_rows(
    tx: Deciding, rows: Sequence[ResultRow], *, recompute: bool = False
) -> tuple[list[ResultRow], list[ResultRow]]:
    """Tell rows that are to be judged from those whose newest verdict is on the same labels.

    That verdict stands as it was given: under its own date, beside the windows that were known.
    So does one on labels of a later moment: a step that is walked again, or by a second worker
    that is behind, has nothing to add to it.
    """
    fresh, known = [], []
    for row in rows:
        newest = None if recompute else tx.result(row.window, row.part)
        if newest is None or not _same(row, newest):
            fresh.append(row)
        else:
            known.append(newest)
    return fresh, known


def _same(row: ResultRow, newest: ResultRow) -> bool:
    if newest.status == "error" or (row.baseline, row.settings) != (
        newest.baseline,
        newest.settings,
    ):
        return False
    return row.fingerprint == newest.fingerprint or row.as_of < newest.as_of


def decide_window(
    config: MonitorConfig,
    data: ResultRow,
    performance: Sequence[ResultRow],
    extra: Sequence[Check],
    store: Store,
    *,
    notify: bool = True,
    revise_only: bool = False,
    recompute: bool = False,
    links: Mapping[str, str] | None = None,
    holder: str,
    now: datetime,
) -> Report:
    """Confirm the verdicts of one step, and commit them with what follows from them.

    Parameters
    ----------
    data : ResultRow
        The window's own checks.
    performance : sequence of ResultRow
        Windows whose labels were judged at this step.
    extra : sequence of Check
        Checks that are shown but not kept: labels that are not yet due.
    notify : bool
        Whether messages and triggers follow; incidents are recorded all the same.
    revise_only : bool
        Only verdicts change: no incident, no message.
    recompute : bool
        Performance is judged again where labels are as they were.
    links : mapping, optional
        Addresses for people: `report`, `run`.

    Returns
    -------
    Report
        What was decided; a window older than the newest decided one only revises.
    """
    with store.deciding(config.model, holder=holder, now=now) as tx:
        changed, known = changed_rows(tx, performance, recompute=recompute)
        confirmed = judged_rows(tx, config, [data, *changed])
        fresh = [row for row in (*confirmed, *known) if _is_news(tx, row, data)]
        checks = tuple(c for row in fresh for c in row.checks)
        own = next(row for row in confirmed if row.part == "data" and row.window == data.window)
        status, reason = _overall(own, checks)
        report = Report(
            model=config.model,
            window=data.window,
            as_of=data.as_of,
            status=status,
            reason=reason,
            rows=data.rows,
            baseline=data.baseline,
            checks=(*checks, *extra),
            links=links or {},
            diagnosis=diagnosed(tuple(fresh)),
        )
        until = tx.decided_until()
        decides = not revise_only and (until is None or data.window.end > until)
        if status == "no_data" and not any(c.pages for c in checks):
            # Rows may still come in time: until then the window is not decided.
            decides = False
        incident, trigger = tx.open_incident(), None
        transitions: Sequence[str] | None = None
        if decides:
            progress = advance(incident, checks, model=config.model, window=data.window)
            incident, transitions = progress.incident, progress.transitions
            if notify:
                trigger = trigger_for(config, tx, incident, report, confirmed)
        report = dataclasses.replace(
            report,
            incidents=(incident,) if incident is not None else (),
            triggers=tuple(asked([trigger])) if trigger is not None else (),
        )
        messages: tuple[Message, ...] = ()
        if notify and not revise_only:
            messages = tell(tx, config, report, incident, transitions, confirmed, now)
            messages += tuple(hook_messages(config, trigger, tx))
        tx.save(
            Decision(
                config.model,
                data.window,
                data.as_of,
                confirmed,
                incident if decides else None,
                trigger,
                messages,
                decides,
            )
        )
        if notify and decides:
            tell_digest(tx, config, data.window, until, links)
    return report


def _is_news(tx: Deciding, row: ResultRow, data: ResultRow) -> bool:
    """Say whether a verdict belongs to this step: it is new, or labels turned it into an alert.

    A window that was judged before and is as it was neither prolongs an incident nor ends one.
    """
    if row.window == data.window:
        return True
    known = tx.result(row.window, row.part)
    if known is None or known.as_of == data.as_of:
        return True
    return row.status == "alert" and known.status != "alert"


def _overall(own: ResultRow, checks: Sequence[Check]) -> tuple[Status, str | None]:
    if own.status in ("error", "no_data"):
        return own.status, own.reason
    return overall_status(checks)
