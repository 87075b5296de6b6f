"""The monitor file: what it takes, and that every fault is told at once, in place and in words."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from monitoring_sdk.config import MonitorConfig, load_config, parse_config
from monitoring_sdk.config_problems import LATER_KEYS
from monitoring_sdk.drift.methods import METHODS
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.metrics.table import find_metric, metric_names

WHOLE = """\
model: flights
task: binary
owner: {team: ops, mention: "@oncall", runbook: "https://example.org/runbook"}
source:
  predictions: {path: data/predictions, partition: {column: dt, format: "%Y-%m-%d"}}
  labels: {url: "${DB}", table: labels, history: latest}
columns:
  id: [flight, leg]
  timestamp: {column: ts, unit: ms}
  prediction: y_pred
  score: y_pred_proba
  positive: 1
  label: y_true
  label_timestamp: label_timestamp
  latency_ms: latency_ms
  error: failed
  numeric: [distance, "weather_*"]
  categorical: [carrier, origin]
  exclude: ["debug_*"]
window: {every: 1d, timezone: America/New_York, lag: 0h, expect_within: 8h}
labels: {delay: 2d, coverage: 0.9, give_up: 14d}
baseline: {start: 2013-04-01, end: 2013-06-01T00:00:00Z, every: 1w}
quality:
  - {type: expect_column_values_to_be_between, column: distance, min_value: 0, severity: warning}
metrics: [accuracy, precision, recall, f1, roc_auc, log_loss]
drift: [psi, ks, jensen_shannon, wasserstein]
thresholds:
  accuracy: {min: 0.8}
  psi: [{columns: [distance], max: 0.25}, {columns: fare_*, max: 0.1, severity: warning}]
alerts: {slack: {channel: C0123456}}
retraining:
  when: [performance, drift]
  cooldown: 7d
  hook: {deployment: retrain/flights}
  approval: false
"""
SMALL: dict[str, Any] = {
    "model": "flights",
    "source": {"predictions": "p.parquet"},
    "columns": {"timestamp": "ts", "prediction": "y"},
}


def load(folder: Path, text: str) -> MonitorConfig:
    path = folder / "m.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def problems(folder: Path, text: str) -> list[str]:
    """Return the faults of a file, without the path that each begins with."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    start = f"{folder / 'm.yaml'}: "
    assert all(p.startswith(start) for p in caught.value.problems)
    return [p.removeprefix(start) for p in caught.value.problems]


def faults(**sections: Any) -> list[str]:
    """Return the faults of the small monitor with some sections set."""
    with pytest.raises(ConfigError) as caught:
        parse_config({**SMALL, **sections}, "m")
    return [p.removeprefix("m: ") for p in caught.value.problems]


def small(**sections: Any) -> MonitorConfig:
    return parse_config({**SMALL, **sections})


def test_the_whole_sample_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB", "postgresql://u:pw@h/d")
    config = load(tmp_path, WHOLE)
    assert config.source.predictions.partition is not None
    assert config.source.predictions.partition.column == "dt"
    assert config.source.labels is not None
    assert config.source.labels.url == "postgresql://u:pw@h/d"
    assert config.columns.id == ("flight", "leg")
    assert (config.columns.timestamp.column, config.columns.timestamp.unit) == ("ts", "ms")
    assert config.columns.label_timestamp is not None
    assert config.columns.label_timestamp.unit is None
    assert config.window.expect_within == timedelta(hours=8)
    assert config.labels.deadline == timedelta(days=14)
    assert config.reference_cadence.every == "1w"
    assert config.quality[0].arguments == {"column": "distance", "min_value": 0}
    assert config.quality[0].severity == "warning"
    assert config.thresholds["accuracy"][0].min == 0.8
    assert [r.columns for r in config.thresholds["psi"]] == [("distance",), ("fare_*",)]
    assert config.retraining is not None
    assert config.retraining.when == ("performance", "drift")
    assert "pw" not in repr(config)


def test_times_without_an_offset_are_in_the_window_s_timezone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB", "x")
    config = load(tmp_path, WHOLE)
    assert config.baseline is not None
    # 1 April is in daylight saving time in New York; the end says Z itself.
    assert config.span(config.baseline) == (
        datetime(2013, 4, 1, 4, tzinfo=UTC),
        datetime(2013, 6, 1, 0, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("written", "hour"),
    [("2020-01-01T06:00:00Z", 6), ("2020-01-01T06:00:00+02:00", 4), ("2020-01-01 06:00", 5)],
)
def test_an_offset_is_kept(tmp_path: Path, written: str, hour: int) -> None:
    text = f"baseline: {{start: {written}, end: 2020-02-01}}\nwindow: {{timezone: Europe/Paris}}"
    config = load(tmp_path, _small_text() + text)
    assert config.baseline is not None
    assert config.span(config.baseline)[0] == datetime(2020, 1, 1, hour, tzinfo=UTC)


def _small_text() -> str:
    return "model: flights\nsource: {predictions: p}\ncolumns: {timestamp: ts, prediction: y}\n"


def test_the_repository_s_own_monitors_load() -> None:
    files = sorted((Path(__file__).parent.parent / "monitors").glob("[!_]*.yaml"))
    assert files
    for file in files:
        assert load_config(file).model == file.stem


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
model: a flight
task: binray
sorce: {}
source: {predictions: {path: p, url: sqlite://}, labels: l.parquet}
columns: {timestamp: {column: ts, unit: min}, predicton: y, prediction: [1]}
window: {every: 7h, timezone: Mars/Base, lag: 5x, expext_within: 1h}
labels: {delay: 2d, coverage: 2, give_up: 1d}
baseline: {start: 2013-02-30, end: soon}
quality: [{column: a}, {type: t, severity: bad}]
metrics: [acuracy]
drift: [psy]
thresholds: {jensen_shanon: {max: 1}, psi: {maximum: 1}, ks: {min: 2, max: 1}}
alerts: {slack: {chanel: C1}}
retraining: {when: [drfit], cooldown: soon, hook: {}}
owner: {team: "${NO_SUCH_VARIABLE}"}
""",
    )
    told = "\n".join(found)
    for line in (
        "owner.team: the environment variable NO_SUCH_VARIABLE is not set",
        "metrics: unknown name: got 'acuracy'",
        "did you mean accuracy?",
        "drift: unknown name: got 'psy'",
        "did you mean psi?",
        "thresholds.jensen_shanon: unknown name",
        "did you mean jensen_shannon?",
        "model: a model's name has letters",
        "task: not an allowed value: got 'binray'; allowed: binary, multiclass, regression, "
        "ranking; did you mean binary?",
        "sorce: unknown key: got 'sorce'",
        "did you mean source?",
        "source.predictions: give either a path, or a url",
        "columns.timestamp.unit: not an allowed value: got 'min'; allowed: s, ms, us, ns",
        "columns.predicton: unknown key",
        "did you mean prediction?",
        "columns.prediction: input should be a valid string: got 'list'",
        "window.every: not a window length: got '7h'; allowed: 15min",
        "window.timezone: unknown time zone: got 'Mars/Base'",
        "window.lag: not a length of time: got '5x'; allowed: 15min, 8h, 2d",
        "window.expext_within: unknown key",
        "did you mean expect_within?",
        "labels.coverage: input should be less than or equal to 1: got 2",
        "baseline.start: not a time: got '2013-02-30'",
        "baseline.end: not a time: got 'soon'",
        "quality.0.type: required, but missing",
        "quality.1.severity: not an allowed value: got 'bad'; allowed: critical, warning",
        "thresholds.psi.0.maximum: unknown key",
        "thresholds.ks.0: min must not be above max",
        "alerts.slack.chanel: unknown key",
        "retraining.when.0: not an allowed value: got 'drfit'",
        "retraining.cooldown: not a length of time: got 'soon'",
        "retraining.hook: give one of a deployment, a webhook and a command",
    ):
        assert line in told, line
    assert len(found) == len(set(found)) <= 34


def test_faults_between_sections_are_told_beside_the_others() -> None:
    found = faults(
        source={"predictions": "p", "labels": "l"},
        baseline={"start": "2013-06-01", "end": "2013-06-01"},
        thresholds={"accuracy": {"min": 0.5, "columns": ["a"]}},
        metrics=["acuracy"],
        owner={"tema": "x"},
    )
    assert "source.labels needs columns.id and columns.label" in found
    assert "baseline.start must be before baseline.end" in found
    assert "thresholds.accuracy.columns: accuracy is not computed for each column" in found
    assert len(found) == 5


def test_labels_need_an_id_and_a_label_column() -> None:
    sources = {"predictions": "p", "labels": "l"}
    named = {**SMALL["columns"], "label": "y_true"}
    assert faults(source=sources, columns=named) == ["source.labels needs columns.id"]
    assert small(source=sources, columns={**named, "id": "id"}).columns.id == ("id",)


@pytest.mark.parametrize(
    ("section", "value", "fault"),
    [
        ("labels", {"delay": "2d", "give_up": "1d"}, "labels: give_up must not be shorter"),
        ("labels", {"coverage": 0}, "labels.coverage: "),
        ("labels", {"delay": 10}, "labels.delay: not a length of time: got 10"),
        ("window", {"lag": "-1h"}, "window.lag: not a length of time: got '-1h'"),
        ("window", {"lag": "99999999999w"}, "window.lag: not a length of time"),
        ("window", {"every": 15}, "window.every: input should be a valid string: got 15"),
        ("window", {"every": "0h"}, "window.every: not a window length: got '0h'"),
        ("window", {"every": "2d"}, "window.every: not a window length: got '2d'"),
        ("window", {"timezone": "../etc"}, "window.timezone: unknown time zone"),
        ("baseline", {"start": "2013-04-01"}, "baseline.end: required, but missing"),
        ("baseline", {"start": "a", "end": "2013-04-01"}, "baseline.start: not a time: got 'a'"),
        ("thresholds", {"psi": {"severity": "warning"}}, "thresholds.psi.0: a rule needs min or"),
        ("thresholds", {"psi": {"max": float("nan")}}, "thresholds.psi.0.max: input should be a f"),
        ("thresholds", {"psi": 0.2}, "thresholds.psi: must be a list: got 0.2"),
        ("thresholds", [1], "thresholds: must hold keys and values: got 'list'"),
        ("quality", {"type": "t"}, "quality: must be a list: got 'dict'"),
        ("metrics", [1], "metrics.0: input should be a valid string: got 1"),
        ("metrics", {"accuracy": 1}, "metrics: must be a list: got 'dict'"),
        ("alerts", "C1", "alerts: must hold keys and values: got 'C1'"),
        ("retraining", {"hook": {"deployment": "a/b", "command": ["c"]}}, "retraining.hook: give"),
        ("retraining", {"approval": "yes"}, "retraining.approval: not an allowed value: got 'yes'"),
        ("source", {"predictions": {"url": "sqlite://"}}, "source.predictions: a url needs either"),
        ("source", {"predictions": {}}, "source.predictions: give either a path, or a url"),
        (
            "source",
            {"predictions": {"url": "sqlite://", "table": "t", "partition": {"column": "d"}}},
            "source.predictions: partition belongs to files",
        ),
        ("source", {"predictions": {"path": "p", "history": "all"}}, "source.predictions.history"),
        (
            "columns",
            {"timestamp": "t", "prediction": "y", "positive": [1]},
            "columns.positive: mus",
        ),
        ("model", "a/b", "model: a model's name"),
        ("model", "../up", "model: a model's name"),
        ("model", 7, "model: input should be a valid string: got 7"),
    ],
)
def test_one_fault_gives_one_line(section: str, value: Any, fault: str) -> None:
    (line,) = faults(**{section: value})
    assert line.startswith(fault)


@pytest.mark.parametrize(
    "section",
    [
        *("owner", "window", "labels", "baseline", "quality", "metrics", "drift", "thresholds"),
        *("alerts", "retraining", "task"),
    ],
)
def test_an_empty_section_is_as_good_as_none(tmp_path: Path, section: str) -> None:
    assert load(tmp_path, f"{_small_text()}{section}:\n") == load(tmp_path, _small_text())


def test_an_empty_key_in_a_section_is_as_good_as_none(tmp_path: Path) -> None:
    text = _small_text() + "window: {lag: , every: 1h}\nalerts: {slack: }\n"
    config = load(tmp_path, text)
    assert (config.window.lag, config.window.every) == (timedelta(), "1h")


@pytest.mark.parametrize("section", ["model", "source", "columns"])
def test_an_empty_required_section_is_missing(section: str) -> None:
    assert faults(**{section: None}) == [f"{section}: required, but missing"]


def test_the_order_of_keys_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB", "sqlite://")
    config = load(tmp_path, WHOLE)
    data = YAML(typ="safe", pure=True).load(WHOLE)
    turned = parse_config(dict(reversed(data.items())))
    assert turned == config
    assert turned.settings_hash() == config.settings_hash()


# --- YAML ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("model: a\nmodel: b\n", 'line 2: found duplicate key "model"'),
        ("model: a\nwindow: {lag: 1h, lag: 2h}\n", 'line 2: found duplicate key "lag"'),
        ("- a\n- b\n", "the file must hold keys and values"),
        ("", "the file must hold keys and values"),
        ("just text", "the file must hold keys and values"),
        ("model: [a\nb: }\n", "line 2: "),
        ("model:\n\t- a\n", "line 2: "),
        ("a: 1\n---\nb: 2\n", "line 2: "),
        ("model: !!python/object:os.system x\n", "line 1: could not determine a constructor"),
        ("model: !!int x\n", "no YAML that can be read"),
        ("model: " + "[" * 5000, ""),
        ("owner: &a {team: *a}\n", "an alias holds itself"),
        ("model: a\0b", "unacceptable character"),
    ],
)
def test_bad_yaml_is_one_clear_error(tmp_path: Path, text: str, fault: str) -> None:
    (line,) = problems(tmp_path, text)
    assert line.startswith(fault)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"model: \xe9t\xe9")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("1e3", 1000.0),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("'1'", "1"),
        ("12:30:45", "12:30:45"),
        ("2020-01-01", "2020-01-01"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(tmp_path: Path, written: str, meant: Any) -> None:
    text = (
        "model: a\nsource: {predictions: p}\n"
        f"columns: {{timestamp: t, prediction: y, positive: {written}}}"
    )
    positive = load(tmp_path, text).columns.positive
    assert positive == meant
    assert type(positive) is type(meant)


def test_a_file_of_another_system_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(
        b"\xef\xbb\xbf" + _small_text().replace("\n", "\r\n").encode()
    )
    assert load_config(tmp_path / "m.yaml").model == "flights"


# --- Secrets ------------------------------------------------------------------------------------


def test_a_variable_s_content_is_in_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    wrong = "${SECRET}"
    found = problems(
        tmp_path,
        f"""\
model: {wrong} x
task: {wrong}
source: {{predictions: {{url: "{wrong}"}}}}
columns: {{timestamp: {{column: t, unit: "{wrong}"}}, prediction: y}}
window: {{every: "{wrong}", lag: "{wrong}", timezone: "{wrong}", expect_within: "{wrong}"}}
labels: {{delay: "{wrong}", coverage: "{wrong}", give_up: "{wrong}"}}
baseline: {{start: "{wrong}", end: "{wrong}", every: "{wrong}"}}
quality: [{{type: t, severity: "{wrong}"}}]
metrics: ["{wrong}"]
drift: "{wrong}"
thresholds: {{psi: {{max: "{wrong}"}}, ks: "{wrong}"}}
alerts: "{wrong}"
retraining: {{when: ["{wrong}"], cooldown: "{wrong}", hook: "{wrong}", approval: "{wrong}"}}
owner: {{tier: "{wrong}"}}
""",
    )
    assert len(found) >= 22
    assert not [line for line in found if "hunter2" in line]
    assert sum("${SECRET}" in line for line in found) >= 15


def test_a_variable_is_taken_and_may_name_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "accuracy")
    monkeypatch.setenv("PLACE", "s3://bucket")
    config = small(metrics=["${NAME}"], source={"predictions": "${PLACE}/p-${NAME}.parquet"})
    assert config.metrics == ("accuracy",)
    assert config.source.predictions.path == "s3://bucket/p-accuracy.parquet"


def test_a_missing_variable_is_a_fault_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    found = faults(source={"predictions": "a/${NO_SUCH}.parquet"}, quality=[{"type": "${NO_SUCH}"}])
    assert found == [
        "source.predictions: the environment variable NO_SUCH is not set",
        "quality.0.type: the environment variable NO_SUCH is not set",
    ]


@pytest.mark.parametrize("password", ["s3cret", "s3cret@in", "s3cret:x/y"])
def test_passwords_in_urls_are_masked(tmp_path: Path, password: str) -> None:
    url = f"postgresql://user:{password}@host/db"
    found = problems(
        tmp_path,
        f"model: '{url}'\nsource: '{url}'\ncolumns: {{timestamp: t, prediction: y}}\n"
        f"window: {{every: '{url}', lag: '{url}'}}\nmetrics: ['{url}']\ntask: '{url}'\n"
        f"baseline: {{start: '{url}', end: '{url}'}}\n",
    )
    assert len(found) == 8
    assert not [line for line in found if "s3cret" in line]
    found = problems(tmp_path, f"model: '{url}'\nmodel: 'x'\n")
    assert not [line for line in found if "s3cret" in line]


# --- What a later version brings ----------------------------------------------------------------


def _nested(path: str, value: Any) -> dict[str, Any]:
    """Return the small monitor with one more key in it."""
    data = json.loads(json.dumps(SMALL))
    *parents, last = path.split(".")
    place = data
    for step in parents:
        place = place.setdefault(step, {})
    place[last] = value
    return data


@pytest.mark.parametrize("key", LATER_KEYS)
@pytest.mark.parametrize("value", [None, 1, "x", {"a": 1}, ["x"]])
def test_a_later_key_is_refused_whatever_it_holds(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(_nested(key, value), "m")
    assert f"m: {key}: not supported yet" in caught.value.problems
    # It is no unknown key beside that.
    assert not [p for p in caught.value.problems if p.startswith(f"m: {key}: unknown")]


# --- Alarms ---------------------------------------------------------------------------------------

EVENT = {"name": "sale", "start": "2024-11-29", "end": "2024-12-03"}


def test_alarms_have_their_defaults() -> None:
    config = small(calendar=[EVENT], alarm={})
    assert (config.alarm.budget, str(config.alarm.allowed)) == ("1 per 30d", "1 per 30d")
    assert not config.alarm.stated
    assert small(alarm={"budget": "1 per 30d"}).alarm.stated
    (event,) = config.calendar
    assert (event.do, event.reference) == ("digest_only", "exclude")
    assert (config.owner.tier, config.alerts.slack.digest) == (1, None)


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        (
            {"alarm": {"budget": "often"}},
            "alarm.budget: not a budget of false pages: got 'often'; allowed: 1 per 30d, 2 per 7d",
        ),
        (
            {"alarm": {"budgets": "1 per 30d"}},
            "alarm.budgets: unknown key: got 'budgets'; allowed: budget, digest_only; "
            "did you mean budget?",
        ),
        ({"alarm": {"budget": "9" * 400 + " per 1d"}}, "alarm.budget: not a budget of false pages"),
        ({"calendar": EVENT}, "calendar: must be a list: got 'dict'"),
        (
            {
                "window": {"timezone": "Asia/Kolkata"},
                "calendar": [{**EVENT, "start": "0001-01-01"}],
            },
            "calendar.0.start: not a time: got '0001-01-01'",
        ),
        (
            {"calendar": [{**EVENT, "do": "digest"}]},
            "calendar.0.do: not an allowed value: got 'digest'; allowed: digest_only; "
            "did you mean digest_only?",
        ),
        (
            {"calendar": [EVENT, {**EVENT, "end": "soon"}]},
            "calendar.1.end: not a time: got 'soon'; allowed: 2013-06-04, 2013-06-04T04:00:00Z",
        ),
        ({"calendar": [{**EVENT, "name": ""}]}, "calendar.0.name: string should have at least 1"),
        # The one end has an offset, the other is in the time zone of the file.
        (
            {
                "window": {"timezone": "America/New_York"},
                "calendar": [EVENT, {**EVENT, "end": "2024-11-29T04:30:00Z"}],
            },
            "calendar.1: start must be before end",
        ),
        ({"owner": {"tier": 0}}, "owner.tier: input should be greater than or equal to 1: got 0"),
        (
            {"alerts": {"slack": {"digest": "dayly"}}},
            "alerts.slack.digest: not an allowed value: got 'dayly'; allowed: daily, weekly; "
            "did you mean daily?",
        ),
    ],
)
def test_what_is_wrong_about_alarms(sections: dict[str, Any], fault: str) -> None:
    (found,) = faults(**sections)
    assert found.startswith(fault)
    # And beside another fault, where pydantic does not look at what lies between sections.
    assert any(f.startswith(fault) for f in faults(**sections, drift=["psy"]))


# --- Parts that need each other -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        (
            {"columns": {**SMALL["columns"], "score": {"a": "p_a"}}},
            "columns.score: a column for each class is for multiclass, not binary",
        ),
        (
            {"task": "multiclass", "columns": {**SMALL["columns"], "score": "p"}},
            "columns.score: multiclass takes a column for each class: {class: column}",
        ),
        ({"task": "ranking"}, "columns.query: required for ranking: which rows make one list"),
        ({"versions": {"champion": 7}}, "versions needs columns.model_version"),
        (
            {"versions": {"champion": 7, "shadow": ["7"]}},
            "versions: the champion cannot be a shadow as well",
        ),
        (
            {"columns": {**SMALL["columns"], "segments": [["a", "a"]]}},
            "columns.segments.0: names a column twice",
        ),
    ],
)
def test_parts_that_need_each_other(sections: dict[str, Any], fault: str) -> None:
    assert fault in faults(**sections)


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        ({"metrics": ["recall@10"]}, "metrics: recall@10 is for ranking, the task is binary"),
        ({"metrics": ["precision@0%"]}, "precision@r% takes a share of the rows between"),
        ({"metrics": ["precision@2"]}, "metrics: precision@2 is for ranking"),
        ({"thresholds": {"mae": {"max": 1}}}, "thresholds.mae: mae is for regression, the task"),
        ({"estimation": {"methods": ["dle"]}}, "estimation.methods: unknown name: got 'dle'"),
        (
            {"metrics": ["business_value"]},
            "business_value: the metric needs what tp, fp, fn and tn are worth",
        ),
        ({"metrics": ["roc_auc"]}, "metrics: roc_auc needs columns.score"),
        ({"drift": ["domain_auc"]}, "did you mean domain_classifier_auc?"),
    ],
)
def test_names_are_those_of_the_task(sections: dict[str, Any], fault: str) -> None:
    assert any(fault in line for line in faults(**sections)), faults(**sections)


def test_classes_may_be_numbers_and_truths(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    lines = (
        "model: m",
        "task: multiclass",
        "source: {predictions: p.parquet}",
        "columns:",
        "  timestamp: t",
        "  prediction: y",
        "  score: {0: p_0, 2.0: p_2, true: p_true, a b: p_ab}",
        'metrics: [accuracy, "recall@0"]',
    )
    file.write_text("\n".join(lines) + "\n")
    assert load_config(file).columns.score == {
        "0": "p_0",
        "2": "p_2",
        "true": "p_true",
        "a b": "p_ab",
    }


@pytest.mark.parametrize(
    ("task", "columns", "metrics", "estimators"),
    [
        ("binary", {}, {"accuracy"}, ()),
        ("binary", {"score": "p"}, {"roc_auc"}, ("weighted_cbpe",)),
        ("multiclass", {"score": {"a": "p_a"}}, {"roc_auc_ovr"}, ("weighted_cbpe",)),
        ("regression", {}, {"mae", "rmse"}, ("dle",)),
        ("ranking", {"query": "q"}, {"ndcg@10", "mrr"}, ()),
    ],
)
def test_each_task_has_its_metrics_and_estimators(
    task: str, columns: dict[str, Any], metrics: set[str], estimators: tuple[str, ...]
) -> None:
    config = small(task=task, columns={**SMALL["columns"], **columns})
    assert metrics <= set(config.metric_names)
    assert config.estimators == estimators


def test_segments_are_columns_or_crossings_and_versions_are_text() -> None:
    columns = {**SMALL["columns"], "segments": ["a", ["a", "b"]], "model_version": "v"}
    config = small(columns=columns, versions={"champion": 7, "shadow": 8})
    assert config.columns.segments == (("a",), ("a", "b"))
    assert config.versions is not None
    assert (config.versions.champion, config.versions.shadow) == ("7", ("8",))


def test_eligible_rows_are_named_by_their_values() -> None:
    config = small(labels={"missing_is": 0, "eligible": {"column": "decision", "in": "approve"}})
    assert config.labels.eligible is not None
    assert config.labels.eligible.values == ("approve",)


# --- What follows from the settings ---------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": ["accuracy"]},
        {"drift": ["psi"]},
        {"thresholds": {"psi": {"max": 0.2}}},
        {"quality": [{"type": "t", "column": "a"}]},
        {"window": {"every": "1h"}},
        {"window": {"timezone": "Europe/Paris"}},
        {"labels": {"delay": "1d"}},
        {"labels": {"coverage": 0.5}},
        {"alarm": {"budget": "2 per 30d"}},
        {"calendar": [EVENT]},
        {"columns": {**SMALL["columns"], "positive": "1"}},
        {"columns": {**SMALL["columns"], "numeric": ["a"]}},
    ],
)
def test_the_hash_changes_with_what_changes_numbers(change: dict[str, Any]) -> None:
    assert small(**change).settings_hash() != small().settings_hash()


@pytest.mark.parametrize(
    "change",
    [
        {"owner": {"team": "b", "tier": 2}},
        {"alerts": {"slack": {"channel": "C2", "digest": "weekly"}}},
        {"alarm": {"budget": "1 per 720h"}},
        {"calendar": []},
        {"retraining": {"when": ["drift"], "hook": {"command": ["x"]}}},
        {"source": {"predictions": "elsewhere"}},
        {"baseline": {"start": "2020-01-01", "end": "2020-02-01"}},
    ],
)
def test_the_hash_does_not_change_with_places_and_receivers(change: dict[str, Any]) -> None:
    assert small(**change).settings_hash() == small().settings_hash()


def test_what_has_a_limit_is_computed() -> None:
    config = small(metrics=["f1"], thresholds={"accuracy": {"min": 0.8}, "psi": {"max": 0.2}})
    assert config.metric_names == ("f1", "accuracy")
    # Without a score what needs one is no default.
    assert set(small().metric_names) == {"accuracy", "precision", "recall", "f1"}
    scored = small(columns={**SMALL["columns"], "score": "s"})
    assert {"roc_auc", "log_loss"} <= set(scored.metric_names)


# --- Whatever comes -------------------------------------------------------------------------------

METRIC_EXAMPLES = [
    name
    for name in metric_names("binary")
    if "@" not in name and find_metric(name, "binary").needs <= {"prediction"}
]
names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,8}", fullmatch=True)
durations = st.builds("{}{}".format, st.integers(0, 99), st.sampled_from(["min", "h", "d", "w"]))
limit = st.floats(-1e6, 1e6)
rules = st.one_of(
    st.fixed_dictionaries({"max": limit}, optional={"columns": st.lists(names, max_size=3)}),
    st.fixed_dictionaries({"min": limit, "severity": st.sampled_from(["critical", "warning"])}),
)
configs = st.fixed_dictionaries(
    {
        "model": names,
        "source": st.fixed_dictionaries({"predictions": names}),
        "columns": st.fixed_dictionaries(
            {"timestamp": names, "prediction": names},
            optional={
                "score": names,
                "positive": st.one_of(st.integers(-9, 9), st.booleans(), names),
                "numeric": st.lists(names, max_size=3),
                "categorical": names,
            },
        ),
    },
    optional={
        "window": st.fixed_dictionaries(
            {},
            optional={
                "every": st.sampled_from(["15min", "1h", "1d", "1w", "1mo"]),
                "timezone": st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns"]),
                "lag": durations,
            },
        ),
        "labels": st.fixed_dictionaries(
            {"delay": durations},
            optional={
                "missing_is": st.integers(0, 1),
                "eligible": st.fixed_dictionaries({"column": names, "in": names}),
            },
        ),
        "metrics": st.lists(st.sampled_from(METRIC_EXAMPLES), unique=True),
        "estimation": st.fixed_dictionaries(
            {"methods": st.sampled_from(["cbpe", ["atc", "cbpe"]])}
        ),
        "business_value": st.just({"tp": 1, "fp": -1, "fn": -9, "tn": 0}),
        "drift": st.lists(st.sampled_from(sorted(METHODS)), unique=True),
        "thresholds": st.dictionaries(
            st.sampled_from(sorted(METHODS)), st.one_of(rules, st.lists(rules, max_size=3))
        ),
        "quality": st.lists(st.fixed_dictionaries({"type": names, "column": names}), max_size=2),
        "owner": st.fixed_dictionaries({"tier": st.integers(1, 9)}),
        "alarm": st.fixed_dictionaries(
            {"budget": st.builds("{} per {}d".format, st.integers(1, 9), st.integers(1, 99))}
        ),
        "calendar": st.lists(
            st.fixed_dictionaries(
                {
                    "name": names,
                    "start": st.dates(date(2000, 1, 1), date(2010, 1, 1)).map(str),
                    "end": st.datetimes(datetime(2011, 1, 1), datetime(2020, 1, 1)),
                },
                optional={
                    "do": st.just("digest_only"),
                    "reference": st.sampled_from(["exclude", "include"]),
                },
            ),
            max_size=2,
        ),
        "alerts": st.fixed_dictionaries(
            {"slack": st.fixed_dictionaries({"digest": st.sampled_from(["daily", "weekly"])})}
        ),
    },
)


@settings(max_examples=60, deadline=None)
@given(configs)
def test_a_valid_mapping_is_read_and_reads_back(data: dict[str, Any]) -> None:
    config = parse_config(data)
    assert config.model == data["model"]
    again = MonitorConfig.model_validate(config.model_dump(by_alias=True))
    assert again == config
    assert again.settings_hash() == config.settings_hash()


junk = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=8), st.integers()), inner, max_size=3),
    ),
    max_leaves=8,
)
sections = st.sampled_from(sorted(MonitorConfig.model_fields))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(sections, junk, max_size=5), configs)
def test_junk_is_a_config_error_and_nothing_else(wrong: dict[str, Any], right: Any) -> None:
    for data in (wrong, {**right, **wrong}):
        with contextlib.suppress(ConfigError):
            assert parse_config(data).model == data["model"]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["window", "labels", "columns", "source", "retraining", "owner"]), junk)
def test_junk_in_a_section_is_a_config_error_and_nothing_else(section: str, value: Any) -> None:
    model = MonitorConfig.model_fields[section].annotation
    fields = getattr(model, "model_fields", {"when": 0, "cooldown": 0, "hook": 0})
    for field in fields:
        with contextlib.suppress(ConfigError):
            assert parse_config({**SMALL, section: {field: value}}).model == SMALL["model"]
