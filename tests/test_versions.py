"""Several versions of a model at once: the champion pages, its shadows are watched beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sliced_model import day, monitor, rows

from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import BaselineError
from monitoring_sdk.preflight import version_checks
from monitoring_sdk.report import Check
from monitoring_sdk.stages import build_baseline, build_profile, detect_drift, pull_window
from monitoring_sdk.stages.quality import Quality, check_quality
from monitoring_sdk.stages.replacing import fit_replacement
from monitoring_sdk.stages.scan import scan

NOW = datetime(2025, 1, 1, tzinfo=UTC)
NONE = Quality(())
RAMP = 30
WATCHED: dict[str, Any] = {
    "columns": {"model_version": "version"},
    "versions": {"champion": 7, "shadow": [8]},
}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"sqlite:///{tmp_path}/store.db")


def canary(share: np.ndarray, *, days: int = RAMP, seed: int = 0) -> pd.DataFrame:
    """Give version 8 a share of each day's rows; it scores higher than 7 does."""
    table = rows(days, seed=seed)
    chance = np.random.default_rng(seed + 100)
    new = chance.random(len(table)) < share[table["day"]]
    table["version"] = np.where(new, 8, 7)
    table.loc[new, "score"] = table.loc[new, "score"] ** 0.4
    table["y_pred"] = (table["score"] > 0.4).astype(int)
    return table


def look(config: MonitorConfig, number: int, store: Store) -> dict[str, Check]:
    """Return the checks of quality and drift of a day."""
    handle = pull_window(config, day(number), day(number).end)
    quality = check_quality(handle)
    found = detect_drift(handle, NONE, build_profile(handle, NONE), store)
    return {c.key: c for c in (*quality.checks, *found)}


def of_model(checks: Mapping[str, Check], version: str | None = None) -> list[Check]:
    """Return the checks of what a version writes, of all segments."""
    columns = ("score", "y_pred")
    return [c for c in checks.values() if c.column in columns and c.version == version]


def test_the_ramp_of_a_canary_is_no_drift_of_predictions(tmp_path: Path, store: Store) -> None:
    share = np.concatenate([np.zeros(20), np.linspace(0.05, 0.95, 10)])
    table = canary(share)
    config = monitor(tmp_path, table, **WATCHED)
    build_baseline(config, now=NOW)
    for number in range(20, RAMP):
        checks = look(config, number, store)
        loud = [c.key for c in checks.values() if c.status == "alert" and c.version is None]
        assert loud == []
        own = checks["prediction/psi/score"]
        assert own.n == int(((table["day"] == number) & (table["version"] == 7)).sum())
        # Inputs are those of all rows, whoever scored them.
        assert checks["drift/psi/size"].n == 1000
        if number > 22:
            beside = checks["prediction/psi/score#8"]
            assert (beside.status, beside.version, beside.pages) == ("alert", "8", False)
    # Told apart by nothing, the same ramp pages.
    plain = monitor(tmp_path, table)
    build_baseline(plain, now=NOW, valid_from=day(0).start)
    assert look(plain, RAMP - 1, store)["prediction/psi/score"].pages


def test_a_champion_that_vanished_is_an_alert_and_no_silence(tmp_path: Path, store: Store) -> None:
    config = monitor(tmp_path, canary(np.concatenate([np.zeros(20), np.ones(10)])), **WATCHED)
    build_baseline(config, now=NOW)
    checks = look(config, 21, store)
    gone = checks["quality/champion_present"]
    assert (gone.status, gone.pages) == ("alert", True)
    assert gone.reason == "no row is of 7, the champion; there are 1000 of 8"
    whole = [c for c in of_model(checks) if c.segment is None and c.family != "quality"]
    assert {(c.status, c.value) for c in whole if not c.name.startswith("expect_")} == {
        ("no_data", None)
    }
    assert checks["drift/psi/size"].status == "ok"
    assert not any(c.status == "ok" for c in of_model(checks))


def test_versions_that_nobody_declared_are_counted_and_told(tmp_path: Path, store: Store) -> None:
    table = canary(np.zeros(RAMP))
    table["version"] = table["version"].astype("Int64")
    table.loc[(table["day"] == 21) & (table["id"] % 20 == 0), "version"] = 9
    table.loc[(table["day"] == 22), "version"] = table["version"].mask(table["id"] % 4 == 0)
    table.loc[table["version"].eq(9), "score"] = 0.999
    config = monitor(tmp_path, table, **WATCHED)
    build_baseline(config, now=NOW)
    fine, some, none = (look(config, n, store) for n in (20, 21, 22))
    assert fine["quality/unknown_version_share"].status == "ok"
    told = some["quality/unknown_version_share"]
    assert (told.status, told.severity, told.value) == ("alert", "warning", 0.05)
    assert told.reason == "50 of 1000 rows are of no declared version: 50 of 9"
    assert "they have none" in str(none["quality/unknown_version_share"].reason)
    assert some["prediction/psi/score"].status == "ok"
    assert scan(pull_window(config, day(21), day(21).end)).versions == {"7": 950, "9": 50}


def test_a_window_without_any_version_has_no_champion() -> None:
    checks = version_checks({}, "7", ["8"], window=day(0), rows=10)
    assert [c.status for c in checks] == ["alert", "alert"]
    assert version_checks({}, "7", window=day(0), rows=0) == []


def test_a_missing_version_column_is_an_alert_and_errors(tmp_path: Path, store: Store) -> None:
    table = canary(np.zeros(RAMP))
    config = monitor(tmp_path, table, **WATCHED)
    build_baseline(config, now=NOW)
    config = monitor(tmp_path, table.drop(columns="version"), **WATCHED)
    checks = look(config, 21, store)
    assert checks["quality/column_present/version"].pages
    assert checks["prediction/psi/score"].status == "error"
    assert checks["drift/psi/size"].status == "ok"


def test_an_id_once_for_each_version_is_no_repeat(tmp_path: Path, store: Store) -> None:
    table = canary(np.zeros(24), days=24)
    twice = pd.concat([table, table.assign(version=8)])
    config = monitor(tmp_path, twice, **WATCHED)
    build_baseline(config, now=NOW)
    assert look(config, 21, store)["quality/duplicate_ids"].value == 0
    thrice = pd.concat([twice, table[table["id"] % 50 == 0].assign(version=8)])
    config = monitor(tmp_path, thrice, **WATCHED)
    repeated = look(config, 21, store)["quality/duplicate_ids"]
    assert (repeated.status, repeated.value) == ("alert", pytest.approx(20 / 2020))


def test_what_a_shadow_wrote_is_its_reference_when_it_is_champion(
    tmp_path: Path, store: Store
) -> None:
    """Every row was scored by both; the monitor file then names 8 the champion."""
    old = canary(np.zeros(RAMP))
    new = canary(np.ones(RAMP))
    both = pd.concat([old[old["day"] < 25], new])
    config = monitor(tmp_path, both, **WATCHED)
    before = build_baseline(config, now=NOW)
    promoted = monitor(
        tmp_path,
        both,
        columns={"model_version": "version"},
        versions={"champion": 8, "shadow": [7]},
    )
    after = build_baseline(promoted, now=NOW)
    alone = build_baseline(monitor(tmp_path / "alone", new), now=NOW, root=str(tmp_path / "alone"))
    for name in ("score", "y_pred"):
        assert after.grid.columns[name] == alone.grid.columns[name]
        assert after.profile.columns[name] == alone.profile.columns[name]
        assert after.profile.columns[name] != before.profile.columns[name]
    for key, series in alone.reference.items():
        if key.startswith("prediction/"):
            assert after.reference[key] == series
    # Version 7 has left: the window is all of 8, and all is well.
    checks = look(promoted, 27, store)
    assert {c.status for c in of_model(checks)} <= {"ok", "insufficient"}
    assert len(of_model(checks)) > 20


def test_without_a_row_of_the_champion_there_is_no_baseline(tmp_path: Path) -> None:
    config = monitor(tmp_path, canary(np.ones(RAMP)), **WATCHED)
    with pytest.raises(BaselineError, match="no row of version 7, the champion"):
        build_baseline(config, now=NOW)


def test_a_replacement_s_rows_are_all_its_own(tmp_path: Path) -> None:
    config = monitor(tmp_path, canary(np.zeros(RAMP)), **WATCHED)
    build_baseline(config, now=NOW)
    scored = canary(np.ones(RAMP)).drop(columns=["day", "version"])
    fitted = fit_replacement(config, scored, day(RAMP).start)
    assert fitted.profile.columns["score"].rows == len(scored)


@pytest.mark.parametrize("kept_apart", [False, True])
def test_what_a_shadow_answers_beside_the_champion_is_no_more_rows_of_a_segment(
    kept_apart: bool, tmp_path: Path, store: Store
) -> None:
    """A mirror is switched on for the north alone, and a canary takes the south over."""
    table = rows(24).assign(version=7)
    late = table["day"] >= 21
    mirrored = table[late & (table["region"] == "north")].assign(version=8)
    table.loc[late & (table["region"] == "south"), "version"] = 8
    both = pd.concat([table, mirrored]).sort_values("at", kind="stable")
    if kept_apart:
        both = pd.concat([both[both["version"] == 8], both[both["version"] == 7]])
    config = monitor(tmp_path, both, **WATCHED)
    build_baseline(config, now=NOW)
    for number in (20, 22):
        checks = look(config, number, store)
        on_day = table[table["day"] == number]
        for region, count in on_day["region"].value_counts().items():
            check = checks[f"operations/rows[region={region}]"]
            assert (check.value, check.status) == (count, "ok")
