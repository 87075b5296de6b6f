"""The windows of `benchmarks.alarm_streams` as ours and as other rules see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.alarm_peers import Counted, Windows
from benchmarks.alarm_streams import CELLS, NULL, SCORE_CELLS, Column, Counts, Schema, Stream
from monitoring_sdk.alarms.row_scores import with_adjusted
from monitoring_sdk.alarms.values import (
    Role,
    ValueForm,
    Values,
    fit_form,
    reference_values,
    window_values,
)
from monitoring_sdk.alarms.watched import Scale, Side, Watched, to_angle
from monitoring_sdk.metrics.probabilistic import turned_weight
from monitoring_sdk.profile.categorical import CategoricalProfile
from monitoring_sdk.profile.grid import (
    CategoricalGrid,
    Grid,
    NumericGrid,
    fit_categorical,
    fit_numeric,
)
from monitoring_sdk.profile.numeric import NumericProfile
from monitoring_sdk.profile.profile import ColumnProfile, Profile
from monitoring_sdk.report import check_key

Floats = NDArray[np.floating[Any]]

SCORE = "score"
SCORE_POINTS = (np.arange(SCORE_CELLS) + 0.5) / SCORE_CELLS
GRID_ROWS = 100_000
OF_SEGMENT: tuple[tuple[str, Side, Scale], ...] = (
    ("accuracy", "below", "share"),
    ("log_loss", "above", "identity"),
    ("label_noise", "above", "identity"),
)


@dataclass(frozen=True)
class Seen:
    """What our alarms know of a model: its grid, and what is watched of each window."""

    of: Schema
    grid: Grid
    form: ValueForm
    reference: tuple[Values, ...]

    @property
    def watched(self) -> tuple[Watched, ...]:
        """Every value that is watched, those of performance last."""
        return self.form.watched + performance_watched(self.of)


def numeric_grid(points: Floats, counts: NDArray) -> NumericGrid:
    """Fit a grid on counted values, evenly thinned to about 100 000 rows."""
    step = max(1, int(counts.sum()) // GRID_ROWS)
    return fit_numeric(np.repeat(points, counts)[::step])


def numeric_profiles(
    points: Floats, counts: NDArray, nulls: NDArray, grid: NumericGrid
) -> list[NumericProfile]:
    """Return what a pass over the rows would have counted, a profile a window."""
    upto = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))
    at = np.searchsorted(points, grid.edges)
    cells = np.diff(upto[:, at], axis=1, prepend=0, append=upto[:, -1:]).astype(np.int64)
    n = np.maximum(counts.sum(axis=1), 1)
    mean = counts @ points / n
    m2 = np.maximum(counts @ points**2 - n * mean**2, 0.0)
    found = []
    for t, row in enumerate(counts):
        there = np.flatnonzero(row)
        low, high = (float(points[there[i]]) for i in (0, -1)) if len(there) else (None, None)
        count, missing = int(upto[t, -1]), int(nulls[t])
        moments = (grid.pivot, float(mean[t]) - grid.pivot, float(m2[t]), low, high)
        found.append(NumericProfile(count + missing, missing, 0, 0, 0, cells[t], count, *moments))
    return found


def category_profiles(
    levels: NDArray, nulls: NDArray, grid: CategoricalGrid, known: NDArray
) -> list[CategoricalProfile]:
    """Return the profiles of a category; `known` are the levels that the reference had."""
    kept = np.array([int(level) for level in grid.levels], dtype=np.int64)
    rare = known.copy()
    rare[kept] = False
    return [
        CategoricalProfile(
            int(row.sum() + missing), int(missing), row[kept], int(row[rare].sum()),
            int(row[~known].sum()),
        )
        for row, missing in zip(levels, nulls, strict=True)
    ]  # fmt: skip


def own_levels(levels: NDArray) -> list[float]:
    """Return each window's share of rows whose level no other of the windows has."""
    alone = (levels > 0) & (levels == levels.sum(axis=0))
    return list((levels * alone).sum(axis=1) / np.maximum(levels.sum(axis=1), 1))


def _grid(column: Column, counts: NDArray) -> NumericGrid | CategoricalGrid:
    if column.numeric:
        return numeric_grid(column.points, counts.sum(axis=0)[:CELLS])
    levels = column.levels(counts).sum(axis=0)
    return fit_categorical({str(i): int(k) for i, k in enumerate(levels)}, salt="")


def profiles(of: Schema, counts: Counts, labelled: Counts, grid: Grid) -> list[Profile]:
    """Return the profile of each window: its 30 columns and the score."""
    columns: dict[str, Sequence[ColumnProfile]] = {}
    for j, column in enumerate(of.columns):
        own, nulls = grid.columns[column.name], counts[:, j, NULL]
        if isinstance(own, NumericGrid):
            values = counts[:, j, :CELLS]
            columns[column.name] = numeric_profiles(column.points, values, nulls, own)
        else:
            levels = column.levels(counts[:, j])
            seen = {int(level) for level in own.levels}
            known = np.array([i in seen or own.is_rare(str(i)) for i in range(levels.shape[1])])
            columns[column.name] = category_profiles(levels, nulls, own, known)
    scores, score_grid = labelled[:, 0].sum(axis=(1, 3)), grid.columns[SCORE]
    assert isinstance(score_grid, NumericGrid)
    none = np.zeros(len(scores), np.int64)
    columns[SCORE] = numeric_profiles(SCORE_POINTS, scores, none, score_grid)
    rows = scores.sum(axis=1)
    return [
        Profile(int(rows[t]), {name: found[t] for name, found in columns.items()})
        for t in range(len(counts))
    ]


# ------------------------------------------------------------------ performance


def performance_watched(of: Schema) -> tuple[Watched, ...]:
    """Return what is watched of the labels: three metrics, an estimate, three by segment."""
    rows = [
        Watched("performance/accuracy", "performance", None, "accuracy", "below", 0.005, "share"),
        Watched("performance/roc_auc", "performance", None, "roc_auc", "below", 0.005),
        Watched("performance/log_loss", "performance", None, "log_loss", "above", 0.005),
        Watched("estimate/accuracy", "estimate", None, "accuracy", "both", 0.005),
    ]
    segments = [{column.name: str(level)} for column in of.segments for level in range(5)]
    for name, side, scale in OF_SEGMENT:
        for segment in segments:
            key = check_key("performance", name, None, segment)
            rows.append(Watched(key, "performance", None, name, side, 0.01, scale, segment=segment))
    return tuple(rows)


def roc_auc(counts: NDArray) -> tuple[Floats, Floats]:
    """Return AUC and its variance (DeLong) of counts by score and label, shape (T, cells, 2)."""
    negative, positive = counts[..., 0].astype(float), counts[..., 1].astype(float)
    p, q = (x / x.sum(axis=-1, keepdims=True) for x in (positive, negative))
    below = np.cumsum(q, axis=-1) - q / 2  # of each positive: the share of negatives under it
    above = 1 - (np.cumsum(p, axis=-1) - p / 2)
    auc = (p * below).sum(axis=-1)
    of_positives = (p * below**2).sum(axis=-1) - auc**2
    of_negatives = (q * above**2).sum(axis=-1) - auc**2
    return auc, of_positives / positive.sum(-1) + of_negatives / negative.sum(-1)


def accuracy_and_auc(labelled: Counts) -> Floats:
    """Return accuracy and AUC of each window, shape (T, 2)."""
    counts = labelled[:, 0].sum(axis=1)
    right = counts[:, SCORE_CELLS // 2 :, 1].sum(-1) + counts[:, : SCORE_CELLS // 2, 0].sum(-1)
    return np.stack([right / counts.sum(axis=(1, 2)), roc_auc(counts)[0]], axis=1)


def _of_rows(values: Floats, counts: NDArray) -> tuple[Floats, Floats]:
    """Return the mean of a value a cell over the rows, and its variance a row."""
    n = counts.sum(axis=-1)
    mean = counts @ values / n
    return mean, counts @ values**2 / n - mean**2


def _noise(counts: NDArray) -> tuple[Floats, Floats]:
    """Return the label noise of counts by score and label, and its variance a row."""
    weight = turned_weight(SCORE_POINTS)
    against = np.stack([-weight * SCORE_POINTS, weight * (1 - SCORE_POINTS)], axis=1).ravel()
    room = np.repeat(weight * (1 - 2 * SCORE_POINTS), 2)
    flat = counts.reshape(*counts.shape[:-2], -1)
    n, total = flat.sum(axis=-1), flat @ room
    value = flat @ against / total
    squares = (flat * (against - value[..., None] * room) ** 2).sum(axis=-1)
    return value, squares * n / total**2


def performance_values(labelled: Counts) -> tuple[Floats, Floats, Floats]:
    """Return x, n and theory of `performance_watched`, each of shape (T, 64)."""
    half = SCORE_CELLS // 2
    right = labelled[..., half:, 1].sum(axis=-1) + labelled[..., :half, 0].sum(axis=-1)
    n = labelled.sum(axis=(-2, -1))
    every, total = right[:, 0].sum(axis=-1), n[:, 0].sum(axis=-1)
    counts = labelled[:, 0].sum(axis=1)
    auc, variance = roc_auc(counts)
    loss = np.stack([-np.log(1 - SCORE_POINTS), -np.log(SCORE_POINTS)], axis=1).ravel()
    log_loss = _of_rows(loss, counts.reshape(len(counts), -1))
    expected = _of_rows(np.maximum(SCORE_POINTS, 1 - SCORE_POINTS), counts.sum(axis=-1))
    one, segments = np.ones(len(counts)), n.reshape(len(n), -1)
    x = [to_angle(every, total), auc, log_loss[0], expected[0]]
    theory = [one, variance * total, log_loss[1], expected[1]]
    angles = to_angle(right.reshape(segments.shape), segments)
    by_segment = _of_rows(loss, labelled.reshape(*segments.shape, -1))
    noise = _noise(labelled.reshape(*segments.shape, SCORE_CELLS, 2))
    return (
        np.column_stack([*x, angles, by_segment[0], noise[0]]),
        np.column_stack([np.tile(total[:, None], 4), segments, segments, segments]),
        np.column_stack([*theory, np.ones(segments.shape), by_segment[1], noise[1]]),
    )


def with_performance(of: Schema, found: Sequence[Values], labelled: Counts) -> tuple[Values, ...]:
    """Append what the labels say to each window's values."""
    keys = tuple(w.key for w in performance_watched(of))
    more = performance_values(labelled)
    return tuple(
        Values(
            (*v.keys, *keys),
            *(
                np.append(own, part[t])
                for own, part in zip((v.x, v.n, v.theory), more, strict=True)
            ),
        )
        for t, v in enumerate(found)
    )


# ------------------------------------------------------------------ both views


def see(stream: Stream, reference: int) -> Seen:
    """Fit grid and form on the reference windows, and return these windows' values."""
    of, counts, labelled = stream.schema, stream.counts[:reference], stream.labelled[:reference]
    columns = {c.name: _grid(c, counts[:, j]) for j, c in enumerate(of.columns)}
    columns[SCORE] = numeric_grid(SCORE_POINTS, labelled[:, 0].sum(axis=(0, 1, 3)))
    grid = Grid(columns)
    found = profiles(of, counts, labelled, grid)
    whole = found[0]
    for profile in found[1:]:
        whole = whole.merge(profile)
    roles: dict[str, Role] = dict.fromkeys(columns, "drift")
    roles[SCORE] = "prediction"
    form = fit_form(whole, grid, {SCORE: "score"}, roles, stream.rows)
    rows = {
        c.name: c.points[stream.rows_apart[:, j]] for j, c in enumerate(of.columns) if c.numeric
    }
    form = with_adjusted(form, grid, rows, found)
    unseen = {
        c.name: own_levels(c.levels(counts[:, j]))
        for j, c in enumerate(of.columns)
        if not c.numeric
    }
    values = reference_values(found, form, unseen)
    return Seen(of, grid, form, with_performance(of, values, labelled))


def later_values(seen: Seen, counts: Counts, labelled: Counts) -> tuple[Values, ...]:
    """Return the values of windows that are no reference."""
    found = [window_values(p, seen.form) for p in profiles(seen.of, counts, labelled, seen.grid)]
    return with_performance(seen.of, found, labelled)


def counted(of: Schema, counts: NDArray, labelled: Counts | None = None) -> Windows:
    """Return windows as the rules of others see them."""
    columns = tuple(
        Counted(
            c.numeric,
            c.points if c.numeric else np.arange(len(c.starts) + 1.0),
            counts[:, j, :CELLS] if c.numeric else c.levels(counts[:, j]),
            counts[:, j, NULL],
        )
        for j, c in enumerate(of.columns)
    )
    return Windows(columns, None if labelled is None else accuracy_and_auc(labelled))
