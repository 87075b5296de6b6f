"""What scikit-learn says of the same rows, and where it has nothing to say, the definition."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as theirs

from monitoring_sdk.metrics.table import find_metric


def reference(function: Callable[..., Any], *columns: Any, **options: Any) -> float | None:
    """What a function says, or None where it warns, raises or says NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = function(*columns, **options)
        except (ValueError, IndexError, ZeroDivisionError, Warning):
            return None
    return float(found) if found is not None and math.isfinite(found) else None


def agree(name: str, rows: Any, expected: float | None) -> None:
    """Our number is the expected one, within its interval; or both have none, and ours a reason."""
    value = find_metric(name, rows.task).compute(rows)
    if expected is None:
        assert value.value is None, value
        assert value.reason
    else:
        assert value.value == pytest.approx(expected, rel=1e-9, abs=1e-9), value
        low, high = value.interval or (expected, expected)
        slack = 1e-9 * max(1.0, abs(expected))
        assert low - slack <= expected <= high + slack


def ece(hit: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float:
    """The definition, a bin at a time; bins as in scikit-learn's calibration_curve."""
    edges, total = np.linspace(0, 1, 11), 0.0
    for low, high in itertools.pairwise(edges):
        inside = (score > low) & (score <= high) | ((low == 0) & (score == 0))
        if weight[inside].sum() > 0:
            own = weight[inside]
            gap = np.average(score[inside], weights=own) - np.average(hit[inside], weights=own)
            total += own.sum() * abs(gap)
    return total / weight.sum()


def label_noise(truth: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float | None:
    """The definition, a row at a time: labels against what the score expects, by how they speak."""
    against = room = 0.0
    for y, p, w in zip(truth, score, weight, strict=True):
        held = min(max(p, 0.01), 0.99)
        turned = 0.95 * held + 0.05 * (1 - held)
        ratio = math.log(turned / held) - math.log((1 - turned) / (1 - held))
        against += w * ratio * (y - p)
        room += w * ratio * ((1 - p) - p)
    return against / room if room > 1e-6 * weight.sum() else None


def at_rate(truth: np.ndarray, score: np.ndarray, rate: float, of: str) -> float | None:
    """The mean over all orders of tied rows, each row once, the cut falling between two rows."""
    n, wanted = len(truth), rate * len(truth)
    assert wanted == int(wanted)
    if wanted < 1 or (of == "recall" and not truth.any()):
        return None
    cut = np.sort(score)[::-1][int(wanted) - 1]
    above, tied = score > cut, score == cut
    found = truth[above].sum() + (wanted - above.sum()) * truth[tied].mean()
    return float(found / (wanted if of == "precision" else truth.sum())) if n else None


def orders(score: np.ndarray) -> list[np.ndarray]:
    """Every order of a list that its scores allow."""
    ties = [np.flatnonzero(score == s) for s in sorted(set(score), reverse=True)]
    parts = [list(itertools.permutations(tie)) for tie in ties]
    return [np.array([i for part in order for i in part]) for order in itertools.product(*parts)]


def _average_precision(hit: np.ndarray, k: int) -> float:
    at = [hit[: i + 1].mean() for i in range(min(k, len(hit))) if hit[i]]
    return sum(at) / min(hit.sum(), k)


OF_ONE_ORDER: dict[str, Callable[[np.ndarray, int], float]] = {
    "map": _average_precision,
    "mrr": lambda hit, k: 1 / (1 + int(np.argmax(hit))),
    "recall": lambda hit, k: hit[:k].sum() / hit.sum(),
    "precision": lambda hit, k: hit[:k].sum() / k,
    "hit_rate": lambda hit, k: float(hit[:k].any()),
}


def of_list(base: str, relevance: np.ndarray, score: np.ndarray, k: int) -> float | None:
    """A metric of a list, the mean over the orders that ties allow; None if nothing is relevant."""
    hit = relevance > 0
    if not hit.any():
        return None
    if base == "ndcg":
        return None if len(hit) < 2 else float(theirs.ndcg_score([relevance], [score], k=k))
    return float(np.mean([OF_ONE_ORDER[base](hit[order], k) for order in orders(score)]))
