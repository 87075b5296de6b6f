"""What comes of a trigger: put off, approved, answered, or left without an answer."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import PrefectServer
from feedback_model import HOUR, MODEL, NOW, decide, told, window, write_monitor

from monitoring_sdk import cli, stages
from monitoring_sdk.adapters.outbox import REPLY_TO
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import message_id
from monitoring_sdk.report import Trigger
from monitoring_sdk.stages import feedback, outcomes
from monitoring_sdk.stages.answers import OF_THE_MODEL

PLAIN = 'retraining: {when: [drift], cooldown: 0d, hook: {command: ["true"]}}'
DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path}/store.db")
    write_monitor(tmp_path, monkeypatch)
    return tmp_path


def config_with(folder: Path, section: str) -> MonitorConfig:
    path = folder / "monitors" / f"{MODEL}.yaml"
    path.write_text(path.read_text().replace(PLAIN, f"retraining: {section}"))
    return stages.find_config(MODEL)[0]


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture
def waiting(folder: Path, store: Store, request: pytest.FixtureRequest) -> Trigger:
    """A trigger that waits for approval."""
    config = config_with(
        folder, '{when: [drift], approval: true, hook: {command: ["true"]}, cooldown: 0d}'
    )
    # Ids follow from the window, and a server knows the runs of all tests.
    decide(config, store, getattr(request, "param", 1), "drift")
    return only(store)


def only(store: Store) -> Trigger:
    (found,) = store.triggers(MODEL, unasked=True)
    return found


def asked(folder: Path, store: Store, section: str = PLAIN) -> Trigger:
    """Decide a window that triggers, and call its hook, which succeeds."""
    decide(stages.find_config(MODEL)[0], store, 1, "drift")
    stages.deliver_triggers(store, now=NOW)
    assert only(store).state == "sent"
    return only(store)


def monitoring(*arguments: Any) -> Result:
    return CliRunner().invoke(cli.main, ["retraining", *map(str, arguments)])


def document(*arguments: Any) -> Any:
    result = monitoring(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def notes(store: Store) -> list[str]:
    return [t for t in told(store) if t.startswith("retraining:")]


class TestPutOff:
    section = '{when: [drift], cooldown: 0d, quiet_hours: sat-sun, hook: {command: ["true"]}}'

    def test_it_is_noted_and_follows_when_it_may(self, folder: Path, store: Store):
        config = config_with(folder, self.section)
        # Friday's window ends with the weekend's first moment.
        report = decide(config, store, 1, "drift")
        assert report.triggers == ()
        assert (only(store).state, only(store).outcome) == ("put_off", "quiet hours")
        assert store.triggers(MODEL) == []
        assert "trigger" not in told(store)
        decide(config, store, 2)
        report = decide(config, store, 3)
        assert only(store).state == "pending"
        assert report.triggers == (only(store),)
        assert only(store).window_end == window(config, 3).end
        assert told(store).count("trigger") == 1

    def test_it_lapses_with_its_incident(self, folder: Path, store: Store):
        config = config_with(folder, self.section.replace("sat-sun", "fri-wed"))
        decide(config, store, 1, "drift")
        for day in (2, 3, 4):
            decide(config, store, day)
        decide(config, store, 8)
        assert only(store).state == "lapsed"
        assert "trigger" not in told(store)
        assert document()["triggers"][0]["state"] == "lapsed"

    def test_an_acknowledged_incident_does_not_follow(self, folder: Path, store: Store):
        config = config_with(folder, self.section)
        decide(config, store, 1, "drift")
        feedback.say(store, store.incidents()[0], "ack", said_by="ann", now=NOW)
        decide(config, store, 2, "drift")
        decide(config, store, 3, "drift")
        assert "trigger" not in told(store)


class TestApproval:
    def test_nothing_is_called_until_somebody_says_yes(self, store: Store, waiting: Trigger):
        assert waiting.state == "awaiting_approval"
        assert told(store) == ["opened", "approval", "retraining:approval"]
        (asking,) = [m.message for m in store.messages() if m.message.transition == "approval"]
        assert asking.payload["within"] == 86400
        said = document(waiting.id[:8], "--approve", "--by", "ann")
        assert (said["changed"], said["trigger"]["state"]) == (True, "pending")
        assert told(store).count("trigger") == 1
        again = monitoring(waiting.id, "--approve")
        assert "said before" in again.stdout
        assert told(store).count("trigger") == 1

    def test_no_is_recorded_and_said_in_the_thread(self, store: Store, waiting: Trigger):
        document(waiting.id, "--decline", "--by", "ann", "--reason", "a sale")
        assert (only(store).state, only(store).outcome) == ("declined", "declined by ann: a sale")
        (row,) = [r for r in store.messages() if r.message.transition == "retraining:declined"]
        assert row.message.payload[REPLY_TO] == message_id(MODEL, waiting.incident, "opened")
        assert monitoring(waiting.id, "--outcome", "promoted").exit_code == 2
        assert "trigger" not in told(store)

    def test_without_an_answer_it_is_escalated_once(self, store: Store, waiting: Trigger):
        outcomes.look_after(store, NOW + DAY - HOUR)
        assert notes(store) == ["retraining:approval"]
        for late in (1, 2):
            outcomes.look_after(store, NOW + late * DAY)
        assert notes(store) == ["retraining:approval", "retraining:unapproved"]
        assert only(store).state == "awaiting_approval"


class TestOutcome:
    def test_promoted_starts_an_epoch_of_what_the_model_says(self, folder: Path, store: Store):
        trigger = asked(folder, store)
        decide(stages.find_config(MODEL)[0], store, 2, "drift")
        options = (trigger.id, "--outcome", "promoted", "--model-version", "8", "--by", "ann")
        assert document(*options)["changed"]
        (epoch,) = store.epochs(MODEL)
        assert epoch.families == OF_THE_MODEL == ("prediction", "performance", "estimate")
        assert epoch.valid_from == window(stages.find_config(MODEL)[0], 2).end
        assert str(only(store).outcome) == (
            "promoted 8, said by ann; not compared: the monitor file names no labels; "
            "an epoch of prediction, performance, estimate starts"
        )
        assert not document(*options)["changed"]
        assert len(store.epochs(MODEL)) == 1
        assert notes(store) == ["retraining:promoted"]
        refused = monitoring(trigger.id, "--outcome", "kept")
        assert refused.exit_code == 2
        assert "is promoted and cannot be kept" in refused.stderr

    def test_no_better_model_is_said_in_the_thread(self, folder: Path, store: Store):
        trigger = asked(folder, store)
        document(trigger.id, "--outcome", "kept", "--reason", "no gain")
        assert notes(store) == ["retraining:kept"]
        assert store.epochs(MODEL) == []

    def test_no_answer_is_escalated_once_and_not_in_silence(self, folder: Path, store: Store):
        asked(folder, store)
        outcomes.look_after(store, NOW + 2 * DAY - HOUR)
        assert notes(store) == []
        at = NOW + 2 * DAY
        feedback.silence(store, MODEL, 2 * HOUR, said_by="ann", now=at, reason="x")
        outcomes.look_after(store, at)
        assert notes(store) == []
        for hours in (3, 4):
            outcomes.look_after(store, at + hours * HOUR)
        assert notes(store) == ["retraining:unanswered"]

    @pytest.mark.server
    @pytest.mark.parametrize(
        ("end", "said", "state"),
        [
            (("FAILED", "Failed"), "no memory", "failed"),
            (("CRASHED", "Crashed"), None, "failed"),
            (("COMPLETED", "Promoted"), "version 8", "promoted"),
            (("COMPLETED", "Kept"), None, "kept"),
            (("COMPLETED", "Completed"), None, "finished"),
        ],
    )
    def test_the_run_of_a_deployment_says_how_it_ended(
        self,
        folder: Path,
        store: Store,
        prefect: PrefectServer,
        deployed: Callable[..., str],
        end: tuple[str, str],
        said: str | None,
        state: str,
    ):
        # The trigger's id is the run's key, and a server knows the runs of all tests.
        flow = f"train-{end[1].lower()}"
        deployed(flow, "model")
        config = config_with(folder, f"{{when: [drift], hook: {{deployment: {flow}/shop}}}}")
        # A file elsewhere than in the folder of monitors.
        (folder / "monitors" / f"{MODEL}.yaml").unlink()
        decide(config, store, 1, "drift")
        stages.deliver_triggers(store, now=NOW, configs=[config])
        (row,) = [r for r in store.messages() if r.message.transition == "trigger"]
        run = (row.receipt or {})["flow_run"]
        outcomes.look_after(store, NOW, configs=[config])
        assert only(store).state == "sent"
        ended = {"type": end[0], "name": end[1], "message": said}
        prefect.post(f"flow_runs/{run}/set_state", {"state": ended, "force": True})
        outcomes.look_after(store, NOW)
        assert only(store).state == "sent"
        for _ in range(2):
            outcomes.look_after(store, NOW, configs=[config])
        assert only(store).state == state
        assert notes(store) == [f"retraining:{state}"]
        told = str(only(store).outcome)
        assert told.startswith(f"the run ended {end[1]}" + (f": {said}" if said else ""))
        assert ("not compared: " in told) is (state in ("promoted", "kept"))
        began = [e.families for e in store.epochs(MODEL)]
        assert began == ([OF_THE_MODEL] if state == "promoted" else [])

    def test_it_is_listed_and_shown(self, folder: Path, store: Store):
        assert monitoring().stdout == "no retraining was asked for\n"
        trigger = asked(folder, store)
        assert trigger.id[:8] in monitoring().stdout
        assert trigger.reason in monitoring(trigger.id).stdout
        assert monitoring("nowhere").exit_code == 2
        assert monitoring(trigger.id, "--by", "ann").exit_code == 2
        assert monitoring(trigger.id, "--approve", "--decline").exit_code == 2


@pytest.mark.server
@pytest.mark.parametrize(
    ("waiting", "approved", "state"),
    [(5, True, "sent"), (6, False, "declined")],
    indirect=["waiting"],
)
def test_the_suspended_run_is_answered_through_prefect(
    prefect_server: PrefectServer, store: Store, waiting: Trigger, approved: bool, state: str
):
    from prefect.client.orchestration import get_client
    from prefect.exceptions import Pause
    from prefect.flow_engine import run_flow
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.types.entrypoint import EntrypointType

    from flows.approve import approve

    def run(identity: str) -> dict[str, Any]:
        """Run it in this process, as a worker does in one of its own."""
        with get_client(sync_client=True) as client:
            flow_run = client.read_flow_run(uuid.UUID(identity))
        with contextlib.suppress(Pause):
            run_flow(
                approve, flow_run=flow_run, parameters=flow_run.parameters, return_type="state"
            )
        (found,) = prefect_server.flow_runs(id={"any_": [identity]})
        return found

    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        approve.to_deployment("all-models", entrypoint_type=EntrypointType.MODULE_PATH).apply()
        stages.deliver_triggers(store, now=NOW)
        (row,) = [r for r in store.messages() if r.message.transition == "approval"]
        assert row.state == "sent", row.detail
        identity = row.receipt["flow_run"]
        assert run(identity)["state"]["name"] == "Suspended"
        answer = {"run_input": {"approve": approved, "by": "ann"}}
        assert prefect_server.post(f"flow_runs/{identity}/resume", answer)["status"] == "ACCEPT"
        assert run(identity)["state_type"] == "COMPLETED"
    assert only(store).state == state
