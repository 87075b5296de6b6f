"""Grids: the cells, fixed by a reference, in which every later window is counted.

A grid never moves with the data that is counted on it. Edges that follow the window are how one
outlier silences a distance elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitoring_sdk.profile.levels import canonical_level

__all__ = [
    "CategoricalGrid",
    "Grid",
    "NumericGrid",
    "canonical_level",
    "fit_categorical",
    "fit_numeric",
]

RESOLUTION = 200
"""Cells of equal share that a numeric column is cut into; the share that makes a value an atom."""

MIN_COUNT = 20
MAX_LEVELS = 1000
MAX_RARE = 100_000
EXPECTED_ROWS = 5
"""A cell with fewer expected rows than this makes distances of shares all noise."""

# Beyond this the squares of deviations overflow, whatever they are taken about.
_HUGE = 1e150


@dataclass(frozen=True, eq=False)
class NumericGrid:
    """The cut points of a numeric column.

    Cell 0 is what lies below ``edges[0]``, cell ``i`` is ``[edges[i-1], edges[i])``, and the last
    is what lies above. The first and last edges are the reference's min and the float after its
    max. A reference without finite values has no edges, and one cell.

    Parameters
    ----------
    edges : array of float64, shape (m,)
        Strictly increasing.
    deciles : array of int64
        Indices of the edges that are the reference's inner deciles, each once.
    extremes : bool
        Whether profiles keep the smallest and the largest value. Without, no edge is one of the
        reference's outermost values either.
    """

    edges: NDArray[np.float64]
    deciles: NDArray[np.int64]
    extremes: bool = True

    @cached_property
    def atoms(self) -> NDArray[np.int64]:
        """Indices of the cells that hold one single value, ``[v, nextafter(v, inf))``."""
        with np.errstate(over="ignore"):
            after = np.nextafter(self.edges[:-1], np.inf)
        return np.flatnonzero(after == self.edges[1:]) + 1

    @cached_property
    def pivot(self) -> float:
        """The value about which moments are taken, so that a tiny variance is not rounded away."""
        if not len(self.edges) or max(abs(self.edges[0]), abs(self.edges[-1])) > _HUGE:
            return 0.0
        return float(self.edges[len(self.edges) // 2])

    @cached_property
    def edges32(self) -> NDArray[np.float32]:
        """The edges for a float32 column: the smallest float32 that is not below each edge."""
        with np.errstate(over="ignore"):
            near = self.edges.astype(np.float32)
            return np.where(near < self.edges, np.nextafter(near, np.float32(np.inf)), near)

    def __eq__(self, other: object) -> bool:
        """Compare edges and deciles, float by float."""
        return (
            isinstance(other, NumericGrid)
            and np.array_equal(self.edges, other.edges)
            and np.array_equal(self.deciles, other.deciles)
            and self.extremes == other.extremes
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the floats read back exactly."""
        edges = [x if np.isfinite(x) else str(x) for x in self.edges.tolist()]
        data = {"kind": "numeric", "edges": edges, "deciles": self.deciles.tolist()}
        return data if self.extremes else {**data, "extremes": False}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NumericGrid:
        """Read the JSON form back."""
        edges = np.array([float(x) for x in data["edges"]], dtype=np.float64)
        if not bool(np.all(edges[1:] > edges[:-1])):
            raise ValueError("the edges of a numeric grid must increase")
        deciles = np.array(data["deciles"], dtype=np.int64)
        return cls(edges, deciles, data.get("extremes", True))


@dataclass(frozen=True)
class CategoricalGrid:
    """The levels of a category column that are counted by name.

    Parameters
    ----------
    levels : tuple of str
        Kept levels, canonical, the most frequent first.
    rare : frozenset of str
        Salted hashes of the levels that were seen and are not kept: they count as `other`.
    salt : str
        What the hashes are salted with.
    closed : bool
        Whether `rare` is complete, so that any further level is `unseen`. False where the
        reference had too many levels to keep the hashes of, or kept bringing new ones: then all
        others count as `other`.
    apart : int, optional
        So many levels, the most frequent, are cells of their own in distances, and the rest are
        one cell; None: all of them.
    dropped : bool
        No level is kept in any form: what has one counts as `other`, and is not sketched.
    """

    levels: tuple[str, ...]
    rare: frozenset[str] = frozenset()
    salt: str = ""
    closed: bool = True
    apart: int | None = None
    dropped: bool = False

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The position of each kept level."""
        return {level: i for i, level in enumerate(self.levels)}

    def is_rare(self, level: str) -> bool:
        """Say whether the reference had this level, which is not a kept one."""
        return not self.closed or (bool(self.rare) and hash_level(level, self.salt) in self.rare)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        data = {
            "kind": "categorical",
            "levels": list(self.levels),
            "rare": sorted(self.rare),
            "salt": self.salt,
            "closed": self.closed,
        }
        data |= {} if self.apart is None else {"apart": self.apart}
        return {**data, "dropped": True} if self.dropped else data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CategoricalGrid:
        """Read the JSON form back."""
        levels, rare = tuple(data["levels"]), frozenset(data["rare"])
        more = data.get("apart"), data.get("dropped", False)
        return cls(levels, rare, data["salt"], data["closed"], *more)


@dataclass(frozen=True)
class Grid:
    """The grid of each column of a model.

    Examples
    --------
    >>> grid = Grid({"age": fit_numeric([31, 45, 52])})
    >>> Grid.from_dict(grid.to_dict()) == grid
    True
    """

    columns: Mapping[str, NumericGrid | CategoricalGrid]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"columns": {name: grid.to_dict() for name, grid in self.columns.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Grid:
        """Read the JSON form back."""
        return cls({name: _column_from_dict(d) for name, d in data["columns"].items()})


def _column_from_dict(data: Mapping[str, Any]) -> NumericGrid | CategoricalGrid:
    if data["kind"] == "numeric":
        return NumericGrid.from_dict(data)
    return CategoricalGrid.from_dict(data)


# A rare level comes again in every batch and in every segment.
@lru_cache(maxsize=1 << 15)
def hash_level(level: str, salt: str) -> str:
    """Return 16 hex digits that stand for a level without showing it.

    Examples
    --------
    >>> len(hash_level("DE89 3704 0044", "loans"))
    16
    """
    text = f"{salt}\x00{level}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]


def _quantiles(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate linearly, also where the range of the values overflows."""
    if abs(values[0]) > _HUGE or abs(values[-1]) > _HUGE:
        found = np.quantile(values / 4, at) * 4
    else:
        found = np.quantile(values, at)
    # Rounding, of denormal values above all, can lead beyond what there is.
    return np.clip(found, values[0], values[-1])


def fit_numeric(values: ArrayLike, spare: int = 0) -> NumericGrid:
    """Place the edges of a numeric column at the quantiles of its finite reference values.

    The edges are the (linear) quantiles at 1/200 ... 199/200, the min and the float after the max.
    A value that repeats and holds at least 1/200 of the rows (so any on which quantiles coincide)
    is an atom and gets a cell of its own.

    Parameters
    ----------
    values : array_like, shape (n,)
        Reference values; NaN and infinities are left out.
    spare : int
        Where given, so many values lie beyond the outermost edges on either side, and profiles
        keep no extremes.

    Examples
    --------
    >>> grid = fit_numeric([0.0] * 65 + [1.0] * 35)
    >>> grid.atoms.tolist(), grid.deciles.tolist()
    ([1, 5], [])
    """
    every = np.asarray(values, dtype=np.float64).ravel()
    finite = np.sort(every[np.isfinite(every)])
    if not len(finite):
        return NumericGrid(np.empty(0), np.empty(0, dtype=np.int64), not spare)
    # Exactly the textbook's probabilities: 60 / 200 is not linspace(0, 1, 11)[3].
    deciles = np.unique(_quantiles(finite, np.linspace(0, 1, 11)))[1:-1]
    steps = np.arange(1, RESOLUTION)
    fine = _quantiles(finite, steps[steps % (RESOLUTION // 10) > 0] / RESOLUTION)
    atoms = _atoms(finite)
    with np.errstate(over="ignore"):  # after the largest float comes inf
        after = np.nextafter(np.append(atoms, finite[-1]), np.inf)
    # Adding zero makes -0.0 and 0.0 one edge, whatever the order they came in.
    edges = np.unique(np.concatenate([finite[:1], deciles, fine, atoms, after]) + 0.0)
    if spare:
        edges, deciles = (_inner(found, finite, spare) for found in (edges, deciles))
    return NumericGrid(edges, np.searchsorted(edges, deciles).astype(np.int64), not spare)


def _inner(
    edges: NDArray[np.float64], finite: NDArray[np.float64], spare: int
) -> NDArray[np.float64]:
    """Keep the edges with so many values of a sorted sample on either side, or on them."""
    below, upto = (np.searchsorted(finite, edges, side=side) for side in ("left", "right"))
    # The edge after an atom is no value itself, but tells of one.
    before = np.searchsorted(finite, np.nextafter(edges, -np.inf), side="left")
    inner = (below >= spare) & (len(finite) - upto >= spare)
    return edges[inner | (upto - before >= spare)]


def _atoms(finite: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values, of a sorted sample, that deserve a cell of their own.

    Wherever two quantiles coincide, their value is among them.
    """
    starts = np.flatnonzero(np.append(True, finite[1:] != finite[:-1]))
    counts = np.diff(np.append(starts, len(finite)))
    # In a small sample every single row is a share of 1/200: an atom must also repeat.
    return finite[starts[(counts * RESOLUTION >= len(finite)) & (counts > 1)]]


def drop_levels() -> CategoricalGrid:
    """Return the grid of a category column of which no level is kept.

    Examples
    --------
    >>> drop_levels().to_dict()["levels"], drop_levels().is_rare("any")
    ([], True)
    """
    return CategoricalGrid((), closed=False, dropped=True)


def fit_categorical(
    counts: Mapping[str, int],
    *,
    salt: str,
    min_count: int = MIN_COUNT,
    max_levels: int = MAX_LEVELS,
    max_rare: int = MAX_RARE,
    smallest: int | None = None,
) -> CategoricalGrid:
    """Choose the kept levels of a category column from its counts in the reference.

    Parameters
    ----------
    counts : mapping of str to int
        Rows of each canonical level.
    salt : str
        What the hashes of levels that are not kept are salted with.
    min_count : int
        Rarer levels are not kept by name (privacy, and shares too noisy to watch).
    max_levels : int
        Of the rest, the most frequent are kept.
    max_rare : int
        Beyond so many levels that are not kept, not even their hashes are.
    smallest : int, optional
        Rows of the smallest reference window: levels of which it is expected to have fewer than
        five rows share one cell in distances.

    Examples
    --------
    >>> grid = fit_categorical({"web": 70, "shop": 30, "fax": 2}, salt="s")
    >>> grid.levels, grid.is_rare("fax"), grid.is_rare("app")
    (('web', 'shop'), True, False)
    """
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = tuple(level for level, n in ranked if n >= max(min_count, 1))[:max_levels]
    names = set(kept)
    apart = None
    if smallest is not None:
        least = EXPECTED_ROWS * sum(counts.values()) / max(smallest, 1)
        apart = sum(counts[level] >= least for level in kept)
    others = [level for level, n in ranked if n > 0 and level not in names]
    if len(others) > max_rare:
        return CategoricalGrid(kept, frozenset(), salt, closed=False, apart=apart)
    marks = frozenset(hash_level(x, salt) for x in others)
    return CategoricalGrid(kept, marks, salt, apart=apart)
