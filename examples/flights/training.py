"""A model of lateness: LightGBM, seeded and deterministic, kept as text."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from examples.flights.data import CATEGORICAL, FEATURES

# Small trees and many rows a leaf: deeper ones only learn the training months by heart. One thread:
# a fit takes seconds, and threads that wait for each other on a busy machine take far longer.
ROUNDS = 300
PARAMETERS = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.05,
    "min_data_in_leaf": 300,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "cat_smooth": 50,
    "lambda_l2": 5,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


@dataclass(frozen=True)
class Model:
    """A fitted model with all that is needed to score a row and to name the model.

    Parameters
    ----------
    booster
        The trees.
    levels
        For each category column the levels seen in training, in the order of their codes.
    threshold
        A score at or above it is predicted late.
    trained_from, trained_until
        The first moment, and the first moment after the last, of the rows it saw (UTC).
    rows
        How many labelled rows it saw.
    """

    booster: lightgbm.Booster
    levels: Mapping[str, tuple[str, ...]]
    threshold: float
    trained_from: datetime
    trained_until: datetime
    rows: int

    @property
    def version(self) -> str:
        """Name the model by the first and the last moment that it saw."""
        first, last = (f"{at:%Y%m%dT%H%M%SZ}" for at in (self.trained_from, self.trained_until))
        return f"{first}-{last}"


def fit(frame: pd.DataFrame, *, target: str = "late", seed: int = 0) -> Model:
    """Fit a model to the labelled rows of `frame`.

    The threshold is the score above which as many training rows lie as are really late, so that
    the model cries late about as often as flights are.

    Parameters
    ----------
    frame
        Rows with `timestamp` (aware) and `FEATURES`; rows without a label are left out.
    target
        The column with the label, 1 for late.
    seed
        The same rows and seed give the same model.

    Raises
    ------
    ValueError
        When no labelled row is left, or all have the same label.
    """
    seen = frame[frame[target].notna()]
    late = seen[target].to_numpy(dtype="float64")
    if len(np.unique(late)) < 2:
        raise ValueError(f"fitting needs late and punctual flights, got {len(seen)} labelled rows")
    levels = {c: tuple(sorted(seen[c].dropna().astype(str).unique())) for c in CATEGORICAL}
    rows = _encode(seen, levels)
    data = lightgbm.Dataset(
        rows, late, feature_name=list(FEATURES), categorical_feature=list(CATEGORICAL)
    )
    settings = {**PARAMETERS, "seed": seed}
    booster = lightgbm.train(settings, data, ROUNDS, keep_training_booster=True)
    threshold = _threshold(booster, 1 - late.mean())
    first, last = seen["timestamp"].min(), seen["timestamp"].max()
    return Model(
        booster=booster,
        levels=levels,
        threshold=threshold,
        trained_from=first.to_pydatetime(),
        trained_until=(last + pd.Timedelta(seconds=1)).to_pydatetime(),
        rows=len(seen),
    )


def _threshold(booster: lightgbm.Booster, share: float) -> float:
    """Return the score below which a share of the training rows lies."""

    # The booster still holds the scores of its training rows; scoring them again takes as long as
    # half of the fit.
    def quantile(scores: NDArray[np.float64], _: lightgbm.Dataset) -> tuple[str, float, bool]:
        return "quantile", float(np.quantile(scores, share)), False

    found = {name: value for _, name, value, _ in booster.eval_train(quantile)}
    return float(found["quantile"])


def predict(model: Model, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return for each row the probability, in [0, 1], that the flight arrives late."""
    if frame.empty:
        return np.empty(0)
    return np.asarray(model.booster.predict(_encode(frame, model.levels), num_threads=1))


def _encode(frame: pd.DataFrame, levels: Mapping[str, tuple[str, ...]]) -> NDArray[np.float64]:
    """Lay the features out as numbers; a level that training did not see is missing."""
    columns = []
    for name in FEATURES:
        if name in levels:
            codes = _index(levels[name]).get_indexer(frame[name].to_numpy(dtype=object))
            columns.append(np.where(codes < 0, np.nan, codes))
        else:
            columns.append(frame[name].to_numpy(dtype="float64", na_value=np.nan))
    return np.column_stack(columns)


@lru_cache(maxsize=64)
def _index(levels: tuple[str, ...]) -> pd.Index:
    # An index hashes its levels at the first look-up: once for a model, not once for an hour. One
    # of strings would be converted at each.
    return pd.Index(levels, dtype=object)


def save(model: Model, folder: str | Path) -> None:
    """Write `model.txt`, LightGBM's own text, and `model.json`, the rest, into a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model.booster.save_model(folder / "model.txt")
    rest = {
        "threshold": model.threshold,
        "trained_from": model.trained_from.isoformat(),
        "trained_until": model.trained_until.isoformat(),
        "rows": model.rows,
        "levels": {name: list(values) for name, values in model.levels.items()},
    }
    (folder / "model.json").write_text(json.dumps(rest, indent=1) + "\n", encoding="utf-8")


def load(folder: str | Path) -> Model:
    """Read what `save` wrote."""
    folder = Path(folder)
    rest = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return Model(
        booster=lightgbm.Booster(model_file=folder / "model.txt"),
        levels={name: tuple(values) for name, values in rest["levels"].items()},
        threshold=rest["threshold"],
        trained_from=datetime.fromisoformat(rest["trained_from"]),
        trained_until=datetime.fromisoformat(rest["trained_until"]),
        rows=rest["rows"],
    )


def publish(model: Model, root: str | Path) -> Path:
    """Save a model under its version and make it the one that `current` loads."""
    folder = Path(root) / model.version
    save(model, folder)
    promote(model.version, root)
    return folder


def promote(version: str, root: str | Path) -> None:
    """Make a saved version the one that `current` loads.

    The pointer is replaced in one step after the model is complete, so whoever serves sees the
    old model or the new one, never half of one.

    Raises
    ------
    FileNotFoundError
        When that version was never saved there.
    """
    root = Path(root)
    if not (root / version / "model.json").is_file():
        raise FileNotFoundError(f"no model {version} in {root}")
    pointer = root / "current.tmp"
    pointer.write_text(version + "\n", encoding="utf-8")
    os.replace(pointer, root / "current")


def current(root: str | Path) -> Model:
    """Load the model published last.

    Raises
    ------
    FileNotFoundError
        When none was ever published there.
    """
    return load(Path(root) / current_version(root))


def current_version(root: str | Path) -> str:
    """Return the version of the model published last.

    Raises
    ------
    FileNotFoundError
        When none was ever published there.
    """
    return (Path(root) / "current").read_text(encoding="utf-8").strip()
