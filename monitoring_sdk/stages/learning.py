"""What thresholds rest on: the reference windows of a baseline, and those that came since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from monitoring_sdk.alarms.budget import MOST_WINDOWS, Alarms
from monitoring_sdk.alarms.judging import Budget
from monitoring_sdk.alarms.watching import Found
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.calendar import excluded
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Part, ResultRow
from monitoring_sdk.report import Incident
from monitoring_sdk.stages.fleet import budget_of
from monitoring_sdk.stages.watching import (
    Restart,
    Seen,
    fit_watching,
    in_budget,
    reference_seen,
    windows_to_learn_from,
)
from monitoring_sdk.window import Window

_MOST_KEPT, _MOST_DAYS = 64, 120
_DAY = timedelta(days=1)

_fitted: dict[tuple[object, ...], Alarms | None] = {}


class Learning:
    """Sets the thresholds of a baseline, and sets them anew from the windows that came since.

    Parameters
    ----------
    config : MonitorConfig
    results : callable
        The newest verdicts on a part of each window of a span, in order.
    found : callable
        The values of a row, as alarms take them.
    incidents : sequence of Incident
        Whose windows say nothing of what is usual.
    epochs : sequence of Restart
    memo : dict
        Kept from one decision of a replay to the next.
    """

    def __init__(
        self,
        config: MonitorConfig,
        results: Callable[[datetime, datetime, Part], list[ResultRow]],
        found: Callable[[ResultRow, Baseline], Found],
        incidents: Sequence[Incident],
        epochs: Sequence[Restart],
        memo: dict[Any, Any],
    ) -> None:
        self._config, self._results, self._found = config, results, found
        self._incidents, self._epochs, self._memo = incidents, epochs, memo

    def alarms(self, row: ResultRow, baseline: Baseline) -> Alarms | None:
        """Return the alarms for a row: the baseline's, or set anew from what came since."""
        watching, config = baseline.watching, self._config
        if watching is None:
            return None
        later, stamp = self._learned(row, baseline)
        epochs = [e for e in self._epochs if e.valid_from <= row.window.start]
        budget, made = self._budget, watching.alarms
        if not later and not epochs and self._still_holds(made, budget, baseline):
            return made
        quiet = config.alarm.digest_only
        key = (
            config.model,
            baseline.version,
            baseline.created,
            quiet,
            str(budget),
            *stamp,
            *epochs,
        )
        if key not in _fitted:
            reference = reference_seen(baseline.windows, baseline.reference, config)
            while len(_fitted) >= _MOST_KEPT:
                del _fitted[next(iter(_fitted))]
            seen = [*reference, *(self._seen(baseline, *pair) for pair in later)]
            _fitted[key] = fit_watching(config, baseline, seen, budget=budget, epochs=epochs)
        return _fitted[key]

    @property
    def _budget(self) -> Budget:
        if "budget" not in self._memo:
            self._memo["budget"] = budget_of(self._config)
        found: Budget = self._memo["budget"]
        return found

    def _still_holds(self, made: Alarms | None, budget: Budget, baseline: Baseline) -> bool:
        """Say whether the alarms of a baseline are those that the monitor file asks for."""
        if made is None or baseline.watching is None:
            return True
        key = ("holds", baseline.version, baseline.created, budget)
        if key not in self._memo:
            watched = baseline.watching.watched
            wanted = {w.column for w in watched if in_budget(self._config, baseline, w)}
            same = {w.column for w in made.watched} == wanted
            self._memo[key] = made.budget == budget and same
        return bool(self._memo[key])

    def learned(self, row: ResultRow, baseline: Baseline) -> int:
        """Return how many windows since the reference a row's thresholds are set from."""
        return len(self._learned(row, baseline)[0])

    def _learned(
        self, row: ResultRow, baseline: Baseline
    ) -> tuple[list[tuple[ResultRow, ResultRow | None]], tuple[object, ...]]:
        """Return the windows since the reference that thresholds are set from too.

        Windows of incidents are not among them. Thresholds are not set anew for every window.
        """
        known, span = len(baseline.windows), span_learned_from(self._config, baseline)
        if span is None:
            return [], ()
        start, end = span.start, span.end
        usable = self._usable_of(self._results(start, end, "data"), row, known)
        kept = max(0, windows_to_learn_from(known + len(usable), self._per_day) - known)
        chosen = self._since_epoch(row, usable, usable[:kept])
        if not chosen:
            return [], ()
        last = max(r.window.end for r in chosen)
        judged = {r.window: r for r in self._results(start, last, "performance")}
        pairs = [(r, judged.get(r.window)) for r in chosen]
        return pairs, tuple((_mark(r), _mark(p)) for r, p in pairs)

    def _seen(self, baseline: Baseline, row: ResultRow, labelled: ResultRow | None) -> Seen:
        own = self._found(row, baseline)
        if labelled is None:
            return Seen(row.window, own)
        return Seen(row.window, _either(own, self._found(labelled, baseline)))

    @property
    def _per_day(self) -> int:
        return per_day(self._config)

    def _usable_of(self, rows: Sequence[ResultRow], row: ResultRow, known: int) -> list[ResultRow]:
        """Return the rows to learn from; without an epoch no more than are ever learned from."""
        # In order of time: what comes after the row is not gone through.
        before = takewhile(lambda r: r.window.end <= row.window.start, rows)
        found = (r for r in before if self._usable(r, row))
        if any(e.valid_from <= row.window.start for e in self._epochs):
            return list(found)
        return list(islice(found, max(0, _MOST_DAYS * self._per_day - known)))

    def _usable(self, r: ResultRow, row: ResultRow) -> bool:
        if not r.rows or r.baseline != row.baseline:
            return False
        return not excluded(self._config, r.window) and not self._troubled(r)

    def _since_epoch(
        self, row: ResultRow, usable: Sequence[ResultRow], chosen: list[ResultRow]
    ) -> list[ResultRow]:
        """Learn from what came since the newest epoch as from a reference of its own."""
        begun = [e.valid_from for e in self._epochs if e.valid_from <= row.window.start]
        if not begun:
            return chosen
        since = [r for r in usable if r.window.start >= max(begun)]
        chosen = [r for r in chosen if r.window.start < max(begun)]
        return chosen + since[: windows_to_learn_from(len(since), self._per_day)]

    def _troubled(self, row: ResultRow) -> bool:
        return any(i.covers(row.window) for i in self._incidents)


def _mark(row: ResultRow | None) -> tuple[object, ...]:
    """Tell a verdict from every other one: its revision is not known before it is stored."""
    return () if row is None else (row.window.end, row.settings, row.fingerprint, row.as_of)


def _either(first: Found, second: Found) -> Found:
    return lambda key: first(key) or second(key)


def per_day(config: MonitorConfig) -> int:
    """Return how many windows a day has, one at least."""
    return max(1, round(_DAY / config.cadence.approximate))


def span_learned_from(config: MonitorConfig, baseline: Baseline) -> Window | None:
    """Return the span whose windows thresholds can be set from, beside the reference's."""
    room = MOST_WINDOWS - len(baseline.windows)
    if config.reference_cadence != config.cadence or room <= 0:
        return None
    start = max(baseline.span.end, baseline.valid_from or baseline.span.end)
    # Half of the windows may belong to incidents.
    count = 2 * min(room, 2 * _MOST_DAYS * per_day(config))
    return Window(start, start + count * config.cadence.approximate)
