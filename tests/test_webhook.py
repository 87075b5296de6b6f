"""The webhook of retraining: what it sends, what a receiver can verify, and what is never kept."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feedback_model import MODEL, NOW, decide
from webhook_receiver import SECRET, Receiver, write_hooked_monitor

from monitoring_sdk import stages
from monitoring_sdk.adapters import signing
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig

DOCS = Path(__file__).parent.parent / "docs" / "retraining.md"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> MonitorConfig:
    write_hooked_monitor(tmp_path, monkeypatch, receiver)
    return stages.find_config(MODEL)[0]


@pytest.fixture
def store(config: MonitorConfig) -> Iterator[Store]:
    opened = open_store()
    decide(config, opened, 1, "drift")
    yield opened
    opened.close()


def send(store: Store, hours: float = 0) -> Any:
    return stages.deliver_triggers(store, now=NOW + timedelta(hours=hours))


def hook_row(store: Store) -> Any:
    (row,) = [r for r in store.messages() if r.message.kind == "webhook"]
    return row


def test_it_is_signed_and_says_what_it_is_about(store: Store, receiver: Receiver):
    assert send(store).sent == 1
    ((headers, body),) = receiver.got
    (trigger,) = store.triggers(MODEL)
    assert trigger.state == "sent"
    assert headers["webhook-id"] == headers["idempotency-key"] == trigger.id
    assert headers["content-type"] == "application/json"
    assert signing.is_signed(SECRET, headers, body, datetime.now(UTC))
    told = json.loads(body)
    assert told["type"] == "retraining.triggered"
    assert told["data"] == {
        "trigger_id": trigger.id,
        "model": MODEL,
        "incident_id": trigger.incident,
        "window_end": "2024-03-02T05:00:00Z",
        "reason": trigger.reason,
    }


@pytest.mark.parametrize("status", [0, 301, 307, 401, 404, 500])
def test_what_is_not_taken_is_sent_again_and_can_be_told_for_a_repeat(
    store: Store, receiver: Receiver, status: int
):
    receiver.answers.append((status, {"Location": receiver.url}))
    assert send(store).retried == 1
    assert len(receiver.got) == 1
    assert store.triggers(MODEL)[0].state == "pending"
    assert send(store, hours=1).sent == 1
    (first, body), (second, again) = receiver.got
    assert (first["webhook-id"], body) == (second["webhook-id"], again)


def test_how_long_to_wait_is_the_receivers_word(store: Store, receiver: Receiver):
    receiver.answers.append((503, {"Retry-After": "7200"}))
    send(store)
    assert hook_row(store).next_attempt >= NOW + timedelta(hours=2)
    assert hook_row(store).detail == "status 503"


def test_a_receiver_that_is_gone_is_not_called_again(store: Store, receiver: Receiver):
    receiver.answers.append((410, {}))
    assert send(store).dead == 1
    assert store.triggers(MODEL)[0].state == "failed"


def test_without_its_secret_nothing_is_sent(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("TRAIN_SECRET")
    monkeypatch.setattr("monitoring_sdk.adapters.webhook.read_secret", lambda name: None)
    assert send(store).retried == 1
    assert "neither an environment variable nor a Prefect Secret block" in hook_row(store).detail
    monkeypatch.setenv("TRAIN_SECRET", "whsec_no base64")
    assert send(store, hours=1).retried == 1
    assert hook_row(store).detail == "the secret cannot be read: what follows whsec_ is no base64"
    assert receiver.got == []


def test_a_monitor_file_that_is_gone_leaves_it_waiting(
    store: Store, receiver: Receiver, tmp_path: Path
):
    (tmp_path / "monitors" / f"{MODEL}.yaml").unlink()
    assert send(store).retried == 1
    assert hook_row(store).detail == f"the monitor file of {MODEL} names no webhook now"


def test_neither_secret_nor_address_is_kept_or_said(
    store: Store,
    receiver: Receiver,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
):
    caplog.set_level(logging.DEBUG)
    receiver.answers += [(500, {}), (0, {})]
    shown = [repr(send(store, hours=h)) for h in (0, 2, 4)]
    receiver.server.server_close()
    decide(stages.find_config(MODEL)[0], store, 2, "drift")
    shown += [repr(send(store, hours=6)), repr(store.messages()), caplog.text]
    shown += capsys.readouterr()
    store.close()
    kept = b"".join(p.read_bytes() for p in tmp_path.glob("store.db*"))
    for secret in (SECRET, SECRET.removeprefix("whsec_"), "token-in-path"):
        assert not [text for text in shown if secret in text]
        assert secret.encode() not in kept


class TestSignature:
    now = datetime(2024, 3, 1, 12, tzinfo=UTC)

    def test_it_is_that_of_the_standard(self):
        # The example of the Standard Webhooks specification's libraries.
        at = datetime.fromtimestamp(1614265330, UTC)
        headers = signing.sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
        assert headers == {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }

    @pytest.mark.parametrize("late", [-301, 301])
    def test_an_old_one_is_refused(self, late: int):
        headers = signing.sign(SECRET, "a", self.now, b"{}")
        then = self.now + timedelta(seconds=late)
        assert not signing.is_signed(SECRET, headers, b"{}", then)

    @pytest.mark.parametrize(
        "changed",
        [
            {"webhook-id": "b"},
            {"webhook-timestamp": "1709294401"},
            {"webhook-timestamp": "soon"},
            {"webhook-timestamp": "9" * 30},
            {"webhook-signature": "v1,AAAA"},
            {"webhook-signature": "é"},
            {"webhook-signature": ""},
        ],
    )
    def test_what_was_changed_is_refused(self, changed: dict[str, str]):
        headers = signing.sign(SECRET, "a", self.now, b"{}")
        assert signing.is_signed(SECRET, headers, b"{}", self.now)
        assert not signing.is_signed(SECRET, headers, b"{ }", self.now)
        assert not signing.is_signed(SECRET, {**headers, **changed}, b"{}", self.now)
        assert not signing.is_signed(SECRET, {}, b"{}", self.now)

    def test_one_of_several_signatures_will_do(self):
        headers = signing.sign("new", "a", self.now, b"{}")
        both = f"v1,AAAA {headers['webhook-signature']}"
        given = {k.upper(): v for k, v in {**headers, "webhook-signature": both}.items()}
        assert signing.is_signed("new", given, b"{}", self.now)


def test_the_receiver_in_the_docs_verifies_and_drops_repeats(
    store: Store, receiver: Receiver, tmp_path: Path
):
    """What `docs/retraining.md` prints is run, on what was really sent."""
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert code is not None
    receiver.answers.append((500, {}))
    send(store)
    send(store, hours=1)
    (tmp_path / "receiver.py").write_text(code[1])
    calls = [[h, b.decode()] for h, b in receiver.got]
    script = (
        "import json, sys; from receiver import receive\n"
        f"for headers, body in {calls!r}:\n"
        "    print(receive(headers, body.encode()))\n"
        f"print(receive({calls[0][0]!r}, b'{{}}'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"TRAIN_SECRET": SECRET},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["202", "200", "401"], done.stderr
    assert done.stderr == ""
