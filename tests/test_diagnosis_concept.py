"""The bet on concept drift: what it promises, what it finds, and what its state keeps."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.concept_drift import CHANGE, labelled, ours, stream
from monitoring_sdk.diagnosis.concept import (
    STAKES,
    ConceptState,
    calibration_margin,
    design_effect,
    expected_error,
)
from monitoring_sdk.diagnosis.losses import absolute_loss, error_loss
from monitoring_sdk.estimation.calibration import fit_calibrator


def fair(windows: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors that are exactly as likely as expected."""
    rng = np.random.default_rng(seed)
    expected = rng.uniform(0.02, 0.6, (windows, rows))
    return (rng.random((windows, rows)) < expected).astype(float), expected


def test_a_label_reversal_alarms_in_its_first_window() -> None:
    for seed in range(2):
        assert ours(stream("all labels reversed", seed, windows=CHANGE + 1)) == [CHANGE]


def test_a_reversal_is_found_at_once_though_rows_depend_on_each_other() -> None:
    # As the departures of a day do: 900 rows that say as much as 26.
    rng = np.random.default_rng(0)
    expected = np.full(900, 0.27)
    loss = (rng.random(900) < 0.73).astype(float)
    assert ConceptState().update(loss, expected, margin=0.01, dependence=35).alarms
    usual = (rng.random(900) < 0.36).astype(float)
    assert not ConceptState().update(usual, expected, margin=0.01, dependence=35).alarms


def test_thirty_reversed_labels_are_enough() -> None:
    expected = np.full(30, 0.1)
    loss = (np.arange(30) % 10 != 0).astype(float)
    assert ConceptState().update(loss, expected).alarms


def test_a_move_of_the_inputs_alone_is_no_alarm() -> None:
    lows = []
    for seed in range(4):
        data, state = stream("covariate", 500 + seed), ConceptState()
        for loss, usual, margin in zip(data.loss, data.expected, data.margin, strict=True):
            state = state.update(loss, usual, margin=margin)
            assert not state.alarms
        lows.append(state.p_value)
        # The errors themselves rise, so that a look at them alone would alarm.
        assert data.loss[CHANGE:].mean() > data.loss[: CHANGE // 2].mean() + 0.05
    assert min(lows) > 0.05


def test_the_p_value_keeps_its_level_over_a_thousand_looks() -> None:
    # Exactly at the edge of what was expected, with no margin: the least favourable case.
    lows = []
    for seed in range(60):
        state = ConceptState()
        for loss, expected in zip(*fair(1000, 4, seed), strict=True):
            state = state.update(loss, expected)
        lows.append(state.p_value)
    assert np.mean(np.array(lows) <= 0.05) <= 0.05
    assert np.mean(np.array(lows) <= 0.2) <= 0.2


def test_the_detector_alarms_no_more_often_than_its_alpha() -> None:
    alarms = windows = 0
    for seed in range(8):
        state = ConceptState(alpha=0.05)
        for loss, expected in zip(*fair(500, 20, 100 + seed), strict=True):
            state = state.update(loss, expected)
            alarms, windows = alarms + state.alarms, windows + 1
    assert 0 < alarms <= 0.05 * windows


def test_a_late_change_is_found_as_soon_as_an_early_one() -> None:
    def delay(quiet: int) -> int:
        state = ConceptState()
        for loss, expected in zip(*fair(quiet, 100, 3), strict=True):
            state = state.update(loss, expected, margin=0.01)
        rng = np.random.default_rng(4)
        for more in range(1, 60):
            worse = np.full(100, 0.2)
            state = state.update(rng.random(100) < 0.28, worse, margin=0.01)
            if state.alarms:
                return more
        raise AssertionError("not found")

    assert delay(1000) <= delay(2) + 2


def test_after_an_alarm_the_detector_begins_anew() -> None:
    state = ConceptState().update(np.ones(200), np.full(200, 0.1))
    assert state.alarms
    calm = state.update(np.zeros(200), np.full(200, 0.1))
    assert not calm.alarms
    assert calm.p_value == state.p_value < 1e-10
    assert state.update(np.ones(200), np.full(200, 0.1)).alarms


def test_better_than_expected_is_no_evidence() -> None:
    state = ConceptState()
    for _ in range(50):
        state = state.update(np.zeros(100), np.full(100, 0.3))
    assert state.p_value == pytest.approx(1.0)
    assert state.log_e_value < 0


def test_a_graded_loss_counts_as_well_as_right_or_wrong() -> None:
    rng = np.random.default_rng(0)
    most = 3.0
    usual = absolute_loss(rng.normal(0, 1, 20_000), np.zeros(20_000), most=most).mean()
    state = ConceptState()
    for _ in range(20):
        loss = absolute_loss(rng.normal(0, 1, 300), np.zeros(300), most=most)
        state = state.update(loss, np.full(300, usual), margin=0.005)
    assert not state.alarms
    worse = absolute_loss(rng.normal(0.7, 1, 1500), np.zeros(1500), most=most)
    assert state.update(worse, np.full(1500, usual), margin=0.005).alarms


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_the_order_of_rows_in_a_window_does_not_matter(seed: int, rows: int) -> None:
    (loss,), (expected,) = fair(1, rows, seed)
    turned = np.random.default_rng(seed).permutation(rows)
    one = ConceptState().update(loss, expected)
    other = ConceptState().update(loss[turned], expected[turned])
    assert one.evidence == pytest.approx(other.evidence, abs=1e-12)
    assert one.detection == pytest.approx(other.detection, abs=1e-12)


def test_the_capital_is_the_product_of_the_bets() -> None:
    loss, expected = np.array([1.0, 0.0, 0.4]), np.array([0.2, 0.1, 0.3])
    state = ConceptState().update(loss, expected, margin=0.05)
    gap = loss - expected - 0.05
    for stake, log_capital in zip(STAKES[:-1], state.detection, strict=False):
        b = min(stake, 0.95 / 1.05)
        assert math.exp(log_capital) == pytest.approx(np.prod(1 + b * gap))
    last = np.exp(STAKES[-1] * gap - STAKES[-1] ** 2 / 8)
    assert math.exp(state.detection[-1]) == pytest.approx(np.prod(last))
    capital = np.mean(np.exp(state.detection))
    assert math.exp(state.log_e_value) == pytest.approx(0.5 * capital + 0.5)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.floats(0, 0.5), st.floats(1, 9))
def test_the_state_goes_on_from_its_json(
    sizes: list[int], margin: float, dependence: float
) -> None:
    rng = np.random.default_rng(len(sizes))
    state = back = ConceptState(alpha=0.01)
    for n in sizes:
        loss, expected = rng.random(n), rng.random(n)
        back = ConceptState.from_dict(json.loads(json.dumps(back.to_dict(), allow_nan=False)))
        state = state.update(loss, expected, margin=margin, dependence=dependence)
        back = back.update(loss, expected, margin=margin, dependence=dependence)
    assert back == state
    assert (state.windows, state.rows) == (len(sizes), sum(sizes))


def test_a_window_without_labels_changes_no_verdict() -> None:
    state = ConceptState().update([], [])
    assert (state.alarms, state.rows) == (False, 0)
    assert state.p_value == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("loss", "expected", "options"),
    [
        ([1.5], [0.5], {}),
        ([float("nan")], [0.5], {}),
        ([0.5], [-0.1], {}),
        ([0.5, 0.5], [0.5], {}),
        ([0.5], [0.5], {"margin": 1.0}),
        ([0.5], [0.5], {"dependence": 0.5}),
    ],
)
def test_what_is_no_loss_is_refused(
    loss: list[float], expected: list[float], options: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match="concept drift"):
        ConceptState().update(loss, expected, **options)


def test_windows_that_move_together_need_their_dependence() -> None:
    # Every window has a mood of its own: honest on the whole, wild in each.
    def alarms(dependence: float) -> int:
        count = 0
        for seed in range(10):
            rng, state = np.random.default_rng(seed), ConceptState()
            for _ in range(100):
                mood = np.clip(rng.normal(0.3, 0.06), 0, 1)
                loss = (rng.random(400) < mood).astype(float)
                state = state.update(loss, np.full(400, 0.3), dependence=dependence)
                count += state.alarms
        return count

    rng = np.random.default_rng(77)
    moods = np.clip(rng.normal(0.3, 0.06, 60), 0, 1)
    gaps = [(rng.random(400) < mood).mean() - 0.3 for mood in moods]
    effect = design_effect(gaps, [400] * 60, 0.3 * 0.7)
    assert effect == pytest.approx(1 + 400 * 0.06**2 / 0.21, rel=0.4)
    assert alarms(1.0) > 20
    assert alarms(effect) <= 1


def test_independent_rows_have_no_design_effect() -> None:
    rng = np.random.default_rng(0)
    gaps = [(rng.random(300) < 0.3).mean() - 0.3 for _ in range(100)]
    assert design_effect(gaps, [300] * 100, 0.21) < 1.4
    assert design_effect([0.1], [300], 0.2) == 1.0
    assert design_effect([0.1, 0.2], [300, 300], 0.0) == 1.0


def test_the_margin_covers_the_error_of_the_fit() -> None:
    missed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        score, truth = labelled(2000, rng)
        calibrate = fit_calibrator(score, truth)
        loss = error_loss(truth, score > 0.5)
        now, label = labelled(40_000, rng, crowded=True)
        gap = error_loss(label, now > 0.5).mean() - expected_error(calibrate(now), now > 0.5).mean()
        missed += gap > calibration_margin(score, loss, now)
    assert missed <= 4


def test_the_margin_grows_where_the_reference_was_thin_and_shrinks_with_its_rows() -> None:
    rng = np.random.default_rng(0)
    score = rng.random(4000)
    loss = (rng.random(4000) < 0.3).astype(float)
    spread = calibration_margin(score, loss, rng.random(500))
    crowded = calibration_margin(score, loss, np.full(500, 0.35))
    assert crowded > 2.5 * spread
    more = calibration_margin(np.tile(score, 4), np.tile(loss, 4), np.full(500, 0.35))
    assert more == pytest.approx(crowded / 2, rel=0.05)
    assert calibration_margin(score, np.zeros(4000), score) == 0.005
    assert calibration_margin(np.ones(50), loss[:50], np.ones(5)) > 0.05
