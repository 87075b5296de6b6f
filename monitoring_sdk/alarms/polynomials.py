"""Location, scale, skew and tails of counts in cells, as means of orthonormal polynomials."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

MOMENTS = ("location", "scale", "skew", "tails")
_QUANTILES = (0.001, 0.01, *np.arange(1, 10) / 10, 0.05, 0.95, 0.99, 0.999)
EXPECTED_ROWS = 5
_ENOUGH_CELLS = 8


def merged(counts: NDArray[np.int64], rows: float) -> NDArray[np.int64]:
    """Return the first fine cell of each coarse one, at most 16 of them.

    Parameters
    ----------
    counts : array of int64, shape (m,)
        Of the reference, by fine cell.
    rows : float
        Values of the smallest window; each coarse cell expects at least five of them, unless
        there is one cell alone.

    Examples
    --------
    >>> merged(np.array([10] * 10), 20).tolist()
    [0, 3, 6]
    """
    total = int(counts.sum())
    if not total:
        return np.zeros(1, dtype=np.int64)
    below = np.cumsum(counts) / total
    cuts = np.searchsorted(below, np.sort(_QUANTILES) - 1e-12) + 1
    least = EXPECTED_ROWS / max(rows, EXPECTED_ROWS)
    starts, last = [0], 0.0
    for cut in np.unique(cuts):
        if cut >= len(counts):
            break
        at = float(below[cut - 1])
        if at - last >= least - 1e-12 and 1 - at >= least - 1e-12:
            starts.append(int(cut))
            last = at
    return np.array(starts, dtype=np.int64)


def normal_scores(shares: NDArray[np.float64], degree: int = 4) -> NDArray[np.float64]:
    """Return the values of orthonormal polynomials in the cells' mean normal scores.

    Under the reference each has mean 0 and variance 1 (Neyman's smooth test: Neyman, 1937,
    Skandinavisk Aktuarietidskrift 20).

    Parameters
    ----------
    shares : array of float64, shape (c,)
        Of the reference, above 0, summing to 1.
    degree : int

    Returns
    -------
    array of float64, shape (c, d)
        d <= degree: fewer where there are too few cells.

    Examples
    --------
    >>> a = normal_scores(np.array([0.25, 0.5, 0.25]))
    >>> a.shape, bool(np.allclose(a.T @ np.diag([0.25, 0.5, 0.25]) @ a, np.eye(2)))
    ((3, 2), True)
    """
    ends = np.clip(np.concatenate([[0.0], np.cumsum(shares)]), 0, 1)
    density = np.exp(-(special.ndtri(ends) ** 2) / 2) / np.sqrt(2 * np.pi)
    density[[0, -1]] = 0.0
    middle = (density[:-1] - density[1:]) / shares
    found = [np.ones_like(middle)]
    for power in range(1, min(degree, len(shares) - 1) + 1):
        column = middle**power
        for _ in range(2):  # once more, for what rounding left
            for other in found:
                column = column - (shares * column * other).sum() * other
        norm = float(np.sqrt((shares * column * column).sum()))
        if norm < 1e-6:
            break
        found.append(column / norm)
    return np.stack(found[1:], axis=1) if len(found) > 1 else np.empty((len(shares), 0))


def moments(shares: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return location, scale, skew and tails of a window, in standard deviations of the reference.

    The higher ones are taken about the window's own location (and tails and skew about its own
    scale): a shift alone would otherwise show in the scale as its square. The corrections are
    those of Hermite polynomials, which the scores are close to where there are cells enough.

    Parameters
    ----------
    shares : array of float64, shape (c,)
        Of the window, by cell.
    scores : array of float64, shape (c, d)
        As of `normal_scores`.

    Examples
    --------
    >>> p = np.full(10, 0.1)
    >>> bool(np.allclose(moments(p, normal_scores(p)), 0))
    True
    """
    raw = shares @ scores
    if len(scores) < _ENOUGH_CELLS or len(raw) < 2:
        return raw
    u, square = raw[0], np.sqrt(2) * raw[1]
    excess = square - u * u  # of the variance
    lower = np.array([0, u * u / np.sqrt(2), 0, 0])
    lower[2] = (u**3 + 3 * u * excess) / np.sqrt(6)
    lower[3] = (u**4 + 6 * u * u * excess + 3 * excess**2) / np.sqrt(24)
    return raw - lower[: len(raw)]
