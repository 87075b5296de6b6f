"""Baselines: exact text, versions that never change, and the one that holds for a window."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.samples import SAMPLE
from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.baseline import Baseline, collect_reference, from_files, to_files
from monitoring_sdk.config import parse_config
from monitoring_sdk.errors import BaselineError
from monitoring_sdk.measure import Layout, measure_columns
from monitoring_sdk.profile.grid import Grid, fit_categorical, fit_numeric
from monitoring_sdk.profile.profile import profile_batches
from monitoring_sdk.stages import build_baseline
from monitoring_sdk.window import Window

CASE = Path(__file__).parent / "reference" / "car_loan"
FIRST = datetime(2024, 3, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return FIRST + timedelta(days=number)


def fitted(sizes: list[float], kinds: list[str], **more: Any) -> Baseline:
    """Fit a baseline on two columns; every window is the whole."""
    grid = Grid(
        {
            "size": fit_numeric(np.array(sizes)),
            'kind, "quoted"\n': fit_categorical(
                {k: kinds.count(k) for k in kinds}, salt="s", min_count=1
            ),
        }
    )
    layout = Layout(("size",), ('kind, "quoted"\n',))
    batch = pa.record_batch({"size": pa.array(sizes, pa.float64()), layout.categorical[0]: kinds})
    profile = profile_batches([batch], grid)
    measured = [measure_columns(profile, profile, grid, layout)] * 2
    found: dict[str, Any] = {
        "model": "small",
        "version": "",
        "created": datetime(2024, 4, 1, 1, 2, 3, 456789, tzinfo=UTC),
        "span": Window(day(0), day(2)),
        "valid_from": None,
        "layout": layout,
        "grid": grid,
        "profile": profile,
        "windows": (Window(day(0), day(1)), Window(day(1), day(2))),
        "reference": collect_reference(measured),
        "suite": ({"type": "expect_x", "severity": "warning", "column": "é", "value_set": [1]},),
        "settings": "abc",
        "notes": ("one", "zwei “drei”"),
    }
    return Baseline(**{**found, **more})


def small(**more: Any) -> Baseline:
    chance = np.random.default_rng(0)
    return fitted(list(chance.normal(size=200)), list(chance.choice(["a", "b", "ü"], 200)), **more)


@pytest.fixture(scope="module")
def car_loan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Baseline]:
    root = tmp_path_factory.mktemp("baselines")
    config = parse_config(
        {
            "model": "car_loan",
            "source": {
                "predictions": str(CASE / "predictions.parquet"),
                "labels": str(CASE / "labels.parquet"),
            },
            "columns": {
                "id": "id",
                "timestamp": "timestamp",
                "prediction": "y_pred",
                "score": "y_pred_proba",
                "label": "y_true",
                "label_timestamp": "label_timestamp",
                "exclude": ["period"],
            },
            "window": {"every": "1mo"},
            "baseline": {"start": "2018-01-01", "end": "2018-10-30T18:00:00"},
        }
    )
    now = datetime(2019, 1, 1, tzinfo=UTC)
    return root, build_baseline(config, now=now, root=str(root))


# --- Text ---------------------------------------------------------------------------------------


def test_a_real_baseline_reads_back_exactly(car_loan: tuple[Path, Baseline]) -> None:
    root, built = car_loan
    assert from_files(to_files(built)) == built
    assert baselines.load(root, "car_loan") == built
    assert (built.version, built.rows) == ("v1", 50_000)
    # January to September; October is cut by the end of the span.
    assert len(built.windows) == 9
    assert {len(s.values) for s in built.reference.values()} == {9}
    assert sum(built.reference["operations/rows"].n) < built.rows
    assert len(built.suite) > 0


def test_the_files_are_text_that_reads_well(car_loan: tuple[Path, Baseline]) -> None:
    folder = car_loan[0] / "car_loan" / "v1"
    # The sample of labelled rows beside them is no part of the baseline.
    paths = [p for p in folder.iterdir() if p.name != SAMPLE]
    assert {p.name for p in paths} == {
        *("alarms.json", "baseline.json", "grid.json", "joint.json", "profile.json"),
        *("reference.csv", "expectations.json"),
        "sha256.json",
    }
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert max(len(line) for line in text.splitlines()) < 20_000
        if path.suffix == ".json":
            json.loads(text, parse_constant=lambda word: pytest.fail(f"it has {word}"))
    assert sum(p.stat().st_size for p in paths) < 500_000


def test_two_builds_of_the_same_data_differ_only_where_they_must(tmp_path: Path) -> None:
    first, second = (baselines.save(small(), tmp_path) for _ in range(2))
    one, two = to_files(first), to_files(second)
    assert {name for name in one if one[name] != two[name]} == {"baseline.json"}


sizes = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(sizes, st.data())
def test_whatever_was_fitted_reads_back_exactly(found: list[float], data: st.DataObject) -> None:
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    kinds = data.draw(st.lists(text, min_size=len(found), max_size=len(found)))
    baseline = fitted(found, kinds)
    again = from_files(to_files(baseline))
    assert again == baseline
    assert to_files(again) == to_files(baseline)


def test_series_with_holes_and_odd_numbers_read_back() -> None:
    odd = (None, 0.1 + 0.2, 5e-324, -0.0, 1.7976931348623157e308)
    windows = tuple(Window(day(i), day(i + 1)) for i in range(5))
    series = ReferenceSeries(odd, (0, 1, 2, 3, 10**15))
    baseline = small(windows=windows, reference={'drift/psi/a,"b"': series, "x": series})
    again = from_files(to_files(baseline)).reference
    assert again == baseline.reference
    assert str(again["x"].values[3]) == "-0.0"


def test_no_window_and_no_suite_read_back() -> None:
    baseline = small(windows=(), reference={}, suite=(), valid_from=day(3), notes=())
    assert from_files(to_files(baseline)) == baseline


# --- Versions -----------------------------------------------------------------------------------


def test_versions_count_up_and_the_newest_is_the_default(tmp_path: Path) -> None:
    assert baselines.versions(tmp_path, "small") == []
    saved = [baselines.save(small(settings=str(i)), tmp_path) for i in range(11)]
    assert [b.version for b in saved] == [f"v{i}" for i in range(1, 12)]
    assert baselines.versions(tmp_path, "small") == [f"v{i}" for i in range(1, 12)]
    assert baselines.load(tmp_path, "small") == saved[-1]
    assert baselines.load(tmp_path, "small", "v2") == saved[1]
    assert [p.name for p in (tmp_path / "small").iterdir() if p.name.startswith(".")] == []


def test_a_version_is_never_reused(tmp_path: Path) -> None:
    for _ in range(3):
        baselines.save(small(), tmp_path)
    shutil.rmtree(tmp_path / "small" / "v2")
    assert baselines.save(small(), tmp_path).version == "v4"


def test_builders_at_once_get_a_version_each(tmp_path: Path) -> None:
    saved: list[Baseline] = []
    start = threading.Barrier(6)

    def build(number: int) -> None:
        start.wait()
        saved.append(baselines.save(small(settings=str(number)), tmp_path))

    threads = [threading.Thread(target=build, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(b.version for b in saved) == [f"v{i}" for i in range(1, 7)]
    for baseline in saved:
        assert baselines.load(tmp_path, "small", baseline.version) == baseline


def test_a_failure_while_writing_leaves_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(BaselineError, match="No space"):
            baselines.save(small(), tmp_path)
    assert list((tmp_path / "small").iterdir()) == []
    assert baselines.save(small(), tmp_path).version == "v1"


def test_what_is_no_version_is_let_be(tmp_path: Path) -> None:
    for name in ("notes", ".draft-1", "v1.bak", "vx"):
        (tmp_path / "small" / name).mkdir(parents=True)
    (tmp_path / "small" / "v9").write_text("a file")
    assert baselines.versions(tmp_path, "small") == []
    assert baselines.save(small(), tmp_path).version == "v1"


# --- Damage -------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    baselines.save(small(), tmp_path)
    return tmp_path / "small" / "v1"


@pytest.mark.parametrize(
    "name", ["baseline.json", "grid.json", "profile.json", "reference.csv", "expectations.json"]
)
def test_a_changed_or_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text((folder / name).read_text() + " ")
    with pytest.raises(BaselineError, match=f"{name} was changed after it was built"):
        baselines.load(folder.parent.parent, "small")
    (folder / name).unlink()
    with pytest.raises(BaselineError, match="cannot be read"):
        baselines.load(folder.parent.parent, "small")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", "null", "\xff"])
def test_damaged_checksums_are_refused(folder: Path, text: str | None) -> None:
    (folder / "sha256.json").unlink()
    if text is not None:
        (folder / "sha256.json").write_text(text, encoding="latin-1")
    with pytest.raises(BaselineError, match="small"):
        baselines.load(folder.parent.parent, "small")


def test_another_format_says_what_to_do() -> None:
    files = to_files(small())
    head = json.loads(files["baseline.json"])
    for other in (2, 0, None, "1"):
        with pytest.raises(BaselineError, match="build it again with `monitoring baseline build`"):
            from_files({**files, "baseline.json": json.dumps({**head, "format": other})})


@pytest.mark.parametrize(
    "name", ["baseline.json", "grid.json", "profile.json", "reference.csv", "expectations.json"]
)
@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "1", '"x"', "a,b\n1,2\n"])
def test_damaged_text_is_a_baseline_error(name: str, text: str) -> None:
    files = to_files(small())
    if (name, text) == ("expectations.json", "[]"):
        return
    with pytest.raises(BaselineError, match=r"damaged|format"):
        from_files({**files, name: text})
    with pytest.raises(BaselineError, match="damaged"):
        from_files({k: v for k, v in files.items() if k != name})


def test_what_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match=r"small: no baseline in .*monitoring baseline build"):
        baselines.load(tmp_path, "small")
    with pytest.raises(BaselineError, match="small: no baseline"):
        baselines.for_window(tmp_path, "small", Window(day(0), day(1)))
    baselines.save(small(), tmp_path)
    with pytest.raises(BaselineError, match="no such baseline: got 'v2'; allowed: v1"):
        baselines.load(tmp_path, "small", "v2")


# --- Which one holds ------------------------------------------------------------------------------


def save_valid(root: Path, *starts: int | None) -> None:
    for start in starts:
        baselines.save(small(valid_from=None if start is None else day(start)), root)


def holding(root: Path, number: int) -> str:
    return baselines.for_window(root, "small", Window(day(number), day(number + 1))).version


def test_the_newest_whose_time_has_come_holds(tmp_path: Path) -> None:
    save_valid(tmp_path, None, 10, 20)
    found = [holding(tmp_path, n) for n in (-5, 9, 10, 19, 20, 99)]
    assert found == ["v1", "v1", "v2", "v2", "v3", "v3"]


def test_a_window_that_begins_before_belongs_to_the_one_before(tmp_path: Path) -> None:
    save_valid(tmp_path, None, 10)
    half = timedelta(hours=12)
    across = Window(day(10) - half, day(10) + half)
    assert baselines.for_window(tmp_path, "small", across).version == "v1"


def test_a_version_built_later_for_an_earlier_time_takes_over(tmp_path: Path) -> None:
    save_valid(tmp_path, None, 20, 10)
    assert [holding(tmp_path, n) for n in (9, 10, 25)] == ["v1", "v3", "v3"]


def test_before_every_baseline_s_time_the_earliest_holds(tmp_path: Path) -> None:
    save_valid(tmp_path, 20, 10)
    assert [holding(tmp_path, n) for n in (0, 10, 20)] == ["v2", "v2", "v2"]


def test_a_second_build_holds_from_the_end_of_its_span(tmp_path: Path) -> None:
    save_valid(tmp_path, None)
    described = baselines.describe(baselines.load(tmp_path, "small"))
    assert (described["version"], described["windows"], described["rows"]) == ("v1", 2, 200)
    assert json.loads(json.dumps(described)) == described
    unchanged = dataclasses.replace(baselines.load(tmp_path, "small"), version="")
    assert unchanged == small()


def test_a_baseline_of_the_first_version_reads_back(car_loan: tuple[Path, Baseline]) -> None:
    """It knew one score, no slices, nothing of whole rows, and compared with the span."""
    files = to_files(car_loan[1])
    head = json.loads(files["baseline.json"])
    for key in ("comparison", "segmentations"):
        del head[key]
    head["columns"] = {
        **{key: head["columns"][key] for key in ("numeric", "categorical", "prediction")},
        "score": head["columns"]["scores"][0],
    }
    del files["joint.json"]
    old = from_files({**files, "baseline.json": json.dumps(head)})
    assert old.layout.scores == car_loan[1].layout.scores
    assert old.reference == car_loan[1].reference
    assert (old.segmentations, old.joint.sources) == ((), ())
