"""The collector over real HTTP: what it takes is on disk, once; what it refuses says why."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from monitoring_sdk import ModelMonitor
from monitoring_sdk.adapters import signing
from monitoring_sdk.adapters.collector import CollectorLimits, application
from monitoring_sdk.adapters.collector_intake import MOMENT, Intake, Job
from monitoring_sdk.adapters.collector_keys import make_key, revoke_key
from monitoring_sdk.adapters.sending import ARROW, as_arrow
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.decision import Decision, incident_id, trigger_id
from monitoring_sdk.errors import StoreError
from monitoring_sdk.report import Incident, Trigger
from monitoring_sdk.window import Window

# One client: each new one reads every certificate there is.
CLIENT = httpx.Client(verify=False)

MONITOR = """\
model: served
source: {predictions: log/served/predictions, labels: log/served/labels}
columns: {id: id, timestamp: timestamp, prediction: prediction, label: label,
          label_timestamp: label_timestamp, numeric: [size]}
window: {every: 1d}
retraining: {hook: {webhook: "http://127.0.0.1:9/", secret: TRAIN_SECRET}}
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Collector:
    def __init__(self, folder: Path) -> None:
        self.folder, self.taken = folder, 0
        (folder / "monitors").mkdir()
        for model in ("served", "trained"):
            text = MONITOR.replace("model: served", f"model: {model}")
            (folder / "monitors" / f"{model}.yaml").write_text(text)
        self.key = make_key(folder / "keys.json", "served", datetime.now(UTC))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = f"sqlite:///{folder}/store.db"

    def start(self) -> None:
        command = "from monitoring_sdk.cli import main; main()"
        options = ["serve", "--port", str(self.port), "--log", "log", "--keys", "keys.json"]
        environ = {**os.environ, "MONITORING_STORE": self.store, "TRAIN_SECRET": SECRET}
        self.process = subprocess.Popen(
            [sys.executable, "-c", command, *options], cwd=self.folder, env=environ
        )
        for _ in range(600):
            try:
                CLIENT.get(f"{self.url}/health")
                return
            except httpx.TransportError:
                time.sleep(0.1)

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        assert self.process.wait(30) in (0, -how)

    def post(self, rows: Any, kind: str = "predictions", key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        url = f"{self.url}/v1/models/served/{kind}"
        answer = CLIENT.post(url, json={"rows": rows}, headers=headers)
        self.taken += answer.json()["new"] if answer.status_code == 202 else 0
        return answer

    def ids(self, kind: str = "predictions") -> list[Any]:
        files = sorted((self.folder / "log/served" / kind).rglob("*.parquet"))
        return sorted((i for f in files for i in pd.read_parquet(f)["id"]), key=str)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    it = Collector(tmp_path_factory.mktemp("collector"))
    it.start()
    yield it
    it.process.kill()
    it.process.wait()


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "timestamp": "2024-03-01T10:00:00Z", "prediction": 1, "size": 0.5, **more}


REFUSED = [
    ([], 422, "rows"),
    ([{"id": 1}], 422, "rows.timestamp"),
    ([row("a", timestamp="soon")], 422, "rows.timestamp"),
    ([row("a", size="big")], 422, "rows.size"),
    ([row("a", size={"x": 1})], 422, "rows.size"),
    (5, 422, "rows"),
    (
        [
            row(i, timestamp=f"20{20 + i // 336}-{i // 28 % 12 + 1:02}-{i % 28 + 1:02}T00:00:00Z")
            for i in range(401)
        ],
        422,
        "rows.timestamp",
    ),
]


@pytest.mark.parametrize(("rows", "status", "where"), REFUSED)
def test_what_does_not_fit_is_refused(
    collector: Collector, rows: Any, status: int, where: str
) -> None:
    answer = collector.post(rows)
    assert (answer.status_code, answer.json()["problems"][0]["where"]) == (status, where)


def test_a_body_is_limited_as_it_comes_and_unpacked(collector: Collector) -> None:
    sent = {"Authorization": f"Bearer {collector.key}", "Content-Type": "application/json"}
    url = f"{collector.url}/v1/models/served/predictions"
    packed = gzip.compress(b" " * (33 * 2**20))
    unpacking = {**sent, "Content-Encoding": "gzip"}
    assert CLIENT.post(url, content=packed, headers=unpacking).status_code == 413
    assert CLIENT.post(url, content=packed[:-9], headers=unpacking).status_code in (400, 413)
    assert CLIENT.post(url, content=b" " * (9 * 2**20), headers=sent).status_code == 413
    assert (
        CLIENT.post(url, content=b"{}", headers={**sent, "Content-Encoding": "br"}).status_code
        == 415
    )
    assert (
        CLIENT.post(url, content=b"{}", headers={**sent, "Content-Type": "a/b"}).status_code == 415
    )


def test_a_folder_is_of_one_collector(collector: Collector) -> None:
    with pytest.raises(StoreError, match="another collector"):
        Intake(collector.folder / "log")


def test_ids_are_known_for_a_month_and_forgotten_after_two(tmp_path: Path) -> None:
    days = [20_000.0]
    intake = Intake(tmp_path, clock=lambda: days[0] * 86_400)

    def new(*ids: bytes) -> int:
        moments = pa.array([datetime(2024, 3, 1, tzinfo=UTC)] * len(ids), pa.timestamp("us", "UTC"))
        rows = pa.table({"id": pa.array(ids), MOMENT: moments})
        job = Job("served", "predictions", rows, list(ids))
        assert intake.submit(job)
        return job.done.result(timeout=20)

    assert new(b"a", b"b") == 2
    days[0] += 30
    assert new(b"a", b"c") == 1
    # A clock that goes back remembers as before.
    days[0] -= 40
    assert new(b"a", b"c") == 0
    days[0] += 40 + 30
    assert new(b"a", b"c") == 1
    intake.close()
    with sqlite3.connect(tmp_path / "collector.db") as base:
        (tables,) = base.execute(
            "select count(*) from sqlite_master where name like 'seen%'"
        ).fetchone()
    assert tables == 2


def test_a_model_that_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    sent = {"Authorization": f"Bearer {make_key(keys, 'served', datetime.now(UTC))}"}
    limits = CollectorLimits(requests_per_second=2)
    app = application(tmp_path, tmp_path / "log", keys, limits)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://collector") as client,
        ):
            place = "/v1/models/served/labels"
            return [await client.post(place, headers=sent) for _ in range(9)]

    answers = asyncio.run(ask())
    assert {a.status_code for a in answers} == {404, 429}
    assert all(a.headers["Retry-After"] == "1" for a in answers if a.status_code == 429)


def test_a_monitor_file_that_breaks_is_503_until_it_is_mended(collector: Collector) -> None:
    file = collector.folder / "monitors" / "served.yaml"
    for wrong in ("model: [", MONITOR.replace("model: served", "model: another")):
        file.write_text(wrong)
        answer = collector.post([row("m")])
        assert answer.status_code == 503
        assert str(collector.folder) not in answer.text
    file.write_text(MONITOR)
    assert collector.post([row("m")]).status_code == 202


def test_wrong_keys_at_once_are_all_refused(collector: Collector) -> None:
    async def knock() -> list[int]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(limits=limits, timeout=60, verify=False) as client:
            keys = [f"mk_{i:012}_wrong" if i % 2 else collector.key + "x" for i in range(200)]
            asked = [
                client.post(
                    f"{collector.url}/v1/models/{'served' if i % 3 else 'nobody'}/predictions",
                    headers={"Authorization": f"Bearer {k}"},
                )
                for i, k in enumerate(keys)
            ]
            return [a.status_code for a in await asyncio.gather(*asked)]

    assert set(asyncio.run(knock())) == {401}


def test_a_key_is_of_one_model_until_it_is_revoked(collector: Collector) -> None:
    other = make_key(collector.folder / "keys.json", "other", datetime.now(UTC))
    assert collector.post([row("k1")], key=other).status_code == 401
    second = make_key(collector.folder / "keys.json", "served", datetime.now(UTC))
    assert collector.post([row("k1")], key=second).status_code == 202
    assert revoke_key(collector.folder / "keys.json", second.split("_")[1]) == "served"
    assert collector.post([row("k2")], key=second).status_code == 401
    headers = {"Authorization": f"Bearer {other}"}
    answer = CLIENT.post(f"{collector.url}/v1/models/other/labels", headers=headers)
    assert answer.status_code == 404


MOMENTS = st.one_of(
    st.datetimes().map(lambda d: d.isoformat() + "Z"),
    st.sampled_from(["0001-01-01", "9999-12-31T23:59:59.999999Z", "2024-03-31T02:30:00+14:00", ""]),
)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": st.one_of(st.text(max_size=8), st.integers()), "timestamp": MOMENTS},
        optional={"prediction": VALUES, "size": VALUES, "label": VALUES, "more": VALUES},
    ),
    min_size=1,
    max_size=4,
)
CHECKS: Any = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def as_stream(rows: list[dict[str, Any]], cut: int) -> bytes:
    try:
        return as_arrow(pa.Table.from_pylist(rows))[: cut or None]
    except (pa.ArrowException, OverflowError, UnicodeError):
        return b""


schemathesis.openapi.media_type(ARROW, st.builds(as_stream, ROWS, st.sampled_from([0, 0, -20, 7])))


MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
SOME = settings(max_examples=8, suppress_health_check=list(HealthCheck))
MORE = settings(max_examples=20, suppress_health_check=list(HealthCheck))


class Signed(requests.auth.AuthBase):
    """Signs what goes out, whatever it is."""

    def __init__(self, identity: str) -> None:
        self.identity = identity

    def __call__(self, request: Any) -> Any:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        request.headers.update(signing.sign(SECRET, self.identity, datetime.now(UTC), body))
        return request


def triggered(collector: Collector, model: str = "served") -> str:
    """Record a trigger whose outcome is awaited."""
    window = Window(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC))
    incident = Incident(incident_id(model, window), model, window.end, None, ("drift",))
    asked = Trigger(trigger_id(incident.id), model, incident.id, "x", window.end, "sent")
    store = open_store(collector.store)
    with store.deciding(model, holder="t", now=window.end) as tx:
        tx.save(Decision(model, window, window.end, (), incident, asked))
    store.close()
    return asked.id


def test_the_openapi_document_holds_for_any_request(collector: Collector) -> None:
    schema = schemathesis.openapi.from_dict(CLIENT.get(f"{collector.url}/openapi.json").json())
    schema.config.update(base_url=collector.url)
    key = {"Authorization": f"Bearer {collector.key}"}
    trigger = triggered(collector)
    statuses, told = set(), set()

    def judge(case: schemathesis.Case, headers: dict[str, str], **more: Any) -> None:
        answer = case.call_and_validate(headers=headers, checks=CHECKS, **more)
        (told if "trigger_id" in case.path_parameters else statuses).add(answer.status_code)
        collector.taken += answer.json()["new"] if answer.status_code == 202 else 0

    def ask(operation: Any) -> None:
        cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in MODES])

        @SOME
        @given(cases)
        def as_described_or_not(case: schemathesis.Case) -> None:
            judge(case, {})
            if "trigger_id" in case.path_parameters:
                case.path_parameters = {"trigger_id": trigger}
                judge(case, {}, auth=Signed(trigger))
                return
            if case.path_parameters:
                case.path_parameters = {"model": "served"}
            judge(case, key)

        as_described_or_not()

    def fill(operation: Any) -> None:
        @MORE
        @given(ROWS, st.booleans())
        def rows_of_the_model(rows: list[dict[str, Any]], arrow: bool) -> None:
            case = operation.Case(
                path_parameters={"model": "served"},
                body=as_stream(rows, 0) if arrow else {"rows": rows},
                media_type=ARROW if arrow else "application/json",
            )
            judge(case, key)

        rows_of_the_model()

    for found in schema.get_all_operations():
        operation = found.ok()
        ask(operation)
        if "{model}" in operation.path:
            fill(operation)
    assert {200, 202, 401, 422} <= statuses
    assert {200, 401, 409, 422} <= told
    store = open_store(collector.store)
    assert store.triggers("served")[0].state in ("promoted", "kept")
    store.close()


def test_an_outcome_that_was_answered_outlives_a_kill(collector: Collector) -> None:
    trigger = triggered(collector, "trained")

    def tell() -> dict[str, Any]:
        url = f"{collector.url}/v1/retraining/{trigger}/outcome"
        answer = requests.post(url, json={"outcome": "kept"}, auth=Signed(trigger), timeout=30)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    assert tell()["changed"]
    collector.stop(signal.SIGKILL)
    store = open_store(collector.store)
    assert [t.state for t in store.triggers("trained")] == ["kept"]
    store.close()
    collector.start()
    assert not tell()["changed"]


def test_rows_are_taken_once_whatever_happens(collector: Collector, tmp_path: Path) -> None:
    assert collector.post([row("a"), row("b")]).json() == {"rows": 2, "new": 2, "repeated": 0}
    assert collector.post([row("b"), row("c")]).json() == {"rows": 2, "new": 1, "repeated": 1}
    for day in ("0001-01-01", "9999-12-31"):  # what is taken must not stand in the way of the rest
        assert collector.post([row(day, timestamp=f"{day}T23:59:59Z")]).status_code in (202, 422)
    collector.stop(signal.SIGKILL)
    monitor = ModelMonitor(collector.key, model="served", log=tmp_path, url=collector.url)
    monitor.log_predictions([1, 0], ids=["d", "e"], features={"size": [1.0, 2.0]})
    assert not monitor.flush()
    collector.start()
    assert monitor.flush()
    collector.taken += monitor.log_status.settled
    assert collector.post([row("a"), row("e")]).json()["new"] == 0
    collector.stop()
    # Of everything that any test of this module sent.
    said, labels = collector.ids("predictions"), collector.ids("labels")
    assert len(said) + len(labels) == collector.taken
    assert {"a", "b", "c", "d", "e"} <= set(said)
    assert len(set(said)) == len(said)
    written = [p.read_bytes() for p in collector.folder.rglob("*") if p.is_file()]
    assert not any(collector.key.encode() in data for data in written)
