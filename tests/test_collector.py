"""The collector over real HTTP: what it takes is on disk, once; what it refuses says why."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from monitoring_sdk import ModelMonitor
from monitoring_sdk.adapters.collector_keys import make_key

# One client: each new one reads every certificate there is.
CLIENT = httpx.Client(verify=False)

MONITOR = """\
model: served
source: {predictions: log/served/predictions, labels: log/served/labels}
columns: {id: id, timestamp: timestamp, prediction: prediction, label: label,
          label_timestamp: label_timestamp, numeric: [size]}
window: {every: 1d}
"""


class Collector:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "monitors").mkdir()
        (folder / "monitors" / "served.yaml").write_text(MONITOR)
        self.key = make_key(folder / "keys.json", "served", datetime.now(UTC))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = "from monitoring_sdk.cli import main; main()"
        options = ["serve", "--port", str(self.port), "--log", "log", "--keys", "keys.json"]
        self.process = subprocess.Popen([sys.executable, "-c", command, *options], cwd=self.folder)
        for _ in range(600):
            try:
                CLIENT.get(f"{self.url}/health")
                return
            except httpx.TransportError:
                time.sleep(0.1)

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(30)

    def post(self, rows: Any, kind: str = "predictions", key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        url = f"{self.url}/v1/models/served/{kind}"
        return CLIENT.post(url, json={"rows": rows}, headers=headers)

    def ids(self, kind: str = "predictions") -> list[Any]:
        files = sorted((self.folder / "log/served" / kind).rglob("*.parquet"))
        return sorted(i for f in files for i in pd.read_parquet(f)["id"])


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    it = Collector(tmp_path)
    it.start()
    yield it
    it.process.kill()
    it.process.wait()


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "timestamp": "2024-03-01T10:00:00Z", "prediction": 1, "size": 0.5, **more}


def test_rows_are_taken_once_whatever_happens(collector: Collector, tmp_path: Path) -> None:
    assert collector.post([row("a"), row("b")]).json() == {"rows": 2, "new": 2, "repeated": 0}
    assert collector.post([row("b"), row("c")]).json() == {"rows": 2, "new": 1, "repeated": 1}
    collector.stop(signal.SIGKILL)
    monitor = ModelMonitor(collector.key, model="served", log=tmp_path / "spool", url=collector.url)
    monitor.log_predictions([1, 0], ids=["d", "e"], features={"size": [1.0, 2.0]})
    assert not monitor.flush()
    collector.start()
    assert monitor.flush()
    assert collector.post([row("a"), row("e")]).json()["new"] == 0
    collector.stop()
    assert collector.ids() == ["a", "b", "c", "d", "e"]
    written = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    assert not any(collector.key.encode() in data for data in written)


REFUSED = [
    ([], 422, "rows"),
    ([{"id": 1}], 422, "rows.timestamp"),
    ([row("a", timestamp="soon")], 422, "rows.timestamp"),
    ([row("a", size="big")], 422, "rows.size"),
    ([row("a", size={"x": 1})], 422, "rows.size"),
    (5, 422, "rows"),
]


def test_what_does_not_fit_is_refused_and_a_thousand_wrong_keys(collector: Collector) -> None:
    for rows, status, where in REFUSED:
        answer = collector.post(rows)
        assert (answer.status_code, answer.json()["problems"][0]["where"]) == (status, where)

    async def knock() -> list[int]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(limits=limits, timeout=120) as client:
            keys = [f"mk_{i:012}_wrong" if i % 2 else collector.key + "x" for i in range(1000)]
            asked = [
                client.post(
                    f"{collector.url}/v1/models/{'served' if i % 3 else 'nobody'}/predictions",
                    headers={"Authorization": f"Bearer {k}"},
                )
                for i, k in enumerate(keys)
            ]
            return [a.status_code for a in await asyncio.gather(*asked)]

    assert set(asyncio.run(knock())) == {401}
