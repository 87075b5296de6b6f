"""What every metric says of rows that it cannot be computed on, and of rows that it left out."""

from __future__ import annotations

from monitoring_sdk.value import Value


def left_out(missing: int, of: int, what: str) -> str | None:
    """Say how many rows a metric left out, or nothing when it took all.

    Examples
    --------
    >>> left_out(2, 10, "score")
    '2 of 10 labelled rows have no score and are left out'
    """
    return f"{missing} of {of} labelled rows have no {what} and are left out" if missing else None


def notes(*parts: str | None) -> str | None:
    """Join what there is to say, or None.

    Examples
    --------
    >>> notes("a", None, "b")
    'a; b'
    """
    return "; ".join(part for part in parts if part) or None


def nothing_to_count(n: int, missing: int, what: str) -> Value:
    """Return the undefined value of a metric that no row is left for.

    Examples
    --------
    >>> nothing_to_count(5, 5, "score").reason
    'no labelled row has a score'
    """
    if n == 0:
        return Value.undefined("no labelled rows", n=0)
    if missing == n:
        return Value.undefined(f"no labelled row has a {what}", n=0)
    return Value.undefined(f"no labelled row has a {what} and a weight above 0", n=0)


def lacking(column: str) -> Value:
    """Return the undefined value of a metric that needs a column which the rows do not have."""
    return Value.undefined(f"needs a {column} column, and there is none", n=0)


def conclude(found: Value, n: int, *parts: str | None) -> Value:
    """Return what a formula found, with the rows that it rests on and all that is to be said."""
    return Value(found.value, notes(found.reason, *parts), interval=found.interval, n=n)
