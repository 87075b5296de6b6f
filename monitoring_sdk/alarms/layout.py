"""How values share the budget: a unit a column or segment, with all that is watched of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.adjusted import ADJUSTED
from monitoring_sdk.alarms.mix import Mix
from monitoring_sdk.alarms.residuals import Floats
from monitoring_sdk.alarms.watched import FAMILIES, Scale, Watched, on_scale, places_of, readable
from monitoring_sdk.report import slice_key

ALL_LOCATIONS = "drift/location"
ANY, MIX = "any", "mix"
"""The names of a column's energies: of all that is watched of it, and of its levels alone."""

OF_COLUMN, OF_MIX = f"drift/{ANY}/", f"drift/{MIX}/"
"""What their keys begin with."""


# The same few hundred in every window.
@lru_cache(maxsize=1 << 14)
def energy_of(key: str) -> tuple[str, str | None] | None:
    """Return name and column of an energy by its key; None for any other key.

    Examples
    --------
    >>> energy_of("drift/mix/carrier"), energy_of(ALL_LOCATIONS), energy_of("drift/location/age")
    (('mix', 'carrier'), ('location', None), None)
    """
    if key == ALL_LOCATIONS:
        return "location", None
    for start, name in ((OF_COLUMN, ANY), (OF_MIX, MIX)):
        if key.startswith(start):
            return name, key.removeprefix(start)
    return None


@dataclass(frozen=True, eq=False)
class Layout:
    """Which of K values and G energies are judged together.

    An *energy* is the mean square of the scores of some values: those of one column, the locations
    of all columns, and what is left of a category's levels beside the way that they often move. A
    *unit* is what has one equal share of its family's budget: a drifting column with all that is
    watched of it, the energy of all locations, the labels of a segment, or one other value.

    Parameters
    ----------
    watched : tuple of Watched
    places : tuple of (scale, positions)
    families : array of int, shape (K,)
    sign : array, shape (K,)
        1 above, -1 below, 0 both.
    counted : array of bool, shape (K,)
    members : array, shape (K, G)
        Weights, each column summing to 1; of what is left of a category, which levels it is of.
    mix : Mix or None
        Of the last energies.
    energies : tuple of str, of length G
    order : array of int, shape (K + G,)
        Values and then energies, sorted by unit.
    starts : array of int, shape (U,)
        Where each unit begins in `order`.
    unit_families : array of int, shape (U,)
    """

    watched: tuple[Watched, ...]
    places: tuple[tuple[Scale, NDArray[np.int64]], ...]
    families: NDArray[np.int64]
    sign: Floats
    counted: NDArray[np.bool_]
    members: Floats
    mix: Mix | None
    energies: tuple[str, ...]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    unit_families: NDArray[np.int64]

    @cached_property
    def floor(self) -> Floats:
        """The effect floor of each value, as people read it."""
        return np.array([w.floor for w in self.watched])

    @cached_property
    def unit_of(self) -> NDArray[np.int64]:
        """The unit of each value and then of each energy."""
        sizes = np.diff(np.append(self.starts, len(self.order)))
        out = np.empty(len(self.order), dtype=np.int64)
        out[self.order] = np.repeat(np.arange(len(self.starts)), sizes)
        return out

    def statistics(
        self,
        z: Floats,
        over_half: NDArray[np.bool_] | None = None,
        means: Floats | None = None,
    ) -> Floats:
        """Return one-sided scores of the values, and the cube roots of the energies.

        The cube root of a mean square is close to normal (Wilson and Hilferty, 1931, PNAS 17).

        Parameters
        ----------
        z : array, shape (..., K)
        over_half : array of bool, shape (..., K), optional
            Whose effect is half of its floor: energies are made of those alone.
        means : array, shape (..., K), optional
            The deviations that `z` are the scores of, for the same purpose.

        Returns
        -------
        array, shape (..., K + G)
        """
        out = np.empty((*z.shape[:-1], len(self.order)), dtype=z.dtype)
        k = len(self.watched)
        one = np.where(self.sign == 0, 1, self.sign).astype(z.dtype)
        other = np.where(self.sign == 0, -1, self.sign).astype(z.dtype)
        np.maximum(z * one, z * other, out=out[..., :k])
        self._fill_energies(out, z, over_half, means)
        return out

    def gated(
        self,
        statistics: Floats,
        z: Floats,
        over: NDArray[np.bool_],
        over_half: NDArray[np.bool_],
        means: Floats,
    ) -> Floats:
        """Return statistics that count only beyond the effect floors.

        Parameters
        ----------
        statistics : array, shape (..., K + G)
            Of `z` without floors.
        z : array, shape (..., K)
        over, over_half : array of bool, shape (..., K)
            Whose effect is as large as its floor, and as half of it.
        means : array, shape (..., K)
        """
        out = np.empty_like(statistics)
        k = len(self.watched)
        np.multiply(statistics[..., :k], over, out=out[..., :k])
        self._fill_energies(out, z, over_half, means)
        return out

    def _fill_energies(
        self, out: Floats, z: Floats, over_half: NDArray[np.bool_] | None, means: Floats | None
    ) -> None:
        start, left = len(self.watched), 0 if self.mix is None else len(self.mix.columns)
        plain = len(self.energies) - left
        if plain:
            squares = z * z
            if over_half is not None:
                squares *= over_half
            members = self.members[:, :plain].astype(z.dtype)
            np.cbrt(squares @ members, out=out[..., start : start + plain])
        if self.mix is not None:
            out[..., start + plain :] = self.mix.energies(z, means)

    def unit_maxima(self, statistics: Floats) -> Floats:
        """Return the largest statistic of each unit, shape (..., U)."""
        ordered = np.take(statistics, self.order, axis=-1)
        return np.maximum.reduceat(ordered, self.starts, axis=-1)

    def family_maxima(self, units: Floats) -> Floats:
        """Return the largest of each family, shape (..., F); 0 where a family has no unit."""
        out = np.zeros((*units.shape[:-1], len(FAMILIES)), dtype=units.dtype)
        for i in np.unique(self.unit_families):
            out[..., i] = units[..., self.unit_families == i].max(-1)
        return out


def _energies(watched: Sequence[Watched]) -> dict[str, list[int]]:
    """Return the values of each energy that has two or more."""
    found: dict[str, list[int]] = {}
    for at, w in enumerate(watched):
        if w.family == "drift" and w.column is not None and w.kind != ADJUSTED:
            found.setdefault(OF_COLUMN + w.column, []).append(at)
            if w.kind == "location":
                found.setdefault(ALL_LOCATIONS, []).append(at)
    return {name: at for name, at in found.items() if len(at) > 1}


def _owner(w: Watched) -> tuple[str, str]:
    """Name the unit of a value: its column, the segment whose labels it is of, or itself."""
    if w.family == "drift":
        return "drift", w.column or w.key
    if w.family == "performance" and w.segment is not None:
        return "segment", slice_key(w.segment)
    return "", w.key


def lay_out(watched: Sequence[Watched], mix: Mix | None = None) -> Layout:
    """Lay values out in energies and units.

    Parameters
    ----------
    watched : sequence of Watched
    mix : Mix, optional
        Its columns' energies come last.

    Examples
    --------
    >>> kinds = ("location", "scale")
    >>> rows = [Watched(f"drift/{k}/{c}", "drift", c, k) for c in "ab" for k in kinds]
    >>> found = lay_out([*rows, Watched("quality/null_share/a", "quality", "a", "nulls", "above")])
    >>> found.energies, len(found.starts)
    (('drift/any/a', 'drift/location', 'drift/any/b'), 4)
    """
    energies = _energies(watched)
    if mix is not None:
        for k, column in enumerate(mix.columns):
            energies[OF_MIX + column] = mix.at[mix.members[:, k] > 0].tolist()
    owner = [_owner(w) for w in watched]
    owner += [("drift", name.removeprefix(OF_COLUMN).removeprefix(OF_MIX)) for name in energies]
    places: dict[tuple[str, str], list[int]] = {}
    for at, who in enumerate(owner):
        places.setdefault(who, []).append(at)
    families = np.array([FAMILIES.index(w.pages_under) for w in watched], dtype=np.int64)
    all_families = np.append(families, np.zeros(len(energies), dtype=np.int64))
    members = np.zeros((len(watched), len(energies)))
    for at, own in enumerate(energies.values()):
        members[own, at] = 1 / len(own)
    signs = {"above": 1.0, "below": -1.0, "both": 0.0}
    sizes = [len(at) for at in places.values()]
    return Layout(
        watched=tuple(watched),
        places=places_of(watched),
        families=families,
        sign=np.array([signs[w.side] for w in watched]),
        counted=np.array([w.scale == "count" for w in watched], dtype=bool),
        members=members,
        mix=mix,
        energies=tuple(energies),
        order=np.array([i for at in places.values() for i in at], dtype=np.int64),
        starts=np.cumsum([0, *sizes[:-1]]).astype(np.int64),
        unit_families=np.array([all_families[at[0]] for at in places.values()], dtype=np.int64),
    )


def pools_of(watched: Sequence[Watched]) -> tuple[str, ...]:
    """Return which values steady each other's variance, skew and memory: those of one kind.

    Locations move from day to day where tails do not: in one pool, the many would hide how much
    the few vary.

    Examples
    --------
    >>> pools_of([Watched("drift/tails/age", "drift", "age", "tails")])
    ('drift/tails',)
    """
    return tuple(f"{w.family}/{w.kind}" for w in watched)


def floors(layout: Layout, mu: Floats, part: float = 1.0) -> tuple[Floats, Floats]:
    """Return how far above and below its mean each value has its floor, in its own units.

    Parameters
    ----------
    layout : Layout
    mu : array, shape (K,)
    part : float
        Of the floor.

    Returns
    -------
    above, below : array, shape (K,)
        Infinite where no share is that much smaller. 0 for what is counted: its score is kept
        apart.
    """
    base, above, below = readable(mu, layout.places), np.empty_like(mu), np.empty_like(mu)
    for i, w in enumerate(layout.watched):
        away = part * w.floor
        up, down = (float(on_scale(base[i] + sign * away, w.scale)) for sign in (1, -1))
        # Beyond the ends of a scale there is no such effect.
        above[i] = up - mu[i] if np.isfinite(up) else np.inf
        below[i] = mu[i] - down if np.isfinite(down) else np.inf
    above[layout.counted] = below[layout.counted] = 0.0
    return above, below
