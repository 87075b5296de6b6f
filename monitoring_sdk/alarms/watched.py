"""What an alarm can be about: one row a value that is watched, and the families that page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Family = Literal["drift", "prediction", "performance", "estimate", "quality"]
Side = Literal["both", "above", "below"]
Scale = Literal["identity", "share", "count", "log", "gap", "cube"]

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
    scale : {"identity", "share", "count", "log", "gap", "cube"}
        How near a normal law the value comes: as it is; a share by ``2 asin sqrt``; rows that
        hardly ever come, which are counted; a loss by its logarithm; what is 1 at best by
        ``-log(1 - value)``; a distance by its cube root.
    level : str or None
        Of a share of a category.
    segment : mapping of str to str or None
        Which rows it is of.
    noise : float or None
        Without change a distance goes as the rows to the power of `-noise`.
    rows : float or None
        Of a usual reference window, for such a distance.
    """

    key: str
    family: Family
    column: str | None
    kind: str
    side: Side = "both"
    floor: float = 0.05
    scale: Scale = "identity"
    level: str | None = None
    segment: Mapping[str, str] | None = None
    noise: float | None = None
    rows: float | None = None

    def thinned(self, n: float | None) -> float:
        """Return how many times larger so few rows make it than a usual window's, at least 1.

        Examples
        --------
        >>> Watched("drift/frechet", "drift", None, "frechet", noise=1.0, rows=500).thinned(100)
        5.0
        """
        if not (self.noise and self.rows and n):
            return 1.0
        return max(1.0, self.rows / n) ** self.noise

    @property
    def name(self) -> str:
        """The name of the check, such as ``location`` or ``share@UA``."""
        return self.kind if self.level is None else f"{self.kind}@{self.level}"

    @property
    def pages_under(self) -> str:
        """The family of `FAMILIES` that this value pages under."""
        return "performance" if self.family == "estimate" else self.family

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {k: v for k, v in asdict(self).items() if v is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Watched:
        """Read the JSON form back."""
        return cls(**{"column": None, **data})


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


def on_scale(value: ArrayLike, scale: Scale) -> NDArray[np.float64]:
    """Return values as alarms take them; NaN where the scale does not reach.

    Examples
    --------
    >>> on_scale([0.5, 0.0], "log").round(2).tolist()
    [-0.69, nan]
    """
    found = np.asarray(value, dtype=np.float64)
    with np.errstate(all="ignore"):
        if scale == "share":
            out = 2 * np.arcsin(np.sqrt(found))
        elif scale == "log":
            out = np.where(found > 0, np.log(found), np.nan)
        elif scale == "gap":
            out = np.where(found < 1, -np.log(1 - found), np.nan)
        elif scale == "cube":
            out = np.cbrt(found)
        else:
            out = found
    return np.asarray(out, dtype=np.float64)


def off_scale(x: ArrayLike, scale: Scale) -> NDArray[np.float64]:
    """Return in the units that people read what `on_scale` gave.

    Examples
    --------
    >>> scales = ("identity", "share", "log", "gap", "cube")
    >>> [round(float(off_scale(on_scale(0.3, s), s)), 9) for s in scales]
    [0.3, 0.3, 0.3, 0.3, 0.3]
    """
    found = np.asarray(x, dtype=np.float64)
    if scale == "share":
        return from_angle(found)
    if scale == "log":
        return np.exp(found)
    if scale == "gap":
        return 1 - np.exp(-found)
    if scale == "cube":
        return found**3
    return found


def places_of(watched: Sequence[Watched]) -> tuple[tuple[Scale, NDArray[np.int64]], ...]:
    """Return where the values of each scale are that people do not read as it is.

    Examples
    --------
    >>> places_of([Watched("quality/null_share/a", "quality", "a", "null_share", scale="share")])
    (('share', array([0])),)
    """
    scales = dict.fromkeys(w.scale for w in watched)
    return tuple(
        (scale, np.array([i for i, w in enumerate(watched) if w.scale == scale], dtype=np.int64))
        for scale in scales
        if scale not in ("identity", "count")
    )


def readable(
    x: NDArray[np.floating[Any]], places: Sequence[tuple[Scale, NDArray[np.int64]]]
) -> NDArray[np.float64]:
    """Return values, shape (..., K), in the units that people read.

    Parameters
    ----------
    places : sequence of (scale, positions)
        As `places_of` gives them.

    Examples
    --------
    >>> rows = [Watched("quality/null_share/a", "quality", "a", "null_share", scale="share")]
    >>> readable(np.array([np.pi / 2]), places_of(rows)).round(3).tolist()
    [0.5]
    """
    out = np.array(x, dtype=np.float64)
    for scale, at in places:
        out[..., at] = off_scale(out[..., at], scale)
    return out
