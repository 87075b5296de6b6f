"""What silences or breaks drift elsewhere: each of these must be seen, or said."""

import math

import numpy as np
import pyarrow as pa
import pytest

from monitoring_sdk.drift.methods import METHODS, drift
from monitoring_sdk.profile.categorical import count_levels, profile_categorical
from monitoring_sdk.profile.grid import fit_categorical, fit_numeric
from monitoring_sdk.profile.numeric import profile_numeric

DISTANCES = [m for m, row in METHODS.items() if row.family == "drift"]
RNG = np.random.default_rng(17)
REFERENCE = RNG.normal(size=5000)
MOVED = RNG.normal(2.0, 1.0, 2000)
GRID = fit_numeric(REFERENCE)
BEFORE = profile_numeric(pa.array(REFERENCE), GRID)


def after(values) -> object:
    return profile_numeric(pa.array(np.asarray(values, dtype=float)), GRID)


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("bad", [math.nan, 1e9, math.inf, -math.inf, 1.7e308], ids=str)
def test_one_bad_cell_does_not_silence_a_shift(name, bad) -> None:
    clean = drift(name, BEFORE, after(MOVED), GRID)
    dirty = drift(name, BEFORE, after(np.append(MOVED, bad)), GRID)
    if name.startswith("wasserstein") and bad in (1e9, 1.7e308):
        assert dirty.value > clean.value  # it really moved that far
    else:
        assert dirty.value == pytest.approx(clean.value, rel=0.02)


@pytest.mark.parametrize("name", [m for m in DISTANCES if not m.startswith("wasserstein")])
def test_one_outlier_in_the_reference_does_not_silence_a_shift(name) -> None:
    spoilt = np.append(REFERENCE, 1e9)
    grid = fit_numeric(spoilt)
    value = drift(
        name,
        profile_numeric(pa.array(spoilt), grid),
        profile_numeric(pa.array(MOVED), grid),
        grid,
    )
    assert value.value == pytest.approx(drift(name, BEFORE, after(MOVED), GRID).value, rel=0.02)


def test_infinities_left_out_are_said() -> None:
    value = drift("wasserstein", BEFORE, after([0.0, math.inf, -math.inf]), GRID)
    assert value.reason == "2 infinite values left out"
    assert value.n == 1
    assert drift("wasserstein", BEFORE, after([math.inf]), GRID).reason.startswith("no finite")
    assert drift("ks", BEFORE, after([math.inf]), GRID).value == 1.0


def test_a_column_that_was_all_but_constant_and_moves_is_seen() -> None:
    reference = np.append(np.zeros(9900), np.ones(100))
    grid = fit_numeric(reference)
    assert len(grid.deciles) == 0
    before = profile_numeric(pa.array(reference), grid)
    now = profile_numeric(pa.array(np.append(np.zeros(500), np.ones(500))), grid)
    p, q = np.array([0.99, 0.01]), np.array([0.5, 0.5])
    assert drift("psi", before, now, grid).value == pytest.approx(np.sum((q - p) * np.log(q / p)))
    for name in ("ks", "total_variation", "wasserstein", "l_infinity"):
        assert drift(name, before, now, grid).value == pytest.approx(0.49), name


def test_a_tiny_variance_that_moves_by_one_sd_is_seen() -> None:
    reference = 1e9 + RNG.normal(0, 1e-4, 4000)
    grid = fit_numeric(reference)
    before = profile_numeric(pa.array(reference), grid)
    now = profile_numeric(pa.array(reference + 1e-4), grid)
    assert drift("wasserstein_sd", before, now, grid).value == pytest.approx(1, abs=0.05)
    assert drift("psi", before, now, grid).value > 0.5


def test_numbers_and_text_are_the_same_levels() -> None:
    grid = fit_categorical(count_levels(pa.array([1] * 60 + [2] * 40)), salt="s")
    before = profile_categorical(pa.array([1] * 60 + [2] * 40), grid)
    for array in (pa.array(["1"] * 30 + ["2"] * 20), pa.array([1.0] * 30 + [2.0] * 20)):
        now = profile_categorical(array, grid)
        assert drift("psi", before, now, grid).value == pytest.approx(0, abs=1e-12)
        assert drift("unseen_share", before, now, grid).value == 0.0


def test_high_cardinality_is_bounded_and_new_levels_are_exact() -> None:
    ids = pa.array([f"id{i}" for i in range(3000)])
    grid = fit_categorical(count_levels(ids), salt="s")
    before = profile_categorical(ids, grid)
    assert before.other == 3000
    now = profile_categorical(pa.array([f"id{i}" for i in range(2990, 3010)]), grid)
    assert drift("unseen_share", before, now, grid).value == 0.5
    open_grid = fit_categorical(count_levels(ids), salt="s", max_rare=100)
    now = profile_categorical(pa.array(["whatever"]), open_grid)
    value = drift("unseen_share", profile_categorical(ids, open_grid), now, open_grid)
    assert "too many levels" in value.reason


def test_a_binary_column_has_one_distance_whatever_its_type() -> None:
    before, now = [0] * 55 + [1] * 45, [0, 1, 1, 0, 1]
    grid = fit_numeric(before)
    numeric = [profile_numeric(pa.array(x), grid) for x in (before, now)]
    words = fit_categorical(count_levels(pa.array(before)), salt="s")
    levels = [profile_categorical(pa.array(x), words) for x in (before, now)]
    flags = fit_categorical(count_levels(pa.array([bool(x) for x in before])), salt="s")
    truths = [profile_categorical(pa.array([bool(v) for v in x]), flags) for x in (before, now)]
    for name in ("ks", "total_variation", "wasserstein"):
        for pair, cells in ((numeric, grid), (levels, words), (truths, flags)):
            assert drift(name, *pair, cells).value == pytest.approx(0.15, abs=1e-12), name


def test_an_emptied_level_counts_as_a_share_of_one_in_ten_thousand() -> None:
    grid = fit_categorical({"a": 50, "b": 50}, salt="s")
    before = profile_categorical(pa.array(["a", "b"]), grid)
    now = profile_categorical(pa.array(["a", "a"]), grid)
    expected = 0.5 * math.log(2) + (1e-4 - 0.5) * math.log(1e-4 / 0.5)
    assert drift("psi", before, now, grid).value == pytest.approx(expected, rel=1e-12)


def test_levels_without_an_order_have_no_line() -> None:
    grid = fit_categorical({"a": 50, "b": 50}, salt="s")
    profile = profile_categorical(pa.array(["a", "b"]), grid)
    for name in ("ks", "wasserstein", "wasserstein_sd"):
        assert drift(name, profile, profile, grid).value is None


def test_nulls_and_nan_both_are_missing() -> None:
    now = profile_numeric(pa.array([1.0, None, math.nan, 2.0]), GRID)
    assert drift("null_share", BEFORE, now, GRID).value == 0.5
    grid = fit_categorical({"a": 50}, salt="s")
    now = profile_categorical(pa.array(["a", None, "new", None]), grid)
    assert drift("null_share", now, now, grid).value == 0.5
    assert drift("unseen_share", now, now, grid).value == 0.5
