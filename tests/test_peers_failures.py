"""What breaks other monitors, or silences them, through the public face: each is seen and said.

One small model on files, a file a day; each test spoils a day and walks through it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring_sdk import stages
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.report import Check, Report
from monitoring_sdk.window import Window

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAYS, BASELINE_DAYS, ROWS = 27, 20, 500
BAD = 22
NUMERIC = ["size", "price", "tiny", "constant", "empty"]
CATEGORICAL = ["grade", "city", "customer"]
SHIFT = 2.0

Change = Callable[[pd.DataFrame], pd.DataFrame | None]


def window(number: int) -> Window:
    return Window(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def day_of_rows(number: int) -> pd.DataFrame:
    """Return a day as it should be: 500 rows of the same distributions."""
    chance = np.random.default_rng(100 + number)
    score = chance.uniform(size=ROWS)
    at = pd.Timestamp(FIRST) + pd.to_timedelta(number * 86_400 + np.linspace(0, 86_000, ROWS), "s")
    return pd.DataFrame(
        {
            "id": np.arange(ROWS) + number * ROWS,
            "at": at,
            "size": chance.normal(size=ROWS),
            "price": chance.lognormal(size=ROWS),
            "tiny": 1e9 + chance.normal(0, 1e-4, ROWS),
            "constant": 5.0,
            "empty": np.full(ROWS, np.nan),
            "grade": chance.integers(1, 4, ROWS),
            "city": chance.choice(["Bonn", "Köln", "Ulm"], ROWS),
            "customer": [f"c{i}" for i in chance.integers(0, 8000, ROWS)],
            "score": score,
            "y_pred": (score > 0.5).astype(int),
        }
    )


def labels_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return labels that come twelve hours later and are as likely as the score says."""
    chance = np.random.default_rng(int(rows["id"].iloc[0]))
    return pd.DataFrame(
        {
            "id": rows["id"],
            "y_true": (chance.uniform(size=len(rows)) < rows["score"]).astype(int),
            "known_at": rows["at"] + pd.Timedelta("12h"),
        }
    )


def write(
    folder: Path, change: Change = lambda same: same, *, labels: Change = lambda same: same
) -> None:
    """Write every day; the bad one, and its labels, changed."""
    for part in ("rows", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in range(DAYS):
        rows = day_of_rows(number)
        known = labels_of(rows)
        if number == BAD:
            rows, known = change(rows), labels(known)
        for part, frame in (("rows", rows), ("labels", known)):
            if frame is not None:
                frame.to_parquet(folder / part / f"{number:02d}.parquet")


def config_of(folder: Path, **changes: Any) -> MonitorConfig:
    return parse_config(
        {
            "model": "small",
            "source": {"predictions": str(folder / "rows"), "labels": str(folder / "labels")},
            "columns": {
                "id": "id",
                "timestamp": "at",
                "prediction": "y_pred",
                "score": "score",
                "label": "y_true",
                "label_timestamp": "known_at",
                "numeric": NUMERIC,
                "categorical": CATEGORICAL,
            },
            "window": {"every": "1d", "expect_within": "8h"},
            "labels": {"delay": "12h", "coverage": 0.9, "give_up": "2d"},
            "baseline": {"start": "2024-03-01", "end": "2024-03-21"},
            "metrics": ["accuracy", "precision", "roc_auc", "log_loss"],
            **changes,
        }
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build the baseline of the clean days, once."""
    folder = tmp_path_factory.mktemp("peers")
    write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_BASELINES", str(folder / "baselines"))
        stages.build_baseline(config_of(folder), now=FIRST + timedelta(days=DAYS + 10))
        yield folder


@pytest.fixture
def store() -> Store:
    """A store in memory."""
    return open_store("sqlite://")


@pytest.fixture(scope="module")
def clean(reference: Path) -> tuple[Store, dict[int, Report]]:
    """Walk the clean days after the baseline, once."""
    store = open_store("sqlite://")
    reports = walked(config_of(reference), store, BASELINE_DAYS, DAYS - 1)
    return store, dict(enumerate(reports, start=BASELINE_DAYS))


def walked(config: MonitorConfig, store: Store, first: int = BAD, last: int = BAD) -> list[Report]:
    """Walk some days and return their reports, every one fit for JSON."""
    windows = [window(n) for n in range(first, last + 1)]
    reports = list(stages.walk(config, windows, store))
    for report in reports:
        nothing_is_nan(report)
    return reports


def nothing_is_nan(report: Report) -> None:
    """Assert that no number is NaN or infinite, and that a check without a value says why."""
    json.dumps(report.to_dict(), allow_nan=False)
    for check in report.checks:
        assert check.status != "ok" or check.value is not None or check.family == "quality", check
        assert check.value is not None or check.reason, check.key


def of(report: Report, name: str, column: str | None = None) -> Check:
    """Return a check of the report's own window."""
    (check,) = [
        c for c in report.checks if (c.name, c.column, c.window) == (name, column, report.window)
    ]
    return check


def judged(store: Store, number: int) -> dict[str, Check]:
    """Return the newest performance checks of a day."""
    rows = [r for r in store.results("small", part="performance") if r.window == window(number)]
    return {c.name: c for c in rows[-1].checks} if rows else {}


def quiet_but_for(report: Report, *columns: str) -> None:
    """Assert that what was not spoilt was looked at as ever, and is quiet."""
    usual = ("size", "price", "tiny", "constant", "grade", "city")
    others = [c for c in usual if c not in columns]
    for column in others:
        assert of(report, "psi", column).status == "ok", column
        assert of(report, "null_share", column).status == "ok", column


# --- Cells ----------------------------------------------------------------------------------------


def test_the_clean_days_are_quiet(clean: tuple[Store, dict[int, Report]]) -> None:
    """Without this, an alert below would prove nothing."""
    for report in clean[1].values():
        found = [c for c in report.checks if c.column != "customer"]
        assert [c.key for c in found if c.status in ("alert", "error")] == []


def test_one_nan_cell_where_others_answer_nan_for_the_whole_column(
    reference: Path, tmp_path: Path, store: Store
) -> None:
    """A mean or a KS over one NaN is NaN elsewhere, and NaN is above no limit: never an alert."""

    def spoil(rows: pd.DataFrame) -> pd.DataFrame:
        shifted = rows.assign(size=rows["size"] + SHIFT)
        shifted.loc[3, "size"] = np.nan
        return shifted

    write(tmp_path, spoil)
    (report,) = walked(config_of(tmp_path), store)
    for name in ("psi", "ks", "wasserstein"):
        assert of(report, name, "size").status == "alert"
    assert of(report, "null_share", "size").value == pytest.approx(1 / ROWS)
    quiet_but_for(report, "size")


@pytest.fixture(scope="module")
def shifted(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The bad day, shifted and nothing else."""
    folder = tmp_path_factory.mktemp("shifted")
    write(folder, lambda rows: rows.assign(size=rows["size"] + SHIFT))
    (report,) = walked(config_of(folder), open_store("sqlite://"))
    return report


@pytest.mark.parametrize("wild", [1e9, np.inf], ids=str)
def test_one_outlier_where_others_bins_move_and_hide_the_shift(
    shifted: Report, tmp_path: Path, store: Store, wild: float
) -> None:
    """Bins between the window's own extremes put all else into one bin: PSI 1.02 becomes .00007.

    Here edges are the reference's. An infinity is a value like any other for PSI, and where it is
    left out, that is said.
    """

    def spoil(rows: pd.DataFrame) -> pd.DataFrame:
        moved = rows.assign(size=rows["size"] + SHIFT)
        moved.loc[3, "size"] = wild
        return moved

    write(tmp_path, spoil)
    (report,) = walked(config_of(tmp_path), store)
    for name in ("psi", "ks", "jensen_shannon"):
        check, without = of(report, name, "size"), of(shifted, name, "size")
        assert check.status == "alert"
        assert check.value == pytest.approx(without.value, rel=0.02)
    if wild == np.inf:
        assert "1 infinite value" in (of(report, "wasserstein", "size").reason or "")
    assert store.incidents("small")
    quiet_but_for(report, "size")


def test_one_outlier_in_the_reference_does_not_blind_for_good(tmp_path: Path, store: Store) -> None:
    """A baseline with one wild row has one bin elsewhere, and no shift is ever seen again."""

    def shifted(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(size=rows["size"] + SHIFT)

    write(tmp_path, shifted)
    wild = day_of_rows(4)
    wild.loc[7, "size"] = 1e9
    wild.to_parquet(tmp_path / "rows" / "04.parquet")
    config = config_of(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
        stages.build_baseline(config, now=FIRST + timedelta(days=DAYS + 10))
        (report,) = walked(config, store)
    assert of(report, "psi", "size").status == "alert"
    assert (of(report, "psi", "size").value or 0) > 1
    quiet_but_for(report, "size")


# --- Columns --------------------------------------------------------------------------------------


def test_a_column_that_turns_all_null_where_others_drop_it_and_stay_green(
    reference: Path, tmp_path: Path, store: Store
) -> None:
    """Dropping nulls first leaves nothing to compare; elsewhere that is skipped, or "no drift"."""
    write(tmp_path, lambda rows: rows.assign(size=np.nan, city=None))
    (report,) = walked(config_of(tmp_path), store)
    for column in ("size", "city"):
        assert of(report, "null_share", column).status == "alert"
        assert of(report, "null_share", column).value == 1.0
        distance = of(report, "psi", column)
        assert distance.status != "ok"
        assert distance.value is not None or "no " in (distance.reason or "")
    assert report.status == "alert"
    quiet_but_for(report, "size", "city")


def test_a_column_that_never_had_a_value_has_none_to_compare_and_is_no_crash(
    clean: tuple[Store, dict[int, Report]], tmp_path: Path, store: Store
) -> None:
    """Elsewhere an all-null reference column ends the whole report with a traceback."""
    write(tmp_path, lambda rows: rows.assign(empty=rows["price"]))
    before, (report,) = clean[1][BAD], walked(config_of(tmp_path), store)
    for name in ("psi", "ks", "wasserstein"):
        check = of(before, name, "empty")
        assert (check.status, check.value) == ("undefined", None)
        assert check.reason
    # All nulls before, none now: the values that came are seen.
    assert of(before, "null_share", "empty").status == "ok"
    assert of(before, "null_share", "empty").value == 1.0
    assert of(report, "null_share", "empty").value == 0.0
    quiet_but_for(report)


def test_a_constant_column_where_others_divide_by_its_spread(
    clean: tuple[Store, dict[int, Report]], tmp_path: Path, store: Store
) -> None:
    """No spread: a division by zero, one bin, or a NaN that passes. A new value must be seen."""
    write(tmp_path, lambda rows: rows.assign(constant=6.0))
    before, (report,) = clean[1][BAD], walked(config_of(tmp_path), store)
    assert of(before, "psi", "constant").value == 0.0
    assert of(before, "ks", "constant").value == 0.0
    for name in ("psi", "ks"):
        assert of(report, name, "constant").status == "alert"
    assert of(report, "ks", "constant").value == 1.0
    quiet_but_for(report, "constant")


def test_a_tiny_spread_around_a_large_number_is_not_rounded_away(
    clean: tuple[Store, dict[int, Report]], tmp_path: Path, store: Store
) -> None:
    """1e9 with a deviation of 1e-4: sums of squares in floats, or fixed bins, see nothing."""
    write(tmp_path, lambda rows: rows.assign(tiny=rows["tiny"] + SHIFT * 1e-4))
    before, (report,) = clean[1][BAD], walked(config_of(tmp_path), store)
    assert of(before, "psi", "tiny").status == "ok"
    for name in ("psi", "ks", "wasserstein"):
        assert of(report, name, "tiny").status == "alert", name
    assert of(report, "wasserstein", "tiny").value == pytest.approx(SHIFT * 1e-4, rel=0.2)
    quiet_but_for(report, "tiny")


@pytest.mark.parametrize("kind", ["text", "float"])
def test_levels_stay_the_same_when_1_is_read_as_text(
    clean: tuple[Store, dict[int, Report]], tmp_path: Path, store: Store, kind: str
) -> None:
    """Elsewhere 1, 1.0 and "1" are three levels: total drift, or none of them is ever compared."""
    form = {"text": str, "float": float}[kind]

    def retyped(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(grade=rows["grade"].map(form), y_pred=rows["y_pred"].map(form))

    def retyped_labels(labels: pd.DataFrame) -> pd.DataFrame:
        return labels.assign(y_true=labels["y_true"].map(form), id=labels["id"].map(form))

    write(tmp_path, retyped, labels=retyped_labels)
    usual = clean[1][BAD]
    report, _ = walked(config_of(tmp_path), store, last=BAD + 1)
    for column in ("grade", "y_pred"):
        assert of(report, "psi", column).value == of(usual, "psi", column).value
        assert of(report, "unseen_share", column).value == 0.0
    ours, theirs = judged(store, BAD), judged(clean[0], BAD)
    assert {n: c.value for n, c in ours.items()} == {n: c.value for n, c in theirs.items()}
    assert ours["accuracy"].value is not None


def test_many_levels_are_no_drift_when_nothing_changed(
    clean: tuple[Store, dict[int, Report]],
) -> None:
    """8000 customers, 500 a day: elsewhere chi-squared and PSI on rare levels cry every day."""
    for report in clean[1].values():
        found = [c for c in report.checks if c.column == "customer"]
        assert {c.name for c in found} >= {"psi", "null_share", "unseen_share"}
        assert [c.key for c in found if c.status == "alert"] == []


def test_many_levels_that_collapse_into_one_are_seen(
    reference: Path, tmp_path: Path, store: Store
) -> None:
    """Elsewhere a column of too many levels is left out, and so is what happens to it."""
    write(tmp_path, lambda rows: rows.assign(customer="unknown"))
    (report,) = walked(config_of(tmp_path), store)
    found = [c for c in report.checks if c.column == "customer"]
    assert "alert" in {c.status for c in found}
    quiet_but_for(report, "customer")


# --- Labels ---------------------------------------------------------------------------------------


def test_a_window_of_one_class_where_others_raise_or_answer_half(
    reference: Path, tmp_path: Path, store: Store
) -> None:
    """An AUC of one class does not exist: an exception, NaN or .5 elsewhere, and all else lost."""
    write(tmp_path, labels=lambda labels: labels.assign(y_true=0))
    walked(config_of(tmp_path), store, last=BAD + 1)
    checks = judged(store, BAD)
    auc = checks["roc_auc"]
    assert (auc.status, auc.value) == ("undefined", None)
    assert "class" in (auc.reason or "")
    # Precision is a true 0; what can be computed is computed, and judged.
    rows = day_of_rows(BAD)
    assert checks["accuracy"].value == pytest.approx((rows["y_pred"] == 0).mean())
    assert checks["precision"].value == 0.0
    assert checks["log_loss"].value is not None
    assert checks["precision"].status == "alert"


def test_half_of_the_labels_missing_where_others_take_a_gap_for_a_zero(
    reference: Path, tmp_path: Path, store: Store
) -> None:
    """A left join fills gaps with NaN, and NaN counts as wrong or as class 0. Here: waited for,
    then judged on the labelled rows alone, with the coverage said.
    """
    write(tmp_path, labels=lambda labels: labels[::2])
    early = walked(config_of(tmp_path), store, last=BAD + 1)
    told = [c for c in early[-1].checks if c.family == "performance" and c.window == window(BAD)]
    assert {c.status for c in told} <= {"insufficient"}
    assert judged(store, BAD) == {}
    walked(config_of(tmp_path), store, BAD + 2, BAD + 3)
    checks = judged(store, BAD)
    rows = day_of_rows(BAD)[::2]
    truth = labels_of(day_of_rows(BAD))["y_true"][::2]
    assert checks["accuracy"].value == pytest.approx((rows["y_pred"] == truth).mean())
    assert checks["accuracy"].n == ROWS // 2
    assert checks["accuracy"].coverage == pytest.approx(0.5)
    assert "50.0 % of the labels are known" in (checks["accuracy"].reason or "")


# --- Rows -----------------------------------------------------------------------------------------


def test_a_batch_that_came_twice_is_told_and_joins_no_label_twice(
    reference: Path, tmp_path: Path, store: Store
) -> None:
    """Elsewhere a join on repeated ids multiplies rows, and coverage passes 100 %."""
    write(tmp_path, lambda rows: pd.concat([rows, rows], ignore_index=True))
    report, _ = walked(config_of(tmp_path), store, last=BAD + 1)
    twice = of(report, "duplicate_ids")
    assert (twice.status, twice.severity) == ("alert", "critical")
    assert twice.value == pytest.approx(0.5)
    assert report.rows == 2 * ROWS
    checks = judged(store, BAD)
    assert (checks["accuracy"].coverage or 0) <= 1
    truth = labels_of(day_of_rows(BAD))["y_true"]
    right = (day_of_rows(BAD)["y_pred"] == truth).mean()
    assert checks["accuracy"].value == pytest.approx(right)
    # The distributions are the same ones, twice.
    quiet_but_for(report)


def test_an_outage_of_days_where_others_have_no_window_and_so_no_alert(
    reference: Path, tmp_path: Path, store: Store
) -> None:
    """Grouping rows by day yields no group for a day without rows: nothing is wrong, elsewhere."""
    write(tmp_path)
    for number in range(BAD, BAD + 3):
        (tmp_path / "rows" / f"{number:02d}.parquet").unlink()
    config = config_of(tmp_path)
    reports = walked(config, store, BAD - 1, BAD + 4)
    assert [r.status for r in reports][1] == "no_data"
    assert [r.rows for r in reports] == [ROWS, 0, 0, 0, ROWS, ROWS]
    late = [
        c.window for r in reports for c in r.checks if c.name == "data_late" and c.status == "alert"
    ]
    assert late == [window(n) for n in range(BAD, BAD + 3)]
    (incident,) = store.incidents("small")
    assert incident.opened <= window(BAD + 1).end
    windows = [window(n) for n in range(BAD - 1, BAD + 5)]
    document = stages.span_document(config, windows, windows[-1].end, store)
    found = document["windows"]
    assert isinstance(found, list)
    assert len(found) == len(windows)
