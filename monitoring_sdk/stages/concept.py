"""Concept drift of judged windows: each bet goes on from the one that the window before left."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from monitoring_sdk.adapters.store import Store
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.diagnosis.concept import ConceptState
from monitoring_sdk.diagnosis.diagnose import gap
from monitoring_sdk.diagnosis.labelled import dependence_of
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.estimation.calibration import Calibrator
from monitoring_sdk.estimation.rows import Reference
from monitoring_sdk.evaluate import judge, rules_for
from monitoring_sdk.measure import Measurement
from monitoring_sdk.report import Check
from monitoring_sdk.stages.diagnose import NAME, concept_check, diagnose_window
from monitoring_sdk.stages.estimate import calibrator_for
from monitoring_sdk.stages.performance import GROUP_ROWS, Judged
from monitoring_sdk.stages.reference_rows import reference_rows
from monitoring_sdk.value import Value
from monitoring_sdk.window import Window

BET, DIAGNOSIS, GAP = "bet", "diagnosis", "concept_gap"
AFTER = "after"
"""Beside a bet stands the digest of the one that it went on from."""

WINDOWS_WITHOUT_A_BET = 20
"""After more of them, one after another, a bet starts anew."""

_dependence: dict[int, tuple[Reference, float]] = {}


def state_of(checks: tuple[Check, ...], part: str) -> Any:
    """Return what a window's concept check keeps beside its value: the bet, or a diagnosis."""
    for check in checks:
        if check.name == NAME and check.state is not None:
            return check.state.get(part)
    return None


class _Bet(NamedTuple):
    """A bet as it is kept, and the digest of the one that it went on from."""

    baseline: str | None
    state: Mapping[str, Any]
    after: str | None


class ConceptChain:
    """The bets on concept drift of a model's windows, in order of time.

    Parameters
    ----------
    config : MonitorConfig
    store : Store
        Has the bets of the windows that were judged before, and what was estimated of each.
    first : Window
        No earlier one will be bet on.
    estimates : sequence of Check
        Of the window that is being looked at, which the store does not have yet.

    Attributes
    ----------
    known : dict of Window to ResultRow
        The newest stored verdicts on performance, from the first window on.
    """

    def __init__(
        self,
        config: MonitorConfig,
        store: Store,
        first: Window,
        estimates: Sequence[Check] = (),
    ) -> None:
        self._config, self._store = config, store
        self._estimates = {(c.window, c.name): c for c in estimates}
        self._bets: dict[Window, _Bet] = {}
        self._passed: list[tuple[Judged, Baseline]] = []
        model, at, most = config.model, first.start, WINDOWS_WITHOUT_A_BET + 1
        before = store.results(model, end=at, part="performance", limit=most)
        later = store.results(model, start=at, part="performance")
        self.known = {row.window: row for row in later}
        for row in (*before, *later):
            found = state_of(row.checks, BET)
            if found is not None:
                after = state_of(row.checks, AFTER)
                self._bets[row.window] = _Bet(row.baseline, found, after)

    def _before(self, window: Window, baseline: str) -> ConceptState:
        """Return the bet that the last judged window before one left, under the same baseline."""
        earlier = [w for w in self._bets if w.end <= window.start]
        if not earlier or self._bets[max(earlier)].baseline != baseline:
            return ConceptState()
        return ConceptState.from_dict(self._bets[max(earlier)].state)

    def stands(self, window: Window, baseline: str) -> bool:
        """Tell whether a window's stored bet went on from the one before it as that is now.

        It does not where that window was judged, or its labels were corrected, afterwards.
        """
        known = self._bets.get(window)
        if known is None or known.baseline != baseline:
            return False
        return known.after == _digest(self._before(window, baseline))

    def pass_over(self, judged: Judged, baseline: Baseline) -> None:
        """Leave a window's verdict as it is; a later bet goes on from its bet as it is now."""
        if self.stands(judged.window, baseline.version) and not self._passed:
            return
        self._passed.append((judged, baseline))
        # Rows are kept for no more than a group of windows.
        if sum(one.rows.n for one, _ in self._passed) > GROUP_ROWS:
            self._catch_up()

    def _catch_up(self) -> None:
        passed, self._passed = self._passed, []
        for judged, baseline in passed:
            if not self.stands(judged.window, baseline.version):
                self.checks(judged, baseline)

    def checks(self, judged: Judged, baseline: Baseline) -> tuple[Check, ...]:
        """Bet a window, and keep what the next one goes on from."""
        self._catch_up()
        config, window = self._config, judged.window
        if config.task == "ranking":
            return ()
        try:
            reference = reference_rows(config, baseline)
            calibrate: Calibrator | None = None
            dependence = 1.0
            if not isinstance(reference, str):
                calibrate = calibrator_for(config, window, baseline, reference)
                dependence = _dependence_of(reference)
            before = self._before(window, baseline.version)
            check, state = concept_check(
                window,
                judged.rows,
                reference,
                calibrate,
                before,
                dependence=dependence,
                coverage=judged.coverage,
            )
        except (ImportError, MonitoringError) as error:
            reason = str(error)
            return (Check("performance", NAME, window, "skipped", reason=reason),)
        kept, after = state.to_dict(), _digest(before)
        self._bets[window] = _Bet(baseline.version, kept, after)
        return (dataclasses.replace(self._by_rules(check), state={BET: kept, AFTER: after}),)

    def gaps(self, window: Window, realised: Sequence[Check]) -> tuple[Check, ...]:
        """Say how far each metric of a window is from what was estimated without its labels."""
        if not any(w == window for w, _ in self._estimates):
            for row in self._store.results(self._config.model, window.start, window.end, "data"):
                self._estimates |= {
                    (window, c.name): c for c in row.checks if c.family == "estimate"
                }
        found = []
        for check in realised:
            estimated = self._estimates.get((window, check.name))
            if estimated is None or check.segment or check.version:
                continue
            value = gap(_value(check), _value(estimated))
            found.append(
                Check(
                    family="performance",
                    name=f"{GAP}@{check.name}",
                    window=window,
                    status="ok" if value.defined else "undefined",
                    value=value.value,
                    interval=value.interval,
                    severity="warning",
                    n=value.n,
                    coverage=check.coverage,
                    reason=value.reason,
                )
            )
        return tuple(found)

    def _by_rules(self, check: Check) -> Check:
        """Hold the value against the user's limit instead, where there is one."""
        rules = rules_for(self._config.thresholds, NAME, None)
        if not rules or check.value is None:
            return check
        value = Value(check.value, check.reason, p_value=check.p_value, n=check.n)
        return judge(
            Measurement("performance", NAME, value, "above"),
            check.window,
            reference={},
            thresholds=self._config.thresholds,
            coverage=check.coverage,
        )


def _digest(state: ConceptState) -> str:
    text = json.dumps(state.to_dict(), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _value(check: Check) -> Value:
    if check.value is None:
        return Value.undefined(check.reason or "no value", n=check.n)
    return Value(check.value, interval=check.interval, n=check.n)


def _dependence_of(reference: Reference) -> float:
    known = _dependence.get(id(reference))
    if known is None or known[0] is not reference:
        _dependence.clear()
        known = _dependence[id(reference)] = reference, dependence_of(reference)
    return known[1]


def with_diagnosis(config: MonitorConfig, row: ResultRow) -> ResultRow:
    """Put a diagnosis beside the concept check of a judged window; where there is none, why."""
    try:
        found = diagnose_window(config, row.window, row.as_of)
    except (ImportError, MonitoringError) as error:
        found = str(error)
    if isinstance(found, str):
        return row
    checks = tuple(
        dataclasses.replace(c, state={**(c.state or {}), DIAGNOSIS: found.to_dict()})
        if c.name == NAME
        else c
        for c in row.checks
    )
    return dataclasses.replace(row, checks=checks)


def diagnosed(rows: tuple[ResultRow, ...]) -> Mapping[str, Any] | None:
    """Return the diagnosis of the newest window that alerts and has one."""
    for row in reversed(rows):
        found = state_of(row.checks, DIAGNOSIS)
        if row.part == "performance" and row.status == "alert" and found is not None:
            return found
    return None
