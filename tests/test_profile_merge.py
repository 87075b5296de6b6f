"""A profile of parts is the profile of the whole, whatever the parts and the order of the rows."""

import json
import math
import warnings
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_sdk.profile.categorical import profile_categorical
from monitoring_sdk.profile.grid import Grid, fit_categorical, fit_numeric
from monitoring_sdk.profile.labelled import LabelledProfile, profile_labelled
from monitoring_sdk.profile.numeric import NumericProfile, profile_numeric
from monitoring_sdk.profile.profile import Profile, profile_batches

MODERATE = st.floats(-1e6, 1e6, allow_subnormal=False)
ANY = st.floats() | st.none()
FEW = st.sampled_from([0.0, -0.0, 1.0, 2.0, math.nan, math.inf, -math.inf, None])


def exact_part(profile: NumericProfile) -> dict:
    """Return what merging must not change by one bit."""
    return {k: v for k, v in profile.to_dict().items() if k not in ("deviation", "m2")}


def split(values: list, cuts: list[float]) -> list[list]:
    """Cut a list at fractions of its length."""
    at = sorted({0, len(values), *(int(c * len(values)) for c in cuts)})
    return [values[a:b] for a, b in pairwise(at)]


def numeric(values: list, grid) -> NumericProfile:
    return profile_numeric(pa.array(values, pa.float64()), grid)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(MODERATE, max_size=60),
    st.lists(MODERATE | FEW, min_size=1, max_size=120),
    st.lists(st.floats(0, 1), max_size=4),
)
def test_numeric_parts_add_up_to_the_whole(reference, values, cuts) -> None:
    grid = fit_numeric(reference)
    whole = numeric(values, grid)
    parts = [numeric(p, grid) for p in split(values, cuts)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert exact_part(merged) == exact_part(whole)
    if whole.count:
        scale = max(abs(whole.deviation), whole.sd)
        assert merged.deviation == pytest.approx(whole.deviation, rel=1e-12, abs=1e-12 * scale)
        noise = 1e-12 * max(whole.m2, whole.count * (1e-3 * whole.deviation) ** 2)
        assert merged.m2 == pytest.approx(whole.m2, rel=1e-12, abs=noise)


@settings(max_examples=100, deadline=None)
@given(st.lists(ANY, min_size=1, max_size=40), st.lists(ANY, max_size=40), st.integers(0, 40))
def test_any_float_merges_without_warning_or_nan(reference, values, cut) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid = fit_numeric(pa.array(reference, pa.float64()).to_numpy(zero_copy_only=False))
        whole = numeric(values, grid)
        merged = numeric(values[:cut], grid).merge(numeric(values[cut:], grid))
    assert exact_part(merged) == exact_part(whole)
    assert not math.isnan(merged.m2)
    assert not math.isnan(merged.deviation)
    total = whole.nulls + whole.nans + whole.pos_inf + whole.neg_inf + whole.count
    assert whole.rows == len(values) == total
    assert whole.count == whole.cells.sum()


@settings(max_examples=100, deadline=None)
@given(st.lists(MODERATE | FEW, min_size=1, max_size=80), st.randoms(use_true_random=False))
def test_row_order_changes_nothing(values, random) -> None:
    grid = fit_numeric([0.0, 0.0, 1.0, 5.0])
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert numeric(shuffled, grid) == numeric(values, grid)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | FEW, min_size=1, max_size=80))
def test_cells_hold_what_numpy_counts(values) -> None:
    grid = fit_numeric([0.0, 0.0, 0.5, 1.0, 7.0])
    finite = np.array([v for v in values if v is not None and math.isfinite(v)])
    expected = [int(np.sum(finite < grid.edges[0]))]
    expected += [int(np.sum((finite >= a) & (finite < b))) for a, b in pairwise(grid.edges)]
    expected.append(int(np.sum(finite >= grid.edges[-1])))
    assert numeric(values, grid).cells.tolist() == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", "d", "e", None]), min_size=1, max_size=80),
    st.lists(st.floats(0, 1), max_size=4),
)
def test_category_parts_add_up_to_the_whole(values, cuts) -> None:
    grid = fit_categorical({"a": 50, "b": 30, "c": 3, "d": 1}, salt="s")
    whole = profile_categorical(pa.array(values, pa.string()), grid)
    parts = [profile_categorical(pa.array(p, pa.string()), grid) for p in split(values, cuts)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert merged == whole
    assert whole.counts.tolist() == [values.count("a"), values.count("b")]
    assert whole.other == values.count("c") + values.count("d")
    assert whole.unseen == values.count("e")
    assert whole.nulls == values.count(None)


def test_minus_zero_leaves_no_trace() -> None:
    one, two = fit_numeric([-0.0, 0.0, 1.0]), fit_numeric([0.0, -0.0, 1.0])
    assert json.dumps(one.to_dict()) == json.dumps(two.to_dict())
    texts = {json.dumps(numeric(v, one).to_dict()) for v in ([-0.0, 0.0], [0.0, -0.0], [0.0] * 2)}
    assert len(texts) == 1


def test_a_constant_stays_constant_under_merging() -> None:
    grid = fit_numeric([0.3, 0.7])
    merged = numeric([], grid)
    for size in (1, 3, 7, 11):
        merged = merged.merge(numeric([0.1] * size, grid))
    assert merged.sd == 0.0
    assert merged.mean == pytest.approx(0.1, rel=1e-15)


def test_a_tiny_variance_survives_merging() -> None:
    rng = np.random.default_rng(3)
    values = 1e9 + rng.normal(0, 1e-6, 3000).round(8)
    grid = fit_numeric(values)
    merged = numeric([], grid)
    for start in range(0, 3000, 7):
        merged = merged.merge(numeric(values[start : start + 7].tolist(), grid))
    shifted = values - grid.pivot
    assert merged.m2 == pytest.approx(np.sum((shifted - shifted.mean()) ** 2), rel=1e-12)


def test_moments_at_the_end_of_the_float_range() -> None:
    grid = fit_numeric([-1.7e308, 0.0, 1.7e308])
    a, b = numeric([1.7e308, 1.6e308], grid), numeric([-1.7e308], grid)
    merged = a.merge(b)
    assert merged.mean == pytest.approx(1.6e308 / 3, rel=1e-12)
    assert merged.m2 == math.inf
    text = json.dumps(merged.to_dict(), allow_nan=False)
    assert NumericProfile.from_dict(json.loads(text)) == merged


def test_labelled_counts_add_up() -> None:
    rng = np.random.default_rng(5)
    truth, score = rng.random(500) < 0.3, rng.random(500)
    score[:5] = [np.nan, -0.1, 1.5, 0.0, 1.0]
    said = score > 0.5
    whole = profile_labelled(truth, said, score)
    merged = profile_labelled(truth[:99], said[:99], score[:99]).merge(
        profile_labelled(truth[99:], said[99:], score[99:])
    )
    assert merged == whole
    assert whole.unscored == 3
    assert whole.counts.sum() == 497
    assert whole.tp + whole.fp + whole.tn + whole.fn == whole.rows == 500
    assert whole.tp == int(np.sum(said & truth))
    assert LabelledProfile.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole


def test_a_profile_of_hours_is_the_profile_of_the_day_and_survives_json() -> None:
    rng = np.random.default_rng(7)
    table = pa.table({"x": rng.normal(size=1000), "c": rng.choice(["u", "v", "w"], 1000)})
    grid = Grid(
        {
            "x": fit_numeric(rng.normal(size=500)),
            "c": fit_categorical({"u": 40, "v": 60}, salt="s"),
        }
    )
    day = profile_batches(table.to_batches(max_chunksize=1000), grid)
    hours = [profile_batches(table.slice(i, 100).to_batches(), grid) for i in range(0, 1000, 100)]
    merged = hours[0]
    for hour in hours[1:]:
        merged = merged.merge(hour)
    assert merged.rows == day.rows == 1000
    assert merged.columns["c"] == day.columns["c"]
    assert exact_part(merged.columns["x"]) == exact_part(day.columns["x"])
    back = Profile.from_dict(json.loads(json.dumps(merged.to_dict(), allow_nan=False)))
    assert back == merged
    assert Grid.from_dict(json.loads(json.dumps(grid.to_dict(), allow_nan=False))) == grid


def test_profiles_of_different_grids_do_not_add() -> None:
    one, two = fit_numeric([1.0, 2.0]), fit_numeric([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match="different grids"):
        numeric([1.0], one).merge(numeric([1.0], two))
    x, y = Profile(1, {"x": numeric([1.0], one)}), Profile(1, {"y": numeric([1.0], one)})
    with pytest.raises(ValueError, match="different columns"):
        x.merge(y)
