"""Verdicts from the budget: what pages, what is shown beside it, and what goes to the digest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from monitoring_sdk.alarms.budget import Alarms
from monitoring_sdk.alarms.judging import CheckAlarm
from monitoring_sdk.alarms.layout import ANY, MIX, energy_of
from monitoring_sdk.alarms.provisional import MIN_WINDOWS
from monitoring_sdk.alarms.watched import Watched
from monitoring_sdk.evaluate import MIN_ROWS
from monitoring_sdk.measure import least_of
from monitoring_sdk.report import Check, Severity, Status, ThresholdFrom
from monitoring_sdk.window import Window

_SHARES = ("null_share", "unseen_share")
_OF_DIGEST = "alarm.digest_only: this column pages nobody"
_LEARNED = ("provisional", "budget")


def budget_verdicts(
    checks: Sequence[Check],
    watched: Sequence[Watched],
    alarms: Alarms | None,
    found: Sequence[CheckAlarm],
    window: Window,
    shifts: Mapping[str, float] | None = None,
    *,
    quiet: Collection[str | None] = (),
    moving: bool = False,
) -> tuple[Check, ...]:
    """Judge a window's checks by the budget.

    A value that is watched alerts where its score passes. A distance of a column, or another value
    with a limit from the reference windows alone, is shown beside that limit; beyond it, it is
    critical where something that is watched of its column alerts, and else for the digest. Limits
    of the user's and hard contracts stand as they are.

    Parameters
    ----------
    checks : sequence of Check
        Of one part of one window; those that this function added before are made anew.
    watched : sequence of Watched
        What the baseline watches.
    alarms : Alarms or None
        None where there are too few reference windows.
    found : sequence of CheckAlarm
        What the alarms say of this window.
    shifts : mapping of str to float, optional
        By key: how much labels of this age differ from those of the youngest.
    quiet : collection of str
        Columns that page nobody.
    moving : bool
        Whether columns are compared with something nearer than the whole span: then distances
        page by their own limits.
    """
    by_key = {a.key: a for a in found}
    rows = {w.key: w for w in watched}
    moved = _moved(by_key.values(), rows)
    origin = _Origin(alarms, rows)
    out = []
    for check in checks:
        if _is_energy(check):
            continue
        key = check.key
        if check.version is not None:
            out.append(check)
        elif key in rows and check.column in quiet and check.threshold_from != "user":
            out.append(_quiet(check))
        elif key in rows:
            shift = (shifts or {}).get(key, 0.0)
            out.append(_watched(check, rows[key], by_key.get(key), origin(key), shift))
        elif moving and check.family in ("drift", "prediction"):
            out.append(check)
        elif check.threshold_from in _LEARNED:
            out.append(_beside(check, moved, origin.of_column(check.column)))
        else:
            out.append(check)
    return (*out, *_energies(by_key, checks, origin, window))


class _Origin:
    """Where thresholds are from: of what has few reference windows they are provisional."""

    def __init__(self, alarms: Alarms | None, rows: Mapping[str, Watched]) -> None:
        self._few = alarms.provisional_keys if alarms is not None else frozenset[str]()
        self._columns = {rows[k].column for k in self._few if k in rows}
        self._every = alarms is None or alarms.provisional

    def __call__(self, key: str) -> ThresholdFrom:
        return "provisional" if self._every or key in self._few else "budget"

    def of_column(self, column: str | None) -> ThresholdFrom:
        """Return it for a distance of a column."""
        return "provisional" if self._every or column in self._columns else "budget"


def _is_energy(check: Check) -> bool:
    if check.family != "drift":
        return False
    return check.name in (ANY, MIX) or (check.name == "location" and check.column is None)


def _moved(found: Collection[CheckAlarm], rows: Mapping[str, Watched]) -> set[str | None]:
    """Return the columns of which something passes; None of a metric is no column."""
    passed = [a.key for a in found if a.exceeded]
    columns: set[str | None] = {rows[k].column for k in passed if k in rows}
    together = [energy_of(k) for k in passed]
    return columns | {e[1] for e in together if e is not None and e[1] is not None}


def _watched(
    check: Check, watched: Watched, alarm: CheckAlarm | None, source: ThresholdFrom, shift: float
) -> Check:
    users = check.threshold_from == "user"
    if check.value is None or check.status in ("error", "skipped", "no_data"):
        return check
    if (check.n or 0) < MIN_ROWS or alarm is None or alarm.limit is None:
        if users:
            return check
        reason = f"fewer than {MIN_WINDOWS} reference windows have a value; set a limit"
        if (check.n or 0) < MIN_ROWS:
            reason = f"{check.n or 0} rows, {MIN_ROWS} needed"
        return _unjudged(check, reason)
    thinned = watched.thinned(check.n)
    limit = alarm.limit * thinned + shift
    usual = None if alarm.usual is None else alarm.usual * thinned + shift
    seen = {"effect": alarm.effect, "usual": usual, "horizon": alarm.horizon}
    if users and (check.exceeded or not alarm.exceeded):
        return check.but(**seen, score=alarm.nearest)
    least = (
        least_of(watched.kind, "higher") if watched.family in ("performance", "estimate") else None
    )
    if watched.side == "below" and least is not None and limit < least:
        reason = f"the reference windows differ too much: a limit would lie at {limit:.3g}"
        return _unjudged(check, f"{reason}, below any value; set one")
    return check.but(
        **seen,
        score=alarm.nearest,
        status="alert" if alarm.exceeded else "ok",
        threshold=limit,
        threshold_from=source,
        direction="above" if limit >= (usual or 0.0) else "below",
        exceeded=alarm.exceeded,
        severity="critical",
        reason=_notes(check.reason),
    )


def _quiet(check: Check) -> Check:
    if check.name in _SHARES:
        return _beside(check, (), "budget")
    if check.status not in ("ok", "alert", "insufficient"):
        return check
    return _unjudged(check, _OF_DIGEST).but(status="skipped", severity="warning")


def _unjudged(check: Check, reason: str) -> Check:
    return check.but(
        status="insufficient",
        threshold=None,
        threshold_from=None,
        direction=None,
        exceeded=False,
        reason=reason,
    )


def _notes(reason: str | None) -> str | None:
    """Keep of a reason what speaks of the value, not of a limit that no longer stands."""
    if not reason:
        return None
    of_limits = ("beyond its limit", "far beyond", "too few reference windows", "the reference win")
    parts = [p for p in reason.split("; ") if p and not p.startswith(of_limits)]
    parts = [p for p in parts if p not in ("set one", NOT_JUDGED)]
    return "; ".join(parts) or None


NOT_JUDGED = "not judged yet"
"""The reason of a value that is measured for alarms, until it is judged."""


def _beside(check: Check, moved: Collection[str | None], source: ThresholdFrom) -> Check:
    if check.family == "operations":
        # What the service does is held against what it did: a contract, outside of the budget.
        return check.but(threshold_from="contract")
    if check.status not in ("ok", "alert") or check.name.startswith("expect_"):
        return check
    of_column = check.family in ("drift", "prediction") and check.column is not None
    pages = check.exceeded and of_column and check.segment is None and check.column in moved
    status: Status = "alert" if check.exceeded else "ok"
    severity: Severity = "critical" if pages else "warning"
    verdict = (status, severity, source, _notes(check.reason))
    if verdict == (check.status, check.severity, check.threshold_from, check.reason):
        return check
    return check.but(status=status, severity=severity, threshold_from=source, reason=verdict[3])


def _energies(
    by_key: Mapping[str, CheckAlarm],
    checks: Sequence[Check],
    origin: _Origin,
    window: Window,
) -> Iterator[Check]:
    """Write what several values come to together down as checks of their own."""
    sizes = {c.column: c.n for c in checks if c.family == "drift" and c.n and c.segment is None}
    if not sizes:
        return
    for key, alarm in by_key.items():
        name, column = energy_of(key) or (None, None)
        if name is None or (column is not None and column not in sizes):
            continue
        yield Check(
            "drift",
            name,
            window,
            "alert" if alarm.exceeded else "ok",
            column,
            value=alarm.z,
            threshold=alarm.threshold,
            threshold_from=origin(key),
            direction="above",
            exceeded=alarm.exceeded,
            n=max(sizes.values()) if column is None else sizes.get(column),
            horizon=alarm.horizon,
            score=alarm.nearest,
        )
