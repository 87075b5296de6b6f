"""Steps: one window after another through every stage, without an orchestrator."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from monitoring_sdk.adapters.store import Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Decision, ResultRow
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.report import Check, Report
from monitoring_sdk.stages.concept import ConceptChain
from monitoring_sdk.stages.decide import (
    changed_rows,
    decide_window,
    judged_rows,
    status_of,
)
from monitoring_sdk.stages.drift import detect_drift
from monitoring_sdk.stages.handle import Handle, pull_window
from monitoring_sdk.stages.hiding import without_small
from monitoring_sdk.stages.judged import judge_windows, result_of, standing
from monitoring_sdk.stages.looking import Ahead, look
from monitoring_sdk.stages.metrics import Metrics, compute_metrics
from monitoring_sdk.stages.quality import Quality, blocking
from monitoring_sdk.stages.scan import forget
from monitoring_sdk.window import Window


def clock() -> datetime:
    """Return the wall clock; what is decided never depends on it."""
    return datetime.now(UTC)


def worker() -> str:
    """Name this process, for the lease and for claims."""
    return f"{socket.gethostname()}-{os.getpid()}"


def data_row(handle: Handle, checks: Sequence[Check]) -> ResultRow:
    """Return the verdict on a window's own data."""
    status, reason = status_of(handle.rows, checks)
    baseline, settings, fingerprint = handle.result_key
    if not handle.rows and any(c.name == "data_late" and c.status == "alert" for c in checks):
        # The same nothing means more once it is overdue. Rows may tell that others are: a window
        # that has some is read back as it was judged.
        fingerprint += "-late"
    return ResultRow(
        model=handle.config.model,
        window=handle.window,
        part="data",
        baseline=baseline,
        settings=settings,
        fingerprint=fingerprint,
        as_of=handle.as_of,
        status=status,
        reason=reason,
        rows=handle.rows,
        checks=tuple(checks),
    )


def decide(
    handle: Handle,
    quality: Quality,
    profile: Profile | None,
    metrics: Metrics,
    drift: Sequence[Check],
    store: Store,
    *,
    notify: bool = True,
    revise_only: bool = False,
    recompute: bool = False,
    links: Mapping[str, str] | None = None,
    holder: str | None = None,
    now: datetime | None = None,
) -> Report:
    """Decide about a window from its checks, and commit verdict, incident, trigger and messages.

    Parameters
    ----------
    profile : Profile or None
        Kept beside the verdict, so that windows can be added up later.
    notify : bool
        Whether messages and a trigger follow.
    revise_only : bool
        Only verdicts change.
    recompute : bool
        Performance is judged again where labels are as they were.
    """
    now = now or clock()
    row = data_row(handle, [*quality.checks, *metrics.operations, *metrics.estimates, *drift])
    if profile is not None:
        baseline, _, fingerprint = handle.result_key
        kept = without_small(profile, handle.config.privacy.min_count)
        store.save_profile(
            handle.config.model, handle.window, baseline, fingerprint, kept.to_dict()
        )
    report = decide_window(
        handle.config,
        row,
        metrics.results,
        metrics.pending,
        store,
        notify=notify,
        revise_only=revise_only,
        recompute=recompute,
        links=links,
        holder=holder or worker(),
        now=now,
    )
    forget()
    return report


def stored_row(handle: Handle, store: Store) -> ResultRow | None:
    """Return the verdict on these very rows under these settings, where there is one.

    There is none on a window without rows: each look asks again whether they are overdue.
    """
    return store.find(data_row(handle, ())) if handle.rows else None


def evaluate_window(
    config: MonitorConfig,
    window: Window,
    as_of: datetime,
    store: Store,
    *,
    notify: bool = True,
    recompute: bool = False,
    links: Mapping[str, str] | None = None,
    ahead: Ahead | None = None,
) -> Report:
    """Take one window through every stage.

    A window whose rows were judged already is read back; labels that came since are still joined.

    Parameters
    ----------
    ahead : Ahead, optional
        Where the window may have been looked at already.

    Raises
    ------
    MonitoringError
        When the window could not be looked at.
    """
    handle = pull_window(config, window, as_of)
    if not recompute and (done := stored_row(handle, store)) is not None:
        if ahead is not None:
            ahead.drop(window)
        return read_back(handle, done, store, notify=notify, links=links)
    seen = None if ahead is None else ahead.take(handle)
    if seen is None:
        seen = look(handle)
    quality, profile = seen.quality, seen.profile
    metrics = compute_metrics(handle, quality, store, seen.estimates, recompute=recompute)
    drift = detect_drift(handle, quality, profile, store)
    return decide(
        handle,
        quality,
        profile,
        metrics,
        drift,
        store,
        notify=notify,
        recompute=recompute,
        links=links,
    )


def read_back(
    handle: Handle,
    done: ResultRow,
    store: Store,
    *,
    notify: bool = True,
    links: Mapping[str, str] | None = None,
) -> Report:
    """Return the report of a window that was judged already, with the labels known by now."""
    quality = Quality((), blocking(done.checks))
    metrics = compute_metrics(handle, quality, store)
    return decide_window(
        handle.config,
        dataclasses.replace(done, as_of=handle.as_of),
        metrics.results,
        metrics.pending,
        store,
        notify=notify,
        links=links,
        holder=worker(),
        now=clock(),
    )


def refreshed(report: Report, store: Store) -> Report:
    """Return a report with its incidents and triggers as they stand now, after delivery."""
    known = {i.id: i for i in store.incidents(report.model)}
    own = {i.id for i in report.incidents}
    return dataclasses.replace(
        report,
        incidents=tuple(known.get(i.id, i) for i in report.incidents),
        triggers=tuple(t for t in store.triggers(report.model) if t.incident in own),
    )


def step_as_of(config: MonitorConfig, window: Window) -> datetime:
    """Return the moment at which a window is looked at for the first time."""
    return window.end + config.window.lag


def walk(
    config: MonitorConfig,
    windows: Sequence[Window],
    store: Store,
    *,
    notify: bool = False,
    recompute: bool = False,
) -> Iterator[Report]:
    """Evaluate windows in order, each as of its own end plus lag."""
    for window in windows:
        yield evaluate_window(
            config,
            window,
            step_as_of(config, window),
            store,
            notify=notify,
            recompute=recompute,
        )


def revise(config: MonitorConfig, windows: Sequence[Window], as_of: datetime, store: Store) -> None:
    """Judge the performance of windows again with the labels known as of a moment.

    Verdicts are revised; no incident is opened, nothing is sent.
    """
    if config.source.labels is None or not windows:
        return
    first, last = windows[0], windows[-1]
    found = store.results(config.model, first.start, last.end, "data")
    data = {r.window: r for r in found}
    due = [
        w
        for w in windows
        if w.end + config.labels.delay <= as_of
        and w in data
        and data[w].rows
        and not blocking(data[w].checks)
    ]
    rows = max((data[w].rows or 0 for w in due), default=0)
    concept = ConceptChain(config, store, first)
    judged_again = [
        result_of(config, judged, as_of, concept)
        for judged in judge_windows(config, due, as_of, rows)
        if judged.due.judged
        and judged.coverage is not None
        and standing(config, judged, as_of, concept) is None
    ]
    if judged_again:
        with store.deciding(config.model, holder=worker(), now=clock()) as tx:
            results = judged_rows(tx, config, changed_rows(tx, judged_again)[0])
            tx.save(Decision(config.model, last, as_of, results, None, None, (), decides=False))
