"""What the runs of `benchmarks.alarms` showed, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.thresholds import incidents

Record = Mapping[str, Any]
"""One stream: severities by rule of its stable windows and under each change."""

OURS = "the budget"
WITHIN = (1, 3, 7)
MULTIPLES = np.exp(np.linspace(np.log(400), np.log(0.02), 700))
RESAMPLES = 4000
MOST_ALARMS = 0.2


def months(cell: str) -> int:
    """Return how many windows of a cell are 30 days."""
    return 720 if cell.endswith("hourly") else 30


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def per_month(severity: NDArray, cell: str, limit: float = 1.0) -> NDArray[np.float64]:
    """Return pages per 30 days of each stream whose alarms are severities of `limit` or more."""
    pages = incidents(np.asarray(severity) >= limit).sum(axis=1)
    return pages * months(cell) / np.asarray(severity).shape[1]


def upper_bound(rates: NDArray[np.float64]) -> float:
    """Return the one-sided 95 % bound of the mean rate, streams drawn again with replacement."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(rates), (RESAMPLES, len(rates)))
    return float(np.quantile(rates[drawn].mean(axis=1), 0.95))


def false_pages(records: Mapping[str, Sequence[Record]]) -> str:
    """Return what our budget led to while nothing changed, a row a cell."""
    rows = []
    for cell, streams in records.items():
        span = months(cell)
        paged = np.array([s["paged"] for s in streams], dtype=bool)
        in_month = np.lib.stride_tricks.sliding_window_view(paged, span, axis=1).sum(axis=2)
        rates = paged.sum(axis=1) * span / paged.shape[1]
        few = (in_month <= 2).all(axis=1).mean()
        rows.append(
            [cell, str(len(streams)), str(paged.size // span), str(int(paged.sum())),
             f"{rates.mean():.2f}", f"{upper_bound(rates):.2f}", f"{few:.0%}",
             f"{np.median([s['fit_seconds'] for s in streams]):.2f} s"]
        )  # fmt: skip
    head = ["stream", "streams", "stream-months", "pages", "per 30 days", "upper 95 % bound",
            "streams with at most 2 in any 30 days", "CPU of a fit"]  # fmt: skip
    return table(head, rows)


def default_pages(records: Mapping[str, Sequence[Record]]) -> str:
    """Return pages per 30 days of every rule at its own default, a row a rule."""
    rules = list(next(iter(records.values()))[0]["stable"])
    rows = []
    for rule in rules:
        row = [rule]
        for cell, streams in records.items():
            severity = np.array([s["stable"][rule] for s in streams])
            alarms = (severity >= 1).mean() * months(cell)
            row.append(f"{per_month(severity, cell).mean():.1f} ({alarms:.0f})")
        rows.append(row)
    return table(["rule", *records], rows)


def equal_limit(severity: NDArray, cell: str, budget: float = 1.0) -> float:
    """Return the smallest limit with at most `budget` pages in 30 days, sought from above.

    A rule that hardly ever stops alarming opens one incident alone: a limit that alarms in more
    than a fifth of all windows does not count.
    """
    best = float(MULTIPLES[0])
    for limit in MULTIPLES:
        often = (severity >= limit).mean() > MOST_ALARMS
        if often or per_month(severity, cell, float(limit)).mean() > budget:
            break
        best = float(limit)
    return best


def delays(severity: NDArray, limit: float) -> NDArray[np.int64]:
    """Return after how many windows each stream alarms; 999 where it does not."""
    alarm = np.asarray(severity) >= limit
    return np.where(alarm.any(axis=1), alarm.argmax(axis=1) + 1, 999)


def _shares(found: NDArray[np.int64]) -> str:
    return " / ".join(f"{100 * (found <= w).mean():.0f}" for w in WITHIN)


def _changed(streams: Sequence[Record]) -> list[Record]:
    return [s for s in streams if s["changes"]]


def own_detection(records: Mapping[str, Sequence[Record]]) -> str:
    """Return the share of changes found within 1, 3 and 7 windows at our own thresholds."""
    some = {cell: _changed(streams) for cell, streams in records.items()}
    some = {cell: streams for cell, streams in some.items() if streams}
    names = list(next(iter(some.values()))[0]["changes"])
    rows = []
    for name in names:
        row = [name]
        every = []
        for streams in some.values():
            found = np.array([s["found"][name] for s in streams])
            every.append(found)
            row.append(_shares(found))
        rows.append([name, _shares(np.concatenate(every)), *row[1:]])
    return table(["change", "all", *some], rows)


def equal_detection(records: Mapping[str, Sequence[Record]]) -> str:
    """Return the same for every rule, each scaled in each cell to one false page in 30 days."""
    some = {cell: _changed(streams) for cell, streams in records.items()}
    some = {cell: streams for cell, streams in some.items() if streams}
    first = next(iter(some.values()))[0]
    rows = []
    for rule in first["stable"]:
        limits = {
            cell: equal_limit(np.array([s["stable"][rule] for s in records[cell]]), cell)
            for cell in some
        }
        row = [rule]
        for name in first["changes"]:
            parts = [
                delays(np.array([s["changes"][name][rule] for s in streams]), limits[cell])
                for cell, streams in some.items()
            ]
            row.append(_shares(np.concatenate(parts)))
        rows.append(row)
    return table(["rule", *first["changes"]], rows)


def of_rows(records: Mapping[str, Sequence[Record]], rows: int) -> dict[str, Sequence[Record]]:
    """Return the daily cells of so many rows a window."""
    return {cell: s for cell, s in records.items() if cell.split("-")[1:] == [str(rows), "daily"]}


def print_all(records: Mapping[str, Sequence[Record]]) -> None:
    """Print every table."""
    print("### False pages at a budget of 1 per 30 days, nothing changed\n")
    print(false_pages(records))
    print("\n### Pages per 30 days of each rule at its default (windows that alarm)\n")
    print(default_pages(records))
    for rows in (500, 5000, 50_000):
        cells = of_rows(records, rows)
        if any(_changed(streams) for streams in cells.values()):
            print(f"\n### Found within 1 / 3 / 7 windows, {rows} rows, own thresholds, %\n")
            print(own_detection(cells))
            print(f"\n### The same, {rows} rows, all rules at one false page in 30 days, %\n")
            print(equal_detection(cells))
    hourly = {cell: s for cell, s in records.items() if cell.endswith("hourly")}
    if any(_changed(streams) for streams in hourly.values()):
        print("\n### Found within 1 / 3 / 7 hours, 500 rows, own thresholds, %\n")
        print(own_detection(hourly))
