"""Windows of logical time: half-open, in UTC, cut by the calendar of a time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitoring_sdk.errors import ConfigError, explain

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)")
_SECONDS = {"ms": 0.001, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_EVERY = re.compile(r"(\d+)(min|h|d|w|mo)")
EVERY_ALLOWED = ("15min", "1h", "1d", "1w", "1mo", "other minutes or hours that divide a day")


def parse_duration(value: str | timedelta) -> timedelta:
    """Read a length of time such as `15min`, `8h`, `2d` or `1w`.

    Raises
    ------
    ConfigError
        When the text is not a number and one of the units ms, s, min, h, d, w.

    Examples
    --------
    >>> parse_duration("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ConfigError(explain("not a length of time", got=value, allowed=["15min", "8h", "2d"]))
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def parse_time(value: str | date | datetime, timezone: str = "UTC") -> datetime:
    """Read a moment (ISO 8601) and return it in UTC; without an offset it is in `timezone`.

    Raises
    ------
    ConfigError
        When the text is no ISO 8601 date or date and time.

    Examples
    --------
    >>> parse_time("2013-06-04", "America/New_York").isoformat()
    '2013-06-04T04:00:00+00:00'
    """
    if isinstance(value, datetime):
        at = value
    elif isinstance(value, date):
        at = datetime.combine(value, time())
    else:
        try:
            at = datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise ConfigError(
                explain("not a time", got=value, allowed=["2013-06-04", "2013-06-04T04:00:00Z"])
            ) from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=ZoneInfo(timezone))
    return at.astimezone(UTC)


@dataclass(frozen=True, order=True, slots=True)
class Window:
    """A half-open span `[start, end)` of logical time, both in UTC."""

    start: datetime
    end: datetime

    def contains(self, at: datetime) -> bool:
        """Say whether a moment lies in the window."""
        return self.start <= at < self.end

    def to_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return {
            name: getattr(self, name).isoformat().replace("+00:00", "Z")
            for name in ("start", "end")
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Window:
        """Read the JSON form back."""
        return cls(parse_time(data["start"]), parse_time(data["end"]))

    def __str__(self) -> str:
        """Write `start/end` as ISO 8601 has intervals."""
        return "/".join(self.to_dict().values())


@dataclass(frozen=True, slots=True)
class Cadence:
    """How logical time is cut into windows: every so often, by the wall clock of a time zone.

    Days, weeks (from Monday) and months begin at local midnight, so that a day may have 23 or 25
    hours. Up to an hour, windows are of equal length whatever the clocks do; several hours are
    counted from local midnight.

    Parameters
    ----------
    every : str
        `15min`, `1h`, `1d`, `1w`, `1mo`, or other minutes or hours that divide a day.
    timezone : str
        An IANA name.

    Examples
    --------
    >>> day = Cadence("1d", "America/New_York")
    >>> [(w.end - w.start).total_seconds() / 3600 for w in day.windows(
    ...     parse_time("2013-03-09", day.timezone), parse_time("2013-03-12", day.timezone))]
    [24.0, 23.0, 24.0]
    """

    every: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        count, unit = self._parts()
        minutes = {"min": 1, "h": 60}.get(unit)
        fits = 1440 % (count * minutes) == 0 if minutes and count else count == 1
        if not fits:
            raise ConfigError(explain("not a window length", got=self.every, allowed=EVERY_ALLOWED))
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise ConfigError(explain("unknown time zone", got=self.timezone)) from None

    def _parts(self) -> tuple[int, str]:
        match = _EVERY.fullmatch(self.every)
        if match is None:
            raise ConfigError(explain("not a window length", got=self.every, allowed=EVERY_ALLOWED))
        return int(match[1]), match[2]

    @property
    def approximate(self) -> timedelta:
        """The usual length of a window; a month counts 30 days."""
        count, unit = self._parts()
        if unit == "mo":
            return timedelta(days=30)
        return count * timedelta(seconds=_SECONDS[unit])

    def _midnight(self, day: date) -> datetime:
        """Return the first moment of a local day (a gap at midnight moves it on)."""
        return datetime.combine(day, time(), ZoneInfo(self.timezone)).astimezone(UTC)

    def floor(self, at: datetime) -> datetime:
        """Return the newest bound that is not after `at`."""
        count, unit = self._parts()
        day = at.astimezone(ZoneInfo(self.timezone)).date()
        if unit in ("min", "h"):
            minutes = count * (60 if unit == "h" else 1)
            if minutes <= 60:
                return self._floor_short(at, minutes)
            bound = max(b for b in self._bounds_of_day(day, minutes) if b <= at)
        else:
            if unit == "w":
                day -= timedelta(days=day.weekday())
            elif unit == "mo":
                day = day.replace(day=1)
            bound = self._midnight(day)
        # Where clocks went back just past midnight (St John's, 00:01) it is yesterday once more.
        while (after := self.next(bound)) <= at:
            bound = after
        return bound

    def _floor_short(self, at: datetime, minutes: int) -> datetime:
        # Equal steps on the wall clock are equal steps in UTC shifted by the offset in force.
        offset = at.astimezone(ZoneInfo(self.timezone)).utcoffset() or timedelta()
        step = timedelta(minutes=minutes)
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        bound = at - (at - epoch + offset) % step
        before = bound.astimezone(ZoneInfo(self.timezone)).utcoffset() or timedelta()
        if (before - offset) % step:
            # The offset moved by less than a window (Lord Howe): the change itself is a bound.
            return self._change_between(bound, at)
        return bound

    def _change_between(self, low: datetime, high: datetime) -> datetime:
        zone = ZoneInfo(self.timezone)
        old = low.astimezone(zone).utcoffset()
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) / 2
            low, high = (
                (middle, high) if middle.astimezone(zone).utcoffset() == old else (low, middle)
            )
        return high.replace(microsecond=0)

    def _bounds_of_day(self, day: date, minutes: int) -> list[datetime]:
        zone = ZoneInfo(self.timezone)
        start = self._midnight(day)
        clocks = (
            datetime.combine(day, time(), zone) + timedelta(minutes=m)
            for m in range(0, 1440, minutes)
        )
        return sorted({start} | {b for c in clocks if (b := c.astimezone(UTC)) > start})

    def next(self, bound: datetime) -> datetime:
        """Return the bound that follows a bound."""
        count, unit = self._parts()
        local = bound.astimezone(ZoneInfo(self.timezone)).date()
        if unit in ("min", "h"):
            minutes = count * (60 if unit == "h" else 1)
            if minutes <= 60:
                # A shorter step finds a bound that a change of offset put in between.
                after = self.floor(bound + timedelta(minutes=minutes))
                return (
                    after if after > bound else self.floor(bound + timedelta(minutes=2 * minutes))
                )
            later = [b for b in self._bounds_of_day(local, minutes) if b > bound]
            return later[0] if later else self._midnight(local + timedelta(days=1))
        if unit == "d":
            return self._midnight(local + timedelta(days=1))
        if unit == "w":
            return self._midnight(local + timedelta(days=7))
        return self._midnight((local.replace(day=1) + timedelta(days=32)).replace(day=1))

    def previous(self, bound: datetime) -> datetime:
        """Return the bound that precedes a bound."""
        return self.floor(bound - timedelta(microseconds=1))

    def windows(self, start: datetime, end: datetime) -> Iterator[Window]:
        """Yield every complete window inside `[start, end)`, in order."""
        bound = self.floor(start)
        if bound < start:
            bound = self.next(bound)
        while (after := self.next(bound)) <= end:
            yield Window(bound, after)
            bound = after

    def latest(self, as_of: datetime, lag: timedelta = timedelta()) -> Window:
        """Return the newest complete window whose end plus `lag` is not after `as_of`."""
        end = self.floor(as_of - lag)
        return Window(self.previous(end), end)

    def ending(self, end: datetime) -> Window:
        """Return the window with this end.

        Raises
        ------
        ConfigError
            When no window ends there.
        """
        if self.floor(end) != end:
            near = f"{self.floor(end).isoformat()} or {self.next(self.floor(end)).isoformat()}"
            raise ConfigError(
                f"no window of {self.every} ({self.timezone}) ends at {end.isoformat()}; "
                f"the nearest ends are {near}"
            )
        return Window(self.previous(end), end)
