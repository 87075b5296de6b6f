"""Every kind of Arrow column, and what is wrong with some of them."""

import math
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.categorical import count_levels, profile_categorical
from monitoring_sdk.profile.grid import Grid, fit_categorical, fit_numeric
from monitoring_sdk.profile.numeric import profile_numeric
from monitoring_sdk.profile.profile import ProfileBuilder, profile_batches

GRID = fit_numeric([0.0, 1.0, 1.0, 2.0, 3.0])
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, 2, None], pa.int8()),
        pa.array([1, 2, None], pa.uint64()),
        pa.array([1, 2, None], pa.float32()),
        pa.array(np.array([1, 2, 0], np.float16), mask=np.array([False, False, True])),
        pa.array([1, 2, None], pa.float64()),
        pa.array([Decimal("1.00"), Decimal("2.00"), None], pa.decimal128(5, 2)),
        pa.array(["1", "2.0", None], pa.string()),
        pa.array(["1", "2.0", None]).dictionary_encode(),
        pa.array([0, 1, 2, None], pa.int64())[1:],
    ],
    ids=lambda a: str(a.type),
)
def test_numbers_of_every_type_count_alike(array) -> None:
    profile = profile_numeric(array, GRID)
    expected = profile_numeric(pa.array([1.0, 2.0, None]), GRID)
    assert profile == expected
    assert (profile.rows, profile.nulls, profile.count) == (3, 1, 2)


def test_booleans_are_numbers_too() -> None:
    profile = profile_numeric(pa.array([True, False, None, True]), GRID)
    assert (profile.nulls, profile.mean, profile.min, profile.max) == (1, 2 / 3, 0.0, 1.0)


def test_null_nan_and_infinities_are_counted_apart() -> None:
    profile = profile_numeric(pa.array([None, None, NAN, INF, INF, INF, -INF, 1.0]), GRID)
    counts = (profile.nulls, profile.nans, profile.pos_inf, profile.neg_inf, profile.count)
    assert counts == (2, 1, 3, 1, 1)
    assert (profile.mean, profile.sd, profile.min, profile.max) == (1.0, 0.0, 1.0, 1.0)
    narrow = profile_numeric(
        pa.array([None, None, NAN, INF, INF, INF, -INF, 1.0], pa.float32()), GRID
    )
    assert narrow == profile


@pytest.mark.parametrize(
    "array",
    [pa.array([], pa.float64()), pa.nulls(3), pa.nulls(3, pa.float32()), pa.array([NAN, NAN])],
    ids=["empty", "null type", "nulls", "nans"],
)
@pytest.mark.parametrize("grid", [GRID, fit_numeric([]), fit_numeric([NAN])], ids=str)
def test_a_column_without_values_has_no_moments(array, grid) -> None:
    profile = profile_numeric(array, grid)
    assert profile.rows == len(array)
    assert profile.nulls + profile.nans == len(array)
    assert profile.cells.tolist() == [0] * (len(grid.edges) + 1)
    assert (profile.mean, profile.sd, profile.min, profile.max) == (None, None, None, None)


def test_an_empty_reference_still_counts_later_values() -> None:
    profile = profile_numeric(pa.array([1.0, 5.0]), fit_numeric([None]))
    assert (profile.cells.tolist(), profile.mean) == ([2], 3.0)


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["1", "secret"]),
        pa.array(["1", "secret"]).dictionary_encode(),
        pa.array([datetime(2024, 1, 1)]),
        pa.array([[1.0]]),
        pa.array([{"a": 1}]),
    ],
    ids=lambda a: str(a.type),
)
def test_what_has_no_numbers_is_refused_without_showing_it(array) -> None:
    with pytest.raises(SourceError, match=r"column 'age' is of type .* cannot be read") as caught:
        profile_numeric(array, GRID, "age")
    assert "secret" not in str(caught.value)


def test_a_bad_column_never_loses_the_others() -> None:
    grid = Grid({"x": GRID, "y": GRID, "c": fit_categorical({"a": 30}, salt="s")})
    good = pa.record_batch({"x": [1.0], "y": [1.0], "c": ["a"], "more": [1]})
    text = pa.record_batch({"x": ["oops"], "c": ["a"]})
    with pytest.raises(SourceError, match="'x'"):
        profile_batches([good, text], grid)
    profile = profile_batches([good, text, good], grid, missing_ok=True)
    assert set(profile.columns) == {"c"}
    assert profile.columns["c"].counts.tolist() == [3]
    assert profile.rows == 3
    assert "type string" in profile.problems["x"]
    assert profile.problems["y"] == "column 'y' is missing, or there twice"


def test_a_column_that_one_part_lacks_is_a_problem_of_the_whole() -> None:
    grid = Grid({"x": GRID, "y": GRID})
    full = profile_batches([pa.record_batch({"x": [1.0], "y": [1.0]})], grid)
    part = profile_batches([pa.record_batch({"x": [1.0]})], grid, missing_ok=True)
    for merged in (full.merge(part), part.merge(full)):
        assert set(merged.columns) == {"x"}
        assert set(merged.problems) == {"y"}
        assert merged.rows == 2


def test_text_that_is_no_utf8_is_a_problem_of_its_column_alone() -> None:
    broken = pa.array([b"ok", b"\xff\xfe"]).view(pa.string())
    with pytest.raises(SourceError, match="column 'c' is of type string"):
        count_levels(broken, "c")
    grid = Grid({"x": GRID, "c": fit_categorical({"ok": 30}, salt="s")})
    batch = pa.record_batch({"x": [1.0, 2.0], "c": broken})
    profile = profile_batches([batch], grid, missing_ok=True)
    assert profile.columns["x"].count == 2
    assert "cannot be read as levels" in profile.problems["c"]


def test_a_builder_without_batches_gives_an_empty_profile() -> None:
    grid = Grid({"x": GRID, "c": fit_categorical({"a": 30}, salt="s")})
    profile = ProfileBuilder(grid).result()
    assert profile.rows == 0
    assert {c.rows for c in profile.columns.values()} == {0}
    batch = pa.record_batch({"x": [1.0], "c": ["a"]})
    assert profile.merge(profile_batches([batch], grid)) == profile_batches([batch], grid)


LEVELS = fit_categorical({"1": 60, "2": 40, "3": 2}, salt="s")


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["1", "1", "2", "3", "9", None]),
        pa.array(["1", "1", "2", "3", "9", None], pa.large_string()),
        pa.array(["1", "1", "2", "3", "9", None], pa.string_view()),
        pa.array([1, 1, 2, 3, 9, None]),
        pa.array([1.0, 1.0, 2.0, 3.0, 9.0, NAN]),
        pa.array([1.0, 1.0, 2.0, 3.0, 9.0, NAN], pa.float32()),
        pa.array([Decimal("1.0"), Decimal("1.0"), Decimal(2), Decimal(3), Decimal(9), None]),
        pa.array(["1", "1", "2", "3", "9", None]).dictionary_encode(),
        pa.array([1.0, 1.0, 2.0, 3.0, 9.0, NAN]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(
            pa.array([0, 1, 2, 3, 4, 5]), pa.array(["1", "1", "2", "3", "9", None])
        ),
    ],
    ids=lambda a: str(a.type),
)
def test_levels_of_every_type_count_alike(array) -> None:
    profile = profile_categorical(array, LEVELS)
    assert profile.counts.tolist() == [2, 1]
    assert (profile.other, profile.unseen, profile.nulls, profile.rows) == (1, 1, 1, 6)


@pytest.mark.parametrize("encode", [False, True], ids=["plain", "dictionary"])
@pytest.mark.parametrize("kind", [pa.string(), pa.int64()], ids=str)
def test_many_levels_count_as_few_do(encode, kind) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3000, 5000)
    reference = {str(i): (100 if i < 500 else 3) for i in range(2000)}
    grid = fit_categorical(reference, salt="s", max_levels=300)
    array = pa.array(values).cast(kind)
    profile = profile_categorical(array.dictionary_encode() if encode else array, grid)
    kept = [int(level) for level in grid.levels]
    assert profile.counts.tolist() == np.bincount(values, minlength=3000)[kept].tolist()
    assert profile.unseen == np.sum(values >= 2000)
    assert profile.other == 5000 - profile.unseen - profile.counts.sum()


def test_a_small_slice_of_a_large_dictionary() -> None:
    big = pa.array([f"v{i}" for i in range(10_000)]).dictionary_encode()
    grid = fit_categorical({"v9000": 30}, salt="s")
    profile = profile_categorical(big[8999:9002], grid)
    assert (profile.counts.tolist(), profile.unseen, profile.rows) == ([1], 2, 3)


def test_levels_that_are_no_text() -> None:
    assert count_levels(pa.array([True, False, None, True])) == {"true": 2, "false": 1}
    assert count_levels(pa.array([date(2024, 2, 1)])) == {"2024-02-01": 1}
    assert count_levels(pa.array([0.1, -0.0, 0.0], pa.float32())) == {"0.1": 1, "0": 2}
    assert count_levels(pa.array([[1], [1], None])) == {"[1]": 2}
    assert count_levels(pa.nulls(2)) == {}
    assert count_levels(pa.array([b"a", b"\xff"])) == {"a": 1, "\\xff": 1}


def test_an_all_null_category() -> None:
    grid = fit_categorical({}, salt="s")
    profile = profile_categorical(pa.array([None, None, "x"], pa.string()), grid)
    assert (profile.counts.tolist(), profile.nulls, profile.unseen) == ([], 2, 1)
