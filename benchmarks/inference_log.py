"""How fast a serving process logs: the caller's time, and until all is in Parquet.

`python -m benchmarks.inference_log`
"""

from __future__ import annotations

import tempfile
import time

import numpy as np

from monitoring_sdk import ModelMonitor
from monitoring_sdk.adapters.log_writer import LogLimits


def measured(batch: int, total: int) -> tuple[float, float, float]:
    """Return rows a second for the caller and to the files, and the p99 of a call in ms."""
    chance = np.random.default_rng(0)
    features = {f"x{i}": chance.random(batch) for i in range(6)}
    said, calls = chance.integers(0, 2, batch), []
    with tempfile.TemporaryDirectory() as folder:
        limits = LogLimits(queue_rows=total)
        monitor = ModelMonitor(model="bench", log=folder, limits=limits)
        start = time.perf_counter()
        for first in range(0, total, batch):
            ids = [f"{first + i}" for i in range(batch)]
            before = time.perf_counter()
            monitor.log_predictions(said, ids=ids, features=features, scores=features["x0"])
            calls.append(time.perf_counter() - before)
        called = time.perf_counter() - start
        filed = monitor.flush(300) and monitor.log_status.settled == total
        done = time.perf_counter() - start
    if not filed:
        raise SystemExit("not every row was filed")
    return total / called, total / done, 1000 * float(np.quantile(calls, 0.99))


if __name__ == "__main__":
    print("rows a call | logged/s | filed/s | p99 of a call, ms")
    for batch, total in ((1, 10_000), (100, 100_000), (1000, 400_000)):
        logged, filed, p99 = measured(batch, total)
        print(f"{batch:11} | {logged:8,.0f} | {filed:7,.0f} | {p99:.2f}")
