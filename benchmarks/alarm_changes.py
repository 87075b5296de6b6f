"""Changes planted in the streams of `benchmarks.alarm_streams`, row for row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.alarm_streams import (
    CELLS,
    NEW,
    NULL,
    SHARES,
    Column,
    Counts,
    Floats,
    Stream,
    count_labelled,
    rows_of,
    window_rng,
)

Change = Callable[[Stream, Counts, Counts, int, np.random.Generator], None]
"""``change(stream, counts, labelled, start, rng)`` alters the counts of windows from `start` on."""


def _moved(column: Column, counts: Counts, to: Floats) -> Counts:
    """Return counts of a number whose values moved from the column's points to others."""
    at = (np.searchsorted(column.edges, to, side="right") - 1).clip(0, CELLS - 1)
    out = np.bincount(at, weights=counts[:CELLS], minlength=CELLS).astype(np.int32)
    return np.append(out, counts[CELLS:])


def _moments(column: Column) -> tuple[float, float]:
    mean = float(SHARES @ column.points)
    return mean, float(np.sqrt(SHARES @ (column.points - mean) ** 2))


def _shift(
    stream: Stream,
    counts: Counts,
    labelled: Counts,
    start: int,
    rng: np.random.Generator,
    *,
    size: float,
    columns: int = 1,
    gradual: bool = False,
) -> None:
    for j, column in enumerate(stream.schema.columns[:columns]):
        sd = _moments(column)[1]
        for t in range(len(counts)):
            part = (t + 1) / len(counts) if gradual else 1.0
            counts[t, j] = _moved(column, counts[t, j], column.points + part * size * sd)


def _scale(
    stream: Stream, counts: Counts, labelled: Counts, start: int, rng: np.random.Generator
) -> None:
    column = stream.schema.columns[0]
    mean, _ = _moments(column)
    for t in range(len(counts)):
        counts[t, 0] = _moved(column, counts[t, 0], mean + 1.25 * (column.points - mean))


def _share(
    stream: Stream, counts: Counts, labelled: Counts, start: int, rng: np.random.Generator
) -> None:
    """Rows of a category's first level go to its second: 5 points of 20."""
    j = len(stream.schema.columns) - 4
    first, second = stream.schema.columns[j].starts[:2]
    taken = rng.binomial(counts[:, j, first:second], 0.25)
    counts[:, j, first:second] -= taken
    counts[:, j, second] += taken.sum(axis=-1)


def _spill(
    stream: Stream,
    counts: Counts,
    labelled: Counts,
    start: int,
    rng: np.random.Generator,
    *,
    numeric: bool,
    chance: float,
    to: int,
) -> None:
    """Rows of one column lose their value: to a new level, or to null."""
    kinds = [column.numeric for column in stream.schema.columns]
    j = 1 if numeric else kinds.index(False)
    taken = rng.binomial(counts[:, j, :CELLS], chance)
    counts[:, j, :CELLS] -= taken
    counts[:, j, to] += taken.sum(axis=-1)


def _concept(
    stream: Stream, counts: Counts, labelled: Counts, start: int, rng: np.random.Generator
) -> None:
    """Labels turn round for 5 % of the rows of one level of the first segment column."""
    of = stream.schema
    j = len(of.columns) - len(of.segments)
    for t in range(len(labelled)):
        cells, score, label = rows_of(
            of, stream.rows, stream.regime, start + t, window_rng(stream.seed, start + t)
        )
        inside = of.segments[0].points[cells[:, j]] == 1
        label ^= inside & (rng.random(len(label)) < 0.05)
        labelled[t] = count_labelled(of, cells, score, label)


CHANGES: dict[str, Change] = {
    "mean .1 sd, 1 column": partial(_shift, size=0.1),
    "mean .25 sd, 1 column": partial(_shift, size=0.25),
    "mean .5 sd, 1 column": partial(_shift, size=0.5),
    "mean .1 sd, 10 columns": partial(_shift, size=0.1, columns=10),
    "mean .25 sd, 10 columns": partial(_shift, size=0.25, columns=10),
    "scale x 1.25, 1 column": _scale,
    "gradual to .5 sd, 1 column": partial(_shift, size=0.5, gradual=True),
    "share + 5 points": _share,
    "new category 1 %": partial(_spill, numeric=False, chance=0.01, to=NEW),
    "nulls 1 to 3 %": partial(_spill, numeric=True, chance=0.02 / 0.99, to=NULL),
    "5 % of labels in a segment": _concept,
}


def changed(stream: Stream, change: str, *, start: int, length: int) -> tuple[Counts, Counts]:
    """Return counts and labelled counts of windows `start` to `start + length`, changed.

    The rows are those of the stable stream, so that nothing but the change is new.
    """
    counts = stream.counts[start : start + length].copy()
    labelled = stream.labelled[start : start + length].copy()
    rng = np.random.default_rng([stream.seed, start, list(CHANGES).index(change)])
    CHANGES[change](stream, counts, labelled, start, rng)
    return counts, labelled
