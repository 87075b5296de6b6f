"""A number that a metric or a distance came to, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    """A finite number, or ``None`` and the reason; never NaN.

    Parameters
    ----------
    value : float or None
        The number, in the units of what was computed.
    reason : str or None
        Why there is no number. Beside a number: what it leaves out.
    bound : float or None
        ``abs(value - exact) <= bound`` where the number is an approximation; ``None`` where it
        is exact up to rounding.
    p_value : float or None
        Of the test that the number is the statistic of, in [0, 1].
    interval : tuple of float or None
        Lower and upper end of a confidence interval.
    n : int or None
        Rows that the number rests on.

    Examples
    --------
    >>> Value(0.25, n=40).defined
    True
    >>> Value.undefined("no rows").reason
    'no rows'
    """

    value: float | None
    reason: str | None = None
    bound: float | None = None
    p_value: float | None = None
    interval: tuple[float, float] | None = None
    n: int | None = None

    def __post_init__(self) -> None:
        """Refuse what JSON cannot carry, and a missing number without a reason."""
        if self.value is None and not self.reason:
            raise ValueError("a Value without a number needs a reason")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a Value is finite or None with a reason, got {self.value!r}")

    @classmethod
    def undefined(cls, reason: str, n: int | None = None) -> Value:
        """Return the Value that has no number, and says why.

        Examples
        --------
        >>> Value.undefined("one class only", n=12)
        Value(value=None, reason='one class only', bound=None, p_value=None, interval=None, n=12)
        """
        return cls(None, reason, n=n)

    @property
    def defined(self) -> bool:
        """Whether there is a number."""
        return self.value is not None
