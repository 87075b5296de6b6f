"""Precision and recall when a fixed share of the rows is alerted on: those with the top scores.

Where the cut goes through rows of one score, each of them counts in part: the value is what a
random choice among them gives on average.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.metrics.curves import Area, ScoreCurve
from monitoring_sdk.metrics.intervals import on_logits
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.probabilistic import on_scores
from monitoring_sdk.metrics.weights import dot
from monitoring_sdk.value import Value

NEAR = 0.25
"""How far from the cut, as a share of the alerted rows, its own share of positives is taken."""


def _alerted(curve: ScoreCurve, rate: float) -> tuple[NDArray[np.float64], float]:
    """Return the part of each score's rows that is alerted on, and how positive the cut is."""
    weight = curve.positives + curve.negatives
    above = np.cumsum(weight)
    wanted = rate * float(above[-1])
    part = np.clip((wanted - (above - weight)) / weight, 0.0, 1.0)
    near = np.abs(above - weight / 2 - wanted) <= np.maximum(NEAR * wanted, weight / 2)
    at_cut = float(curve.positives[near].sum() / weight[near].sum()) if near.any() else 0.0
    return part, at_cut


def _at_rate(curve: ScoreCurve, rate: float, of: Literal["alerts", "positives"]) -> Area:
    """Return the positives found, as a share of the alerts or of all positives, and its slopes.

    One row more above the cut pushes another out, which is positive as often as rows near the cut
    are: hence the term that both slopes share.
    """
    part, at_cut = _alerted(curve, rate)
    found, total = dot(part, curve.positives), float(curve.positives.sum())
    everything = total + float(curve.negatives.sum())
    pushed = at_cut * (part - rate)
    if of == "alerts":
        alerts, each = rate * everything, found / everything
        return Area(found / alerts, (part - each - pushed) / alerts, (-each - pushed) / alerts)
    return Area(found / total, (part - found / total - pushed) / total, -pushed / total)


def _value(rows: Labelled, rate: float, of: Literal["alerts", "positives"]) -> Value:
    curve = rows.curve
    n = sum(curve.rows)
    if rate * n < 1:
        return Value.undefined(f"a share of {rate:.6g} of {n} rows is less than one row")
    if of == "positives" and curve.rows[0] == 0:
        return Value.undefined("no positive label")
    area = _at_rate(curve, rate, of)
    value = min(area.value, 1.0)
    return Value(value, interval=on_logits(value, area.error(curve)))


def precision_at_rate(rows: Labelled, rate: float) -> Value:
    """Return the share of positives among the rows with the top scores, in [0, 1].

    Parameters
    ----------
    rows : Labelled
    rate : float
        The share of the rows that is alerted on, in (0, 1).

    Examples
    --------
    >>> rows = Labelled([True, False, True, False], score=[0.9, 0.8, 0.7, 0.1])
    >>> precision_at_rate(rows, 0.5).value
    0.5
    """
    return on_scores(probability=False)(lambda known: _value(known, rate, "alerts"))(rows)


def recall_at_rate(rows: Labelled, rate: float) -> Value:
    """Return the share of all positives that are among the rows with the top scores, in [0, 1].

    Examples
    --------
    >>> rows = Labelled([True, False, True, False], score=[0.9, 0.7, 0.7, 0.7])
    >>> recall_at_rate(rows, 0.5).value
    0.6666666666666666
    """
    return on_scores(probability=False)(lambda known: _value(known, rate, "positives"))(rows)
