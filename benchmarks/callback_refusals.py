"""How long the collector takes to refuse an outcome: does it tell which triggers there are?

`python -m benchmarks.callback_refusals --times 2000`

Wrong signatures are tried in turns on one connection: of a trigger whose hook has a secret, of one
whose hook has none, of a trigger that does not exist, and of what is no id at all.
"""

from __future__ import annotations

import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import numpy as np
import urllib3

from benchmarks.collector_load import MONITOR, started
from monitoring_sdk.adapters.outcome_body import OUTCOME_PATH
from monitoring_sdk.adapters.signing import sign
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.decision import Decision, incident_id, trigger_id
from monitoring_sdk.report import Incident, Trigger
from monitoring_sdk.window import Window

HOOK = 'retraining: {hook: {webhook: "http://127.0.0.1:9/", secret: TRAIN_SECRET}}\n'
BODY = b'{"outcome": "promoted"}'


def triggered(url: str, model: str) -> str:
    """Record a trigger of a model, whose hook was called."""
    start = datetime(2024, 3, 1, tzinfo=UTC)
    window = Window(start, start + timedelta(days=1))
    incident = Incident(incident_id(model, window), model, window.end, None, ("drift",))
    asked = Trigger(trigger_id(incident.id), model, incident.id, "x", window.end, "sent")
    store = open_store(url)
    with store.deciding(model, holder="benchmark", now=window.end) as tx:
        tx.save(Decision(model, window, window.end, (), incident, asked))
    store.close()
    return asked.id


def refused(url: str, ids: dict[str, str], times: int) -> dict[str, np.ndarray]:
    """Return seconds of refusals, in turns."""
    pool = urllib3.PoolManager(1, retries=False)
    took: dict[str, list[float]] = {name: [] for name in ids}
    for _ in range(times):
        for name, identity in ids.items():
            headers = sign("wrong", identity, datetime.now(UTC), BODY)
            place = url + OUTCOME_PATH.format(trigger_id=identity)
            before = time.perf_counter()
            status = pool.request("POST", place, body=BODY, headers=headers).status
            took[name].append(time.perf_counter() - before)
            if status != 401:
                raise SystemExit(f"{name}: {status}")
    return {name: np.array(seconds) for name, seconds in took.items()}


@click.command()
@click.option("--times", default=2000, show_default=True)
def main(times: int) -> None:
    """Measure, and print a line a case."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = f"sqlite:///{folder}/store.db"
        ids = {
            "trigger, its hook signed": triggered(store, "served"),
            "trigger, no secret": triggered(store, "plain"),
            "no such trigger": "7b0d2a86-9a4e-4f0e-8f0e-0a5a5b1f7c11",
            "no id": "7b0d2a86-9a4e-4f0e-8f0e",
        }
        environ = {**os.environ, "MONITORING_STORE": store, "TRAIN_SECRET": "right" * 8}
        process, port, _ = started(folder, MONITOR + HOOK, environ)
        plain = MONITOR.replace("model: served", "model: plain")
        (folder / "monitors" / "plain.yaml").write_text(plain)
        try:
            url = f"http://127.0.0.1:{port}"
            refused(url, ids, 50)
            for case, took in refused(url, ids, times).items():
                mean, error = took.mean() * 1e6, took.std() / np.sqrt(len(took)) * 1e6
                median = np.median(took) * 1e6
                click.echo(f"{case:24}  mean {mean:.0f} +- {error:.0f} us, median {median:.0f} us")
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
