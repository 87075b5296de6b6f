"""Where a grid puts its edges, and what it keeps of levels."""

import json
import math
import sys
import warnings
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_sdk.profile.grid import (
    CategoricalGrid,
    NumericGrid,
    canonical_level,
    fit_categorical,
    fit_numeric,
    hash_level,
)


def test_edges_are_the_quantiles_and_deciles_are_among_them() -> None:
    values = np.random.default_rng(0).lognormal(size=4321)
    grid = fit_numeric(values)
    expected = np.quantile(values, np.arange(1, 200) / 200)
    ours = grid.edges[1:-1]
    assert ours == pytest.approx(expected, rel=1e-12)
    deciles = np.unique(np.quantile(values, np.linspace(0, 1, 11)))[1:-1]
    assert grid.edges[grid.deciles].tolist() == deciles.tolist()
    assert grid.edges[0] == values.min()
    assert grid.edges[-1] == np.nextafter(values.max(), np.inf)
    assert grid.atoms.tolist() == []


def test_an_atom_has_a_cell_of_its_own() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([np.zeros(300), rng.exponential(size=694), np.full(6, 2.5)])
    grid = fit_numeric(values)
    lefts = grid.edges[grid.atoms - 1].tolist()
    assert lefts == [0.0, 2.5]
    assert grid.edges[grid.atoms].tolist() == [math.ulp(0.0), np.nextafter(2.5, 9)]


def test_a_value_that_comes_once_in_a_small_reference_is_no_atom() -> None:
    assert fit_numeric([1.0, 2.0, 3.0]).atoms.tolist() == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats() | st.sampled_from([0.0, -0.0, 1.0]), max_size=50))
def test_any_reference_gives_a_grid_that_reads_back(values) -> None:
    grid = fit_numeric(values)
    finite = [v for v in values if math.isfinite(v)]
    assert np.all(np.diff(grid.edges) > 0)
    assert (len(grid.edges) == 0) == (not finite)
    if finite:
        assert grid.edges[0] == min(finite)
        assert grid.edges[-1] == math.nextafter(max(finite), math.inf)
    back = NumericGrid.from_dict(json.loads(json.dumps(grid.to_dict(), allow_nan=False)))
    assert back == grid
    assert fit_numeric(values[::-1]) == grid


def test_edges_of_a_float32_column_cut_where_the_float64_ones_do() -> None:
    grid = fit_numeric(np.random.default_rng(2).normal(size=300))
    values = np.random.default_rng(3).normal(size=1000).astype(np.float32)
    values[:10] = grid.edges[:10].astype(np.float32)
    one = [int(np.sum(values.astype(np.float64) < e)) for e in grid.edges]
    two = [int(np.sum(values < e)) for e in grid.edges32]
    assert one == two


def test_the_ends_of_the_float_range_give_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid = fit_numeric([-sys.float_info.max, 0.0, sys.float_info.max])
        assert grid.edges[-1] == math.inf
        assert 0.0 in grid.edges
        assert len(grid.atoms) == 0
        assert np.all(np.isfinite(grid.edges[:-1]))
        assert grid.edges32[-1] == math.inf
        wide = fit_numeric([-sys.float_info.max, sys.float_info.max])
    assert np.all(np.isfinite(wide.edges[:-1]))
    assert wide.edges[wide.deciles][4] == 0.0


def test_decreasing_edges_are_refused() -> None:
    with pytest.raises(ValueError, match="increase"):
        NumericGrid.from_dict({"edges": [1.0, 1.0], "deciles": []})


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (1, "1"), (1.0, "1"), ("1", "1"), (np.int64(1), "1"), (Decimal("1.00"), "1"),
        (Decimal("100"), "100"), (Decimal("1E+2"), "100"), (-0.0, "0"), (True, "true"),
        (np.bool_(False), "false"), (0.5, "0.5"), (Decimal("0.50"), "0.5"),
        (np.float32(0.1), "0.1"), (1e300, "1e+300"), ("1.0", "1.0"), (" a", " a"), ("", ""),
        (b"x", "x"),
    ],
)  # fmt: skip
def test_levels_have_one_text(value, level) -> None:
    assert canonical_level(value) == level


def test_rare_levels_are_kept_as_hashes_alone() -> None:
    grid = fit_categorical({"big": 100, "edge": 20, "rare": 19}, salt="pepper")
    assert grid.levels == ("big", "edge")
    assert grid.is_rare("rare")
    assert not grid.is_rare("new")
    text = json.dumps(grid.to_dict())
    assert '"rare"' not in text.replace('"rare":', "")
    assert hash_level("rare", "pepper") in text
    assert hash_level("rare", "salt") != hash_level("rare", "pepper")
    assert CategoricalGrid.from_dict(json.loads(text)) == grid


def test_levels_are_bounded() -> None:
    counts = {f"l{i:03d}": 1000 - i for i in range(300)}
    grid = fit_categorical(counts, salt="s", max_levels=10, max_rare=1000)
    assert grid.levels == tuple(f"l{i:03d}" for i in range(10))
    assert len(grid.rare) == 290
    assert grid.closed
    tight = fit_categorical(counts, salt="s", max_levels=10, max_rare=100)
    assert not tight.closed
    assert tight.is_rare("whatever")
    assert len(tight.rare) == 0


def test_quantiles_of_denormal_values_beside_huge_ones_stay_inside():
    values = [-1.0000000000000002e150, -2.225073858507e-311, -2.225073858507e-311]
    assert fit_numeric(values).edges[-1] == math.nextafter(values[-1], math.inf)
