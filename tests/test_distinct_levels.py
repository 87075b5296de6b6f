"""Columns with many levels: how many there are, and that nothing pages while nothing changes."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitoring_sdk.alarms.provisional import ReferenceSeries, limits
from monitoring_sdk.drift.levels import settle, unseen_elsewhere
from monitoring_sdk.drift.methods import DEFAULTS, METHODS, drift, page_floor
from monitoring_sdk.profile.categorical import (
    CategoricalProfile,
    count_levels,
    empty_categorical,
    profile_categorical,
)
from monitoring_sdk.profile.distinct import KEPT, distinct, distinct_beyond, sketch, union
from monitoring_sdk.profile.grid import CategoricalGrid, fit_categorical
from monitoring_sdk.profile.profile import Profile

BASELINE = Path(__file__).parent.parent / "baselines" / "flights" / "v1"


@pytest.mark.parametrize("size", [0, 1, KEPT - 1, KEPT, KEPT + 1, 700, 20_000])
def test_a_sketch_is_the_same_however_its_values_were_put_together(size) -> None:
    values = [f"v{i}" for i in range(size)]
    parts = [values[i::5] + values[:40] for i in range(5)]
    random.Random(size).shuffle(parts)
    merged = b""
    for part in parts:
        merged = union(merged, sketch(part))
    assert merged == sketch(values) == sketch(reversed(values * 2))
    found = distinct(merged)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(size, rel=0.0 if size <= KEPT else 0.15)
    assert found.exact == (size <= KEPT)


def test_estimates_are_as_good_as_they_say() -> None:
    found = [distinct(sketch(f"{seed}/{i}" for i in range(5000))) for seed in range(60)]
    errors = np.array([f.value for f in found]) / 5000 - 1
    assert abs(errors.mean()) < 0.02
    assert errors.std() == pytest.approx(KEPT**-0.5, rel=0.3)
    assert sum(f.low <= 5000 <= f.high for f in found) >= 54


def test_what_is_new_is_told_from_what_was_there() -> None:
    old, new = sketch(f"v{i}" for i in range(3000)), sketch(f"v{i}" for i in range(2000, 6000))
    assert distinct_beyond(new, old).value == pytest.approx(3000, rel=0.2)
    assert distinct_beyond(old, old).value == 0.0
    assert distinct_beyond(b"", old).value == 0.0
    assert distinct_beyond(sketch(["a"]), b"").value == 1.0


def test_bytes_that_are_no_sketch_are_refused() -> None:
    with pytest.raises(ValueError, match="damaged"):
        distinct(b"\x00\x01")


GRID = fit_categorical({"a": 500, "b": 300, **{f"r{i}": 1 for i in range(200)}}, salt="s")


def column(*values: str | None) -> CategoricalProfile:
    return profile_categorical(pa.array(values, pa.string()), GRID)


def test_a_profile_counts_kept_rare_and_unseen_levels() -> None:
    profile = column("a", "a", "r1", "r2", "r1", "new", None)
    assert profile.distinct is not None
    assert profile.distinct.value == 4.0
    assert empty_categorical(GRID).distinct.value == 0.0
    more = profile.merge(column("b", "r2", "newer")).merge(empty_categorical(GRID))
    assert more.distinct.value == 6.0
    again = CategoricalProfile.from_dict(json.loads(json.dumps(more.to_dict())))
    assert again == more
    assert again.distinct == more.distinct


def test_levels_are_not_in_the_sketch_by_name() -> None:
    other = dataclasses.replace(GRID, salt="another")
    rows = pa.array(["iban"])
    assert profile_categorical(rows, GRID).tail != profile_categorical(rows, other).tail


def test_profiles_of_an_older_version_still_load_and_add() -> None:
    data = {k: v for k, v in column("a", "r1").to_dict().items() if k != "tail"}
    old = CategoricalProfile.from_dict(data)
    assert old.distinct is None
    assert old.merge(column("a")).distinct is None
    assert old.merge(column("a")).counts.tolist() == [2, 0]
    value = drift("distinct_ratio", old, column("a"), GRID)
    assert "before distinct levels" in value.reason
    plain = CategoricalProfile.from_dict(column("a", "b").to_dict())  # nothing but kept levels
    assert plain.distinct.value == 2.0
    stored = json.loads((BASELINE / "profile.json").read_text())
    assert Profile.from_dict(stored).to_dict() == stored


def test_the_ratio_sees_an_id_that_collapses_and_one_that_bursts() -> None:
    rng = np.random.default_rng(5)
    customers = np.array([f"c{i}" for i in range(2000)])
    before = pa.array(customers[rng.integers(0, 2000, 8000)])
    grid = fit_categorical(count_levels(before), salt="s")
    reference = profile_categorical(before, grid)

    def ratio(values) -> float:
        return drift("distinct_ratio", reference, profile_categorical(values, grid), grid).value

    for n in (200, 1000, 5000):
        assert ratio(pa.array(customers[rng.integers(0, 2000, n)])) == pytest.approx(1, abs=0.12)
    assert ratio(pa.array(["c1"] * 1000)) < 0.01
    assert ratio(pa.array(customers[rng.integers(0, 50, 1000)])) < 0.1
    assert ratio(pa.array([f"session{i}" for i in range(5000)])) > 2


def test_the_ratio_of_a_few_levels_counts_those_that_are_gone() -> None:
    grid = fit_categorical({"a": 500, "b": 300, "c": 200}, salt="s")
    reference = CategoricalProfile(1000, 0, np.array([500, 300, 200]), 0, 0)
    now = profile_categorical(pa.array(["a", "b"] * 50), grid)
    assert drift("distinct_ratio", reference, now, grid).value == pytest.approx(2 / 3, abs=1e-6)


def test_levels_too_rare_for_a_window_share_a_cell() -> None:
    counts = {"a": 900, "b": 80, "c": 20}
    grid = fit_categorical(counts, salt="s", smallest=100)
    assert (grid.levels, grid.apart) == (("a", "b", "c"), 2)
    assert CategoricalGrid.from_dict(json.loads(json.dumps(grid.to_dict()))) == grid
    whole = fit_categorical(counts, salt="s")
    assert "apart" not in whole.to_dict()
    reference = CategoricalProfile(1000, 0, np.array([900, 80, 20]), 0, 0)
    moved = CategoricalProfile(100, 0, np.array([90, 8, 1]), 0, 1)
    assert drift("psi", reference, moved, grid).value == pytest.approx(0, abs=1e-12)
    assert drift("l_infinity", reference, moved, whole).value == pytest.approx(
        0.02 - 0.02, abs=0.03
    )


def test_a_new_level_that_takes_over_is_still_seen() -> None:
    reference = column(*["a"] * 50, *["b"] * 30, *[f"r{i}" for i in range(20)])
    now = column(*["a"] * 25, *["b"] * 15, *["new"] * 60)
    assert drift("psi", reference, now, GRID).value > 0.5
    assert drift("total_variation", reference, now, GRID).value == pytest.approx(0.4)


def test_a_column_of_ids_has_no_shares_to_compare() -> None:
    grid = fit_categorical({f"id{i}": 1 for i in range(3000)}, salt="s")
    profile = profile_categorical(pa.array(["id1", "id2"]), grid)
    assert "frequent enough" in drift("psi", profile, profile, grid).reason


def test_rows_of_levels_that_no_other_window_has() -> None:
    windows = [column("a", "r1", "r2"), column("a", "r1"), column("a", "b", "r3", "r4")]
    found = [v.value for v in unseen_elsewhere(windows)]
    assert found == pytest.approx([1 / 3, 0.0, 3 / 4])  # b, kept, is in the third alone
    alone = unseen_elsewhere(windows[:1])[0]
    assert "no other" in alone.reason
    empty = unseen_elsewhere([*windows, column(None)])[3]
    assert (empty.value, empty.n) == (None, 0)
    old = dataclasses.replace(windows[0], tail=None)
    assert "before" in unseen_elsewhere([old, windows[1]])[0].reason


NAMES = np.array([f"L{i}" for i in range(5000)])
ZIPF = 1 / np.arange(1, 5001)
REFERENCE, LATER = 40, 40


def stream(kind: str, n: int, seed: int) -> list[pa.Array]:
    rng = np.random.default_rng(seed)
    share = ZIPF / ZIPF.sum() if kind == "zipf" else None
    if kind == "new":
        return [pa.array([f"{w}/{i // 3}" for i in range(n)]) for w in range(REFERENCE + LATER)]
    return [pa.array(rng.choice(NAMES, n, p=share)) for _ in range(REFERENCE + LATER)]


def pages(kind: str, n: int, seed: int) -> tuple[int, int]:
    """Return how many of the later windows page, by two running or one far, and how many could."""
    windows = stream(kind, n, seed)
    counts: Counter[str] = Counter()
    for w in windows[:REFERENCE]:
        counts.update(count_levels(w))
    grid = fit_categorical(counts, salt="s", smallest=n)
    reference = [profile_categorical(w, grid) for w in windows[:REFERENCE]]
    own = unseen_elsewhere(reference)
    grid = settle(grid, reference)
    total = empty_categorical(grid)
    for profile in reference:
        total = total.merge(profile)
    later = [profile_categorical(w, grid) for w in windows[REFERENCE:]]
    paged = judged = 0
    for method in (*DEFAULTS["categorical"], "distinct_ratio"):
        row = METHODS[method]
        before = [drift(method, total, p, grid) for p in reference]
        if method == "unseen_share" and grid.closed:
            before = list(own)
        series = ReferenceSeries(tuple(v.value for v in before), tuple(v.n or 0 for v in before))
        passed = False
        for profile in later:
            value = drift(method, total, profile, grid)
            if value.value is None:
                continue
            found = limits(
                series,
                n=value.n,
                direction=row.direction,
                noise=row.noise,
                floor=page_floor(method, total),
                centred=row.family == "quality",
            )
            near = any(limit.passed(value.value) for limit in found)
            paged += (near and passed) or any(limit.far_passed(value.value) for limit in found)
            judged += bool(found)
            passed = near
    return paged, judged


@pytest.mark.parametrize("n", [500, 5000])
@pytest.mark.parametrize("kind", ["zipf", "uniform", "new"])
def test_thousands_of_levels_and_no_change_do_not_page(kind, n) -> None:
    found = [pages(kind, n, seed) for seed in range(3)]
    paged, judged = (sum(x) for x in zip(*found, strict=True))
    assert judged >= 3 * 2 * LATER  # the shares of nulls and the distinct levels at the least
    assert paged == 0


def test_ids_of_each_window_open_the_grid_and_a_closed_set_stays_closed() -> None:
    windows = stream("new", 300, 0)[:5]
    counts = Counter(level for w in windows for level in w.to_pylist())
    grid = fit_categorical(counts, salt="s")
    profiles = [profile_categorical(w, grid) for w in windows]
    assert [v.value for v in unseen_elsewhere(profiles)] == pytest.approx([1.0] * 5)
    opened = settle(grid, profiles)
    assert not opened.closed
    assert profile_categorical(windows[0], opened) == profiles[0]
    later = profile_categorical(pa.array(["never seen"]), opened)
    assert "too many levels" in drift("unseen_share", profiles[0], later, opened).reason
    few = [column("a", "b", "r1")] * 4
    assert settle(GRID, few) is GRID
    assert settle(GRID, []) is GRID
