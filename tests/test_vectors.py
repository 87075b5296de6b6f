"""Moments of vectors, of feature rows and of embeddings: they add, and what is bad is counted."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.embedding import MOST_DIMENSIONS, Embedding, fit_embedding
from monitoring_sdk.profile.vectors import (
    Standard,
    VectorMoments,
    empty_vectors,
    fit_standard,
    vector_moments,
)

NAN, INF = math.nan, math.inf
ROWS = np.random.default_rng(3).normal(5, [1, 20, 0.1, 1], size=(500, 4))


def close(a: VectorMoments, b: VectorMoments) -> bool:
    return (
        (a.n, a.bad, a.imputed) == (b.n, b.bad, b.imputed)
        and np.allclose(a.mean, b.mean, rtol=1e-12, atol=1e-12)
        and np.allclose(a.comoment, b.comoment, rtol=1e-9, atol=1e-9)
    )


def test_moments_are_numpys() -> None:
    found = vector_moments(ROWS, bad=2, imputed=3)
    assert np.allclose(found.covariance, np.cov(ROWS.T), rtol=1e-12)
    assert np.allclose(found.mean, ROWS.mean(axis=0))
    assert (found.n, found.rows, found.imputed) == (500, 502, 3)


@given(st.lists(st.integers(0, 40), max_size=6), arrays(float, (40, 2), elements=st.floats(-9, 9)))
def test_parts_add_up_to_the_whole(cuts, rows) -> None:
    parts = empty_vectors(2)
    for part in np.split(rows, sorted(cuts)):
        parts = parts.merge(vector_moments(part, bad=1))
    assert close(parts, vector_moments(rows, bad=len(cuts) + 1))


def test_a_far_mean_does_not_round_the_spread_away() -> None:
    parts = empty_vectors(4)
    for part in np.array_split(ROWS + 1e8, 9):
        parts = parts.merge(vector_moments(part))
    assert np.allclose(parts.covariance, np.cov(ROWS.T), rtol=1e-5, atol=1e-6)


def test_moments_read_back_exactly() -> None:
    found = vector_moments(ROWS, bad=1)
    text = json.dumps(found.to_dict(), allow_nan=False)
    again = VectorMoments.from_dict(json.loads(text))
    assert again == found
    assert np.array_equal(again.comoment, again.comoment.T)
    assert VectorMoments.from_dict(empty_vectors(3).to_dict()) == empty_vectors(3)
    broken = {**found.to_dict(), "mean": empty_vectors(2).to_dict()["mean"]}
    with pytest.raises(ValueError, match="do not fit"):
        VectorMoments.from_dict(broken)


def test_vectors_of_different_length_do_not_add() -> None:
    with pytest.raises(ValueError, match="different length"):
        empty_vectors(2).merge(empty_vectors(3))


def test_features_are_standardised_and_gaps_are_counted() -> None:
    table = pa.table({"x": [1.0, 3.0, None], "flat": [7, 7, 7], "y": [10.0, NAN, 30.0]})
    standard = fit_standard(table, ["x", "flat", "y"])
    standard = Standard.from_dict(json.loads(json.dumps(standard.to_dict())))
    rows, gaps = standard.rows(pa.record_batch({"x": [3.0, INF], "flat": [8, 7], "y": [20.0, 0.0]}))
    assert rows.tolist() == [[1.0, 1.0, 0.0], [0.0, 0.0, -2.0]]
    assert gaps == 1
    assert standard.moments(table).imputed == 2
    with pytest.raises(SourceError, match="'flat' is missing"):
        standard.rows(pa.table({"x": [1.0], "y": [1.0]}))
    assert fit_standard(pa.table({"x": pa.nulls(3, pa.float64())}), ["x"]).names == ()


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.large_list(pa.float64()),
        pa.list_(pa.int16()),
        pa.list_(pa.float32(), 2),
    ],
    ids=str,
)
def test_every_kind_of_list_is_read(kind) -> None:
    array = pa.array([[1, 2], None, [3, 4]], kind)
    embedding = fit_embedding(array)
    rows, bad = embedding.rows(array)
    assert (rows.tolist(), bad) == ([[1, 2], [3, 4]], 1)
    rows, bad = embedding.rows(array[1:])
    assert (rows.tolist(), bad) == ([[3, 4]], 1)


def test_bad_vectors_are_counted_and_left_out() -> None:
    array = pa.array(
        [
            [1.0, 2.0],
            None,
            [],
            [1.0],
            [1.0, 2.0, 3.0],
            [NAN, 1.0],
            [INF, 1.0],
            [None, 1.0],
            [1e200, 0.0],
        ]
    )
    found = Embedding(2).moments(array)
    assert (found.n, found.bad, found.rows) == (1, 8, 9)
    none = Embedding(2).moments(array[1:])
    assert (none.n, none.bad) == (0, 8)
    assert Embedding(2).moments(array[:0]).rows == 0


def test_what_is_no_vector_is_refused() -> None:
    with pytest.raises(SourceError, match="'e' is of type int64"):
        Embedding(2).rows(pa.array([1, 2]), "e")
    with pytest.raises(SourceError, match="holds no vectors"):
        fit_embedding(pa.array(["x"]), "e")
    with pytest.raises(SourceError, match="no vectors in the reference"):
        fit_embedding(pa.array([None, []], pa.list_(pa.float64())), "e")
    with pytest.raises(SourceError, match="cannot be read as numbers"):
        Embedding(1).rows(pa.array([["word"]]), "e")


def test_long_embeddings_are_projected_and_distances_kept_on_average() -> None:
    length = 600
    values = np.random.default_rng(1).normal(size=(50, length))
    array = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), length)
    embedding = fit_embedding(array, seed=7)
    embedding = Embedding.from_dict(json.loads(json.dumps(embedding.to_dict())))
    rows, bad = embedding.rows(array)
    assert (rows.shape, bad, embedding.dimensions) == ((50, MOST_DIMENSIONS), 0, MOST_DIMENSIONS)
    ratio = (rows**2).sum(axis=1) / (values**2).sum(axis=1)
    assert ratio.mean() == pytest.approx(1, abs=0.03)
    assert np.array_equal(rows, Embedding(length, 7).rows(array)[0])
    assert not np.allclose(rows, Embedding(length, 8).rows(array)[0])


@pytest.mark.parametrize("d", [1, 2, 22, 63, 64, 100])
@pytest.mark.parametrize("n", [1, 63, 541, 5000])
def test_moments_taken_by_blocks_of_rows_are_numpys(n: int, d: int) -> None:
    rows = np.random.default_rng(n * d).normal(3, 2, (n, d))
    got = vector_moments(rows)
    assert got.n == n
    np.testing.assert_allclose(got.mean, rows.mean(axis=0), rtol=1e-12)
    centred = rows - rows.mean(axis=0)
    np.testing.assert_allclose(got.comoment, centred.T @ centred, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(got.comoment, got.comoment.T)
