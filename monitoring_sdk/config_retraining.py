"""The section of a monitor file about retraining: when it is asked for, of whom, and how long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from monitoring_sdk.config_problems import not_allowed
from monitoring_sdk.config_sections import Duration, Names, Section, WindowSettings, as_names
from monitoring_sdk.window import Cadence

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
QUIET_ALLOWED = ("22:00-06:00", "sat-sun", "mon-fri 09:00-17:00")
_QUIET = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?)?"
    r"(?:(?:^|\s+)(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d))?"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which no retraining begins, by the wall clock; `end` may lie past midnight.

    Attributes
    ----------
    days : frozenset of int
        The weekdays on which they begin, Monday 0.
    start, end : time
        Half-open; equal ones mean the whole day.
    """

    days: frozenset[int]
    start: time
    end: time

    def holds(self, at: datetime) -> bool:
        """Say whether a local moment lies in them."""
        today, clock = at.weekday() in self.days, at.time()
        if self.start < self.end:
            return today and self.start <= clock < self.end
        yesterday = (at.weekday() - 1) % 7 in self.days
        return (today and clock >= self.start) or (yesterday and clock < self.end)


def parse_quiet(text: str) -> Quiet:
    """Read quiet hours: days, hours, or both.

    Raises
    ------
    ValueError
        When it is none.

    Examples
    --------
    >>> night = parse_quiet("22:00-06:00")
    >>> night.holds(datetime(2024, 3, 1, 23)), night.holds(datetime(2024, 3, 1, 6))
    (True, False)
    >>> sorted(parse_quiet("sat-mon").days)
    [0, 5, 6]
    """
    match = _QUIET.fullmatch(text.strip().lower())
    if match is None or not text.strip():
        raise ValueError(text)
    first, last = match["first"] or "mon", match["last"] or match["first"] or "sun"
    begin, count = WEEK.index(first), (WEEK.index(last) - WEEK.index(first)) % 7 + 1
    days = frozenset((begin + i) % 7 for i in range(count))
    midnight = time()
    if match["start"] is None:
        return Quiet(days, midnight, midnight)
    return Quiet(days, time.fromisoformat(match["start"]), time.fromisoformat(match["end"]))


def _quiet(value: str) -> str:
    try:
        parse_quiet(value)
    except ValueError:
        raise not_allowed("no quiet hours", QUIET_ALLOWED) from None
    return value


def _webhook(value: str) -> str:
    try:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        whole = False
    if not whole:
        raise not_allowed("not a web address", ["https://host/path"])
    if parts.username is not None or parts.password is not None:
        raise not_allowed("an address must hold no password: `secret` signs what is sent to it")
    return value


def _named_secret(value: str) -> str:
    if _VARIABLE.fullmatch(value) is None or value.startswith("whsec_"):
        # What came is not shown: it may well be the secret.
        raise ValueError(
            "must be the name of an environment variable or of a Prefect Secret block; the secret "
            "itself never stands in the file"
        )
    return value


def _yes_or_no(value: Any) -> bool:
    """Take nothing but these two: `yes` is a text in YAML 1.2."""
    if not isinstance(value, bool):
        raise not_allowed("not an allowed value", ["true", "false"])
    return value


QuietHours = Annotated[str, AfterValidator(_quiet)]


class Hook(Section):
    """What is called to retrain: a Prefect deployment, a webhook or a command.

    `secret` names the environment variable, or the Prefect Secret block, whose content signs what
    a webhook is sent.
    """

    deployment: str | None = None
    webhook: Annotated[str, AfterValidator(_webhook)] | None = Field(default=None, repr=False)
    secret: Annotated[str, AfterValidator(_named_secret)] | None = Field(default=None, repr=False)
    command: Names | None = None

    @model_validator(mode="after")
    def _one(self) -> Hook:
        given = [n for n in ("deployment", "webhook", "command") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError("give one of a deployment, a webhook and a command")
        if (self.webhook is None) != (self.secret is None):
            raise ValueError("webhook and secret go together: what is sent is signed")
        return self

    @property
    def kind(self) -> Literal["deployment", "webhook", "command"]:
        """Which of the three it is."""
        if self.deployment is not None:
            return "deployment"
        return "webhook" if self.webhook is not None else "command"


class Retraining(Section):
    """When a retraining is asked for, and of whom.

    Conditions, all of one window: an alert of `when`, in an incident that has lasted `after`, with
    `min_labels` labelled rows judged in it. Then it may still have to wait for `cooldown`,
    `max_per_month` and `quiet_hours`, which run on logical time. `approval_within` and
    `outcome_within` are how long people and hooks have for an answer, by the clock.
    """

    when: Annotated[
        tuple[Literal["performance", "concept_drift", "drift"], ...], BeforeValidator(as_names)
    ] = ("performance",)
    after: Duration = timedelta()
    min_labels: int = Field(default=0, ge=0)
    cooldown: Duration = timedelta(days=7)
    max_per_month: int | None = Field(default=None, ge=1)
    quiet_hours: Annotated[tuple[QuietHours, ...], BeforeValidator(as_names)] = ()
    hook: Hook | None = None
    approval: Annotated[bool, BeforeValidator(_yes_or_no)] = False
    approval_within: Duration = timedelta(days=1)
    outcome_within: Duration = timedelta(days=2)

    @model_validator(mode="after")
    def _approval_of_something(self) -> Retraining:
        if self.approval and self.hook is None:
            raise ValueError("approval needs a hook that it releases")
        return self

    @property
    def quiet(self) -> tuple[Quiet, ...]:
        """The quiet hours as they are asked of a moment."""
        return tuple(parse_quiet(text) for text in self.quiet_hours)


def is_quiet(hours: tuple[Quiet, ...], at: datetime, timezone: str) -> bool:
    """Say whether a moment lies in one of several quiet hours of a time zone."""
    local = at.astimezone(ZoneInfo(timezone))
    return any(quiet.holds(local) for quiet in hours)


def _decisions(window: WindowSettings) -> Iterator[datetime]:
    """Yield the moments at which windows are decided, until the calendar has come round."""
    cadence = Cadence(window.every, window.timezone)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    short = cadence.approximate < timedelta(days=1)
    end = start + (timedelta(days=8) if short else timedelta(days=800))
    for one in cadence.windows(start, end):
        yield one.end + window.lag


def never_allowed(retraining: Retraining | None, window: WindowSettings | None) -> list[str]:
    """Say of quiet hours that every window ends in them: nothing could ever be asked for.

    Examples
    --------
    >>> night = Retraining(quiet_hours=("22:00-06:00",))
    >>> never_allowed(night, WindowSettings(every="1d"))[0]
    'retraining.quiet_hours: every window of 1d is decided in them: no retraining could begin'
    >>> never_allowed(night, WindowSettings(every="1h"))
    []
    """
    if retraining is None or window is None or not retraining.quiet_hours:
        return []
    hours = retraining.quiet
    if any(not is_quiet(hours, at, window.timezone) for at in _decisions(window)):
        return []
    return [
        f"retraining.quiet_hours: every window of {window.every} is decided in them: no retraining "
        "could begin"
    ]
