"""The budget of false pages over the whole pipeline: models on disk, monitored window by window.

    python -m benchmarks.alarm_pipeline --seeds 3 2> records.jsonl
    python -m benchmarks.alarm_pipeline --tables records.jsonl

Every model is a folder of Parquet files and a monitor file with the defaults. Its baseline is built
and its windows are walked in this process as a schedule would have it: labels count once they are
known. The first table counts pages where nothing is wrong; the second one says when a planted fault
pages, which begins in the twenty-first monitored window. Standard error gets a line of JSON a
stream or fault, from which `--tables` prints the tables again.

The expectations that a baseline generates are left out: they are warnings, page nobody whatever
they find, and take half of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd

from benchmarks.pipeline_faults import FAULTS, START, plant
from benchmarks.pipeline_streams import FIRST, KINDS, Kind, Stream, draw
from benchmarks.pipeline_tables import print_all
from monitoring_sdk import stages
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.report import Report
from monitoring_sdk.window import Window

_AFTER = 8
"""So many windows after its beginning a fault is looked for."""

_INPUTS = ("age", "amount", "wait", "balance", "gap", "visits")
_LEVELS = ("region", "device", "merchant", "channel")


def config_of(kind: Kind, folder: Path) -> MonitorConfig:
    """Return the monitor file of a kind: the defaults but for names."""
    columns: dict[str, Any] = {
        "id": "id", "timestamp": "at", "prediction": "y_pred", "label": "y_true",
        "label_timestamp": "known_at", "numeric": list(_INPUTS), "categorical": list(_LEVELS),
    }  # fmt: skip
    if kind.task == "binary":
        columns |= {"score": "score", "positive": 1}
    if kind.segments:
        columns["segments"] = ["region", "device"]
    if kind.task == "multiclass":
        columns["score"] = {name: f"p_{name}" for name in ("low", "mid", "high")}
    if kind.service:
        columns |= {"latency_ms": "latency", "error": "failed"}
    first, hours = pd.Timestamp(FIRST), kind.label_delay / pd.Timedelta("1h")
    files = {name: str(folder / f"{name}.parquet") for name in ("predictions", "labels")}
    return parse_config(
        {
            "model": folder.parent.name, "task": kind.task, "source": files, "columns": columns,
            "window": {"every": kind.every},
            "labels": {"delay": f"{hours:.0f}h", "give_up": f"{2 * hours:.0f}h"},
            "baseline": {
                "start": first.date().isoformat(),
                "end": (first + kind.reference * kind.length).date().isoformat(),
            },
        }
    )  # fmt: skip


def write(stream: Stream, folder: Path) -> MonitorConfig:
    """Write the files of a stream and return its monitor file."""
    folder.mkdir(parents=True)
    stream.predictions.to_parquet(folder / "predictions.parquet")
    stream.labels.to_parquet(folder / "labels.parquet")
    return config_of(stream.kind, folder)


def monitored(kind: Kind, count: int | None = None) -> list[Window]:
    """Return the windows after the reference."""
    start = pd.Timestamp(FIRST, tz="UTC") + kind.reference * kind.length
    return [
        Window(
            (start + i * kind.length).to_pydatetime(),
            (start + (i + 1) * kind.length).to_pydatetime(),
        )
        for i in range(kind.later if count is None else count)
    ]


def _paging(report: Report) -> list[list[Any]]:
    return [
        [c.key, c.family, c.threshold_from, c.horizon, c.value, c.threshold, c.score]
        for c in report.checks
        if c.pages
    ]


def _opened(reports: Sequence[Report]) -> Iterator[tuple[int, Report]]:
    for place, report in enumerate(reports):
        if any(i.opened == report.window.end for i in report.incidents):
            yield place, report


def run_stable(kind: Kind, seed: int, folder: Path) -> dict[str, Any]:
    """Monitor a stream in which nothing changes; return what paged."""
    own = folder / f"{kind.name}{seed}"
    config = write(draw(kind, seed), own / "stable")
    began = time.process_time()
    stages.build_baseline(config, now=_now(kind))
    built = time.process_time() - began
    store = open_store("sqlite://")
    reports = list(stages.walk(config, monitored(kind), store))
    pages = [{"window": place, "checks": _paging(r)} for place, r in _opened(reports)]
    return {
        "kind": kind.name, "seed": seed, "months": kind.months, "pages": pages,
        "alerts": sum(any(c.pages for c in r.checks) for r in reports),
        "fit_seconds": built, "walk_seconds": time.process_time() - began - built,
    }  # fmt: skip


def _now(kind: Kind) -> datetime:
    """Return the end of the reference: what is known when a model goes live."""
    return monitored(kind, 1)[0].start.astimezone(UTC)


def run_faults(
    kind: Kind, seed: int, folder: Path, names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Plant each fault in its own copy of a stream, and yield when it pages and how."""
    stream = draw(kind, seed)
    own = folder / f"faults{kind.name}{seed}"
    config = write(stream, own / "stable")
    stages.build_baseline(config, now=_now(kind))
    windows = monitored(kind, START + _AFTER + 2)
    known = own / "before.db"
    store = open_store(f"sqlite:///{known}")
    before = list(stages.walk(config, windows[:START], store))
    late = [i.closed is None for r in before[-1:] for i in r.incidents]
    for name in names:
        place = own / FAULTS[name].slug
        changed = write(plant(stream, name, seed), place)
        copy = place / "store.db"
        with sqlite3.connect(known) as then, sqlite3.connect(copy) as now:
            then.backup(now)
        after = list(stages.walk(changed, windows[START:], open_store(f"sqlite:///{copy}")))
        first = next((i for i, r in enumerate(after) if any(c.pages for c in r.checks)), None)
        checks = [] if first is None else _paging(after[first])
        yield {
            "kind": kind.name, "seed": seed, "fault": name, "open_before": any(late),
            "after": None if first is None else first + 1, "checks": checks,
            "families": sorted({c[1] for c in checks}),
            "all": sorted({c.family for r in after for c in r.checks if c.pages}),
            "alerts": sum(any(c.pages for c in r.checks) for r in after),
        }  # fmt: skip


def run(
    kinds: Sequence[str], seeds: Sequence[int], faults: Sequence[str], of: Sequence[str]
) -> list[dict[str, Any]]:
    """Run all, a record a stream or fault."""
    records = []
    none = mock.patch("monitoring_sdk.adapters.quality_generate.generate", return_value=[])
    with none, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["MONITORING_BASELINES"] = str(folder / "baselines")
        os.environ["MONITORING_MONITORS"] = str(folder / "monitors")
        for seed in seeds:
            for name in kinds:
                records.append(run_stable(KINDS[name], seed, folder))
                _say(records[-1])
            for name in of if faults else ():
                usable = [f for f in faults if FAULTS[f].applies(KINDS[name])]
                for record in run_faults(KINDS[name], seed, folder, usable):
                    records.append(record)
                    _say(record)
    return records


def _say(record: dict[str, Any]) -> None:
    print(json.dumps(record, default=str), file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="streams of each kind")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--faults-of", default="service", help="kinds that faults are planted in")
    parser.add_argument("--tables", type=Path, nargs="*", help="print what earlier runs wrote")
    args = parser.parse_args(arguments)
    if args.tables:
        lines = [line for path in args.tables for line in path.read_text().splitlines()]
        print_all([json.loads(line) for line in lines if line.startswith("{")])
        return
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    kinds, faults, of = (
        [k for k in v.split(",") if k] for v in (args.kinds, args.faults, args.faults_of)
    )
    print_all(run(kinds, seeds, faults, of))


if __name__ == "__main__":
    main()
