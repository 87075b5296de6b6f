"""The store when others hold it, hang, or go away, with real processes and a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from conftest import fresh_store
from deciding_worker import MODEL, NOW, check, day, decide, row
from postgres_server import PASSWORD, PostgresServer

from monitoring_sdk.adapters import engine as database
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.cli import main
from monitoring_sdk.decision import Decision
from monitoring_sdk.errors import StoreError

WORKER = Path(__file__).with_name("deciding_worker.py")


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """Return the address of a store in PostgreSQL."""
    return fresh_store(request)


@contextmanager
def holding(url: str) -> Iterator[subprocess.Popen[str]]:
    """Keep a process that holds the model's lease, and decides window 0 once it is told to."""
    process = subprocess.Popen(
        [sys.executable, str(WORKER), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process
    finally:
        process.kill()
        process.wait()


def fence(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT fence FROM lease").fetchone()
    assert found is not None
    return int(found[0])


def fingerprints(url: str) -> list[str]:
    store = open_store(url)
    found = [r.fingerprint for r in store.results(MODEL, newest=False)]
    store.close()
    return found


def test_a_second_worker_waits_for_the_first_and_finds_it_decided(store_url: str) -> None:
    store, answers = open_store(store_url), []
    with holding(store_url) as first:
        second = threading.Thread(target=lambda: answers.append(decide(store, 0, (check(0),))))
        second.start()
        second.join(0.7)
        assert second.is_alive()
        first.communicate("go\n", timeout=30)
        assert first.returncode == 0
        second.join(30)
    assert answers == [False]
    assert fingerprints(store_url) == ["held"]
    store.close()


def test_a_worker_that_hangs_is_not_waited_for_for_ever(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 1)
    store = open_store(url)
    with holding(url) as first:
        os.kill(first.pid, signal.SIGSTOP)
        with pytest.raises(StoreError, match=f"cannot decide {MODEL}: .*lock"):
            decide(store, 0, (check(0),))
        os.kill(first.pid, signal.SIGCONT)
        first.communicate("go\n", timeout=30)
    assert not decide(store, 0, (check(0),))
    store.close()


def test_a_worker_that_hung_too_long_writes_nothing_when_it_comes_back(url: str) -> None:
    store = open_store(url)
    with holding(url) as first:
        os.kill(first.pid, signal.SIGSTOP)
        # What the server does by itself once a transaction was idle for too long.
        with psycopg.connect(url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE state = 'idle in transaction' AND datname = current_database()"
            )
        assert decide(store, 0, (check(0),), holder="second")
        os.kill(first.pid, signal.SIGCONT)
        _, said = first.communicate("go\n", timeout=30)
    assert first.returncode == 1
    assert f"StoreError: postgresql+psycopg://me:***@127.0.0.1:{_port(url)}" in said
    assert f"cannot decide {MODEL}" in said
    assert PASSWORD not in said
    assert fingerprints(url) == ["f"]
    # The first one's taking of the lease was undone with all the rest.
    assert fence(url) == 1
    store.close()


def _port(url: str) -> str:
    return url.rpartition(":")[2].partition("/")[0]


def test_a_server_that_restarts_in_the_middle_leaves_nothing_and_the_next_run_goes_on(
    url: str, postgres: PostgresServer
) -> None:
    store = open_store(url)
    assert decide(store, 0, (check(0),))

    def broken_off() -> None:
        with store.deciding(MODEL, holder="a", now=NOW) as tx:
            tx.save(Decision(MODEL, day(1), day(1).end, (row(1, (check(1),), "lost"),)))
            assert tx.result(day(1), "performance") is not None
            postgres.stop()
            postgres.start()

    with pytest.raises(StoreError) as caught:
        broken_off()
    assert f"cannot decide {MODEL}: " in str(caught.value)
    assert PASSWORD not in repr(caught.value)
    # The same store, and the same pool with its dead connections.
    assert fingerprints(url) == ["f"]
    assert store.decided_until(MODEL) == day(0).end
    assert decide(store, 1, (check(1),))
    assert store.decided_until(MODEL) == day(1).end
    store.close()


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["deliver", "--json"]])
def test_a_server_that_is_away_is_one_line_without_the_password(
    postgres: PostgresServer, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = f"postgresql://me:{PASSWORD}@127.0.0.1:9/db?sslpassword=hunter3secret"
    refused = postgres.url("no_such_database")
    wrong = postgres.url().replace(PASSWORD, "an0ther-secret%21")
    for place, reason in ((absent, "refused"), (refused, "does not exist"), (wrong, "password")):
        monkeypatch.setenv("MONITORING_STORE", place)
        done = CliRunner().invoke(main, command)
        debugged = CliRunner().invoke(main, [*command, "--debug"])
        assert done.exit_code == 1
        assert done.stdout == ""
        assert "cannot be opened" in done.stderr
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert debugged.exc_info is not None
        traced = "".join(traceback.format_exception(*debugged.exc_info))
        for secret in (PASSWORD, "an0ther-secret", "hunter3secret"):
            assert secret not in done.stderr + traced
