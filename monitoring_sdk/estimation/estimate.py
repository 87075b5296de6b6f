"""What an estimator says of one metric, and when it says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.estimation.formulas import FORMULAS, inapplicable
from monitoring_sdk.estimation.outcomes import Outcomes
from monitoring_sdk.estimation.rows import Reference, Rows
from monitoring_sdk.value import Value

ASSUMES = "assumes no concept shift"
Z = NormalDist().inv_cdf(0.975)
FEWEST_ROWS, FEWEST_REFERENCE = 30, 200
"""Fewer rows of a window, or labelled rows of a reference, allow no estimate."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One metric of a window before its labels are known.

    Parameters
    ----------
    value : Value
        The estimate; its interval is meant to hold the realised metric in 95 windows of 100, and
        combines both errors below.
    sampling_se : float or None
        How far the window's own labels, being few, carry the realised metric from its expectation.
    calibration_se : float or None
        How far the reference leads the expectation astray: it is finite, and its windows differ.
    """

    value: Value
    sampling_se: float | None = None
    calibration_se: float | None = None


Estimates = Mapping[str, Estimate]


def undefined(metrics: Iterable[str], reason: str, n: int) -> dict[str, Estimate]:
    """Return no number for any of the metrics, with the reason."""
    return {name: Estimate(Value.undefined(reason, n)) for name in metrics}


def combined(
    point: float,
    sampling: float,
    calibration: float,
    *,
    span: tuple[float, float],
    n: int,
    notes: tuple[str, ...] = (),
) -> Estimate:
    """Return an estimate from its two variances; the interval stays within the metric's range.

    Examples
    --------
    >>> found = combined(0.5, 0.0009, 0.0016, span=(0.0, 1.0), n=100)
    >>> round(found.sampling_se, 3), round(found.calibration_se, 3)
    (0.03, 0.04)
    >>> [round(end, 3) for end in found.value.interval]
    [0.402, 0.598]
    """
    half = Z * float(np.sqrt(sampling + calibration))
    interval = (max(span[0], point - half), min(span[1], point + half))
    reason = "; ".join([ASSUMES, *notes])
    return Estimate(
        Value(point, reason, interval=interval, n=n),
        float(np.sqrt(sampling)),
        float(np.sqrt(calibration)),
    )


def variance(draws: NDArray[np.float64]) -> float:
    """Return the variance of the draws that have a number; 0 where fewer than two have."""
    found = draws[np.isfinite(draws)]
    return float(found.var(ddof=1)) if len(found) > 1 else 0.0


def jackknife(left_out: NDArray[np.float64]) -> float:
    """Return the delete-a-group variance of what was found with each group left out.

    Source: Tukey, 1958; Efron and Tibshirani, 1993, An Introduction to the Bootstrap, ch. 11.

    Examples
    --------
    >>> jackknife(np.array([1.0, 3.0]))
    1.0
    """
    found = left_out[np.isfinite(left_out)]
    if len(found) < 2:
        return 0.0
    return float((len(found) - 1) * found.var())


def refusal(reference: Reference, rows: int) -> str | None:
    """Say why nothing can be estimated, or nothing."""
    if rows < FEWEST_ROWS:
        return f"{rows} rows with all that is needed, {FEWEST_ROWS} are the fewest"
    if reference.n < FEWEST_REFERENCE:
        return f"{reference.n} labelled reference rows, {FEWEST_REFERENCE} are the fewest"
    if reference.task != "regression" and (reference.truth == reference.truth[0]).all():
        return "one class only among the reference's labels"
    return None


def left_out(window: Rows, rows: int) -> tuple[str, ...]:
    """Say how many rows an estimate does without."""
    if rows == window.n:
        return ()
    return (f"{window.n - rows} of {window.n} rows lack a score or prediction and are left out",)


def from_outcomes(
    names: Iterable[str],
    task: str,
    rows: Rows,
    fits: Outcomes,
    draws: Outcomes,
    gaps: Mapping[str, float],
    notes: tuple[str, ...],
    *,
    n: int | None = None,
) -> dict[str, Estimate]:
    """Return an estimate of each metric with both its errors.

    Parameters
    ----------
    fits : Outcomes
        The expectation by the whole reference, then without each group of it.
    draws : Outcomes
        Labels that the rows may turn out to have.
    gaps : mapping of str to float
        By metric, the variance between windows that the estimator does not explain.
    n : int, optional
        Rows of the window, where `rows` are not they.
    """
    found, count = {}, rows.n if n is None else n
    for name in names:
        formula = FORMULAS.get(name)
        reason = "no estimator knows it" if formula is None else inapplicable(formula, task, rows)
        if formula is None or reason:
            found[name] = Estimate(Value.undefined(reason or "", count))
            continue
        whole, *without = formula.compute(fits)
        if not np.isfinite(whole):
            found[name] = Estimate(Value.undefined(formula.empty, count))
            continue
        calibration = jackknife(np.asarray(without)) + gaps.get(name, 0.0)
        sampling = variance(formula.compute(draws))
        found[name] = combined(
            float(whole), sampling, calibration, span=formula.span, n=count, notes=notes
        )
    return found
