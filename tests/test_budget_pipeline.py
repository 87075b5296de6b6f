"""The budget through the pipeline: one small model whose inputs drift on its thirtieth day."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_model import BASELINE_DAYS, DAYS, DRIFT_DAY, day, write_small_model

from monitoring_sdk import stages
from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.alarms.budget import Alarms
from monitoring_sdk.alarms.thresholds import SAFETY
from monitoring_sdk.alarms.watching import Watching
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.cli import main
from monitoring_sdk.config import MonitorConfig, load_config
from monitoring_sdk.config_alarm import Alarm
from monitoring_sdk.report import Check, Report
from monitoring_sdk.stages import feedback
from monitoring_sdk.stages.alarms import Budgeting
from monitoring_sdk.stages.explaining import Known, explain_window
from monitoring_sdk.stages.replaying import Replayed, replay, stored
from monitoring_sdk.window import Window


@dataclasses.dataclass(frozen=True)
class World:
    """A walked model: its files, its baseline, its store and what each step reported."""

    file: Path
    config: MonitorConfig
    baseline: Baseline
    url: str
    windows: tuple[Window, ...]
    reports: tuple[Report, ...]

    @property
    def store(self) -> Store:
        return open_store(self.url)

    def checks(self, number: int) -> dict[str, Check]:
        return {c.key: c for c in self.reports[number - BASELINE_DAYS].checks}


def span(first: int, last: int, config: MonitorConfig) -> tuple[Window, ...]:
    return tuple(config.cadence.windows(day(first), day(last)))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("budget")
    file = write_small_model(folder, sys.executable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_BASELINES", str(folder / "baselines"))
        patch.setenv("MONITORING_MONITORS", str(folder / "monitors"))
        patch.setenv("MONITORING_STORE", f"sqlite:///{folder / 'store.db'}")
        patch.setenv("MONITORING_REPORTS", str(folder / "reports"))
        config = load_config(file)
        baseline = stages.build_baseline(config, now=day(DAYS))
        windows = span(BASELINE_DAYS, DAYS, config)
        store = open_store()
        reports = tuple(stages.walk(config, windows, store))
        yield World(file, config, baseline, f"sqlite:///{folder / 'store.db'}", windows, reports)


def test_a_baseline_keeps_its_alarms(world: World) -> None:
    watching = world.baseline.watching
    assert isinstance(watching, Watching)
    assert isinstance(watching.alarms, Alarms)
    assert not watching.alarms.provisional
    assert watching.alarms.windows == BASELINE_DAYS
    assert watching.alarms.thresholds.expected <= SAFETY
    keys = {w.key for w in watching.watched}
    assert {"drift/location/size", "quality/null_share/kind", "performance/roc_auc"} <= keys
    assert "estimate/accuracy" in keys
    # Of two levels the rarer one tells it all.
    assert len([k for k in keys if k.startswith("prediction/share@")]) == 1
    # Every value that is watched has a series over the reference windows.
    assert keys <= set(world.baseline.reference)
    again = baselines.load(Path(world.file.parent.parent / "baselines"), world.config.model)
    assert again.watching == watching


def test_nothing_pages_before_the_change_and_the_change_does_at_once(world: World) -> None:
    before = world.reports[: DRIFT_DAY - BASELINE_DAYS]
    assert all(not r.incidents for r in before)
    first = world.reports[DRIFT_DAY - BASELINE_DAYS]
    (incident,) = first.incidents
    assert incident.opened == first.window.end
    assert incident.families == ("drift",)
    assert "drift/location/size" in incident.checks


def test_a_result_says_its_threshold_effect_horizon_and_where_it_is_from(world: World) -> None:
    found = world.checks(DRIFT_DAY)
    moved = found["drift/location/size"]
    assert moved.status == "alert"
    assert moved.severity == "critical"
    assert moved.threshold_from == "budget"
    assert moved.horizon == 1
    assert moved.score is not None
    assert moved.score > 1
    assert moved.usual is not None
    assert moved.effect == pytest.approx(moved.value - moved.usual)
    assert moved.value > moved.threshold > moved.usual
    calm = world.checks(25)["drift/location/size"]
    assert (calm.status, calm.exceeded) == ("ok", False)
    assert calm.score < 1


def test_what_is_judged_has_a_threshold_and_what_has_none_is_not_judged(world: World) -> None:
    for report in world.reports:
        for check in report.checks:
            if check.family in ("drift", "prediction") and check.status in ("ok", "alert"):
                assert check.threshold is not None
                assert check.threshold_from in ("budget", "user")
            if check.status == "ok":
                assert check.value is not None


def test_a_distance_pages_only_beside_what_is_watched_of_its_column(world: World) -> None:
    at_change = world.checks(DRIFT_DAY)
    ks = at_change["drift/ks/size"]
    assert (ks.status, ks.severity, ks.threshold_from) == ("alert", "critical", "budget")
    for report in world.reports[: DRIFT_DAY - BASELINE_DAYS]:
        assert not any(c.pages for c in report.checks)


def test_the_users_limit_stands_beside_the_budget(world: World) -> None:
    psi = world.checks(DRIFT_DAY)["drift/psi/size"]
    assert (psi.threshold_from, psi.threshold, psi.status) == ("user", 0.5, "alert")


def test_a_replay_says_what_was_said_and_leaves_no_trace(world: World) -> None:
    path = Path(world.url.removeprefix("sqlite:///"))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    known = stored(world.config, world.windows, world.store)
    assert known is not None
    past = Replayed()
    assert list(replay(world.config, world.windows, known, past)) == list(world.windows)
    assert past.incidents() == world.store.incidents(world.config.model)
    for window in world.windows:
        for part in ("data", "performance"):
            (was,) = world.store.results(world.config.model, window.start, window.end, part) or [
                None
            ]
            now = past.row(window, part)
            assert (was is None) == (now is None)
            if was is not None and now is not None:
                assert [(c.key, c.status, c.threshold) for c in now.checks] == [
                    (c.key, c.status, c.threshold) for c in was.checks
                ]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def _replayed(world: World, config: MonitorConfig) -> Replayed:
    known = stored(config, world.windows, world.store)
    assert known is not None
    past = Replayed()
    list(replay(config, world.windows, known, past))
    return past


def test_a_file_can_be_tuned_by_replay(world: World) -> None:
    window = world.windows[3]

    def limit(config: MonitorConfig) -> float:
        row = _replayed(world, config).row(window, "data")
        assert row is not None
        (found,) = [c for c in row.checks if c.key == "drift/location/size"]
        assert found.threshold is not None
        assert found.usual is not None
        return abs(found.threshold - found.usual)

    loose = world.config.model_copy(update={"alarm": Alarm(budget="10 per 30d")})
    strict = world.config.model_copy(update={"alarm": Alarm(budget="1 per 365d")})
    assert limit(loose) < limit(world.config) < limit(strict)
    quiet = world.config.model_copy(update={"alarm": Alarm(digest_only=("size",))})
    told = {k for i in _replayed(world, quiet).incidents() for k in i.checks if "/size" in k}
    assert told == {"drift/psi/size"}  # the file's own limit still pages


def test_explain_says_why(world: World) -> None:
    window = world.windows[DRIFT_DAY - BASELINE_DAYS]
    found = explain_window(world.config, window, world.store)
    assert found.opened is not None
    assert found.paging[0].key == "drift/location/size"
    assert found.learned == DRIFT_DAY - BASELINE_DAYS
    calm = explain_window(world.config, world.windows[2], world.store)
    assert (calm.opened, calm.paging) == (None, [])
    assert calm.nearest[0].score < 1


def test_explain_at_the_command_line(world: World, tmp_path: Path) -> None:
    end = world.windows[DRIFT_DAY - BASELINE_DAYS].end.isoformat()
    asked = ["explain", str(world.file), "--window-end", end, "--out", str(tmp_path)]
    said = CliRunner().invoke(main, asked)
    assert said.exit_code == 0, said.output
    assert "it paged: an incident opened with it" in said.output
    assert "size: location moved +" in said.output
    assert "Budget 1 per 30d" in said.output
    document = json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)
    assert document["paged"] is True
    assert document["budget"]["reference_windows"] == BASELINE_DAYS
    assert Path(document["chart"]).read_text().startswith("<svg")
    later = CliRunner().invoke(main, ["explain", str(world.file), "--window-end", "2025-01-02"])
    assert later.exit_code == 1
    assert "not evaluated yet" in later.output


def test_windows_of_an_incident_are_learned_from_only_as_a_false_alarm(
    world: World, tmp_path: Path
) -> None:
    store, config = open_store(f"sqlite:///{tmp_path / 'store.db'}"), world.config
    list(stages.walk(config, world.windows[: DRIFT_DAY - BASELINE_DAYS + 2], store))
    (incident,) = store.incidents(config.model)
    row = store.results(config.model, part="data")[-1]
    later = dataclasses.replace(row, window=span(DAYS, DAYS + 1, config)[0])
    # Ten days before the incident, beside twenty of the baseline.
    assert Budgeting(Known(store, config.model), config).learned(later, world.baseline) == 10
    feedback.say(store, incident, "false_alarm", said_by="test", now=day(DAYS))
    learning = Budgeting(Known(store, config.model), config)._learning
    usable = [r for r in store.results(config.model, part="data") if not learning._troubled(r)]
    assert len(usable) == DRIFT_DAY - BASELINE_DAYS + 2


def test_an_expected_change_is_usual_after_five_windows(world: World, tmp_path: Path) -> None:
    store, config = open_store(f"sqlite:///{tmp_path / 'store.db'}"), world.config
    config = config.model_copy(update={"thresholds": {"psi": ()}})
    lasting = DRIFT_DAY - BASELINE_DAYS + 6
    list(stages.walk(config, world.windows[:lasting], store))
    (incident,) = store.incidents(config.model)
    found = feedback.say(store, incident, "expected_change", said_by="test", now=day(DAYS))
    assert found.epoch is not None
    assert found.epoch.families == ("drift",)
    reports = list(stages.walk(config, world.windows[lasting:], store))
    for report in reports:
        checks = {c.key: c for c in report.checks}
        moved = checks["drift/location/size"]
        assert (moved.status, moved.threshold_from) == ("ok", "provisional")
        assert moved.usual == pytest.approx(moved.value, abs=0.3)
        assert report.status == "ok"
    # Labels and nulls go on from where they were.
    assert store.incidents(config.model)[-1].closed is not None


def test_a_new_model_goes_on_from_the_old_ones_inputs(world: World, tmp_path: Path) -> None:
    first, last = day(BASELINE_DAYS), day(BASELINE_DAYS + 8)
    again = stages.build_baseline(
        world.config,
        first,
        last,
        valid_from=last,
        now=last,
        root=str(tmp_path),
        inherit=world.baseline,
    )
    assert len(again.windows) == BASELINE_DAYS + 8
    location = again.reference["drift/location/size"]
    assert location.values[:BASELINE_DAYS] == world.baseline.reference["drift/location/size"].values
    score = again.reference["prediction/location/score"]
    assert score.values[:BASELINE_DAYS] == (None,) * BASELINE_DAYS
    assert all(v is not None for v in score.values[BASELINE_DAYS:])
    assert again.grid.columns["size"] == world.baseline.grid.columns["size"]
    assert again.watching is not None
    assert again.watching.alarms is not None
    assert again.watching.alarms.windows == BASELINE_DAYS + 8
    assert baselines.load(str(tmp_path), world.config.model).watching == again.watching
