"""Estimates of the reference's own windows, each by rows of other times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from monitoring_sdk.estimation.rows import Reference
from monitoring_sdk.estimation.table import estimate
from monitoring_sdk.value import Value


def reference_estimates(
    name: str, reference: Reference, metrics: Iterable[str], *, seed: int = 0
) -> dict[int, dict[str, Value]]:
    """Estimate every window of a reference as if it were a new one.

    Parameters
    ----------
    name : str
        A key of `ESTIMATORS`.

    Returns
    -------
    dict of int to dict of str to Value
        By block and metric. The stretch of time in which a block lies has no part in what it is
        estimated by: limits learned from an estimator that saw the labels would be too narrow.
    """
    names, group = tuple(metrics), reference.group
    found: dict[int, dict[str, Value]] = {}
    for g in np.unique(group):
        others = reference.take(group != g)
        # Errors of these estimates are not asked for: one block makes them cheap.
        others = dataclasses.replace(others, block=np.zeros(others.n, np.int64))
        for block in np.unique(reference.block[group == g]):
            part = reference.rows.take(reference.block == block)
            each = estimate(name, others, part, names, seed=seed)
            found[int(block)] = {m: e.value for m, e in each.items()}
    return found
