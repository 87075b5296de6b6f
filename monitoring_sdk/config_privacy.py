"""`privacy` and `retention` of a monitor file: what is kept of the data, and for how long."""

from __future__ import annotations

import re
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from monitoring_sdk.config_problems import not_allowed
from monitoring_sdk.config_sections import Columns, Names, Section
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.profile.grid import MIN_COUNT
from monitoring_sdk.window import parse_duration


class Privacy(Section):
    """What baselines, the store and reports keep of the data.

    `min_count` is how many rows a level needs to be kept by name, and a segment to be shown;
    `drop_levels` are columns (globs too) of which no level is kept at all; without `extremes` no
    minimum or maximum is, without `samples` no rows.
    """

    min_count: int = Field(default=MIN_COUNT, ge=1)
    drop_levels: Names = ()
    extremes: bool = True
    samples: bool = True

    def drops(self, column: str) -> bool:
        """Say whether no level of a column is to be kept."""
        return any(column == p or fnmatchcase(column, p) for p in self.drop_levels)

    @property
    def spare(self) -> int:
        """How many values at either end of a column lie beyond every one that is kept."""
        return 0 if self.extremes else self.min_count

    def beyond(self, other: Privacy) -> list[str]:
        """Name the keys that ask for more than others, which were followed, did.

        Examples
        --------
        >>> Privacy(extremes=False).beyond(Privacy(min_count=50))
        ['extremes']
        """
        more = {
            "min_count": self.min_count > other.min_count,
            "drop_levels": bool(set(self.drop_levels) - set(other.drop_levels)),
            "extremes": other.extremes and not self.extremes,
        }
        return [key for key, asked in more.items() if asked]

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)


_YEARS = re.compile(r"(\d+)\s*y")


def _keep(value: Any) -> timedelta:
    """Read a length of time; a year is 366 days, so that nothing goes too early."""
    years = _YEARS.fullmatch(str(value).strip())
    try:
        found = timedelta(days=366 * int(years[1])) if years else parse_duration(value)
    except (ConfigError, OverflowError):
        found = timedelta()
    if found < timedelta(days=1):
        raise not_allowed("not a length of time of a day or more", ["90d", "26w", "2y"])
    return found


Keep = Annotated[timedelta, BeforeValidator(_keep)]


class Retention(Section):
    """How long the inference log and the results are kept; without a length, for ever."""

    log: Keep | None = None
    results: Keep | None = None


def shown_levels(columns: Columns | None, privacy: Privacy | None) -> list[str]:
    """Name the columns whose levels are to be dropped, and are shown by the part that they play."""
    if columns is None or privacy is None:
        return []
    single = ("prediction", "label", "model_version")
    parts = {getattr(columns, part): f"columns.{part}" for part in single}
    parts |= {name: "columns.segments" for crossing in columns.segments for name in crossing}
    return [
        f"privacy.drop_levels: {name} is in {part}, whose levels are shown"
        for name, part in parts.items()
        if name is not None and privacy.drops(name)
    ]
