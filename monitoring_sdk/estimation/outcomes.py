"""Rows whose label is known in probability, and what metrics are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Positive and negative mass at each distinct score, from the highest down: shape (b, m)."""

    positive: Floats
    negative: Floats


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Rows with a mass on each class that their label may be, b versions of them at once.

    A label that is known has its whole mass on one class, a calibrated one is spread; so the same
    formula gives the realised metric and the expected one.

    Parameters
    ----------
    mass : array of float64, shape (b, n, k)
        >= 0; summed over the classes, what the row counts.
    score : array of float64, shape (n,) or (n, k), optional
        What the model said.
    said : array of int, shape (n,), optional
        The predicted class, from 0.
    payoff : tuple of tuple of float, optional
        What a row is worth, by true and predicted class.
    """

    mass: Floats
    score: Floats | None = None
    said: NDArray[np.int64] | None = None
    payoff: tuple[tuple[float, ...], ...] | None = None

    @cached_property
    def total(self) -> Floats:
        """The mass of all rows, shape (b,)."""
        return self.mass.sum(axis=(1, 2))

    @cached_property
    def confusion(self) -> Floats:
        """The mass by true and predicted class, shape (b, k, k)."""
        b, _, k = self.mass.shape
        out = np.zeros((b, k, k))
        if self.said is not None:
            for j in range(k):
                out[:, :, j] = self.mass[:, self.said == j].sum(axis=1)
        return out

    def score_of(self, label: int) -> Floats:
        """Return the score of one class, shape (n,)."""
        if self.score is None:
            raise ValueError("there is no score")
        return self.score if self.score.ndim == 1 else self.score[:, label]

    def ranking(self, label: int) -> Ranking:
        """Return the mass of one class against the others, in the order of its score."""
        score = self.score_of(label)
        order = np.argsort(-score, kind="stable")
        ranked = score[order]
        positive = self.mass[:, order, label]
        negative = self.mass[:, order].sum(axis=2) - positive
        first = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
        if len(first) < len(ranked):
            positive = np.add.reduceat(positive, first, axis=1)
            negative = np.add.reduceat(negative, first, axis=1)
        return Ranking(positive, negative)


def known(truth: NDArray[np.generic], classes: int, weight: Floats) -> Floats:
    """Return the mass of labels that are known, shape (1, n, k).

    Examples
    --------
    >>> known(np.array([1, 0]), 2, np.ones(2)).tolist()
    [[[0.0, 1.0], [1.0, 0.0]]]
    """
    return (truth[:, None] == np.arange(classes))[None] * weight[:, None]


def spread_over(probability: Floats) -> Floats:
    """Return probabilities of each class, shape (..., k), from those of a binary model or k.

    Examples
    --------
    >>> spread_over(np.array([0.25])).tolist()
    [[0.75, 0.25]]
    """
    if probability.ndim == 1:
        return np.stack([1 - probability, probability], axis=-1)
    return probability


def drawn(probability: Floats, times: int, rng: np.random.Generator) -> Floats:
    """Draw labels from the probabilities of each class, shape (n, k): mass of shape (times, n, k).

    Each row's label is an independent draw: sums over rows are Poisson-binomial.
    """
    n, k = probability.shape
    below = np.cumsum(probability, axis=1)[:, :-1]
    chance = rng.random((times, n), dtype=np.float32)
    label = (chance[:, :, None] > below).sum(axis=2, dtype=np.int8)
    return (label[:, :, None] == np.arange(k)).astype(np.float64)
