"""Seeded streams in which the kind of shift is known, for `benchmarks.diagnosis` and the tests.

Three kinds of data, each with a model that is wrong in places, so that a move of the inputs really
changes its loss; each draws rows under a covariate shift, a concept shift, both or neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit

from monitoring_sdk.diagnosis.losses import (
    Losses,
    absolute_loss,
    clipped_log_loss,
    error_loss,
)
from monitoring_sdk.matrix import fit_coder

KINDS = {
    "none": (0.0, 0.0),
    "covariate": (1.0, 0.0),
    "concept": (0.0, 1.0),
    "mixed": (1.0, 1.0),
}
"""Strength of the covariate and of the concept shift."""


@dataclass(frozen=True)
class Rows:
    """Features by name, and a loss and a score a row."""

    features: dict[str, NDArray]
    loss: NDArray[np.float64]
    score: NDArray[np.float64]


def credit(n: int, covariate: float, concept: float, rng: np.random.Generator) -> Rows:
    """Wrong-or-right loss of a linear score that misses a bend and a crossing.

    Covariate: incomes rise and the mix of regions turns to where the score is poor. Concept: in one
    region the outcomes of young accounts are partly reversed.
    """
    x = rng.standard_normal((n, 5))
    x[:, 0] += 0.9 * covariate
    shares = np.array([0.5, 0.3, 0.15, 0.05]) + covariate * np.array([-0.2, -0.05, 0.1, 0.15])
    region = rng.choice(4, n, p=shares)
    line = 1.6 * x[:, 0] - 1.2 * x[:, 1] + 0.5 * x[:, 3]
    truth = line - 1.1 * np.maximum(x[:, 0], 0) ** 2 + np.array([0, 0.2, 0.5, -1.2])[region]
    chance = expit(truth + 0.8 * x[:, 0] * (region == 2))
    reversed_ = (region <= 1) & (x[:, 2] < 0.2)
    chance = np.where(reversed_ & (rng.random(n) < 0.55 * concept), 1 - chance, chance)
    y, score = rng.random(n) < chance, expit(line)
    names = np.array(["north", "east", "south", "west"])
    features = {f"x{j}": x[:, j] for j in range(5)} | {"region": names[region]}
    return Rows(features, error_loss(y, score > 0.5), score)


def fraud(n: int, covariate: float, concept: float, rng: np.random.Generator) -> Rows:
    """Clipped log loss on heavy-tailed amounts and many shops, one column half missing.

    Covariate: amounts grow and more of them are online. Concept: fraud comes to the
    morning, too.
    """
    amount = np.exp(rng.normal(3 + 0.8 * covariate, 1.0, n))
    online = rng.random(n) < 0.35 + 0.35 * covariate
    hour = rng.integers(0, 24, n)
    shop = np.minimum(rng.geometric(0.08, n), 60)
    age = np.where(rng.random(n) < 0.4, np.nan, rng.exponential(300, n))
    night = (hour < 6).astype(float)
    risk = -2.6 + 0.9 * (amount > 40) + 1.2 * online * night + 0.9 * online * (amount > 25)
    moved = 1.8 * concept * ((hour >= 6) & (hour < 12))
    y = rng.random(n) < expit(risk + moved + 0.4 * (shop % 5 == 0))
    score = expit(-2.3 + 0.7 * (amount > 40) + 0.4 * online)
    channel = np.where(online, "online", "shop")
    features = {"amount": amount, "hour": hour, "age": age, "channel": channel}
    return Rows(features | {"shop": np.char.mod("s%d", shop)}, clipped_log_loss(y, score), score)


def demand(n: int, covariate: float, concept: float, rng: np.random.Generator) -> Rows:
    """Absolute error, clipped, of a straight line through a bent and unevenly noisy mean.

    Covariate: prices fall to where the line is poor and the noise large. Concept: the slope of one
    product line changes.
    """
    price = rng.gamma(4, 1.0, n) * (1 - 0.35 * covariate)
    promo = rng.random(n) < 0.2 + 0.2 * covariate
    line = rng.integers(0, 3, n)
    noise = rng.standard_normal((n, 4))
    mean = 10 - 1.5 * price + 9 * np.exp(-price) + 2.0 * promo
    slope = 0.9 * concept * (line == 1) * price
    y = mean + slope + (0.5 + 1.5 / (0.5 + price)) * rng.standard_normal(n)
    said = 10.8 - 1.6 * price + 0.5 * promo
    features = {"price": price, "promo": promo.astype(str), "line": np.char.mod("l%d", line)}
    features |= {f"noise{j}": noise[:, j] for j in range(4)}
    return Rows(features, absolute_loss(y, said, most=8.0), said)


STREAMS: dict[str, Callable[[int, float, float, np.random.Generator], Rows]] = {
    "credit": credit,
    "fraud": fraud,
    "demand": demand,
}


def draw(stream: str, kind: str, n: int, seed: int, *, size: float = 1.0) -> tuple[Losses, Losses]:
    """Return reference and current losses of a stream, coded on the reference.

    `size` scales the planted shifts.
    """
    rng = np.random.default_rng(seed)
    covariate, concept = (size * v for v in KINDS[kind])
    parts = [STREAMS[stream](n, 0, 0, rng), STREAMS[stream](n, covariate, concept, rng)]
    tables = [pa.table({**p.features, "score": p.score}) for p in parts]
    texts = [f.name for f in tables[0].schema if pa.types.is_string(f.type)]
    numbers = [name for name in tables[0].column_names if name not in texts]
    coder = fit_coder(tables[0], numbers, texts)
    left, right = (
        Losses(p.loss, coder.matrix(t), coder) for p, t in zip(parts, tables, strict=True)
    )
    return left, right


def change(stream: str, kind: str, *, rows: int = 400_000, seed: int = 99) -> float:
    """Return by how much the mean loss of a stream changes under a kind of shift."""
    left, right = draw(stream, kind, rows, seed)
    return float(right.loss.mean() - left.loss.mean())
