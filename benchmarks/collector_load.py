"""Load on the collector: rows accepted against rows in the log, its rate, and wrong keys.

`python -m benchmarks.collector_load --seconds 60`

Clients send as a serving process does (Arrow, gzip); every tenth request is sent twice, as after an
answer that was lost. Then 1 000 wrong keys come at once, and the times of two kinds of wrong keys
are compared, in turns on one connection.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import urllib3

from monitoring_sdk.adapters.collector_keys import make_key
from monitoring_sdk.adapters.sending import ARROW, as_arrow

MONITOR = """\
model: served
source: {predictions: log/served/predictions}
columns: {id: id, timestamp: timestamp, prediction: prediction, numeric: [x0, x1, x2, x3, x4, x5]}
window: {every: 1d}
"""
PLACE = "/v1/models/served/predictions"


@dataclass
class Sent:
    """What the clients were told."""

    accepted: int = 0
    repeated: int = 0
    refused: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def body(first: int, rows: int, chance: np.random.Generator) -> bytes:
    """Return a request's body: rows with ids from `first` on."""
    columns = {
        "id": pa.array([f"row-{i}" for i in range(first, first + rows)]),
        "timestamp": pa.array([datetime.now(UTC)] * rows, pa.timestamp("us", "UTC")),
        "prediction": pa.array(chance.integers(0, 2, rows)),
        **{f"x{i}": pa.array(chance.random(rows)) for i in range(6)},
    }
    return gzip.compress(as_arrow(pa.table(columns)), compresslevel=1)


def send(url: str, key: str, rows: int, until: float, ids: itertools.count[int]) -> Sent:
    """Send requests until a moment of the monotonic clock."""
    pool, sent = urllib3.PoolManager(1, retries=False), Sent()
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": ARROW,
        "Content-Encoding": "gzip",
    }
    chance = np.random.default_rng(0)
    while time.monotonic() < until:
        number = next(ids)
        data = body(number * rows, rows, chance)
        for _ in range(2 if number % 10 == 0 else 1):
            before = time.perf_counter()
            answer = pool.request("POST", url + PLACE, body=data, headers=headers)
            sent.seconds.append(time.perf_counter() - before)
            if answer.status == 202:
                told = answer.json()
                sent.accepted += told["new"]
                sent.repeated += told["repeated"]
            else:
                sent.refused.append(answer.status)
    return sent


async def knock(port: int, keys: list[str]) -> list[int]:
    """Ask with every key at once, each on a connection of its own; return the statuses."""

    async def one(key: str) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"POST {PLACE} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
            f"Authorization: Bearer {key}\r\nConnection: close\r\n\r\n".encode()
        )
        line = await reader.readline()
        writer.close()
        return int(line.split()[1])

    return list(await asyncio.gather(*(one(key) for key in keys)))


def compared(url: str, key: str, times: int) -> dict[str, np.ndarray]:
    """Return seconds of refusals, in turns: a key of a known name and model, or of no model."""
    pool = urllib3.PoolManager(1, retries=False)
    cases = {
        "known model, name of a key": (PLACE, key[:-4] + "AAAA"),
        "known model, unknown name": (PLACE, "mk_000000000000" + key[15:]),
        "unknown model": (PLACE.replace("served", "nobody"), key),
    }
    took: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(times):
        for name, (place, tried) in cases.items():
            headers = {"Authorization": f"Bearer {tried}"}
            before = time.perf_counter()
            status = pool.request("POST", url + place, headers=headers).status
            took[name].append(time.perf_counter() - before)
            if status != 401:
                raise SystemExit(f"{name}: {status}")
    return {name: np.array(seconds) for name, seconds in took.items()}


def filed(folder: Path) -> tuple[int, int]:
    """Return the rows in the log, and how many different ids they have."""
    files = sorted((folder / "log/served/predictions").rglob("*.parquet"))
    ids = pa.concat_tables([pq.read_table(f, columns=["id"], partitioning=None) for f in files])
    return ids.num_rows, len(ids.column("id").unique())


def started(
    folder: Path, monitor: str = MONITOR, environ: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], int, str]:
    """Start a collector in a folder; return it with its port and a key."""
    (folder / "monitors").mkdir(exist_ok=True)
    (folder / "monitors" / "served.yaml").write_text(monitor)
    key = make_key(folder / "keys.json", "served", datetime.now(UTC))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = "from monitoring_sdk.cli import main; main()"
    options = ["serve", "--port", str(port), "--log", "log", "--keys", "keys.json"]
    process = subprocess.Popen([sys.executable, "-c", command, *options], cwd=folder, env=environ)
    retries = urllib3.Retry(connect=12, backoff_factor=0.1)
    urllib3.PoolManager(retries=retries).request("GET", f"http://127.0.0.1:{port}/health")
    return process, port, key


def loaded(url: str, key: str, seconds: float, rows: int, clients: int) -> Sent:
    """Send from several clients at once, print the rate, and return what they were told."""
    told, ids = [], itertools.count()
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=lambda: told.append(send(url, key, rows, until, ids)))
        for _ in range(clients)
    ]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - start
    total = Sent(
        sum(s.accepted for s in told),
        sum(s.repeated for s in told),
        [r for s in told for r in s.refused],
        [t for s in told for t in s.seconds],
    )
    p50, p99 = 1000 * np.quantile(total.seconds, [0.5, 0.99])
    print(f"{took:.0f} s, {clients} clients, {rows} rows a request, {len(total.seconds)} requests")
    print(f"rows accepted  {total.accepted}, {total.accepted / took:,.0f} a second")
    print(f"a request      p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    print(f"repeated rows  {total.repeated}; requests refused {len(total.refused)}")
    return total


@click.command()
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--rows", default=1000, show_default=True, help="Rows of a request.")
@click.option("--clients", default=4, show_default=True)
def main(seconds: float, rows: int, clients: int) -> None:
    """Measure, and fail when a row or a refusal is not as it must be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process, port, key = started(folder)
        url = f"http://127.0.0.1:{port}"
        try:
            total = loaded(url, key, seconds, rows, clients)
            before = time.perf_counter()
            statuses = asyncio.run(knock(port, [f"{key}{i}" for i in range(1000)]))
            took = time.perf_counter() - before
            print(f"wrong keys     1000 at once in {took:.1f} s: {sorted(set(statuses))}")
            times = compared(url, key, 2000)
        finally:
            process.terminate()
            process.wait(120)
        in_log, different = filed(folder)
    print(f"rows in log    {in_log}, different ids {different}")
    for case, seconds_each in times.items():
        error = seconds_each.std() / len(seconds_each) ** 0.5
        mean, middle = 1e6 * seconds_each.mean(), 1e6 * np.median(seconds_each)
        print(f"{case:27} mean {mean:.0f} +- {1e6 * error:.0f} us, median {middle:.0f} us")
    if not in_log == different == total.accepted or set(statuses) != {401}:
        raise SystemExit("rows accepted and rows in the log differ, or a wrong key was let in")


if __name__ == "__main__":
    main()
