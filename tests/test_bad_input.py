"""Each line of `docs/bad_input.md`, through the stages; all else is judged as ever."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import bad_inputs
import pytest
from bad_inputs import BAD, CASES, FIRST, Case, Scene, config_of

from monitoring_sdk import stages
from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.report import Report

PAGE = Path(__file__).parent.parent / "docs" / "bad_input.md"
COLUMNS = ("size", "price", "kind", "grade")
EVERY = [case for cases in CASES.values() for case in cases]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build one baseline for all, and keep of its expectations those that the table speaks of."""
    folder = tmp_path_factory.mktemp("bad")
    bad_inputs.write_reference(folder)
    whole = stages.build_baseline(
        config_of(folder), now=FIRST + timedelta(days=20), root=str(folder / "whole")
    )
    suite = tuple(e for e in whole.suite if e["column"] in ("size", "grade"))
    baselines.save(dataclasses.replace(whole, suite=suite), folder / "baselines")
    own, kept = (
        folder / root / "small" / "v1" / "sample.parquet" for root in ("whole", "baselines")
    )
    kept.write_bytes(own.read_bytes())
    return folder


@pytest.fixture
def scene(built: Path, tmp_path: Path) -> Iterator[Scene]:
    """A day's folder, and the baseline that all share."""
    return Scene(tmp_path, built / "baselines")


def look(scene: Scene, patch: pytest.MonkeyPatch) -> Report:
    """Take a window through the stages, as the flow does."""
    patch.setenv("MONITORING_BASELINES", str(scene.baselines))
    store = open_store(scene.store)
    config = config_of(scene.folder, **scene.changes)
    handle = stages.pull_window(config, scene.window, scene.window.end + timedelta(hours=2))
    scene.meanwhile()
    quality = stages.check_quality(handle)
    profile = stages.build_profile(handle, quality)
    metrics = stages.compute_metrics(handle, quality, store)
    drift = stages.detect_drift(handle, quality, profile, store)
    return stages.decide(handle, quality, profile, metrics, drift, store)


def told(report: Report) -> set[str]:
    """Say of each check of the window its status and reason, as the table does."""
    own = [c for c in report.checks if c.window == report.window]
    return {f"{c.key}: {c.status}" + (f", {c.reason}" if c.reason else "") for c in own}


def statuses(report: Report, touched: tuple[str, ...]) -> dict[str, str]:
    """Return what was said of the columns that have nothing to do with a case."""
    names = ("psi", "null_share", "unseen_share")
    columns = [c for c in COLUMNS if c not in touched]
    found = [c for c in report.checks if c.column in columns and c.name in names]
    return {c.key: c.status for c in found}


@pytest.mark.parametrize("case", EVERY, ids=[case.what for case in EVERY])
def test_bad_input_ends_as_the_table_says(
    case: Case, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.spoil(scene)
    try:
        report = look(scene, monkeypatch)
    except MonitoringError as error:
        text = f"{type(error).__name__}: {error}".replace(str(scene.folder), "…")
        assert ("error", (text,)) == (case.status, case.ends)
        return
    assert report.status == case.status
    json.dumps(report.to_dict(), allow_nan=False)
    assert set(case.ends) <= {t.replace(str(scene.folder), "…") for t in told(report)}
    assert not [c for c in report.checks if c.value is not None and not math.isfinite(c.value)]
    if report.rows and report.rows >= 30:
        others = statuses(report, case.touched)
        levels = ("kind", "grade")
        expected = sum(2 + (c in levels) for c in COLUMNS if c not in case.touched)
        assert len(others) == expected
        assert set(others.values()) == {"ok"}, others


def test_a_good_day_is_quiet_also_after_a_bad_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the first line, the alerts of the table would prove nothing."""
    bad_inputs.write(scene.folder)
    before = look(scene, monkeypatch)
    assert before.status == "ok"
    (scene.folder / "rows" / "day.parquet").write_bytes(b"PAR1")
    with pytest.raises(MonitoringError):
        look(scene, monkeypatch)
    bad_inputs.write(scene.folder)
    assert told(look(scene, monkeypatch)) == told(before)


def test_a_file_that_came_meanwhile_is_judged_at_the_next_look(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scene.store = f"sqlite:///{tmp_path}/store.db"
    bad_inputs._appears(scene)
    assert look(scene, monkeypatch).rows == bad_inputs.ROWS // 2
    config, end = config_of(scene.folder), BAD.end + timedelta(hours=2)
    store = open_store(scene.store)
    assert stages.evaluate_window(config, BAD, end, store).rows == bad_inputs.ROWS
    assert [r.rows for r in store.results("small", part="data")] == [bad_inputs.ROWS]


def test_labels_that_are_mended_are_judged_at_the_next_look(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scene.store = f"sqlite:///{tmp_path}/store.db"
    bad_inputs._truncated("labels")(scene)
    assert "performance_inputs" in str(told(look(scene, monkeypatch)))
    bad_inputs.write(scene.folder)
    config, end = config_of(scene.folder), BAD.end + timedelta(hours=2)
    report = stages.evaluate_window(config, BAD, end, open_store(scene.store))
    accuracy = [c for c in report.checks if (c.family, c.name) == ("performance", "accuracy")]
    assert [c.value is not None for c in accuracy] == [True]


def test_the_table_stands_in_the_documentation() -> None:
    assert PAGE.read_text(encoding="utf-8") == bad_inputs.page(), "python -m tests.bad_inputs"
