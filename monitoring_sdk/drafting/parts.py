"""What a draft is made from, and which columns have found their part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from monitoring_sdk.drafting.facts import Facts
from monitoring_sdk.drafting.guess import Guess


@dataclass(frozen=True, slots=True)
class Given:
    """What the user says, where no guess is wanted."""

    timestamp: str | None = None
    prediction: str | None = None
    label: str | None = None
    id: tuple[str, ...] = ()
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """Some rows of a source, spread evenly, and what holds for all of them.

    Attributes
    ----------
    place : str or mapping
        The source as a monitor file names it.
    rows : int
        All of its rows.
    span : tuple of datetime, optional
        The first and the last moment of all rows; needed of predictions.
    why : str
        What is to be said of the place.
    """

    place: str | Mapping[str, Any]
    rows: int
    table: pa.Table
    span: tuple[datetime, datetime] | None = None
    why: str = ""


@dataclass(slots=True)
class Found:
    """The parts found so far: a column that has one is no feature."""

    facts: Mapping[str, Facts]
    guesses: dict[str, Guess] = field(default_factory=dict)

    def add(self, *guesses: Guess) -> None:
        """Keep guesses, each of another key."""
        self.guesses |= {g.key.removeprefix("columns."): g for g in guesses}

    def columns(self, *parts: str) -> list[str]:
        """Return the columns of some parts, of all without."""
        found = []
        for part, guess in self.guesses.items():
            if (not parts or part in parts) and part != "positive":
                found += _names(guess.value)
        return found


def _names(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        # `{column: ts, unit: ms}` names one column, a mapping of classes one for each.
        return [value["column"]] if set(value) == {"column", "unit"} else list(value.values())
    return list(value) if isinstance(value, list) else [value] if isinstance(value, str) else []
