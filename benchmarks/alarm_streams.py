"""Seeded streams of windows, stable or with a planted change, for `benchmarks.alarms`.

Every row is drawn (30 columns bound together by five factors, a score, a label) and then counted on
a fine grid: cells of .01 standard deviations of a latent normal. A column's value is the value at
the middle of its cell, so that what is counted is exactly what the rows were.

A: normal, lognormal and t(2.5) columns and ten categories, rows independent. B: the same, where
levels wander from window to window (AR(1)), with a season. C: heavy tails, rows in sessions of ten.
D: twenty categories, eight of them with about 200 levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Floats = NDArray[np.floating[Any]]
Counts = NDArray[np.int32]

CELLS, LOW, STEP = 1600, -8.0, 0.01
NULL, NEW = CELLS, CELLS + 1
"""After the latent cells, one for nulls and one for a level that never was before."""

EDGES = LOW + STEP * np.arange(CELLS + 1)
MIDDLES = EDGES[:-1] + STEP / 2
SHARES = np.diff(special.ndtr(EDGES))
SCORE_CELLS = 100
SESSION = 10
SAMPLE = 20_000

_KINDS: dict[str, tuple[tuple[str, int], ...]] = {
    "A": (("normal", 14), ("lognormal", 4), ("t", 2), ("20", 3), ("280", 3), ("5", 4)),
    "C": (("t", 12), ("lognormal", 8), ("20", 3), ("280", 3), ("5", 4)),
    "D": (("normal", 6), ("lognormal", 2), ("t", 2), ("20", 6), ("280", 8), ("5", 6)),
}
_KINDS["B"] = _KINDS["A"]


@dataclass(frozen=True)
class Column:
    """One column: what a latent cell stands for.

    Parameters
    ----------
    name : str
    points : array of float64, shape (CELLS,)
        The value in each cell, increasing; of a category, the number of its level.
    edges : array of float64, shape (CELLS + 1,)
        Where the cells end, in values; empty for a category.
    starts : array of int64, shape (L,)
        The first cell of each level; empty for a number.
    """

    name: str
    points: Floats
    edges: Floats
    starts: NDArray[np.int64]

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers rather than levels."""
        return not len(self.starts)

    def levels(self, counts: NDArray) -> NDArray[np.int64]:
        """Add the cells (last axis) of each level up; the new level comes last."""
        known = np.add.reduceat(counts[..., :CELLS], self.starts, axis=-1)
        return np.concatenate([known, counts[..., NEW:]], axis=-1).astype(np.int64)


@dataclass(frozen=True)
class Schema:
    """The columns of a family and how they hang together.

    The last four columns have five levels each: they are the segments.
    """

    family: str
    columns: tuple[Column, ...]
    loadings: NDArray[np.float32]
    weights: NDArray[np.float32]
    season_at: Floats
    season_size: Floats

    @property
    def segments(self) -> tuple[Column, ...]:
        """The columns by which accuracy is cut."""
        return self.columns[-4:]


@dataclass(frozen=True)
class Regime:
    """What moves from window to window: latent means, null shares, the labels' log odds."""

    means: Floats
    nulls: Floats
    odds: Floats


@dataclass(frozen=True)
class Stream:
    """Counts of T windows.

    Parameters
    ----------
    schema : Schema
    rows, seed : int
    regime : Regime
    counts : array of int32, shape (T, 30, CELLS + 2)
    labelled : array of int32, shape (T, 4, 5, SCORE_CELLS, 2)
        Rows by segment, its level, score and label.
    sample : array of int64, shape (30, CELLS + 2)
        Rows apart, drawn evenly over the reference windows, as a training set would be.
    rows_apart : array of int32, shape (SAMPLE, 30)
        The same rows, before they were counted, without nulls.
    """

    schema: Schema
    rows: int
    seed: int
    regime: Regime
    counts: Counts
    labelled: Counts
    sample: NDArray[np.int64]
    rows_apart: NDArray[np.int32]


def _level_starts(levels: int) -> NDArray[np.int64]:
    """Cut the latent cells into levels: equal shares for five, else Zipf's law.

    Of 280 levels about 200 remain: the rarest ones share a cell.
    """
    power = {5: 0.0, 20: 1.0}.get(levels, 1.6)
    weight = 1.0 / np.arange(1, levels + 1) ** power
    upto = np.append(0.0, np.cumsum(weight / weight.sum())[:-1])
    return np.unique(np.searchsorted(np.cumsum(SHARES), upto).clip(0, CELLS - 1))


def _column(name: str, kind: str) -> Column:
    maps: dict[str, Callable[[Floats], Floats]] = {
        "normal": lambda z: z,
        "lognormal": np.exp,
        "t": lambda z: stats.t.ppf(special.ndtr(z).clip(1e-16, 1 - 1e-16), 2.5),
    }
    if kind in maps:
        none = np.empty(0, np.int64)
        return Column(name, maps[kind](MIDDLES), maps[kind](EDGES), none)
    starts = _level_starts(int(kind))
    points = np.searchsorted(starts, np.arange(CELLS), side="right") - 1.0
    return Column(name, points, np.empty(0), starts)


@lru_cache
def schema(family: str) -> Schema:
    """Return the columns of a family: A, B, C or D. The same at every call."""
    kinds = [kind for kind, times in _KINDS[family] for _ in range(times)]
    columns = tuple(_column(f"x{j:02d}", kind) for j, kind in enumerate(kinds))
    rng = np.random.default_rng(7)
    loadings = rng.normal(size=(len(columns), 5))
    loadings *= np.sqrt(0.5) / np.linalg.norm(loadings, axis=1, keepdims=True)
    weights = 0.55 * rng.normal(size=10)
    at = rng.uniform(0, 2 * np.pi, len(columns))
    size = np.where(rng.uniform(size=len(columns)) < 0.6, 1.0, 0.0)
    return Schema(
        family, columns, loadings.astype(np.float32), weights.astype(np.float32), at, size
    )


def _wander(shape: tuple[int, ...], phi: float, rng: np.random.Generator) -> Floats:
    """Return AR(1) paths of unit variance along the first axis."""
    noise = rng.standard_normal((shape[0] + 50, *shape[1:]))
    for t in range(1, len(noise)):
        noise[t] = phi * noise[t - 1] + np.sqrt(1 - phi * phi) * noise[t]
    return noise[50:]


def regime(of: Schema, windows: int, hourly: bool, rng: np.random.Generator) -> Regime:
    """Draw what moves: nothing, except in family B."""
    columns = len(of.columns)
    if of.family != "B":
        shape = (windows, columns)
        return Regime(np.zeros(shape), np.full(shape, 0.01), np.zeros(windows))
    phi, season, period = (0.8, 0.15, 24) if hourly else (0.6, 0.10, 7)
    common, own = _wander((windows, 1), phi, rng), _wander((windows, columns), phi, rng)
    angle = 2 * np.pi * np.arange(windows)[:, None] / period + of.season_at
    means = 0.05 * np.sqrt(0.5) * (common + own) + season * of.season_size * np.cos(angle)
    nulls = 0.01 * np.exp(0.15 * _wander((windows, columns), phi, rng))
    return Regime(means, nulls, 0.05 * _wander((windows,), phi, rng))


def rows_of(
    of: Schema, n: int, moves: Regime, t: int, rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.bool_]]:
    """Draw the rows of a window: latent cells (n, 30), scores, labels."""
    factors = rng.standard_normal((n, 5), dtype=np.float32)
    if of.family == "C":
        shared = rng.standard_normal((n // SESSION + 1, 5), dtype=np.float32)
        factors = np.sqrt(np.float32(0.5)) * (factors + np.repeat(shared, SESSION, axis=0)[:n])
    z = factors @ of.loadings.T
    z += np.float32(np.sqrt(0.5)) * rng.standard_normal(z.shape, dtype=np.float32)
    z += moves.means[t].astype(np.float32)
    line = z[:, :10] @ of.weights - np.float32(0.3)
    label = rng.random(n, dtype=np.float32) < special.expit(line + np.float32(moves.odds[t]))
    cells = ((z - np.float32(LOW)) * np.float32(1 / STEP)).astype(np.int32)
    return cells.clip(0, CELLS - 1), special.expit(line), label


def count_labelled(
    of: Schema, cells: NDArray[np.int32], score: NDArray[np.float32], label: NDArray[np.bool_]
) -> Counts:
    """Count rows by segment, its level, score and label: shape (4, 5, SCORE_CELLS, 2)."""
    at = (score * SCORE_CELLS).astype(np.int64).clip(0, SCORE_CELLS - 1)
    first = len(of.columns) - len(of.segments)
    found = []
    for j, column in enumerate(of.segments, start=first):
        level = column.points.astype(np.int64)[cells[:, j]]
        key = (level * SCORE_CELLS + at) * 2 + label
        found.append(np.bincount(key, minlength=10 * SCORE_CELLS))
    return np.stack(found).reshape(len(found), 5, SCORE_CELLS, 2).astype(np.int32)


def _count(cells: NDArray[np.int32], nulls: Floats, rng: np.random.Generator) -> Counts:
    """Count the rows on the fine grid, some of their values set to null."""
    n, columns = cells.shape
    missing = rng.binomial(n, nulls, columns)
    first = rng.integers(0, n, columns)
    for j, (start, length) in enumerate(np.stack([first, missing], axis=1)):
        cells[(start + np.arange(length)) % n, j] = NULL
    width = CELLS + 2
    cells += np.arange(columns, dtype=np.int32) * width
    counted = np.bincount(cells.ravel(), minlength=columns * width)
    return counted.reshape(columns, width).astype(np.int32)


def window_rng(seed: int, t: int) -> np.random.Generator:
    """Return the source of one window's rows, so that it can be drawn again by itself."""
    return np.random.Generator(np.random.SFC64([seed, t]))


def draw(
    family: str, rows: int, *, reference: int, windows: int, seed: int, hourly: bool = False
) -> Stream:
    """Draw a stream: its reference windows and, after them, `windows` more of the same kind.

    Examples
    --------
    >>> stream = draw("A", 50, reference=5, windows=2, seed=1)
    >>> stream.counts.shape, int(stream.counts[0, 0].sum()), int(stream.labelled[0, 0].sum())
    ((7, 30, 1602), 50, 50)
    """
    of, total = schema(family), reference + windows
    moves = regime(of, total, hourly, np.random.default_rng([seed, 1 << 20]))
    counts = np.empty((total, len(of.columns), CELLS + 2), np.int32)
    labelled = np.empty((total, len(of.segments), 5, SCORE_CELLS, 2), np.int32)
    for t in range(total):
        rng = window_rng(seed, t)
        cells, score, label = rows_of(of, rows, moves, t, rng)
        labelled[t] = count_labelled(of, cells, score, label)
        counts[t] = _count(cells, moves.nulls[t], rng)
    sample, apart = np.zeros(counts.shape[1:], np.int64), []
    for t, part in enumerate(np.array_split(np.arange(SAMPLE), reference)):
        rng = window_rng(seed, (1 << 21) + t)
        cells = rows_of(of, len(part), moves, t, rng)[0]
        apart.append(cells.copy())
        sample += _count(cells, moves.nulls[t], rng)
    return Stream(of, rows, seed, moves, counts, labelled, sample, np.concatenate(apart))
