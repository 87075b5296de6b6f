"""Windows running before others, added up: where a rolling reference begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.window import Window


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
