"""The command: what it prints, where, and the exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import PrefectServer
from small_model import DRIFT_DAY, day, write_small_model

from monitoring_sdk import cli, stages
from monitoring_sdk.adapters.store import open_store

QUIET_DAY = 23


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out the small model with its baseline, once."""
    folder = tmp_path_factory.mktemp("cli")
    config, _ = stages.find_config(write_small_model(folder, sys.executable))
    stages.build_baseline(config, now=datetime.now(UTC), root=str(folder / "baselines"))
    return folder


@pytest.fixture
def file(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the monitor file, with a store and reports of this test's own."""
    monkeypatch.setenv("MONITORING_BASELINES", str(built / "baselines"))
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("MONITORING_REPORTS", str(tmp_path / "reports"))
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    return built / "monitors" / "small.yaml"


@pytest.fixture
def server(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """Let flows run against the session's server."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        yield prefect_server


def monitoring(*arguments: Any) -> Result:
    """Call the command."""
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def document(result: Result) -> Any:
    """Read stdout as the one JSON document that it must be, with no NaN in it."""
    assert result.exit_code == 0, result.stderr

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in the JSON")

    return json.loads(result.stdout, parse_constant=refuse)


def test_a_wrong_file_is_exit_2_with_every_fault(file: Path, tmp_path: Path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        file.read_text().replace("metrics: [accuracy,", "metrics: [acuracy,") + "oops: 1"
    )
    result = monitoring("check", wrong)
    assert result.exit_code == 2
    assert "did you mean accuracy?" in result.stderr
    assert "oops" in result.stderr
    assert "Traceback" not in result.output


def test_a_file_that_is_not_there_is_exit_2(tmp_path: Path):
    result = monitoring("run", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "none.yaml" in result.stderr


def test_a_command_of_a_later_version_is_refused():
    result = monitoring("baseline", "diff")
    assert result.exit_code == 2
    assert "not supported yet" in result.stderr


def test_a_source_that_is_not_there_is_exit_1(file: Path, tmp_path: Path):
    moved = tmp_path / "moved.yaml"
    moved.write_text(file.read_text().replace("predictions.parquet", "gone.parquet"))
    for command in (["check", moved], ["replay", moved, "--start", day(21), "--end", day(22)]):
        result = monitoring(*command)
        assert result.exit_code == 1, result.output
        assert "gone.parquet" in result.stderr + result.stdout
        assert "Traceback" not in result.output


def test_check_tells_what_it_found(file: Path):
    found = document(monitoring("check", file, "--json"))
    assert found["ok"]
    assert found["rows"] == 8000
    assert monitoring("check", file).stdout.endswith("small: ready\n")


def test_check_names_a_column_that_is_not_there(file: Path, tmp_path: Path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(file.read_text().replace("numeric: [size]", "numeric: [sise]"))
    result = monitoring("check", wrong)
    assert result.exit_code == 2
    assert "did you mean size?" in result.stdout


def test_baseline_build_and_list(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    assert "no baseline yet" in monitoring("baseline", "list", file).stdout
    first = document(monitoring("baseline", "build", file, "--json"))
    assert (first["version"], first["rows"], first["windows"]) == ("v1", 4000, 20)
    second = monitoring("baseline", "build", file, "--start", "2024-03-05", "--end", "2024-03-15")
    assert "baseline v2: 2000 rows, 10 reference windows" in second.stdout
    listed = document(monitoring("baseline", "list", file, "--json"))["baselines"]
    assert [b["version"] for b in listed] == ["v1", "v2"]


def test_replay_writes_nothing(file: Path, tmp_path: Path):
    span = ["--start", day(DRIFT_DAY - 2), "--end", day(DRIFT_DAY + 3)]
    found = document(monitoring("replay", file, *span, "--json"))
    assert len(found["windows"]) == 5
    assert found["pages"] == 1
    assert found["incidents"][0]["opened"] == day(DRIFT_DAY + 1).isoformat().replace("+00:00", "Z")
    assert "checks" not in found["windows"][0]
    assert not list(tmp_path.iterdir())
    again = document(monitoring("replay", file, *span, "--json", "--checks"))
    assert again["windows"][0]["checks"]


@pytest.mark.server
def test_run_says_what_it_saw(file: Path, server: PrefectServer):
    end = day(QUIET_DAY)
    found = document(monitoring("run", file, "--window-end", end.isoformat(), "--json"))
    assert (found["schema"], found["model"], found["rows"]) == (1, "small", 200)
    assert found["status"] == "ok"
    assert found["window"]["end"] == end.isoformat().replace("+00:00", "Z")
    names = {c["key"] for c in found["checks"]}
    assert {"drift/psi/size", "operations/rows", "performance/accuracy"} <= names
    judged = next(c for c in found["checks"] if c["name"] == "accuracy" and c["value"] is not None)
    assert judged["window"]["end"] < found["window"]["end"]


@pytest.mark.server
def test_run_fails_on_an_alert_only_where_asked_to(file: Path, server: PrefectServer):
    end = ["--window-end", day(DRIFT_DAY + 1).isoformat()]
    assert monitoring("run", file, *end).exit_code == 0
    alarmed = monitoring("run", file, *end, "--fail-on-alert")
    assert alarmed.exit_code == 3
    assert "alert: size" in alarmed.stdout


@pytest.mark.server
def test_run_without_a_baseline_is_exit_1(
    file: Path, tmp_path: Path, server: PrefectServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    result = monitoring("run", file, "--window-end", day(QUIET_DAY).isoformat())
    assert result.exit_code == 1
    assert "monitoring baseline build" in result.stderr


@pytest.mark.server
def test_run_on_a_bound_that_is_none_is_exit_2(file: Path, server: PrefectServer):
    result = monitoring("run", file, "--window-end", "2024-03-25T13:00Z")
    assert result.exit_code == 2
    assert "the nearest ends are" in result.stderr


@pytest.mark.server
def test_backfill_resumes_and_tells_each_window_once(
    file: Path, tmp_path: Path, server: PrefectServer
):
    span = ["--start", day(DRIFT_DAY - 3), "--end", day(DRIFT_DAY + 2)]
    both = ["--processes", "2"]
    first = document(monitoring("backfill", file, *span, *both, "--json", "--checks"))
    assert [w["status"] for w in first["windows"]] == ["ok"] * 3 + ["alert"] * 2
    assert first["pages"] == 1
    last = first["windows"][-1]
    own = [c for c in last["checks"] if c["family"] == "performance"]
    assert {c["window"]["end"] for c in own} == {last["window"]["end"]}
    assert all(c["value"] is not None for c in own)
    store = open_store()
    assert store.messages() == []
    before = store.results("small", newest=False)
    again = document(monitoring("backfill", file, *span, "--json", "--checks"))
    assert again["windows"] == first["windows"] or _same_but_time(again, first)
    assert len(store.results("small", newest=False)) == len(before)
    page = document(monitoring("report", file, "--json", "--out", tmp_path / "out"))
    assert Path(page["path"]).read_text().startswith("<!doctype html>")
    delivered = document(monitoring("deliver", "--json"))
    assert delivered["sent"] == 0


def _same_but_time(one: Any, other: Any) -> bool:
    """Say whether two documents tell the same, whenever they were asked for."""
    strip = [[{**w, "as_of": None} for w in d["windows"]] for d in (one, other)]
    return bool(strip[0] == strip[1])


def test_without_a_checkout_the_flows_are_missed_in_words(file: Path, tmp_path: Path):
    """A wheel has no flows: `run` says so and exits 2."""
    code = (
        "import sys, pathlib; import monitoring_sdk.cli as cli; "
        "cli.evaluating.__file__ = '/nowhere/monitoring_sdk/cli/evaluating.py'; "
        "sys.path[:] = [p for p in sys.path if not (pathlib.Path(p) / 'flows').is_dir()]; "
        "sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]; "
        f"cli.main(['run', {str(file)!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "in a checkout of the project" in done.stderr


def test_times_without_offset_are_in_the_monitors_zone(
    file: Path, tmp_path: Path, server: PrefectServer
):
    moved = tmp_path / "zone.yaml"
    moved.write_text(
        file.read_text().replace("{every: 1d}", "{every: 1d, timezone: America/New_York}")
    )
    found = document(
        monitoring("replay", moved, "--start", "2024-03-24", "--end", "2024-03-25", "--json")
    )
    assert found["windows"][0]["window"]["start"] == "2024-03-24T04:00:00Z"
