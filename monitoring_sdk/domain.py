"""The domain classifier: how well two samples of rows can be told apart, and row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """What a classifier of reference (0) against current (1) rows came to, cross-fitted.

    Attributes
    ----------
    reference, current : array of float64
        For each row the probability, in (0, 1), that it is a current one if both samples were
        equally large; from a model that did not see the row.
    models : tuple
        The fitted models, one a fold.
    """

    reference: NDArray[np.float64]
    current: NDArray[np.float64]
    models: tuple[Any, ...]

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability for rows that no model saw: the mean over the folds."""
        return np.mean([m.predict_proba(rows)[:, 1] for m in self.models], axis=0)


def tell_apart(
    reference: NDArray[np.float64],
    current: NDArray[np.float64],
    is_category: NDArray[np.bool_],
    *,
    seed: int = 0,
    folds: int = FOLDS,
) -> Domain:
    """Fit a classifier of reference against current rows, with cross-fitting.

    Parameters
    ----------
    reference, current : array of float64, shapes (n, d) and (m, d)
        From one `Coder`.
    is_category : array of bool, shape (d,)
    seed : int
        The same rows and seed give the same probabilities.

    Raises
    ------
    ImportError
        Without scikit-learn, which the `pipeline` extra brings.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = np.concatenate([reference, current])
    origin = np.repeat([0, 1], [len(reference), len(current)])
    # Each sample weighs the same, so that a half means "from either".
    weight = np.where(origin == 1, 0.5 / max(len(current), 1), 0.5 / max(len(reference), 1))
    weight *= len(rows)
    fold = np.random.default_rng(seed).permutation(len(rows)) % folds
    found, models = np.full(len(rows), 0.5), []
    for k in range(folds):
        own = fold == k
        model = HistGradientBoostingClassifier(
            max_iter=50,
            max_leaf_nodes=8,
            min_samples_leaf=40,
            learning_rate=0.1,
            categorical_features=is_category,
            early_stopping=False,
            random_state=seed,
        )
        model.fit(rows[~own], origin[~own], sample_weight=weight[~own])
        found[own] = model.predict_proba(rows[own])[:, 1]
        models.append(model)
    split = len(reference)
    return Domain(found[:split], found[split:], tuple(models))
