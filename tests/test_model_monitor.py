"""ModelMonitor: what a serving process logs, asks and tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from slack_server import TOKEN, WEBHOOK_PATH, SlackServer

from monitoring_sdk import ModelMonitor
from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import load_config
from monitoring_sdk.errors import BaselineError, ConfigError, DeliveryError, MonitoringError
from monitoring_sdk.stages import build_baseline, evaluate_window
from monitoring_sdk.window import Window

SEED = """\
import os
from monitoring_sdk import ModelMonitor
monitor = ModelMonitor(api_key=os.environ["MONITORING_API_KEY"])
predictions = {predictions}
true_labels = {labels}
monitor.log_predictions(predictions)
monitor.log_true_labels(true_labels)
accuracy = monitor.calculate_metric("accuracy")
print(f"Model accuracy: {{accuracy:.2f}}")
drift_score = monitor.detect_data_drift(new_data=predictions)
print(f"Data drift score: {{drift_score:.2f}}")
if accuracy < 0.8:
    monitor.send_alert("Model accuracy dropped below 80%")
"""


@pytest.fixture(autouse=True)
def fresh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a folder of its own, and no Slack."""
    monkeypatch.chdir(tmp_path)
    for name in ("SLACK_BOT_TOKEN", "SLACK_WEBHOOK_URL", "SLACK_BASE_URL", "MONITORING_STORE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run_seed(folder: Path, predictions: list[int], labels: list[int]) -> Any:
    script = folder / "seed.py"
    script.write_text(SEED.format(predictions=predictions, labels=labels))
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MONITORING_", "SLACK_"))}
    return subprocess.run(
        [sys.executable, script.name],
        cwd=folder,
        env={**env, "MONITORING_API_KEY": ""},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_seed_script_prints_its_two_lines_and_nothing_else(tmp_path: Path) -> None:
    done = run_seed(tmp_path, [0, 1, 1, 0, 1], [0, 1, 0, 0, 1])
    assert done.stdout == "Model accuracy: 0.80\nData drift score: 0.15\n"
    assert done.stderr == ""
    # The quickstart model leaves nothing behind.
    assert [p.name for p in tmp_path.iterdir()] == ["seed.py"]


def test_other_data_gives_other_numbers_and_the_alert(tmp_path: Path) -> None:
    done = run_seed(tmp_path, [1, 1, 1, 1], [1, 0, 0, 1])
    assert done.stdout == "Model accuracy: 0.50\nData drift score: 0.55\n"
    assert done.stderr == "ALERT quickstart: Model accuracy dropped below 80%\n"


def logged(predictions: Any, labels: Any, **more: Any) -> ModelMonitor:
    monitor = ModelMonitor()
    monitor.log_predictions(predictions, **more)
    monitor.log_true_labels(labels)
    return monitor


# --- What may be logged -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        np.array,
        lambda v: np.array(v, float),
        lambda v: np.array(v).reshape(-1, 1),
        lambda v: pd.Series(v, index=range(7, 12)),
        lambda v: pd.array(v),
        iter,
    ],
)
def test_values_come_in_many_forms(form: Any) -> None:
    monitor = logged(form([0, 1, 1, 0, 1]), form([0, 1, 0, 0, 1]))
    assert monitor.calculate_metric("accuracy") == pytest.approx(0.8)
    if form is not iter:
        assert monitor.detect_data_drift(form([0, 1, 1, 0, 1])) == pytest.approx(0.15)


@pytest.mark.parametrize("kind", [pd.DataFrame, dict])
def test_frames_and_mappings(kind: Any) -> None:
    monitor = ModelMonitor()
    monitor.log_predictions(kind({"prediction": [0, 1, 1], "id": ["a", "b", "c"], "x": [1, 2, 3]}))
    monitor.log_true_labels(kind({"label": [1, 1, 0], "id": ["c", "b", "a"]}))
    assert monitor.calculate_metric("accuracy") == 1
    frame = pd.DataFrame({"prediction": [0, 1], "other": [1, 2]})
    assert monitor.detect_data_drift(frame) == pytest.approx(0.05)


def test_labels_come_in_another_order_later_and_corrected() -> None:
    monitor = ModelMonitor()
    monitor.log_predictions([0, 1, 1, 0], ids=["a", "b", "c", "d"])
    monitor.log_true_labels([0, 1], ids=["d", "c"])
    assert monitor.calculate_metric("accuracy") == 1
    monitor.log_true_labels([1, 0, 1], ids=["a", "b", "nobody"])
    assert monitor.calculate_metric("accuracy") == 0.5
    monitor.log_true_labels([1], ids=["b"])
    assert monitor.calculate_metric("accuracy") == 0.75


def test_the_later_label_wins_whatever_came_last() -> None:
    monitor = logged([1], [])
    for label, at in ((1, "2030-01-02"), (0, "2030-01-01T23:59:59")):
        monitor.log_true_labels([label], timestamps=at, ids=[0])
    assert monitor.calculate_metric("accuracy") == 1


def test_rows_without_ids_pair_by_order_across_calls() -> None:
    monitor = ModelMonitor()
    monitor.log_predictions([0, 1])
    monitor.log_predictions([1, 1])
    monitor.log_true_labels([0])
    monitor.log_true_labels([1, 1, 0])
    assert monitor.calculate_metric("accuracy") == 0.75


def test_a_refused_call_leaves_the_pairing_as_it_was() -> None:
    monitor = ModelMonitor()
    with pytest.raises(ConfigError):
        monitor.log_predictions([0, 1], timestamps=["never", "never"])
    monitor.log_predictions([0, 1])
    monitor.log_true_labels([0, 1])
    assert monitor.calculate_metric("accuracy") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"ids": [1]}, "id has 1 values, prediction has 2"),
        ({"ids": 1}, "id has 1 values, prediction has 2"),
        ({"timestamps": ["2020-01-01"] * 3}, "timestamp has 3 values, prediction has 2"),
        ({"timestamps": ["2020-01-01", "soon"]}, "timestamp holds what is no moment"),
        ({"timestamps": ["2020-01-01", None]}, "timestamp has no value in 1 rows"),
        ({"timestamps": [1.5e9, 1.5e9]}, "timestamp must hold moments, not numbers"),
        ({"scores": [0.1]}, "score has 1 values, prediction has 2"),
        ({"latency_ms": [1, 2, 3]}, "latency_ms has 3 values, prediction has 2"),
        ({"features": {"x": [1]}}, "features has 1 rows, prediction has 2"),
        ({"features": {"x": [1, 2], "y": [1]}}, "features are no table"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, Any], words: str) -> None:
    monitor = ModelMonitor()
    with pytest.raises(ConfigError, match=words):
        monitor.log_predictions([0, 1], **arguments)
    assert monitor.check().status == "no_data"


def test_other_wrong_arguments() -> None:
    monitor = ModelMonitor()
    with pytest.raises(ConfigError, match="the frame lacks a column: got 'prediction'"):
        monitor.log_predictions(pd.DataFrame({"predictions": [1]}))
    with pytest.raises(ConfigError, match=r"one dimension, got the shape \(2, 2\)"):
        monitor.log_predictions(np.eye(2))
    with pytest.raises(ConfigError, match="label_timestamp has 1 values, label has 2"):
        monitor.log_true_labels([0, 1], timestamps=["2020-01-01"])
    with pytest.raises(ConfigError, match="url needs a key"):
        ModelMonitor(url="http://localhost")
    with pytest.raises(ConfigError, match="url: no address of a collector: got 'localhost'"):
        ModelMonitor(url="ftp://me:secret@localhost", api_key="k")
    with pytest.raises(ConfigError, match="not a model's name"):
        ModelMonitor(model="../elsewhere")


# --- Every task ---------------------------------------------------------------------------------


def test_classes_are_compared_by_name_however_many_there_are() -> None:
    monitor = logged(["a", "b", "c", "a"], ["a", "b", "b", "a"])
    assert monitor.calculate_metric("accuracy") == 0.75
    assert monitor.calculate_metric("recall@b") == 0.5
    assert logged(["yes", "no"], ["yes", "yes"]).calculate_metric("accuracy") == 0.5


def test_scores_of_classes_are_a_mapping() -> None:
    monitor = ModelMonitor()
    scores = {"a": [0.7, 0.1, 0.2], "b": [0.2, 0.8, 0.2], "c": [0.1, 0.1, 0.6]}
    monitor.log_predictions(["a", "b", "c"], scores=scores)
    monitor.log_true_labels(["a", "b", "c"])
    assert monitor.calculate_metric("roc_auc_ovr") == 1.0
    expected = -float(np.mean(np.log([0.7, 0.8, 0.6])))
    assert monitor.calculate_metric("log_loss") == pytest.approx(expected)


def test_numbers_and_lists_have_metrics_of_their_own() -> None:
    numbers = logged([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])
    assert numbers.calculate_metric("mae") == 1.0
    assert numbers.calculate_metric("bias") == pytest.approx(1 / 3)
    lists = ModelMonitor(task="ranking")
    lists.log_predictions([1, 2, 1, 2], features={"query": ["q", "q", "r", "r"]})
    lists.log_true_labels([0, 1, 1, 0])
    assert lists.calculate_metric("mrr") == 0.75
    with pytest.raises(ConfigError, match="unknown task"):
        ModelMonitor(task="rankings")
    with pytest.raises(ConfigError, match="mae is for regression, the task is ranking"):
        lists.calculate_metric("mae")


def test_truths_are_the_classes_0_and_1_for_drift_too() -> None:
    said = np.random.default_rng(0).random(400) < 0.45
    monitor = logged(said, said)
    assert monitor.detect_data_drift(said) == monitor.detect_data_drift(said.astype(int))
    assert monitor.detect_data_drift(list(map(bool, said))) < 0.1
    assert monitor.check().status == "ok"


def test_numbers_that_are_not_whole_are_no_classes() -> None:
    report = logged([0.5, 1.5] * 50, [0.4, 1.7] * 50).check()
    names = {c.name for c in report.checks if c.family == "performance"}
    assert names == {"mae", "rmse", "r2", "bias", "median_absolute_error"}
    # A score between 0 and 1 beside classes leaves the task as it was.
    scored = logged([0.0, 1.0] * 50, [0, 1] * 50, scores=[0.2, 0.9] * 50)
    assert {"accuracy", "roc_auc"} <= {c.name for c in scored.check().checks}


# --- What may be asked --------------------------------------------------------------------------


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"got 'acuracy'.*did you mean accuracy"):
        logged([0], [0]).calculate_metric("acuracy")


@pytest.mark.parametrize(
    ("monitor", "name", "reason"),
    [
        (lambda: ModelMonitor(), "accuracy", "no labelled rows"),
        (lambda: logged([0, 1], []), "accuracy", "no labelled rows"),
        (lambda: logged([0, 1], [0, 1]), "roc_auc", "needs a score"),
        (lambda: logged([1, 1], [1, 1], scores=[0.5, 0.6]), "roc_auc", "class"),
        (lambda: logged([0, 1], [0, 1]), "latency_p95", "needs a latency column"),
        (lambda: logged(["yes", "no"], ["yes", "no"]), "precision", "two classes"),
    ],
)
def test_an_undefined_metric_raises_with_its_reason(monitor: Any, name: str, reason: str) -> None:
    with pytest.raises(MonitoringError, match=f"{name} is undefined: .*{reason}"):
        monitor().calculate_metric(name)


def test_scores_and_latency() -> None:
    monitor = ModelMonitor()
    monitor.log_predictions([0, 1, 1], scores=[0.1, 0.6, 0.4], latency_ms=[1, 2, 3])
    monitor.log_predictions([1], latency_ms=10)
    monitor.log_true_labels([0, 1, 0, 1])
    assert monitor.calculate_metric("latency_p95") == pytest.approx(
        np.percentile([1, 2, 3, 10], 95)
    )
    assert monitor.calculate_metric("rows") == 4
    # The row without a score is left out of what needs one, and only of that.
    assert monitor.calculate_metric("roc_auc") == 1
    assert monitor.calculate_metric("accuracy") == 0.75


def test_drift_of_what_the_baseline_does_not_know() -> None:
    monitor = ModelMonitor()
    assert monitor.detect_data_drift([7, 8]) == 1
    with pytest.raises(BaselineError, match=r"got 'predction'.*did you mean prediction"):
        monitor.detect_data_drift([0], column="predction")
    with pytest.raises(BaselineError, match="not in the baseline"):
        monitor.detect_data_drift(pd.DataFrame({"x": [1]}))
    for empty in ([], [None], None):
        with pytest.raises(MonitoringError, match="the drift of prediction is undefined"):
            monitor.detect_data_drift(empty)
    with pytest.raises(BaselineError, match="no baseline in"):
        ModelMonitor(model="unbuilt").detect_data_drift([0])


def test_check_judges_what_was_logged() -> None:
    chance = np.random.default_rng(0)
    said = (chance.random(400) < 0.45).astype(int)
    fine = logged(said, np.where(chance.random(400) < 0.9, said, 1 - said)).check()
    assert (fine.status, fine.rows, fine.baseline) == ("ok", 400, "v1")
    assert {c.family for c in fine.checks} == {"prediction", "quality", "performance"}
    bad = logged(np.ones(400, int), said).check()
    alerts = {c.key for c in bad.checks if c.status == "alert"}
    assert bad.status == "alert"
    assert {"prediction/psi/prediction", "performance/accuracy"} <= alerts
    json.dumps(bad.to_dict(), allow_nan=False)
    few = logged([0, 1], [0, 1]).check()
    assert few.status == "insufficient"
    assert few.reason is not None


def test_history_of_what_was_logged() -> None:
    table = logged([0, 1] * 50, [0, 1] * 50).history()
    assert list(table["key"][:1]) == ["prediction/psi/prediction"]
    assert set(table["status"]) == {"ok"}
    assert ModelMonitor().history().empty


# --- The log on disk ------------------------------------------------------------------------------

MONITOR = """\
model: served
source:
  predictions: {path: log/predictions, partition: {column: date}}
  labels: {path: log/labels, partition: {column: date}}
columns:
  id: id
  timestamp: timestamp
  prediction: prediction
  score: score
  label: label
  label_timestamp: label_timestamp
  latency_ms: latency_ms
  numeric: [size]
window: {every: 1d}
labels: {delay: 0h}
baseline: {start: 2024-03-01, end: 2024-03-11}
"""
FIRST = datetime(2024, 3, 1, tzinfo=UTC)


def serve(monitor: ModelMonitor, day: int, *, shift: float = 0.0, rows: int = 200) -> None:
    """Log a day as a service would: in calls, labels some hours after."""
    chance = np.random.default_rng(day)
    at = FIRST + timedelta(days=day)
    size, score = chance.normal(shift, 1, rows), chance.random(rows)
    true = (chance.random(rows) < score).astype(int)
    ids = [f"{day}-{i}" for i in range(rows)]
    for half in (slice(0, rows // 2), slice(rows // 2, rows)):
        monitor.log_predictions(
            (score[half] > 0.5).astype(int),
            ids=ids[half],
            timestamps=pd.date_range(at, periods=rows, freq="5min")[half],
            features={"size": size[half]},
            scores=score[half],
            latency_ms=7.0,
        )
    order = chance.permutation(rows)
    monitor.log_true_labels(
        true[order], ids=[ids[i] for i in order], timestamps=at + timedelta(hours=20)
    )


def test_the_log_is_a_source_that_a_monitor_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path / 's.db'}")
    monitor = ModelMonitor(model="served", log="log")
    for day in range(12):
        serve(monitor, day, shift=3.0 if day == 11 else 0.0)
    assert monitor.flush()
    (tmp_path / "served.yaml").write_text(MONITOR)
    config = load_config(tmp_path / "served.yaml")
    built = build_baseline(config, now=datetime(2024, 4, 1, tzinfo=UTC))
    assert (built.rows, len(built.windows)) == (2000, 10)
    store = open_store()
    days = [Window(FIRST + timedelta(days=d), FIRST + timedelta(days=d + 1)) for d in (10, 11)]
    fine, bad = (evaluate_window(config, w, w.end, store) for w in days)
    assert (fine.status, fine.rows) == ("ok", 200)
    by_key = {c.key: c for c in fine.checks}
    assert by_key["performance/accuracy"].coverage == 1
    assert by_key["operations/latency_p95"].value == 7
    assert bad.status == "alert"
    assert "drift/psi/size" in {c.key for c in bad.checks if c.status == "alert"}
    # The serving process sees the same baseline, and what the flows have stored.
    again = ModelMonitor(model="served")
    assert again.baseline == baselines.load(tmp_path / "baselines", "served")
    table = again.history()
    assert set(pd.to_datetime(table["window_end"], utc=True)) == {w.end for w in days}
    late = again.detect_data_drift(np.full(50, 9.0), column="size")
    assert late == pytest.approx(1)
    assert monitor.check().rows == 2400


def test_the_log_never_shows_half_a_file_and_keeps_types(tmp_path: Path) -> None:
    monitor = ModelMonitor(model="served", log="log")
    monitor.log_predictions([])
    monitor.log_predictions([0, 1], timestamps=["2024-03-01T23:59", "2024-03-02T00:01"])
    monitor.log_predictions([1], timestamps="2024-03-02T00:02+02:00", features={"size": 1})
    assert monitor.flush()
    files = sorted(p.relative_to(tmp_path / "log") for p in (tmp_path / "log").rglob("*.parquet"))
    assert [str(p.parent) for p in files] == [
        *["predictions/date=2024-03-01"] * 2,
        "predictions/date=2024-03-02",
    ]
    assert {p.suffix for p in files} == {".parquet"}
    kept = pd.concat(pd.read_parquet(tmp_path / "log" / p) for p in files)
    assert str(kept["timestamp"].dt.tz) == "UTC"
    assert sorted(kept["id"]) == [0, 1, 2]


# --- Alerts -------------------------------------------------------------------------------------


def outputs(capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    """Return all that was written anywhere: streams and files."""
    told = capsys.readouterr()
    files = [p.read_bytes().decode(errors="replace") for p in folder.rglob("*") if p.is_file()]
    return "\n".join([told.out, told.err, *files])


def test_without_slack_an_alert_goes_to_stderr_and_a_record(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    where = ModelMonitor(api_key="key-1234", model="served").send_alert("It is “late”")
    assert capsys.readouterr().err == "ALERT served: It is “late”\n"
    record = tmp_path / ".monitoring/log/served/alerts.jsonl"
    assert where == f"stderr and {record.relative_to(tmp_path)}"
    (line,) = record.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["text"] == "It is “late”"
    assert "key-1234" not in outputs(capsys, tmp_path)


@pytest.mark.parametrize("way", ["token", "webhook"])
def test_an_alert_goes_to_slack_and_its_secret_nowhere(
    way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "monitors").mkdir()
    (tmp_path / "monitors" / "served.yaml").write_text(
        MONITOR + "alerts: {slack: {channel: C0123456}}\n"
    )
    with SlackServer() as slack:
        if way == "token":
            monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
            monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
        else:
            monkeypatch.setenv("SLACK_WEBHOOK_URL", slack.webhook_url)
        where = ModelMonitor(model="served").send_alert("accuracy fell")
    assert where == ("slack C0123456" if way == "token" else "slack by webhook")
    (posted,) = slack.messages
    assert posted["text"] == "served: accuracy fell"
    written = outputs(capsys, tmp_path) + where
    assert "accuracy fell" in written
    assert TOKEN not in written
    assert WEBHOOK_PATH not in written


def test_a_token_without_a_channel_is_no_way_to_slack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with SlackServer() as slack:
        monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
        monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
        where = ModelMonitor().send_alert("accuracy fell")
        assert where.startswith("stderr")
        assert slack.calls == []
        assert capsys.readouterr().err == "ALERT quickstart: accuracy fell\n"
        monkeypatch.setenv("SLACK_WEBHOOK_URL", slack.webhook_url)
        assert ModelMonitor().send_alert("accuracy fell") == "slack by webhook"
        assert slack.calls == ["webhook"]


@pytest.mark.parametrize("fault", [500, "invalid_auth", "drop_before"])
def test_an_alert_that_slack_does_not_take_says_so_and_is_kept(
    fault: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "monitors").mkdir()
    (tmp_path / "monitors" / "served.yaml").write_text(
        MONITOR + "alerts: {slack: {channel: C0123456}}\n"
    )
    with SlackServer() as slack:
        slack.faults.append(("chat.postMessage", fault))
        monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
        monkeypatch.setenv("SLACK_BASE_URL", slack.base_url)
        with pytest.raises(DeliveryError, match="Slack did not take the alert") as caught:
            ModelMonitor(model="served").send_alert("accuracy fell")
    assert slack.messages == []
    written = outputs(capsys, tmp_path) + str(caught.value)
    assert "accuracy fell" in written
    assert TOKEN not in written
