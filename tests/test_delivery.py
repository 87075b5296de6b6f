"""Delivery: every message arrives once, whatever Slack, the network or the process does."""

import json
import logging
import socket
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from conftest import on_sqlite
from deciding_worker import CHANNEL, MODEL, NOW, check, day, decide, start
from slack_server import TOKEN

from monitoring_sdk.adapters import hooks, prefect_calls
from monitoring_sdk.adapters.hooks import CommandSender, DeploymentSender
from monitoring_sdk.adapters.notify import deliver, senders_of_environment
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.adapters.webhook import secret_called
from monitoring_sdk.cli import main
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.stages import outbox_state

LATER = timedelta(hours=2)


@pytest.fixture
def store(store_url):
    store = open_store(store_url)
    yield store
    store.close()


@pytest.fixture
def sender(slack):
    return SlackSender(TOKEN, base_url=slack.base_url, timeout=1)


def go(store, sender, now=NOW, kind="slack", holder="d"):
    return deliver(store, {kind: sender}, now=now, holder=holder, elapsed=lambda: 0.0)


def only(store):
    (row,) = store.messages()
    return row


def test_a_message_is_posted_with_blocks_and_its_delivery_id(store, slack, sender):
    decide(store, 0, (check(0),))
    assert go(store, sender).sent == 1
    (posted,) = slack.messages
    row = only(store)
    assert posted["channel"] == CHANNEL
    assert posted["text"] == "flights: opened"
    assert posted["blocks"] == [{"type": "divider"}]
    assert posted["metadata"] == {
        "event_type": "monitoring_delivery",
        "event_payload": {"delivery_id": row.message.id},
    }
    assert (row.state, row.attempts) == ("sent", 1)
    assert row.receipt == {"channel": CHANNEL, "ts": posted["ts"]}
    assert go(store, sender, NOW + LATER).sent == 0
    assert slack.calls == ["chat.postMessage"]


@pytest.mark.parametrize("error", ["invalid_auth", "channel_not_found", "is_archived"])
def test_what_slack_will_always_refuse_is_dead(store, slack, sender, error):
    decide(store, 0, (check(0),))
    slack.faults.append(("chat.postMessage", error))
    summary = go(store, sender)
    assert summary.dead == 1
    assert error in summary.problems[0]
    assert (only(store).state, only(store).detail) == ("dead", error)


def test_what_is_dead_is_revived_with_a_patience_of_its_own(store, slack, sender):
    decide(store, 0, (check(0),))
    slack.faults.append(("chat.postMessage", "is_archived"))
    go(store, sender)
    later = NOW + timedelta(days=20)
    identity = only(store).message.id
    assert outbox_state.revive(store, identity[:8].upper(), later) == [identity]
    row = only(store)
    assert (row.state, row.attempts, row.detail, row.revived) == ("pending", 0, None, later)
    # Seven days from now on, not from when it was made.
    slack.faults.append(("chat.postMessage", 503))
    assert go(store, sender, later).unknown == 1
    assert go(store, sender, later + timedelta(days=6)).sent == 1
    assert slack.delivery_ids() == [identity]
    assert outbox_state.revive(store, None, later) == []
    with pytest.raises(ConfigError, match="no dead message has this id"):
        outbox_state.revive(store, identity, later)


def test_a_revived_message_dies_again_after_seven_days(store, slack, sender):
    decide(store, 0, (check(0),))
    slack.faults += [("chat.postMessage", "is_archived"), ("chat.postMessage", 429)]
    go(store, sender)
    outbox_state.revive(store, None, NOW)
    assert go(store, sender).retried == 1
    assert go(store, sender, NOW + timedelta(days=8)).dead == 1
    assert slack.messages == []


@on_sqlite
def test_a_revived_message_that_had_arrived_is_not_sent_again(store, slack, sender):
    decide(store, 0, (check(0),))
    slack.readable = False
    slack.faults.append(("chat.postMessage", "drop"))
    assert go(store, sender).unknown == 1
    assert go(store, sender, NOW + timedelta(days=8)).dead == 1
    slack.readable = True
    outbox_state.revive(store, None, NOW + timedelta(days=9))
    assert go(store, sender, NOW + timedelta(days=9)).sent == 1
    assert only(store).detail == "found in the channel"
    assert len(slack.messages) == 1


@on_sqlite
@pytest.mark.parametrize("way", ["token", "webhook"])
def test_whoever_revives_wants_it_sent_where_nobody_can_look(store, slack, sender, way):
    if way == "webhook":
        sender = SlackSender(webhook=slack.webhook_url, timeout=1)
    decide(store, 0, (check(0),))
    slack.readable = False
    method = "webhook" if way == "webhook" else "chat.postMessage"
    slack.faults.append((method, 404 if way == "webhook" else "channel_not_found"))
    assert go(store, sender).dead == 1
    outbox_state.revive(store, None, NOW)
    # The first attempt since is asked for; what is in doubt after it is not sent again.
    slack.faults.append((method, "hang"))
    assert go(store, sender).unknown == 1
    assert go(store, sender, NOW + LATER).unknown == 1
    assert len(slack.messages) == 1


@on_sqlite
def test_a_hook_that_is_revived_takes_its_trigger_along(store, tmp_path):
    program = tmp_path / "hook"
    run_hook(store, {"command": [str(program)]})
    assert store.triggers()[0].state == "failed"
    outbox_state.revive(store, None, NOW)
    assert store.triggers()[0].state == "pending"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    go(store, CommandSender(), kind="command")
    assert store.triggers()[0].state == "sent"


@on_sqlite
def test_from_the_command_line_the_dead_are_named_and_revived(
    store, store_url, slack, sender, monkeypatch, tmp_path
):
    monkeypatch.setenv("MONITORING_STORE", store_url)
    monkeypatch.setenv("MONITORING_MONITORS", str(tmp_path / "none"))
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
    now = datetime.now(UTC)
    for i in range(4):
        decide(store, i, (check(i, "ok" if i else "alert"),), now=now)
    slack.faults += [("chat.postMessage", "is_archived")] * 2
    assert go(store, sender, now).dead == 2
    first, second = (row.message.id for row in store.messages("dead"))

    def called(*arguments):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    status = json.loads(called("status", "--json"))["outbox"]
    assert (status["dead"], {p["id"] for p in status["problems"]}) == (2, {first, second})
    assert f"(--revive {first[:8]})" in called("status")
    assert "monitoring deliver --revive [ID]" in called("status")
    one = json.loads(called("deliver", "--revive", first[:8], "--json"))
    assert (one["revived"], one["sent"], one["outbox"]["dead"]) == ([first], 1, 1)
    assert json.loads(called("deliver", "--json"))["revived"] == []
    assert called("deliver", "--revive").startswith("1 revived; 1 sent")
    assert set(slack.delivery_ids()) == {first, second}
    wrong = CliRunner().invoke(main, ["deliver", "--revive", "ffffff"])
    assert wrong.exit_code == 2
    assert "no dead message has this id" in wrong.stderr


def test_a_rate_limit_is_waited_out(store, slack, sender):
    decide(store, 0, (check(0),))
    slack.faults.append(("chat.postMessage", 429))
    assert go(store, sender).retried == 1
    row = only(store)
    assert row.state == "pending"
    assert row.next_attempt >= NOW + timedelta(seconds=45)
    assert go(store, sender, NOW + timedelta(seconds=44)).sent == 0
    assert go(store, sender, NOW + LATER).sent == 1
    # Slack said that it did not take it, so there was nothing to look for.
    assert slack.calls == ["chat.postMessage"] * 2


@on_sqlite
def test_waits_double_up_to_an_hour_and_end_after_seven_days(store):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = SlackSender(TOKEN, base_url=f"http://127.0.0.1:{free.getsockname()[1]}/api/")
    decide(store, 0, (check(0),))
    now, waits = NOW, []
    for _ in range(12):
        assert go(store, closed, now).retried == 1
        assert only(store).detail == "not reached (ConnectionRefusedError)"
        waits.append(only(store).next_attempt - now)
        now += waits[-1]
    assert timedelta(seconds=22) < waits[0] < timedelta(seconds=38)
    assert timedelta(minutes=3) - timedelta(seconds=1) < waits[3] < timedelta(minutes=5.1)
    assert timedelta(minutes=45) <= max(waits) <= timedelta(minutes=75)
    assert go(store, closed, NOW + timedelta(days=7)).retried == 1
    assert go(store, closed, NOW + timedelta(days=7, hours=2)).dead == 1
    assert only(store).detail.startswith("not delivered in 7 days: not reached")


@pytest.mark.parametrize("fault", ["drop", "hang"])
def test_a_message_that_arrived_without_an_answer_is_found_not_repeated(
    store, slack, sender, fault
):
    decide(store, 0, (check(0),))
    slack.faults.append(("chat.postMessage", fault))
    assert go(store, sender).sent == 1
    assert only(store).detail == "found in the channel"
    assert only(store).receipt["ts"] == slack.messages[0]["ts"]
    go(store, sender, NOW + LATER)
    assert slack.delivery_ids() == [only(store).message.id]


@pytest.mark.parametrize("fault", ["drop_before", 500, 503, "internal_error"])
def test_a_message_in_doubt_is_looked_for_and_sent_when_it_is_not_there(
    store, slack, sender, fault
):
    decide(store, 0, (check(0),))
    slack.faults.append(("chat.postMessage", fault))
    assert go(store, sender).unknown == 1
    assert only(store).state == "unknown"
    assert go(store, sender, NOW + LATER).sent == 1
    assert slack.delivery_ids() == [only(store).message.id]
    assert slack.calls[-2:] == ["conversations.history", "chat.postMessage"]


def test_a_message_that_shows_up_late_is_found_by_the_next_delivery(store, slack, sender):
    decide(store, 0, (check(0),))
    slack.faults += [("chat.postMessage", "drop"), ("conversations.history", 500)]
    assert go(store, sender).unknown == 1
    assert go(store, sender, NOW + LATER).sent == 1
    assert len(slack.messages) == 1


def test_without_a_readable_history_it_stays_unknown_and_says_so(store, slack, sender):
    decide(store, 0, (check(0),))
    slack.readable = False
    slack.faults.append(("chat.postMessage", "drop"))
    for now in (NOW, NOW + LATER):
        assert go(store, sender, now).unknown == 1
    assert "cannot be read (missing_scope): not sent again" in only(store).detail
    assert len(slack.messages) == 1
    slack.readable = True
    assert go(store, sender, NOW + 2 * LATER).sent == 1
    assert len(slack.messages) == 1


def test_the_whole_history_is_searched(store, slack, sender):
    decide(store, 0, (check(0),))
    slack.page = 2
    slack.faults += [("chat.postMessage", "drop"), ("conversations.history", 500)]
    go(store, sender)
    for n in range(5):
        slack._keep({"text": f"chatter {n}"})
    assert go(store, sender, NOW + LATER).sent == 1
    assert slack.calls.count("chat.postMessage") == 1
    assert slack.calls.count("conversations.history") == 4


def test_blocks_that_slack_refuses_are_sent_as_plain_text(store, slack, sender):
    decide(store, 0, (check(0),))
    slack.faults.append(("chat.postMessage", "invalid_blocks"))
    assert go(store, sender).sent == 1
    assert "blocks" not in slack.messages[0]
    assert slack.messages[0]["text"] == "flights: opened"
    assert only(store).detail == "as plain text"


@pytest.mark.parametrize("act", ["die", "die_sending"])
def test_a_killed_process_costs_no_message_and_sends_none_twice(
    store, store_url, slack, sender, act
):
    died = start(act, store_url, SLACK_BOT_TOKEN=TOKEN, SLACK_BASE_URL=slack.base_url)
    died.join(60)
    assert died.exitcode == -9
    assert len(slack.messages) == (1 if act == "die_sending" else 0)
    if act == "die_sending":
        # The dead one's claim holds until it expires.
        assert go(store, sender).sent == 0
    assert go(store, sender, NOW + LATER).sent == 1
    assert go(store, sender, NOW + 2 * LATER).sent == 0
    assert len(slack.messages) == 1
    assert slack.delivery_ids() == [m.message.id for m in store.messages("sent")]
    assert len(store.triggers()) == 1


@on_sqlite
def test_without_a_channel_it_goes_to_the_console_once(store, sender, slack, capsys):
    decide(store, 0, (check(0),), channel=None)
    assert go(store, SlackSender()).sent == 1
    assert capsys.readouterr().err == "[flights] flights: opened\n"
    assert (only(store).state, only(store).detail) == ("sent", "console")
    go(store, sender, NOW + LATER)
    assert slack.messages == []
    assert capsys.readouterr().err == ""


def test_without_a_token_it_is_printed_once_and_sent_when_there_is_one(
    store, sender, slack, capsys
):
    decide(store, 0, (check(0),))
    for n in range(3):
        assert go(store, SlackSender(), NOW + n * LATER).held == 1
    assert capsys.readouterr().err.count("flights: opened") == 1
    assert (only(store).state, only(store).detail) == ("pending", "printed")
    assert go(store, sender, NOW + 3 * LATER).sent == 1
    assert len(slack.messages) == 1
    assert only(store).attempts == 1


@on_sqlite
def test_a_webhook_sends_and_judges_by_status(store, slack):
    webhook = SlackSender(webhook=slack.webhook_url, timeout=1)
    decide(store, 0, (check(0),))
    slack.faults += [("webhook", 429), ("webhook", "invalid_blocks")]
    assert go(store, webhook).retried == 1
    assert go(store, webhook, NOW + LATER).sent == 1
    assert slack.messages == [{"type": "message", "ts": slack.messages[0]["ts"],
                               "text": "flights: opened"}]  # fmt: skip
    for i in range(1, 4):
        decide(store, i, (check(i, "ok"),))
    slack.faults.append(("webhook", 404))
    assert go(store, webhook, NOW + 2 * LATER).dead == 1


def test_a_webhook_in_doubt_stays_unknown(store, slack):
    webhook = SlackSender(webhook=slack.webhook_url, timeout=1)
    decide(store, 0, (check(0),))
    slack.faults.append(("webhook", "drop"))
    assert go(store, webhook).unknown == 1
    assert go(store, webhook, NOW + LATER).unknown == 1
    assert slack.calls == ["webhook"]
    assert "webhook cannot look" in only(store).detail


def test_a_message_that_breaks_its_sender_does_not_stop_the_others(store, slack, sender):
    class Breaks:
        patience = longest_wait = timedelta(minutes=1)

        def send(self, claimed):
            if claimed.message.transition == "opened":
                raise KeyError(TOKEN)
            return sender.send(claimed)

    decide(store, 0, (check(0),))
    for i in range(1, 4):
        decide(store, i, (check(i, "ok"),))
    summary = go(store, Breaks())
    assert (summary.unknown, summary.sent) == (1, 1)
    assert TOKEN not in repr(summary)


def test_the_token_and_the_webhook_are_nowhere(
    store, store_url, slack, caplog, capsys, monkeypatch
):
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_WEBHOOK_URL", slack.webhook_url)
    caplog.set_level(logging.DEBUG)
    faults = ["drop", 500, 429, "invalid_auth", "invalid_blocks", None]
    shown = []
    for i, fault in enumerate(faults):
        decide(store, 4 * i, (check(4 * i),))
        for n in range(1, 4):
            decide(store, 4 * i + n, (check(4 * i + n, "ok"),))
        by_token = SlackSender(TOKEN, base_url=slack.base_url, timeout=1)
        by_webhook = SlackSender(webhook=slack.webhook_url, timeout=1)
        for method, way in (("chat.postMessage", by_token), ("webhook", by_webhook)):
            if fault is not None:
                slack.faults.append((method, fault))
            shown += [repr(way), repr(go(store, way, NOW + i * LATER))]
    broken = SlackSender(webhook=slack.webhook_url + "/ bad", timeout=1)
    decide(store, 40, (check(40),))
    shown.append(repr(go(store, broken, NOW + 20 * LATER)))
    shown.append(repr(store.messages()))
    command = [sys.executable, "-c", "import os; exit(os.environ['SLACK_BOT_TOKEN'])"]
    for i in range(41, 44):
        decide(store, i, (check(i, "ok"),))
    shown.append(run_hook(store, {"command": command}))
    assert shown[-1] == "exit status 1: ***"
    store.close()
    texts = [*shown, caplog.text, *capsys.readouterr()]
    kept = everything_in(store_url)
    assert len(slack.messages) >= len(faults)
    for secret in (TOKEN, slack.webhook_url.rpartition("/")[2]):
        assert not [t for t in texts if secret in t]
        assert secret.encode() not in kept


def everything_in(url):
    """Return all that a database keeps, as bytes."""
    if url.startswith("sqlite"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        return b"".join(p.read_bytes() for p in folder.iterdir())
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        rows = [connection.execute(f'TABLE "{name}"').fetchall() for (name,) in tables]
    return repr(rows).encode()


def run_hook(store, hook, sender=None, now=NOW, start=80):
    """Decide a window that triggers; deliver its hook; return the row's detail."""
    decide(store, start, (check(start),), hook=hook, channel=None)
    go(store, sender or CommandSender(), now, kind=next(iter(hook)))
    return store.messages()[-1].detail or ""


@on_sqlite
def test_a_command_learns_what_it_is_for(store, tmp_path):
    out = tmp_path / "told"
    code = (
        "import json, os, sys; json.dump({k: v for k, v in os.environ.items()"
        " if k.startswith('MONITORING_')} | {'args': sys.argv[2:]}, open(sys.argv[1], 'w'))"
    )
    odd = ["$MONITORING_MODEL", "{trigger_id}", "a b; true"]
    run_hook(store, {"command": [sys.executable, "-c", code, str(out), *odd]})
    (trigger,) = store.triggers()
    assert trigger.state == "sent"
    told = json.loads(out.read_text())
    assert told["args"] == odd
    assert told["MONITORING_TRIGGER_ID"] == trigger.id
    assert told["MONITORING_MODEL"] == MODEL
    assert told["MONITORING_INCIDENT_ID"] == trigger.incident
    assert told["MONITORING_WINDOW_END"] == day(80).end.isoformat()


@on_sqlite
def test_a_command_that_fails_is_tried_again_and_its_output_kept(store):
    code = "import sys; print('x' * 9000 + 'last words'); sys.exit(3)"
    detail = run_hook(store, {"command": [sys.executable, "-c", code]})
    assert detail.startswith("exit status 3: x")
    assert detail.endswith("last words")
    assert len(detail) < 2100
    assert store.messages()[-1].state == store.triggers()[0].state == "pending"


@on_sqlite
def test_a_command_that_cannot_be_run_is_dead_and_its_trigger_failed(store):
    assert "FileNotFoundError" in run_hook(store, {"command": ["/no/such/program"]})
    assert (store.messages()[-1].state, store.triggers()[0].state) == ("dead", "failed")


@on_sqlite
def test_a_command_that_does_not_end_is_ended_with_its_children(store, tmp_path):
    mark = tmp_path / "mark"
    child = f"import time; time.sleep(2); open({str(mark)!r}, 'w')"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); "
    code += "time.sleep(30)"
    sender = CommandSender(timeout=timedelta(seconds=0.7))
    assert "no end after" in run_hook(store, {"command": [sys.executable, "-c", code]}, sender)
    time.sleep(2.2)
    assert not mark.exists()


def hook_runs(server, deployment):
    found = server.post(
        "flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}}
    )  # fmt: skip
    return [(run["idempotency_key"], run["parameters"], run["parent_task_run_id"]) for run in found]


@on_sqlite
@pytest.mark.server
def test_a_deployment_is_run_with_the_trigger_as_its_key(store, prefect, deployed):
    deployment = deployed("train-model", "model")
    run_hook(store, {"deployment": "train-model/shop"}, DeploymentSender())
    (trigger,) = store.triggers()
    assert hook_runs(prefect, deployment) == [(trigger.id, {"model": MODEL}, None)]
    receipt = store.messages()[-1].receipt
    assert trigger.state == "sent"
    # The same key starts no second run.
    again = prefect_calls.start_run("train-model/shop", trigger.id, {"model": MODEL})
    assert receipt == {"flow_run": again}
    assert len(hook_runs(prefect, deployment)) == 1
    event = emitted(prefect, trigger.id)
    assert event["id"] == event["payload"]["trigger_id"] == trigger.id
    assert event["payload"]["flow_run_id"] == again
    assert event["resource"]["prefect.resource.id"] == "monitoring.model.flights"


def emitted(server, trigger_id):
    """Return the event of a trigger; the server writes events down some time after they came."""
    deadline = time.monotonic() + 30
    query = {"filter": {"event": {"name": ["monitoring.retraining.triggered"]}}}
    while True:
        for event in server.post("events/filter", query)["events"]:
            if event["payload"]["trigger_id"] == trigger_id:
                return event
        assert time.monotonic() < deadline, "the event did not come"
        time.sleep(0.3)


@on_sqlite
@pytest.mark.server
def test_a_deployment_gets_the_parameters_that_it_has(store, prefect, deployed):
    deployment = deployed("train-window", "window_end", "trigger_id", "else")
    run_hook(store, {"deployment": "train-window/shop"}, DeploymentSender(), start=84)
    (trigger,) = store.triggers()
    ((_, parameters, _),) = hook_runs(prefect, deployment)
    assert parameters == {"trigger_id": trigger.id, "window_end": day(84).end.isoformat()}


@on_sqlite
@pytest.mark.server
def test_an_event_that_is_lost_does_not_start_another_run(store, prefect, deployed, monkeypatch):
    def broken(**_):
        raise RuntimeError("no server")

    monkeypatch.setattr("prefect.events.emit_event", broken)
    deployment = deployed("train-quietly", "model")
    detail = run_hook(store, {"deployment": "train-quietly/shop"}, DeploymentSender(), start=88)
    assert detail == "the event could not be emitted"
    assert store.triggers()[0].state == "sent"
    assert len(hook_runs(prefect, deployment)) == 1


@on_sqlite
@pytest.mark.server
def test_a_deployment_that_is_missing_is_dead(store, prefect):
    run_hook(store, {"deployment": "train-model/none"}, DeploymentSender())
    assert store.messages()[-1].detail == "there is no deployment train-model/none"
    assert store.messages()[-1].state == "dead"


@on_sqlite
def test_a_server_that_does_not_answer_is_tried_again(store):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        socket.socket() as closed,
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port(closed)}/api"}),
    ):
        run_hook(store, {"deployment": "train-model/shop"}, DeploymentSender())
    row = store.messages()[-1]
    assert (row.state, row.detail) == ("pending", "ConnectError: [Errno 111] Connection refused")


def free_port(held):
    """Bind a port and do not listen: a connection is refused."""
    held.bind(("127.0.0.1", 0))
    return held.getsockname()[1]


@pytest.mark.server
def test_a_secret_is_a_variable_or_a_block_of_prefect(prefect):
    from prefect.blocks.system import Secret

    Secret(value="from a block").save("train-shop", overwrite=True)
    assert secret_called("train-shop", {}) == "from a block"
    assert secret_called("train-shop", {"train-shop": "from a variable"}) == "from a variable"
    assert secret_called("train-nothing", {}) is None


def test_the_environment_says_how_to_send(monkeypatch):
    for name in ("SLACK_BOT_TOKEN", "SLACK_WEBHOOK_URL", "SLACK_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    senders = senders_of_environment()
    assert list(senders) == [
        *("slack", "slack_update", "apprise", "slack_chart"),
        *("approval", "deployment", "command"),
    ]
    assert not senders["slack"].configured
    assert SlackSender.from_environment({"SLACK_WEBHOOK_URL": "https://h"}).configured
    assert hooks.CommandSender().timeout == timedelta(hours=1)
    assert "xoxb" not in repr(SlackSender("xoxb-1", "https://h/secret"))
