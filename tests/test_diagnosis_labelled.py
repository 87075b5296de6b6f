"""Labelled rows of every task as losses and bets, and the check of concept drift on a window."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from small_model import day, write_small_model

from monitoring_sdk.config import load_config
from monitoring_sdk.diagnosis.concept import ConceptState
from monitoring_sdk.diagnosis.labelled import (
    as_reference,
    bets,
    ceiling_of,
    dependence_of,
    losses_of,
    with_features,
)
from monitoring_sdk.estimation.calibration import fit_calibrator
from monitoring_sdk.estimation.cbpe import calibrated_for
from monitoring_sdk.estimation.rows import Reference, Rows
from monitoring_sdk.estimation.rows import reference as make_reference
from monitoring_sdk.matrix import Coder
from monitoring_sdk.metrics.classes import LabelledClasses
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.numbers import LabelledNumbers
from monitoring_sdk.metrics.rows import LabelledRows, read_rows
from monitoring_sdk.report import Check
from monitoring_sdk.stages.diagnose import concept_check, diagnose_rows, window_rows
from monitoring_sdk.window import Window

CODER = Coder(("a", "b"), (), ())


def window(i: int) -> Window:
    start = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=i)
    return Window(start, start + timedelta(days=1))


def binary(n: int, seed: int, *, shift: float = 0.0, reverse: bool = False) -> Reference:
    """A score that ignores `b`, so that a move of `b` changes what it means."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (n, 2))
    x[:, 1] += shift
    truth = rng.random(n) < expit(2 * x[:, 0] - 1.5 * x[:, 1])
    score = expit(2 * x[:, 0])
    if reverse:
        truth = ~truth
    rows = Rows(x, (score > 0.5).astype(np.int64), score)
    return make_reference("binary", rows, truth.astype(np.int64), CODER)


def as_labelled(rows: Reference) -> Labelled:
    assert rows.rows.prediction is not None
    return Labelled(rows.truth == 1, rows.rows.prediction == 1, rows.rows.score)


def check(reference: Reference, current: Reference, weighted: bool) -> Check:
    calibrate = fit_calibrator(reference.rows.score, reference.truth)
    if weighted:
        found, reason = calibrated_for(reference, current.rows)
        assert reason is None
        assert found is not None
        calibrate = found
    return concept_check(window(0), as_labelled(current), reference, calibrate, ConceptState())[0]


def test_a_reversal_alerts_in_its_first_window_and_says_so_in_words() -> None:
    found = check(binary(4000, 0), binary(200, 1, reverse=True), weighted=True)
    assert (found.status, found.key) == ("alert", "performance/concept_drift")
    assert found.threshold_from == "contract"
    assert found.value is not None
    assert found.threshold == pytest.approx(3.0)
    assert found.value > found.threshold
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert "errors exceed what inputs and scores explain: " in (found.reason or "")
    assert Check.from_dict(found.to_dict()) == found


def test_a_calibrator_for_the_window_keeps_moves_of_the_inputs_out() -> None:
    reference, moved = binary(10_000, 0), binary(4000, 1, shift=1.5)
    assert check(reference, moved, weighted=False).status == "alert"
    assert check(reference, moved, weighted=True).status == "ok"


def test_quiet_windows_stay_quiet_and_hand_their_state_on() -> None:
    reference, state = binary(4000, 0), ConceptState()
    calibrate = fit_calibrator(reference.rows.score, reference.truth)
    for i in range(30):
        rows = as_labelled(binary(300, 10 + i))
        found, state = concept_check(window(i), rows, reference, calibrate, state)
        assert found.status == "ok", found
        assert found.reason is None
    assert (state.windows, state.rows) == (30, 9000)


def test_a_revised_window_goes_on_from_its_own_predecessor() -> None:
    reference, before = binary(4000, 0), ConceptState().update([0.5], [0.5])
    rows = as_labelled(binary(300, 10))
    first = concept_check(window(1), rows, reference, None, before)
    assert concept_check(window(1), rows, reference, None, before) == first


@pytest.mark.parametrize("scored", [True, False])
def test_classes_are_matched_by_name_whatever_their_order(scored: bool) -> None:
    rng = np.random.default_rng(0)

    def rows(n: int, wrong: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        logits = rng.normal(0, 1.5, (n, 3))
        score = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        truth = (score.cumsum(1) > rng.random((n, 1))).argmax(1)
        truth = np.where(rng.random(n) < wrong, (truth + 1) % 3, truth)
        return truth, score.argmax(1), score

    truth, said, score = rows(4000, 0.0)
    matrix = np.zeros((4000, 0))
    known = Rows(matrix, said, score if scored else None)
    reference = make_reference("multiclass", known, truth, Coder((), (), ()), classes="abc")
    calibrate = fit_calibrator(score, truth) if scored else None
    turn = [2, 0, 1]
    for wrong, status in ((0.0, "ok"), (0.5, "alert")):
        truth, said, score = rows(600, wrong)
        back = np.argsort(turn)
        own = LabelledClasses(
            ("c", "a", "b"), back[truth], back[said], score[:, turn] if scored else None
        )
        found, _ = concept_check(window(0), own, reference, calibrate, ConceptState())
        assert found.status == status, found


def test_numbers_are_clipped_at_the_references_ceiling() -> None:
    rng = np.random.default_rng(0)

    def rows(n: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
        said = rng.uniform(0, 10, n)
        return said + rng.normal(0, 0.2 + scale * said / 10, n), said

    truth, said = rows(4000, 1.0)
    reference = make_reference("regression", Rows(np.zeros((4000, 0)), said), truth, CODER)
    ceiling = ceiling_of(reference)
    assert ceiling is not None
    assert ceiling == pytest.approx(np.quantile(np.abs(truth - said), 0.99))
    loss = losses_of(reference, ceiling)
    assert not isinstance(loss, str)
    assert loss.max() == 1.0
    quiet, _ = concept_check(
        window(0), LabelledNumbers(*rows(500, 1.0)), reference, None, ConceptState()
    )
    assert quiet.status == "ok"
    # More of the predictions for which errors are large anyway is no drift.
    large = LabelledNumbers(*(v[said > 6] for v in (truth, said)))
    assert concept_check(window(0), large, reference, None, ConceptState())[0].status == "ok"
    worse, _ = concept_check(
        window(0), LabelledNumbers(*rows(500, 2.5)), reference, None, ConceptState()
    )
    assert worse.status == "alert"
    assert "errors exceed what the predictions explain: +" in (worse.reason or "")


def test_scores_alone_and_predictions_alone_will_do() -> None:
    full, worse = binary(4000, 0), binary(400, 1, reverse=True)
    for keep in ("score", "prediction"):
        kept = {keep: getattr(full.rows, keep)}
        reference = make_reference("binary", Rows(full.rows.matrix, **kept), full.truth, CODER)
        for rows, status in ((binary(400, 2), "ok"), (worse, "alert")):
            found, _ = concept_check(window(0), as_labelled(rows), reference, None, ConceptState())
            assert found.status == status, (keep, found)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (Labelled([True] * 5, [True] * 5, [0.5] * 5), "5 labelled rows, 10 needed"),
        (Labelled([], [], []), "no labelled row has what the model says"),
        (Labelled([True] * 50, [True] * 50, [np.nan] * 50), "no labelled row has what"),
        (Labelled([True], [True], [0.5], fault="not two classes"), "not two classes"),
        (read_rows("ranking", [1, 0], prediction=[1, 2], query=[1, 1]), "lists have no loss"),
    ],
)
def test_what_cannot_be_bet_on_is_insufficient_and_changes_no_state(
    rows: LabelledRows, reason: str
) -> None:
    before = ConceptState().update([0.5], [0.5])
    found, after = concept_check(window(0), rows, binary(4000, 0), None, before)
    assert (found.status, found.value) == ("insufficient", None)
    assert reason in (found.reason or "")
    assert after is before


def test_without_reference_rows_it_is_skipped_with_the_reason() -> None:
    rows = as_labelled(binary(300, 1))
    found, _ = concept_check(window(0), rows, "privacy.samples is false", None, ConceptState())
    assert (found.status, found.reason) == ("skipped", "privacy.samples is false")
    few = concept_check(window(0), rows, binary(100, 0), None, ConceptState())[0]
    assert (few.status, few.reason) == ("insufficient", "100 labelled reference rows, 200 needed")


def test_a_windows_rows_are_diagnosed_against_the_reference() -> None:
    reference = binary(8000, 0)
    moved = diagnose_rows(reference, binary(6000, 1, shift=1.0))
    turned = diagnose_rows(reference, binary(6000, 1, reverse=True))
    assert not isinstance(moved, str)
    assert not isinstance(turned, str)
    assert (moved.kind, turned.kind) == ("covariate", "concept")
    assert moved.shifted[0].columns == ("b",)
    bare = Reference("binary", Rows(np.zeros((9, 2))), np.zeros(9), CODER, np.zeros(9, np.int64))
    assert diagnose_rows(bare, bare) == "needs a prediction column, and there is none"


def test_the_models_outputs_join_the_features_as_numbers() -> None:
    coder = Coder(("score",), ("c",), (("u", "v"),))
    rows = Rows(np.array([[1.0, 0.0], [2.0, 1.0]]), np.array([0, 1]), np.array([0.3, 0.7]))
    found = with_features(make_reference("binary", rows, np.array([1, 1]), coder))
    assert not isinstance(found, str)
    assert found.coder.names == ("score", "model's score", "c")
    assert found.matrix.tolist() == [[1.0, 0.3, 0.0], [2.0, 0.7, 1.0]]
    assert found.loss.tolist() == [1.0, 0.0]


def test_expectations_follow_the_calibrated_score() -> None:
    reference = binary(4000, 0)
    current = as_reference(as_labelled(binary(50, 3)), reference)
    assert not isinstance(current, str)
    calibrate = fit_calibrator([0.0, 1.0], [False, True])
    found = bets(current, reference, calibrate)
    assert not isinstance(found, str)
    assert current.rows.score is not None
    assert found.expected == pytest.approx(
        np.minimum(current.rows.score, 1 - current.rows.score), abs=1e-12
    )


def test_a_window_is_read_with_its_labels_and_features(tmp_path: Path) -> None:
    config = load_config(write_small_model(tmp_path, sys.executable))
    span = Window(day(0), day(20))
    coder = Coder(("size",), ("kind",), (("a", "b", "c"),))
    empty = Rows(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))
    form = Reference("binary", empty, np.zeros(0, np.int64), coder, np.zeros(0, np.int64))
    reference = window_rows(config, span, day(30), form)
    assert isinstance(reference, Reference)
    assert reference.n == 4000
    later = window_rows(config, Window(day(30), day(35)), day(38), reference)
    assert isinstance(later, Reference)
    assert later.n == 1000
    assert later.rows.matrix[:, 0].mean() == pytest.approx(2.0, abs=0.15)
    found = diagnose_rows(reference, later)
    assert not isinstance(found, str)
    # The labels follow the score alone: that the inputs moved changed nothing.
    assert found.kind == "none"
    unknown = window_rows(config, Window(day(39), day(40)), day(39), reference)
    assert unknown == "no labelled row has what the model says"


@pytest.mark.parametrize("scored", [True, False])
def test_windows_with_moods_of_their_own_depend_on_each_other(scored: bool) -> None:
    def dependence(mood: float) -> float:
        rng = np.random.default_rng(5)
        block = np.repeat(np.arange(40), 300)
        score = rng.random(12_000)
        reversed_ = rng.random(12_000) < np.clip(rng.normal(0.2, mood, 40), 0, 1)[block]
        truth = ((rng.random(12_000) < score) ^ reversed_).astype(np.int64)
        said = (score > 0.5).astype(np.int64)
        rows = Rows(np.zeros((12_000, 0)), said, score if scored else None)
        bare = Coder((), (), ())
        return dependence_of(make_reference("binary", rows, truth, bare, block=block))

    assert dependence(0.0) < 1.6
    # A share r of reversed labels adds r / 2 to the errors: their variance is .25 at most.
    assert dependence(0.12) == pytest.approx(1 + 300 * 0.06**2 / 0.23, rel=0.4)


def test_a_reference_too_small_to_tell_has_no_dependence() -> None:
    assert dependence_of(binary(100, 0)) == 1.0
