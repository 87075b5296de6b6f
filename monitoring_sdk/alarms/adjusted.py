"""A column's location beside what the locations of the other columns say of it.

What moves many columns together, such as chance in rows whose columns hang together, hides what one
of them does by itself. Each location is compared with its regression on all others (D. M. Hawkins,
1991, Technometrics 33).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.watched import Watched

ADJUSTED = "adjusted_location"
_FLOOR = 0.05
_LEAST_EXPLAINED = 0.1
_RIDGE = 0.01
_LEAST_ROWS, _ROWS_A_COLUMN = 500, 20
_LEAST_WEIGHT = 0.02
_LEAST_SPREAD = 0.1
_MOVED, _BY_CHANCE = 0.15, 3.0
_RELIED_ON = 0.1
_RESTLESS = 0.25
_MAD = 1.4826


@dataclass(frozen=True, eq=False)
class Adjusted:
    """How the locations of d columns hang together.

    Parameters
    ----------
    columns : tuple of str
    weights : array, shape (d, d)
        A row a column: how far each other location is taken off. 0 on the diagonal.
    unexplained : array, shape (d,)
        The share of a row's variance that is left; 1 where the others say too little.
    spread : array, shape (d,)
        How far the locations of reference windows lie apart: their robust standard deviation.
    """

    columns: tuple[str, ...]
    weights: NDArray[np.float64]
    unexplained: NDArray[np.float64]
    spread: NDArray[np.float64]

    @cached_property
    def at(self) -> NDArray[np.int64]:
        """Which of the columns are watched beside the others."""
        return np.flatnonzero(self.unexplained < 1)

    @cached_property
    def watched(self) -> tuple[Watched, ...]:
        """A row a value."""
        names = [self.columns[i] for i in self.at]
        return tuple(
            Watched(f"drift/{ADJUSTED}/{name}", "drift", name, ADJUSTED, floor=_FLOOR)
            for name in names
        )

    def values(self, location: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is left of the locations of one window, of the columns that are watched.

        A column that moved by .15 standard deviations more than windows and chance do explains no
        other one: where one breaks, the others have not moved. What relies on it has no value then.

        Parameters
        ----------
        location, n : array, shape (d,)
            In standard deviations of the reference, and the rows that each rests on.
        """
        by_chance = np.maximum(self.spread, 1 / np.sqrt(np.maximum(n, 1)))
        usual = np.abs(location) <= _MOVED + _BY_CHANCE * by_chance
        left = location - self.weights @ np.where(usual, location, 0.0)
        left[(np.abs(self.weights) * ~usual).max(axis=1) >= _RELIED_ON] = np.nan
        return np.asarray(left[self.at])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the floats read back exactly."""
        weights = {
            name: {self.columns[k]: float(row[k]) for k in np.flatnonzero(row)}
            for name, row in zip(self.columns, self.weights, strict=True)
        }
        return {
            "weights": weights,
            "unexplained": self.unexplained.tolist(),
            "spread": self.spread.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Adjusted:
        """Read the JSON form back."""
        names = tuple(data["weights"])
        place = {name: at for at, name in enumerate(names)}
        weights = np.zeros((len(names), len(names)))
        for name, row in data["weights"].items():
            for other, weight in row.items():
                weights[place[name], place[other]] = weight
        unexplained, spread = (np.array(data[k], np.float64) for k in ("unexplained", "spread"))
        return cls(names, weights, unexplained, spread)


def fit_adjusted(
    scores: Mapping[str, NDArray[np.float64]], locations: Mapping[str, NDArray[np.float64]]
) -> Adjusted | None:
    """Learn from reference rows how the locations of columns hang together.

    Parameters
    ----------
    scores : mapping of str to array of float64, shape (n,)
        Of each column the normal score of each row, with mean 0 and variance 1; NaN for none.
    locations : mapping of str to array of float64, shape (R,)
        Of each column the location of each reference window; NaN for none.

    Returns
    -------
    Adjusted or None
        None where there are fewer than two columns, 500 rows or 20 rows a column, or where no
        column is explained to a tenth by the others. Columns whose windows differ by more than a
        quarter of a standard deviation anyway, as the weather's do, take no part.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a = rng.standard_normal(5000)
    >>> b = 0.8 * a + 0.6 * rng.standard_normal(5000)
    >>> windows = rng.standard_normal((2, 30)) / 50
    >>> found = fit_adjusted({"a": a, "b": b}, dict(zip("ab", windows)))
    >>> found.weights.round(1).tolist(), found.unexplained.round(1).tolist()
    ([[0.0, 0.8], [0.8, 0.0]], [0.4, 0.4])
    """
    # Not robust: rain that comes on one day of seven has a robust deviation of 0.
    names = tuple(name for name in scores if _sd(locations[name]) <= _RESTLESS)
    d = len(names)
    if d < 2 or len(scores[names[0]]) < max(_LEAST_ROWS, _ROWS_A_COLUMN * d):
        return None
    z = np.nan_to_num(np.stack([scores[name] for name in names], axis=1))
    z -= z.mean(axis=0)
    sd = z.std(axis=0)
    together = (z.T @ z) / len(z) / np.maximum(np.outer(sd, sd), 1e-12)
    precision = np.linalg.inv((1 - _RIDGE) * together + _RIDGE * np.eye(d))
    weights = -precision / np.diag(precision)[:, None]
    np.fill_diagonal(weights, 0.0)
    # A baseline is read by people, in a diff: no digits and no weights that tell nothing.
    weights = np.where(np.abs(weights) < _LEAST_WEIGHT, 0.0, weights.round(3))
    left = np.eye(d) - weights
    unexplained = np.einsum("ij,jk,ik->i", left, together, left)
    # A column that hardly varies is explained by nothing.
    alone = (unexplained > 1 - _LEAST_EXPLAINED) | (sd < _LEAST_SPREAD)
    if alone.all():
        return None
    weights[alone] = 0.0
    spread = np.array([_robust_sd(locations[name]) for name in names])
    return Adjusted(names, weights, np.where(alone, 1.0, unexplained), spread)


def _sd(x: NDArray[np.float64]) -> float:
    known = x[np.isfinite(x)]
    return float(known.std()) if len(known) else 0.0


def _robust_sd(x: NDArray[np.float64]) -> float:
    known = x[np.isfinite(x)]
    return _MAD * float(np.median(np.abs(known - np.median(known)))) if len(known) else 0.0
