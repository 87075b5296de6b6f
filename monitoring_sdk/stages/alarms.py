"""Verdicts from the budget, window by window, beside the windows before: under the lease."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.alarms.budget import MOST_WINDOWS, Alarms
from monitoring_sdk.alarms.judging import Budget, CheckAlarm
from monitoring_sdk.alarms.paging import PagingState
from monitoring_sdk.alarms.values import Values
from monitoring_sdk.alarms.watching import Found, to_values
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.budget_verdicts import budget_verdicts
from monitoring_sdk.calendar import excluded, set_apart
from monitoring_sdk.comparison import Comparison
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Part, ResultRow
from monitoring_sdk.evaluate import MIN_ROWS
from monitoring_sdk.feedback import Epoch, Feedback
from monitoring_sdk.report import Incident, overall_status
from monitoring_sdk.stages.fleet import budget_of
from monitoring_sdk.stages.label_age import age_shifts
from monitoring_sdk.stages.watching import (
    Seen,
    digest_only,
    fit_watching,
    in_budget,
    phases_of,
    reference_seen,
    restarts,
    windows_to_learn_from,
)
from monitoring_sdk.window import Window

_MOST_KEPT, _MOST_DAYS = 64, 120
_DAY = timedelta(days=1)
_FAR = 2.0
"""Twice the threshold in one window: the others have nothing to add."""

_fitted: dict[tuple[object, ...], Alarms | None] = {}


class Past(Protocol):
    """What is known of a model before a decision."""

    def results(self, start: datetime, end: datetime, part: Part) -> list[ResultRow]:
        """Return the newest verdict on a part of each window of a span, in order."""

    def incidents(self) -> list[Incident]:
        """Return the model's incidents."""

    def feedback(self) -> list[Feedback]:
        """Return what people said."""

    def epochs(self) -> list[Epoch]:
        """Return the epochs that were started."""


class Budgeting:
    """The windows before a decision, and those that it has judged so far.

    Parameters
    ----------
    past : Past
    config : MonitorConfig
    memo : dict, optional
        Values of the windows that were looked back on, kept from one decision to the next.
    """

    def __init__(
        self, past: Past, config: MonitorConfig, memo: dict[Any, Values] | None = None
    ) -> None:
        self._past, self._config = past, config
        self._memo = {} if memo is None else memo
        self._done: dict[tuple[Part, Window], ResultRow] = {}
        self._read: dict[tuple[datetime, datetime, Part], dict[Window, ResultRow]] = {}
        self._incidents = past.incidents()
        feedback = past.feedback()
        expected = {f.incident for f in feedback if f.kind == "expected_change"}
        told = [i for i in self._incidents if i.id in expected]
        self._epochs = restarts(past.epochs(), told)
        # A false alarm was no incident; what was expected is usual from then on.
        self._usual = {f.incident for f in feedback if f.kind in ("false_alarm", "expected_change")}

    def judge(self, row: ResultRow) -> ResultRow:
        """Return a row with its checks judged by the budget; as it is on an older baseline.

        Rows of a part are judged in order of time.
        """
        baseline = None if row.baseline is None else self._baseline(row.baseline)
        if baseline is None or baseline.watching is None:
            self._done[row.part, row.window] = row
            return row
        alarms = self.alarms(row, baseline)
        shifts = self._shifts(row, baseline)
        found = self._look(row, baseline, alarms)
        watched = baseline.watching.watched
        quiet = {w.column for w in watched if digest_only(self._config, w.column)}
        checks = budget_verdicts(
            row.checks,
            watched,
            alarms,
            found,
            row.window,
            shifts,
            quiet=quiet,
            moving=baseline.comparison != Comparison(),
        )
        status, reason = row.status, row.reason
        if row.part == "performance" or row.rows:
            status, said = overall_status(checks)
            reason = said or reason
        judged = dataclasses.replace(row, checks=checks, status=status, reason=reason)
        self._done[row.part, row.window] = judged
        return judged

    def _baseline(self, version: str) -> Baseline | None:
        """Return the baseline that a row was measured by; None where it is gone since."""
        root, model = baselines_root(), self._config.model
        if version not in baselines.versions(root, model):
            return None
        return baselines.load(root, model, version)

    def _results(self, start: datetime, end: datetime, part: Part) -> list[ResultRow]:
        """Return the verdicts of a span, those of this decision among them; read once."""
        asked = (start, end, part)
        if asked not in self._read:
            self._read[asked] = {r.window: r for r in self._past.results(start, end, part)}
        mine = {
            w: row
            for (p, w), row in self._done.items()
            if p == part and start <= w.start and w.end <= end
        }
        known = self._read[asked] | mine
        return [known[w] for w in sorted(known)]

    def _shifts(self, row: ResultRow, baseline: Baseline) -> dict[str, float]:
        if row.part != "performance":
            return {}
        age = row.as_of - row.window.end
        return age_shifts(baseline.reference, age, self._config.labels.deadline)

    def _found(self, row: ResultRow, baseline: Baseline) -> Found:
        shifts = self._shifts(row, baseline)
        rare = {c.key: c for c in row.checks if c.value is not None and (c.n or 0) >= MIN_ROWS}

        def found(key: str) -> tuple[float | None, int | None] | None:
            check = rare.get(key)
            if check is None or check.value is None:
                return None
            return check.value - shifts.get(key, 0.0), check.n

        return found

    def _look(
        self, row: ResultRow, baseline: Baseline, alarms: Alarms | None
    ) -> tuple[CheckAlarm, ...]:
        """Return what the alarms say of a row, beside those before it."""
        if alarms is None or baseline.watching is None or not row.checks:
            return ()
        windows = self._back(row.window, max(alarms.thresholds.horizons))
        known = {r.window: r for r in self._results(windows[0].start, row.window.start, row.part)}
        known = {
            w: r
            for w, r in known.items()
            if r.baseline == row.baseline and not set_apart(self._config, w, row.window)
        } | {row.window: row}
        history = [self._past_values(known[w], baseline) if w in known else None for w in windows]
        history[-1] = self._values(row, baseline)
        state = PagingState((), 0, self._since(windows, row))
        return alarms.judge(history, phases_of(self._config, windows), state).checks

    def _past_values(self, row: ResultRow, baseline: Baseline) -> Values:
        """Return a row's values as means over several windows take them.

        A value that lay so far out that its window told it by itself is left out: one day of
        broken data would else have the six after it look broken.
        """
        found = self._values(row, baseline)
        far = {c.key for c in row.checks if c.exceeded and c.horizon == 1 and (c.score or 0) > _FAR}
        if not far:
            return found
        out = np.array([key in far for key in found.keys])
        return Values(found.keys, np.where(out, np.nan, found.x), found.n, found.theory)

    def _values(self, row: ResultRow, baseline: Baseline) -> Values:
        """Return a row's values as alarms take them."""
        assert baseline.watching is not None
        key = (row.part, row.window, row.as_of, row.fingerprint, baseline.version)
        if key not in self._memo:
            watched, theory = baseline.watching.watched, baseline.watching.theory
            self._memo[key] = to_values(watched, theory, self._found(row, baseline))
        return self._memo[key]

    def _back(self, window: Window, count: int) -> list[Window]:
        found = [window]
        while len(found) < count:
            found.append(Window(self._config.cadence.previous(found[-1].start), found[-1].start))
        return found[::-1]

    def _since(self, windows: Sequence[Window], row: ResultRow) -> int | None:
        """Return how many windows came since the last incident closed, None where none did.

        Labels come late: of performance those count that were judged since.
        """
        late = self._config.labels.delay if row.part == "performance" else timedelta()
        closed = [
            i.closed for i in self._incidents if i.closed and i.closed < row.window.end + late
        ]
        if not closed:
            return None
        return sum(w.end + late > max(closed) for w in windows) - 1

    def alarms(self, row: ResultRow, baseline: Baseline) -> Alarms | None:
        """Return the alarms for a row: the baseline's, or set anew from what came since."""
        watching, config = baseline.watching, self._config
        if watching is None:
            return None
        later, stamp = self._learned(row, baseline)
        epochs = [e for e in self._epochs if e.valid_from <= row.window.start]
        budget, made = budget_of(config), watching.alarms
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

    def _still_holds(self, made: Alarms | None, budget: Budget, baseline: Baseline) -> bool:
        """Say whether the alarms of a baseline are those that the monitor file asks for."""
        if made is None or baseline.watching is None:
            return True
        watched = baseline.watching.watched
        wanted = {w.column for w in watched if in_budget(self._config, baseline, w)}
        return made.budget == budget and {w.column for w in made.watched} == wanted

    def learned(self, row: ResultRow, baseline: Baseline) -> int:
        """Return how many windows since the reference a row's thresholds are set from."""
        return len(self._learned(row, baseline)[0])

    def _learned(
        self, row: ResultRow, baseline: Baseline
    ) -> tuple[list[tuple[ResultRow, ResultRow | None]], tuple[object, ...]]:
        """Return the windows since the reference that thresholds are set from too.

        Windows of incidents are not among them. Thresholds are not set anew for every window.
        """
        config, known = self._config, len(baseline.windows)
        room = MOST_WINDOWS - known
        if config.reference_cadence != config.cadence or room <= 0:
            return [], ()
        start = max(baseline.span.end, baseline.valid_from or baseline.span.end)
        # Half of the windows may belong to incidents.
        end = start + 2 * min(room, 2 * _MOST_DAYS * self._per_day) * config.cadence.approximate
        usable = [r for r in self._results(start, end, "data") if self._usable(r, row)]
        kept = max(0, windows_to_learn_from(known + len(usable), self._per_day) - known)
        chosen = self._since_epoch(row, usable, usable[:kept])
        if not chosen:
            return [], ()
        judged = {r.window: r for r in self._results(start, end, "performance")}
        pairs = [(r, judged.get(r.window)) for r in chosen]
        stamp = [(r.window.end, r.revision, p.revision if p else 0) for r, p in pairs]
        return pairs, tuple(stamp)

    def _seen(self, baseline: Baseline, row: ResultRow, labelled: ResultRow | None) -> Seen:
        own = self._found(row, baseline)
        if labelled is None:
            return Seen(row.window, own)
        return Seen(row.window, _either(own, self._found(labelled, baseline)))

    @property
    def _per_day(self) -> int:
        return max(1, round(_DAY / self._config.cadence.approximate))

    def _usable(self, r: ResultRow, row: ResultRow) -> bool:
        before = r.window.end <= row.window.start and not excluded(self._config, r.window)
        return before and bool(r.rows) and r.baseline == row.baseline and not self._troubled(r)

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
        return any(i.covers(row.window) for i in self._incidents if i.id not in self._usual)


def _either(first: Found, second: Found) -> Found:
    return lambda key: first(key) or second(key)
