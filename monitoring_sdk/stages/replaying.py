"""Replay from what the store knows: the verdicts that a changed file would have given."""

from __future__ import annotations

import dataclasses
import gc
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.alarms.values import Values
from monitoring_sdk.calendar import quieted
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Part, ResultRow
from monitoring_sdk.errors import StoreError
from monitoring_sdk.evaluate import restated
from monitoring_sdk.feedback import Epoch, Feedback
from monitoring_sdk.incidents import advance
from monitoring_sdk.report import Check, Incident, Trigger
from monitoring_sdk.stages.alarms import Budgeting
from monitoring_sdk.stages.steps import step_as_of, walk
from monitoring_sdk.window import Window

_NUMBERS = 8
"""So many characters of a settings hash are of what changes numbers."""


class Replayed:
    """What a replay has decided so far; asked as a store is, and kept nowhere.

    Parameters
    ----------
    feedback, epochs : sequences
        What was said until now.
    """

    def __init__(self, feedback: Sequence[Feedback] = (), epochs: Sequence[Epoch] = ()) -> None:
        self._feedback, self._epochs = list(feedback), list(epochs)
        # In order of time; starts beside the rows, for most windows are looked back on often.
        self._rows: dict[Part, list[ResultRow]] = {"data": [], "performance": []}
        self._starts: dict[Part, list[datetime]] = {"data": [], "performance": []}
        self._known: list[Incident] = []

    def keep(self, row: ResultRow) -> None:
        """Keep a verdict in the place of the one before it."""
        rows, starts = self._rows[row.part], self._starts[row.part]
        at = bisect_left(starts, row.window.start)
        if self.row(row.window, row.part) is not None:
            rows[at] = row
        else:
            rows.insert(at, row)
            starts.insert(at, row.window.start)

    def row(self, window: Window, part: Part) -> ResultRow | None:
        """Return the verdict on a part of a window."""
        rows, at = self._rows[part], bisect_left(self._starts[part], window.start)
        found = rows[at] if at < len(rows) else None
        return found if found is not None and found.window == window else None

    def between(self, start: datetime, end: datetime, part: Part) -> list[ResultRow]:
        """Return the verdicts on the windows inside `[start, end)`, in order of time."""
        starts = self._starts[part]
        found = self._rows[part][bisect_left(starts, start) : bisect_left(starts, end)]
        while found and found[-1].window.end > end:
            found.pop()
        return found

    def set_incident(self, incident: Incident) -> None:
        """Keep how an incident stands."""
        if self._known and self._known[-1].id == incident.id:
            self._known[-1] = incident
        else:
            self._known.append(incident)

    @property
    def open_incident(self) -> Incident | None:
        """The incident that is open."""
        newest = self._known[-1] if self._known else None
        return newest if newest is not None and newest.closed is None else None

    # What follows answers to the names that stores and decisions have.

    def results(self, *asked: Any, **more: Any) -> list[ResultRow]:
        """Return verdicts: of `(start, end, part)`, or of `(model, start, end, part)`."""
        start, end, part = asked if len(asked) == 3 else asked[1:]
        return self.between(start, end, part)

    def incidents(
        self, model: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Incident]:
        """Return the incidents opened in `(start, end]`, oldest first."""
        return [
            i
            for i in self._known
            if (start is None or i.opened > start) and (end is None or i.opened <= end)
        ]

    def triggers(self, model: str | None = None) -> list[Trigger]:
        """Return no trigger: a replay asks for no retraining."""
        return []

    def feedback(self) -> list[Feedback]:
        """Return what people said."""
        return self._feedback

    def epochs(self) -> list[Epoch]:
        """Return the epochs that were started."""
        return self._epochs


@dataclasses.dataclass(frozen=True)
class Stored:
    """The stored verdicts that a replay goes through: a row a window, and labels as they came."""

    data: dict[Window, ResultRow]
    performance: tuple[ResultRow, ...]


def stored(config: MonitorConfig, windows: Sequence[Window], store: Store) -> Stored | None:
    """Return the verdicts on a span; None where numbers are missing that this file asks for.

    They are missing where a window was never evaluated, or under settings that change numbers, or
    on another baseline, or where its labels came due and it was judged too late.
    """
    if not windows:
        return None
    span = windows[0].start, windows[-1].end
    data = {r.window: r for r in store.results(config.model, *span, "data")}
    numbers = config.settings_hash()[:_NUMBERS]
    every = baselines.every(baselines_root(), config.model)
    for window in windows:
        row = data.get(window)
        if row is None or row.settings[:_NUMBERS] != numbers or row.status == "error":
            return None
        baseline = baselines.valid_for(every, window)
        if row.baseline != baseline.version or baseline.watching is None:
            return None
    found = store.results(config.model, *span, "performance", newest=False)
    last = step_as_of(config, windows[-1])
    known = {r.window for r in found if r.as_of <= last and r.settings[:_NUMBERS] == numbers}
    if {r.window for r in found} - known:
        late = {r.window for r in found} - known
        if any(w.end + config.labels.delay <= last for w in late):
            return None
    own = [r for r in found if r.as_of <= last and r.settings[:_NUMBERS] == numbers]
    return Stored(data, tuple(sorted(own, key=lambda r: (r.as_of, r.window, r.revision))))


def replay(
    config: MonitorConfig,
    windows: Sequence[Window],
    known: Stored,
    past: Replayed,
) -> Iterator[Window]:
    """Decide about windows in order, from stored numbers alone; yields each when it is decided.

    Parameters
    ----------
    known : Stored
    past : Replayed
        What was decided so far, which grows.
    """
    labelled, at = list(known.performance), 0
    settings = config.settings_hash()
    memo: dict[Any, Values] = {}
    for window in windows:
        as_of = step_as_of(config, window)
        rows = [known.data[window]]
        while at < len(labelled) and labelled[at].as_of <= as_of:
            rows.append(labelled[at])
            at += 1
        budgeting = Budgeting(past, config, memo)
        checks: list[Check] = []
        for row in sorted(rows, key=lambda r: (r.window, r.revision)):
            before = past.row(row.window, row.part)
            (judged,) = quieted(config, [budgeting.judge(_restated(row, config, settings))])
            past.keep(judged)
            if _counts(judged, before):
                checks += judged.checks
        incident = past.open_incident
        if known.data[window].status != "no_data" or any(c.pages for c in checks):
            progress = advance(incident, checks, model=config.model, window=window)
            if progress.incident is not None:
                past.set_incident(progress.incident)
        yield window


def _restated(row: ResultRow, config: MonitorConfig, settings: str) -> ResultRow:
    if row.settings == settings:
        return row
    checks = tuple(restated(c, config.thresholds) for c in row.checks)
    return dataclasses.replace(row, checks=checks, settings=settings)


def _counts(row: ResultRow, before: ResultRow | None) -> bool:
    """Say whether a verdict belongs to the step: it is new, or labels turned it into an alert."""
    return before is None or (row.status == "alert" and before.status != "alert")


def replayed(
    config: MonitorConfig,
    windows: Sequence[Window],
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Store | Replayed:
    """Say what would have been alarmed: from the store where it knows the numbers, else anew.

    Writes no state. What the store does not know is read from the sources, window by window.
    """
    try:
        store = open_store(read_only=True)
    except StoreError:
        store = None
    # What is read and judged stays to the end: the collector would walk it again and again.
    with _uncollected():
        known = None if store is None else stored(config, windows, store)
    if store is None or known is None:
        passing = open_store("sqlite://")
        for i, _ in enumerate(walk(config, windows, passing), start=1):
            progress("windows", i, len(windows))
        return passing
    past = Replayed(store.feedback(config.model), store.epochs(config.model))
    with _uncollected():
        for i, _ in enumerate(replay(config, windows, known, past), start=1):
            progress("windows", i, len(windows))
    return past


@contextmanager
def _uncollected() -> Iterator[None]:
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
