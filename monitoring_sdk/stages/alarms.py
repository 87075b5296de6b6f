"""Verdicts from the budget, window by window, beside the windows before: under the lease."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.alarms.budget import Alarms
from monitoring_sdk.alarms.judging import CheckAlarm
from monitoring_sdk.alarms.narrowed import narrowed
from monitoring_sdk.alarms.paging import PagingState
from monitoring_sdk.alarms.values import Values
from monitoring_sdk.alarms.watched import Watched
from monitoring_sdk.alarms.watching import Found, Watching, to_values
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.budget_verdicts import budget_verdicts
from monitoring_sdk.calendar import set_apart
from monitoring_sdk.comparison import Comparison
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Part, ResultRow, in_place
from monitoring_sdk.evaluate import MIN_ROWS
from monitoring_sdk.feedback import VERDICTS, Epoch, Feedback
from monitoring_sdk.report import Incident, overall_status
from monitoring_sdk.stages.label_age import age_shifts
from monitoring_sdk.stages.learning import Learning
from monitoring_sdk.stages.watching import digest_only, phases_of, restarts
from monitoring_sdk.window import Window

_FAR = 2.0
"""Twice the threshold in one window: the others have nothing to add."""


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
        self, past: Past, config: MonitorConfig, memo: dict[Any, Any] | None = None
    ) -> None:
        self._past, self._config = past, config
        self._memo = {} if memo is None else memo
        self._done: dict[tuple[Part, Window], ResultRow] = {}
        self._read: dict[tuple[datetime, datetime, Part], list[ResultRow]] = {}
        self._incidents, feedback = past.incidents(), past.feedback()
        said = {kind: {f.incident for f in feedback if f.kind == kind} for kind in VERDICTS}
        expected, false, true = (said[k] for k in ("expected_change", "false_alarm", "ack"))
        told = [i for i in self._incidents if i.id in expected]
        # A false alarm was no incident; what was expected is usual from then on.
        troubled = [i for i in self._incidents if i.id not in expected | false]
        # What somebody takes for true was no false page.
        self._spending = [i for i in self._incidents if i.id not in expected | true]
        epochs = restarts(past.epochs(), told)
        self._learning = Learning(config, self._results, self._found, troubled, epochs, self._memo)

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
        checks = budget_verdicts(
            row.checks,
            baseline.watching.watched,
            alarms,
            found,
            row.window,
            shifts,
            quiet=self._quiet(baseline),
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
        key = ("baseline", version)
        if key not in self._memo:
            root, model = baselines_root(), self._config.model
            known = version in baselines.versions(root, model)
            self._memo[key] = baselines.load(root, model, version) if known else None
        found: Baseline | None = self._memo[key]
        return found

    def _results(self, start: datetime, end: datetime, part: Part) -> list[ResultRow]:
        """Return the verdicts of a span, those of this decision among them; read once."""
        asked = (start, end, part)
        if asked not in self._read:
            self._read[asked] = self._past.results(start, end, part)
        found = self._read[asked]
        for (own, w), row in self._done.items():
            if own == part and start <= w.start and w.end <= end:
                found = in_place(found, row)
        return found

    def _quiet(self, baseline: Baseline) -> frozenset[str | None]:
        """Return the columns that page nobody."""
        assert baseline.watching is not None
        key = ("quiet", baseline.version)
        if key not in self._memo:
            columns = {w.column for w in baseline.watching.watched}
            self._memo[key] = frozenset(c for c in columns if digest_only(self._config, c))
        found: frozenset[str | None] = self._memo[key]
        return found

    def _shifts(self, row: ResultRow, baseline: Baseline) -> dict[str, float]:
        if row.part != "performance":
            return {}
        age = row.as_of - row.window.end
        key = ("shifts", baseline.version, age)
        if key not in self._memo:
            deadline = self._config.labels.deadline
            self._memo[key] = age_shifts(baseline.reference, age, deadline)
        found: dict[str, float] = self._memo[key]
        return found

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
        # Labels say nothing of columns, nor columns of labels: each verdict has its own values.
        alarms = self._part(alarms, row.part)
        windows = self._back(row.window, max(alarms.thresholds.horizons))
        known = {r.window: r for r in self._results(windows[0].start, row.window.start, row.part)}
        known = {
            w: r
            for w, r in known.items()
            if r.baseline == row.baseline and not set_apart(self._config, w, row.window)
        } | {row.window: row}
        history = [self._past_values(known[w], baseline) if w in known else None for w in windows]
        history[-1] = self._values(row, baseline)
        state = self._state(windows, row, alarms)
        return alarms.judge(history, phases_of(self._config, windows), state).checks

    def _part(self, alarms: Alarms, part: Part) -> Alarms:
        """Return the alarms for one part of a window's verdict."""
        key = ("alarms", id(alarms), part)
        if key not in self._memo:
            # Kept beside it, the alarms themselves keep their identity.
            self._memo[key] = alarms, narrowed(alarms, _of_part(alarms.watched, part))
        found: Alarms = self._memo[key][1]
        return found

    def _past_values(self, row: ResultRow, baseline: Baseline) -> Values:
        """Return a row's values as means over several windows take them.

        A value that lay so far out that its window told it by itself is left out: one day of
        broken data would else have the six after it look broken.
        """
        key = ("past", row.part, row.window, baseline.version)
        # A verdict that was given anew has other checks.
        known = self._memo.get(key)
        if known is not None and known[0] is row.checks:
            return known[1]  # type: ignore[no-any-return]
        found = self._values(row, baseline)
        far = {c.key for c in row.checks if c.exceeded and c.horizon == 1 and (c.score or 0) > _FAR}
        if far:
            out = np.array([key in far for key in found.keys])
            found = Values(found.keys, np.where(out, np.nan, found.x), found.n, found.theory)
        self._memo[key] = row.checks, found
        return found

    def _values(self, row: ResultRow, baseline: Baseline) -> Values:
        """Return a row's values as alarms take them."""
        assert baseline.watching is not None
        key = (row.part, row.window, row.as_of, row.fingerprint, baseline.version)
        if key not in self._memo:
            watched, theory = self._watched(baseline.watching, baseline.version, row.part)
            self._memo[key] = to_values(watched, theory, self._found(row, baseline))
        found: Values = self._memo[key]
        return found

    def _watched(
        self, watching: Watching, version: str, part: Part
    ) -> tuple[tuple[Watched, ...], NDArray[np.float64]]:
        """Return what is watched in one part of a window's verdict, and its theory."""
        key = ("watched", version, part)
        if key not in self._memo:
            own = _of_part(watching.watched, part)
            rows = tuple(w for w, one in zip(watching.watched, own, strict=True) if one)
            self._memo[key] = rows, watching.theory[own]
        found: tuple[tuple[Watched, ...], NDArray[np.float64]] = self._memo[key]
        return found

    def _back(self, window: Window, count: int) -> list[Window]:
        found = [window]
        while len(found) < count:
            key = ("before", found[-1].start)
            if key not in self._memo:
                start = self._config.cadence.previous(found[-1].start)
                self._memo[key] = Window(start, found[-1].start)
            found.append(self._memo[key])
        return found[::-1]

    def _state(self, windows: Sequence[Window], row: ResultRow, alarms: Alarms) -> PagingState:
        """Return where paging stands before a window."""
        opened = self.opened_before(row, alarms)
        ongoing = self._ongoing(row)
        families = ongoing.families if ongoing is not None else ()
        return PagingState(families, 0, self._since(windows, row), opened)

    def opened_before(self, row: ResultRow, alarms: Alarms) -> tuple[int, ...]:
        """Return how many windows ago the pages in the budget's period were, before a row.

        Those that somebody took for true are not among them: a budget is of false ones.
        """
        end, length = self._told(row), self._config.cadence.approximate
        ages = [max(1, round((end - i.opened) / length)) for i in self._spending if i.opened < end]
        return tuple(sorted((a for a in ages if a < alarms.thresholds.windows), reverse=True))

    def bar(self, row: ResultRow, alarms: Alarms) -> float:
        """Return what the thresholds of a row were multiplied by."""
        return self._state((), row, alarms).bar(alarms.allowed)

    def _told(self, row: ResultRow) -> datetime:
        """Return when a row's verdict comes at the earliest: labels come late."""
        late = self._config.labels.delay if row.part == "performance" else timedelta()
        return row.window.end + late

    def _ongoing(self, row: ResultRow) -> Incident | None:
        """Return the incident that was open before a row's verdict."""
        end = self._told(row)
        found = (i for i in self._incidents if i.opened < end and (not i.closed or end <= i.closed))
        return next(found, None)

    def _since(self, windows: Sequence[Window], row: ResultRow) -> int | None:
        """Return how many windows came since the last incident closed, None where none did.

        Labels come late: of performance those count that were judged since.
        """
        end = self._told(row)
        closed = [i.closed for i in self._incidents if i.closed and i.closed < end]
        if not closed:
            return None
        late = end - row.window.end
        return sum(w.end + late > max(closed) for w in windows) - 1

    def alarms(self, row: ResultRow, baseline: Baseline) -> Alarms | None:
        """Return the alarms for a row: the baseline's, or set anew from what came since."""
        return self._learning.alarms(row, baseline)

    def learned(self, row: ResultRow, baseline: Baseline) -> int:
        """Return how many windows since the reference a row's thresholds are set from."""
        return self._learning.learned(row, baseline)


def _of_part(watched: Sequence[Watched], part: Part) -> NDArray[np.bool_]:
    """Say which values one part of a window's verdict has."""
    return np.array([(w.family == "performance") == (part == "performance") for w in watched])
