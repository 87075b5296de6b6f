"""The slices of a window on a page: the worst segments, and shadows beside the champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring_sdk.render.lines import Badge, CheckRow, badge, check_row
from monitoring_sdk.render.numbers import NOTHING, number, short, unit_of
from monitoring_sdk.render.words import JUDGED, label, worst_first
from monitoring_sdk.report import Check

SEGMENT_ROWS = 20
BESIDE_ROWS = 30


@dataclass(frozen=True, slots=True)
class BesideRow:
    """A quantity of the champion, and the same of each shadow."""

    what: str
    champion: str
    shadows: tuple[tuple[str, Badge], ...]


def whole(check: Check) -> bool:
    """Say whether a check speaks of all rows, or of the champion's."""
    return check.segment is None and check.version is None


def shown_in_full(check: Check) -> bool:
    """Say whether a check belongs into a table of all: of slices, what is not as it should be."""
    return whole(check) or check.status not in ("ok", "insufficient")


def worst_segments(checks: Sequence[Check], top: int = SEGMENT_ROWS) -> list[CheckRow]:
    """Return the checks of segments that are the nearest to their limits, or beyond them."""
    found = [
        c
        for c in checks
        if c.segment is not None and c.status in JUDGED and c.threshold is not None
    ]
    return [check_row(c) for c in worst_first(found)[:top]]


def beside(checks: Sequence[Check], top: int = BESIDE_ROWS) -> tuple[list[str], list[BesideRow]]:
    """Set what each shadow version came to beside the champion.

    Returns
    -------
    versions : list of str
    rows : list of BesideRow
        Performance first; empty where there is no shadow.
    """
    versions = sorted({c.version for c in checks if c.version is not None and c.segment is None})
    own = {(c.family, c.name, c.column): c for c in checks if whole(c)}
    theirs = {
        (c.version, c.family, c.name, c.column): c for c in checks if c.version and not c.segment
    }
    places = dict.fromkeys(key[1:] for key in theirs)
    rows = []
    for place in sorted(places, key=lambda p: p[0] not in ("performance", "estimate")):
        _, name, column = place
        shadows = [theirs.get((v, *place)) for v in versions]
        rows.append(
            BesideRow(
                (f"{short(column)}: " if column else "") + label(name),
                _value(own.get(place)),
                tuple((_value(c), badge(c.status if c else "no_data")) for c in shadows),
            )
        )
    return [short(v, 20) for v in versions], rows[:top]


def _value(check: Check | None) -> str:
    return NOTHING if check is None else number(check.value, unit_of(check.name))
