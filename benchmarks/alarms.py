"""False pages and detection under a budget, beside the default rules of others.

    python -m benchmarks.alarms --streams 50 --changed 25 --keep FOLDER
    python -m benchmarks.alarms --tables FOLDER

A cell is a family of `benchmarks.alarm_streams`, rows a window, and a rhythm, such as
``B-500-daily``. Daily streams have 60 reference windows and 60 later ones (B of 50 000 rows: 120
and 60); hourly ones 28 days and 30. A change begins in the eleventh later window and lasts fourteen
(hourly: the hundredth, 48). Streams are told apart by their seed. With ``--keep`` each stream's
severities go to a file a cell, and a second run goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.alarm_changes import CHANGES, changed
from benchmarks.alarm_peers import Rule, Windows, nannyml_rules, sample_rules
from benchmarks.alarm_streams import Stream, draw
from benchmarks.alarm_tables import OURS, print_all
from benchmarks.alarm_windows import counted, later_values, see
from monitoring_sdk.alarms.budget import Alarms, fit_alarms, parse_budget
from monitoring_sdk.alarms.paging import Paging, ratios
from monitoring_sdk.alarms.values import Values

BUDGET = "1 per 30d"
NEVER = 999
HOURLY_CHANGES = (
    "mean .25 sd, 1 column",
    "mean .5 sd, 1 column",
    "mean .25 sd, 10 columns",
    "nulls 1 to 3 %",
    "5 % of labels in a segment",
)


@dataclass(frozen=True)
class Cell:
    """What is drawn: `reference` windows, `later` ones, and a change among these."""

    family: str
    rows: int
    hourly: bool = False
    reference: int = 60
    later: int = 60
    start: int = 10
    length: int = 14

    @property
    def name(self) -> str:
        """Such as ``B-500-daily``."""
        return f"{self.family}-{self.rows}-{'hourly' if self.hourly else 'daily'}"

    @property
    def seconds(self) -> int:
        """From one window to the next."""
        return 3600 if self.hourly else 86_400

    @property
    def phases(self) -> int:
        """Windows after which a season comes round."""
        return 24 if self.hourly else 7


def _hourly(family: str) -> Cell:
    return Cell(family, 500, hourly=True, reference=672, later=720, start=100, length=48)


CELLS = {
    cell.name: cell
    for cell in (
        *(Cell(family, rows) for rows in (500, 5000) for family in "ABCD"),
        Cell("A", 50_000),
        Cell("B", 50_000, reference=120),
        _hourly("A"),
        _hourly("B"),
    )
}


def judged(
    alarms: Alarms, history: Sequence[Values], first: int, cell: Cell, lead: int = 0
) -> tuple[list[float], tuple[Paging, ...]]:
    """Return severity and paging of each window after the first `lead`, which are history alone.

    A severity is the largest score over its threshold, whatever came of the windows before.

    Parameters
    ----------
    first : int
        Position of the first window in the stream, for its season.
    """
    phase = [(first + t) % cell.phases for t in range(len(history))]
    found = alarms.evidence(history, phase)
    parts = (found.at(t) for t in range(len(history)))
    severity = [float(ratios(own, alarms.thresholds, alarms.layout).max()) for own in parts]
    return severity[lead:], alarms.walk(history, phase)[lead:]


def rules_of(stream: Stream, cell: Cell) -> dict[str, Rule]:
    """Fit every rule of others."""
    of, last = stream.schema, cell.reference
    sample = counted(of, stream.sample[None])
    reference = counted(of, stream.counts[:last], stream.labelled[:last])
    return nannyml_rules(reference) | sample_rules(sample.columns)


def _rounded(values: Any) -> list[float]:
    return [round(float(v), 4) for v in values]


def _severities(rules: dict[str, Rule], windows: Windows) -> dict[str, list[float]]:
    return {name: _rounded(rule(windows)) for name, rule in rules.items()}


def run(cell: Cell, seed: int, with_changes: bool) -> dict[str, Any]:
    """Run everything on one stream."""
    stream = draw(
        cell.family, cell.rows, reference=cell.reference, windows=cell.later, seed=seed,
        hourly=cell.hourly,
    )  # fmt: skip
    rules, seen, first = rules_of(stream, cell), see(stream, cell.reference), cell.reference
    began = time.process_time()
    alarms = fit_alarms(
        seen.reference, seen.watched, parse_budget(BUDGET), cell.seconds,
        phase=[t % cell.phases for t in range(first)], seed=seed,
    )  # fmt: skip
    took = time.process_time() - began
    assert alarms is not None
    counts, labelled = stream.counts[first:], stream.labelled[first:]
    later = later_values(seen, counts, labelled)
    severity, paged = judged(alarms, later, first, cell)
    stable = {OURS: _rounded(severity)}
    stable |= _severities(rules, counted(stream.schema, counts, labelled))
    changes: dict[str, Any] = {}
    found: dict[str, int] = {}
    lead = max(alarms.thresholds.horizons) - 1
    start = first + cell.start
    before = later[cell.start - lead : cell.start]
    for name in (HOURLY_CHANGES if cell.hourly else CHANGES) if with_changes else ():
        after = changed(stream, name, start=start, length=cell.length)
        history = [*before, *later_values(seen, *after)]
        severity, pages = judged(alarms, history, start - lead, cell, lead)
        found[name] = next((t for t, one in enumerate(pages, start=1) if one.passed), NEVER)
        changes[name] = {OURS: _rounded(severity)}
        changes[name] |= _severities(rules, counted(stream.schema, *after))
    return {
        "seed": seed, "fit_seconds": round(took, 3), "paged": [p.opened for p in paged],
        "stable": stable, "changes": changes, "found": found,
    }  # fmt: skip


def kept(folder: Path | None, cell: str) -> list[dict[str, Any]]:
    """Read the streams of a cell that an earlier run left."""
    path = None if folder is None else folder / f"{cell}.jsonl"
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def run_cell(
    cell: Cell, streams: int, with_changes: int, seed: int, keep: Path | None
) -> Iterator[dict[str, Any]]:
    """Yield the record of each stream, those of an earlier run first."""
    known = {record["seed"]: record for record in kept(keep, cell.name)}
    for k in range(streams):
        if seed + k in known:
            yield known[seed + k]
            continue
        record = run(cell, seed + k, k < with_changes)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            with (keep / f"{cell.name}.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
        yield record


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", default=",".join(CELLS), help="separated by commas")
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--changed", type=int, default=1, help="so many of them with every change")
    parser.add_argument("--seed", type=int, default=2000)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--tables", type=Path, help="print what an earlier run kept")
    args = parser.parse_args(arguments)
    if args.tables is not None:
        found = {name: kept(args.tables, name) for name in CELLS}
        print_all({name: records for name, records in found.items() if records})
        return
    records = {}
    for name in args.cells.split(","):
        began = time.process_time()
        records[name] = list(
            run_cell(CELLS[name], args.streams, args.changed, args.seed, args.keep)
        )
        print(f"{name}: {time.process_time() - began:.0f} s of CPU", file=sys.stderr, flush=True)
    print_all(records)


if __name__ == "__main__":
    main()
