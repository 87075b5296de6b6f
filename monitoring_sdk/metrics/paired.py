"""Champion against challenger: the difference of a metric on the same rows, and its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from monitoring_sdk.metrics.intervals import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the challenger is, with its uncertainty; above zero it is better.

    `interval` is a 95 % interval: Student's t with the groups less one as degrees of freedom over
    the jackknife's standard error.
    """

    value: float
    standard_error: float
    interval: tuple[float, float]

    @property
    def better(self) -> bool:
        """Whether the challenger is better beyond its uncertainty."""
        return self.interval[0] > 0


def paired_difference(
    champion: Callable[[NDArray[np.bool_]], float],
    challenger: Callable[[NDArray[np.bool_]], float],
    groups: NDArray[np.intp],
    *,
    better: str = "higher",
) -> Difference:
    """Compare two models on the same labelled rows, leaving out one group after the other.

    Rows of a day share what happened in it, so they are no independent draws; days nearly are.
    What a day does to both models cancels.

    Parameters
    ----------
    champion, challenger : callable
        Map a mask of rows to the metric of each model.
    groups : array of int, shape (n,)
        For each row the number of its group (its day, its window), 0 to G-1; at least two groups.
        Independent rows are groups of their own.
    better : {'higher', 'lower', 'zero'}
        On which side good values of the metric lie.

    Raises
    ------
    ValueError
        With fewer than two groups.

    Notes
    -----
    The delete-one-group jackknife: Efron and Tibshirani 1993, chapter 11. For a mean over groups
    of one row it is the interval of the paired t-test.

    Examples
    --------
    >>> old, new = np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0, 1.0])
    >>> found = paired_difference(lambda at: old[at].mean(), lambda at: new[at].mean(),
    ...                           np.arange(4))
    >>> found.value, found.better
    (0.25, False)
    """
    count = int(groups.max()) + 1 if len(groups) else 0
    if count < 2:
        raise ValueError("two groups of rows are needed at least")

    def gain(at: NDArray[np.bool_]) -> float:
        old, new = float(champion(at)), float(challenger(at))
        if better == "zero":
            return abs(old) - abs(new)
        return old - new if better == "lower" else new - old

    whole = gain(np.ones(len(groups), dtype=bool))
    without = np.array([gain(groups != group) for group in range(count)])
    spread = float(((without - without.mean()) ** 2).sum())
    error = float(np.sqrt((count - 1) / count * spread))
    margin = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * error
    return Difference(whole, error, (whole - margin, whole + margin))
