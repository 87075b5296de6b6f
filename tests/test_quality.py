"""Expectations: strict to build, never vacuous, never with raw values, quiet without change."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

pytest.importorskip("great_expectations")

from monitoring_sdk.adapters import quality_frames, quality_suite
from monitoring_sdk.adapters.quality import validate
from monitoring_sdk.adapters.quality_generate import generate
from monitoring_sdk.adapters.quality_suite import check_expectations
from monitoring_sdk.config_sections import Expectation
from monitoring_sdk.errors import ConfigError, SourceError
from monitoring_sdk.window import Window

DAY = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
BETWEEN = "expect_column_values_to_be_between"
NOT_NULL = "expect_column_values_to_not_be_null"


def expect(name: str, /, **arguments) -> Expectation:
    return Expectation.model_validate({"type": name, **arguments})


def checks(columns: dict, *expectations: Expectation, **options) -> list:
    series = {name: pd.Series(values) for name, values in columns.items()}
    rows = len(next(iter(series.values())))
    given = {"rows": rows, "columns": list(series), **options}
    return validate(series.__getitem__, expectations, DAY, **given)


def test_a_share_of_rows_beside_its_limit():
    values = [-1.0] * 3 + [5.0] * 97
    strict, loose, warned = checks(
        {"x": values},
        expect(BETWEEN, column="x", min_value=0),
        expect(BETWEEN, column="x", min_value=0, mostly=0.95),
        expect(BETWEEN, column="x", max_value=4.5, severity="warning"),
    )
    assert (strict.status, strict.value, strict.threshold, strict.n) == ("alert", 0.03, 0.0, 100)
    assert strict.reason == "3 of 100 values fall outside [0, inf); none may"
    assert strict.threshold_from == "contract"
    assert strict.pages
    assert (loose.status, loose.value, loose.threshold) == ("ok", 0.03, 0.05)
    assert warned.status == "alert"
    assert not warned.pages


def test_two_of_a_type_on_a_column_have_their_own_keys():
    found = checks(
        {"x": [1.0], "y": [1.0]},
        expect(BETWEEN, column="x", min_value=0),
        expect(BETWEEN, column="y", min_value=0),
        expect(BETWEEN, column="x", max_value=0),
    )
    assert [c.key for c in found] == [
        f"quality/{BETWEEN}/x",
        f"quality/{BETWEEN}/y",
        f"quality/{BETWEEN}#2/x",
    ]
    assert [c.status for c in found] == ["ok", "ok", "alert"]


def test_an_aggregate_beside_the_bound_that_matters():
    low, high, inside = checks(
        {"x": [1.0, 3.0]},
        expect("expect_column_mean_to_be_between", column="x", min_value=2.5, max_value=9),
        expect("expect_column_max_to_be_between", column="x", min_value=0, max_value=2),
        expect("expect_column_sum_to_be_between", column="x", min_value=0, max_value=5),
    )
    assert (low.status, low.value, low.threshold, low.direction) == ("alert", 2.0, 2.5, "below")
    assert (high.status, high.value, high.threshold, high.direction) == ("alert", 3.0, 2.0, "above")
    assert (inside.status, inside.value, inside.reason) == ("ok", 4.0, None)


@pytest.mark.parametrize(
    "values", [[None, None], [np.nan, np.nan], pd.Series([None, None], dtype="str")]
)
def test_a_column_of_nulls_never_passes(values):
    found = checks(
        {"x": values},
        expect(BETWEEN, column="x", min_value=0),
        expect("expect_column_values_to_be_in_set", column="x", value_set=[1]),
        expect("expect_column_values_to_be_unique", column="x"),
        expect("expect_column_mean_to_be_between", column="x", min_value=0),
        expect(NOT_NULL, column="x"),
    )
    assert [c.status for c in found] == ["insufficient"] * 4 + ["alert"]
    assert found[0].reason == f"all {len(values)} rows are null"
    assert found[4].value == 1.0


def test_no_rows_are_no_data_but_can_be_counted():
    found = checks(
        {"x": []},
        expect(BETWEEN, column="x", min_value=0),
        expect(NOT_NULL, column="x"),
        expect("expect_table_row_count_to_be_between", min_value=1),
    )
    assert [c.status for c in found] == ["no_data", "no_data", "alert"]
    assert found[2].value == 0


def test_one_column_that_cannot_be_evaluated_is_an_error_alone():
    secret = "alice@example.com"
    found = checks(
        {"x": [secret, "b"], "y": [1.0, 2.0]},
        expect(BETWEEN, column="x", min_value=0),
        expect("expect_column_mean_to_be_between", column="x", min_value=0),
        expect(BETWEEN, column="y", min_value=0),
        expect(BETWEEN, column="z", min_value=0),
    )
    assert [c.status for c in found] == ["error", "error", "ok", "error"]
    assert all(c.reason and secret not in c.reason for c in found if c.status == "error")
    assert "TypeError" in found[0].reason
    assert found[3].reason == "no column 'z'"


def test_beside_other_columns_each_is_judged_as_alone(monkeypatch):
    columns = {
        "x": [-1.0, 5.0, None, 7.0],
        "y": [0.0, 1.0, 2.0, 3.0],
        "empty": [None] * 4,
        "mixed": pd.Series([1, "a", None, 2.5], dtype=object),
        "level": ["a", "b", "b", None],
    }
    asked = [
        *(expect(BETWEEN, column=name, min_value=0) for name in ("x", "empty", "mixed", "gone")),
        *(expect(NOT_NULL, column=name) for name in ("x", "y", "empty", "mixed")),
        expect("expect_column_values_to_be_in_set", column="level", value_set=["a"]),
        expect("expect_column_pair_values_a_to_be_greater_than_b", column_A="x", column_B="y"),
        expect("expect_table_row_count_to_be_between", min_value=5),
    ]
    together = checks(columns, *asked)
    monkeypatch.setattr(quality_frames, "CELLS_TOGETHER", 0)
    assert together == checks(columns, *asked)
    assert {c.status for c in together} == {"ok", "alert", "error", "insufficient"}


def test_results_hold_no_raw_values():
    secret = "alice@example.com"
    found = checks(
        {"x": [secret, secret, "b"]},
        expect("expect_column_values_to_be_in_set", column="x", value_set=["b"]),
        expect("expect_column_values_to_be_unique", column="x"),
        expect("expect_column_distinct_values_to_be_in_set", column="x", value_set=["b"]),
        expect("expect_column_most_common_value_to_be_in_set", column="x", value_set=["b"]),
        expect("expect_column_values_to_match_regex", column="x", regex="^b$"),
    )
    assert [c.status for c in found] == ["alert"] * 5
    assert secret not in json.dumps([c.to_dict() for c in found])


def test_infinity_is_told_and_is_no_number():
    (check,) = checks(
        {"x": [1.0, np.inf]},
        expect("expect_column_mean_to_be_between", column="x", min_value=0, max_value=9),
    )
    assert (check.status, check.value) == ("alert", None)
    assert check.reason == "the mean is inf, outside [0, 9]"


def test_expectations_on_several_columns_and_on_the_table():
    columns = {"a": [1, 2, 3], "b": [0, 2, 5], "c": ["x", "x", "y"], "d": [1, 1, 2]}
    found = checks(
        columns,
        expect("expect_column_pair_values_a_to_be_greater_than_b", column_A="a", column_B="b"),
        expect("expect_compound_columns_to_be_unique", column_list=["c", "d"]),
        expect("expect_compound_columns_to_be_unique", column_list=["a", "d"]),
        expect("expect_table_row_count_to_be_between", min_value=3, max_value=3),
        expect("expect_table_columns_to_match_set", column_set=list("abcd")),
        expect("expect_column_to_exist", column="e"),
        expect("expect_column_type_to_be", column="a", type_="int64"),
    )
    assert [c.status for c in found] == ["alert", "alert", "ok", "ok", "ok", "alert", "ok"]
    assert found[0].value == pytest.approx(2 / 3)
    assert found[1].value == pytest.approx(2 / 3)
    assert [c.name for c in found[1:3]] == [
        "expect_compound_columns_to_be_unique",
        "expect_compound_columns_to_be_unique#2",
    ]


def test_unknown_types_and_arguments_are_refused_together():
    with pytest.raises(ConfigError) as caught:
        check_expectations(
            [
                expect("expect_column_values_to_be_betwen", column="x"),
                expect(BETWEEN, column="x", min_valu=0),
                expect(BETWEEN, column="x"),
                expect(NOT_NULL),
                expect(NOT_NULL, column="x", mostly=1.5),
                expect("unexpected_rows_expectation", unexpected_rows_query="DROP TABLE x"),
                expect(BETWEEN, column="x", min_value=0, row_condition="x > 1"),
                expect(BETWEEN, column="x", min_value=0),
            ]
        )
    lines = caught.value.problems
    assert [int(line.split(".")[1].split(":")[0]) for line in lines[:2]] == [0, 1]
    assert f"did you mean {BETWEEN}?" in lines[0]
    assert "did you mean min_value?" in lines[1]
    assert {line.split(".")[1].split(":")[0] for line in lines} == set("0123456")
    with pytest.raises(ConfigError):
        checks({"x": [1]}, expect("expect_nothing", column="x"))


def test_generated_ones_look_at_a_sample_and_declared_ones_at_every_row():
    values = np.zeros(1000)
    values[501] = -1.0
    declared, generated = checks(
        {"x": values},
        expect(BETWEEN, column="x", min_value=0),
        generated=[
            expect("expect_column_mean_to_be_between", column="x", min_value=0, severity="warning"),
            expect(BETWEEN, column="x", min_value=-5, severity="warning"),
        ],
        sample_rows=100,
    )
    assert (declared.status, declared.value, declared.n) == ("alert", 0.001, 1000)
    assert (generated.status, generated.n, generated.value) == ("ok", 100, 0.0)
    assert generated.reason == "on a systematic sample of 100 of 1 000 rows"
    assert generated.threshold_from == "provisional"


def test_arrow_columns_are_taken_as_they_are():
    columns = {
        "n": pa.chunked_array([[1, None], [3]]),
        "c": pa.array(["a", "b", "a"]).dictionary_encode(),
    }
    expectations = [
        expect(BETWEEN, column="n", min_value=1, max_value=3),
        expect("expect_column_values_to_be_in_set", column="c", value_set=["a"]),
    ]
    found = validate(columns.__getitem__, expectations, DAY)
    assert [(c.status, c.value) for c in found] == [("ok", 0.0), ("alert", pytest.approx(1 / 3))]


def test_a_source_that_breaks_is_an_error_with_its_words():
    def broken(name):
        raise SourceError("a.parquet: cannot be read")

    (check,) = validate(broken, [expect(NOT_NULL, column="x")], DAY)
    assert (check.status, check.reason) == ("error", "a.parquet: cannot be read")


def test_it_is_silent(capfd, caplog):
    with caplog.at_level(logging.INFO):
        checks({"x": ["a"]}, expect(BETWEEN, column="x", min_value=0))
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert [r for r in caplog.records if r.name.startswith("great_expectations")] == []


def reference(rng, n: int) -> dict[str, pd.Series]:
    levels = ["a", "b", "01", "1", *(f"rare{i}" for i in range(40))]
    shares = np.array([0.5, 0.3, 0.1, 0.092, *[0.0002] * 40])
    skewed = rng.lognormal(size=n)
    skewed[rng.random(n) < 0.03] = np.nan
    return {
        "normal": pd.Series(rng.normal(size=n)),
        "skewed": pd.Series(skewed),
        "zeros": pd.Series(np.where(rng.random(n) < 0.9, 0.0, rng.exponential(size=n))),
        "flag": pd.Series(rng.random(n) < 0.2),
        "constant": pd.Series(np.full(n, 0.1)),
        "level": pd.Series(rng.choice(levels, n, p=shares / shares.sum())),
    }


KINDS = {
    **dict.fromkeys(("normal", "skewed", "zeros", "flag", "constant"), "numeric"),
    "level": "categorical",
}


def breaks(expectation: Expectation, values: pd.Series) -> bool:
    """Judge a generated expectation without Great Expectations, which takes 5 ms for each."""
    given, known = expectation.arguments, values.dropna()
    if expectation.type == NOT_NULL:
        return values.notna().mean() < given["mostly"]
    if expectation.type == "expect_column_mean_to_be_between":
        return not given["min_value"] <= known.mean() <= given["max_value"]
    if expectation.type == BETWEEN:
        return known.between(given["min_value"], given["max_value"]).mean() < given["mostly"]
    return known.isin(given["value_set"]).mean() < given["mostly"]


@pytest.mark.parametrize("rows", [60, 900])
def test_generated_ones_are_quiet_in_200_windows_without_change(rows):
    rng = np.random.default_rng(20130603)
    suite = generate(reference(rng, 60 * rows), KINDS, [rows])
    assert len(suite) >= 14
    loud = []
    for number in range(200):
        window = reference(rng, rows)
        loud += [(number, e) for e in suite if breaks(e, window[e.column])]
    assert loud == []


def test_great_expectations_judges_generated_ones_alike():
    rng = np.random.default_rng(7)
    suite = generate(reference(rng, 20_000), KINDS, 900)
    for window in (reference(rng, 900), changed(rng)):
        found = validate(window.__getitem__, (), DAY, generated=suite)
        assert [c.exceeded for c in found] == [breaks(e, window[e.column]) for e in suite]


def changed(rng) -> dict[str, pd.Series]:
    window = reference(rng, 900)
    window["normal"] = window["normal"] + 1.0
    window["skewed"] = window["skewed"].where(rng.random(900) < 0.7)
    window["zeros"] = window["zeros"] * 1e6
    window["level"] = window["level"].replace("b", "B")
    return window


def test_generated_ones_see_what_changes():
    rng = np.random.default_rng(1)
    suite = generate(reference(rng, 20_000), KINDS, [900, 5])
    assert {e.severity for e in suite} == {"warning"}
    window = changed(rng)
    found = {c.column for c in validate(window.__getitem__, (), DAY, generated=suite) if c.exceeded}
    assert found == {"normal", "skewed", "zeros", "level"}


def test_no_rare_level_is_kept_in_a_generated_one():
    suite = generate(reference(np.random.default_rng(2), 20_000), KINDS, 900)
    assert "rare" not in json.dumps([e.arguments for e in suite])
    sets = [e.arguments["value_set"] for e in suite if "value_set" in e.arguments]
    assert sets == [["01", "1", "a", "b"]]


def test_generating_from_nothing_gives_nothing():
    empty = {"x": pd.Series([], dtype=float), "y": pd.Series([None, None])}
    kinds = {"x": "numeric", "y": "categorical", "z": "numeric"}
    assert generate(empty, kinds, [900]) == ()
    assert generate({"x": pd.Series([1.0])}, {"x": "numeric"}, [3]) == ()


def test_suites_are_built_once_for_all_windows():
    wanted = [expect(BETWEEN, column="once", min_value=0)]
    before = quality_suite._suite.cache_info()
    for value in (1.0, -1.0, 2.0):
        (check,) = checks({"once": [value]}, *wanted)
        assert (check.status == "ok") == (value > 0)
    after = quality_suite._suite.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)


def test_a_mean_that_moves_from_window_to_window_is_expected_to():
    chance = np.random.default_rng(5)
    means = chance.normal(size=40)
    values = pd.Series(np.repeat(means, 200) + chance.normal(size=8000))
    bounds = [
        next(
            e.arguments
            for e in generate({"x": values}, {"x": "numeric"}, [200] * 40, *more)
            if e.type == "expect_column_mean_to_be_between"
        )
        for more in ((), ({"x": values.to_numpy().reshape(40, 200).mean(axis=1)},))
    ]
    narrow, wide = ([b["min_value"], b["max_value"]] for b in bounds)
    assert any(not narrow[0] < mean < narrow[1] for mean in means)
    assert wide[0] < means.min() - 1
    assert means.max() + 1 < wide[1] < 6
