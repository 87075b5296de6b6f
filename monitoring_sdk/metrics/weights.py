"""Weights of rows: how much each counts; a row whose weight is null is left out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def weight_fault(weight: NDArray[np.float64] | None) -> str | None:
    """Say why a column of weights cannot be used, or None.

    Examples
    --------
    >>> weight_fault(np.array([1.0, -2.0]))
    'a weight is negative: -2'
    """
    if weight is None or not len(weight):
        return None
    if np.isinf(weight).any():
        return "a weight is infinite"
    lowest = float(np.nanmin(weight, initial=0.0))
    return f"a weight is negative: {lowest:.6g}" if lowest < 0 else None


def counted(weight: NDArray[np.float64] | None, n: int) -> NDArray[np.bool_]:
    """Say which rows count: those with a weight above 0, or all where there are no weights."""
    return np.ones(n, bool) if weight is None else weight > 0


def missing_weights(weight: NDArray[np.float64] | None) -> int:
    """Count the rows that have no weight though others do."""
    return 0 if weight is None else int(np.count_nonzero(np.isnan(weight)))


def dot(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return the sum of products.

    Summed pairwise, so that the order of rows moves the last digit at most, and in one thread: a
    threaded product of vectors costs more than it saves.
    """
    return float(np.sum(left * right))


def digest_rows(columns: Sequence[NDArray[Any]], n: int) -> str:
    """Hash rows so that their order does not matter.

    Parameters
    ----------
    columns : sequence of arrays of bool, int64 or float64, each of shape (n,)

    Examples
    --------
    >>> digest_rows([np.array([1, 2])], 2) == digest_rows([np.array([2, 1])], 2)
    True
    """
    mixed = np.zeros(n, np.uint64)
    for column in columns:
        exact = column.dtype == np.float64
        part = np.ascontiguousarray(column).view(np.uint64) if exact else column.astype(np.uint64)
        mixed = (mixed ^ part) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return f"{int(mixed.sum(dtype=np.uint64)) if n else 0:016x}"


def name_hash(name: str) -> int:
    """Return a number for a class's name that does not depend on which other classes there are."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
