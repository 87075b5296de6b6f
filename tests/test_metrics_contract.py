"""What every row of METRICS keeps to for each of its tasks; a new row needs no new test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from monitoring_sdk.metrics.table import METRICS, Metric, metric
from monitoring_sdk.value import Value
from tests import metric_cases as cases

EVERY = cases.every_metric()
every_metric = pytest.mark.parametrize("row", EVERY, ids=lambda r: f"{r.task}-{r.name}")
# What says nothing of how good the predictions are.
OF_ITEMS = ("coverage@3", "novelty@3")
# A query's rows are one thing: what is true of rows elsewhere is true of lists.
LISTS = 50


def weights(row: Metric, rows: Any, values: list[float], seed: int = 5) -> np.ndarray:
    """Weights of rows; those of a list's rows are the same."""
    rng = np.random.default_rng(seed)
    if row.task == "ranking":
        return np.repeat(rng.choice(values, LISTS), cases.LIST)
    return rng.choice(values, rows.n)


def close(left: Value, right: Value) -> None:
    assert left.value == pytest.approx(right.value, rel=1e-11, abs=1e-12)
    if left.interval is None or right.interval is None:
        assert left.interval == right.interval
    else:
        assert left.interval == pytest.approx(right.interval, rel=1e-9, abs=1e-9)


def sound(value: Value) -> None:
    """A number or a reason; finite ends of an interval that holds the number."""
    assert (value.value is not None) or value.reason
    if value.interval is not None:
        assert value.value is not None
        low, high = value.interval
        assert math.isfinite(low)
        assert math.isfinite(high)
        assert low <= value.value <= high


@every_metric
def test_row_order_does_not_matter(row: Metric) -> None:
    rows = cases.some_rows(row.task)
    mixed = rows.take(np.random.default_rng(1).permutation(rows.n))
    close(row.compute(rows), row.compute(mixed))
    assert row.compute(rows).n == row.compute(mixed).n


@every_metric
def test_a_value_counts_its_rows_and_lies_in_its_interval(row: Metric) -> None:
    value = row.compute(cases.some_rows(row.task))
    sound(value)
    assert value.interval is not None
    low, high = value.interval
    assert low < value.value < high  # type: ignore[operator]
    relevant = cases.some_rows("ranking").lists
    lists = int(np.count_nonzero(relevant.total(relevant.relevance)))
    expected = {"ranking": LISTS if row.name in OF_ITEMS else lists}
    assert value.n == expected.get(row.task, 300)


@every_metric
def test_more_rows_make_the_interval_narrower(row: Metric) -> None:
    if row.name == "coverage@3":
        pytest.skip("its interval is that of the items")
    few, many = (row.compute(cases.some_rows(row.task, n)).interval for n in (300, 6000))
    assert few is not None
    assert many is not None
    assert many[1] - many[0] < (few[1] - few[0]) / 2.5


@every_metric
def test_better_predictions_are_better(row: Metric) -> None:
    if row.name in OF_ITEMS:
        pytest.skip("says nothing of right or wrong")
    rows = cases.some_rows(row.task)
    best, bad = row.compute(cases.perfect(rows)), row.compute(cases.worst(rows))
    usual = row.compute(rows)
    for value in (best, bad, usual):
        sound(value)
    numbers = [v.value for v in (bad, usual, best)]
    assert None not in numbers
    if row.better == "zero":
        numbers = [-abs(v) for v in numbers if v is not None]
    if row.better == "lower":
        numbers = numbers[::-1]
    assert numbers[0] < numbers[1] < numbers[2]  # type: ignore[operator]


@every_metric
def test_no_rows_are_undefined(row: Metric) -> None:
    value = row.compute(cases.empty(row.task))
    assert (value.value, value.reason, value.n) == (None, "no labelled rows", 0)


@every_metric
def test_a_missing_column_is_undefined(row: Metric) -> None:
    value = row.compute(cases.bare(cases.some_rows(row.task)))
    assert value.value is None
    assert (value.reason or "").partition("class 'b': ")[2] or (value.reason or "").startswith(
        "needs "
    )


@every_metric
def test_the_columns_that_it_needs_are_those_of_its_rows(row: Metric) -> None:
    assert row.needs
    assert row.needs <= cases.some_rows(row.task).columns
    assert not row.needs <= cases.bare(cases.some_rows(row.task)).columns or row.task == "ranking"


@every_metric
def test_few_rows_never_give_nan(row: Metric) -> None:
    for n in (1, 2, 3, 5, 12):
        for seed in range(6):
            rows = cases.some_rows(row.task, 300, seed)
            sound(row.compute(rows.take(np.arange(n))))
            sound(row.compute(cases.perfect(rows.take(np.arange(n)))))


@every_metric
@pytest.mark.parametrize("change", [cases.one_class, cases.constant], ids=["label", "prediction"])
def test_a_constant_column_never_gives_nan(row: Metric, change: Any) -> None:
    rows = cases.some_rows(row.task)
    sound(row.compute(change(rows)))
    sound(row.compute(change(rows.take(np.array([0])))))
    sound(row.compute(cases.one_class(cases.constant(rows))))


@every_metric
def test_missing_predictions_and_scores_are_left_out_and_said(row: Metric) -> None:
    rows = cases.some_rows(row.task)
    gone = np.arange(rows.n) % 10 == 0
    value = row.compute(cases.without(rows, gone))
    close(value, row.compute(rows.take(~gone)))
    assert "30 of 300 labelled rows have no " in (value.reason or "")


@every_metric
def test_nothing_but_missing_is_undefined(row: Metric) -> None:
    rows = cases.some_rows(row.task)
    value = row.compute(cases.without(rows, np.ones(rows.n, bool)))
    assert value.value is None
    assert "no labelled row has a " in (value.reason or "")


@every_metric
def test_an_infinite_number_is_refused_or_left_out_and_said(row: Metric) -> None:
    rows = cases.some_rows(row.task)
    value = row.compute(cases.infinite(rows))
    sound(value)
    if row.task == "regression":
        assert "1 of 300 labelled rows are infinite" in (value.reason or "")
    elif "score" in row.needs or row.task == "ranking":
        assert value.value is None
        assert "a score is infinite" in (value.reason or "")
    else:
        assert value == row.compute(rows)


@every_metric
def test_weights_of_one_change_nothing(row: Metric) -> None:
    rows = cases.some_rows(row.task)
    close(row.compute(cases.with_weight(rows, np.ones(rows.n))), row.compute(rows))


@every_metric
def test_scaling_the_weights_changes_nothing(row: Metric) -> None:
    rows = cases.some_rows(row.task)
    weight = weights(row, rows, [0.5, 1.0, 2.5])
    left, right = (row.compute(cases.with_weight(rows, weight * s)) for s in (1.0, 1e-3))
    close(left, right)


@every_metric
def test_whole_weights_are_repeated_rows(row: Metric) -> None:
    rows = cases.some_rows(row.task)
    times = weights(row, rows, [0, 1, 2, 3]).astype(int)
    value = row.compute(cases.with_weight(rows, times))
    again = row.compute(cases.repeated(rows, times))
    if row.name == "mape":
        # The two leave out rows near zero by the same median; there are none here.
        assert value.reason is None
    assert value.value == pytest.approx(again.value, rel=1e-11, abs=1e-12)
    # What a weight counts often is still one row: the interval is no narrower than its rows make
    # it.
    assert value.interval is not None
    assert again.interval is not None
    if row.name not in OF_ITEMS:
        wide, narrow = (e[1] - e[0] for e in (value.interval, again.interval))
        assert wide > narrow


@every_metric
def test_rows_without_a_weight_are_left_out_and_said(row: Metric) -> None:
    rows = cases.some_rows(row.task)
    gone = np.arange(rows.n) // cases.LIST % 5 == 0
    weight = weights(row, rows, [1.0, 2.0])
    value = row.compute(cases.with_weight(rows, np.where(gone, np.nan, weight)))
    close(value, row.compute(cases.with_weight(rows.take(~gone), weight[~gone])))
    assert "60 of 300 labelled rows have no weight" in (value.reason or "")


@every_metric
@pytest.mark.parametrize(
    ("weight", "reason"),
    [(0.0, "weight above 0"), (-1.0, "a weight is negative"), (np.inf, "a weight is infinite")],
)
def test_impossible_weights_are_undefined(row: Metric, weight: float, reason: str) -> None:
    rows = cases.some_rows(row.task)
    value = row.compute(cases.with_weight(rows, np.full(rows.n, weight)))
    assert value.value is None
    assert reason in (value.reason or "")


@every_metric
def test_a_fault_of_the_rows_is_the_reason(row: Metric) -> None:
    from dataclasses import replace

    value = row.compute(replace(cases.some_rows(row.task), fault="broken"))
    assert value.value is None
    assert "broken" in (value.reason or "")


@every_metric
def test_a_metric_is_found_by_the_kind_of_its_rows(row: Metric) -> None:
    rows = cases.some_rows(row.task)
    assert metric(row.name, rows) == row.compute(rows)


def test_every_row_of_the_table_is_here() -> None:
    assert len(EVERY) == sum(len(row.tasks) for row in METRICS.values())
    assert all(name == row.name for name, row in METRICS.items())


@pytest.mark.parametrize("task", cases.MAKERS)
def test_the_digest_of_rows_does_not_know_their_order_but_their_content(task: str) -> None:
    rows = cases.some_rows(task)
    mixed = rows.take(np.random.default_rng(1).permutation(rows.n))
    assert rows.digest() == mixed.digest()
    assert type(mixed) is type(rows)
    others = [
        rows.take(np.arange(1, rows.n)),
        cases.perfect(rows),
        cases.one_class(rows),
        cases.without(rows, np.arange(rows.n) == 0),
        cases.with_weight(rows, np.ones(rows.n)),
    ]
    assert len({rows.digest(), *(other.digest() for other in others)}) == 6


@pytest.mark.parametrize("task", cases.MAKERS)
def test_rows_are_taken_by_mask_and_by_place(task: str) -> None:
    rows = cases.some_rows(task)
    mask = np.arange(rows.n) % 3 == 0
    assert rows.take(mask).digest() == rows.take(np.flatnonzero(mask)).digest()
