"""What kind of shift, in words and as a table: from a report's diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from monitoring_sdk.render.console import table
from monitoring_sdk.render.numbers import NOTHING, short


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a diagnosis, every number in words."""

    what: str
    part: str
    share: str
    loss: str
    contribution: str


HEAD = ("Segment", "Part of", "Share of rows", "Mean loss", "Contribution")


def sentence(diagnosis: Mapping[str, Any] | None) -> str:
    """Return the finding in plain words; empty without a diagnosis.

    Examples
    --------
    >>> sentence({"sentence": "Mean loss rose from 0.1 to 0.2.", "kind": "concept"})
    'Mean loss rose from 0.1 to 0.2.'
    """
    return "" if diagnosis is None else short(diagnosis["sentence"], 500)


def segments(diagnosis: Mapping[str, Any] | None) -> list[Segment]:
    """Return the segments that a diagnosis names: of the concept part, then of the inputs'."""
    if diagnosis is None:
        return []
    return [
        *(_segment(cell, "outcomes", "within") for cell in diagnosis["cells"]),
        *(_segment(cell, "inputs", "mix") for cell in diagnosis["shifted"]),
    ]


def parts(diagnosis: Mapping[str, Any] | None) -> list[str]:
    """Return the parts of the change, a line each, with their intervals."""
    if diagnosis is None:
        return []
    names = {"total": "in all", "covariate": "inputs", "concept": "outcomes at the same inputs"}
    return [f"{words}: {_term(diagnosis['split'][name])}" for name, words in names.items()]


def diagnosis_text(diagnosis: Mapping[str, Any]) -> str:
    """Write a diagnosis for a terminal: the finding, its parts, and the segments as a table."""
    rows = [list(astuple(segment)) for segment in segments(diagnosis)]
    lines = [f"{diagnosis['kind']}: {sentence(diagnosis)}", *parts(diagnosis)]
    return "\n".join([*lines, *([table(HEAD, rows)] if rows else [])])


def _term(value: Mapping[str, Any]) -> str:
    if value["value"] is None:
        return short(value["reason"])
    if value["interval"] is None:
        return f"{value['value']:+.3f}"
    low, high = value["interval"]
    return f"{value['value']:+.3f} (from {low:+.3f} to {high:+.3f})"


def _segment(cell: Mapping[str, Any], part: str, contribution: str) -> Segment:
    share = cell["share"]
    loss = ["no rows" if mean is None else f"{mean:.3f}" for mean in cell["loss"]]
    return Segment(
        short(cell["description"] or NOTHING),
        part,
        f"{share[0]:.1%} before, {share[1]:.1%} now",
        f"{loss[0]} before, {loss[1]} now",
        f"{cell[contribution]:+.3f}",
    )
