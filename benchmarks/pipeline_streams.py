"""Streams of predictions and labels of nine kinds, as tables, for `benchmarks.alarm_pipeline`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FIRST = "2024-01-01"
"""A Monday."""

_CLASSES = ("low", "mid", "high")
_WEEKEND, _WANDER, _WANDER_PHI = 1 / 3, 0.05, 0.7
_LENGTHS = {"1h": pd.Timedelta("1h"), "1d": pd.Timedelta("1D"), "1w": pd.Timedelta("7D")}


@dataclass(frozen=True)
class Kind:
    """How a model is served and monitored.

    Parameters
    ----------
    name : str
    task : {"binary", "regression", "multiclass"}
    reference, later : int
        Windows of the reference, and those that are monitored.
    rows : int
        Of a window, on the average.
    every : {"1h", "1d", "1w"}
    positives : float
        Their share, of a binary task.
    fraud : bool
        Amounts have a heavy tail, a category has 200 levels, labels are late.
    seasonal : bool
        Volume, means and errors have a season, and means wander from window to window.
    service : bool
        There are latencies and errors.
    segments : bool
        Two columns are watched by segment too.
    """

    name: str
    task: str = "binary"
    reference: int = 50
    later: int = 60
    rows: int = 500
    every: str = "1d"
    positives: float = 0.3
    fraud: bool = False
    seasonal: bool = False
    service: bool = False
    segments: bool = False

    @property
    def length(self) -> pd.Timedelta:
        """Of a window."""
        return _LENGTHS[self.every]

    @property
    def label_delay(self) -> pd.Timedelta:
        """After so long a window's labels are due."""
        if self.every == "1h":
            return pd.Timedelta("6h")
        return pd.Timedelta("7D") if self.fraud else pd.Timedelta("2D")

    @property
    def months(self) -> float:
        """The monitored windows in units of 30 days."""
        return self.later * self.length / pd.Timedelta("30D")


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("binary", segments=True),
        Kind("fraud", rows=800, positives=0.015, fraud=True),
        Kind("regression", task="regression"),
        Kind("multiclass", task="multiclass"),
        Kind("seasonal", reference=56, seasonal=True, rows=600),
        Kind("service", service=True, segments=True),
        Kind("hourly", reference=15 * 24, later=5 * 24, rows=200, every="1h", seasonal=True),
        Kind("weekly", reference=20, later=17, rows=700, every="1w"),
        Kind("provisional", reference=8),
    )
}


@dataclass(frozen=True)
class Stream:
    """What is logged of a model: a row a prediction, in order of time, with the label's columns.

    `window` holds the place of each row's window; `later` the number of monitored ones.
    """

    kind: Kind
    frame: pd.DataFrame
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def predictions(self) -> pd.DataFrame:
        """The rows as they are served."""
        return self.frame.drop(columns=["y_true", "known_at", "window"])

    @property
    def labels(self) -> pd.DataFrame:
        """The labels as they arrive."""
        return self.frame[["id", "y_true", "known_at"]]


def _season(kind: Kind, windows: int) -> tuple[Floats, Floats]:
    """Return the usual rows of each window over the mean, and the season of means and errors."""
    if not kind.seasonal:
        return np.ones(windows), np.zeros(windows)
    place = np.arange(windows)
    if kind.every == "1h":
        angle = 2 * np.pi * (place % 24) / 24
        return 1 + 0.5 * np.sin(angle), 0.2 * np.cos(angle)
    weekend = place % 7 >= 5
    return np.where(weekend, _WEEKEND, 1.0), np.where(weekend, 0.3, 0.0)


def _wander(rng: np.random.Generator, windows: int, columns: int) -> Floats:
    """Return an AR(1) walk of each column, as far from its mean as `_WANDER` says."""
    found = np.zeros((windows, columns))
    step = _WANDER * np.sqrt(1 - _WANDER_PHI**2)
    for t in range(1, windows):
        found[t] = _WANDER_PHI * found[t - 1] + step * rng.normal(size=columns)
    return found


def _inputs(rng: np.random.Generator, kind: Kind, latent: Floats) -> dict[str, Any]:
    n = len(latent)
    amount = np.exp((1.5 if kind.fraud else 0.6) * latent[:, 1] + 3)
    some = latent[:, 3].copy()
    some[rng.uniform(size=n) < 0.01] = np.nan
    levels = 200 if kind.fraud else 12
    weights = 1 / np.arange(1, levels + 1)
    region = rng.choice(["a", "b", "c", "d"], n, p=[0.45, 0.3, 0.15, 0.1])
    device = pd.Series(rng.choice(["web", "app", "phone"], n, p=[0.6, 0.3, 0.1]))
    return {
        "age": 40 + 12 * latent[:, 0],
        "amount": amount.round(2),
        "wait": rng.gamma(2.0, np.exp(0.2 * latent[:, 2])),
        "balance": some,
        "gap": np.where(latent[:, 4] > 0, 3.0, -1.0) + rng.normal(size=n),
        "visits": rng.poisson(np.exp(0.5 + 0.3 * latent[:, 5])).astype(float),
        "region": region,
        "device": device,
        "merchant": np.char.add("m", rng.choice(levels, n, p=weights / weights.sum()).astype(str)),
        "channel": device.where(rng.uniform(size=n) > 0.02).where(device != "phone", "tel"),
    }


def _binary(rng: np.random.Generator, kind: Kind, signal: Floats, error: Floats) -> dict[str, Any]:
    spread = 1.6 if kind.fraud else 1.2
    grid = np.linspace(-12, 8, 4001)
    sample = spread * rng.normal(size=4000)
    means = np.array([(1 / (1 + np.exp(-(b + sample)))).mean() for b in grid[::20]])
    base = float(np.interp(kind.positives, means, grid[::20]))
    score = 1 / (1 + np.exp(-(base + spread * signal)))
    truth = 1 / (1 + np.exp(-(base + spread * signal + error * rng.normal(size=len(signal)))))
    limit = 0.1 if kind.fraud else 0.5
    return {
        "y_true": (rng.uniform(size=len(signal)) < truth).astype(int),
        "score": score,
        "y_pred": (score > limit).astype(int),
    }


def _regression(
    rng: np.random.Generator, kind: Kind, signal: Floats, error: Floats
) -> dict[str, Any]:
    said = 100 + 20 * signal
    noise = rng.standard_t(5, size=len(signal)) * 8 * (1 + error)
    return {"y_true": said + noise, "y_pred": said}


def _multiclass(
    rng: np.random.Generator, kind: Kind, signal: Floats, error: Floats
) -> dict[str, Any]:
    logits = np.stack([-1.5 * signal, 0.2 * np.ones_like(signal), 1.5 * signal], axis=1)
    chance = np.exp(logits)
    chance /= chance.sum(axis=1, keepdims=True)
    drawn = (rng.uniform(size=(len(signal), 1)) > np.cumsum(chance, axis=1)).sum(axis=1)
    names = np.array(_CLASSES)
    out: dict[str, Any] = {
        "y_true": names[np.minimum(drawn, 2)],
        "y_pred": names[chance.argmax(axis=1)],
    }
    return out | {f"p_{name}": chance[:, i] for i, name in enumerate(_CLASSES)}


_TASKS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "binary": _binary,
    "regression": _regression,
    "multiclass": _multiclass,
}


def draw(kind: Kind, seed: int) -> Stream:
    """Draw a stream in which nothing changes but what comes with the season."""
    rng = np.random.default_rng([seed, *kind.name.encode()])
    windows = kind.reference + kind.later
    volume, season = _season(kind, windows)
    sizes = rng.poisson(kind.rows * volume * rng.normal(1, 0.05, windows).clip(0.8, 1.2))
    window = np.repeat(np.arange(windows), sizes)
    n = len(window)
    latent = rng.normal(size=(n, 6))
    if kind.seasonal:
        latent += _wander(rng, windows, 6)[window] + season[window, None]
    signal = latent @ np.array([0.6, 0.5, 0.3, 0.2, 0.4, 0.3])
    said = _TASKS[kind.task](rng, kind, signal, season[window])
    at = pd.Timestamp(FIRST, tz="UTC") + (window + rng.uniform(size=n)) * kind.length
    due = kind.label_delay / pd.Timedelta("1h")
    late = rng.exponential(48, n) if kind.fraud else rng.uniform(1, 40, n) / 48 * due
    frame = pd.DataFrame(
        {"id": np.arange(n), "at": at, "window": window, **_inputs(rng, kind, latent), **said}
    )
    frame["known_at"] = frame["at"] + pd.to_timedelta(late, "h")
    if kind.service:
        frame["latency"] = rng.lognormal(4, 0.5, n)
        frame["failed"] = (rng.uniform(size=n) < 0.01).astype(int)
    return Stream(kind, frame.sort_values("at", ignore_index=True))
