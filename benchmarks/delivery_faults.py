"""Incidents told through a Slack that fails 37 % of the time: nothing lost, nothing twice.

`python -m benchmarks.delivery_faults [INCIDENTS]`. A stand-in for Slack speaks its protocol on the
loopback address and answers 37 % of all requests with a fault: 429, 500, 502, no answer in time,
or a connection that is cut before or after the request was taken. Each incident opens, another
family joins it, and it closes: a first message, two replies, two updates and a chart. Deliveries
run one after another by a clock that is an argument, so that waiting takes no time.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from monitoring_sdk.adapters.chart_image import draw
from monitoring_sdk.adapters.notify import deliver
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.adapters.slack_attached import Draw, SlackChartSender, SlackUpdateSender
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.decision import Message, ResultRow
from monitoring_sdk.report import Check
from monitoring_sdk.stages.decide import decide_window
from monitoring_sdk.window import Window

FAULTS: tuple[object, ...] = (429, 500, 502, "hang", "drop", "drop_before")
SHARE = 0.37
START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TIMEOUT = 0.1
WINDOWS = 6
"""Of an incident: one before it, it opens, another family joins, and three quiet ones close it."""


def _config(model: str, channel: str) -> MonitorConfig:
    return parse_config(
        {
            "model": model,
            "source": {"predictions": "p.parquet"},
            "columns": {"timestamp": "t", "prediction": "y"},
            "window": {"every": "1h"},
            "owner": {"team": "ops", "mention": "@U012ABCDEF", "runbook": "https://example.org/r"},
            "alerts": {"slack": {"channel": channel}},
        }
    )


def _checks(step: int, window: Window) -> tuple[Check, ...]:
    names: tuple[tuple[Any, str, float], ...] = (
        ("drift", "psi", 0.9 if step in (1, 2) else 0.1),
        ("prediction", "ks", 0.9 if step == 2 else 0.1),
    )
    return tuple(
        Check(family, name, window, "alert" if value > 0.2 else "ok", "distance", value=value,
              threshold=0.2, threshold_from="user", direction="above", exceeded=value > 0.2)
        for family, name, value in names
    )  # fmt: skip


def decide_all(store: Store, incidents: int, channel: str) -> None:
    """Decide the windows of as many incidents, each of a model of its own."""
    for number in range(incidents):
        config = _config(f"model-{number:03}", channel)
        for step in range(WINDOWS):
            window = Window(START + step * HOUR, START + (step + 1) * HOUR)
            row = ResultRow(
                config.model, window, "data", "v1", "s", str(step), window.end, "ok", None, 900,
                _checks(step, window),
            )  # fmt: skip
            decide_window(config, row, [], [], store, holder="benchmark", now=NOW)


def one_picture(store: Store) -> Draw:
    """Draw once for all: they look alike, and drawing is not what is tried here."""
    drawn: list[bytes | None] = []

    def picture(message: Message) -> bytes | None:
        if not drawn:
            drawn.append(draw(message, store))
        return drawn[0]

    return picture


@contextlib.contextmanager
def faulty_slack(seed: int, share: float = SHARE) -> Iterator[Any]:
    """Run the stand-in of the tests with faults by chance; `slack.hit` counts them."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from slack_server import SlackServer

    chance, hit = random.Random(seed), Counter[str]()

    def fault(method: str) -> object:
        found = chance.choice(FAULTS) if chance.random() < share else None
        hit[str(found)] += 1
        return found

    with SlackServer() as slack:
        slack.hang_seconds = 2 * TIMEOUT
        slack.chance = fault
        slack.hit = hit
        yield slack


def run(incidents: int, seed: int = 0) -> dict[str, int]:
    """Tell incidents through a faulty Slack until nothing is left to send; count what arrived.

    Returns
    -------
    dict of str to int
        `lost` and `twice` count messages by their delivery ids; `stale` first messages whose last
        update does not say that the incident is closed. `pages` are messages outside of threads: a
        reply goes there by itself where its first message took more than an hour.
    """
    with faulty_slack(seed) as slack, tempfile.TemporaryDirectory() as folder:
        from slack_server import TOKEN

        store = open_store(f"sqlite:///{folder}/store.db")
        decide_all(store, incidents, slack.channel)
        sender = SlackSender(TOKEN, base_url=slack.base_url, timeout=TIMEOUT)
        senders = {
            "slack": sender,
            "slack_update": SlackUpdateSender(sender),
            "slack_chart": SlackChartSender(sender, one_picture(store)),
        }
        now, rounds = NOW, 0
        while store.messages("pending") or store.messages("unknown"):
            deliver(
                store, senders, now=now, holder=f"d{rounds}", limit=10**6, seed=rounds,
                elapsed=lambda: 0.0,
            )  # fmt: skip
            now, rounds = max(now + MINUTE, _next(store)), rounds + 1
        counts = _count(store, slack) | {"rounds": rounds}
        store.close()
    return counts


def _next(store: Store) -> datetime:
    """Return when something is due again."""
    rows = (*store.messages("pending"), *store.messages("unknown"))
    return min((r.next_attempt for r in rows), default=NOW)


def _count(store: Store, slack: Any) -> dict[str, int]:
    rows = store.messages()
    wanted = {r.message.id for r in rows if r.message.kind == "slack"}
    charts = {f"chart-{r.message.id}.png" for r in rows if r.message.kind == "slack_chart"}
    seen = Counter(
        m["metadata"]["event_payload"]["delivery_id"] for m in slack.messages if "metadata" in m
    )
    shown = Counter(f["name"] for m in slack.charts() for f in m["files"])
    ends = [m for m in slack.shown() if m["text"].startswith("[closed]")]
    return {
        "incidents": len(store.incidents()),
        "messages": len(wanted),
        "charts": len(charts),
        "requests": slack.hit.total(),
        "faults": slack.hit.total() - slack.hit["None"],
        "lost": len(wanted - set(seen)) + len(charts - set(shown)),
        "twice": sum(n - 1 for n in (*seen.values(), *shown.values())),
        "pages": len(slack.shown()),
        "stale": len(store.incidents()) - len(ends),
        "dead": sum(r.state == "dead" for r in rows),
    }


def main(incidents: int = 300) -> None:
    """Print the counts of one run."""
    began = time.monotonic()
    counts = run(incidents)
    for name, count in counts.items():
        print(f"{name:10} {count:6,}")
    print(f"share of requests that failed: {counts['faults'] / counts['requests']:.1%}")
    print(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
