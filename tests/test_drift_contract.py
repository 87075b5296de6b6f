"""What every drift method promises; a method added to the table is tested by being there."""

import math
import warnings

import numpy as np
import pyarrow as pa
import pytest

from monitoring_sdk.drift.methods import DEFAULTS, METHODS, drift, page_floor
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.profile.categorical import count_levels
from monitoring_sdk.profile.grid import fit_categorical, fit_numeric
from monitoring_sdk.profile.profile import profile_column

NAN, INF = math.nan, math.inf
RNG = np.random.default_rng(11)
HUGE = 1.7e308

NUMBERS = {
    "smooth": RNG.normal(size=400),
    "shifted": RNG.normal(1.0, 1, 300),
    "atoms": np.concatenate([np.zeros(200), RNG.exponential(size=200)]),
    "constant": np.full(50, 3.0),
    "other constant": np.full(50, 4.0),
    "tiny variance": 1e9 + RNG.normal(0, 1e-5, 200),
    "binary": np.repeat([0.0, 1.0], [55, 45]),
    "one row": np.array([0.5]),
    "with nan": np.append(RNG.normal(size=100), [NAN] * 7),
    "with inf": np.append(RNG.normal(size=100), [INF, INF, -INF]),
    "infinite": np.array([INF, -INF, INF]),
    "all nan": np.full(9, NAN),
    "all null": None,
    "empty": np.array([]),
    "huge": np.array([-HUGE, 0.0, HUGE, HUGE]),
}
WORDS = {
    "plain": ["a"] * 60 + ["b"] * 30 + ["c"] * 25,
    "moved": ["a"] * 20 + ["b"] * 80 + [None] * 5,
    "unseen": ["a"] * 50 + ["new"] * 50,
    "all unseen": ["new"] * 5,
    "one level": ["a"] * 40,
    "rare": ["a"] * 40 + ["b", "c", "d"],
    "all rare": ["a", "b", "c"],
    "binary": ["0"] * 55 + ["1"] * 45,
    "all null": [None] * 4,
    "empty": [],
}
SAMPLES = [("numeric", name) for name in NUMBERS] + [("categorical", name) for name in WORDS]


def array_of(kind: str, name: str) -> pa.Array:
    if kind == "categorical":
        return pa.array(WORDS[name], pa.string())
    values = NUMBERS[name]
    return pa.nulls(6, pa.float64()) if values is None else pa.array(values)


def grid_of(kind: str, name: str):
    array = array_of(kind, name)
    if kind == "categorical":
        return fit_categorical(count_levels(array), salt="s")
    return fit_numeric(array.to_numpy(zero_copy_only=False))


def profile_of(kind: str, name: str, grid, take=slice(None)):
    array = array_of(kind, name)
    return profile_column(array.take(pa.array(np.arange(len(array))[take])), grid, name)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("kind", "name"), SAMPLES)
def test_nothing_is_far_from_itself(method, kind, name) -> None:
    grid = grid_of(kind, name)
    profile = profile_of(kind, name, grid)
    value = drift(method, profile, profile, grid)
    if METHODS[method].family == "drift":
        assert value.value in (0.0, None)
        if not value.defined:
            assert value.reason
    if method == "unseen_share" and value.defined:
        assert value.value == 0.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("kind", "one"), SAMPLES)
def test_every_pair_gives_a_number_or_a_reason(method, kind, one) -> None:
    grid = grid_of(kind, one)
    for two in NUMBERS if kind == "numeric" else WORDS:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reference, current = profile_of(kind, one, grid), profile_of(kind, two, grid)
            value = drift(method, reference, current, grid)
        if value.defined:
            assert math.isfinite(value.value), two
            assert value.value >= 0, two
            assert value.bound is None or (math.isfinite(value.bound) and value.bound >= 0), two
            assert value.p_value is None or 0 <= value.p_value <= 1, two
            assert 0 < value.n <= current.rows, two
        else:
            assert value.reason, two


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("kind", "one"), SAMPLES)
def test_neither_row_order_nor_splitting_changes_a_value(method, kind, one) -> None:
    grid = grid_of(kind, one)
    reference = profile_of(kind, one, grid)
    for two in NUMBERS if kind == "numeric" else WORDS:
        whole = profile_of(kind, two, grid)
        turned = profile_of(kind, two, grid, slice(None, None, -1))
        parts = profile_of(kind, two, grid, slice(0, 3)).merge(
            profile_of(kind, two, grid, slice(3, None))
        )
        expected = drift(method, reference, whole, grid)
        assert drift(method, reference, turned, grid) == expected, two
        merged = drift(method, reference, parts, grid)
        assert merged.reason == expected.reason, two
        assert merged.defined == expected.defined, two
        if expected.defined:
            assert merged.value == pytest.approx(expected.value, rel=1e-12, abs=1e-12), two


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("kind", "empty"), [(k, n) for k, n in SAMPLES if n == "empty"])
def test_an_empty_window_is_undefined(method, kind, empty) -> None:
    full = "smooth" if kind == "numeric" else "plain"
    grid = grid_of(kind, full)
    value = drift(method, profile_of(kind, full, grid), profile_of(kind, empty, grid), grid)
    assert value.value is None
    assert value.reason
    assert value.n == 0


@pytest.mark.parametrize("method", [m for m, row in METHODS.items() if row.family == "drift"])
@pytest.mark.parametrize("void", ["all null", "all nan"])
def test_a_window_without_values_is_undefined(method, void) -> None:
    grid = grid_of("numeric", "smooth")
    reference, current = profile_of("numeric", "smooth", grid), profile_of("numeric", void, grid)
    assert "current window" in drift(method, reference, current, grid).reason
    empty = grid_of("numeric", void)
    reference, current = profile_of("numeric", void, empty), profile_of("numeric", "smooth", empty)
    assert "reference" in drift(method, reference, current, empty).reason


@pytest.mark.parametrize(
    ("method", "kind"),
    [(m, k) for m, row in METHODS.items() for k in sorted(row.kinds) if row.family == "drift"],
)
def test_a_change_is_seen(method, kind) -> None:
    one, two = ("smooth", "shifted") if kind == "numeric" else ("plain", "moved")
    grid = grid_of(kind, one)
    reference = profile_of(kind, one, grid)
    value = drift(method, reference, profile_of(kind, two, grid), grid)
    assert value.value > 2 * page_floor(method, reference)


@pytest.mark.parametrize("method", [m for m, row in METHODS.items() if row.family == "drift"])
@pytest.mark.parametrize(("one", "two"), [("constant", "other constant"), ("binary", "constant")])
def test_a_change_of_a_nearly_constant_column_is_seen(method, one, two) -> None:
    grid = grid_of("numeric", one)
    reference = profile_of("numeric", one, grid)
    value = drift(method, reference, profile_of("numeric", two, grid), grid)
    if method == "wasserstein_sd" and one == "constant":
        assert "constant" in value.reason
    else:
        assert value.value >= 0.5


@pytest.mark.parametrize("method", METHODS)
def test_a_row_of_the_table_is_complete(method) -> None:
    row = METHODS[method]
    assert row.name == method
    assert row.kinds <= {"numeric", "categorical"}
    assert row.kinds
    assert row.noise in (0.0, 0.5, 1.0)
    assert row.floor >= 0
    assert row.unit
    assert row.description


def test_defaults_are_methods_of_their_kind() -> None:
    for kind, names in DEFAULTS.items():
        assert all(kind in METHODS[name].kinds for name in names)


def test_an_unknown_method_is_named_with_the_nearest() -> None:
    grid = grid_of("numeric", "smooth")
    profile = profile_of("numeric", "smooth", grid)
    with pytest.raises(ConfigError, match="did you mean wasserstein"):
        drift("waserstein", profile, profile, grid)
