"""Mean and covariance of vectors, additively: of feature rows, or of embeddings."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.numeric import numeric_values

Floats = NDArray[np.float64]

FAR = 1e100
"""Further out the squares of a value would overflow."""

OUTLYING = 10.0
"""Features count as no further out than so many standard deviations of the reference.

With heavy tails (amounts, counts) one row in a thousand would otherwise make every correlation.
"""


@dataclass(frozen=True, slots=True, eq=False)
class VectorMoments:
    """How many vectors, their mean, and their sums of products about it.

    Parameters
    ----------
    n : int
        Vectors that count.
    bad : int
        Rows left out: null, of another length, or with a null, NaN or infinity inside.
    imputed : int
        Rows of which some component was missing and taken for the reference's mean.
    mean : array of float64, shape (d,)
    comoment : array of float64, shape (d, d)
        ``sum (x - mean) (x - mean)'``.
    """

    n: int
    bad: int
    imputed: int
    mean: Floats
    comoment: Floats

    @property
    def rows(self) -> int:
        """All rows, the bad ones too."""
        return self.n + self.bad

    @property
    def covariance(self) -> Floats:
        """The covariance (ddof 1); zeros where there are fewer than two vectors."""
        return self.comoment / max(self.n - 1, 1)

    def __eq__(self, other: object) -> bool:
        """Compare every count and every float."""
        return isinstance(other, VectorMoments) and self.to_dict() == other.to_dict()

    def merge(self, other: VectorMoments) -> VectorMoments:
        """Return the moments of both sets of rows; they agree with one pass to rounding.

        Source: Chan, Golub and LeVeque, 1983, The American Statistician 37.

        Raises
        ------
        ValueError
            When the vectors have not the same length.
        """
        if self.mean.shape != other.mean.shape:
            raise ValueError("moments of vectors of different length do not add")
        n = self.n + other.n
        mean, comoment = self.mean, self.comoment
        if other.n:
            delta = other.mean - self.mean
            mean = self.mean + delta * (other.n / n)
            comoment = (
                self.comoment + other.comoment + np.outer(delta, delta) * (self.n * other.n / n)
            )
        return VectorMoments(n, self.bad + other.bad, self.imputed + other.imputed, mean, comoment)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: floats as base64 of their bytes, of the matrix one half."""
        half = self.comoment[np.triu_indices(len(self.mean))]
        return {
            "kind": "vectors",
            "n": self.n,
            "bad": self.bad,
            "imputed": self.imputed,
            "mean": _packed(self.mean),
            "comoment": _packed(half),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VectorMoments:
        """Read the JSON form back.

        Raises
        ------
        ValueError
            When the sizes do not fit each other.
        """
        mean, half = _unpacked(data["mean"]), _unpacked(data["comoment"])
        upper = np.triu_indices(len(mean))
        if len(half) != len(upper[0]):
            raise ValueError("the moments of vectors are damaged: mean and comoment do not fit")
        comoment = np.zeros((len(mean), len(mean)))
        comoment[upper] = half
        comoment.T[upper] = half
        return cls(data["n"], data["bad"], data["imputed"], mean, comoment)


def _packed(values: Floats) -> str:
    return base64.b64encode(values.astype("<f8").tobytes()).decode()


def _unpacked(text: str) -> Floats:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f8").astype(np.float64)


def empty_vectors(d: int) -> VectorMoments:
    """Return the moments of no vectors of length d."""
    return VectorMoments(0, 0, 0, np.zeros(d), np.zeros((d, d)))


def vector_moments(rows: Floats, *, bad: int = 0, imputed: int = 0) -> VectorMoments:
    """Return the moments of finite rows.

    Parameters
    ----------
    rows : array of float64, shape (n, d)
    bad, imputed : int
        As in `VectorMoments`.

    Examples
    --------
    >>> whole = vector_moments(np.array([[0.0, 1.0], [2.0, 5.0], [4.0, 3.0]]))
    >>> whole.mean.tolist(), whole.covariance.tolist()
    ([2.0, 3.0], [[4.0, 2.0], [2.0, 4.0]])
    """
    if not len(rows):
        d = rows.shape[1]
        return VectorMoments(0, bad, imputed, np.zeros(d), np.zeros((d, d)))
    mean = rows.mean(axis=0)
    centred = rows - mean
    return VectorMoments(len(rows), bad, imputed, mean, _comoment(centred))


_ALONE = 2**18
"""Products of fewer multiplications than this are not shared out among threads (OpenBLAS)."""


def _comoment(centred: Floats) -> Floats:
    """Return X'X; of short vectors by blocks of rows.

    A product with a result so small is no work for several threads, and where they have to share
    processors with others they wait for each other ten times as long as they work.
    """
    n, d = centred.shape
    size = _ALONE // (d * (d + 1)) if d else n
    whole = n // size * size if size >= 64 else 0
    rest = centred[whole:]
    if not whole:
        return rest.T @ rest
    blocks = centred[:whole].reshape(-1, size, d)
    return np.matmul(blocks.transpose(0, 2, 1), blocks).sum(axis=0) + rest.T @ rest


@dataclass(frozen=True, slots=True, eq=False)
class Standard:
    """Numeric columns in standard deviations of the reference.

    Parameters
    ----------
    names : tuple of str
        The columns, in the order of the vectors' components.
    mean, scale : array of float64, shape (d,)
        Of the reference; the scale of a constant column is 1.
    """

    names: tuple[str, ...]
    mean: Floats
    scale: Floats

    def rows(self, batch: pa.RecordBatch | pa.Table) -> tuple[Floats, int]:
        """Return the standardised rows, and how many of them had a component missing.

        A missing component, a NaN or an infinity is taken for the reference's mean, which draws
        correlations towards zero: where many are, watch `null_share`.

        Raises
        ------
        SourceError
            When a column is missing or holds no numbers.
        """
        out = np.empty((batch.num_rows, len(self.names)))
        missing = np.zeros(batch.num_rows, dtype=bool)
        for j, name in enumerate(self.names):
            values = _column(batch, name)
            gap = ~np.isfinite(values)
            missing |= gap
            out[:, j] = np.where(gap, self.mean[j], values)
        out -= self.mean
        out /= self.scale
        return np.clip(out, -OUTLYING, OUTLYING, out=out), int(missing.sum())

    def moments(self, batch: pa.RecordBatch | pa.Table) -> VectorMoments:
        """Return the moments of the standardised rows."""
        rows, imputed = self.rows(batch)
        return vector_moments(rows, imputed=imputed)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "names": list(self.names),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Standard:
        """Read the JSON form back."""
        return cls(tuple(data["names"]), np.array(data["mean"]), np.array(data["scale"]))


def fit_standard(table: pa.Table, names: Sequence[str]) -> Standard:
    """Learn mean and standard deviation of numeric columns; those without a number are left out.

    Examples
    --------
    >>> standard = fit_standard(pa.table({"x": [1.0, 3.0], "y": [None, None]}), ["x"])
    >>> standard.rows(pa.table({"x": [5.0, None]}))
    (array([[3.],
           [0.]]), 1)
    """
    found: list[tuple[str, float, float]] = []
    for name in names:
        values = _column(table, name)
        values = values[np.isfinite(values) & (np.abs(values) < FAR)]
        if len(values):
            scale = float(values.std())
            found.append((name, float(values.mean()), scale if scale > 0 else 1.0))
    kept, means, scales = zip(*found, strict=True) if found else ((), (), ())
    return Standard(tuple(kept), np.array(means, dtype=float), np.array(scales, dtype=float))


def _column(batch: pa.RecordBatch | pa.Table, name: str) -> Floats:
    if batch.schema.get_field_index(name) < 0:
        raise SourceError(f"column {name!r} is missing, or there twice")
    column = batch.column(name)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [numeric_values(chunk, name)[0] for chunk in chunks]
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
