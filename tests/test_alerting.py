"""What is told of an incident, where, and what becomes of it: through a Slack that speaks back."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML
from slack_server import TOKEN, SlackServer
from test_config import small

from benchmarks.delivery_faults import run as run_with_faults
from monitoring_sdk.adapters.apprise_target import AppriseSender
from monitoring_sdk.adapters.chart_image import draw
from monitoring_sdk.adapters.notify import deliver
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.adapters.slack_attached import SlackChartSender, SlackUpdateSender
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.cli import main
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.config_alerts import target_id
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.report import Check
from monitoring_sdk.routing import every_target, routed
from monitoring_sdk.stages.decide import decide_window
from monitoring_sdk.stages.feedback import say
from monitoring_sdk.stages.outbox_state import outbox_standing
from monitoring_sdk.stages.targets import address_of
from monitoring_sdk.window import Window

START = datetime(2024, 3, 1, tzinfo=UTC)
NOW = datetime(2024, 6, 3, 12, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
CHANNEL = "C0123456"
SECRET = "k3y-7f1c"  # the test's own, worth nothing elsewhere


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING_MONITORS", str(tmp_path / "monitors"))
    for name in ("SLACK_BOT_TOKEN", "SLACK_WEBHOOK_URL", "SLACK_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store() -> Iterator[Store]:
    store = open_store("sqlite://")
    yield store
    store.close()


def day(i: int) -> Window:
    return Window(START + i * DAY, START + (i + 1) * DAY)


def check(i: int, bad: bool = True, **changed: Any) -> Check:
    status = "alert" if bad else "ok"
    values = {"family": "drift", "name": "psi", "column": "size", "status": status,
              "value": 0.9 if bad else 0.1, "threshold": 0.2, "threshold_from": "user",
              "direction": "above", "exceeded": bad}  # fmt: skip
    return Check(window=day(i), **{**values, **changed})


def config(**alerts: Any) -> MonitorConfig:
    alerts = {"slack": {"channel": CHANNEL}, **alerts}
    return small(model="m", owner={"mention": "@oncall"}, alerts=alerts)


def step(
    store: Store,
    settings: MonitorConfig,
    i: int,
    *checks: Check,
    as_of: datetime | None = None,
    now: datetime = NOW,
    fingerprint: str = "f",
    part: Any = "data",
) -> None:
    row = ResultRow("m", day(i), part, "v1", "s", fingerprint, as_of or day(i).end, "ok", None, 9,
                    checks or (check(i),))  # fmt: skip
    decide_window(settings, row, [], [], store, holder="t", now=now)


def go(store: Store, server: SlackServer, at: datetime = NOW, **more: Any) -> Any:
    sender = SlackSender(TOKEN, base_url=server.base_url, timeout=1)
    senders = {
        "slack": sender,
        "slack_update": SlackUpdateSender(sender),
        "slack_chart": SlackChartSender(sender, partial(draw, store=store)),
        **more,
    }
    return deliver(store, senders, now=at, holder="d", elapsed=lambda: 0.0)


def lasting(store: Store, settings: MonitorConfig, bad: int) -> None:
    """Let an incident open on the second day, last, and close."""
    step(store, settings, 0, check(0, False))
    for i in range(1, 1 + bad):
        step(store, settings, i)
    for i in range(1 + bad, 4 + bad):
        step(store, settings, i, check(i, False))


# --- An incident's thread -------------------------------------------------------------------------


def test_one_message_an_incident_kept_up_to_date_and_all_else_in_its_thread(store, slack):
    lasting(store, config(), 4)
    assert go(store, slack).problems == ()
    (page,) = slack.shown()
    texts = [m["text"] for m in slack.replies()]
    assert page["text"].startswith("[closed] m: size: PSI 0.9")
    assert "*Closed* 2024-03-09 after 6 days, opened 2024-03-03: drift" in str(page["blocks"])
    assert [t.split(":")[1].strip().split(" after")[0] for t in texts if t.startswith("m:")] == [
        "still in alarm", "still in alarm", "incident closed",
    ]  # fmt: skip
    assert {m["thread_ts"] for m in slack.replies()} == {page["ts"]}
    # Reminders call, the end does not.
    called = ["@oncall" in str(m.get("blocks")) for m in slack.replies() if m["text"][0] == "m"]
    assert called == [True, True, False]


def test_the_chart_of_the_worst_check_is_in_the_thread(store, slack):
    lasting(store, config(), 1)
    go(store, slack)
    (chart,) = slack.charts()
    (file,) = slack.files.values()
    assert file["content"].startswith(b"\x89PNG")
    assert (chart["thread_ts"], chart["text"]) == (
        slack.shown()[0]["ts"],
        "size: PSI over its last windows",
    )


@pytest.mark.parametrize(
    ("method", "fault", "kind"),
    [
        ("files.getUploadURLExternal", "missing_scope", "dead"),
        ("upload", 500, "retried"),
        ("files.completeUploadExternal", "drop", "sent"),
        ("files.completeUploadExternal", "drop_before", "unknown"),
    ],
)
def test_a_chart_that_fails_neither_blocks_nor_repeats_anything(store, slack, method, fault, kind):
    lasting(store, config(), 1)
    slack.faults.append((method, fault))
    summary = go(store, slack)
    assert getattr(summary, kind) >= 1
    assert len(slack.shown()) == 1
    go(store, slack, NOW + timedelta(hours=3))
    assert len(slack.charts()) == (0 if kind == "dead" else 1)
    assert len(slack.delivery_ids()) == len(set(slack.delivery_ids())) == 2
    assert outbox_standing(store, NOW).dead == (kind == "dead")


def test_only_the_last_update_counts(store, slack):
    step(store, config(), 0)
    step(store, config(), 1, check(1), check(1, family="quality", name="rows", column=None))
    step(store, config(), 2, check(2), check(2, family="prediction", name="ks"))
    slack.faults += [("chat.update", 500)] * 2
    assert go(store, slack).left_out == 2
    go(store, slack, NOW + timedelta(hours=1))
    go(store, slack, NOW + timedelta(hours=3))
    assert "drift, quality, prediction" in str(slack.shown()[0]["blocks"])
    assert slack.shown()[0]["edited"] == 1


def test_blocks_beyond_the_limits_become_plain_text_in_an_update_too(store, slack):
    lasting(store, config(), 1)
    slack.faults.append(("chat.update", "invalid_blocks"))
    go(store, slack)
    assert slack.shown()[0]["blocks"] == []
    assert slack.shown()[0]["text"].startswith("[closed]")


def test_a_webhook_tells_in_lines_and_leaves_the_rest_out(store, slack):
    lasting(store, config(), 1)
    sender = SlackSender(webhook=slack.webhook_url, timeout=1)
    more = {"slack": sender, "slack_update": SlackUpdateSender(sender)}
    more["slack_chart"] = SlackChartSender(sender, lambda message: b"")
    summary = go(store, slack, **more)
    assert (summary.sent, summary.left_out, summary.problems) == (2, 2, ())
    assert [bool(m.get("blocks")) for m in slack.messages] == [True, False]


def test_reminders_can_be_turned_off(store):
    lasting(store, config(remind="never"), 5)
    assert not [r for r in store.messages() if "reminder" in r.message.transition]


def test_late_labels_amend_the_alert_in_its_thread(store, slack):
    settings = config()
    fell = {"family": "performance", "name": "accuracy", "column": None}
    step(store, settings, 0, check(0, **fell))
    step(store, settings, 1, check(1, False))
    go(store, slack)
    # Not the deciding window, and so none that opens or closes anything.
    step(store, settings, 0, check(0, False, **fell), as_of=day(3).end, fingerprint="g")
    go(store, slack)
    (amended,) = (m for m in slack.replies() if "files" not in m)
    assert amended["thread_ts"] == slack.shown()[0]["ts"]
    assert amended["text"].splitlines() == [
        "m: late labels or rows turned the verdict on 1 check",
        "• 2024-03-01: accuracy 0.1, limit 0.2: no alert any more",
    ]
    assert "@oncall" not in str(amended)


def test_who_acknowledged_it_stands_in_the_first_message_once_and_stays_there(store, slack):
    step(store, config(), 0)
    go(store, slack)
    (incident,) = store.incidents("m")
    for by in ("ann <!channel>", "bob"):
        say(store, incident, "ack", said_by=by, now=NOW, reason="on it")
    go(store, slack)
    (page,) = slack.shown()
    assert page["edited"] == 1
    state, context = page["blocks"][1:3]
    assert "*Open* since" in state["text"]["text"]
    assert (context["type"], context["elements"][0]["text"]) == (
        "context", "acknowledged by ann &lt;!channel&gt;: on it",
    )  # fmt: skip
    # Nobody is called for it, and the end of the incident keeps it.
    assert [m for m in slack.replies() if "files" not in m] == []
    for i in (1, 2, 3):
        step(store, config(), i, check(i, False))
    go(store, slack)
    assert page["edited"] == 2
    assert "*Closed*" in page["blocks"][1]["text"]["text"]
    assert page["blocks"][2] == context


def test_ack_from_the_command_line_is_seen_in_slack_at_once(slack, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
    store = open_store()
    step(store, config(), 0, now=datetime.now(UTC))
    go(store, slack, datetime.now(UTC))
    (incident,) = store.incidents("m")
    for changed in (True, False):
        command = ["incident", incident.id[:8], "--ack", "--by", "ann", "--json"]
        done = CliRunner().invoke(main, command)
        assert json.loads(done.stdout)["changed"] is changed
    store.close()
    assert "acknowledged by ann" in str(slack.shown()[0]["blocks"])
    assert slack.calls.count("chat.update") == 1


# --- Where alerts go, and when not ----------------------------------------------------------------


def test_each_check_goes_to_the_first_route_that_it_fits(monkeypatch):
    monkeypatch.setenv("PAGER", "json://127.0.0.1")
    routes = [
        {"segment": {"origin": "JFK"}, "slack": {"channel": "CJFK"}, "mention": "@jfk"},
        {"family": "quality", "apprise": ["${PAGER}"]},
        {"severity": "warning", "slack": {"channel": "CLOW"}},
        {"models": ["other*"], "slack": {"channel": "COTHER"}},
    ]
    settings = config(routes=routes)
    checks = [
        check(0, segment={"origin": "JFK"}),
        check(0, family="quality"),
        check(0, severity="warning"),
        check(0),
    ]
    goes = routed(settings.alerts, "m", checks, settings.owner.mention)
    assert [(t.address, t.mention) for t in goes] == [
        ("CJFK", "@jfk"), ("${PAGER}", "@oncall"), ("CLOW", None), (CHANNEL, "@oncall"),
    ]  # fmt: skip
    assert [c for own in goes.values() for c in own] == checks
    everyone = every_target(settings.alerts, "m")
    assert [t.address for t in everyone] == [CHANNEL, "CJFK", "${PAGER}", "CLOW"]


def test_a_family_that_joins_opens_a_thread_where_it_goes_and_both_are_closed(store, slack):
    settings = config(routes=[{"family": "quality", "slack": {"channel": "CDATA"}}])
    step(store, settings, 0)
    step(store, settings, 1, check(1), check(1, family="quality", name="nulls"))
    for i in (2, 3, 4):
        step(store, settings, i, check(i, False))
    rows = [r.message for r in store.messages() if r.message.kind == "slack"]
    said = [(m.payload["channel"], m.transition, "reply_to" in m.payload) for m in rows]
    assert said == [
        (CHANNEL, "opened", False), (CHANNEL, "joined:quality", True),
        ("CDATA", "joined:quality", False), (CHANNEL, "closed", True), ("CDATA", "closed", True),
    ]  # fmt: skip
    assert len({m.id for m in rows}) == len(rows)


def test_a_warning_is_told_once_where_a_route_takes_it(store):
    settings = config(routes=[{"severity": "warning", "slack": {"channel": "CLOW"}}])
    for i, bad in enumerate((True, True, False, True, False, False, False, True)):
        step(store, settings, i, check(i, bad, severity="warning"))
    told = [r.message.payload["channel"] for r in store.messages()]
    assert told == ["CLOW", "CLOW"]


def test_maintenance_keeps_alerts_back_and_what_is_open_is_told_after_it(store):
    night = {"name": "backup", "days": ["mon"], "from": "10:00", "to": "14:00"}
    settings = config(maintenance=[night], remind="never")
    step(store, settings, 0, now=NOW)
    assert store.messages() == []
    step(store, settings, 1, now=NOW + timedelta(hours=3))
    assert [r.message.transition for r in store.messages()] == ["opened", "chart"]


def test_the_fleet_says_what_a_file_leaves_out(store, tmp_path: Path):
    (tmp_path / "monitors").mkdir()
    fleet = "alerts: {slack: {channel: CALL}, routes: [{models: [m], slack: {channel: CM}}]}\n"
    (tmp_path / "monitors" / "_fleet.yaml").write_text(fleet)
    step(store, small(model="m"), 0)
    assert [r.message.payload["channel"] for r in store.messages()] == ["CM", "CM"]


@pytest.mark.parametrize(
    ("alerts", "fault"),
    [
        ({"apprise": ["nonsense " + SECRET]}, "alerts.apprise.0: not a URL of Apprise"),
        ({"apprise": ["${NO_SUCH}"]}, "the environment variable NO_SUCH is not set"),
        ({"routes": [{"family": "drift"}]}, "alerts.routes.0: a route needs slack or apprise"),
        ({"routes": [{"famly": "drift"}]}, "did you mean family?"),
        ({"maintenance": [{"name": "x"}]}, "give either start and end, or days"),
        ({"remind": "soon"}, "alerts.remind: not a length of time"),
    ],
)
def test_what_is_wrong_is_said_without_a_secret(alerts: dict[str, Any], fault: str):
    with pytest.raises(ConfigError) as caught:
        config(**alerts)
    assert fault in str(caught.value)
    assert SECRET not in str(caught.value)


# --- Apprise --------------------------------------------------------------------------------------


class Receiver:
    """A JSON endpoint on loopback that Apprise can post to; `status` is what it answers."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.status = 200

    def __enter__(self) -> Receiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status == 200:
                    receiver.taken.append(json.loads(body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"json://ann:{SECRET}@127.0.0.1:{self._http.server_port}/"
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


def test_a_broken_target_repeats_no_other_and_its_secret_is_nowhere(
    tmp_path: Path, receiver: Receiver, monkeypatch, caplog, capsys
):
    monkeypatch.setenv("GOOD", receiver.url)
    monkeypatch.setenv("BAD", f"json://ann:{SECRET}@127.0.0.1:9/")
    caplog.set_level(logging.DEBUG)
    settings = parse_config(
        {**_data(), "alerts": {"apprise": ["${GOOD}", "${BAD}"], "remind": "never"}}
    )
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    lasting(store, settings, 1)
    sender = AppriseSender(partial(address_of, configs=[settings]))
    shown = [repr(settings), repr(sender)]
    for n in range(3):
        at = NOW + n * timedelta(hours=2)
        shown.append(repr(deliver(store, {"apprise": sender}, now=at, holder="d")))
    shown.append(repr(store.messages()))
    assert [m["type"] for m in receiver.taken] == ["failure", "success"]
    assert receiver.taken[0]["title"] == "m: size: PSI 0.9, above 0.2"
    states = {r.message.payload["name"]: r.state for r in store.messages()}
    assert states == {"apprise ${GOOD}": "sent", "apprise ${BAD}": "pending"}
    assert store.messages()[0].message.payload["target"] == target_id("${GOOD}")
    store.close()
    kept = b"".join(p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
    assert SECRET.encode() not in kept
    assert not [t for t in (*shown, caplog.text, *capsys.readouterr()) if SECRET in t]


def test_a_refusal_for_ever_is_dead_and_a_variable_that_is_gone_is_waited_for(
    store, receiver: Receiver, monkeypatch, capsys
):
    monkeypatch.setenv("GOOD", receiver.url)
    settings = parse_config({**_data(), "alerts": {"apprise": ["${GOOD}"]}})
    sender = AppriseSender(partial(address_of, configs=[settings]))
    step(store, settings, 0)
    monkeypatch.delenv("GOOD")
    assert deliver(store, {"apprise": sender}, now=NOW, holder="d", elapsed=lambda: 0.0).held == 1
    assert "the environment variable GOOD is not set" in capsys.readouterr().err
    monkeypatch.setenv("GOOD", receiver.url)
    receiver.status = 404
    summary = deliver(store, {"apprise": sender}, now=NOW, holder="d", elapsed=lambda: 0.0)
    assert summary.dead == 1
    assert summary.problems[0].endswith("refused with HTTP 404")
    found = outbox_standing(store, NOW)
    assert (found.dead, found.problems[0]["to"]) == (1, "apprise ${GOOD}")
    assert outbox_standing(store, NOW + timedelta(days=31)).dead == 0


def _data(**sections: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "source": {"predictions": "p.parquet"},
        "columns": {"timestamp": "ts", "prediction": "y"},
        **sections,
    }


# --- The command ----------------------------------------------------------------------------------


def test_alerts_test_sends_one_marked_message_to_each_receiver(
    tmp_path: Path, slack: SlackServer, receiver: Receiver, monkeypatch
):
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
    monkeypatch.setenv("GOOD", receiver.url)
    file = tmp_path / "m.yaml"
    alerts = {"slack": {"channel": CHANNEL}, "apprise": ["${GOOD}"]}
    with file.open("w") as out:
        YAML(typ="safe", pure=True).dump(_data(alerts=alerts), out)
    done = CliRunner().invoke(main, ["alerts", "test", str(file), "--by", "ann", "--json"])
    document = json.loads(done.stdout)
    assert (done.exit_code, document["ok"]) == (0, True)
    assert [t["sent"] for t in document["targets"]] == [True, True]
    assert slack.messages[0]["text"].startswith("[test] m: ")
    assert receiver.taken[0]["title"] == slack.messages[0]["text"]
    receiver.status, slack.readable = 500, False
    done = CliRunner().invoke(main, ["alerts", "test", str(file)])
    assert done.exit_code == 1
    first, second = done.stdout.splitlines()
    assert "sent (the channel's history cannot be read (missing_scope)" in first
    assert second.endswith("not sent (refused with HTTP 500)")
    assert SECRET not in done.stdout + done.stderr


# --- All together ---------------------------------------------------------------------------------


def test_through_a_slack_that_fails_a_third_of_the_time_nothing_is_lost_or_twice():
    counts = run_with_faults(8, seed=1)
    assert counts["faults"] > 0.25 * counts["requests"]
    found = {name: counts[name] for name in ("incidents", "lost", "twice", "stale", "dead")}
    assert found == {"incidents": 8, "lost": 0, "twice": 0, "stale": 0, "dead": 0}
