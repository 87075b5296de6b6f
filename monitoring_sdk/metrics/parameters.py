"""What stands after `@` in a metric's name: a rank, an alert rate, a quantile, a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


def _rank(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def _between_0_and_1(text: str, scale: float = 1.0) -> float | None:
    try:
        number = float(text) / scale
    except ValueError:
        return None
    return number if 0 < number < 1 else None


def _rate(text: str) -> float | None:
    return _between_0_and_1(text[:-1], 100.0) if text.endswith("%") else None


def _class(text: str) -> str | None:
    return text.strip() or None


@dataclass(frozen=True, slots=True)
class ParameterKind:
    """How a parameter is read; `what` and `example` say so to its user."""

    read: Callable[[str], int | float | str | None]
    what: str
    example: str


KINDS: Mapping[str, ParameterKind] = MappingProxyType(
    {
        "k": ParameterKind(_rank, "a whole number of ranks from 1", "10"),
        "r%": ParameterKind(_rate, "a share of the rows between 0% and 100%", "1%"),
        "q": ParameterKind(_between_0_and_1, "a quantile between 0 and 1", "0.9"),
        "class": ParameterKind(_class, "the name of a class", "economy"),
    }
)


def read_parameter(kind: str, text: str) -> int | float | str | None:
    """Read a parameter; None where the text is none of its kind.

    Examples
    --------
    >>> read_parameter("k", "10"), read_parameter("r%", "1%"), read_parameter("q", "1.5")
    (10, 0.01, None)
    """
    return KINDS[kind].read(text)


def looks_like_number(text: str) -> bool:
    """Say whether a parameter was meant as a number, per cent or not.

    Examples
    --------
    >>> looks_like_number("100%"), looks_like_number("economy")
    (True, False)
    """
    try:
        float(text.removesuffix("%"))
    except ValueError:
        return False
    return True
