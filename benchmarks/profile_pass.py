"""What the profiling pass costs beside a bare decode of the same Parquet file.

    python benchmarks/profile_pass.py --rows 1000000

Writes a seeded, zstd-compressed file of N rows x 52 columns (40 numeric of several types, 12 of
text or few values) to a temporary folder, then, each in a process of its own and alternating,
decodes it with pyarrow and does nothing, profiles it, and profiles it with a segmentation of ten
levels. Prints the CPU seconds (user + system, all threads) of each, their ratio to decoding, wall
time, and peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitoring_sdk.profile.categorical import count_levels
from monitoring_sdk.profile.grid import (
    CategoricalGrid,
    Grid,
    NumericGrid,
    fit_categorical,
    fit_numeric,
)
from monitoring_sdk.profile.profile import profile_batches
from monitoring_sdk.profile.segments import Segmentation
from monitoring_sdk.profile.sliced import SlicedBuilder, Slicing

SEGMENTS = Segmentation(("text_12",), tuple((f"level {j:05d}",) for j in range(10)))
CARDINALITY = (2, 3, 5, 8, 12, 20, 50, 200, 1_000, 5_000)
FIT_ROWS = 200_000


def make_batch(rows: int, seed: int) -> pa.RecordBatch:
    """Return seeded rows of 52 mixed columns."""
    rng = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {}
    for i in range(20):
        values = rng.normal(i, 1 + i, rows) if i % 2 else rng.lognormal(0, 1, rows)
        mask = rng.random(rows) < 0.02 if i % 5 == 0 else None
        columns[f"f64_{i}"] = pa.array(values.round(6), mask=mask)
    for i in range(8):
        columns[f"f32_{i}"] = pa.array(rng.gamma(1 + i, 2, rows).astype(np.float32))
    for i in range(6):
        columns[f"i64_{i}"] = pa.array(rng.integers(0, 10 ** (i + 1), rows))
    for i in range(4):
        mask = rng.random(rows) < 0.05 if i == 0 else None
        columns[f"i32_{i}"] = pa.array(rng.poisson(3 * (i + 1), rows).astype(np.int32), mask=mask)
    for i in range(2):
        zeros = rng.random(rows) < 0.6
        columns[f"atom_{i}"] = pa.array(np.where(zeros, 0.0, rng.exponential(10, rows)))
    for size in CARDINALITY:
        levels = pa.array([f"level {j:05d}" for j in range(size)])
        picks = (rng.beta(1, 3, rows) * size).astype(np.int32)
        columns[f"text_{size}"] = pa.DictionaryArray.from_arrays(picks, levels).cast(pa.string())
    columns["flag"] = pa.array(rng.random(rows) < 0.3)
    columns["code"] = pa.array(rng.integers(0, 7, rows).astype(np.int16))
    return pa.record_batch(columns)


def write(path: Path, rows: int, seed: int) -> Grid:
    """Write the file a row group at a time, and return a grid fitted on its first rows."""
    first = make_batch(min(rows, FIT_ROWS), seed)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_batch(first)
        for k, start in enumerate(range(FIT_ROWS, rows, FIT_ROWS), start=1):
            writer.write_batch(make_batch(min(FIT_ROWS, rows - start), seed + k))
    grids: dict[str, NumericGrid | CategoricalGrid] = {}
    for name, array in zip(first.schema.names, first.columns, strict=True):
        if name.startswith(("text", "flag", "code")):
            grids[name] = fit_categorical(count_levels(array), salt="benchmark")
        else:
            grids[name] = fit_numeric(array.to_numpy(zero_copy_only=False))
    return Grid(grids)


def batches(
    path: Path, rows: int, threads: bool, dictionary: list[str]
) -> Iterator[pa.RecordBatch]:
    """Decode the file."""
    file = pq.ParquetFile(path, read_dictionary=dictionary)
    return file.iter_batches(batch_size=rows, use_threads=threads)


def measure(what: str, folder: Path, batch_rows: int, threads: bool) -> None:
    """Do one thing in this process and print what it took as JSON."""
    grid = Grid.from_dict(json.loads((folder / "grid.json").read_text()))
    path = folder / "rows.parquet"
    texts = [n for n in grid.columns if n.startswith("text")] if "dictionary" in what else []
    cpu, wall = time.process_time(), time.perf_counter()
    if what.startswith("decode"):
        rows = sum(b.num_rows for b in batches(path, batch_rows, threads, texts))
    elif what.endswith("segments"):
        builder = SlicedBuilder(grid, Slicing((SEGMENTS,)))
        for batch in batches(path, batch_rows, threads, texts):
            builder.add(batch)
        found = builder.result()
        rows = sum(part.rows for part in found.slices.values())
        assert rows == found.rows
    else:
        rows = profile_batches(batches(path, batch_rows, threads, texts), grid).rows
    took = {
        "rows": rows,
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(took))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch-rows", type=int, nargs="+", default=[131_072])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", action="store_true", help="decode with Arrow's threads")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args.one[0], Path(args.one[1]), args.batch_rows[0], args.threads)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grid = write(folder / "rows.parquet", args.rows, args.seed)
        (folder / "grid.json").write_text(json.dumps(grid.to_dict()))
        size = (folder / "rows.parquet").stat().st_size / 2**20
        print(f"{args.rows} rows x {len(grid.columns)} columns, {size:.0f} MB of zstd Parquet")
        for batch_rows in args.batch_rows:
            report(folder, batch_rows, args.repeat, args.threads)


def report(folder: Path, batch_rows: int, repeat: int, threads: bool) -> None:
    """Print the least of some alternating repetitions: what the neighbours add is not ours."""
    kinds = ("decode", "profile", "profile-dictionary", "profile-segments")
    seen: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(repeat):
        for kind in kinds:
            command = [sys.executable, __file__, "--one", kind, str(folder)]
            command += ["--batch-rows", str(batch_rows), *(["--threads"] if threads else [])]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            seen[kind].append(json.loads(done.stdout))
    bare = min(x["cpu"] for x in seen["decode"])
    print(f"batches of {batch_rows}, threads {'on' if threads else 'off'}")
    for kind, runs in seen.items():
        cpu, wall, peak = (min(x[k] for x in runs) for k in ("cpu", "wall", "peak_mb"))
        print(
            f"  {kind:20s} cpu {cpu:6.2f} s = {cpu / bare:4.2f} x decode, "
            f"wall {wall:6.2f} s, peak {peak:5.0f} MB"
        )


if __name__ == "__main__":
    main()
