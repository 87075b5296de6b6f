"""Nothing lost, nothing twice: killed workers, a full disk, a clock that jumps, two at once."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from deciding_worker import MODEL, NOW, check, day, decide
from slack_server import TOKEN, SlackServer

from benchmarks import crashes
from benchmarks.crash_picture import differences
from monitoring_sdk.adapters.notify import deliver
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.errors import StoreError

DAY, LATER = timedelta(days=1), timedelta(hours=2)


@pytest.fixture(scope="module")
def scene() -> Iterator[crashes.Scene]:
    """Lay out a model of which five windows are to be looked at, with a fault in the fourth."""
    with crashes.scene(5, page=False, hook=0.1, command=False) as where:
        yield where


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in a file."""
    opened = open_store(f"sqlite:///{tmp_path}/store.db")
    yield opened
    opened.close()


def post(store: Store, slack: SlackServer, now: datetime) -> None:
    """Deliver what is due."""
    sender = SlackSender(token=TOKEN, base_url=slack.base_url, timeout=1)
    deliver(store, {"slack": sender}, now=now, holder=f"h{now}")


def test_killed_at_random_moments_it_ends_as_if_undisturbed(
    scene: crashes.Scene, tmp_path: Path
) -> None:
    began = time.monotonic()
    whole, *_ = crashes.backfill(scene, f"sqlite:///{tmp_path}/whole.db", pause=0.05)
    longest = time.monotonic() - began
    assert [len(whole[t]) for t in ("incidents", "triggers")] == [1, 1]
    assert len(whole["messages"]) >= 2  # the page, and its chart
    assert [called for _, called in whole["triggers"].values()] == [True]
    left, kills, _, _ = crashes.backfill(
        scene, f"sqlite:///{tmp_path}/killed.db", workers=2, longest=longest, kills=4, pause=0.05
    )
    assert kills > 0
    assert not any(differences(whole, left).values())


def test_a_comparison_sees_what_is_lost_and_what_comes_twice() -> None:
    whole = {"messages": {"a": ("text", None, 1), "b": ("text", None, 1)}}
    left = {"messages": {"a": ("text", None, 2), "c": ("text", None, 1)}}
    (found,) = differences(whole, left).values()
    assert [f.split(":")[0] for f in found] == ["missing", "added", "other"]


def test_a_full_disk_leaves_nothing_half_done_and_the_next_run_goes_on(
    store: Store, slack: SlackServer
) -> None:
    pages: list[int] = []

    @sa.event.listens_for(store._engine, "begin")
    def _limit(connection: sa.Connection) -> None:
        if pages:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages[0]}")

    assert decide(store, 0, (check(0),))
    with store._engine.connect() as connection:
        pages.append(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    with pytest.raises(StoreError, match="full"):
        decide_many(store)
    full = len(store.results(MODEL))
    assert full > 1
    assert store.decided_until(MODEL) == day(full - 1).end
    pages[0] = 1_000_000
    assert decide(store, full, (check(full),))
    assert len(store.incidents(MODEL)) == 1
    post(store, slack, NOW)
    post(store, slack, NOW + DAY)
    assert len(slack.messages) == 1


def test_a_disk_that_is_full_when_the_message_is_sent_does_not_send_it_twice(
    store: Store, slack: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(store, 0, (check(0),))
    whole = store.settle
    monkeypatch.setattr(store, "settle", _full)
    with pytest.raises(StoreError, match="full"):
        post(store, slack, NOW)
    monkeypatch.setattr(store, "settle", whole)
    post(store, slack, NOW + LATER)
    assert len(slack.messages) == 1
    assert [m.state for m in store.messages()] == ["sent"]


def decide_many(store: Store) -> None:
    """Decide window after window, each of some kilobytes."""
    for i in range(1, 400):
        decide(store, i, tuple(check(i, value=0.7 + i * j / 1e7) for j in range(30)))


def _full(*_: object, **__: object) -> bool:
    raise StoreError("database or disk is full")


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_a_clock_that_jumps_neither_loses_nor_repeats_an_alert(
    store: Store, slack: SlackServer, jump: timedelta
) -> None:
    decide(store, 0, (check(0),), hook={"command": ["true"]})
    # Decided by one clock, delivered by another; then the clock is put right.
    post(store, slack, NOW + jump)
    post(store, slack, NOW)
    assert len(slack.messages) == 1
    # Logical time does not jump: nothing is decided again, no cooldown ends early.
    for i, now in ((0, NOW + jump), (1, NOW + jump), (1, NOW), (2, NOW - jump)):
        decide(store, i, (check(i),), now=now, hook={"command": ["true"]})
    post(store, slack, NOW + DAY)
    assert len(store.incidents(MODEL)) == len(store.triggers(MODEL)) == len(slack.messages) == 1
    assert store.decided_until(MODEL) == day(2).end


def test_an_alert_of_a_clock_that_was_ahead_goes_out_at_once(
    store: Store, slack: SlackServer
) -> None:
    decide(store, 0, (check(0),), now=NOW + DAY)
    post(store, slack, NOW)
    assert len(slack.messages) == 1


def test_two_workers_on_one_store_end_as_one_would(scene: crashes.Scene, tmp_path: Path) -> None:
    one, *_ = crashes.backfill(scene, f"sqlite:///{tmp_path}/one.db", pause=0.0)
    two, _, _, calls = crashes.backfill(
        scene, f"sqlite:///{tmp_path}/two.db", workers=2, pause=0.05
    )
    assert not any(differences(one, two).values())
    assert calls == 1
    # A retry of what is finished changes nothing, and tells nobody again.
    shutil.copy(tmp_path / "two.db", tmp_path / "again.db")
    again = threading.Thread(target=_rerun, args=(scene, f"sqlite:///{tmp_path}/again.db"))
    again.start()
    again.join()
    for name in ("two", "again"):
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as plain:
            kept = [plain.execute(f"SELECT count(*) FROM {t}").fetchone() for t in KEPT]
        assert kept == [(len(one["verdicts"]),), (1,), (1,), (len(one["outbox"]),)]


KEPT = ("result", "incident", "trigger", "outbox")


def _rerun(scene: crashes.Scene, url: str) -> None:
    left, *_ = crashes.backfill(scene, url, pause=0.0)
    assert left["messages"] == {}
