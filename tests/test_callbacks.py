"""The signed callback of a webhook's receiver: over real HTTP, into a real store."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from feedback_model import MODEL, NOW, decide, told, window
from webhook_receiver import SECRET, Receiver, write_hooked_monitor

from monitoring_sdk import stages
from monitoring_sdk.adapters import signing
from monitoring_sdk.adapters.collector import CollectorLimits, application
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.report import Trigger
from monitoring_sdk.stages import callbacks, outcomes
from monitoring_sdk.stages.callbacks import Callbacks

DOCS = Path(__file__).parent.parent / "docs" / "retraining.md"
NOBODY = "00000000-0000-4000-8000-000000000000"
PROMOTED = {"outcome": "promoted", "model_version": "8", "reason": "log loss 0.31"}
# One client: each new one reads every certificate there is.
CLIENT = httpx.Client(verify=False)


@dataclass
class Collector:
    """A collector on a port of its own, with what it writes to."""

    url: str
    store: Store
    trigger: Trigger

    def tell(
        self,
        said: Any,
        *,
        secret: str = SECRET,
        to: str | None = None,
        signed_for: str | None = None,
        late: float = 0,
        **headers: str,
    ) -> httpx.Response:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        to = to or self.trigger.id
        at = datetime.now(UTC) + timedelta(seconds=late)
        signed = signing.sign(secret, signed_for or to, at, body)
        plain = {"content-type": "application/json"}
        url = f"{self.url}/v1/retraining/{to}/outcome"
        return CLIENT.post(url, content=body, headers={**plain, **signed, **headers})

    @property
    def now(self) -> Trigger:
        found = self.store.trigger(self.trigger.id)
        assert found is not None
        return found


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver, store_url: str
) -> Path:
    write_hooked_monitor(tmp_path, monkeypatch, receiver)
    monkeypatch.setenv("MONITORING_STORE", store_url)
    return tmp_path


@pytest.fixture
def collector(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector, and a trigger whose hook was called and told where to answer."""
    app = application(
        folder / "monitors",
        folder / "log",
        folder / "keys.json",
        CollectorLimits(file_seconds=0.1),
        Callbacks(folder / "monitors"),
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MONITORING_URL", f"{url}/")
    store = open_store()
    decide(stages.find_config(MODEL)[0], store, 1, "drift")
    stages.deliver_triggers(store, now=NOW)
    (trigger,) = store.triggers(MODEL)
    yield Collector(url, store, trigger)
    store.close()
    server.should_exit = True
    thread.join(30)


def test_what_it_says_is_written_at_once_and_told_once(collector: Collector) -> None:
    answer = collector.tell(PROMOTED)
    assert (answer.status_code, answer.json()) == (
        200,
        {"trigger_id": collector.trigger.id, "outcome": "promoted", "changed": True},
    )
    config = stages.find_config(MODEL)[0]
    assert collector.now.state == "promoted"
    assert collector.now.outcome == (
        "promoted 8, said by the webhook's receiver: log loss 0.31; "
        "not compared: the monitor file names no labels; "
        "an epoch of prediction, performance, estimate starts"
    )
    (epoch,) = collector.store.epochs(MODEL)
    assert epoch.valid_from == window(config, 1).end
    again = collector.tell({"outcome": "promoted"})
    assert (again.status_code, again.json()["changed"]) == (200, False)
    other = collector.tell({"outcome": "kept"})
    assert (other.status_code, other.json()["problems"][0]["where"]) == (409, "outcome")
    assert collector.now.state == "promoted"
    assert [t for t in told(collector.store) if t.startswith("retraining:")] == [
        "retraining:promoted"
    ]


def test_several_at_once_are_one(collector: Collector) -> None:
    answers: list[tuple[int, bool]] = []

    def tell(outcome: str) -> None:
        found = collector.tell({"outcome": outcome})
        answers.append((found.status_code, found.json().get("changed", False)))

    said = ["kept", "promoted"] * 4
    threads = [threading.Thread(target=tell, args=(one,)) for one in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [(200, False)] * 3 + [(200, True)] + [(409, False)] * 4
    assert told(collector.store).count(f"retraining:{collector.now.state}") == 1
    assert len([t for t in told(collector.store) if t.startswith("retraining:")]) == 1


def test_a_failed_training_may_still_come_to_something(collector: Collector) -> None:
    assert collector.tell({"outcome": "failed"}).json()["changed"]
    assert not collector.tell({"outcome": "failed"}).json()["changed"]
    assert collector.tell({"outcome": "kept"}).json()["changed"]


def test_who_may_not_say_it_is_told_the_same_whatever_is_wrong(
    collector: Collector, folder: Path
) -> None:
    mine = collector.trigger.id
    refused = [
        collector.tell(PROMOTED, secret="another"),
        collector.tell(PROMOTED, to=NOBODY),
        collector.tell(PROMOTED, to="nobody"),
        collector.tell(PROMOTED, to="%00"),
        collector.tell(PROMOTED, to="%ed%a0%80"),
        collector.tell(PROMOTED, to=mine[:8], signed_for=mine),
        collector.tell(PROMOTED, signed_for=NOBODY),
        collector.tell(PROMOTED, late=-301),
        collector.tell(PROMOTED, late=301),
        collector.tell(b"{", secret="another"),
        CLIENT.post(f"{collector.url}/v1/retraining/{mine}/outcome", json=PROMOTED),
    ]
    path = folder / "monitors" / f"{MODEL}.yaml"
    signed = path.read_text()
    for text in (re.sub("hook: .*", 'hook: {command: ["true"]}}', signed), "model: ["):
        path.write_text(text)
        refused.append(_later(collector))
    path.unlink()
    refused.append(_later(collector))
    assert {a.status_code for a in refused} == {401}
    assert {a.headers["WWW-Authenticate"] for a in refused} == {"Webhook-Signature"}
    assert len({a.json()["problems"][0]["problem"] for a in refused}) == 1
    assert collector.now.state == "sent"
    path.write_text(signed)
    assert _later(collector).status_code == 200


def _later(collector: Collector) -> httpx.Response:
    """Tell it when files and secrets are looked at again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "FRESH_SECONDS", 0.0)
        return collector.tell(PROMOTED)


@pytest.mark.parametrize(
    ("said", "status", "where"),
    [
        (b"{", 400, "body"),
        ([], 422, "body"),
        ({}, 422, "outcome"),
        ({"outcome": "better"}, 422, "outcome"),
        ({"outcome": "kept", "by": "me"}, 422, "by"),
        ({"outcome": "kept", "reason": "x" * 501}, 422, "reason"),
        ({"outcome": "kept", "reason": "two\nlines"}, 422, "reason"),
        ({"outcome": "kept", "reason": "\x00"}, 422, "reason"),
        (b'{"outcome": "kept", "reason": "\\ud800"}', 400, "body"),
        ({"outcome": "kept", "model_version": ""}, 422, "model_version"),
        (b" " * (64 * 2**10 + 1), 413, "body"),
    ],
)
def test_what_is_no_outcome_is_refused(
    collector: Collector, said: Any, status: int, where: str
) -> None:
    answer = collector.tell(said)
    assert (answer.status_code, answer.json()["problems"][0]["where"]) == (status, where)
    assert collector.now.state == "sent"


def test_another_form_is_refused(collector: Collector) -> None:
    assert collector.tell(PROMOTED, **{"content-type": "text/plain"}).status_code == 415
    assert collector.tell(PROMOTED, **{"content-encoding": "gzip"}).status_code == 415


def test_no_secret_gets_into_what_is_kept(collector: Collector) -> None:
    assert collector.tell({"outcome": "kept", "reason": f"with {SECRET}"}).status_code == 200
    assert SECRET not in str(collector.now.outcome)


def test_a_store_that_fails_is_503_and_says_no_more(
    collector: Collector, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise callbacks.StoreError(f"{folder}: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(outcomes, "record", broken)
        answer = collector.tell(PROMOTED)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert str(folder) not in answer.text
    assert collector.tell(PROMOTED).json()["changed"]


def test_a_model_that_answers_too_often_is_told_to_wait(folder: Path) -> None:
    """Only who is known counts: nobody else can use up what a model may ask."""
    store = open_store()
    decide(stages.find_config(MODEL)[0], store, 1, "drift")
    (trigger,) = store.triggers(MODEL)
    limits = CollectorLimits(requests_per_second=2)
    app = application(
        folder / "monitors", folder / "log", folder / "k", limits, Callbacks(folder / "monitors")
    )
    body = b"{}"
    url = f"/v1/retraining/{trigger.id}/outcome"
    headers = signing.sign(SECRET, trigger.id, datetime.now(UTC), body)
    headers["content-type"] = "application/json"

    async def ask() -> tuple[set[int], set[int]]:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://collector") as client,
        ):
            unknown = [await client.post(url, content=body) for _ in range(9)]
            known = [await client.post(url, content=body, headers=headers) for _ in range(9)]
        return {a.status_code for a in unknown}, {a.status_code for a in known}

    assert asyncio.run(ask()) == ({401}, {422, 429})
    store.close()


def test_a_collector_without_a_store_makes_none(folder: Path) -> None:
    known = Callbacks(folder / "monitors")
    assert known.signed(NOBODY, {}, b"", datetime.now(UTC)) is None
    assert not (folder / "store.db").exists()


def test_the_sender_in_the_docs_answers_what_the_hook_was_told(
    collector: Collector, receiver: Receiver, tmp_path: Path
) -> None:
    """What `docs/retraining.md` prints is run, on what was really sent."""
    code = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    ((_, body),) = receiver.got
    data = json.loads(body)["data"]
    path = f"/v1/retraining/{collector.trigger.id}/outcome"
    assert data["callback"] == f"{collector.url}{path}"
    (tmp_path / "sender.py").write_text(code)
    script = f"from sender import tell\nprint(tell({data!r}, 'promoted', model_version='8'))\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"TRAIN_SECRET": SECRET},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["200"], done.stderr
    assert collector.now.state == "promoted"
    assert str(collector.now.outcome).startswith("promoted 8, said by the webhook's receiver")


@pytest.mark.parametrize("url", [None, "", "https://me:word@collector"])
def test_without_an_address_there_is_no_callback(
    folder: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    monkeypatch.delenv("MONITORING_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("MONITORING_URL", url)
    store = open_store()
    decide(stages.find_config(MODEL)[0], store, 1, "drift")
    stages.deliver_triggers(store, now=NOW)
    store.close()
    ((_, body),) = receiver.got
    assert "callback" not in json.loads(body)["data"]
