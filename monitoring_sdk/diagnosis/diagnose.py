"""What explains a drop: covariate or concept, how much of each, and in which rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from monitoring_sdk.diagnosis.cells import Cell
from monitoring_sdk.diagnosis.expected import Expected, expected_loss
from monitoring_sdk.diagnosis.losses import Losses, evenly
from monitoring_sdk.diagnosis.segments import segments
from monitoring_sdk.diagnosis.shifted import shifted_cells
from monitoring_sdk.diagnosis.split import (
    FEWEST_ROWS,
    FLOOR,
    Kind,
    Split,
    attribute,
    split_drop,
    value_from_dict,
    value_to_dict,
)
from monitoring_sdk.value import Value

MOST_ROWS, SPLIT_ROWS = 100_000, 40_000
"""Segments are looked for in at most so many rows of either sample, and the split is made of at
most so many; both evenly spaced."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What moved a model's mean loss between reference and current rows.

    Attributes
    ----------
    kind : {"covariate", "concept", "mixed", "none"}
    sentence : str
        The finding in plain words.
    split : Split
    cells : tuple of Cell
        Segments that carry the concept shift, by falling `within`.
    shifted : tuple of Cell
        Conditions whose change of share raised the loss, by falling `mix`; one a column.
    gap : Value or None
        Realised less estimated performance, where it was given.
    """

    kind: Kind
    sentence: str
    split: Split
    cells: tuple[Cell, ...] = ()
    shifted: tuple[Cell, ...] = ()
    gap: Value | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind": self.kind,
            "sentence": self.sentence,
            "split": self.split.to_dict(),
            "cells": [cell.to_dict() for cell in self.cells],
            "shifted": [cell.to_dict() for cell in self.shifted],
            "gap": None if self.gap is None else value_to_dict(self.gap),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Diagnosis:
        """Read the JSON form back.

        Raises
        ------
        ValueError
            When the kind is none of those there are.
        """
        if data["kind"] not in get_args(Kind):
            raise ValueError(f"unknown kind of shift {data['kind']!r}")
        return cls(
            data["kind"],
            data["sentence"],
            Split.from_dict(data["split"]),
            tuple(Cell.from_dict(cell) for cell in data["cells"]),
            tuple(Cell.from_dict(cell) for cell in data["shifted"]),
            None if data["gap"] is None else value_from_dict(data["gap"]),
        )


def diagnose(
    reference: Losses,
    current: Losses,
    *,
    seed: int = 0,
    floor: float = FLOOR,
    gap: Value | None = None,
) -> Diagnosis:
    """Say what moved the mean loss, and where.

    Parameters
    ----------
    reference, current : Losses
        Labelled rows, coded by one `Coder`, in order of time; losses in [0, 1] suit `floor`.
    seed : int
        The same rows and seed give the same diagnosis.
    floor : float
        Smallest change of the mean loss that matters, > 0.
    gap : Value, optional
        From `gap`, to be kept beside.

    Raises
    ------
    ImportError
        Without LightGBM, which the `pipeline` extra brings.
    """
    left, right = (x.take(evenly(x.n, MOST_ROWS)) for x in (reference, current))
    if min(left.n, right.n) < FEWEST_ROWS or not reference.coder.names:
        split = split_drop(left, right, seed=seed)
        return Diagnosis("none", _sentence("none", split, (), ()), split, gap=gap)
    expected = expected_loss(left, right, seed=seed)
    few = tuple(evenly(x.n, SPLIT_ROWS) for x in (left, right))
    split = split_drop(
        left.take(few[0]),
        right.take(few[1]),
        seed=seed,
        expected=Expected(expected.reference[few[0]], expected.current[few[1]]),
    )
    kind = attribute(split, floor=floor)
    cells: tuple[Cell, ...] = ()
    shifted: tuple[Cell, ...] = ()
    if kind in ("concept", "mixed"):
        cells = segments(left, right, seed=seed, expected=expected)
    if kind in ("covariate", "mixed"):
        shifted = shifted_cells(left, right, seed=seed, expected=expected)
    return Diagnosis(kind, _sentence(kind, split, cells, shifted), split, cells, shifted, gap)


def _sentence(kind: Kind, split: Split, cells: Sequence[Cell], shifted: Sequence[Cell]) -> str:
    if split.means is None:
        return f"No diagnosis: {split.total.reason}."
    before, after = split.means
    text = f"Mean loss {_moved(before, after)}"
    if kind == "none":
        return f"{text}: no more than chance, or too little to matter."
    if not split.concept.defined:
        return f"{text}: the inputs moved so far that their part cannot be told from others."
    assert split.covariate.value is not None
    assert split.concept.value is not None
    parts = []
    if kind in ("covariate", "mixed"):
        parts.append(f"{split.covariate.value:+.3f} because the inputs changed")
    if kind in ("concept", "mixed"):
        parts.append(f"{split.concept.value:+.3f} because the same inputs have other outcomes")
    text = f"{text}: {' and '.join(parts)}."
    if cells:
        text += " " + _worst(cells[0], split.concept.value)
    elif kind == "covariate" and shifted:
        share = shifted[0].share
        text += (
            f" More rows than before with {shifted[0].description}"
            if share[1] > share[0]
            else (f" Fewer rows than before with {shifted[0].description}")
        )
        text += f": {share[0]:.1%} before, {share[1]:.1%} now."
    return text


def _moved(before: float, after: float) -> str:
    if f"{before:.3f}" == f"{after:.3f}":
        return f"stayed at {after:.3f}"
    return f"{'rose' if after > before else 'fell'} from {before:.3f} to {after:.3f}"


def _worst(cell: Cell, concept: float) -> str:
    """Say what the worst segment is, and how much of the concept shift it carries."""
    before, after = ("-" if mean is None else f"{mean:.3f}" for mean in cell.loss)
    text = f"Worst: {cell.description} ({cell.share[1]:.1%} of rows), {before} to {after}"
    carried = cell.within / concept if concept > 0 else 0.0
    return f"{text}, {min(carried, 1.0):.0%} of that." if carried > 0 else f"{text}."


def gap(realised: Value, estimated: Value) -> Value:
    """Return realised less estimated performance: the concept gap, in units of the metric.

    An estimate made without labels assumes that outcomes follow the score as they used to; what
    the realised value is beside it is therefore what that assumption misses. The interval takes
    the two errors as independent (root of the sum of squares of the half-widths on each side),
    which is too wide rather than too narrow, as both rest on the same rows.

    Parameters
    ----------
    realised, estimated : Value
        Of one metric on one window.

    Examples
    --------
    >>> found = gap(Value(0.80, interval=(0.77, 0.83)), Value(0.90, interval=(0.86, 0.94)))
    >>> round(found.value, 2), [round(v, 2) for v in found.interval]
    (-0.1, [-0.15, -0.05])
    """
    for name, value in (("realised", realised), ("estimated", estimated)):
        if not value.defined:
            return Value.undefined(f"no {name} value: {value.reason}", n=realised.n)
    assert realised.value is not None
    assert estimated.value is not None
    difference = realised.value - estimated.value
    if realised.interval is None or estimated.interval is None:
        return Value(difference, "one of the two has no interval", n=realised.n)
    low = (realised.value - realised.interval[0], estimated.interval[1] - estimated.value)
    high = (realised.interval[1] - realised.value, estimated.value - estimated.interval[0])
    ends = (
        difference - sum(v * v for v in low) ** 0.5,
        difference + sum(v * v for v in high) ** 0.5,
    )
    return Value(difference, interval=ends, n=realised.n)
