"""Real data as a serving process would have logged it, for drafting monitor files from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CULTIVARS = np.array(["barolo", "grignolino", "barbera"])
START = pd.Timestamp("2024-01-01")


def moments(chance: np.random.Generator, days: int, rows: int) -> pd.DatetimeIndex:
    """Return sorted moments of some days."""
    seconds = np.sort(chance.uniform(0, 86_400 * days, rows))
    return (START + pd.to_timedelta(seconds, "s")).floor("ms")


def write_wine(folder: Path) -> tuple[Path, Path]:
    """Write wines classified by a fitted model, 300 a day for 36 days, and labels days later.

    CSV; moments in milliseconds since 1970; a probability for each cultivar.
    """
    chance = np.random.default_rng(3)
    bottles = load_wine(as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05))
    model.fit(bottles.data[::2], CULTIVARS[bottles.target[::2]])
    chosen = chance.integers(0, len(bottles.data), 300 * 36)
    wines = bottles.data.iloc[chosen].reset_index(drop=True)
    wines += chance.normal(size=wines.shape) * 0.3 * wines.std().to_numpy()
    at = moments(chance, 36, len(wines))
    rows = wines.assign(
        sample_no=[f"W{i:05d}" for i in range(len(wines))],
        scored_at=at.as_unit("ms").astype("int64"),
        predicted_cultivar=model.predict(wines),
    )
    for name, share in zip(model.classes_, model.predict_proba(wines).T, strict=True):
        rows[f"p_{name}"] = share
    labels = pd.DataFrame(
        {
            "sample_no": rows["sample_no"],
            "cultivar": CULTIVARS[bottles.target.to_numpy()[chosen]],
            "tested_at": at + pd.to_timedelta(chance.uniform(1, 60, len(rows)), "h"),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "wine.csv", folder / "tests.csv"
    rows.to_csv(paths[0], index=False)
    labels.sample(frac=0.96, random_state=1).to_csv(paths[1], index=False)
    return paths


def write_diabetes(folder: Path) -> Path:
    """Write the forecast progress of a disease, 250 a day for 40 days, as a file a week.

    Parquet; moments as text; the true progress beside the forecast.
    """
    chance = np.random.default_rng(4)
    patients, progress = load_diabetes(return_X_y=True, as_frame=True)
    model = Ridge(0.1).fit(patients[:200], progress[:200])
    chosen = chance.integers(0, len(patients), 250 * 40)
    rows = patients.iloc[chosen].reset_index(drop=True)
    at = moments(chance, 40, len(rows))
    rows = rows.assign(
        visit_id=chance.permutation(len(rows)) + 10**6,
        visited_at=at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        predicted_progress=model.predict(rows),
        actual_progress=progress.to_numpy()[chosen].astype(float),
    )
    target = folder / "diabetes"
    target.mkdir(parents=True)
    for week, part in rows.groupby(at.isocalendar().week.to_numpy()):
        part.to_parquet(target / f"week-{week}.parquet")
    return target


def write_search(folder: Path) -> Path:
    """Write ranked lists of ten, 40 a day for 40 days, with their relevance."""
    chance = np.random.default_rng(5)
    lists, length = 1600, 10
    relevance = chance.poisson(0.4, (lists, length))
    score = relevance + chance.normal(size=(lists, length))
    at = moments(chance, 40, lists).as_unit("s").astype("int64")
    path = folder / "search.csv"
    pd.DataFrame(
        {
            "search_id": np.repeat(np.arange(lists), length),
            "item_id": chance.integers(0, 300, lists * length),
            "position": ((-score).argsort(1).argsort(1) + 1).ravel(),
            "score": score.ravel(),
            "relevance": relevance.ravel(),
            "ts": np.repeat(at, length),
            "price": chance.lognormal(size=lists * length),
            "device": chance.choice(["ios", "web"], lists * length),
        }
    ).to_csv(path, index=False)
    return path
