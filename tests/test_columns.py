"""Which columns are features: globs, exclusions, special columns, inferred kinds."""

from __future__ import annotations

import pyarrow as pa
import pytest

from monitoring_sdk.adapters.sources.columns import resolve_features, special_columns
from monitoring_sdk.config_sections import Columns

SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "t": pa.timestamp("us"),
        "w_temp": pa.float64(),
        "y_pred": pa.int64(),
        "y_score": pa.float64(),
        "y_true": pa.bool_(),
        "carrier": pa.string(),
        "w_wind": pa.float32(),
        "w_label": pa.dictionary(pa.int8(), pa.string()),
        "seen": pa.bool_(),
        "price": pa.decimal128(9, 2),
        "tags": pa.list_(pa.string()),
        "raw": pa.binary(),
        "day": pa.date32(),
        "ms": pa.float64(),
        "err": pa.string(),
    }
)


def columns(**given) -> Columns:
    special = {
        "id": "id",
        "timestamp": "t",
        "prediction": "y_pred",
        "score": "y_score",
        "label": "y_true",
        "latency_ms": "ms",
        "error": "err",
    }
    return Columns(**special, **given)


def test_kinds_are_inferred_from_types():
    found = resolve_features(columns(), SCHEMA)
    assert found.numeric == ("w_temp", "w_wind", "price")
    assert found.categorical == ("carrier", "w_label", "seen")
    assert found.skipped == ("tags", "raw", "day")
    assert found.kinds["seen"] == "categorical"


def test_globs_expand_in_the_order_of_the_schema_and_names_stay():
    found = resolve_features(columns(numeric=["absent", "w_*"], categorical=["carrier"]), SCHEMA)
    assert found.numeric == ("absent", "w_temp", "w_wind", "w_label")
    assert found.categorical == ("carrier",)


def test_a_named_column_is_not_matched_by_a_glob_of_the_other_kind():
    found = resolve_features(columns(numeric=["w_*"], categorical=["w_label"]), SCHEMA)
    assert found.numeric == ("w_temp", "w_wind")
    assert found.categorical == ("w_label",)


def test_special_columns_never_match_a_glob():
    found = resolve_features(columns(numeric=["*"]), SCHEMA)
    assert set(found.numeric).isdisjoint(special_columns(columns()))
    assert resolve_features(columns(numeric=["y_score"]), SCHEMA).numeric == ("y_score",)


@pytest.mark.parametrize("exclude", [["w_wind"], ["w_wi*"]])
def test_exclude_takes_from_globs_and_names_and_inferred(exclude):
    for given in ({"numeric": ["w_*"]}, {"numeric": ["w_wind", "w_temp"]}, {}):
        assert "w_wind" not in resolve_features(columns(exclude=exclude, **given), SCHEMA).kinds


def test_a_column_of_both_globs_has_one_kind():
    found = resolve_features(columns(numeric=["w_*"], categorical=["*"]), SCHEMA)
    assert set(found.numeric).isdisjoint(found.categorical)
    assert "carrier" in found.categorical
