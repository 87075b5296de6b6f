"""The loss that a row's features let one expect, had nothing but the inputs changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitoring_sdk.diagnosis.losses import Floats, Losses, evenly
from monitoring_sdk.domain import load_lightgbm

FOLDS = 2
MOST_ROWS = 40_000
"""The regressions learn from at most so many reference rows, evenly spaced."""


TREES = 120
_SETTINGS = {
    "objective": "regression",
    "learning_rate": 0.1,
    "num_leaves": 8,
    "min_data_in_leaf": 40,
    "min_data_per_group": 40,
    "cat_smooth": 40,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """For each reference and each current row its expected loss, shapes (n,) and (m,).

    Learnt on the reference alone; a reference row's comes from a model that did not see it.
    """

    reference: Floats
    current: Floats


def expected_loss(reference: Losses, current: Losses, *, seed: int = 0) -> Expected:
    """Regress the reference's losses on its features, cross-fitted.

    Raises
    ------
    ImportError
        Without LightGBM, which the `pipeline` extra brings.
    """
    fold = np.random.default_rng(seed).permutation(reference.n) % FOLDS
    learns = np.zeros(reference.n, bool)
    learns[evenly(reference.n, MOST_ROWS)] = True
    own, other = np.zeros(reference.n), np.zeros(current.n)
    for k in range(FOLDS):
        model = _fit(reference.take(learns & (fold != k)), seed)
        held_out = fold == k
        own[held_out] = model.predict(reference.matrix[held_out], num_threads=1)
        other += model.predict(current.matrix, num_threads=1) / FOLDS
    return Expected(own, other)


def _fit(rows: Losses, seed: int) -> Any:
    """Fit one regression."""
    lightgbm = load_lightgbm()
    settings = {**_SETTINGS, "seed": seed}
    categories = np.flatnonzero(rows.coder.is_category).tolist()
    data = lightgbm.Dataset(rows.matrix, rows.loss, categorical_feature=categories, params=settings)
    return lightgbm.train(settings, data, TREES)
