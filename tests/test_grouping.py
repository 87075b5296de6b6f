"""One broken column of several models is told once; the others answer in the first one's thread."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_server import TOKEN, SlackServer
from small_model import DRIFT_DAY, day, write_small_model
from test_config import small
from test_fleet import write

from monitoring_sdk.adapters.notify import DeliverySummary, deliver
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import load_config
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.fleet import load_fleet
from monitoring_sdk.report import Check
from monitoring_sdk.stages import build_baseline, walk
from monitoring_sdk.stages.decide import decide_window
from monitoring_sdk.stages.fleet import causes_of, incident_groups
from monitoring_sdk.window import Window
from monitoring_sdk.yaml_file import YAML, read_mapping

CHANNEL = "C0123456"
NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
START = day(0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MONITORING_MONITORS", str(tmp_path / "monitors"))
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    (tmp_path / "monitors").mkdir()
    (tmp_path / "monitors" / "_fleet.yaml").write_text("budget: 4 per 30d\n")
    return tmp_path / "monitors"


@pytest.fixture
def store() -> Iterator[Store]:
    store = open_store("sqlite://")
    yield store
    store.close()


@pytest.fixture
def sender(slack: SlackServer) -> SlackSender:
    return SlackSender(TOKEN, base_url=slack.base_url, timeout=1)


def go(store: Store, sender: SlackSender, now: datetime = NOW) -> DeliverySummary:
    return deliver(store, {"slack": sender}, now=now, holder="d", elapsed=lambda: 0.0)


def settings(folder: Path, name: str, *, channel: str | None = CHANNEL, **sections: Any) -> None:
    alerts = {} if channel is None else {"alerts": {"slack": {"channel": channel}}}
    write(folder, name, window={"every": "1h"}, **{**alerts, **sections})


def step(
    folder: Path,
    store: Store,
    name: str,
    hours: int = 0,
    *,
    column: str = "income",
    status: str = "alert",
    now: datetime = NOW,
) -> None:
    """Decide an hour in which a column of a model is broken, or not."""
    window = Window(START + hours * HOUR, START + (hours + 1) * HOUR)
    check = Check("drift", "psi", window, status, column, value=0.9, threshold=0.2,
                  threshold_from="user", direction="above", exceeded=status == "alert")  # fmt: skip
    row = ResultRow(
        name, window, "data", "v1", "s", str(hours), window.end, "ok", None, 9, (check,)
    )
    config = load_config(folder / f"{name}.yaml")
    decide_window(config, row, [], [], store, holder="t", now=now)


# --- End to end -----------------------------------------------------------------------------------


def test_three_models_with_one_broken_column_page_once(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender
):
    data = read_mapping(write_small_model(folder.parent, sys.executable))
    alerts = {"slack": {"channel": CHANNEL}}
    names = ("churn", "fraud", "risk")
    for name in names:
        with (folder / f"{name}.yaml").open("w") as file:
            sections = {**data, "model": name, "alerts": alerts, "owner": {"mention": "@oncall"}}
            YAML(typ="safe", pure=True).dump(sections, file)
    configs = [load_config(folder / f"{name}.yaml") for name in names]
    windows = [Window(day(i), day(i + 1)) for i in (DRIFT_DAY - 1, DRIFT_DAY)]
    for config in configs:
        build_baseline(config, now=day(20))
        list(walk(config, windows, store, notify=True))
    go(store, sender, datetime.now(UTC) + HOUR)
    (page,) = slack.shown()
    first, second = slack.replies()
    assert page["text"].startswith("churn: size: PSI ")
    assert {first["thread_ts"], second["thread_ts"]} == {page["ts"]}
    assert first["text"].startswith("fraud: size: PSI ")
    assert first["text"].endswith("one incident of 2 models, by the column size: churn, fraud")
    assert second["text"].endswith(
        "one incident of 3 models, by the column size: churn, fraud, risk"
    )
    # Whom the page called is not called again.
    assert ["@oncall" in str(m["blocks"]) for m in slack.messages] == [True, False, False]
    # Each model has its own incident all the same, and the group is what they have in common.
    assert [len(store.incidents(name)) for name in names] == [1, 1, 1]
    (group,) = incident_groups(store, configs, load_fleet(folder))["groups"]
    assert (group["models"], group["columns"]) == (list(names), ["size"])


# --- Who answers whom -----------------------------------------------------------------------------


def texts(found: list[dict]) -> list[str]:
    return [m["text"].split(":")[0] for m in found]


def test_what_follows_on_a_reply_stays_in_the_thread(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender
):
    for name in ("a", "b"):
        settings(folder, name)
        step(folder, store, name)
    for hours in (1, 2, 3):
        step(folder, store, "b", hours, status="ok")
    go(store, sender)
    assert texts(slack.shown()) == ["a"]
    assert [m["text"].split(" after")[0] for m in slack.replies()][1:] == ["b: incident closed"]


@pytest.mark.parametrize(
    ("changed", "hours", "column"),
    [
        ({}, 2, "income"),
        ({}, 0, "age"),
        ({"source": {"predictions": "other.parquet"}}, 0, "income"),
    ],
)
def test_what_has_another_cause_pages_for_itself(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender,
    changed: dict[str, Any], hours: int, column: str,
):  # fmt: skip
    settings(folder, "a")
    settings(folder, "b", **changed)
    step(folder, store, "a")
    step(folder, store, "b", hours, column=column)
    go(store, sender)
    assert texts(slack.shown()) == ["a", "b"]
    assert not any("one incident" in m["text"] for m in slack.messages)


def test_without_a_fleet_each_model_pages(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender
):
    (folder / "_fleet.yaml").unlink()
    for name in ("a", "b"):
        settings(folder, name)
        step(folder, store, name)
    go(store, sender)
    assert texts(slack.shown()) == ["a", "b"]
    configs = [load_config(folder / f"{n}.yaml") for n in "ab"]
    assert incident_groups(store, configs, None) == {"schema": 1, "groups": []}


def test_another_channel_has_a_page_of_its_own(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender
):
    settings(folder, "a", channel="C0OTHER")
    for name in ("b", "c"):
        settings(folder, name)
    for name in ("a", "b", "c"):
        step(folder, store, name)
    go(store, sender)
    assert texts(slack.shown()) == ["b"]
    assert texts(slack.replies()) == ["c"]


def test_a_file_that_is_gone_groups_nothing_and_stops_nobody(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender
):
    for name in ("a", "b"):
        settings(folder, name)
    step(folder, store, "a")
    (folder / "a.yaml").unlink()
    step(folder, store, "b")
    go(store, sender)
    assert texts(slack.shown()) == ["a", "b"]


# --- Where there is no thread ---------------------------------------------------------------------


def both(folder: Path, store: Store, **sections: Any) -> None:
    for name in ("a", "b"):
        settings(folder, name, **sections)
        step(folder, store, name)


def test_a_webhook_shows_one_line(folder: Path, store: Store, slack: SlackServer):
    both(folder, store)
    go(store, SlackSender(webhook=slack.webhook_url, timeout=1))
    page, line = slack.messages
    assert page["blocks"]
    assert "blocks" not in line
    assert line["text"].endswith("one incident of 2 models, by the column income: a, b")


def test_the_console_shows_one_line(
    folder: Path, store: Store, sender: SlackSender, capsys: pytest.CaptureFixture[str]
):
    both(folder, store, channel=None)
    go(store, sender)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("]")[0] for line in lines] == ["[a", "[b"]
    assert "one incident of 2 models" in lines[1]


def test_without_a_token_both_are_shown_and_answer_once_there_is_one(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    both(folder, store)
    assert go(store, SlackSender()).held == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    go(store, sender, NOW + HOUR / 2)
    assert (texts(slack.shown()), texts(slack.replies())) == (["a"], ["b"])


@pytest.mark.parametrize("fault", ["channel_not_found", "thread_not_found"])
def test_a_first_message_that_never_arrives_leaves_one_line(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender, fault: str
):
    both(folder, store)
    if fault == "thread_not_found":  # somebody deleted it
        slack.faults += [("chat.postMessage", None), ("chat.postMessage", fault)]
    else:
        slack.faults.append(("chat.postMessage", fault))
    go(store, sender)
    shown = slack.shown()
    assert texts(shown)[-1] == "b"
    assert "blocks" not in shown[-1]
    assert "one incident of 2 models" in shown[-1]["text"]


def test_a_reply_waits_for_its_thread_but_not_for_ever(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender
):
    both(folder, store)
    slack.faults.append(("chat.postMessage", 429))
    assert go(store, sender).retried == 1
    assert slack.messages == []
    go(store, sender, NOW + timedelta(minutes=5))
    assert (texts(slack.shown()), texts(slack.replies())) == (["a"], ["b"])


def test_a_reply_goes_alone_after_an_hour(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender
):
    both(folder, store)
    slack.faults += [("chat.postMessage", 429), ("chat.postMessage", 429)]
    go(store, sender)
    go(store, sender, NOW + HOUR + timedelta(seconds=1))
    assert texts(slack.shown()) == ["b"]


def test_a_reply_in_doubt_is_found_in_its_thread(
    folder: Path, store: Store, slack: SlackServer, sender: SlackSender
):
    both(folder, store)
    slack.faults += [("chat.postMessage", None), ("chat.postMessage", "drop")]
    assert go(store, sender).sent == 2
    assert texts(slack.replies()) == ["b"]
    assert "conversations.replies" in slack.calls


# --- Which columns --------------------------------------------------------------------------------


def test_what_a_model_writes_is_its_own_and_a_feature_may_come_from_either_table():
    source = {"predictions": "p.parquet", "features": {"path": "f.parquet", "on": "id"}}
    config = small(source=source, columns={"timestamp": "t", "prediction": "y", "score": "s"})
    keys = ["drift/psi/age", "prediction/psi/s", "performance/accuracy", "drift/ks/a[b=c]"]
    assert causes_of(config, keys) == {
        ("p.parquet", "age"), ("f.parquet", "age"), ("p.parquet", "s"), ("p.parquet", "a"),
        ("f.parquet", "a"),
    }  # fmt: skip
    one, other = (
        small(source={"predictions": {"url": "postgresql://h/d", "table": name}}) for name in "tu"
    )
    assert not causes_of(one, keys) & causes_of(other, keys)
