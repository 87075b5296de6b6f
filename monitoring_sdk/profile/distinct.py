"""How many different levels there are, from a sketch that adds.

A theta sketch keeps the smallest `KEPT` hashes of what it has seen. Up to so many distinct values
it is exact; beyond, its estimate has a relative standard error of one over the root of `KEPT`
(4.4 %). It depends on the set of values alone, not on their order or on how they were put together,
so merging is exact; and one sketch can be taken from another, which says what is new in a window.

Source: Dasgupta, Lang, Rhodes and Thaler, 2016, A framework for estimating stream expression
cardinalities, ICDT; the library is Apache DataSketches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasketches import compact_theta_sketch

KEPT_LOG2 = 9
KEPT = 2**KEPT_LOG2

_TWO_SIGMA = 2


@dataclass(frozen=True, slots=True)
class Distinct:
    """A number of distinct levels.

    Parameters
    ----------
    value : float
    low, high : float
        Ends of an interval of two standard errors; both `value` where the count is exact.
    """

    value: float
    low: float
    high: float

    @property
    def exact(self) -> bool:
        """Whether every level was counted."""
        return self.low == self.high

    def __add__(self, more: int) -> Distinct:
        """Return the number with some exactly counted levels added."""
        return Distinct(self.value + more, self.low + more, self.high + more)


def sketch(marks: Iterable[str]) -> bytes:
    """Return the sketch of some marks (salted hashes of levels); of none, no bytes.

    Examples
    --------
    >>> distinct(sketch(["a", "b", "a"])).value
    2.0
    >>> sketch([])
    b''
    """
    from datasketches import update_theta_sketch  # only long-tailed columns need it

    found = update_theta_sketch(KEPT_LOG2)
    for mark in marks:
        found.update(mark)
    if found.is_empty():
        return b""
    found.trim()  # what is left depends on the set of values alone
    return _bytes(found.compact())


def union(*sketches: bytes) -> bytes:
    """Return the sketch of all that any of the sketches has seen.

    Examples
    --------
    >>> union(sketch(["a", "b"]), b"", sketch(["b", "c"])) == sketch(["c", "b", "a"])
    True
    """
    full = [s for s in sketches if s]
    if len(full) < 2:
        return full[0] if full else b""
    from datasketches import theta_union

    found = theta_union(KEPT_LOG2)
    for part in full:
        found.update(_read(part))
    return _bytes(found.get_result())


def distinct(data: bytes) -> Distinct:
    """Return how many distinct values a sketch has seen.

    Raises
    ------
    ValueError
        When the bytes are no sketch.
    """
    return _distinct(_read(data)) if data else Distinct(0.0, 0.0, 0.0)


def distinct_beyond(data: bytes, other: bytes) -> Distinct:
    """Return how many distinct values a sketch has seen that another has not.

    Examples
    --------
    >>> distinct_beyond(sketch(["a", "b", "c"]), sketch(["b"])).value
    2.0
    """
    if not data or not other:
        return distinct(data)
    from datasketches import theta_a_not_b

    return _distinct(theta_a_not_b().compute(_read(data), _read(other)))


def _distinct(found: Any) -> Distinct:
    value = float(found.get_estimate())
    if not found.is_estimation_mode():
        return Distinct(value, value, value)
    low, high = found.get_lower_bound(_TWO_SIGMA), found.get_upper_bound(_TWO_SIGMA)
    return Distinct(value, float(low), float(high))


def _bytes(found: compact_theta_sketch) -> bytes:
    return bytes(found.serialize())


def _read(data: bytes) -> compact_theta_sketch:
    from datasketches import compact_theta_sketch

    try:
        return compact_theta_sketch.deserialize(data)
    except (RuntimeError, ValueError, IndexError) as error:
        raise ValueError(f"a sketch of distinct levels is damaged: {error}") from None
