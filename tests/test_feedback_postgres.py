"""Feedback on a real PostgreSQL, where its programs are installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from feedback_model import HOUR, MODEL, NOW, decide, only_incident, told, window, write_monitor
from postgres_server import PostgresServer

from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.feedback import Epoch
from monitoring_sdk.stages import feedback
from monitoring_sdk.stages.status import standings


@pytest.fixture
def store(postgres: PostgresServer) -> Iterator[Store]:
    """Open a store in it."""
    opened = open_store(postgres.fresh())
    yield opened
    opened.close()


def test_what_is_said_has_its_effects_there_too(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_monitor(tmp_path, monkeypatch)
    feedback.silence(store, MODEL, HOUR, said_by="ann", now=NOW, reason="release")
    decide(config, store, 1, "prediction")
    assert told(store) == []
    feedback.silence(store, MODEL, 0 * HOUR, said_by="ann", now=NOW + HOUR / 2)
    decide(config, store, 2, "prediction", now=NOW + HOUR)
    assert told(store) == ["opened"]
    incident = feedback.find_incident(store, only_incident(store).id[:8])
    for kind in ("ack", "expected_change", "expected_change"):
        feedback.say(store, incident, kind, said_by="ann", now=NOW + HOUR)
    kinds = [f.kind for f in store.feedback(MODEL)]
    assert kinds == ["silence", "silence", "ack", "expected_change"]
    start = window(config, 1).start
    assert store.epochs(MODEL) == [Epoch(MODEL, start, "v1", ("prediction",), None)]
    every = Epoch(MODEL, window(config, 2).start, "v1", None, None)
    with store.deciding(MODEL, holder="t", now=NOW) as tx:
        assert [tx.start_epoch(every), tx.start_epoch(every)] == [True, False]
    assert store.epochs(MODEL)[-1] == every
    assert only_incident(store).closed == window(config, 2).end
    decide(config, store, 3, now=NOW + HOUR)
    assert told(store) == ["opened", "closed"]
    (standing,) = standings(store, NOW)
    assert (standing.status, standing.spent, standing.incident) == ("ok", 1, None)
