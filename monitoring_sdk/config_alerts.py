"""The sections of a monitor file about who is told, where, and when not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from monitoring_sdk.config_problems import not_allowed
from monitoring_sdk.config_sections import (
    Duration,
    Moment,
    Names,
    Scalar,
    Section,
    SeverityName,
    as_list,
    as_names,
)
from monitoring_sdk.report import Family
from monitoring_sdk.window import parse_time

SEVERITIES = ("critical", "warning")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
REMIND = timedelta(days=1)

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://.", re.IGNORECASE)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")


def _mention(value: Any) -> Any:
    """Take whom to call, or whom for which severity."""
    if isinstance(value, dict):
        for severity, name in value.items():
            if severity not in SEVERITIES:
                raise not_allowed(f"unknown severity {severity!r}", SEVERITIES)
            if not isinstance(name, str):
                raise not_allowed("must be a name for each severity")
    elif value is not None and not isinstance(value, str):
        raise not_allowed("must be a name, or a name for each severity", SEVERITIES)
    return value


def _target(value: str) -> str:
    # The message leaves the value out: it may be a secret.
    if _SCHEME.match(value) is None and _VARIABLE.match(value) is None:
        raise ValueError("not a URL of Apprise, such as mailto://... or ${NAME} of the environment")
    return value


def _remind(value: Any) -> Any:
    return timedelta() if value in ("never", False) else value


def _clock(value: Any) -> Any:
    if not isinstance(value, str) or _CLOCK.fullmatch(value) is None:
        raise not_allowed("not a time of day", ["22:00", "24:00"])
    return value


Mention = Annotated[str | dict[str, str] | None, BeforeValidator(_mention)]
Targets = Annotated[tuple[Annotated[str, AfterValidator(_target)], ...], BeforeValidator(as_names)]
Clock = Annotated[str, BeforeValidator(_clock)]


class Owner(Section):
    """Who looks after the model; tier 1 is what matters most.

    One `mention` is of what is critical; a mapping names one for each severity.
    """

    team: str | None = None
    mention: Mention = None
    runbook: str | None = None
    tier: int = Field(default=1, ge=1)


class Slack(Section):
    """Where alerts go; the token comes from the environment."""

    channel: str | None = None
    digest: Literal["daily", "weekly"] | None = None
    chart: bool = True


class Maintenance(Section):
    """A span by the clock in which nobody is told: once, or on days of the week.

    `to` may lie on the day after `from`.
    """

    name: str = Field(min_length=1)
    start: Moment | None = None
    end: Moment | None = None
    days: Annotated[
        tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...],
        BeforeValidator(as_names),
    ] = ()
    since: Clock = Field(default="00:00", alias="from")
    to: Clock = "24:00"

    @model_validator(mode="after")
    def _one_kind(self) -> Maintenance:
        once = self.start is not None and self.end is not None
        if once == bool(self.days) or (self.start is None) != (self.end is None):
            raise ValueError("give either start and end, or days (with from and to)")
        if self.start is not None and self.end is not None:
            start, end = parse_time(self.start, "UTC"), parse_time(self.end, "UTC")
            if start >= end:
                raise ValueError("start must be before end")
        return self

    def ends(self, at: datetime, zone: str) -> datetime | None:
        """Return the end of the span that a moment lies in, or None.

        Examples
        --------
        >>> night = Maintenance.model_validate(
        ...     {"name": "backup", "days": ["sat"], "from": "22:00", "to": "02:00"})
        >>> night.ends(parse_time("2024-03-03T01:00Z"), "UTC").isoformat()
        '2024-03-03T02:00:00+00:00'
        >>> night.ends(parse_time("2024-03-04T01:00Z"), "UTC")
        """
        if self.start is not None and self.end is not None:
            start, end = parse_time(self.start, zone), parse_time(self.end, zone)
            return end if start <= at < end else None
        today = at.astimezone(ZoneInfo(zone)).date()
        for day in (today - timedelta(days=1), today):
            if DAYS[day.weekday()] in self.days:
                start = _at(day, self.since, zone)
                end = _at(day, self.to, zone)
                end = end if end > start else _at(day + timedelta(days=1), self.to, zone)
                if start <= at < end:
                    return end
        return None


def _at(day: Any, clock: str, zone: str) -> datetime:
    if clock == "24:00":
        day, clock = day + timedelta(days=1), "00:00"
    return datetime.combine(day, time.fromisoformat(clock), ZoneInfo(zone))


class Channel(Section):
    """A channel of Slack."""

    channel: str


class Route(Section):
    """Where checks go that fit all of its conditions; a condition that is absent fits all.

    `models` (names or globs) is for `_fleet.yaml`. Warnings go only where a route says
    `severity: warning`.
    """

    models: Names = ()
    family: Annotated[tuple[Family, ...], BeforeValidator(as_list)] = ()
    segment: dict[str, Scalar] = Field(default_factory=dict)
    severity: SeverityName = "critical"
    slack: Channel | None = None
    apprise: Targets = Field(default=(), repr=False)
    mention: Mention = None

    @model_validator(mode="after")
    def _somewhere(self) -> Route:
        if self.slack is None and not self.apprise:
            raise ValueError("a route needs slack or apprise: where to")
        return self


class Alerts(Section):
    """The ways out.

    A URL of Apprise is kept as the file has it, `${NAME}` and all: what the variable holds is read
    when something is sent, and is in no settings, row or log.
    """

    slack: Slack = Slack()
    apprise: Targets = Field(default=(), repr=False)
    remind: Annotated[Duration, BeforeValidator(_remind)] = REMIND
    maintenance: tuple[Maintenance, ...] = ()
    routes: tuple[Route, ...] = ()

    def beside(self, shared: Alerts | None) -> Alerts:
        """Return these with what all models share: what the model itself says goes before.

        Examples
        --------
        >>> shared = Alerts.model_validate({"slack": {"channel": "C1", "digest": "daily"}})
        >>> own = Alerts.model_validate({"slack": {"channel": "C2"}})
        >>> own.beside(shared).slack.channel, own.beside(shared).slack.digest
        ('C2', 'daily')
        """
        if shared is None:
            return self
        slack = _before(self.slack, shared.slack)
        both = {
            "slack": slack,
            "maintenance": (*self.maintenance, *shared.maintenance),
            "routes": (*self.routes, *shared.routes),
        }
        return _before(self, shared).model_copy(update=both)


def _before(own: Any, shared: Any) -> Any:
    return shared.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


def target_id(address: str) -> str:
    """Name a target of Apprise by a hash of what the file says: no row or log holds a URL.

    Of `${NAME}` it is the hash of the name, so that a secret may change.

    Examples
    --------
    >>> target_id("${TEAMS}") == target_id("${TEAMS}"), len(target_id("json://a"))
    (True, 12)
    """
    return hashlib.sha256(f"apprise target {address}".encode()).hexdigest()[:12]


def target_label(address: str) -> str:
    """Name a target of Apprise for people: its variables, or its kind.

    Examples
    --------
    >>> target_label("${TEAMS}"), target_label("mailto://ann:secret@example.org")
    ('apprise ${TEAMS}', 'apprise mailto')
    """
    if names := _VARIABLE.findall(address):
        return "apprise " + " ".join(f"${{{name}}}" for name in names)
    scheme = _SCHEME.match(address)
    return f"apprise {scheme[1].lower() if scheme else ''}".strip()


def missing_variables(address: str, environ: Mapping[str, str]) -> list[str]:
    """Return the variables of an address that are not set."""
    return [name for name in _VARIABLE.findall(address) if not environ.get(name)]


def resolved(address: str, environ: Mapping[str, str]) -> str:
    """Put the environment's values into an address; call it last, and keep nothing of it."""
    return _VARIABLE.sub(lambda match: environ.get(match[1], ""), address)


def as_written(filled: dict[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Put the targets of Apprise back as the file has them, variables not replaced.

    Examples
    --------
    >>> as_written({"alerts": {"apprise": ["json://secret"]}}, {"alerts": {"apprise": ["${A}"]}})
    {'alerts': {'apprise': ['${A}']}}
    """
    alerts, raw = filled.get("alerts"), data.get("alerts")
    if not isinstance(alerts, dict) or not isinstance(raw, Mapping):
        return filled
    alerts = _restored(alerts, raw)
    routes, raws = alerts.get("routes"), raw.get("routes")
    if isinstance(routes, list) and isinstance(raws, Sequence):
        alerts["routes"] = [
            _restored(r, w) if isinstance(r, dict) and isinstance(w, Mapping) else r
            for r, w in zip(routes, raws, strict=True)
        ]
    return {**filled, "alerts": alerts}


def _restored(filled: dict[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    return {**filled, "apprise": raw["apprise"]} if "apprise" in raw else dict(filled)
