"""Calibration: scores as probabilities, by isotonic regression on labelled rows.

Isotonic regression by pool-adjacent-violators (Barlow, Bartholomew, Bremner and Brunk, 1972);
several classes one against the rest, then normalised (Zadrozny and Elkan, 2002, KDD).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """A score's probability: straight between its knots, level beyond them.

    Parameters
    ----------
    scores : tuple of float
        Increasing.
    probabilities : tuple of float
        Never decreasing, within [0, 1]; as many.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, score: Floats) -> Floats:
        """Return a probability for each score; NaN stays NaN."""
        return np.interp(score, self.scores, self.probabilities)


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Scores to probabilities: one curve for a binary model, else one for each class.

    Examples
    --------
    >>> calibrate = fit_calibrator([0.1, 0.4, 0.6, 0.9], [False, True, False, True])
    >>> calibrate(np.array([0.0, 0.5, 0.75, 2.0])).tolist()
    [0.0, 0.5, 0.75, 1.0]
    >>> Calibrator.from_dict(calibrate.to_dict()) == calibrate
    True
    """

    curves: tuple[Curve, ...]

    def __call__(self, score: Floats) -> Floats:
        """Return probabilities, in the shape of the scores.

        Parameters
        ----------
        score : array of float64, shape (n,), or (n, k) for k classes
            Rows of k sum to one afterwards; where every class got nothing, all are alike.
        """
        if score.ndim == 1:
            return self.curves[0](score)
        each = np.stack([curve(score[:, j]) for j, curve in enumerate(self.curves)], axis=1)
        total = each.sum(axis=1, keepdims=True)
        alike = np.full_like(each, 1 / each.shape[1])
        return np.divide(each, total, out=alike, where=total != 0)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can carry."""
        return {
            "curves": [
                {"scores": list(c.scores), "probabilities": list(c.probabilities)}
                for c in self.curves
            ]
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Calibrator:
        """Return what `to_dict` was given."""
        return cls(
            tuple(Curve(tuple(c["scores"]), tuple(c["probabilities"])) for c in found["curves"])
        )


def fit_calibrator(score: Any, truth: Any, weight: Any = None) -> Calibrator:
    """Fit the curves on labelled rows.

    Parameters
    ----------
    score : array-like of float, shape (n,), or (n, k) for k classes
        Any numbers that grow with the probability; a row without one (NaN) is left out.
    truth : array-like, shape (n,)
        Whether the label is the positive class; for k classes, its number from 0.
    weight : array-like of float, shape (n,), optional
        What each row counts, >= 0.

    Raises
    ------
    ValueError
        When no row with a score and a weight is left.

    Examples
    --------
    Rows of equal scores are one point, and a score that ranks backwards is level:

    >>> fit_calibrator([0.2, 0.2, 0.8], [True, False, False]).curves[0].probabilities
    (0.3333333333333333, 0.3333333333333333)
    """
    scores = np.asarray(score, dtype=np.float64)
    labels = np.asarray(truth)
    weights = np.ones(len(labels)) if weight is None else np.asarray(weight, dtype=np.float64)
    there = ~np.isnan(scores) if scores.ndim == 1 else ~np.isnan(scores).any(axis=1)
    keep = there & (weights > 0)
    if not keep.any():
        raise ValueError("no row with a score to calibrate on")
    scores, labels, weights = scores[keep], labels[keep], weights[keep]
    if scores.ndim == 1:
        return Calibrator((_curve(scores, labels.astype(bool), weights),))
    return Calibrator(
        tuple(_curve(scores[:, j], labels == j, weights) for j in range(scores.shape[1]))
    )


def _curve(score: Floats, truth: NDArray[np.bool_], weight: Floats) -> Curve:
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    first = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    total = np.add.reduceat(weight[order], first)
    share = np.add.reduceat((weight * truth)[order], first) / total
    from scipy.optimize import isotonic_regression  # half a second, only for who fits

    fitted = isotonic_regression(share, weights=total)
    # A pooled stretch is level: its two ends say all of it.
    ends = np.unique(np.concatenate([fitted.blocks[:-1], fitted.blocks[1:] - 1]))
    level = np.clip(fitted.x[ends], 0.0, 1.0)
    return Curve(tuple(ranked[first][ends].tolist()), tuple(level.tolist()))
