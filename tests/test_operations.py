"""Operations: exact quantiles of what is finite, and what is left out is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_sdk.alarms.provisional import ReferenceSeries, limits
from monitoring_sdk.config import parse_config
from monitoring_sdk.errors import ConfigError, SourceError
from monitoring_sdk.metrics.operations import (
    OPERATIONS,
    Operation,
    Served,
    error_rate,
    failed,
    latency_quantile,
    operation,
    staleness,
)
from monitoring_sdk.stages.operations import in_season
from monitoring_sdk.stages.serving import requests

END = datetime(2013, 6, 4, 4, tzinfo=UTC)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(0, 1e6), min_size=1, max_size=60),
    share=st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]),
)
def test_quantiles_are_numpys_and_ignore_order_and_nulls(values: list[float], share: float) -> None:
    expected = float(np.quantile(values, share))
    holed = [None, *reversed(values), float("nan"), float("inf")]
    value = latency_quantile(holed, share)
    assert latency_quantile(values, share).value == expected
    assert value.value == expected
    assert value.n == len(values)
    assert value.reason == f"3 of {len(values) + 3} rows have no finite latency"


@pytest.mark.parametrize(("name", "share"), [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)])
def test_each_named_latency_is_its_quantile(name: str, share: float) -> None:
    latency = np.random.default_rng(0).gamma(2, 30, 1000)
    value = operation(f"latency_{name}", Served(1000, END, latency=pa.array(latency)))
    assert value.value == np.quantile(latency, share)
    assert value.reason is None


def test_negative_latencies_are_said() -> None:
    value = latency_quantile([-5, 10, 20], 0.5)
    assert (value.value, value.reason, value.n) == (10.0, "1 latencies are negative", 3)


@pytest.mark.parametrize(
    ("values", "reason"),
    [([], "no rows"), ([None, float("nan")], "no row has a finite latency")],
)
def test_no_latency_is_undefined(values: list[float], reason: str) -> None:
    value = latency_quantile(values, 0.5)
    assert (value.value, value.reason) == (None, reason)


def test_a_latency_that_is_text_is_an_error() -> None:
    with pytest.raises(SourceError, match="latency"):
        latency_quantile(["fast"], 0.5)


@pytest.mark.parametrize(
    "column",
    [
        [None, True, False, True],
        [0, 1, None, 500],
        [0.0, 2.5, float("nan"), -1.0],
        [None, "timeout", " ", "E42"],
        ["0", "1", "False", "true"],
        pd.Series(["", "boom", None, "boom"]),
        pa.array(["", "boom", None, "boom"]).dictionary_encode(),
        pa.array([None, 1, 0, 1], pa.int8()),
    ],
    ids=str,
)
def test_failures_are_what_is_truthy_or_text(column: object) -> None:
    assert failed(column).tolist() == [False, True, False, True]
    assert error_rate(column).value == 0.5
    assert error_rate(column).n == 4


def test_error_rate_of_nothing() -> None:
    assert error_rate([None, None]).value == 0.0
    assert error_rate([]).value is None


def test_staleness_is_hours_to_the_end_of_the_window() -> None:
    newest = END - timedelta(minutes=90)
    assert staleness(newest, END).value == 1.5
    assert staleness(newest.astimezone(timezone(timedelta(hours=-4))), END).value == 1.5
    assert staleness(newest.replace(tzinfo=None), END).value == 1.5
    assert staleness(None, END).value is None


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_every_row_is_defined_with_its_column_and_undefined_without(row: Operation) -> None:
    served = Served(2, END, latency=[1.0, 2.0], error=[None, "x"], newest=END, missing=0)
    assert row.compute(served).value is not None
    bare = row.compute(Served(0, END))
    assert (bare.value is None) == (row.needs is not None)
    assert bare.reason or bare.value == 0.0
    assert row.unit
    assert OPERATIONS[row.name] is row


def test_an_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean staleness"):
        operation("stalenes", Served(0, END))


@pytest.mark.parametrize(
    ("ids", "versions", "expected"),
    [
        ([1, 2, 3], [7, 7, 7], 3),
        ([1, 2, 1, 2], [7, 7, 8, 8], 2),  # mirrored
        ([1, 2, 3, 4], [7, 8, 8, 8], 4),  # a canary
        ([1, 2, 2, 3], [7, 7, 8, 8], 3),
        ([1, 1, 8, 8], [7, 7, 8, 8], 3),  # repeats of the champion are rows, as ever
        ([1, None, None, None], [7, 7, 8, 8], 2),
        ([1, 2, 2], [7, 9, 8], 2),  # a version that nobody declared is no shadow
    ],
)
def test_what_a_shadow_answered_beside_another_is_no_request(
    ids: list[int | None], versions: list[int], expected: int
) -> None:
    config = parse_config(
        {
            "model": "m",
            "source": {"predictions": "p.parquet"},
            "columns": {
                "id": "id",
                "timestamp": "at",
                "prediction": "y",
                "model_version": "version",
            },
            "versions": {"champion": 7, "shadow": 8},
        }
    )
    columns = {
        "id": pa.chunked_array([pa.array(ids, pa.int64())]),
        "version": pa.chunked_array([versions]),
    }
    assert requests(config, columns, len(ids)) == expected
    # Of a window of which a tenth was looked at.
    assert requests(config, columns, 10 * len(ids)) == 10 * expected
    without = {"version": columns["version"]}
    assert requests(config, without, len(ids)) == sum(v != 8 for v in versions)


def test_half_of_the_rows_is_told_beside_quiet_weekends() -> None:
    chance = np.random.default_rng(3)
    phases = [i % 7 for i in range(42)]
    counts = [float(chance.poisson(200 if p >= 5 else 600)) for p in phases]
    series = ReferenceSeries(tuple(counts), tuple(int(c) for c in counts))
    for phase, usual in ((1, 600), (6, 200)):
        found = limits(
            in_season(series, phases, phase), n=usual, direction="both", noise=0, relative_floor=0.3
        )
        low = next(limit for limit in found if limit.direction == "below")
        assert low.far_passed(0.45 * usual)
        assert not low.passed(0.85 * usual)
    flat = ReferenceSeries(tuple(float(chance.poisson(600)) for _ in phases), series.n)
    assert in_season(flat, phases, 1) is flat
    assert in_season(series, phases, 9) is series
