"""Where a check looks: its column and its slice of the rows, from its fields or from its key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from monitoring_sdk.render.numbers import short
from monitoring_sdk.report import Check

_SEGMENT = re.compile(r"\[([^=\[\]/]+=.*)\]$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a key says; `segment` as the key writes it, `origin=JFK,carrier=UA`."""

    family: str
    name: str
    column: str | None = None
    segment: str | None = None
    version: str | None = None


def parts_of(key: str) -> KeyParts:
    """Take a check's key apart; levels may hold any sign, also those that a key is made with.

    A column whose own name ends like a slice cannot be told from one: where the check is known,
    its fields are asked.

    Examples
    --------
    >>> parts_of("drift/psi/distance[origin=a/b]#8")
    KeyParts(family='drift', name='psi', column='distance', segment='origin=a/b', version='8')
    >>> parts_of("performance/ndcg@10").name, parts_of("performance/ndcg@10#8").version
    ('ndcg@10', '8')
    """
    family, _, rest = key.partition("/")
    version = segment = None
    head, sign, tail = rest.rpartition("#")
    closed = rest.endswith("]")
    # The second of two expectations of a type is `expect_...#2`.
    counted = head.startswith("expect_") and "/" not in head and tail.isdigit()
    if sign and not closed and "/" not in tail and not head.endswith("/") and not counted:
        rest, version = head, tail
    if found := _SEGMENT.search(rest):
        rest, segment = rest[: found.start()], found[1]
    name, slash, column = rest.partition("/")
    return KeyParts(family, name, column if slash else None, segment, version)


def slice_words(segment: Mapping[str, str] | str | None, version: str | None = None) -> str:
    """Say which rows a check speaks of; nothing where it is all of them, or the champion's.

    Examples
    --------
    >>> slice_words({"origin": "JFK", "carrier": "UA"}), slice_words(None, "8")
    ('carrier = UA, origin = JFK', 'version 8 (shadow)')
    """
    if isinstance(segment, str):
        parts = [short(segment.replace("=", " = ").replace(",", ", "))]
    else:
        parts = [f"{short(k)} = {short(v)}" for k, v in sorted((segment or {}).items())]
    if version is not None:
        # The champion has no version of its own in a check.
        parts.append(f"version {short(version, 20)} (shadow)")
    return ", ".join(parts)


def subject(check: Check) -> str:
    """Return where a check looks: column, segment and version, or nothing.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitoring_sdk.window import Window
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> subject(Check("drift", "psi", day, "ok", "distance", {"origin": "JFK"}))
    'distance of origin = JFK'
    """
    rows = slice_words(check.segment, check.version)
    parts = [] if check.column is None else [short(check.column)]
    return " of ".join([*parts, *([rows] if rows else [])])
