"""Segments as cells of one feature or two: how they are counted, and what is said of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.diagnosis.features import Feature
from monitoring_sdk.diagnosis.losses import Floats, Losses

ALPHA = 0.01
"""Chance of naming any cell where nothing changed, over all cells looked at."""
FEWEST_ROWS = 50
MOST_CELLS = 4
STEADY_ROWS = 20.0
"""A cell's variance is drawn towards that of all rows as by so many rows of those."""

Place = tuple[tuple[int, int], ...]
"""A cell by (feature, condition), once or twice."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A segment of the rows, and its part in the change of mean loss.

    Attributes
    ----------
    columns : tuple of str
        One or two.
    description : str
        Such as ``origin = JFK and distance >= 1200``.
    share : tuple of float
        Of the reference's and of the current rows, in [0, 1].
    loss : tuple of float
        Mean in the reference and in the current rows of the segment; None without rows.
    within : float
        Current share x the change in loss beyond what the features let one expect: the segment's
        part of the concept shift.
    mix : float
        Change in share x (reference loss here - reference loss overall): what its coming to be
        more, or fewer, brought.
    z : float
        Of the change beyond what was expected, in standard errors.
    rows : tuple of int
    """

    columns: tuple[str, ...]
    description: str
    share: tuple[float, float]
    loss: tuple[float | None, float | None]
    within: float
    mix: float
    z: float
    rows: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        out = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in out.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cell:
        """Read the JSON form back."""
        read: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**read)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One sample: bins (d, n) of features, and what its losses were beyond expectation."""

    bins: NDArray[np.int32]
    beyond: Floats

    def keep(self, which: NDArray[np.bool_]) -> Rows:
        return Rows(self.bins[:, which], self.beyond[which])


def binned(features: Sequence[Feature], losses: Losses, beyond: Floats) -> Rows:
    """Cut a sample's rows into bins, beside what is counted of them."""
    return Rows(np.stack([f.bin(losses.matrix[:, j]) for j, f in enumerate(features)]), beyond)


def by_bin(features: Sequence[Feature], place: tuple[int, ...], rows: Rows) -> Floats:
    """Return rows, sum and sum of squares of the losses by bin, shape (3, b) or (3, b, b)."""
    shape = tuple(features[a].bins for a in place)
    key = rows.bins[place[0]]
    if len(place) == 2:
        key = key * shape[1] + rows.bins[place[1]]
    size = int(np.prod(shape))
    table = [
        np.bincount(key, minlength=size),
        np.bincount(key, weights=rows.beyond, minlength=size),
        np.bincount(key, weights=rows.beyond**2, minlength=size),
    ]
    return np.stack(table).reshape(3, *shape).astype(np.float64)


def by_condition(features: Sequence[Feature], place: tuple[int, ...], table: Floats) -> Floats:
    """Add bins up to conditions: shape (3, c) or (3, c, c)."""
    first = features[place[0]].conditions
    if len(place) == 1:
        return table @ first.T
    return first @ table @ features[place[1]].conditions.T


def variance_of(sums: Floats) -> float:
    n = max(float(sums[0]), 1.0)
    return max(float(sums[2] / n - (sums[1] / n) ** 2), 1e-12)


def rise(tables: list[Floats], usual: list[float]) -> tuple[Floats, Floats]:
    """Return the change of the mean from the first sample to the second, and its variance."""
    means, variances = [], []
    for table, variance in zip(tables, usual, strict=True):
        n = np.maximum(table[0], 1)
        mean = table[1] / n
        own = np.maximum(table[2] / n - mean**2, 0)
        variances.append((n * own + STEADY_ROWS * variance) / (n + STEADY_ROWS) / n)
        means.append(mean)
    return means[1] - means[0], variances[0] + variances[1]


def members(features: Sequence[Feature], bins: NDArray[np.int32], place: Place) -> Any:
    """Return which rows lie in a cell."""
    inside = np.ones(bins.shape[1], bool)
    for a, condition in place:
        inside &= features[a].conditions[condition].astype(bool)[bins[a]]
    return inside


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def measure(
    features: Sequence[Feature],
    place: Place,
    z: float,
    losses: tuple[Losses, Losses],
    samples: Sequence[Rows],
) -> Cell:
    """Measure a named cell on all rows, those of other named cells among them."""
    inside = [members(features, rows.bins, place) for rows in samples]
    n = (int(inside[0].sum()), int(inside[1].sum()))
    share = (n[0] / losses[0].n, n[1] / losses[1].n)
    then, now = (_mean(x.loss[i]) for x, i in zip(losses, inside, strict=True))
    beyond = [_mean(x.beyond[i]) or 0.0 for x, i in zip(samples, inside, strict=True)]
    return Cell(
        columns=tuple(features[a].name for a, _ in place),
        description=" and ".join(features[a].describe(c) for a, c in place),
        share=share,
        loss=(then, now),
        within=share[1] * (beyond[1] - beyond[0]),
        mix=(share[1] - share[0]) * ((then or 0.0) - float(losses[0].loss.mean())),
        z=z,
        rows=n,
    )
