"""How often a metric's 95 % interval holds the true value, over seeded data sets.

    python -m benchmarks.metric_intervals

The true value is that of a million rows of the same process; for `coverage` and `novelty`, which
depend on how many queries a window has, the mean over the data sets. An interval that is missing
(a perfect value, one class only) counts as one that does not hold it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit

from monitoring_sdk.metrics.classes import LabelledClasses
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.lists import LabelledLists
from monitoring_sdk.metrics.numbers import LabelledNumbers
from monitoring_sdk.metrics.table import METRICS, Metric, find_metric

PARAMETERS = {"k": "5", "r%": "10%", "q": "0.9", "class": "b"}
POPULATION = 1_000_000
LIST, ITEMS = 10, 1000
SMALL, LARGE = 200, 2000
OF_ITEMS = ("coverage", "novelty")


def binary(n: int, rng: np.random.Generator) -> Labelled:
    """Three in ten are positive; the score is a little overconfident."""
    logit = rng.normal(-1.2, 1.5, n)
    truth = rng.random(n) < expit(logit)
    score = np.round(expit(1.25 * logit), 3)
    payoff = {"tp": 10.0, "fp": -4.0, "fn": -25.0, "tn": 0.0}
    return Labelled(truth, score > 0.5, score, payoff=payoff)


def multiclass(n: int, rng: np.random.Generator) -> LabelledClasses:
    """Four classes, the rarest a tenth."""
    logits = rng.normal([1.6, 0.8, 0.2, -0.2], 1.2, (n, 4))
    raw = np.exp(logits)
    chance = raw / raw.sum(axis=1, keepdims=True)
    truth = (rng.random((n, 1)) > chance.cumsum(axis=1)[:, :3]).sum(axis=1)
    raw = np.exp(1.2 * logits)
    scores = raw / raw.sum(axis=1, keepdims=True)
    return LabelledClasses(("a", "b", "c", "d"), truth, scores.argmax(axis=1), scores)


def regression(n: int, rng: np.random.Generator) -> LabelledNumbers:
    """Skewed labels; errors that grow with them and have heavy tails."""
    truth = rng.gamma(3.0, 10.0, n) + 2.0
    error = rng.standard_t(6, n) * (2.0 + 0.15 * truth) + 0.5
    return LabelledNumbers(truth, np.maximum(truth + error, 0.2 * truth))


def ranking(n: int, rng: np.random.Generator) -> LabelledLists:
    """Lists of ten of 1000 items, some of them popular; n counts the lists."""
    query = np.repeat(np.arange(n), LIST)
    relevance = rng.choice([0.0, 0.0, 0.0, 1.0, 2.0], n * LIST)
    item = (ITEMS * rng.random(n * LIST) ** 2).astype(int)
    return LabelledLists(relevance, relevance + rng.normal(0, 1.5, n * LIST), query, item)


MAKERS: dict[str, Callable[[int, np.random.Generator], Any]] = {
    "binary": binary,
    "multiclass": multiclass,
    "regression": regression,
    "ranking": ranking,
}


def weighted(rows: Any, rng: np.random.Generator) -> Any:
    """Give rows weights that spread by a factor of ten and lean towards some labels."""
    if isinstance(rows, LabelledLists):
        own = np.exp(rng.normal(0, 0.8, int(rows.query[-1]) + 1))[rows.query]
        return replace(rows, weight=own)
    truth = np.asarray(rows.y_true, float)
    return replace(rows, weight=np.exp(rng.normal(0, 0.8, rows.n)) * (1 + truth / truth.max()))


def metrics_of(task: str) -> list[Metric]:
    """Every metric of a task, with an example of its parameter."""
    found = []
    for row in METRICS.values():
        if task in row.tasks:
            name = row.name
            if row.parameter is not None:
                name = name.replace(f"@{row.parameter}", f"@{PARAMETERS[row.parameter]}")
            found.append(find_metric(name, task))
    return found


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often the interval held the true value, and its mean width over the value's own spread.

    The width is in units of 2 x 1.96 standard deviations of the value: 1 is what it should be.
    """

    held: float
    width: float


def coverage(
    task: str, n: int, sets: int, with_weights: bool, seed: int, population: int = POPULATION
) -> dict[str, Coverage]:
    """Return the coverage of each metric of a task over seeded data sets of n rows (or lists)."""
    rng = np.random.default_rng(seed)
    metrics, make = metrics_of(task), MAKERS[task]

    def rows(size: int) -> Any:
        made = make(size, rng)
        return weighted(made, rng) if with_weights else made

    everything = rows(population // (LIST if task == "ranking" else 1))
    true = {m.name: m.compute(everything).value for m in metrics}
    values: dict[str, list[Any]] = {m.name: [] for m in metrics}
    for _ in range(sets):
        sample = rows(n)
        for m in metrics:
            values[m.name].append(m.compute(sample))
    found = {}
    for name, own in values.items():
        numbers = np.array([v.value for v in own if v.value is not None])
        aim = float(numbers.mean()) if name.startswith(OF_ITEMS) else true[name]
        ends = [v.interval for v in own if v.interval is not None]
        held = sum(low <= aim <= high for low, high in ends) / sets
        width = float(np.mean([high - low for low, high in ends])) if ends else np.nan
        spread = 2 * 1.96 * float(numbers.std())
        found[name] = Coverage(held, width / spread if spread > 0 else np.nan)
    return found


def speed(task: str) -> dict[str, float]:
    """Return the milliseconds that each metric takes on 100 000 rows, first sort included."""
    rng = np.random.default_rng(1)
    made = MAKERS[task](10_000 if task == "ranking" else 100_000, rng)
    found = {}
    for m in metrics_of(task):
        rows = replace(made)
        start = time.process_time()
        m.compute(rows)
        found[m.name] = 1000 * (time.process_time() - start)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=300)
    sets = parser.parse_args().sets
    print(f"{sets} data sets a number; width over that of the value's own spread in brackets.\n")
    print(f"| task | metric | {SMALL} rows | {LARGE} rows | {LARGE}, weighted | ms |")
    print("|---|---|---|---|---|---|")
    for task in MAKERS:
        columns = [
            coverage(task, n, sets, with_weights, seed)
            for seed, (n, with_weights) in enumerate(
                [(SMALL, False), (LARGE, False), (LARGE, True)]
            )
        ]
        cost = speed(task)
        for name in columns[0]:
            cells = " | ".join(f"{c[name].held:.3f} ({c[name].width:.2f})" for c in columns)
            print(f"| {task} | `{name}` | {cells} | {cost[name]:.0f} |")


if __name__ == "__main__":
    main()
