"""The planted streams: reproducible, true to their rows, and changed in nothing but the change."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.alarm_changes import CHANGES, changed
from benchmarks.alarm_streams import CELLS, NEW, NULL, Stream, draw
from benchmarks.alarm_windows import (
    SCORE_POINTS,
    accuracy_and_auc,
    later_values,
    own_levels,
    profiles,
    roc_auc,
    see,
)
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.table import find_metric
from monitoring_sdk.profile.grid import Grid
from monitoring_sdk.profile.profile import profile_batches


@pytest.fixture(scope="module")
def stream() -> Stream:
    return draw("B", 400, reference=14, windows=6, seed=5)


def test_a_seed_is_a_stream(stream: Stream) -> None:
    again = draw("B", 400, reference=14, windows=6, seed=5)
    other = draw("B", 400, reference=14, windows=6, seed=6)
    assert np.array_equal(stream.counts, again.counts)
    assert not np.array_equal(stream.counts, other.counts)
    assert (stream.counts.sum(axis=2) == 400).all()


def test_profiles_are_those_of_a_pass_over_the_rows(stream: Stream) -> None:
    seen = see(stream, 14)
    counts, labelled = stream.counts[15:16], stream.labelled[15:16]
    (ours,) = profiles(seen.of, counts, labelled, seen.grid)
    for j, column in enumerate(seen.of.columns):
        points = column.points if column.numeric else column.points.astype(int).astype(str)
        rows = np.repeat(points, counts[0, j, :CELLS]).tolist() + [None] * int(counts[0, j, NULL])
        grid = Grid({column.name: seen.grid.columns[column.name]})
        theirs = profile_batches([pa.record_batch({column.name: rows})], grid)
        mine, other = (p.columns[column.name].to_dict() for p in (ours, theirs))
        for key in set(mine) - {"tail", "deviation", "m2"}:
            assert mine[key] == other[key], (column.name, key)


def test_auc_and_its_variance_are_the_librarys(stream: Stream) -> None:
    counts = stream.labelled[:1, 0].sum(axis=1)
    score = np.repeat(np.repeat(SCORE_POINTS, 2), counts[0].ravel())
    truth = np.repeat(np.tile([False, True], len(SCORE_POINTS)), counts[0].ravel())
    value = find_metric("roc_auc", "binary").compute(Labelled(truth, score > 0.5, score))
    auc, variance = roc_auc(counts)
    assert auc[0] == pytest.approx(value.value)
    assert 0.01 < np.sqrt(variance[0]) < 0.05
    assert accuracy_and_auc(stream.labelled)[0, 0] == pytest.approx(((score > 0.5) == truth).mean())


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_touches_its_columns_alone(stream: Stream, change: str) -> None:
    counts, labelled = changed(stream, change, start=15, length=3)
    before = stream.counts[15:18]
    touched = np.flatnonzero((counts != before).any(axis=(0, 2)))
    assert len(touched) == (0 if "labels" in change else 10 if "10 columns" in change else 1)
    assert np.array_equal(counts.sum(axis=2), before.sum(axis=2))
    assert (labelled != stream.labelled[15:18]).any() == ("labels" in change)
    assert np.array_equal(labelled.sum(axis=4), stream.labelled[15:18].sum(axis=4))


def test_sizes_of_changes() -> None:
    stream = draw("A", 20_000, reference=5, windows=3, seed=2)
    counts, _ = changed(stream, "mean .25 sd, 1 column", start=5, length=3)
    points = stream.schema.columns[0].points

    def mean(table: np.ndarray) -> float:
        return float(table[:, 0, :CELLS].sum(axis=0) @ points / table[:, 0, :CELLS].sum())

    assert mean(counts) - mean(stream.counts[5:]) == pytest.approx(0.25, abs=0.006)
    nulls = changed(stream, "nulls 1 to 3 %", start=5, length=3)[0][:, 1, NULL].mean() / 20_000
    assert nulls == pytest.approx(0.03, abs=0.002)
    new = changed(stream, "new category 1 %", start=5, length=3)[0][..., NEW].sum() / 60_000
    assert new == pytest.approx(0.01, abs=0.002)
    share = changed(stream, "share + 5 points", start=5, length=3)[0][:, -4]
    levels = stream.schema.segments[0].levels(share).sum(axis=0)
    assert levels[1] / levels.sum() == pytest.approx(0.25, abs=0.006)


def test_levels_that_one_window_alone_has() -> None:
    assert own_levels(np.array([[3, 1, 0], [4, 0, 0]])) == [0.25, 0.0]


def test_unseen_levels_reach_the_values() -> None:
    stream = draw("A", 500, reference=14, windows=2, seed=3)
    seen = see(stream, 14)
    counts, labelled = changed(stream, "new category 1 %", start=14, length=2)
    values = later_values(seen, counts, labelled)[0]
    name = next(c.name for c in stream.schema.columns if not c.numeric)
    at = values.keys.index(f"quality/unseen_share/{name}")
    assert 0.002 < values.x[at] < 0.03
    assert values.keys == tuple(w.key for w in seen.watched)
    assert not np.isnan(values.x).any()
