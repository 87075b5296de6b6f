"""What `monitoring run` costs on a large window, beside a bare decode of the same file.

    python -m benchmarks.run_cost --rows 2000000

Writes seeded days of 52 columns as zstd Parquet, builds a baseline on the small ones, and runs the
command on a tiny day (its fixed start-up: imports, Prefect, Great Expectations), on the large day
and on one of twice the rows. The Prefect server is a process of its own and is not counted. Prints
the CPU beyond the start-up as a ratio to decoding the file with pyarrow, and the peak memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.profile_pass import make_batch
from flows import ui

START = datetime(2025, 1, 1, tzinfo=UTC)
REFERENCE_DAYS, REFERENCE_ROWS, TINY_ROWS, GROUP_ROWS = 10, 20_000, 1_000, 200_000
REPLACED = ("f64_16", "f64_17", "f64_18", "f64_19")
MONITOR = """
model: bench
task: binary
source:
  predictions: {{path: {folder}/predictions, partition: {{column: date}}}}
columns:
  id: id
  timestamp: timestamp
  prediction: y_pred
  score: y_pred_proba
  numeric: ["f64_*", "f32_*", "i64_*", "i32_*", "atom_*"]
  categorical: ["text_*", flag, code]
window: {{every: 1d}}
baseline: {{start: 2025-01-01, end: 2025-01-11}}
quality:
  - {{type: expect_column_values_to_be_between, column: y_pred_proba, min_value: 0, max_value: 1}}
"""


@dataclass(frozen=True)
class Cost:
    """CPU seconds (user + system), wall seconds and peak memory (MB) of a process."""

    cpu: float
    wall: float
    peak: float


def rows_of(day: datetime, rows: int, first: int, seed: int) -> pa.RecordBatch:
    """Return seeded rows of one day: 48 features, id, timestamp, prediction and score."""
    batch = make_batch(rows, seed)
    kept = {n: batch.column(n) for n in batch.schema.names if n not in REPLACED}
    chance = np.random.default_rng(seed + 10_000)
    score = chance.beta(2, 3, rows)
    seconds = np.sort(chance.random(rows)) * 86_400 * 1e6
    moments = int(day.timestamp() * 1e6) + seconds.astype(np.int64)
    return pa.record_batch(
        {
            "id": pa.array(np.arange(first, first + rows)),
            "timestamp": pa.array(moments).cast(pa.timestamp("us", "UTC")),
            **kept,
            "y_pred": pa.array((score > 0.5).astype(np.int8)),
            "y_pred_proba": pa.array(score),
        }
    )


def write_day(folder: Path, day: datetime, rows: int, seed: int) -> Path:
    """Write one day's file, a row group at a time."""
    path = folder / "predictions" / f"date={day:%Y-%m-%d}" / "rows.parquet"
    path.parent.mkdir(parents=True)
    with pq.ParquetWriter(path, rows_of(day, 1, 0, 0).schema, compression="zstd") as writer:
        for k, start in enumerate(range(0, rows, GROUP_ROWS)):
            size = min(GROUP_ROWS, rows - start)
            writer.write_batch(rows_of(day, size, start, seed + k))
    return path


def measured(command: list[str], environment: dict[str, str], folder: Path) -> Cost:
    """Run a command, and return what it and its children took."""
    began = time.perf_counter()
    with open(folder / "out.log", "ab") as log:
        child = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    _, status, used = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed:\n{(folder / 'out.log').read_text()[-2000:]}")
    return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - began, used.ru_maxrss / 1024)


def decode(path: Path) -> None:
    """Decode a file in this process, and print the CPU seconds that it took."""
    began = time.process_time()
    for _ in pq.ParquetFile(path).iter_batches(batch_size=131_072):
        pass
    print(time.process_time() - began)


def decoded(path: Path) -> float:
    """Decode a file in a process of its own; return the CPU seconds."""
    command = [sys.executable, "-m", "benchmarks.run_cost", "--decode", str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def bench(rows: int, repeat: int, folder: Path) -> None:
    """Write, build, run and print."""
    for i in range(REFERENCE_DAYS):
        write_day(folder, START + timedelta(days=i), REFERENCE_ROWS, 100 * i)
    tiny, large, double = (START + timedelta(days=20 + 2 * i) for i in range(3))
    write_day(folder, tiny, TINY_ROWS, 5_000)
    path = write_day(folder, large, rows, 6_000)
    write_day(folder, double, 2 * rows, 7_000)
    print(f"{rows} rows x 52 columns, {path.stat().st_size / 2**20:.0f} MB of zstd Parquet")
    file = folder / "bench.yaml"
    file.write_text(MONITOR.format(folder=folder))
    port = ui.free_port()
    environment = ui.prefect_environment(folder / "prefect", port)
    monitoring = [sys.executable, "-m", "monitoring_sdk.cli"]
    with ui.server(environment, port, folder / "server.log"):
        built = measured([*monitoring, "baseline", "build", str(file)], environment, folder)
        print(f"baseline of {REFERENCE_DAYS} x {REFERENCE_ROWS} rows: cpu {built.cpu:.1f} s")
        runs: dict[datetime, list[Cost]] = {tiny: [], large: [], double: []}
        bare: list[float] = []
        for i in range(repeat):
            environment["MONITORING_STORE"] = f"sqlite:///{folder}/store-{i}.db"
            for day, costs in runs.items():
                end = (day + timedelta(days=1)).isoformat()
                command = [*monitoring, "run", str(file), "--window-end", end, "--json"]
                costs.append(measured(command, environment, folder))
            bare.append(decoded(path))
    report(rows, runs[tiny], runs[large], runs[double], bare)


def report(
    rows: int, tiny: list[Cost], large: list[Cost], double: list[Cost], bare: list[float]
) -> None:
    """Print the least of the repetitions: what neighbours on the machine add is not ours."""
    decode_cpu, start_up = min(bare), min(c.cpu for c in tiny)
    print(f"bare decode: cpu {decode_cpu:.2f} s; fixed start-up of the command: {start_up:.2f} s")
    for name, costs, size in (("", large, rows), ("twice the rows", double, 2 * rows)):
        beyond = min(c.cpu for c in costs) - start_up
        ratio = beyond / (decode_cpu * size / rows)
        print(
            f"run on {size} rows {name}: cpu {beyond:.2f} s beyond start-up = "
            f"{ratio:.2f} x decode, peak {min(c.peak for c in costs):.0f} MB "
            f"(start-up alone {min(c.peak for c in tiny):.0f} MB)"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--decode", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.decode is not None:
        decode(args.decode)
        return
    with tempfile.TemporaryDirectory() as name:
        bench(args.rows, args.repeat, Path(name))


if __name__ == "__main__":
    main()
