"""Several workers open the incidents of one group at the same moment, in a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from postgres_server import PostgresServer
from slack_server import TOKEN, SlackServer
from test_grouping import NOW, go, settings, step, texts

from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.adapters.store import open_store

MODELS = ("a", "b", "c", "d")


def test_one_page_whoever_comes_first(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MONITORING_MONITORS", str(tmp_path))
    (tmp_path / "_fleet.yaml").write_text("budget: 4 per 30d\n")
    store = open_store(postgres.fresh())
    for name in MODELS:
        settings(tmp_path, name)
    ready = Barrier(len(MODELS))

    def work(name: str) -> None:
        ready.wait()
        step(tmp_path, store, name)

    with ThreadPoolExecutor(len(MODELS)) as pool:
        list(pool.map(work, MODELS))
    with SlackServer() as slack:
        sender = SlackSender(TOKEN, base_url=slack.base_url, timeout=1)
        assert go(store, sender, NOW).sent == len(MODELS)
    (page,) = slack.shown()
    assert sorted([*texts([page]), *texts(slack.replies())]) == list(MODELS)
    store.close()
