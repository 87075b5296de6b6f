"""Distances between the shares of two samples in the same cells."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import rel_entr

from monitoring_sdk.drift.cells import Cells, ColumnGrid, cells
from monitoring_sdk.profile.categorical import CategoricalProfile
from monitoring_sdk.profile.grid import NumericGrid
from monitoring_sdk.profile.profile import ColumnProfile
from monitoring_sdk.value import Value

EMPTY_SHARE = 1e-4
"""What an empty cell's share is taken for in PSI, whose logarithm has no zero."""


def psi(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Population stability index: sum of (q - p) ln(q / p), zero shares taken for 1e-4; >= 0."""
    found = cells(reference, current, grid)
    p, q = (np.where(x == 0, EMPTY_SHARE, x) for x in found.shares)
    return Value(float(np.sum((q - p) * np.log(q / p))), n=found.n)


def jensen_shannon(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Jensen-Shannon distance: the root of the divergence in bits; in [0, 1]."""
    found = cells(reference, current, grid)
    p, q = found.shares
    middle = (p + q) / 2
    bits = float(np.sum(rel_entr(p, middle) + rel_entr(q, middle))) / (2 * math.log(2))
    return Value(math.sqrt(max(bits, 0.0)), n=found.n)  # rounding can end below zero


def hellinger(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Hellinger distance: Euclidean between the roots of the shares, over sqrt 2; in [0, 1]."""
    found = cells(reference, current, grid)
    p, q = found.shares
    return Value(float(np.linalg.norm(np.sqrt(p) - np.sqrt(q))) / math.sqrt(2), n=found.n)


def total_variation(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Total variation: half the sum of the shares' differences; in [0, 1]."""
    found = cells(reference, current, grid)
    p, q = found.shares
    return Value(float(np.abs(p - q).sum()) / 2, n=found.n)


def l_infinity(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Largest difference of a share; in [0, 1]."""
    found = cells(reference, current, grid)
    p, q = found.shares
    return Value(float(np.abs(p - q).max()), n=found.n)


def chi2(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Two-sample chi-squared statistic, >= 0, with its p-value; Yates's correction for 2 x 2."""
    from scipy.stats import chi2_contingency  # half a second of import that few need

    found = cells(reference, current, grid)
    table = _occupied(found)
    if table.shape[1] < 2:
        return Value(0.0, "all rows of both samples lie in one cell", p_value=1.0, n=found.n)
    test = chi2_contingency(table)
    return Value(float(test.statistic), p_value=float(test.pvalue), n=found.n)


def _occupied(found: Cells) -> np.ndarray:
    """Return the table of the cells that some row lies in; elsewhere nothing is expected."""
    table = np.stack([found.reference, found.current])
    return table[:, table.sum(axis=0) > 0]


def null_share(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Share of the current rows that are null or NaN; in [0, 1]."""
    if not current.rows:
        return Value.undefined("no rows in the current window", n=0)
    missing = current.nulls
    if not isinstance(current, CategoricalProfile):
        missing += current.nans
    return Value(missing / current.rows, n=current.rows)


def unseen_share(reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Share of the current values whose level the reference never had; in [0, 1]."""
    if not isinstance(current, CategoricalProfile) or isinstance(grid, NumericGrid):
        return Value.undefined("a numeric column has no levels", n=current.rows)
    if not grid.closed:
        reason = "the reference has too many levels to know them all, or new ones in every window"
        return Value.undefined(reason, n=current.rows)
    if not current.count:
        return Value.undefined("no values in the current window", n=0)
    return Value(current.unseen / current.count, n=current.count)
