"""Champion against challenger on live rows: what is compared, and why something is not."""

from __future__ import annotations

import contextlib
import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feedback_model
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from monitoring_sdk import cli, stages
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.metrics.paired import paired_difference
from monitoring_sdk.report import Trigger
from monitoring_sdk.stages import challenger
from monitoring_sdk.stages.challenger import compared

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAYS, A_DAY = 6, 200
END = FIRST + timedelta(days=DAYS)
TRIGGER = Trigger("t", "shop", "i", "performance/accuracy is 0.71, below 0.8", END)
NUMBER = r"(-?[\d.]+)"


@pytest.fixture
def store() -> Store:
    return open_store("sqlite://")


def frame(right: float, version: str, seed: int) -> pd.DataFrame:
    """Return rows of which a share is predicted right; the truth of a row is its id's parity."""
    chance = np.random.default_rng(seed)
    count = DAYS * A_DAY
    truth = np.arange(count) % 2
    hit = chance.random(count) < right
    return pd.DataFrame(
        {
            "id": np.arange(count),
            "at": pd.Timestamp(FIRST) + pd.to_timedelta(np.arange(count) * (86_400 / A_DAY), "s"),
            "y_pred": np.where(hit, truth, 1 - truth),
            "score": np.where(hit == (truth == 1), 0.8, 0.2),
            "version": version,
        }
    )


def labels(rows: pd.DataFrame) -> pd.DataFrame:
    ids = rows["id"].unique()
    return pd.DataFrame({"id": ids, "y_true": ids % 2})


def monitor(folder: Path, rows: pd.DataFrame, known: pd.DataFrame, **more: Any) -> MonitorConfig:
    rows.to_parquet(folder / "rows.parquet", index=False)
    known.to_parquet(folder / "labels.parquet", index=False)
    document: dict[str, Any] = {
        "model": "shop",
        "source": {
            "predictions": str(folder / "rows.parquet"),
            "labels": str(folder / "labels.parquet"),
        },
        "columns": {
            "id": "id",
            "timestamp": "at",
            "prediction": "y_pred",
            "score": "score",
            "label": "y_true",
            "model_version": "version",
        },
        "versions": {"champion": "7", "shadow": ["8"]},
    }
    return parse_config({**document, **more})


def both(right: float = 0.95) -> pd.DataFrame:
    return pd.concat([frame(0.8, "7", 1), frame(right, "8", 2)])


def said(store: Store, config: MonitorConfig, version: str | None = None, reason: str = "") -> str:
    trigger = TRIGGER if not reason else Trigger("t", "shop", "i", reason, END)
    return compared(store, config, trigger, version, END + timedelta(days=9))


def test_a_shadow_is_compared_on_the_rows_that_it_shares(tmp_path: Path, store: Store) -> None:
    rows = both()
    text = said(store, monitor(tmp_path, rows, labels(rows)), "8")
    found = re.fullmatch(
        rf"challenger 8: accuracy {NUMBER} against {NUMBER}, better by {NUMBER} "
        rf"\(95 % interval {NUMBER} to {NUMBER}\) on 1,200 rows of 6 days",
        text,
    )
    assert found, text
    old, new = ((f["y_pred"] == f["id"] % 2).to_numpy() for _, f in rows.groupby("version"))
    days = np.repeat(np.arange(DAYS), A_DAY)
    exact = paired_difference(lambda at: old[at].mean(), lambda at: new[at].mean(), days)
    wanted = (new.mean(), old.mean(), exact.value, *exact.interval)
    assert [float(n) for n in found.groups()] == pytest.approx(wanted, abs=0.001)


def test_the_days_are_those_of_the_time_zone_and_only_labelled_rows_count(
    tmp_path: Path, store: Store
) -> None:
    rows = both()
    known = labels(rows)
    known = known[known["id"] < 3 * A_DAY]
    zone = {"window": {"every": "1d", "timezone": "Asia/Tokyo"}}
    text = said(store, monitor(tmp_path, rows, known, **zone))
    # Three days of UTC touch four of Tokyo.
    assert text.endswith("on 600 rows of 4 days")


def test_a_worse_one_is_worse_and_a_small_difference_may_be_chance(
    tmp_path: Path, store: Store
) -> None:
    worse = both(0.6)
    text = said(store, monitor(tmp_path, worse, labels(worse)), "8")
    assert "worse by 0.1" in text
    assert "chance" not in text
    alike = both(0.802)
    assert "which may be chance" in said(store, monitor(tmp_path, alike, labels(alike)), "8")


def test_the_metric_is_the_one_that_asked_for_it(tmp_path: Path, store: Store) -> None:
    rows = both()
    config = monitor(tmp_path, rows, labels(rows), metrics=["f1", "brier"])
    asked = "performance/concept_drift is 4; performance/brier[town=Ulm] is 0.3, above 0.2"
    assert "8: brier 0.0" in said(store, config, reason=asked)
    assert "better by" in said(store, config, reason=asked)
    assert "8: f1 " in said(store, config, reason="drift/psi/size is 0.3")


def test_a_canary_is_compared_on_the_same_days(tmp_path: Path, store: Store) -> None:
    old, new = frame(0.8, "7", 1), frame(0.95, "8", 2)
    canary = new[(new["id"] % 10 == 0) & (new["id"] >= 2 * A_DAY)]
    rows = pd.concat([old[~old["id"].isin(canary["id"])], canary])
    text = said(store, monitor(tmp_path, rows, labels(rows)), "8")
    assert text.endswith("on 80 rows against 720 of the same 4 days")


def test_a_file_that_names_the_new_champion_already_is_understood(
    tmp_path: Path, store: Store
) -> None:
    rows = both()
    config = monitor(
        tmp_path, rows, labels(rows), versions={"champion": "8", "shadow": ["7"]}
    )  # fmt: skip
    text = said(store, config, "8")
    assert text.startswith("challenger 8: accuracy 0.9")
    assert "better by 0.1" in text


ROWS = both()


@pytest.mark.parametrize(
    ("rows", "known", "version", "more", "why"),
    [
        (frame(0.8, "7", 1), labels(ROWS), "8", {}, "no rows of version 8 with labels"),
        (frame(0.8, "8", 1), labels(ROWS), "8", {}, "no rows of version 7 with labels"),
        (ROWS, labels(ROWS).iloc[:0], "8", {}, "no rows of version 8 with labels"),
        (ROWS, labels(ROWS).iloc[:50], "8", {}, "rows of both with labels are of one day, and two"),
        (ROWS, labels(ROWS), None, {"versions": None}, "the monitor file names no versions"),
        (
            ROWS,
            labels(ROWS),
            None,
            {"versions": {"champion": "7", "shadow": ["8", "9"]}},
            "which version is the new one was not said",
        ),
        (ROWS.drop(columns="version"), labels(ROWS), "8", {}, "predictions lack the column"),
        (ROWS, labels(ROWS).drop(columns="y_true"), "8", {}, "labels: "),
    ],
)
def test_why_nothing_is_compared_is_said(
    tmp_path: Path,
    store: Store,
    rows: pd.DataFrame,
    known: pd.DataFrame,
    version: str | None,
    more: dict[str, Any],
    why: str,
) -> None:
    text = said(store, monitor(tmp_path, rows, known, **more), version)
    assert text.startswith("not compared: ")
    assert why in text


def test_a_source_that_is_gone_broken_or_slow_loses_nothing(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = monitor(tmp_path, ROWS, labels(ROWS))
    monkeypatch.setattr(challenger, "MOST_ROWS", 10)
    assert said(store, config) == "not compared: there are more than 10 rows in 2 days"
    monkeypatch.undo()
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    assert said(store, config).startswith("not compared: ")
    (tmp_path / "rows.parquet").unlink()
    assert said(store, config).startswith("not compared: ")
    monkeypatch.setattr(challenger, "SECONDS", 0.05)
    monkeypatch.setattr(challenger, "join_rows", lambda *_: time.sleep(1))
    monkeypatch.setattr(challenger, "_span", lambda *_: None)
    assert said(store, config) == "not compared: no result within 0 s"


def test_the_outcome_says_it_on_the_terminal_as_json_and_in_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path}/store.db")
    feedback_model.write_monitor(tmp_path, monkeypatch)
    monitor(tmp_path, ROWS, labels(ROWS))
    path = tmp_path / "monitors" / f"{feedback_model.MODEL}.yaml"
    own = {
        "predictions: nowhere.parquet": f"predictions: {tmp_path}/rows.parquet, "
        f"labels: {tmp_path}/labels.parquet",
        "columns: {": "columns: {id: id, label: y_true, model_version: version, ",
        "window: ": 'versions: {champion: "7", shadow: ["8"]}\nwindow: ',
    }
    text = path.read_text()
    for old, new in own.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    with contextlib.closing(open_store()) as store:
        config = stages.find_config(feedback_model.MODEL)[0]
        for number in range(1, DAYS + 1):
            feedback_model.decide(config, store, number, "drift")
        stages.deliver_triggers(store, now=feedback_model.NOW)
        (trigger,) = store.triggers()
        call = ["retraining", trigger.id, "--outcome", "promoted", "--by", "ann", "--json"]
        ran = CliRunner().invoke(cli.main, call)
        assert ran.exit_code == 0, ran.output
        outcome = json.loads(ran.stdout)["trigger"]["outcome"]
        assert re.fullmatch(
            r"promoted, said by ann; challenger 8: accuracy 0\.9\d+ against 0\.\d+, better by .*"
            r" on 1,200 rows of 7 days; an epoch of prediction, performance, estimate starts",
            outcome,
        )
        assert outcome in CliRunner().invoke(cli.main, ["retraining", trigger.id]).stdout
        (note,) = [
            m.message for m in store.messages() if m.message.transition == "retraining:promoted"
        ]
        assert outcome in note.payload["text"]
        assert outcome in note.payload["blocks"][0]["text"]["text"]
