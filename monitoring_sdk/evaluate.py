"""Judge measurements: a value, its limits, the verdict. All maths, no clock, no disk."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from monitoring_sdk.alarms.provisional import Limit, ReferenceSeries, limits, nearest
from monitoring_sdk.config_sections import Rule
from monitoring_sdk.measure import Measurement
from monitoring_sdk.profile.levels import canonical_level
from monitoring_sdk.report import Check, Severity, Status, ThresholdFrom
from monitoring_sdk.window import Window

MIN_ROWS = 30
"""Below this many rows nothing is held against a limit that was learned from the baseline."""


_ONCE = "beyond its limit in one window; alerts if the next one is too"
_TWICE = "beyond its limit in two windows running"


FEWEST_OF_SEGMENT = 10
"""A segment that never had fewer rows than this is gone when it has none (Poisson: 5e-5)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a value came to beside its limit."""

    status: Status
    threshold: float | None = None
    threshold_from: ThresholdFrom | None = None
    direction: Literal["above", "below"] | None = None
    exceeded: bool = False
    severity: Severity = "critical"
    reason: str | None = None


def rules_for(
    thresholds: Mapping[str, Sequence[Rule]],
    name: str,
    column: str | None,
    segment: Mapping[str, str] | None = None,
) -> tuple[Rule, ...]:
    """Return the user's rules that speak of a check.

    A rule without columns speaks of all of them; one without a segment of the whole window alone,
    since a limit for many rows would page on few.
    """
    return tuple(
        rule
        for rule in thresholds.get(name, ())
        if rule_segment(rule) == dict(segment or {})
        and (
            not rule.columns
            or (column is not None and any(fnmatch.fnmatchcase(column, c) for c in rule.columns))
        )
    )


def rule_segment(rule: Rule) -> dict[str, str]:
    """Return the segment that a rule speaks of, its levels as texts.

    Examples
    --------
    >>> rule_segment(Rule(max=1, segment={"gate": 7.0}))
    {'gate': '7'}
    """
    return {column: canonical_level(level) for column, level in rule.segment.items()}


def series_of(m: Measurement, reference: Mapping[str, ReferenceSeries]) -> ReferenceSeries | None:
    """Return the reference series that a measurement is held against.

    That of a shadow version is the champion's, unless it has one of its own. Of windows with fewer
    rows than are judged nothing is learned either.
    """
    own = reference.get(m.key)
    if own is None and m.version is not None:
        own = reference.get(dataclasses.replace(m, version=None).key)
    if own is None or m.family == "operations":
        return own
    values = (v if n >= MIN_ROWS else None for v, n in zip(own.values, own.n, strict=True))
    return ReferenceSeries(tuple(values), own.n)


def _by_rules(value: float, rules: Sequence[Rule]) -> Verdict:
    """Hold a value against the user's limits; the most severe that it breaks is told."""
    sides: list[tuple[Limit, Severity]] = []
    for rule in rules:
        if rule.max is not None:
            sides.append((Limit(rule.max, rule.max, "above"), rule.severity))
        if rule.min is not None:
            sides.append((Limit(rule.min, rule.min, "below"), rule.severity))
    broken = [(limit, severity) for limit, severity in sides if limit.passed(value)]
    if broken:
        limit, severity = min(broken, key=lambda item: item[1] != "critical")
        return Verdict("alert", limit.near, "user", limit.direction, True, severity)
    limit, severity = min(sides, key=lambda item: abs(item[0].near - value))
    return Verdict("ok", limit.near, "user", limit.direction, False, severity)


def _by_reference(m: Measurement, series: ReferenceSeries | None, tests: int) -> Verdict:
    """Hold a value against what the reference windows showed."""
    value, n = m.value.value, m.value.n or 0
    if value is None:
        return Verdict("undefined", reason=m.value.reason)
    if m.family != "operations" and n < MIN_ROWS:
        return Verdict("insufficient", reason=f"{n} rows, {MIN_ROWS} needed")
    if series is not None and (gone := _vanished(m, series)) is not None:
        return gone
    found = (
        limits(
            series,
            n=n,
            direction=m.direction,
            noise=m.noise,
            floor=m.floor,
            relative_floor=m.relative_floor,
            centred=m.centred,
            counted=m.counted,
            scale=m.scale,
            tests=tests,
        )
        if series is not None
        else ()
    )
    limit = nearest(found, value)
    if limit is None:
        return Verdict("insufficient", reason="too few reference windows for a limit; set one")
    if m.least is not None and limit.direction == "below" and limit.near < m.least:
        reason = f"the reference windows differ too much: a limit would lie at {limit.near:.3g}"
        return Verdict("insufficient", reason=f"{reason}, below any value; set one")
    exceeded = limit.passed(value)
    if limit.far_passed(value):
        reason = f"far beyond: past {limit.far:.6g} one window is enough"
        return Verdict("alert", limit.near, "provisional", limit.direction, True, reason=reason)
    once = _ONCE if exceeded else None
    return Verdict("ok", limit.near, "provisional", limit.direction, exceeded, reason=once)


def _vanished(m: Measurement, series: ReferenceSeries) -> Verdict | None:
    """Say that a segment is gone which every reference window had: chance does not do that."""
    least = min((v for v in series.values if v is not None), default=0.0)
    if m.value.value != 0 or m.name != "rows" or m.segment is None or least < FEWEST_OF_SEGMENT:
        return None
    reason = f"no rows; every reference window had {least:.0f} at least"
    return Verdict("alert", 1.0, "contract", "below", True, reason=reason)


def judge(
    m: Measurement,
    window: Window,
    *,
    reference: Mapping[str, ReferenceSeries],
    thresholds: Mapping[str, Sequence[Rule]],
    coverage: float | None = None,
    tests: int = 1,
) -> Check:
    """Judge one measurement by the user's rules where there are any, else by the reference.

    Parameters
    ----------
    m : Measurement
    window : Window
        The window that the value speaks of.
    reference : mapping
        The baseline's series, by check key.
    thresholds : mapping
        The user's rules, by name.
    coverage : float, optional
        Share of rows with a label.
    tests : int
        How many slices of the rows are judged side by side.

    Returns
    -------
    Check
        Never `ok` without a number.
    """
    series = series_of(m, reference)
    rules = rules_for(thresholds, m.name, m.column, m.segment)
    if rules and m.value.value is not None:
        verdict = _by_rules(m.value.value, rules)
    else:
        verdict = _by_reference(m, series, tests)
    usual = [v for v in series.values if v is not None] if series is not None else []
    effect = m.value.value - median(usual) if usual and m.value.value is not None else None
    return Check(
        family=m.family,
        name=m.name,
        window=window,
        status=verdict.status,
        column=m.column,
        segment=m.segment,
        version=m.version,
        value=m.value.value,
        interval=m.value.interval,
        p_value=m.value.p_value,
        effect=effect,
        bound=m.value.bound,
        threshold=verdict.threshold,
        threshold_from=verdict.threshold_from,
        direction=verdict.direction,
        exceeded=verdict.exceeded,
        severity=verdict.severity,
        n=m.value.n,
        coverage=coverage,
        # What a value leaves out is said whatever the verdict on it.
        reason="; ".join(dict.fromkeys(filter(None, (verdict.reason, m.value.reason)))) or None,
    )


def restated(check: Check, thresholds: Mapping[str, Sequence[Rule]]) -> Check:
    """Hold a check that was judged before against the rules of a file that may have changed.

    A value whose rule is gone has no limit any more, until something else judges it.
    """
    if check.family == "estimate" or check.value is None:
        return check
    if check.name not in thresholds and check.threshold_from != "user":
        return check
    rules = rules_for(thresholds, check.name, check.column, check.segment)
    if rules:
        found = _by_rules(check.value, rules)
    elif check.threshold_from == "user":
        found = Verdict("ok")
    else:
        return check
    return dataclasses.replace(
        check,
        status=found.status,
        threshold=found.threshold,
        threshold_from=found.threshold_from,
        direction=found.direction,
        exceeded=found.exceeded,
        severity=found.severity,
    )


def confirm(checks: Iterable[Check], before: Collection[str]) -> tuple[Check, ...]:
    """Turn a provisional excess into an alert where the window before it had it too.

    Parameters
    ----------
    checks : iterable of Check
    before : collection of str
        Keys of the checks that exceeded their limit in the window before.
    """
    return tuple(
        dataclasses.replace(c, status="alert", reason=(c.reason or _ONCE).replace(_ONCE, _TWICE))
        if c.status == "ok" and c.exceeded and c.key in before
        else c
        for c in checks
    )
