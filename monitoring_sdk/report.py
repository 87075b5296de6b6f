"""Result types: frozen, and with one versioned JSON form."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, cast, get_args

from monitoring_sdk.window import Window, parse_time

SCHEMA = 1

Family = Literal["quality", "drift", "prediction", "performance", "estimate", "operations"]
Status = Literal["ok", "alert", "insufficient", "no_data", "undefined", "error", "skipped"]
Severity = Literal["critical", "warning"]
ThresholdFrom = Literal["budget", "user", "provisional", "contract"]
FAMILIES: tuple[str, ...] = get_args(Family)


def timestamp(at: datetime) -> str:
    """Write a moment as ISO 8601 in UTC, with `Z`.

    Examples
    --------
    >>> timestamp(datetime(2013, 6, 3, 4, tzinfo=UTC))
    '2013-06-03T04:00:00Z'
    """
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def slice_key(segment: Mapping[str, str] | None, version: str | None = None) -> str:
    """Name the rows that a check speaks of: nothing for all of them, or of the champion.

    Examples
    --------
    >>> slice_key({"origin": "JFK", "carrier": "UA"}, "8")
    '[carrier=UA,origin=JFK]#8'
    """
    inner = ",".join(f"{k}={v}" for k, v in sorted((segment or {}).items()))
    return (f"[{inner}]" if inner else "") + (f"#{version}" if version is not None else "")


def check_key(
    family: str,
    name: str,
    column: str | None = None,
    segment: Mapping[str, str] | None = None,
    version: str | None = None,
) -> str:
    """Name a check: `family/name`, `/column` where it speaks of one, then its slice of the rows.

    Examples
    --------
    >>> check_key("drift", "psi", "distance")
    'drift/psi/distance'
    >>> check_key("performance", "accuracy", segment={"origin": "JFK"})
    'performance/accuracy[origin=JFK]'
    """
    address = _address(family, name, column)
    return address if not segment and version is None else address + slice_key(segment, version)


# The same few hundred in every window.
@lru_cache(maxsize=1 << 16)
def _address(family: str, name: str, column: str | None) -> str:
    return "/".join([family, name] if column is None else [family, name, column])


@dataclass(frozen=True, slots=True)
class Check:
    """One monitored quantity in one window: its value beside its threshold, and the verdict.

    `bound` is the published error of a bounded approximation (KS, Wasserstein; in the units of
    `value`), `direction` the side on which the threshold lies, `exceeded` whether the value is
    beyond it (a provisional threshold alerts only when that lasts). With a threshold from the
    budget `usual` is what the value usually is, `effect` how far the mean over the last `horizon`
    windows lies from it, `threshold` where that mean would alert, and `score` how far the evidence
    is on its way at the horizon where it is most: beyond 1 it alerts, where the effect is large
    enough. `state` is what later windows go on from: the store keeps it, no document shows it.
    """

    family: Family
    name: str
    window: Window
    status: Status
    column: str | None = None
    segment: Mapping[str, str] | None = None
    version: str | None = None
    value: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    effect: float | None = None
    bound: float | None = None
    threshold: float | None = None
    threshold_from: ThresholdFrom | None = None
    direction: Literal["above", "below"] | None = None
    exceeded: bool = False
    severity: Severity = "critical"
    n: int | None = None
    coverage: float | None = None
    reason: str | None = None
    usual: float | None = None
    horizon: int | None = None
    score: float | None = None
    state: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        """The address of the check, the same in every window."""
        if not self.segment and self.version is None:
            return _address(self.family, self.name, self.column)
        return check_key(self.family, self.name, self.column, self.segment, self.version)

    def but(self, **changes: Any) -> Check:
        """Return the check with some fields changed.

        As `dataclasses.replace` does, which asks each field what it is: a replay has 100 000.
        """
        values = [*_fields_of(self)]
        for name, value in changes.items():
            values[_PLACES[name]] = value
        return check_of(values)

    @property
    def pages(self) -> bool:
        """Whether this check, by itself, is worth an incident; a shadow version's never is."""
        return self.status == "alert" and self.severity == "critical" and self.version is None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; numbers that are not finite become null, with a reason."""
        out: dict[str, Any] = {"key": self.key}
        for f in dataclasses.fields(self):
            out[f.name] = getattr(self, f.name)
        del out["state"]
        out["window"] = self.window.to_dict()
        for name in (
            "value",
            "p_value",
            "effect",
            "bound",
            "threshold",
            "coverage",
            "usual",
            "score",
        ):
            out[name] = _number(out[name])
        if out["value"] is None and self.value is not None and self.reason is None:
            out["reason"] = f"the value is {self.value}"
        if self.interval is not None:
            out["interval"] = [_number(v) for v in self.interval]
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Check:
        """Read the JSON form back."""
        known = {f.name for f in dataclasses.fields(cls)}
        kept = {k: v for k, v in data.items() if k in known}
        kept["window"] = Window.from_dict(kept["window"])
        if kept.get("interval") is not None:
            kept["interval"] = tuple(kept["interval"])
        return cls(**kept)


_FIELDS = tuple(f.name for f in dataclasses.fields(Check))
_PLACES = {name: i for i, name in enumerate(_FIELDS)}
_fields_of = attrgetter(*_FIELDS)
_Thawed: Any = dataclasses.make_dataclass("_Thawed", _FIELDS, slots=True)


def check_of(values: Iterable[Any]) -> Check:
    """Return the check with these fields, all of them, in their order.

    A frozen class sets each of its fields by a call, which takes four fifths of the time: a replay
    makes 250 000 of them. So they are made as what has the same slots and is not frozen yet.
    """
    out = _Thawed(*values)
    out.__class__ = Check
    return cast("Check", out)


@dataclass(frozen=True, slots=True)
class Incident:
    """A span of windows in which a model was in alarm; one page, and one open a model at a time."""

    id: str
    model: str
    opened: datetime
    closed: datetime | None = None
    families: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    quiet: int = 0

    def covers(self, window: Window) -> bool:
        """Say whether a window lies in it: the one that opened it and the one that closed it too.

        Examples
        --------
        >>> day = Window.from_dict({"start": "2013-06-03T04:00Z", "end": "2013-06-04T04:00Z"})
        >>> Incident("i", "flights", day.end).covers(day)
        True
        """
        end = window.end
        return self.opened <= end and (self.closed is None or end <= self.closed)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "id": self.id,
            "opened": timestamp(self.opened),
            "closed": None if self.closed is None else timestamp(self.closed),
            "families": list(self.families),
            "checks": list(self.checks),
        }

    @classmethod
    def from_dict(cls, model: str, data: Mapping[str, Any]) -> Incident:
        """Read the JSON form back; how long it has been quiet is not in it."""
        closed = data["closed"]
        return cls(
            data["id"],
            model,
            parse_time(data["opened"]),
            None if closed is None else parse_time(closed),
            tuple(data["families"]),
            tuple(data["checks"]),
        )


@dataclass(frozen=True, slots=True)
class Trigger:
    """A recorded request to retrain: exactly one for an incident."""

    id: str
    model: str
    incident: str
    reason: str
    window_end: datetime
    state: str = "pending"
    outcome: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "id": self.id,
            "incident": self.incident,
            "reason": self.reason,
            "window_end": timestamp(self.window_end),
            "state": self.state,
            "outcome": self.outcome,
        }

    @classmethod
    def from_dict(cls, model: str, data: Mapping[str, Any]) -> Trigger:
        """Read the JSON form back."""
        end = parse_time(data["window_end"])
        rest = {k: data[k] for k in ("id", "incident", "reason", "state", "outcome")}
        return cls(model=model, window_end=end, **rest)


def overall_status(checks: Sequence[Check]) -> tuple[Status, str | None]:
    """Say the status of a report from its checks alone: alert, insufficient or ok.

    `warning` checks never make a window an alert: they are for the digest.
    """
    paging = [c for c in checks if c.pages]
    if paging:
        return "alert", None
    if not any(c.status in ("ok", "alert") for c in checks):
        reasons = [c.reason for c in checks if c.reason]
        return "insufficient", reasons[0] if reasons else "nothing could be judged"
    return "ok", None


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one window, and what was decided from them.

    `diagnosis` says what lies behind a loss of performance that this step found.
    """

    model: str
    window: Window
    as_of: datetime
    status: Status
    rows: int | None = None
    baseline: str | None = None
    reason: str | None = None
    checks: tuple[Check, ...] = ()
    incidents: tuple[Incident, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    diagnosis: Mapping[str, Any] | None = None

    def to_dict(self, *, checks: bool = True) -> dict[str, Any]:
        """Return the JSON form of INTERFACE `run`."""
        out: dict[str, Any] = {
            "schema": SCHEMA,
            "model": self.model,
            "baseline": self.baseline,
            "window": self.window.to_dict(),
            "as_of": timestamp(self.as_of),
            "rows": self.rows,
            "status": self.status,
            "reason": self.reason,
        }
        if checks:
            out["checks"] = [c.to_dict() for c in self.checks]
        out["incidents"] = [i.to_dict() for i in self.incidents]
        out["triggers"] = [t.to_dict() for t in self.triggers]
        out["diagnosis"] = None if self.diagnosis is None else dict(self.diagnosis)
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """Read the JSON form back, with its checks where it has them."""
        model = data["model"]
        return cls(
            model=model,
            window=Window.from_dict(data["window"]),
            as_of=parse_time(data["as_of"]),
            status=data["status"],
            rows=data["rows"],
            baseline=data["baseline"],
            reason=data["reason"],
            checks=tuple(Check.from_dict(c) for c in data.get("checks", ())),
            incidents=tuple(Incident.from_dict(model, i) for i in data["incidents"]),
            triggers=tuple(Trigger.from_dict(model, t) for t in data["triggers"]),
            diagnosis=data.get("diagnosis"),
        )
