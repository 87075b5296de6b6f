"""The split of a drop: its identity, its verdicts on planted shifts, and where it keeps silent."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.planted import KINDS, STREAMS, draw
from monitoring_sdk.diagnosis.diagnose import Diagnosis, diagnose, gap
from monitoring_sdk.diagnosis.losses import Losses, absolute_loss, clipped_log_loss, evenly
from monitoring_sdk.diagnosis.split import attribute, split_drop
from monitoring_sdk.matrix import Coder, fit_coder
from monitoring_sdk.value import Value


def part(losses: Losses, rows: slice) -> Losses:
    return losses.take(rows)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("kind", KINDS)
def test_planted_shifts_are_attributed_rightly(stream: str, kind: str) -> None:
    for seed in range(2):
        found = split_drop(*draw(stream, kind, 5000, seed), seed=seed)
        assert attribute(found) == kind, (seed, found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_add_up_to_the_whole(kind: str) -> None:
    reference, current = draw("credit", kind, 2000, 5)
    found = split_drop(reference, current)
    values = {
        name: getattr(found, name).value
        for name in ("total", "covariate", "concept", "into_shared", "out_of_shared")
    }
    assert values["total"] == pytest.approx(current.loss.mean() - reference.loss.mean(), abs=1e-12)
    assert values["covariate"] + values["concept"] == pytest.approx(values["total"], abs=1e-12)
    sides = values["into_shared"] + values["out_of_shared"]
    assert sides == pytest.approx(values["covariate"], abs=1e-12)
    for name in values:
        low, high = getattr(found, name).interval
        assert low < values[name] < high


def test_known_parts_are_found_on_one_binary_input() -> None:
    # Loss 0.1 at x = 0 and 0.5 at x = 1; x = 1 goes from 20 % to 50 %, then 0.2 comes on top.
    rng = np.random.default_rng(0)
    losses = []
    for share, extra in ((0.2, 0.0), (0.5, 0.2)):
        x = (rng.random(40_000) < share).astype(float)
        loss = (rng.random(40_000) < 0.1 + 0.4 * x + extra).astype(float)
        losses.append(Losses(loss, x[:, None], Coder(("x",), (), ())))
    found = split_drop(losses[0], losses[1])
    assert found.covariate.value == pytest.approx(0.4 * 0.3, abs=0.012)
    assert found.concept.value == pytest.approx(0.2, abs=0.012)
    # Shared inputs: p q / (p + q) at both values of x.
    zero, one = 0.8 * 0.5 / 1.3, 0.2 * 0.5 / 0.7
    shared = one / (zero + one)
    assert found.into_shared.value == pytest.approx(0.4 * (shared - 0.2), abs=0.012)
    assert found.overlap == pytest.approx(2 * (zero + one), abs=0.02)


def test_swapping_the_samples_turns_the_concept_part_round() -> None:
    reference, current = draw("demand", "mixed", 5000, 2)
    there, back = split_drop(reference, current), split_drop(current, reference)
    assert there.concept.value == pytest.approx(-(back.concept.value or 0), abs=0.01)


def test_a_noisy_reference_against_its_own_half_is_none() -> None:
    reference, _ = draw("credit", "none", 8000, 4)
    halves = part(reference, slice(0, None, 2)), part(reference, slice(1, None, 2))
    assert attribute(split_drop(*halves)) == "none"


def test_the_same_seed_gives_the_same_split() -> None:
    samples = draw("fraud", "mixed", 1500, 1)
    assert split_drop(*samples, seed=3) == split_drop(*samples, seed=3)


def test_apart_samples_are_not_split_and_say_so() -> None:
    rng = np.random.default_rng(0)
    coder = Coder(("x",), (), ())
    left = Losses(rng.random(2000) * 0.2, rng.random((2000, 1)), coder)
    right = Losses(rng.random(2000) * 0.6, rng.random((2000, 1)) + 50, coder)
    found = split_drop(left, right)
    assert found.concept.value is None
    assert "share too few inputs" in (found.concept.reason or "")
    assert found.total.value == pytest.approx(0.2, abs=0.02)
    assert attribute(found) == "covariate"
    assert "cannot be told" in diagnose(left, right).sentence


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 500), (500, 0), (1, 1), (199, 5000)], ids=str)
def test_too_few_rows_are_undefined_with_the_reason(n: int, m: int) -> None:
    coder = Coder(("x",), (), ())
    left, right = (Losses(np.zeros(k), np.zeros((k, 1)), coder) for k in (n, m))
    found = diagnose(left, right)
    assert found.kind == "none"
    assert found.sentence.startswith("No diagnosis: ")
    assert "fewer than 200" in (found.split.total.reason or "")


def test_awkward_columns_do_not_break_a_diagnosis() -> None:
    rng = np.random.default_rng(1)
    n = 1000
    table = pa.table(
        {
            "null": pa.nulls(n, pa.float64()),
            "constant": np.ones(n),
            "huge": np.where(rng.random(n) < 0.01, 1e300, rng.random(n)),
            "empty": pa.nulls(n, pa.string()),
            "ids": [f"id {i}" for i in range(n)],
        }
    )
    coder = fit_coder(table, ["null", "constant", "huge"], ["empty", "ids"])
    later = table.set_column(4, "ids", pa.array([f"new {i}" for i in range(n)]))
    left = Losses((rng.random(n) < 0.1).astype(float), coder.matrix(table), coder)
    right = Losses((rng.random(n) < 0.6).astype(float), coder.matrix(later), coder)
    found = diagnose(left, right)
    assert found.split.total.value == pytest.approx(0.5, abs=0.06)


def test_no_features_and_one_loss_everywhere() -> None:
    none = Losses(np.ones(300), np.zeros((300, 0)), Coder((), (), ()))
    assert diagnose(none, none).split.total.reason == "no features"
    rng = np.random.default_rng(0)
    same = Losses(np.ones(300), rng.random((300, 1)), Coder(("x",), (), ()))
    found = diagnose(same, same)
    assert (found.kind, found.split.total.value) == ("none", 0.0)


def test_a_diagnosis_survives_json() -> None:
    found = diagnose(*draw("demand", "mixed", 3000, 0), gap=Value(-0.1, interval=(-0.2, 0.0), n=9))
    assert found.cells
    assert found.shifted
    back = Diagnosis.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
    assert back == found
    with pytest.raises(ValueError, match="kind"):
        Diagnosis.from_dict({**found.to_dict(), "kind": "weather"})


def test_sentences_say_what_moved() -> None:
    mixed = diagnose(*draw("demand", "mixed", 5000, 0))
    assert "because the inputs changed and +" in mixed.sentence
    assert "Worst: line = l1" in mixed.sentence
    assert "rose from 0.1" in mixed.sentence
    assert "no more than chance" in diagnose(*draw("demand", "none", 5000, 0)).sentence
    moved = diagnose(*draw("fraud", "covariate", 20_000, 0))
    assert moved.shifted[0].share[1] > moved.shifted[0].share[0]
    assert "More rows than before with score >= " in moved.sentence


def test_losses_that_do_not_fit_are_refused() -> None:
    coder = Coder(("x",), (), ())
    with pytest.raises(ValueError, match="matrix"):
        Losses(np.zeros(3), np.zeros((2, 1)), coder)
    with pytest.raises(ValueError, match="not finite"):
        Losses(np.array([np.nan]), np.zeros((1, 1)), coder)


def test_losses_stay_in_the_unit_interval() -> None:
    rng = np.random.default_rng(0)
    score = np.concatenate([[0.0, 1.0, 0.0, 1.0], rng.random(50)])
    truth = np.arange(54) % 2 == 0
    loss = clipped_log_loss(truth, score)
    assert loss.min() >= 0
    assert loss.max() == 1.0
    assert clipped_log_loss([True], [0.5], most=2.0)[0] == pytest.approx(np.log(2) / 2)
    assert absolute_loss([1e300], [-1e300], most=5.0).tolist() == [1.0]


def test_evenly_spaced_rows_cover_the_whole() -> None:
    rows = evenly(1_000_003, 1000)
    assert (len(rows), rows[0]) == (1000, 0)
    assert rows[-1] > 998_000
    assert set(np.diff(rows).tolist()) <= {1000, 1001}


def test_the_gap_needs_both_and_combines_their_errors() -> None:
    none = Value.undefined("no labels")
    assert gap(none, Value(0.9)).reason == "no realised value: no labels"
    assert gap(Value(0.9), none).reason == "no estimated value: no labels"
    bare = gap(Value(0.8), Value(0.9, interval=(0.8, 1.0)))
    assert bare.value == pytest.approx(-0.1)
    assert bare.interval is None
    skewed = gap(Value(0.8, interval=(0.7, 0.83)), Value(0.9, interval=(0.86, 0.9), n=4))
    assert skewed.interval == pytest.approx((-0.1 - 0.1, -0.1 + 0.05))
