"""Segments and versions: every row in one segment, and slices that add up to the whole."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.grid import Grid, fit_categorical, fit_numeric
from monitoring_sdk.profile.levels import canonical_level
from monitoring_sdk.profile.profile import Profile, profile_batches
from monitoring_sdk.profile.segments import (
    MAX_SEGMENTS,
    Segmentation,
    count_crossings,
    fit_segmentation,
    level_codes,
)
from monitoring_sdk.profile.sliced import SlicedBuilder, Slicing

# --- Which row is where ---------------------------------------------------------------------------

texts = st.sampled_from(["a", "b", "other", "a,k=b", "x/y]", "", "é", None])
numbers = st.sampled_from([1, 2, 30, None])
floats = st.sampled_from([1.0, 2.5, float("nan"), None])
FORMS: list[tuple[Any, pa.DataType]] = [
    (texts, pa.string()),
    (texts, pa.large_string()),
    (texts, pa.string_view()),
    (texts, pa.dictionary(pa.int8(), pa.string())),
    (numbers, pa.int16()),
    (floats, pa.float32()),
    (st.sampled_from([True, False, None]), pa.bool_()),
]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    count = draw(st.integers(0, 30))
    arrays = {}
    for name in ("k", "l", "m")[: draw(st.integers(1, 3))]:
        values, kind = draw(st.sampled_from(FORMS))
        column = draw(st.lists(values, min_size=count, max_size=count))
        arrays[name] = (
            pa.array(column, pa.string()).cast(kind) if values is texts else pa.array(column, kind)
        )
    return pa.table(arrays)


def crossings(table: pa.Table) -> list[tuple[str, ...] | None]:
    """Say each row's crossing the slow way."""
    rows = zip(*(table.column(c).to_pylist() for c in table.column_names), strict=True)
    return [
        None
        if any(v is None or v != v for v in row)
        else tuple(canonical_level(np.float32(v) if isinstance(v, float) else v) for v in row)
        for row in rows
    ]


@settings(max_examples=100)
@given(tables(), st.integers(1, 4))
def test_every_row_is_in_the_segment_that_its_levels_name(table: pa.Table, least: int) -> None:
    names = table.column_names
    slow = crossings(table)
    counts = count_crossings(table.column, names)
    assert counts == Counter(c for c in slow if c is not None)
    found = fit_segmentation(names, counts, least=least)
    assert all(counts[c] >= least for c in found.kept)
    places = found.assign(table.column)
    expected = [found.kept.index(c) if c in found.kept else len(found.kept) for c in slow]
    assert places.tolist() == expected
    assert len(set(found.keys)) == len(found.kept) + 1
    assert Segmentation.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_the_most_frequent_are_kept_and_the_rest_is_other() -> None:
    counts = {(f"l{i:02d}",): 1000 - i for i in range(50)}
    found = fit_segmentation(["k"], counts, least=30)
    assert len(found.kept) == MAX_SEGMENTS
    assert (found.kept[0], found.kept[-1]) == (("l00",), ("l19",))
    assert found.segments[-1] == {"k": "other"}
    assert fit_segmentation(["k"], counts, least=5000).kept == ()


def test_a_level_called_other_is_not_the_rest() -> None:
    found = fit_segmentation(["k"], {("other",): 90, ("a",): 80, ("b",): 2}, least=30)
    assert [s["k"] for s in found.segments] == ["other", "a", "(other)"]
    places = found.assign(pa.table({"k": ["b", "other", None]}).column)
    assert [found.segments[i]["k"] for i in places] == ["(other)", "other", "(other)"]


def test_no_two_segments_share_a_name() -> None:
    found = fit_segmentation(["k", "l"], {("a,l=b", "c"): 90, ("a", "b,l=c"): 80}, least=1)
    assert len(found.kept) == 1


def test_lists_are_no_level_that_the_reference_had() -> None:
    assert level_codes(pa.array([[1], [2]]), ["1"], "k").tolist() == [1, 1]


# --- The same pass --------------------------------------------------------------------------------

GRID = Grid(
    {
        "x": fit_numeric(np.arange(50.0)),
        "kind": fit_categorical({"u": 60, "v": 40}, salt="s"),
        "y": fit_numeric(np.linspace(0, 1, 30)),
    }
)
BY = Slicing((Segmentation(("k",), (("a",), ("b",))), Segmentation(("k", "l"), (("a", "p"),))))
VERSIONS = Slicing(BY.segmentations, "version", "7", ("8",), ("y",))


@st.composite
def batches(draw: st.DrawFn) -> list[pa.RecordBatch]:
    found = []
    for _ in range(draw(st.integers(1, 4))):
        n = draw(st.integers(0, 20))
        column = lambda values: draw(st.lists(values, min_size=n, max_size=n))  # noqa: B023, E731
        found.append(
            pa.record_batch(
                {
                    "x": pa.array(column(st.floats(-5, 60) | st.none()), pa.float64()),
                    "kind": pa.array(column(st.sampled_from(["u", "v", "w", None])), pa.string()),
                    "y": pa.array(column(st.floats(0, 1)), pa.float64()),
                    "k": pa.array(column(st.sampled_from(["a", "b", "c", None])), pa.string()),
                    "l": pa.array(column(st.sampled_from(["p", "q"])), pa.string()),
                    "version": pa.array(column(st.sampled_from(["7", "8", "9"])), pa.string()),
                }
            )
        )
    return found


def sliced(found: list[pa.RecordBatch], slicing: Slicing) -> Profile:
    builder = SlicedBuilder(GRID, slicing)
    for batch in found:
        builder.add(batch)
    return builder.result()


def same(one: Profile, other: Profile) -> None:
    """Compare counts exactly, and moments but for rounding."""
    assert (one.rows, one.columns.keys(), one.slices.keys()) == (
        other.rows,
        other.columns.keys(),
        other.slices.keys(),
    )
    for name in one.columns:
        a, b = one.columns[name].to_dict(), other.columns[name].to_dict()
        moments = {k: a.pop(k) for k in ("deviation", "m2") if k in a}
        assert [b.pop(k) for k in moments] == pytest.approx(
            list(moments.values()), rel=1e-9, abs=1e-9
        )
        assert a == b
    for key in one.slices:
        same(one.slices[key], other.slices[key])


@settings(max_examples=30)
@given(batches(), st.sampled_from([BY, VERSIONS]))
def test_batches_add_up_whatever_their_cut(found: list[pa.RecordBatch], slicing: Slicing) -> None:
    whole = sliced(found, slicing)
    table = pa.Table.from_batches(found).combine_chunks()
    same(whole, sliced(table.to_batches(), slicing))
    total = sliced([], slicing)
    for batch in found:
        total = total.merge(sliced([batch], slicing))
    same(whole, total)
    assert Profile.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole


@settings(max_examples=30)
@given(batches(), st.sampled_from([BY, VERSIONS]))
def test_the_segments_of_a_segmentation_are_the_whole(
    found: list[pa.RecordBatch], slicing: Slicing
) -> None:
    whole = sliced(found, slicing)
    for segmentation in slicing.segmentations:
        total = Profile(0, sliced([], slicing).columns)
        for key in segmentation.keys:
            if key in whole.slices:
                total = total.merge(whole.slices[key])
        same(total, Profile(whole.rows, whole.columns))


@settings(max_examples=30)
@given(batches())
def test_what_a_version_writes_is_counted_with_its_own_rows(found: list[pa.RecordBatch]) -> None:
    whole, table = sliced(found, VERSIONS), pa.Table.from_batches(found)
    count = Counter(table.column("version").to_pylist())
    assert whole.rows == whole.columns["x"].rows == table.num_rows
    assert whole.columns["y"].rows == count["7"]
    champion = table.filter(pc.equal(table["version"], "7")).select(["y"])
    alone = profile_batches(champion.to_batches(), Grid({"y": GRID.columns["y"]}))
    same(Profile(0, {"y": alone.columns["y"]}), Profile(0, {"y": whole.columns["y"]}))
    shadow = whole.slices.get("#8")
    assert (shadow.rows if shadow else 0) == count["8"]
    assert "@9" not in whole.slices


def test_a_column_that_is_missing_costs_its_own_slices_only() -> None:
    batch = pa.record_batch({"x": [1.0], "kind": ["u"], "y": [0.5], "k": ["a"], "version": ["7"]})
    builder = SlicedBuilder(GRID, VERSIONS, missing_ok=True)
    builder.add(batch)
    found = builder.result()
    assert set(found.problems) == {"k x l"}
    assert set(found.slices) == {"[k=a]"}
    with pytest.raises(SourceError, match="'l' is missing"):
        SlicedBuilder(GRID, VERSIONS).add(batch)


def test_without_the_version_nobody_knows_whose_a_prediction_is() -> None:
    batch = pa.record_batch({"x": [1.0], "kind": ["u"], "y": [0.5], "k": ["a"], "l": ["p"]})
    builder = SlicedBuilder(GRID, VERSIONS, missing_ok=True)
    builder.add(batch)
    found = builder.result()
    assert set(found.problems) == {"version", "y"}
    assert set(found.columns) == {"x", "kind"}
    assert found.columns["x"].rows == 1
