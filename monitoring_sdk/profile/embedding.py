"""Embedding columns: lists of numbers, read as the rows of a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.numeric import numeric_values
from monitoring_sdk.profile.vectors import FAR, Floats, VectorMoments, vector_moments

MOST_DIMENSIONS = 256
"""Longer embeddings are projected: a covariance grows as the square of the dimensions."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """How an embedding column is read.

    Parameters
    ----------
    length : int
        Of its vectors in the reference; others are bad.
    seed : int
        Of the projection that longer vectors than 256 go through.
    """

    length: int
    seed: int = 0

    @property
    def dimensions(self) -> int:
        """Components that are left after the projection."""
        return min(self.length, MOST_DIMENSIONS)

    def rows(self, array: pa.Array, name: str = "") -> tuple[Floats, int]:
        """Return the good vectors as rows, projected, and how many were bad.

        Parameters
        ----------
        array : pyarrow.Array
            Lists of any kind, of numbers.
        name : str
            The column, for the message of an error.

        Raises
        ------
        SourceError
            When the array holds no lists of numbers.

        Examples
        --------
        >>> rows, bad = Embedding(2).rows(pa.array([[1, 2], [3], None, [4, None]]))
        >>> rows.tolist(), bad
        ([[1.0, 2.0]], 3)
        """
        values = _of_length(array, self.length, name)
        good = np.isfinite(values).all(axis=1) & (np.abs(values) < FAR).all(axis=1)
        kept = values[good]
        if self.length > MOST_DIMENSIONS:
            kept = kept @ _directions(self.length, self.seed)
        return kept, len(array) - len(kept)

    def moments(self, array: pa.Array, name: str = "") -> VectorMoments:
        """Return the moments of the good vectors."""
        rows, bad = self.rows(array, name)
        return vector_moments(rows, bad=bad)

    def to_dict(self) -> dict[str, int]:
        """Return the JSON form."""
        return {"length": self.length, "seed": self.seed}

    @classmethod
    def from_dict(cls, data: Mapping[str, int]) -> Embedding:
        """Read the JSON form back."""
        return cls(data["length"], data["seed"])


def fit_embedding(array: pa.Array | pa.ChunkedArray, name: str = "", seed: int = 0) -> Embedding:
    """Learn the length of an embedding column: that of most of its vectors.

    Raises
    ------
    SourceError
        When there is no vector.

    Examples
    --------
    >>> fit_embedding(pa.array([[1.0, 2.0], [3.0, 4.0], [5.0]])).length
    2
    """
    if not _is_list(array.type):
        raise SourceError(f"column {name!r} is of type {array.type}, which holds no vectors")
    lengths = pc.list_value_length(array).drop_null().to_numpy()
    lengths = lengths[lengths > 0]
    if not len(lengths):
        raise SourceError(f"column {name!r} holds no vectors in the reference")
    return Embedding(int(np.bincount(lengths).argmax()), seed)


def _is_list(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in lists)


def _of_length(array: pa.Array, length: int, name: str) -> Floats:
    """Return the vectors of the right length as rows; a null inside is NaN."""
    if not _is_list(array.type):
        raise SourceError(f"column {name!r} is of type {array.type}, which holds no vectors")
    right = pc.fill_null(pc.equal(pc.list_value_length(array), length), False)
    flat = pc.list_flatten(array.filter(right))
    return numeric_values(flat, name)[0].astype(np.float64).reshape(-1, length)


@lru_cache(maxsize=8)
def _directions(length: int, seed: int) -> Floats:
    """Return random orthonormal directions, scaled so that squared lengths are kept on average."""
    normal = np.random.default_rng(seed).normal(size=(length, MOST_DIMENSIONS))
    return np.linalg.qr(normal)[0] * np.sqrt(length / MOST_DIMENSIONS)
