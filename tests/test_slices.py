"""A monitor with segments: what happens in one is found there and named, and the rest is quiet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sliced_model import BASELINE_DAYS, REGIONS, day, monitor, rows

from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.baseline import Baseline, from_files, to_files
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import BaselineError
from monitoring_sdk.evaluate import confirm
from monitoring_sdk.report import Check
from monitoring_sdk.stages import build_baseline, build_profile, detect_drift, pull_window
from monitoring_sdk.stages.checking import check_monitor
from monitoring_sdk.stages.kept_rows import TABLE_ROWS
from monitoring_sdk.stages.quality import Quality, check_quality
from monitoring_sdk.stages.scan import scan
from monitoring_sdk.stages.steps import evaluate_window

NOW = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 30
NONE = Quality(())


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"sqlite:///{tmp_path}/store.db")


def walk(
    config: MonitorConfig, store: Store, days: range
) -> Iterator[tuple[int, Mapping[str, Check]]]:
    """Look at one day after another; two excesses running are an alert."""
    before: set[str] = set()
    for number in days:
        handle = pull_window(config, day(number), day(number).end)
        found = detect_drift(handle, NONE, build_profile(handle, NONE), store)
        checks = {c.key: c for c in confirm(found, before)}
        before = {key for key, c in checks.items() if c.exceeded}
        yield number, checks


def alerts(checks: Mapping[str, Check]) -> set[str]:
    return {key for key, c in checks.items() if c.status == "alert"}


def test_what_changes_in_one_segment_is_found_there_and_named(tmp_path: Path, store: Store) -> None:
    table = rows(DAYS)
    there = (table["day"] >= 25) & (table["region"] == "isles")
    table.loc[there, "size"] += 1.5
    config = monitor(tmp_path, table)
    baseline = build_baseline(config, now=NOW)
    assert {k for (k,) in baseline.segmentations[0].kept} == set(REGIONS)
    paged = set()
    for number, checks in walk(config, store, range(BASELINE_DAYS, DAYS)):
        found = alerts(checks)
        assert not found or number >= 25
        paged |= found
        assert checks["drift/psi/size[region=east]"].segment == {"region": "east"}
    # Six rows in a hundred: the whole hardly moves.
    assert {key.split("/")[2] for key in paged} == {"size[region=isles]"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_nothing_changes_no_segment_pages_in_40_windows(
    seed: int, tmp_path: Path, store: Store
) -> None:
    """Segments of 40 to 340 rows a day, 180 checks of them a window."""
    config = monitor(tmp_path, rows(60, seed=seed))
    build_baseline(config, now=NOW)
    for _, checks in walk(config, store, range(BASELINE_DAYS, 60)):
        assert alerts(checks) == set()
        assert sum(c.segment is not None for c in checks.values()) > 150


def test_a_segment_without_rows_is_an_alert_at_once(tmp_path: Path, store: Store) -> None:
    table = rows(24)
    table = table[(table["day"] < 22) | (table["region"] != "isles")]
    config = monitor(tmp_path, table)
    build_baseline(config, now=NOW)
    found = dict(walk(config, store, range(20, 24)))
    assert [alerts(found[n]) for n in (20, 21)] == [set(), set()]
    for number in (22, 23):
        check = found[number]["operations/rows[region=isles]"]
        assert (check.status, check.value, check.pages) == ("alert", 0.0, True)
        assert "every reference window had" in (check.reason or "")
        assert not any(c.value is None and c.status == "ok" for c in found[number].values())


def test_few_rows_of_a_segment_are_insufficient(tmp_path: Path, store: Store) -> None:
    table = rows(22)
    few = table[(table["day"] == 21) & (table["region"] == "west")].index[20:]
    config = monitor(tmp_path, table.drop(index=few))
    build_baseline(config, now=NOW)
    ((_, checks),) = walk(config, store, range(21, 22))
    own = [c for c in checks.values() if c.segment == {"region": "west"} and c.name != "rows"]
    assert {c.status for c in own} == {"insufficient"}
    assert all(c.n is not None and c.n <= 20 for c in own)


def test_rare_levels_are_watched_together_as_other(tmp_path: Path, store: Store) -> None:
    table = rows(24)
    chance = np.random.default_rng(0)
    rare = chance.random(len(table)) < 0.05
    towns = chance.choice([f"town {i}" for i in range(40)], len(table))
    table["region"] = table["region"].mask(rare, pd.Series(towns))
    table.loc[rare & (table["day"] >= 22), "size"] += 3
    config = monitor(tmp_path, table)
    baseline = build_baseline(config, now=NOW)
    assert not any("town" in k for (k,) in baseline.segmentations[0].kept)
    found = dict(walk(config, store, range(20, 24)))
    assert "drift/ks/size[region=other]" in alerts(found[23])
    assert alerts(found[21]) == set()


def test_crossings_and_their_rules(tmp_path: Path, store: Store) -> None:
    rules = {
        "psi": [
            {"columns": ["size"], "max": 1e9},
            {"segment": {"region": "north", "kind": "a"}, "columns": ["size"], "max": 1e-9},
        ]
    }
    config = monitor(
        tmp_path, rows(22), columns={"segments": [["region", "kind"]]}, thresholds=rules
    )
    build_baseline(config, now=NOW)
    ((_, checks),) = walk(config, store, range(21, 22))
    own = checks["drift/psi/size[kind=a,region=north]"]
    assert (own.status, own.threshold_from, own.threshold) == ("alert", "user", 1e-9)
    assert checks["drift/psi/size"].threshold_from == "user"
    # A rule without a segment is not one for each of them.
    assert checks["drift/psi/size[kind=b,region=north]"].threshold_from == "provisional"
    # Within a segment its own columns do not vary.
    assert not any(c.segment and c.column in ("region", "kind") for c in checks.values())


def test_a_baseline_that_knows_no_segments_says_so_once(tmp_path: Path, store: Store) -> None:
    build_baseline(monitor(tmp_path, rows(22), columns={"segments": []}), now=NOW)
    config = monitor(tmp_path, rows(22))
    ((_, checks),) = walk(config, store, range(21, 22))
    (told,) = [c for c in checks.values() if c.status == "skipped"]
    assert (told.key, told.reason) == (
        "drift/segments/region",
        "not in baseline v1: build a new one",
    )
    assert not any(c.segment for c in checks.values())
    report = evaluate_window(config, day(21), day(21).end, store)
    # Being skipped blocks nothing else.
    assert report.status == "ok"


def test_a_segment_s_column_that_is_gone_alerts_and_is_an_error_once(
    tmp_path: Path, store: Store
) -> None:
    config = monitor(tmp_path, rows(22), columns={"categorical": ["kind"]})
    build_baseline(config, now=NOW)
    config = monitor(tmp_path, rows(22).drop(columns="region"), columns={"categorical": ["kind"]})
    handle = pull_window(config, day(21), day(21).end)
    quality = check_quality(handle)
    (gone,) = [c for c in quality.checks if c.column == "region"]
    assert (gone.key, gone.pages) == ("quality/column_present/region", True)
    found = detect_drift(handle, NONE, build_profile(handle, quality), store)
    errors = [c for c in found if c.status == "error"]
    assert [(c.key, c.segment) for c in errors] == [("drift/segments/region", None)]


def test_a_sample_of_whole_rows_is_kept(tmp_path: Path) -> None:
    config = monitor(
        tmp_path, rows(22, 30_000), baseline={"start": "2024-03-01", "end": "2024-03-04"}
    )
    build_baseline(config, now=NOW)
    found = scan(pull_window(config, day(3), day(3).end))
    assert found.rows is not None
    assert found.rows.num_rows == 15_000 <= TABLE_ROWS
    assert set(found.rows.column_names) == {
        *("size", "fare", "stops", "kind", "region", "score", "y_pred")
    }


# --- The baseline ---------------------------------------------------------------------------------


def test_a_baseline_with_segments_reads_back_exactly(tmp_path: Path) -> None:
    built = build_baseline(monitor(tmp_path, rows(20, 300)), now=NOW)
    files = to_files(built)
    assert from_files(files) == built
    assert "operations/rows[region=north]" in built.reference
    assert len(built.profile.slices) >= 3
    assert all(len(line) < 20_000 for text in files.values() for line in text.splitlines())


@pytest.mark.parametrize("name", ["slices.json", "reference_slices.csv"])
@pytest.mark.parametrize("text", ["", "{", "[]", "1", "a,b\n1,2\n"])
def test_damaged_slices_are_a_baseline_error(name: str, text: str, built_files: Any) -> None:
    with pytest.raises(BaselineError, match="damaged"):
        from_files({**built_files, name: text})


@pytest.fixture(scope="module")
def built_files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("files")
    config = monitor(folder, rows(6, 300), baseline={"start": "2024-03-01", "end": "2024-03-06"})
    built: Baseline = build_baseline(config, now=NOW, root=str(folder))
    return to_files(built)


# --- `monitoring check` ---------------------------------------------------------------------------


def test_check_names_limits_for_segments_that_there_are_not(tmp_path: Path) -> None:
    rules = {
        "psi": [
            {"segment": {"region": "nord"}, "max": 0.2},
            {"segment": {"kind": "a"}, "max": 0.2},
            {"segment": {"region": "north"}, "max": 0.2},
        ]
    }
    config = monitor(tmp_path, rows(22), thresholds=rules)
    build_baseline(config, now=NOW)
    path = tmp_path / "sliced.yaml"
    path.write_text(config.model_dump_json(exclude_defaults=True))
    problems = check_monitor(path).problems
    assert len(problems) == 2
    assert problems[0].startswith("thresholds.psi.1.segment: columns.segments has no such segments")
    assert "baseline v1 has no such segment: got '[region=nord]'" in problems[1]
    assert "did you mean [region=north]" in problems[1]
