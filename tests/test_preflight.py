"""A window's shape: missing, doubled and mistyped columns, empty windows, repeated ids."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from monitoring_sdk.preflight import duplicates, fits, preflight
from monitoring_sdk.window import Window

DAY = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
TYPES = {"x": "double", "c": "string", "id": "int64"}
KINDS = {"x": "numeric", "c": "categorical"}


def look(columns=("x", "c", "id"), types=TYPES, kinds=KINDS, baseline=None, **given):
    return preflight(columns, types, kinds, baseline, **{"window": DAY, "rows": 10, **given})


def test_a_window_in_order_leaves_nothing_to_say():
    assert look(required=["id"]) == []


def test_a_missing_column_alerts_and_names_its_neighbour():
    (check,) = look(columns=("xx", "c"), types={"xx": "double", "c": "string"})
    assert check.key == "quality/column_present/x"
    assert check.pages
    assert look(columns=("x", "c"), required=["id"])[0].column == "id"


@pytest.mark.parametrize(
    ("kind", "type_", "fine"),
    [
        ("numeric", pa.int8(), True),
        ("numeric", pa.uint64(), True),
        ("numeric", pa.float16(), True),
        ("numeric", pa.decimal128(9, 2), True),
        ("numeric", pa.null(), True),
        ("numeric", pa.dictionary(pa.int8(), pa.int64()), True),
        ("numeric", pa.dictionary(pa.int8(), pa.string()), False),
        ("numeric", pa.string(), False),
        ("numeric", pa.timestamp("us"), False),
        ("categorical", pa.dictionary(pa.int8(), pa.string()), True),
        ("categorical", pa.date32(), True),
        ("categorical", pa.list_(pa.string()), False),
        ("categorical", pa.struct({"a": pa.int8()}), False),
        ("categorical", pa.binary(), False),
    ],
)
def test_which_types_fit_which_kinds(kind, type_, fine):
    assert fits(kind, str(type_)) is fine


def test_text_where_numbers_are_expected():
    types = {**TYPES, "x": "string"}
    (unknown,) = look(types=types)
    (read,) = look(types=types, problems={})
    (unread,) = look(types=types, problems={"x": "2 of 10 values are no numbers"})
    assert (unknown.key, unknown.pages) == ("quality/column_type/x", True)
    assert (read.status, read.severity) == ("alert", "warning")
    assert (unread.pages, unread.reason) == (True, "2 of 10 values are no numbers")


def test_the_baseline_says_the_kind_where_kinds_are_inferred():
    kinds = {"x": "categorical", "c": "categorical"}
    assert look(types={**TYPES, "x": "string"}, kinds=kinds) == []
    (check,) = look(types={**TYPES, "x": "string"}, kinds=kinds, baseline=KINDS)
    assert check.key == "quality/column_type/x"


def test_a_name_that_occurs_twice():
    (check,) = look(columns=("x", "c", "x"))
    assert (check.key, check.reason) == ("quality/column_unique/x", "2 columns have this name")


def test_an_empty_window_is_no_data_and_nothing_else():
    (check,) = look(columns=(), types={}, rows=0)
    assert (check.name, check.status) == ("rows_present", "no_data")


def test_a_few_repeated_ids_warn_and_missing_moments_are_counted():
    ids = {"id": pa.chunked_array([[0, *range(150)], [*range(150, 299)]])}
    repeated, unplaced = look(ids=ids, null_timestamps=0)
    assert repeated.key == "quality/duplicate_ids"
    assert (repeated.value, repeated.n, repeated.status) == (1 / 300, 300, "alert")
    assert not repeated.pages
    assert (unplaced.status, unplaced.value) == ("ok", 0.0)
    assert duplicates([]) == 0


def test_a_batch_that_came_twice_pages():
    (repeated,) = look(ids={"id": pa.chunked_array([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]])})
    assert repeated.value == 0.5
    assert repeated.pages
