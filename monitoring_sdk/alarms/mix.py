"""Levels of a category against each other, beside the way in which they usually move together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.fit import Fit
from monitoring_sdk.alarms.residuals import Floats
from monitoring_sdk.alarms.watched import Watched, on_scale, places_of, readable

_FEWEST_WINDOWS, _FEWEST_LEVELS, _MOST_AXES, _LEFT = 14, 4, 3, 2
_CLEAR = 1.5


@dataclass(frozen=True, eq=False, slots=True)
class Mix:
    """What is left of the shares of M levels beside the directions that they often move in.

    Parameters
    ----------
    columns : tuple of str, of length G
    at : array of int, shape (M,)
        Which values the levels are.
    spread, sampling : array, shape (M,)
        Standard deviation of each in a window of the usual rows, and that of sampling alone.
    axes : array, shape (M, A)
        Directions, in units of `sampling`, each of one column and of length 1.
    members : array, shape (M, G)
        Weights of what is left.
    floor : array, shape (M,)
        What is left has to be as large, in the units of the values.
    """

    columns: tuple[str, ...]
    at: NDArray[np.int64]
    spread: Floats
    sampling: Floats
    axes: Floats
    members: Floats
    floor: Floats

    def energies(self, z: Floats, means: Floats | None = None) -> Floats:
        """Return the cube root of each column's mean square of what is left, shape (..., G).

        Parameters
        ----------
        z : array, shape (..., K)
        means : array, shape (..., K), optional
            The deviations that `z` are the scores of: what is left has to be over its floor.
        """
        squares = self._left(z, self.spread / self.sampling) ** 2
        if means is not None:
            squares *= np.abs(self._left(means, 1 / self.sampling)) * self.sampling >= self.floor
        return np.cbrt(squares @ self.members.astype(z.dtype))

    def _left(self, values: Floats, unit: Floats) -> Floats:
        found = values[..., self.at] * unit.astype(values.dtype)
        axes = self.axes.astype(values.dtype)
        found -= (found @ axes) @ axes.T
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the floats read back exactly."""
        arrays = {n: getattr(self, n).tolist() for n in self.__slots__ if n != "columns"}
        return {"columns": list(self.columns), **arrays}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Mix:
        """Read the JSON form back."""
        at = np.array(data["at"], dtype=np.int64)
        rest = [n for n in cls.__slots__ if n not in ("columns", "at")]
        arrays = {n: np.array(data[n], dtype=np.float64) for n in rest}
        return cls(columns=tuple(data["columns"]), at=at, **arrays)


def fit_mix(residuals: Floats, rows: Floats, fit: Fit, watched: Sequence[Watched]) -> Mix | None:
    """Find the categories whose levels often move together, and how.

    Sampling moves the levels of a category every which way; a change of the world from day to day
    along one line or a few. What lies off them is judged by sampling alone, which is far less where
    windows have many rows.

    Parameters
    ----------
    residuals, rows : array, shape (R, K)
    fit : Fit
    watched : sequence of Watched

    Returns
    -------
    Mix or None
        None where no category moves more than sampling would have it.
    """
    places: dict[str, list[int]] = {}
    for i, w in enumerate(watched):
        if w.kind == "share" and w.family == "drift" and w.column is not None:
            places.setdefault(w.column, []).append(i)
    sampling = np.sqrt(fit.sigma2 / np.maximum(fit.rows, 1))
    found = {}
    for column, at in places.items():
        known = (rows[:, at] > 0).all(axis=1)
        own = _axes(residuals[known][:, at] / np.maximum(sampling[at], 1e-12))
        if own is not None:
            found[column] = (at, own)
    if not found:
        return None
    every = [i for at, _ in found.values() for i in at]
    axes = np.zeros((len(every), sum(a.shape[1] for _, a in found.values())))
    members = np.zeros((len(every), len(found)))
    row = column_at = 0
    for k, (at, own) in enumerate(found.values()):
        axes[row : row + len(at), column_at : column_at + own.shape[1]] = own
        members[row : row + len(at), k] = 1 / (len(at) - own.shape[1])
        row, column_at = row + len(at), column_at + own.shape[1]
    spread = np.sqrt(fit.variance)
    floor = _floor(fit.mu, watched)[every]
    return Mix(
        tuple(found), np.array(every), spread[every], sampling[every], axes, members, floor
    )  # fmt: skip


def _axes(y: Floats) -> Floats | None:
    """Return the directions that stand out of noise, shape (d, A).

    Source of the edge that noise reaches: Marchenko and Pastur, 1967, Math. USSR-Sbornik 1.
    """
    windows, levels = y.shape
    if windows < _FEWEST_WINDOWS or levels < _FEWEST_LEVELS:
        return None
    _, s, vt = np.linalg.svd(y - y.mean(axis=0), full_matrices=False)
    values = s**2 / (windows - 1)
    edge = _CLEAR * (1 + np.sqrt(levels / windows)) ** 2
    most = min(_MOST_AXES, levels - _LEFT - 1)
    count = 0
    while count < most and values[count] > edge * max(values[count + 1 : -1].mean(), 1e-12):
        count += 1
    return vt[:count].T if count else None


def _floor(mu: Floats, watched: Sequence[Watched]) -> Floats:
    """Return half of each value's effect floor in its own units, the way that is shorter."""
    base = readable(mu, places_of(watched))
    out = np.zeros_like(mu)
    for i, w in enumerate(watched):
        if w.scale == "share" and w.kind == "share":
            ends = [float(on_scale(base[i] + sign * w.floor / 2, w.scale)) for sign in (1, -1)]
            out[i] = np.nanmin([abs(end - mu[i]) for end in ends])
    return out
