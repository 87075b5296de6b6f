"""Distances between two clouds of points: correlations, Frechet, maximum mean discrepancy, AUC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from monitoring_sdk.drift.cells import Undefined
from monitoring_sdk.profile.vectors import FAR, VectorMoments
from monitoring_sdk.value import Value

Floats = NDArray[np.float64]

LEAST_ROWS = 20
"""Fewer rows of a sample say nothing about where they come from."""

MMD_ROWS = 1000
PERMUTATIONS = 200

_Z = float(ndtri(0.975))

# At a correlation of 1 Fisher's z is infinite; no sample tells nearer ones apart.
_PERFECT = 1 - 1e-9


def correlation_change(
    reference: VectorMoments, current: VectorMoments, names: tuple[str, ...] = ()
) -> Value:
    """Return the largest change of a correlation, in [0, 2]; the reason names the pair.

    The p-value is of the most significant pair, by Fisher's z, times the number of pairs
    (Bonferroni). It takes the columns for normal; heavy tails make it too small. Pairs with a
    column that is constant in either sample are left out.

    Source: Fisher, 1921, Metron 1.

    Parameters
    ----------
    reference, current : VectorMoments
        Of the same standardised columns.
    names : tuple of str
        Of the columns; without them the pair is told by number.

    Examples
    --------
    >>> from monitoring_sdk.profile.vectors import vector_moments
    >>> x = np.random.default_rng(0).normal(size=(500, 2))
    >>> y = x @ np.array([[1.0, 1.0], [0.0, 0.1]])
    >>> found = correlation_change(vector_moments(x), vector_moments(y), ("age", "income"))
    >>> found.value > 0.9, found.reason
    (True, 'age with income: 0.007 to 0.995')
    """
    _same_length(reference, current)
    least = min(reference.n, current.n)
    if least < LEAST_ROWS:
        raise Undefined(f"needs {LEAST_ROWS} rows of either sample, got {least}")
    before, now = _correlation(reference), _correlation(current)
    upper = np.triu(np.isfinite(before) & np.isfinite(now), 1)
    if not upper.any():
        raise Undefined("no two columns vary in both samples")
    change = np.where(upper, np.abs(now - before), -1.0)
    i, j = (int(k) for k in np.unravel_index(int(change.argmax()), change.shape))
    apart = np.arctanh(now[upper]) - np.arctanh(before[upper])
    z = np.abs(apart) / np.sqrt(1 / (reference.n - 3) + 1 / (current.n - 3))
    p_value = min(1.0, 2 * float(ndtr(-z.max())) * int(upper.sum()))
    pair = [names[k] if names else f"component {k + 1}" for k in (i, j)]
    reason = f"{pair[0]} with {pair[1]}: {before[i, j]:.3f} to {now[i, j]:.3f}"
    return Value(float(change[i, j]), reason, p_value=p_value, n=current.n)


def _correlation(moments: VectorMoments) -> Floats:
    """Return the correlations; NaN for a column that is constant but for rounding."""
    squares = np.diag(moments.comoment)
    level = np.maximum(np.abs(moments.mean), 1.0)
    sd = np.where(squares > moments.n * (1e-12 * level) ** 2, np.sqrt(squares), np.nan)
    return np.clip(moments.comoment / np.outer(sd, sd), -_PERFECT, _PERFECT)


def frechet(reference: VectorMoments, current: VectorMoments) -> Value:
    """Return the Frechet distance of two normals, over the reference's total spread; >= 0.

    ``sqrt((|m - m'|^2 + tr(S + S' - 2 (S S')^1/2)) / tr S)``: 1 is a shift by the root mean square
    distance of the reference's vectors from their mean. With nothing changed it is not 0 but about
    ``sqrt(1/n + 1/n')`` and more, and more again where there are not many more rows than
    dimensions: it is to be judged by windows of a like size.

    Source: Dowson and Landau, 1982, Journal of Multivariate Analysis 12.

    Examples
    --------
    >>> from monitoring_sdk.profile.vectors import vector_moments
    >>> x = np.random.default_rng(0).normal(size=(500, 3))
    >>> before, moved = vector_moments(x), vector_moments(x + [3.0, 0.0, 0.0])
    >>> round(frechet(before, before).value, 6), 1.6 < frechet(before, moved).value < 1.8
    (0.0, True)
    """
    _same_length(reference, current)
    for which, moments in (("reference", reference), ("current window", current)):
        if moments.n < 2:
            raise Undefined(f"needs two vectors, and the {which} has {moments.n}")
    total = float(np.trace(reference.covariance))
    if not total > 0:
        raise Undefined("the reference is constant: it has no spread to measure by")
    s, t = reference.covariance / total, current.covariance / total
    values, directions = np.linalg.eigh(s)
    root = (directions * np.sqrt(np.maximum(values, 0.0))) @ directions.T
    middle = np.linalg.eigvalsh(root @ t @ root)
    apart = float(np.sum((current.mean - reference.mean) ** 2)) / total
    traces = 1 + float(np.trace(t))
    shape = traces - 2 * float(np.sqrt(np.maximum(middle, 0.0)).sum())
    # Rounding alone is some 1e-16 of the traces, which the root would make 1e-8.
    shape = shape if shape > 1e-12 * traces else 0.0
    note = f"{current.bad} bad vectors left out" if current.bad else None
    return Value(float(np.sqrt(apart + shape)), note, n=current.n)


def _same_length(reference: VectorMoments, current: VectorMoments) -> None:
    if reference.mean.shape != current.mean.shape:
        raise Undefined("vectors of different length")


def mmd(
    reference: Floats,
    current: Floats,
    *,
    seed: int = 0,
    most: int = MMD_ROWS,
    permutations: int = PERMUTATIONS,
) -> Value:
    """Return the unbiased squared maximum mean discrepancy, with a permutation p-value.

    About 0, also a little below, with nothing changed. The kernel is ``exp(-d^2 / (2 s^2))``, s
    the median distance between two rows of the reference (of both samples where that is 0).

    Source: Gretton, Borgwardt, Rasch, Scholkopf and Smola, 2012, JMLR 13, equation 3.

    Parameters
    ----------
    reference, current : array of float64, shapes (n, d) and (m, d)
        Rows with NaN or an infinity are left out.
    seed : int
        Of the permutations, and of the choice of rows.
    most : int
        Rows looked at of each sample.
    permutations : int
        The smallest p-value is 1 / (permutations + 1).
    """
    if reference.shape[1:] != current.shape[1:]:
        raise Undefined("vectors of different length")
    rng = np.random.default_rng(seed)
    x, y = (_some(sample, most, rng) for sample in (reference, current))
    n, m = len(x), len(y)
    if min(n, m) < LEAST_ROWS:
        raise Undefined(f"needs {LEAST_ROWS} rows of either sample, got {min(n, m)}")
    kernel = _kernel(np.concatenate([x, y]), n)
    first = np.zeros((n + m, permutations + 1))
    first[:n, 0] = 1.0
    for k in range(1, permutations + 1):
        first[rng.permutation(n + m)[:n], k] = 1.0
    values = _unbiased(kernel, first, n, m)
    # What is equal but for rounding counts as reached.
    reached = int((values[1:] >= values[0] - 1e-12).sum())
    left = len(current) - int(_usable(current).sum())
    note = f"{left} bad vectors left out" if left else None
    p_value = (1 + reached) / (permutations + 1)
    return Value(float(values[0]), note, p_value=p_value, n=m)


def _usable(sample: Floats) -> NDArray[np.bool_]:
    """Say which rows have squares that are numbers."""
    return np.asarray((np.abs(sample) < FAR).all(axis=1))


def _some(sample: Floats, most: int, rng: np.random.Generator) -> Floats:
    good = sample[_usable(sample)]
    return good if len(good) <= most else good[rng.permutation(len(good))[:most]]


def _kernel(rows: Floats, n: int) -> Floats:
    """Return the RBF kernel of all pairs with zeros on the diagonal; the first n rows set s."""
    from scipy.spatial.distance import pdist, squareform

    square = pdist(rows, "sqeuclidean")
    whole = squareform(square)
    width = float(np.median(whole[:n, :n][np.triu_indices(n, 1)]))
    if not width > 0:
        width = float(np.median(square)) or float(square.mean())
    kernel = np.exp(-whole / (2 * width)) if width > 0 else np.ones_like(whole)
    np.fill_diagonal(kernel, 0.0)
    return kernel


def _unbiased(kernel: Floats, first: Floats, n: int, m: int) -> Floats:
    """Return the statistic for each column of `first`, which marks the rows of the first sample."""
    both = kernel @ first
    within = np.einsum("ij,ij->j", first, both)
    across = both.sum(axis=0) - within
    rest = float(kernel.sum()) - within - 2 * across
    return within / (n * (n - 1)) + rest / (m * (m - 1)) - 2 * across / (n * m)


def auc(reference: Floats, current: Floats) -> Value:
    """Return the chance that a current row has the higher score, in [0, 1]; ties count half.

    The interval is DeLong's, at 95 % (DeLong, DeLong and Clarke-Pearson, 1988, Biometrics 44). It
    takes the scores for given; that the classifier was fitted too makes it somewhat too narrow.

    Examples
    --------
    >>> auc(np.array([0.1, 0.4]), np.array([0.4, 0.8])).value
    0.875
    """
    from scipy.stats import rankdata  # half a second of import that few need

    n, m = len(reference), len(current)
    ranks = rankdata(np.concatenate([reference, current]))
    of_current = (ranks[n:] - rankdata(current)) / n
    of_reference = 1 - (ranks[:n] - rankdata(reference)) / m
    area = float(of_current.mean())
    if min(n, m) < 2:
        return Value(area, n=m)
    half = _Z * float(np.sqrt(of_current.var(ddof=1) / m + of_reference.var(ddof=1) / n))
    interval = (max(0.0, area - half), min(1.0, area + half)) if half > 0 else None
    return Value(area, interval=interval, n=m)
