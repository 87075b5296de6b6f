"""A year of daily windows replayed from the store: how long, beside evaluating them.

    python -m benchmarks.replay_year [--days 365] [--columns 30] [--rows 500]

The year is evaluated once, which fills the store, in a folder that is removed at the end; then
`monitoring replay` goes through it as a user would call it, and once more with another budget.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

FIRST, REFERENCE = datetime(2024, 1, 1, tzinfo=UTC), 60
MONITOR = """\
model: year
source:
  predictions: {folder}/predictions.parquet
  labels: {folder}/labels.parquet
columns:
  id: id
  timestamp: at
  prediction: y_pred
  score: score
  label: y_true
  label_timestamp: known_at
  numeric: ["n*"]
  categorical: ["c*"]
labels: {{delay: 1d}}
baseline: {{start: 2024-01-01, end: {end:%Y-%m-%d}}}
"""


def write(folder: Path, days: int, columns: int, rows: int) -> Path:
    """Write a year of rows in which nothing changes, and the monitor file."""
    rng = np.random.default_rng(0)
    count = (days + REFERENCE) * rows
    numeric = {f"n{i}": rng.normal(size=count) for i in range(columns * 2 // 3)}
    levels = np.array(list("abcdefgh"))
    category = {f"c{i}": rng.choice(levels, count) for i in range(columns - len(numeric))}
    day = pd.to_timedelta(np.repeat(np.arange(days + REFERENCE), rows), "D")
    at = pd.Timestamp(FIRST) + day + pd.to_timedelta(rng.integers(0, 86_000, count), "s")
    score = rng.uniform(size=count)
    frame = pd.DataFrame({"id": np.arange(count), "at": at, "score": score, **numeric, **category})
    frame.assign(y_pred=(score > 0.5).astype(int)).to_parquet(folder / "predictions.parquet")
    truth = (rng.uniform(size=count) < score).astype(int)
    labels = {"id": frame["id"], "y_true": truth, "known_at": at + pd.Timedelta(hours=12)}
    pd.DataFrame(labels).to_parquet(folder / "labels.parquet")
    path = folder / "year.yaml"
    path.write_text(MONITOR.format(folder=folder, end=FIRST + timedelta(days=REFERENCE)))
    return path


def timed(*command: str) -> tuple[float, float, dict]:
    """Run a command; return its wall and CPU seconds and the document that it prints."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu, json.loads(done.stdout)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--rows", type=int, default=500)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="monitoring-") as name:
        folder = Path(name)
        os.environ["MONITORING_STORE"] = f"sqlite:///{folder / 'store.db'}"
        os.environ["MONITORING_BASELINES"] = str(folder / "baselines")
        path = write(folder, args.days, args.columns, args.rows)
        from monitoring_sdk import stages
        from monitoring_sdk.adapters.store import open_store
        from monitoring_sdk.config import load_config

        config = load_config(path)
        first = FIRST + timedelta(days=REFERENCE)
        last = first + timedelta(days=args.days)
        built = stages.build_baseline(config, now=first)
        windows, store = list(config.cadence.windows(first, last)), open_store()
        began = time.process_time()
        checks = 0
        for i, report in enumerate(stages.walk(config, windows, store)):
            checks = len(report.checks)
            if i % 50 == 49:
                print(f"{i + 1} of {len(windows)} evaluated", file=sys.stderr, flush=True)
        evaluated = time.process_time() - began
        store.close()
        print(f"{len(windows)} windows of {args.rows} rows and {args.columns} columns, "
              f"{checks} checks each, {len(built.watching.watched)} values watched")  # fmt: skip
        print(f"evaluated in {evaluated:.1f} s of CPU")
        monitoring = [sys.executable, "-m", "monitoring_sdk.cli", "replay", str(path), "--json"]
        span = ["--start", first.isoformat(), "--end", last.isoformat()]
        for text in ("", "alarm: {budget: 3 per 30d}\n"):
            path.write_text(path.read_text() + text)
            wall, cpu, document = timed(*monitoring, *span)
            times, count = evaluated / cpu, len(document["windows"])
            print(f"replayed in {wall:.1f} s, {cpu:.1f} s of CPU, {times:.0f} times faster: "
                  f"{count} windows, {document['pages']} pages")  # fmt: skip


if __name__ == "__main__":
    main()
