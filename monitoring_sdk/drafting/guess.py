"""A guess about a monitored model: what would stand in its file, why, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a list, with its own reason."""

    value: Any
    why: str


@dataclass(frozen=True, slots=True)
class Guess:
    """One key of a monitor file.

    Parameters
    ----------
    key : str
        Such as `columns.score`.
    value : object
        Text, number, list or mapping as YAML has them, or a tuple of `Item`; None where nothing
        was found, which leaves only the reason in the file.
    why : str
        What in the data speaks for it.
    sure : bool
        Whether it may stand without a second look.
    """

    key: str
    value: Any
    why: str
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted monitor file: its guesses in the order of the file."""

    model: str
    guesses: tuple[Guess, ...]

    def value(self, key: str) -> Any:
        """Return what was guessed for a key, or None.

        Examples
        --------
        >>> Draft("m", (Guess("task", "binary", "two classes"),)).value("task")
        'binary'
        """
        return next((g.value for g in self.guesses if g.key == key), None)

    @property
    def doubtful(self) -> tuple[Guess, ...]:
        """The guesses that want a second look."""
        return tuple(g for g in self.guesses if not g.sure)
