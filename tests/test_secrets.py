"""Secrets from every place that one can come from reach nothing that is shown or kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
from test_collector import Collector, row

from monitoring_sdk import cli, stages
from monitoring_sdk.adapters.heartbeat import beat
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
    # The names of these do not say that they are secret.
    "HOOK_ADDRESS": f"http://127.0.0.1:9/hooks/{MARK}-address?{MARK}-query",
    "PAGER": f"json://me:{MARK}-user@127.0.0.1:9/{MARK}-path/?+X-Key={MARK}-header",
    "MONITORING_HEARTBEAT_URL": f"http://127.0.0.1:9/ping/{MARK}-heartbeat/{{model}}",
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
    more["alerts"] = {"slack": {"channel": "C0123456"}, "apprise": ["${PAGER}"]}
    document = monitor(folder, **more)
    with open(folder / "private.yaml", "w") as out:
        YAML(typ="safe").dump(document, out)
    document["retraining"]["hook"] = {"webhook": "${HOOK_ADDRESS}", "secret": "HOOK_SECRET"}
    with open(folder / "webhook.yaml", "w") as out:
        YAML(typ="safe").dump(document, out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOOK_TOKEN", "x")
        patch.setenv("PAGER", "json://x")
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


def clean_bytes(folder: Path) -> None:
    """Assert that no secret is in the bytes of any file, such as a database and its log."""
    found = [p for p in folder.rglob("*") if p.is_file()]
    assert found
    assert not [p for p in found if MARK.encode() in p.read_bytes()]


class Echo(BaseHTTPRequestHandler):
    """Takes nothing, and says in its answer all that it was sent."""

    def _answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = f"{self.path} {self.headers} ".encode() + sent
        self.server.heard.append(said)  # type: ignore[attr-defined]
        self.send_response(500, self.path)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def echo() -> Iterator[ThreadingHTTPServer]:
    """A server that quotes what it was sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.heard = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.server
def test_a_run_leaves_no_secret_and_no_raw_value_anywhere(
    built: Path, place: Path, prefect_server: PrefectServer, caplog: pytest.LogCaptureFixture
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
    assert {m.message.kind for m in messages} == {"slack", "slack_chart", "command", "apprise"}
    detail = [m.detail for m in messages if m.message.kind == "command"]
    assert detail == ["exit status 3: ***"]
    told = called("deliver", "--json", "--debug")
    status = called("status", "--notify", "--json", "--debug")
    assert json.loads(status.stdout)["outbox"]["problems"]
    report = called("report", built / "private.yaml")
    assert (told.exit_code, report.exit_code) == (0, 0)
    runs = prefect_server.flow_runs(name={"like_": "private"})
    seen = [json.dumps(runs), *_of_server(prefect_server, runs)]
    assert any("artifacts" in text and "psi" in text for text in seen)
    assert any("the heartbeat was not sent" in text for text in seen)
    everything = [ran.stdout, ran.stderr, told.stdout, told.stderr, status.output, *seen]
    everything += [caplog.text, *(text for _, text in kept_in(place))]
    clean(*everything, *(t for n, t in kept_in(built / "baselines")))
    for folder in (place, built / "baselines", prefect_server.folder):
        clean_bytes(folder)
    kept = {"level of a dropped column", "smallest value", "largest value"}
    for what, raw in RAW.items():
        if what not in kept:
            assert not [t for t in everything if raw in t], what
    # A table is data, which the UI writes as text; Markdown is markup.
    artifacts = [a for run in runs for a in prefect_server.artifacts(run["id"]).values()]
    markdown = [a["data"] for a in artifacts if a["type"] == "markdown"]
    assert markdown
    assert not [text for text in markdown if SCRIPT in text]


def test_no_address_is_told_or_kept_whatever_its_receiver_answers(
    built: Path,
    place: Path,
    echo: ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A webhook and its signature, Apprise and the heartbeat; of one that is not there, and one
    that quotes all it was sent."""
    caplog.set_level("DEBUG")
    config = load_config(built / "webhook.yaml")
    window = config.cadence.ending(day(DAYS - 1).end)
    store = open_store()
    report = stages.evaluate_window(config, window, window.end, store, notify=True)
    texts = [json.dumps(report.to_dict())]
    monkeypatch.setenv("MONITORING_MONITORS", str(place / "monitors"))
    (place / "monitors").mkdir()
    shutil.copy(built / "webhook.yaml", place / "monitors" / "private.yaml")
    for port in (9, echo.server_port):
        for name in ("HOOK_ADDRESS", "PAGER", "MONITORING_HEARTBEAT_URL"):
            monkeypatch.setenv(name, SECRETS[name].replace(":9/", f":{port}/"))
        # The wait of the first attempt is over for the second.
        later = stages.clock() + timedelta(hours=2 if port != 9 else 0)
        done = stages.deliver_all(store, now=later)
        texts += [
            *done.problems,
            str(beat("private")),
            called("alerts", "test", built / "webhook.yaml").output,
        ]
    assert len(echo.heard) == 4  # type: ignore[attr-defined]
    assert all(MARK.encode() in heard for heard in echo.heard)  # type: ignore[attr-defined]
    assert {r.message.kind for r in store.messages()} >= {"webhook", "apprise"}
    outcomes = {r.message.kind: r.detail for r in store.messages()}
    assert (outcomes["webhook"], texts[-2]) == (
        "status 500",
        "the heartbeat was not sent: status 500",
    )
    store.close()
    texts += [called("status", "--json").output, called("status").output]
    # A driver's words, shown by --debug, have the heartbeat's address taken out too.
    said = redact(f"<urlopen error> {SECRETS['MONITORING_HEARTBEAT_URL']} /ping/{MARK}-heartbeat/m")
    clean(*texts, caplog.text, said, *(text for _, text in kept_in(place)))
    clean_bytes(place)


def test_a_collector_keeps_and_tells_no_key(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    collector = Collector(tmp_path)
    collector.start()
    wrong = f"mk_0123456789ab_{MARK}-key"
    try:
        answers = [
            collector.post([row("a")]),
            collector.post([row("b")], key=wrong),
            collector.post([row("c", size="big")]),
        ]
    finally:
        collector.stop()
    assert [answer.status_code for answer in answers] == [202, 401, 422]
    texts = [*(f"{a.text} {a.headers}" for a in answers), *capfd.readouterr()]
    clean(*texts)
    clean_bytes(tmp_path)
    secret = collector.key.split("_", 2)[2]
    assert not [text for text in texts if secret in text]
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]


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
