"""The default alarm rules of others, in our own words, for `benchmarks.alarms`.

Each rule becomes a severity a window, and 1 or more is an alarm. Stated for the versions that
`tests/test_alarm_peers.py` compares them with on car_loan: Evidently 0.7.23 and NannyML 0.13.1.
Evidently, Kolmogorov-Smirnov with chi-squared, and PSI compare with one sample of training rows;
NannyML learns its thresholds from the reference windows, as ours are learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.floating[Any]]

LIMIT = 0.1
"""Of Evidently, for the Wasserstein distance over sd and for Jensen-Shannon."""

DATASET_SHARE = 0.5
DEVIATIONS = 3.0
"""Of NannyML, about the mean of the reference chunks."""

ALPHA, PSI_LIMIT, PSI_FLOOR = 0.05, 0.2, 1e-4
MANY_LEVELS = 30


@dataclass(frozen=True)
class Counted:
    """One column of some windows, as a discrete distribution: nothing is lost in it.

    Parameters
    ----------
    numeric : bool
    points : array of float64, shape (K,)
        Increasing values; of a category, any numbers.
    counts : array, shape (T, K)
        Rows with each value in each window. For a category later windows may have more levels.
    nulls : array, shape (T,)
    """

    numeric: bool
    points: Floats
    counts: NDArray
    nulls: NDArray

    @property
    def shares(self) -> Floats:
        """Share of each value among those that are there, a row a window."""
        return self.counts / self.counts.sum(axis=-1, keepdims=True)

    @property
    def total(self) -> Counted:
        """All windows together as one."""
        return Counted(
            self.numeric, self.points, self.counts.sum(0)[None], np.array([self.nulls.sum()])
        )


@dataclass(frozen=True)
class Windows:
    """Some windows: their columns, and where labels are, accuracy and AUC, shape (T, 2)."""

    columns: tuple[Counted, ...]
    performance: Floats | None = None


Rule = Callable[[Windows], Floats]
"""Severity of each window, shape (T,)."""


def wider(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """Give two arrays the same last axis, with zeros: a level that one of them has not."""
    k = max(a.shape[-1], b.shape[-1])
    return tuple(np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, k - x.shape[-1])]) for x in (a, b))  # type: ignore[return-value]


def jensen_shannon(p: Floats, q: Floats, unit: float) -> Floats:
    """Return Jensen-Shannon distances along the last axis; `unit` is the log of the base."""
    p, q = np.broadcast_arrays(*wider(p, q))
    middle = (p + q) / 2
    nats = special.rel_entr(p, middle).sum(-1) + special.rel_entr(q, middle).sum(-1)
    return np.sqrt(np.maximum(nats, 0.0) / 2 / unit)


def wasserstein_over_sd(reference: Counted, windows: Counted) -> Floats:
    """Return Wasserstein-1 distances over the reference's standard deviation."""
    p = reference.shares[0]
    sd = np.sqrt(p @ (reference.points - p @ reference.points) ** 2)
    gaps = np.abs(np.cumsum(windows.shares, axis=1) - np.cumsum(p))[:, :-1]
    return gaps @ np.diff(reference.points) / max(float(sd), 1e-3)


def evidently_scores(sample: Sequence[Counted], windows: Sequence[Counted]) -> Floats:
    """Return each column's distance over its threshold, shape (T, columns).

    For a reference of more than 1000 rows: Wasserstein over sd for numbers of more than five
    values, Jensen-Shannon (natural logarithm) for all else, both at .1.
    """
    found = []
    for ref, now in zip(sample, windows, strict=True):
        if ref.numeric and np.count_nonzero(ref.counts) > 5:
            found.append(wasserstein_over_sd(ref, now))
        else:
            found.append(jensen_shannon(ref.shares, now.shares, 1.0))
    return np.stack(found, axis=1) / LIMIT


def _doane_edges(reference: Counted) -> Floats:
    """Return the edges that numpy's Doane rule gives the reference rows."""
    n, p = reference.counts.sum(), reference.shares[0]
    there = reference.points[reference.counts[0] > 0]
    mean = p @ reference.points
    sd = np.sqrt(p @ (reference.points - mean) ** 2)
    skew = abs(p @ ((reference.points - mean) / sd) ** 3)
    spread = np.sqrt(6.0 * (n - 2) / ((n + 1.0) * (n + 3)))
    width = (there[-1] - there[0]) / (1 + np.log2(n) + np.log2(1 + skew / spread))
    return np.linspace(there[0], there[-1], int(np.ceil((there[-1] - there[0]) / width)) + 1)


def _binned(column: Counted, edges: Floats) -> Floats:
    """Return shares in the bins, the last one closed, and what lies outside of them."""
    at = np.searchsorted(edges, column.points, side="right") - 1
    at[column.points == edges[-1]] -= 1
    at[(at < 0) | (at >= len(edges) - 1)] = len(edges) - 1
    return np.stack([np.bincount(at, row, len(edges)) for row in column.shares])


def nannyml_distance(reference: Counted) -> Callable[[Counted], Floats]:
    """Return the Jensen-Shannon distance (base 2) of windows to one column's reference.

    Numbers in Doane's bins, unless they have few values; levels that the reference lacks are one.
    """
    whole = reference.total
    values = int(np.count_nonzero(whole.counts))
    if whole.numeric and (values > 50 or values / whole.counts.sum() > 0.1):
        edges = _doane_edges(whole)
        known = _binned(whole, edges)
        return lambda now: jensen_shannon(known, _binned(now, edges), np.log(2))

    def of_levels(now: Counted) -> Floats:
        p, q = wider(whole.shares, now.shares)
        q = np.where(p > 0, q, 0.0)
        left = np.maximum(1 - q.sum(axis=1, keepdims=True), 0.0)
        return jensen_shannon(p, np.concatenate([q, left], axis=1), np.log(2))

    return of_levels


def _beyond(reference: Floats, *, above_only: bool) -> Callable[[Floats], Floats]:
    """Return how many thirds of 3 standard deviations values lie off, shape (T, k)."""
    mean, sd = reference.mean(axis=0), np.maximum(reference.std(axis=0), 1e-12)

    def severity(values: Floats) -> Floats:
        z = (values - mean) / sd / DEVIATIONS
        return z if above_only else np.abs(z)

    return severity


def _nulls(windows: Windows) -> Floats:
    parts = [c.nulls / (c.nulls + c.counts.sum(axis=1)) for c in windows.columns]
    return np.stack(parts, axis=1)


def nannyml_rules(reference: Windows) -> dict[str, Rule]:
    """Return the rules whose thresholds come from the reference windows."""
    distances = [nannyml_distance(c) for c in reference.columns]

    def drift(windows: Windows) -> Floats:
        pairs = zip(distances, windows.columns, strict=True)
        return np.stack([distance(c) for distance, c in pairs], axis=1)

    seen = [c.counts.sum(axis=0) > 0 for c in reference.columns]

    def unseen(windows: Windows) -> Floats:
        new = np.zeros(len(windows.columns[0].nulls))
        for known, c in zip(seen, windows.columns, strict=True):
            if not c.numeric:
                new += np.where(wider(known, c.counts)[0], 0, c.counts).sum(axis=1)
        return np.where(new > 0, 10.0, 0.0)

    far_drift = _beyond(drift(reference), above_only=True)
    far_null = _beyond(_nulls(reference), above_only=False)
    rules: dict[str, Rule] = {
        "NannyML JS, mean + 3 sd": lambda w: far_drift(drift(w)).max(axis=1),
    }
    if reference.performance is None:
        return rules
    far_performance = _beyond(reference.performance, above_only=False)

    def performance(windows: Windows) -> Floats:
        assert windows.performance is not None
        return far_performance(windows.performance).max(axis=1)

    def all_but_unseen(windows: Windows) -> Floats:
        parts = far_drift(drift(windows)), far_null(_nulls(windows))
        return np.maximum(np.concatenate(parts, axis=1).max(axis=1), performance(windows))

    return rules | {
        "NannyML performance, mean +- 3 sd": performance,
        "NannyML all but unseen": all_but_unseen,
        "NannyML all": lambda w: np.maximum(all_but_unseen(w), unseen(w)),
    }


def p_values(sample: Sequence[Counted], windows: Sequence[Counted]) -> Floats:
    """Return Kolmogorov-Smirnov or chi-squared p-values, shape (T, columns)."""
    found = []
    for ref, now in zip(sample, windows, strict=True):
        if ref.numeric:
            gap = np.abs(np.cumsum(now.shares, axis=1) - np.cumsum(ref.shares, axis=1)).max(axis=1)
            n, m = now.counts.sum(axis=1), ref.counts.sum()
            root = np.sqrt(n * m / (n + m))
            # Stephens' correction of the asymptotic law, within .01 of the exact p-value.
            found.append(special.kolmogorov((root + 0.12 + 0.11 / root) * gap))
            continue
        q, r = (x.astype(float) for x in wider(now.counts, ref.counts))
        n, m = q.sum(axis=1, keepdims=True), r.sum()
        both = np.where(q + r > 0, q + r, 1.0)
        unlike = (q - both * n / (n + m)) ** 2 / (both * n / (n + m))
        unlike += (r - both * m / (n + m)) ** 2 / (both * m / (n + m))
        there = q + r > 0
        freedom = np.maximum(there.sum(axis=1) - 1, 1)
        found.append(special.chdtrc(freedom, np.where(there, unlike, 0.0).sum(axis=1)))
    return np.stack(found, axis=1)


def psi(sample: Sequence[Counted], windows: Sequence[Counted]) -> Floats:
    """Return the PSI on the sample's deciles or levels, zero shares as 1e-4; (T, columns)."""
    found = []
    for ref, now in zip(sample, windows, strict=True):
        p, q = wider(ref.shares, now.shares)
        if ref.numeric:
            cuts = np.searchsorted(np.cumsum(p[0]), np.arange(1, 10) / 10) + 1
            starts = np.unique(np.append(0, cuts.clip(0, p.shape[1] - 1)))
            p, q = (np.add.reduceat(x, starts, axis=1) for x in (p, q))
        p, q = np.maximum(p, PSI_FLOOR), np.maximum(q, PSI_FLOOR)
        found.append(((q - p) * np.log(q / p)).sum(axis=1))
    return np.stack(found, axis=1)


def sample_rules(sample: Sequence[Counted]) -> dict[str, Rule]:
    """Return the rules that compare with one sample of training rows."""
    few = np.array([c.numeric or np.count_nonzero(c.counts) <= MANY_LEVELS for c in sample])
    columns = len(sample)
    dataset = int(np.ceil(DATASET_SHARE * columns))
    least = -np.log10(ALPHA)

    def rarity(windows: Windows) -> Floats:
        return -np.log10(np.maximum(p_values(sample, windows.columns).min(axis=1), 1e-300))

    def distances(windows: Windows) -> Floats:
        return evidently_scores(sample, windows.columns)

    return {
        "Evidently, any column": lambda w: distances(w).max(axis=1),
        "Evidently, columns of few levels": lambda w: distances(w)[:, few].max(axis=1),
        "Evidently, half of the columns": lambda w: np.sort(distances(w), axis=1)[:, -dataset],
        "KS / chi-squared p < .05": lambda w: rarity(w) / least,
        "KS / chi-squared, Bonferroni": lambda w: rarity(w) / (least + np.log10(columns)),
        "PSI > .2": lambda w: psi(sample, w.columns).max(axis=1) / PSI_LIMIT,
        "PSI > .2, columns of few levels": lambda w: (
            psi(sample, w.columns)[:, few].max(axis=1) / PSI_LIMIT
        ),
    }
