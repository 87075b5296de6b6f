"""Segments: what was planted is named, in words, and nothing where nothing changed."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.planted import draw
from monitoring_sdk.diagnosis.cells import Cell
from monitoring_sdk.diagnosis.features import fit_features
from monitoring_sdk.diagnosis.losses import Losses
from monitoring_sdk.diagnosis.segments import segments
from monitoring_sdk.diagnosis.shifted import shifted_cells
from monitoring_sdk.matrix import Coder, fit_coder


def flights(n: int, seed: int, **rates: float) -> Losses:
    """0/1 losses at 10 %, and at other rates where planted."""
    rng = np.random.default_rng(seed)
    origin = rng.choice(["JFK", "LGA", "EWR"], n, p=[0.3, 0.3, 0.4])
    distance = rng.gamma(2, 500, n)
    delay = np.where(rng.random(n) < 0.2, np.nan, rng.normal(0, 1, n))
    rate = np.full(n, 0.1)
    rate[(origin == "JFK") & (distance > 1500)] = rates.get("jfk_far", 0.1)
    rate[distance > 1500] = np.maximum(rate, rates.get("far", 0.0))[distance > 1500]
    rate[np.isnan(delay)] = np.maximum(rate, rates.get("missing", 0.0))[np.isnan(delay)]
    table = pa.table(
        {
            "distance": distance,
            "delay": pa.array(delay, mask=np.isnan(delay)),
            "noise": rng.random(n),
            "origin": origin,
        }
    )
    loss = (rng.random(n) < np.maximum(rate, rates.get("all", 0.0))).astype(float)
    return Losses(loss, CODER.matrix(table), CODER)


CODER = Coder(("distance", "delay", "noise"), ("origin",), (("EWR", "JFK", "LGA"),))


def named(**rates: float) -> tuple[Cell, ...]:
    return segments(flights(20_000, 1), flights(20_000, 2, **rates))


def test_a_crossing_is_named_in_words() -> None:
    cell, *others = named(jfk_far=0.5)
    assert not others
    assert set(cell.columns) == {"distance", "origin"}
    assert " and origin = JFK" in cell.description
    assert cell.description.startswith("distance >= 1")
    assert cell.share[1] == pytest.approx(0.06, abs=0.02)
    assert cell.loss[0] == pytest.approx(0.1, abs=0.03)
    assert cell.loss[1] > 0.35
    assert cell.within == pytest.approx(cell.share[1] * (cell.loss[1] - cell.loss[0]), abs=0.004)
    assert abs(cell.mix) < 0.001


def test_a_crossing_that_adds_nothing_to_its_condition_is_not_named() -> None:
    (cell,) = named(far=0.4)
    assert cell.columns == ("distance",)


def test_missing_values_are_a_condition() -> None:
    (cell,) = named(missing=0.3)
    assert cell.description == "delay is missing"


def test_two_segments_are_both_named_the_larger_part_first() -> None:
    first, second = named(missing=0.3, jfk_far=0.6)
    assert first.description == "delay is missing"
    assert set(second.columns) == {"distance", "origin"}
    assert first.within > second.within


def test_a_change_everywhere_alike_names_no_segment() -> None:
    assert named(all=0.3) == ()


def test_nothing_is_named_where_nothing_changed() -> None:
    found = [
        segments(flights(3000, seed), flights(3000, 1000 + seed), seed=seed) for seed in range(24)
    ]
    assert sum(bool(cells) for cells in found) <= 1


def test_a_move_of_the_inputs_is_a_mix_and_no_segment() -> None:
    reference, current = draw("demand", "covariate", 10_000, 3)
    assert segments(reference, current) == ()
    cells = shifted_cells(reference, current)
    assert {c for cell in cells for c in cell.columns} <= {"price", "promo", "score"}
    assert all(cell.mix > 0 for cell in cells)
    assert [cell.mix for cell in cells] == sorted((c.mix for c in cells), reverse=True)
    assert shifted_cells(*draw("demand", "concept", 10_000, 3)) == ()


def test_a_level_that_vanished_has_no_loss_now() -> None:
    reference, current = flights(20_000, 1, jfk_far=0.0), flights(20_000, 2)
    lost = current.matrix[:, 3] == CODER.levels[0].index("EWR")
    loss = reference.loss.copy()
    loss[reference.matrix[:, 3] == CODER.levels[0].index("EWR")] = 0.0
    cells = shifted_cells(
        Losses(loss, reference.matrix, CODER), current.take(np.flatnonzero(~lost))
    )
    gone = next(cell for cell in cells if cell.rows[1] == 0)
    assert gone.description == "origin = EWR"
    assert (gone.loss, gone.within) == ((0.0, None), 0.0)
    assert Cell.from_dict(json.loads(json.dumps(gone.to_dict(), allow_nan=False))) == gone


def test_better_is_not_named() -> None:
    assert segments(flights(20_000, 1, jfk_far=0.6), flights(20_000, 2)) == ()


def test_few_rows_and_no_columns_name_nothing() -> None:
    few = flights(40, 1)
    assert segments(few, few) == ()
    assert shifted_cells(few, few) == ()
    none = Losses(np.zeros(100), np.zeros((100, 0)), Coder((), (), ()))
    assert segments(none, none) == ()


def test_conditions_speak_of_the_rows_that_they_hold() -> None:
    table = pa.table(
        {
            "x": pa.array(np.arange(100.0)),
            "flag": pa.array([0.0] * 95 + [1.0] * 5),
            "c": pa.array([f"l{i % 40:02d}" for i in range(99)] + [None]),
            "gone": pa.nulls(100, pa.float64()),
        }
    )
    coder = fit_coder(table, ["x", "flag", "gone"], ["c"])
    matrix = coder.matrix(table)
    x, flag, gone, c = fit_features(matrix, coder)
    words = [x.describe(i) for i in range(len(x.conditions))]
    assert len(set(words)) == len(words)
    assert {"x < 10", "x >= 90", "30 <= x < 60", "x is missing"} <= set(words)
    at = words.index("30 <= x < 60")
    inside = x.conditions[at].astype(bool)[x.bin(matrix[:, 0])]
    assert np.flatnonzero(inside).tolist() == list(range(30, 60))
    assert x.bin(np.array([-5.0, 500.0, np.nan])).tolist() == [0, 9, 10]
    assert [flag.describe(i) for i in range(2)] == ["flag is there", "flag is missing"]
    assert gone.bin(matrix[:, 2]).tolist() == [1] * 100
    said = [c.describe(i) for i in range(len(c.conditions))]
    assert said[0] == "c = l00"
    assert said[-2:] == ["c = other levels", "c is missing"]
    assert len(said) == 32
    assert c.bin(np.array([0.0, 29.0, 30.0, 39.0, 40.0, np.nan])).tolist() == [
        0,
        29,
        30,
        30,
        30,
        31,
    ]


def test_a_cell_survives_json() -> None:
    (cell,) = named(missing=0.3)
    assert Cell.from_dict(json.loads(json.dumps(cell.to_dict()))) == cell
