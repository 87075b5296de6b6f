"""A window as numbers: orthonormal, centred, and honest about what a window lacks."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring_sdk.alarms.polynomials import merged, moments, normal_scores
from monitoring_sdk.alarms.values import (
    ValueForm,
    fit_form,
    reference_values,
    window_values,
)
from monitoring_sdk.alarms.watched import from_angle, to_angle
from monitoring_sdk.profile.grid import Grid, fit_categorical, fit_numeric
from monitoring_sdk.profile.profile import Profile, profile_batches

RNG = np.random.default_rng(0)
AGES = RNG.normal(40, 10, 6000)
SHOPS = RNG.choice(["web", "shop", "fax"], 6000, p=[0.7, 0.295, 0.005])
COUNTS = {str(s): int(n) for s, n in zip(*np.unique(SHOPS, return_counts=True), strict=True)}
GRID = Grid({"age": fit_numeric(AGES), "channel": fit_categorical(COUNTS, salt="s")})


def profile(ages: np.ndarray, shops: np.ndarray) -> Profile:
    return profile_batches([pa.record_batch({"age": ages, "channel": shops})], GRID)


REFERENCE = profile(AGES, SHOPS)
FORM = fit_form(REFERENCE, GRID, {}, {"age": "drift", "channel": "drift"}, 600)


def value(of: Profile, key: str) -> float:
    found = window_values(of, FORM)
    return float(found.x[found.keys.index(key)])


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=16))
def test_polynomials_are_orthonormal_on_any_shares(weights: list[float]) -> None:
    shares = np.array(weights) / sum(weights)
    scores = normal_scores(shares)
    gram = scores.T @ (shares[:, None] * scores)
    assert np.allclose(gram, np.eye(gram.shape[0]), atol=1e-6)
    assert np.allclose(shares @ scores, 0, atol=1e-6)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200), st.integers(5, 2000))
def test_merged_cells_expect_five_rows(counts: list[int], rows: int) -> None:
    starts = merged(np.array(counts), rows)
    assert 1 <= len(starts) <= 16
    if len(starts) > 1:
        sums = np.add.reduceat(np.array(counts), starts)
        assert sums.min() / sums.sum() * rows >= 5 - 1e-9


def test_the_reference_itself_is_normal() -> None:
    found = window_values(REFERENCE, FORM)
    moments_of_age = found.x[:4]
    assert np.abs(moments_of_age).max() < 1e-9
    assert found.keys[:4] == (
        "drift/location/age", "drift/scale/age", "drift/skew/age", "drift/tails/age",
    )  # fmt: skip


def test_a_level_that_expects_fewer_than_five_rows_is_not_watched() -> None:
    assert "drift/share@shop/channel" in FORM.keys
    assert "drift/share@fax/channel" not in FORM.keys


def test_a_shift_is_a_shift_and_no_scale() -> None:
    moved = profile(AGES + 3, SHOPS)
    assert value(moved, "drift/location/age") == pytest.approx(0.3, abs=0.02)
    assert abs(value(moved, "drift/scale/age")) < 0.02
    raw = _raw(moved)
    assert raw[1] > 0.04, "without centring the shift leaks into the scale"


def _raw(of: Profile) -> np.ndarray:
    form = FORM.columns[0]
    counts = np.add.reduceat(of.columns["age"].cells, form.starts)
    return counts / counts.sum() @ form.scores


def test_a_wider_spread_is_scale_and_no_location() -> None:
    wide = profile(40 + (AGES - 40) * 1.25, SHOPS)
    assert value(wide, "drift/scale/age") > 0.25
    assert abs(value(wide, "drift/location/age")) < 0.02


def test_moments_of_few_cells_are_left_as_they_are() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    scores = normal_scores(np.array([0.4, 0.3, 0.3]))
    assert np.allclose(moments(shares, scores), shares @ scores)


def test_nulls_and_unseen_levels_are_counted() -> None:
    ages = np.where(np.arange(6000) % 10 == 0, np.nan, AGES)
    shops = SHOPS.copy()
    shops[:60] = "app"
    found = profile(ages, shops)
    share = float(from_angle(value(found, "quality/null_share/age")))
    assert share == pytest.approx(0.1, abs=1e-3)
    assert value(found, "quality/unseen_share/channel") == pytest.approx(0.01)


def test_infinities_lie_in_the_outer_cells() -> None:
    found = profile(np.where(np.arange(6000) % 20 == 0, np.inf, AGES), SHOPS)
    assert value(found, "drift/location/age") > 0.05


def test_a_column_that_the_window_lacks_has_no_value() -> None:
    found = window_values(Profile(10, {}), FORM)
    assert np.isnan(found.x).all()
    assert (found.n == 0).all()
    nothing = window_values(profile(np.full(50, np.nan), SHOPS[:50]), FORM)
    assert np.isnan(nothing.x[0])
    assert float(from_angle(nothing.x[4])) > 0.99


def test_the_form_reads_back() -> None:
    again = ValueForm.from_dict(json.loads(json.dumps(FORM.to_dict())))
    mine, theirs = (window_values(REFERENCE, f) for f in (FORM, again))
    assert mine.keys == theirs.keys
    assert np.array_equal(mine.x, theirs.x)


def test_reference_windows_take_the_unseen_rows_of_each_by_the_others() -> None:
    found = reference_values([REFERENCE, REFERENCE], FORM, {"channel": [0.002, None]})
    at = FORM.keys.index("quality/unseen_share/channel")
    assert found[0].x[at] == 0.002
    assert np.isnan(found[1].x[at])


def test_the_angle_has_variance_one_over_n() -> None:
    for p in (0.02, 0.3):
        hits = np.random.default_rng(1).binomial(500, p, 20_000)
        assert to_angle(hits, 500).var() * 500 == pytest.approx(1, abs=0.08)
