"""Columns computed from others: text, moments, and the reconstruction error of a row."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.errors import ConfigError, SourceError
from monitoring_sdk.profile.derived import DerivedSpec, derive, fit_derived
from monitoring_sdk.profile.grid import Grid, fit_categorical, fit_numeric
from monitoring_sdk.profile.profile import ProfileBuilder
from monitoring_sdk.profile.reconstruction import fit_reconstruction

CASE = Path(__file__).parent / "reference" / "car_loan"
NUMERIC = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
CATEGORICAL = ("salary_range", "repaid_loan_on_prev_car", "size_of_downpayment")


def read_back(spec: DerivedSpec) -> DerivedSpec:
    return DerivedSpec.from_dict(json.loads(json.dumps(spec.to_dict(), allow_nan=False)))


def test_the_reconstruction_error_is_nannymls_on_every_chunk() -> None:
    table = pq.read_table(CASE / "predictions.parquet").sort_by("timestamp")
    chunks = json.loads((CASE / "nannyml_pca.json").read_text())["chunks"]
    spec = read_back(
        fit_derived(table.slice(0, 50_000), numeric=NUMERIC, categorical=CATEGORICAL, salt="s")
    )
    assert spec.columns == {"pca_error": "numeric"}
    assert spec.sources == (*NUMERIC, *CATEGORICAL)
    for i, chunk in enumerate(chunks):
        batch = table.slice(5000 * i, 5000).combine_chunks().to_batches()[0]
        ours = np.mean(derive(batch, spec).column("pca_error").to_numpy())
        theirs = chunk["reconstruction_error"]["value"]
        assert ours == pytest.approx(theirs, rel=1e-12), chunk["chunk"]["key"]
    assert len(chunks) == 20


def related(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return {"a": x, "b": x + rng.normal(0, 0.1, n), "c": x + rng.normal(0, 0.1, n)}


def test_nulls_and_infinities_take_the_mean_and_huge_values_count_as_outliers() -> None:
    found = fit_reconstruction(pa.table(related(500)), ["a", "b", "c"], [])
    rows = {"a": [None, 0.0, math.nan, 1e308], "b": [0.0, 0.0, 0.0, 0.0], "c": [0.0, 0.0, 0.0, 0.0]}
    error = found.error(pa.record_batch(rows))
    assert error[0] == error[2]
    assert error[:3].max() < 0.2
    # Ten standard deviations, less what the kept component takes of them.
    assert 5 < error[3] < 10
    infinite = found.error(pa.record_batch({**rows, "a": [math.inf, -math.inf, 0.0, 0.0]}))
    assert infinite[0] == infinite[1] == error[0]


def test_a_broken_relation_is_seen_that_no_column_shows() -> None:
    before, now = related(2000), related(2000, 1)
    now["b"] = np.random.default_rng(2).permutation(now["b"])
    found = fit_reconstruction(pa.table(before), ["a", "b", "c"], [])
    usual, broken = (found.error(pa.record_batch(x)).mean() for x in (before, now))
    assert broken > 3 * usual


def test_what_leaves_nothing_to_measure_has_no_error() -> None:
    rng = np.random.default_rng(4)
    square = np.array([-1.0, -1.0, 1.0, 1.0]), np.array([-1.0, 1.0, -1.0, 1.0])
    assert fit_reconstruction(pa.table({"a": rng.normal(size=50)}), ["a"], []) is None
    assert fit_reconstruction(pa.table({"a": square[0], "b": square[1]}), ["a", "b"], []) is None
    constant = pa.table({"a": np.ones(9), "b": np.ones(9)})
    assert fit_reconstruction(constant, ["a", "b"], []) is None
    nulls = pa.table({"a": pa.nulls(9, pa.float64()), "b": pa.nulls(9), "c": np.arange(9.0)})
    assert fit_reconstruction(nulls, ["a", "c"], ["b"]) is None
    empty = pa.table({"a": pa.array([], pa.float64()), "b": pa.array([], pa.float64())})
    assert fit_reconstruction(empty, ["a", "b"], []) is None
    assert fit_derived(constant, numeric=["a", "b"]).columns == {}


def test_levels_that_are_rare_or_new_are_coded_together_and_not_named() -> None:
    words = ["big"] * 60 + ["small"] * 30 + [f"iban{i}" for i in range(10)]
    table = pa.table({"w": words, "x": np.arange(100.0), "y": np.arange(100.0)})
    found = fit_reconstruction(table, ["x", "y"], ["w"])
    assert "iban" not in json.dumps(found.to_dict())
    shares = found.categorical["w"]
    array = pa.array(["big", "iban3", "never", None]).dictionary_encode()
    assert shares.encode(array, "w").tolist() == pytest.approx([0.6, 0.01, 0.01, 0.6])


TEXT = pa.table({"note": ["Paid in full", "paid late", "not paid"] * 4 + ["seldom", None, ""]})


def test_text_becomes_length_strange_characters_and_unknown_words() -> None:
    spec = read_back(fit_derived(TEXT, text=["note"], salt="s"))
    assert "paid" not in json.dumps(spec.to_dict())
    batch = pa.record_batch({"note": ["PAID, in time!", "déjà paid", "", None, "?!", "日本"]})
    found = derive(batch, spec)
    assert found.column("note.length").to_pylist() == [14, 9, 0, None, 2, 2]
    assert found.column("note.non_ascii").to_pylist() == [0.0, 2 / 9, None, None, 0.0, 1.0]
    # `in` came four times, which is too few to be known.
    assert found.column("note.oov").to_pylist() == [2 / 3, 0.5, None, None, None, 1.0]
    assert found.schema.names[0] == "note"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_every_kind_of_text_is_read(kind) -> None:
    spec = fit_derived(TEXT, text=["note"], salt="s")
    array = pa.array(["paid ünpaid", None])
    plain = derive(pa.record_batch({"note": array}), spec).columns[1:]
    batch = pa.record_batch({"note": array.cast(kind)})
    assert derive(batch, spec).columns[1:] == plain
    coded = pa.record_batch({"note": array.dictionary_encode()})
    assert derive(coded, spec).columns[1:] == plain


def test_words_of_one_salt_are_unknown_under_another() -> None:
    specs = [fit_derived(TEXT, text=["note"], salt=salt) for salt in "ab"]
    assert not specs[0].text["note"] & specs[1].text["note"]


def test_hours_and_weekdays_are_told_in_the_zone() -> None:
    moment = datetime(2025, 3, 9, 7, 30, tzinfo=UTC)  # New York's clocks went forward at 7:00
    table = pa.table({"d": pa.array([moment, None], pa.timestamp("ms", "UTC"))})
    for zone, hour in (("UTC", 7), ("America/New_York", 3), ("Asia/Kolkata", 13)):
        spec = read_back(fit_derived(table, datetimes=["d"], timezone=zone))
        found = derive(table.to_batches()[0], spec)
        assert found.column("d.hour").to_pylist() == [hour, None]
        assert found.column("d.weekday").to_pylist() == [6, None]
        assert spec.columns == {"d.hour": "categorical", "d.weekday": "categorical"}


@pytest.mark.parametrize(
    "array",
    [
        pa.array([datetime(2025, 3, 10, 5), None], pa.timestamp("ns")),
        pa.array(["2025-03-10T05:00:00", None]),
        pa.array(["2025-03-10 00:00:00-05:00", None]),
        pa.array([date(2025, 3, 10), None]),
    ],
    ids=lambda a: str(a.type),
)
def test_moments_come_in_many_forms(array) -> None:
    spec = DerivedSpec(datetimes=("d",))
    found = derive(pa.record_batch({"d": array}), spec)
    assert found.column("d.weekday").to_pylist() == [0, None]
    assert found.column("d.hour").to_pylist()[0] in (5, 0 if pa.types.is_date(array.type) else 5)


def test_numbers_are_moments_to_a_caller_who_knows_their_unit() -> None:
    spec, batch = DerivedSpec(datetimes=("d",)), pa.record_batch({"d": [3_600, None]})
    assert derive(batch, spec).schema.names == ["d"]
    found = derive(batch, spec, moments=lambda array, name: to_utc(array, "s", column=name))
    assert found.column("d.hour").to_pylist() == [1, None]


def test_what_cannot_be_derived_is_absent_and_the_profile_says_so() -> None:
    table = pa.table({**related(200), "note": ["paid"] * 200})
    spec = fit_derived(table, text=["note"], numeric=["a", "b", "c"], salt="s")
    grid = Grid({c: fit_numeric([0.0, 1.0]) for c in ("pca_error", "note.length")})
    whole, part = table.to_batches()[0], table.drop(["b"]).to_batches()[0]
    assert derive(part, spec).schema.names == ["a", "c", "note", *list(spec.columns)[:3]]
    builder = ProfileBuilder(grid, missing_ok=True)
    for batch in (whole, part):
        builder.add(derive(batch, spec))
    profile = builder.result()
    assert "missing" in profile.problems["pca_error"]
    assert profile.columns["note.length"].count == 400
    words = pa.record_batch({"a": ["x"], "b": [1.0], "c": [1.0], "note": [[1]]})
    assert derive(words, spec).schema.names == ["a", "b", "c", "note"]
    empty = derive(whole.slice(0, 0), spec)
    assert empty.num_rows == 0
    assert set(spec.columns) <= set(empty.schema.names)


def test_faults_are_named_at_fitting() -> None:
    with pytest.raises(ConfigError, match=r"no such column: got 'note'.*notes"):
        fit_derived(pa.table({"notes": ["x"]}), text=["note"])
    with pytest.raises(ConfigError, match=r"pca_error"):
        fit_derived(pa.table({**related(50), "pca_error": np.ones(50)}), numeric=["a", "b", "c"])
    with pytest.raises(SourceError, match="cannot be read as numbers"):
        fit_derived(pa.table({"a": ["x", "y"], "b": [1.0, 2.0]}), numeric=["a", "b"])


def test_a_derived_category_is_profiled_like_any_other() -> None:
    hours = pa.array([datetime(2025, 1, 1, h % 24) for h in range(240)], pa.timestamp("us"))
    batch = derive(pa.record_batch({"d": hours}), DerivedSpec(datetimes=("d",)))
    grid = fit_categorical({str(h): 30 for h in range(24)}, salt="s")
    builder = ProfileBuilder(Grid({"d.hour": grid}))
    builder.add(batch)
    assert builder.result().columns["d.hour"].counts.tolist() == [10] * 24
