"""What an alarm can be about: one row a value that is watched, and the families that page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Family = Literal["drift", "prediction", "performance", "estimate", "quality"]
Side = Literal["both", "above", "below"]
Scale = Literal["identity", "share", "count"]

FAMILIES = ("drift", "prediction", "performance", "quality")
"""The families that page, in the order of every array by family."""

SHARES: Mapping[str, float] = {
    "drift": 0.50,
    "prediction": 0.12,
    "performance": 0.22,
    "quality": 0.16,
}
"""How the budget of false pages is split over the families."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One value that is watched.

    Parameters
    ----------
    key : str
        As in a report, such as ``drift/location/age``.
    family : {"drift", "prediction", "performance", "estimate", "quality"}
        An estimate pages under performance.
    column : str or None
    kind : str
        What of the column, such as ``location`` or ``nulls``; for performance, the metric.
    side : {"both", "above", "below"}
        On which side of normal it can page.
    floor : float
        A smaller effect does not page however sure it is; in the units of the effect.
    scale : {"identity", "share", "count"}
        What the value is: the effect itself, ``2 asin sqrt`` of a share, or the share of rows
        that hardly ever come, which are counted.
    """

    key: str
    family: Family
    column: str | None
    kind: str
    side: Side = "both"
    floor: float = 0.05
    scale: Scale = "identity"

    @property
    def pages_under(self) -> str:
        """The family of `FAMILIES` that this value pages under."""
        return "performance" if self.family == "estimate" else self.family

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Watched:
        """Read the JSON form back."""
        return cls(**data)


def to_angle(hits: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """Return ``2 asin sqrt`` of a share, whose variance is 1/n whatever the share.

    Source: Anscombe, 1948, Biometrika 35: 3/8 added to the hits, 3/4 to the rows.

    Examples
    --------
    >>> round(float(to_angle(25, 100)), 3)
    1.051
    """
    return 2 * np.arcsin(np.sqrt((np.asarray(hits) + 0.375) / (np.asarray(n) + 0.75)))


def from_angle(angle: ArrayLike) -> NDArray[np.float64]:
    """Return the share that an angle stands for, in [0, 1].

    Examples
    --------
    >>> round(float(from_angle(to_angle(25, 100))), 3)
    0.252
    """
    return np.sin(np.clip(np.asarray(angle), 0, np.pi) / 2) ** 2
