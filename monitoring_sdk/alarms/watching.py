"""What a baseline watches for alarms: the values, how they vary by theory, and the alarms set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.judging import Alarms
from monitoring_sdk.alarms.values import ValueForm, Values
from monitoring_sdk.alarms.watched import Scale, Watched, on_scale, to_angle
from monitoring_sdk.errors import BaselineError

Found = Callable[[str], tuple[float | None, int | None] | None]
"""The value of a check and its rows, by the check's key; None where a window has none."""


def to_values(watched: Sequence[Watched], theory: NDArray[np.float64], found: Found) -> Values:
    """Return a window's values on the scales of alarms, from values as checks write them.

    Parameters
    ----------
    watched : sequence of Watched
    theory : array of float64, shape (K,)
        As `Watching.theory`.
    found : callable
        Value and rows by key.

    Examples
    --------
    >>> nulls = Watched("quality/null_share/a", "quality", "a", "null_share", scale="share")
    >>> to_values([nulls], np.ones(1), lambda key: (0.25, 100)).x.round(3).tolist()
    [1.051]
    """
    pairs = [found(w.key) or (None, None) for w in watched]
    known = np.array([v is not None and bool(rows) for v, rows in pairs], dtype=bool)
    value = np.array([np.nan if v is None else v for v, _ in pairs], dtype=np.float64)
    n = np.where(known, [rows or 0 for _, rows in pairs], 0.0)
    x = np.full(len(watched), np.nan)
    thinned = np.ones(len(watched))
    of_scale: dict[Scale, list[int]] = {}
    for i, w in enumerate(watched):
        of_scale.setdefault(w.scale, []).append(i)
        if w.noise:
            thinned[i] = w.thinned(float(n[i]))
    for scale, places in of_scale.items():
        at = np.array(places)
        at = at[known[at]]
        x[at] = on_scale(value[at] / thinned[at], scale)
        if scale == "share":
            at = at[theory[at] == 1]
            x[at] = to_angle(value[at] * n[at], n[at])
    return Values(tuple(w.key for w in watched), x, n, theory)


@dataclass(frozen=True, eq=False)
class Watching:
    """What is watched of a model, and the alarms that its reference windows gave.

    Parameters
    ----------
    form : ValueForm
        Of the columns.
    others : tuple of Watched
        Metrics, estimates, and distances of all columns together.
    others_theory : tuple of float
        The variance of each of those times n, for independent rows; 0 where it is not known.
    alarms : Alarms or None
        As set when the baseline was built; None with fewer than five reference windows.
    """

    form: ValueForm
    others: tuple[Watched, ...] = ()
    others_theory: tuple[float, ...] = ()
    alarms: Alarms | None = None

    def __eq__(self, other: object) -> bool:
        """Say whether all that is kept is the same."""
        return isinstance(other, Watching) and self.to_dict() == other.to_dict()

    __hash__ = object.__hash__

    @cached_property
    def watched(self) -> tuple[Watched, ...]:
        """Every value that is watched, those of the columns first."""
        return (*self.form.watched, *self.others)

    @cached_property
    def theory(self) -> NDArray[np.float64]:
        """The variance of each value times n, for independent rows; 0 where it is not known."""
        return np.append(self.form.theory, np.array(self.others_theory, dtype=np.float64))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the floats read back exactly."""
        return {
            "form": self.form.to_dict(),
            "others": [w.to_dict() for w in self.others],
            "others_theory": list(self.others_theory),
            "alarms": None if self.alarms is None else self.alarms.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Watching:
        """Read the JSON form back.

        Raises
        ------
        BaselineError
            When the budget was shared otherwise then, as by a version before.
        """
        alarms = None if data["alarms"] is None else Alarms.from_dict(data["alarms"])
        if alarms is not None:
            kept, own = alarms.thresholds.unit_scale.shape[1], len(alarms.layout.starts)
            if kept != own:
                raise BaselineError(
                    f"alarms.json shares the budget in {kept} parts, this version in {own}: "
                    "build the baseline again with `monitoring baseline build`"
                )
        return cls(
            ValueForm.from_dict(data["form"]),
            tuple(Watched.from_dict(w) for w in data["others"]),
            tuple(data["others_theory"]),
            alarms,
        )
