"""Secrets from every place that one can come from reach nothing that is shown or kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import private_model
import pytest
from click.testing import CliRunner
from conftest import PrefectServer
from private_model import DAYS, RAW, SCRIPT, day, kept_in, monitor
from ruamel.yaml import YAML
from slack_server import SlackServer

from monitoring_sdk import cli, stages
from monitoring_sdk.adapters.redaction import redact
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import load_config

MARK = "hunter2xq"
SECRETS = {
    "SLACK_BOT_TOKEN": f"xoxb-{MARK}-bot",
    "SLACK_WEBHOOK_URL": f"http://127.0.0.1:9/services/{MARK}-webhook",
    "MONITORING_API_KEY": f"key-{MARK}-api",
    "SOURCE_URL": f"postgresql://me:{MARK}-source@127.0.0.1:9/db?sslpassword={MARK}-argument",
    "HOOK_TOKEN": f"{MARK}-hook",
    "HOOK_SECRET": f"{MARK}-signing",
}
OLD = "2023-11-01"
STORE = f"postgresql://me:{MARK}-store@127.0.0.1:9/db?connect_timeout=2"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out the private model with a hook that is given a secret, and its baseline."""
    folder = tmp_path_factory.mktemp("secrets")
    private_model.write(folder)
    script = f"import os; open({str(folder / 'called')!r}, 'w').write(' '.join(os.sys.argv[1:]))"
    script += f"; print({'${HOOK_TOKEN}'!r}); raise SystemExit(3)"
    hook = {"command": [sys.executable, "-c", script, "${HOOK_TOKEN}"]}
    more = {"retraining": {"when": ["drift"], "hook": hook}, "retention": {"log": "90d"}}
    document = monitor(folder, **more)
    with open(folder / "private.yaml", "w") as out:
        YAML(typ="safe").dump(document, out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOOK_TOKEN", "x")
        config = load_config(folder / "private.yaml")
    stages.build_baseline(config, now=day(DAYS).start, root=str(folder / "baselines"))
    return folder


@pytest.fixture
def place(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Plant the secrets; the store and the reports are this test's own."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MONITORING_BASELINES", str(built / "baselines"))
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("MONITORING_REPORTS", str(tmp_path / "reports"))
    monkeypatch.chdir(tmp_path)
    with SlackServer() as slack:
        # The stand-in knows another token: it refuses this one, and may well quote it.
        monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
        yield tmp_path


def called(*arguments: Any) -> Any:
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def clean(*texts: str) -> None:
    """Assert that no secret is in any text."""
    assert not [t for t in texts if MARK in t]


@pytest.mark.server
def test_a_run_leaves_no_secret_and_no_raw_value_anywhere(
    built: Path, place: Path, prefect_server: PrefectServer
) -> None:
    """The real flow on a real server: its artifacts, logs and states are looked at too."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    old, new = (place / f".monitoring/log/private/labels/date={d}" for d in (OLD, "2024-03-08"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "a.parquet").write_bytes(b"")
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        end = day(DAYS - 1).end.isoformat()
        ran = called("run", built / "private.yaml", "--window-end", end, "--json", "--debug")
    assert ran.exit_code == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["status"] == "alert"
    # What `retention` says is done after the run.
    assert (old.exists(), new.exists()) == (False, True)
    shutil.rmtree(new)
    # The hook was given the secret all the same.
    assert (built / "called").read_text() == SECRETS["HOOK_TOKEN"]
    store = open_store()
    messages = store.messages()
    store.close()
    assert {m.message.kind for m in messages} == {"slack", "slack_chart", "command"}
    detail = [m.detail for m in messages if m.message.kind == "command"]
    assert detail == ["exit status 3: ***"]
    told = called("deliver", "--json", "--debug")
    report = called("report", built / "private.yaml")
    assert (told.exit_code, report.exit_code) == (0, 0)
    runs = prefect_server.flow_runs(name={"like_": "private"})
    seen = [json.dumps(runs), *_of_server(prefect_server, runs)]
    assert any("artifacts" in text and "psi" in text for text in seen)
    everything = [ran.stdout, ran.stderr, told.stdout, told.stderr, *seen]
    everything += [text for _, text in kept_in(place)]
    clean(*everything, *(t for n, t in kept_in(built / "baselines")))
    kept = {"level of a dropped column", "smallest value", "largest value"}
    for what, raw in RAW.items():
        if what not in kept:
            assert not [t for t in everything if raw in t], what
    # A table is data, which the UI writes as text; Markdown is markup.
    artifacts = [a for run in runs for a in prefect_server.artifacts(run["id"]).values()]
    markdown = [a["data"] for a in artifacts if a["type"] == "markdown"]
    assert markdown
    assert not [text for text in markdown if SCRIPT in text]


def _of_server(server: PrefectServer, runs: list[dict[str, Any]]) -> Iterator[str]:
    for run in runs:
        identity = run["id"]
        yield "artifacts " + json.dumps(server.artifacts(identity))
        yield json.dumps(
            server.post("logs/filter", {"logs": {"flow_run_id": {"any_": [identity]}}})
        )
        body = {"task_runs": {"flow_run_id": {"any_": [identity]}}}
        yield json.dumps(server.post("task_runs/filter", body))


@pytest.mark.parametrize("debug", [[], ["--debug"]], ids=["", "debug"])
@pytest.mark.parametrize("arguments", ["status", "deliver", "report FILE", "retention FILE"])
def test_a_store_that_does_not_answer_is_named_without_its_password(
    built: Path, place: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, debug: list[str]
) -> None:
    monkeypatch.setenv("MONITORING_STORE", STORE)
    words = arguments.replace("FILE", str(built / "private.yaml")).split()
    result = called(*words, *debug)
    assert result.exit_code == 1
    assert "127.0.0.1" in result.stderr
    assert ("Traceback" in result.stderr) == bool(debug)
    clean(result.stdout, result.stderr, str(result.exception))


@pytest.mark.parametrize("debug", [[], ["--debug"]], ids=["", "debug"])
def test_a_source_that_does_not_answer_is_named_without_its_password(
    built: Path, place: Path, debug: list[str]
) -> None:
    file = place / "far.yaml"
    document = YAML(typ="safe").load((built / "private.yaml").read_text())
    document["source"] = {"predictions": {"url": "${SOURCE_URL}", "table": "t"}}
    del document["columns"]["label"], document["columns"]["label_timestamp"]
    with open(file, "w") as out:
        YAML(typ="safe").dump(document, out)
    config = load_config(file)
    clean(repr(config), str(config), config.settings_hash())
    for command in (["check"], ["baseline", "build"]):
        result = called(*command, file, *debug)
        assert result.exit_code == 1
        assert "127.0.0.1" in result.output
        clean(result.output)
    document["source"]["predictions"] = {"url": "${SOURCE_URL}"}
    document["oops"] = "${SOURCE_URL}"
    with open(file, "w") as out:
        YAML(typ="safe").dump(document, out)
    result = called("check", file, *debug)
    assert result.exit_code == 2
    clean(result.output)


def test_a_traceback_of_what_nobody_expected_has_no_secret(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"bad response from {SECRETS['SLACK_WEBHOOK_URL']}: rare-value")

    monkeypatch.setattr(stages, "deliver_all", broken)
    quiet, loud = called("deliver"), called("deliver", "--debug")
    assert (quiet.exit_code, loud.exit_code) == (1, 1)
    assert quiet.stderr == "unexpected: RuntimeError; --debug shows where\n"
    assert "Traceback" in loud.stderr
    assert "rare-value" in loud.stderr
    clean(quiet.output, loud.output)


def test_a_process_of_its_own_shows_no_secret_either(built: Path, place: Path) -> None:
    """Not through click's test runner: whatever is written to the process's own streams."""
    import os

    environment = {**os.environ, "MONITORING_STORE": STORE}
    done = subprocess.run(
        [sys.executable, "-m", "monitoring_sdk.cli", "status", "--debug"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    clean(done.stdout, done.stderr)


def test_innocent_words_stay() -> None:
    environ = {"PWD": "/home/me", "USE_TOKEN": "true", "MONITORING_STORE": "sqlite:///a/b.db"}
    text = "sqlite:///a/b.db: true in /home/me"
    assert redact(text, environ) == text


def test_the_planted_values_are_looked_for_where_they_are(built: Path) -> None:
    """Without this, the looks above would prove nothing."""
    rows = pd.read_parquet(built / "rows" / f"{DAYS - 1}.parquet")
    assert rows["id"].str.contains(RAW["id"]).all()
    assert any(SCRIPT in text for _, text in kept_in(built / "baselines"))
