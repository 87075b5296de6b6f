"""What the windows of a model are compared with, as its baseline was built for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from monitoring_sdk.config_sections import BaselineSettings
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.window import Window


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a window is compared with.

    Parameters
    ----------
    phase : {"hour_of_day", "day_of_week", "hour_of_week"}, optional
        With reference windows of the same phase alone.
    reference : {"fixed", "rolling", "previous"}
        With the whole span, with the windows before, or with the one before.
    length : timedelta, optional
        How far back a rolling reference goes.

    Examples
    --------
    >>> print(Comparison("day_of_week"), "or", Comparison(reference="previous"))
    windows of the same day_of_week or the window before
    """

    phase: str | None = None
    reference: str = "fixed"
    length: timedelta | None = None

    @classmethod
    def of(cls, settings: BaselineSettings | None) -> Comparison:
        """Return what a monitor file asks for; the whole span where it says nothing."""
        if settings is None:
            return cls()
        return cls(settings.phase, settings.reference, settings.length)

    def __str__(self) -> str:
        """Name it for people."""
        if self.phase is not None:
            return f"windows of the same {self.phase}"
        if self.reference == "rolling":
            return f"the windows of {self.length} before"
        return "the window before" if self.reference == "previous" else "the whole span"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the length in seconds."""
        length = None if self.length is None else self.length.total_seconds()
        return {"phase": self.phase, "reference": self.reference, "length": length}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """Read the JSON form back."""
        length = data["length"]
        length = None if length is None else timedelta(seconds=length)
        return cls(data["phase"], data["reference"], length)


@dataclass(frozen=True)
class Recent:
    """One window, or several that follow one another, as one profile.

    Parameters
    ----------
    span : Window
        From the start of the first to the end of the last.
    windows : int
    profile : Profile
    """

    span: Window
    windows: int
    profile: Profile

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        span = self.span.to_dict()
        return {"span": span, "windows": self.windows, "profile": self.profile.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recent:
        """Read the JSON form back."""
        profile = Profile.from_dict(data["profile"])
        return cls(Window.from_dict(data["span"]), data["windows"], profile)
