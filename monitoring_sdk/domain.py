"""The domain classifier: how well two samples of rows can be told apart, and row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEEDED = "LightGBM, which the `pipeline` extra brings"
FOLDS = 3
TREES = 25
_ROWS_OF_A_LEAF = 40
# Few shallow trees with a long step tell samples apart as well as many with a short one, at half
# the cost: `python -m benchmarks.domain`. One thread: a window takes milliseconds, and on a busy
# machine threads wait for each other longer than that. Levels of a category are held back, since
# among hundreds of them some are by chance commoner in the smaller sample.
_SETTINGS = {
    "objective": "binary",
    "learning_rate": 0.2,
    "num_leaves": 8,
    "min_data_in_leaf": _ROWS_OF_A_LEAF,
    "min_data_per_group": _ROWS_OF_A_LEAF,
    "cat_smooth": 100,
    "max_cat_threshold": 8,
    "lambda_l2": 20.0,
    "max_bin": 31,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """What a classifier of reference (0) against current (1) rows came to, cross-fitted.

    Attributes
    ----------
    reference, current : array of float64
        For each row the probability, in (0, 1), that it is a current one if both samples were
        equally large; from a model that did not see the row.
    models : tuple
        The fitted models, one a fold; none where there was nothing to tell apart by.
    """

    reference: NDArray[np.float64]
    current: NDArray[np.float64]
    models: tuple[Any, ...]

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability for rows that no model saw: the mean over the folds."""
        if not self.models or len(rows) == 0:
            return np.full(len(rows), 0.5)
        return np.mean([_probability(model, rows) for model in self.models], axis=0)


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
        From one `Coder`; NaN is missing.
    is_category : array of bool, shape (d,)
    seed : int
        The same rows and seed give the same probabilities.
    folds : int
        Each row's probability comes from a model of the other folds.

    Returns
    -------
    Domain
        All probabilities are a half where a sample has fewer rows than folds, or no row a feature.

    Raises
    ------
    ImportError
        Without LightGBM, which the `pipeline` extra brings.
    """
    rows = np.concatenate([reference, current])
    split = len(reference)
    found = np.full(len(rows), 0.5)
    if min(split, len(current)) < folds or np.isnan(rows).all():
        return Domain(found[:split], found[split:], ())
    origin = np.repeat([0, 1], [split, len(current)])
    # Each sample weighs the same, so that a half means "from either".
    weight = np.repeat([0.5 / split, 0.5 / len(current)], [split, len(current)]) * len(rows)
    fold = np.random.default_rng(seed).permutation(len(rows)) % folds
    models = []
    for k in range(folds):
        own = fold == k
        model = _fit(rows[~own], origin[~own], weight[~own], is_category, seed)
        found[own] = _probability(model, rows[own])
        models.append(model)
    return Domain(found[:split], found[split:], tuple(models))


def load_lightgbm() -> Any:
    """Import LightGBM, which is no part of the core install.

    Raises
    ------
    ImportError
        With the reason in words: also where the library that it needs of the system is lacking.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise ImportError(f"needs {NEEDED}") from error
    except OSError as error:
        raise ImportError(f"needs {NEEDED}; it cannot be loaded: {error}") from error
    return lightgbm


def _fit(
    rows: NDArray[np.float64],
    origin: NDArray[np.int64],
    weight: NDArray[np.float64],
    is_category: NDArray[np.bool_],
    seed: int,
) -> Any:
    """Fit one model."""
    lightgbm = load_lightgbm()
    settings = {**_SETTINGS, "seed": seed}
    categories = np.flatnonzero(is_category).tolist()
    data = lightgbm.Dataset(
        rows, origin, weight=weight, categorical_feature=categories, params=settings
    )
    return lightgbm.train(settings, data, TREES)


def _probability(model: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(rows) == 0:
        return np.zeros(0)
    return np.asarray(model.predict(rows, num_threads=1), dtype=np.float64)
