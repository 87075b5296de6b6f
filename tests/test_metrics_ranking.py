"""Metrics of lists equal scikit-learn's, or the mean of the definition over all orders of ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitoring_sdk.metrics.lists import LabelledLists
from monitoring_sdk.metrics.table import find_metric, metric, metric_names
from tests.reference_metrics import agree, of_list

BASES = ("ndcg", "map", "mrr", "recall", "precision", "hit_rate")


def test_every_metric_has_a_reference() -> None:
    ours = {name.partition("@")[0] for name in metric_names("ranking")}
    assert ours == {*BASES, "coverage", "novelty"}


RELEVANCE = st.sampled_from([0.0, 0.0, 1.0, 2.0, 0.5])
# At most six rows a list: all 720 orders of a tie are tried.
ROW = st.tuples(RELEVANCE, st.sampled_from([0.1, 0.2, 0.3, 0.7]))
LISTS = st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=5)
WEIGHTS = st.lists(st.sampled_from([1.0, 2.0, 0.5]), min_size=5, max_size=5)


def rows_of(lists: list[list[tuple[float, float]]], weights: list[float]) -> LabelledLists:
    flat = [(*row, q) for q, own in enumerate(lists) for row in own]
    order = np.random.default_rng(len(flat)).permutation(len(flat))
    relevance, score, query = (np.array(c)[order] for c in zip(*flat, strict=True))
    return LabelledLists(relevance, score, query, weight=np.array(weights)[query.astype(int)])


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("base", BASES)
@settings(max_examples=25, deadline=None)
@example(lists=[[(1.0, 0.5)]], weights=[1.0] * 5)
@example(lists=[[(0.0, 0.5)] * 3], weights=[1.0] * 5)
@example(lists=[[(1.0, 0.5), (0.0, 0.5), (1.0, 0.5)]], weights=[1.0] * 5)
@given(lists=LISTS, weights=WEIGHTS)
def test_lists(base: str, k: int, lists: list[Any], weights: list[float]) -> None:
    found = [
        of_list(base, np.array([r for r, _ in own]), np.array([s for _, s in own]), k)
        for own in lists
    ]
    kept = [(f, w) for f, w in zip(found, weights, strict=False) if f is not None]
    expected = np.average([f for f, _ in kept], weights=[w for _, w in kept]) if kept else None
    name = base if base == "mrr" else f"{base}@{k}"
    agree(name, rows_of(lists, weights), None if expected is None else float(expected))


def test_queries_without_a_relevant_item_are_left_out_and_counted() -> None:
    rows = LabelledLists([1.0, 0.0, 0.0, 0.0], [0.9, 0.1, 0.9, 0.1], [0, 0, 1, 1])
    for base in BASES:
        value = metric(base if base == "mrr" else f"{base}@1", rows)
        assert (value.value, value.n) == (1.0, 1)
        assert value.reason == "1 of 2 queries have no relevant item and are left out"
    nothing = metric("mrr", LabelledLists([0.0], [1.0], [0]))
    assert nothing.reason == "every query has no relevant item"


def test_a_tie_of_many_is_no_sum_out_of_range() -> None:
    relevance = (np.arange(20_000) % 100 == 0).astype(float)
    rows = LabelledLists(relevance, np.zeros(20_000), np.zeros(20_000, int))
    # A random row is relevant once in a hundred; so is the first, and ten have 1 - .99 ** 10.
    assert metric("precision@10", rows).value == pytest.approx(0.01)
    assert metric("hit_rate@10", rows).value == pytest.approx(1 - 0.99**10, rel=1e-3)


def test_coverage_counts_the_items_that_are_shown() -> None:
    rows = LabelledLists(
        [1, 0, 0, 1, 0, 0], [3, 2, 1, 3, 2, 1], [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 2, 3]
    )
    assert metric("coverage@1", rows).value == 0.25
    assert metric("coverage@2", rows).value == 0.75
    assert metric("coverage@3", rows).value == 1.0
    assert metric("coverage@2", rows).n == 2


def test_of_a_tie_each_item_is_shown_by_chance() -> None:
    rows = LabelledLists([1, 0, 0], [1, 1, 1], [0, 0, 0], [0, 1, 2])
    assert metric("coverage@1", rows).value == pytest.approx(1 / 3)


def test_novelty_is_the_surprise_of_what_is_shown() -> None:
    # Item 0 is in both lists (0 bits), the others in one of the two (1 bit).
    rows = LabelledLists([1, 0, 1, 0], [2, 1, 1, 2], [0, 0, 1, 1], [0, 1, 0, 2])
    assert metric("novelty@1", rows).value == pytest.approx(0.5)
    assert metric("novelty@2", rows).value == pytest.approx(0.5)
    unnamed = LabelledLists([1, 0], [2, 1], [0, 0], [-1, -1])
    assert metric("novelty@1", unnamed).reason == "no labelled row names its item"


def test_an_infinite_score_is_refused() -> None:
    value = find_metric("ndcg@3", "ranking").compute(
        LabelledLists([1.0, 0.0], [np.inf, 0.0], [0, 0])
    )
    assert value.reason == "a score is infinite"
