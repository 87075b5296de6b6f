"""The reference case through every stage: against others' numbers, and through faults."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.metrics.table import metric
from monitoring_sdk.report import Check, Report
from monitoring_sdk.stages import build_baseline, evaluate_window, revise, span_document, walk
from monitoring_sdk.stages.checking import check_monitor
from monitoring_sdk.stages.performance import join_labels
from monitoring_sdk.window import Window

CASE = Path(__file__).parent / "reference" / "car_loan"
FIRST, LAST = datetime(2018, 11, 1, tzinfo=UTC), datetime(2019, 8, 1, tzinfo=UTC)
SHIFT = datetime(2019, 4, 1, tzinfo=UTC)
NUMERIC = ["car_value", "debt_to_income_ratio", "loan_length", "driver_tenure"]
CATEGORICAL = ["salary_range", "repaid_loan_on_prev_car", "size_of_downpayment"]
METRICS = ["accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "mcc", "brier"]

_FOLDER = TemporaryDirectory()


@cache
def all_rows() -> Path:
    """Write the rows in groups of some days, so that a window is read from few of them."""
    path = Path(_FOLDER.name) / "predictions.parquet"
    pq.write_table(pq.read_table(CASE / "predictions.parquet"), path, row_group_size=2500)
    return path


def settings(predictions: Path | str, **changes: Any) -> MonitorConfig:
    return parse_config(
        {
            "model": "car_loan",
            "source": {
                "predictions": str(predictions),
                "labels": changes.pop("known", str(CASE / "labels.parquet")),
            },
            "columns": {
                "id": "id",
                "timestamp": "timestamp",
                "prediction": "y_pred",
                "score": "y_pred_proba",
                "label": "y_true",
                "label_timestamp": "label_timestamp",
                "numeric": NUMERIC,
                "categorical": CATEGORICAL,
            },
            "window": {"every": "1mo", "expect_within": "8h"},
            "labels": {"delay": "30d", "coverage": 0.8},
            "baseline": {"start": "2018-01-01", "end": "2018-10-30T18:00:00"},
            "metrics": METRICS,
            "alerts": {"slack": {"channel": "C0123456"}},
            "retraining": {"when": ["performance", "drift"], "hook": {"command": ["true"]}},
            **changes,
        }
    )


def months(config: MonitorConfig, start: datetime = FIRST, end: datetime = LAST) -> list[Window]:
    return list(config.cadence.windows(start, end))


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build the baseline once; every test of this module is judged by it."""
    root = tmp_path_factory.mktemp("baselines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_BASELINES", str(root))
        build_baseline(settings(all_rows()), now=datetime(2019, 1, 1, tzinfo=UTC))
        yield root


@pytest.fixture(scope="module")
def walked(
    baselines: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MonitorConfig, Store, list[Report]]:
    """Walk from November to July as the schedule would have, and look back in 2020."""
    config = settings(all_rows())
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 's.db'}")
    reports = list(walk(config, months(config), store, notify=True))
    revise(config, months(config), datetime(2020, 1, 1, tzinfo=UTC), store)
    return config, store, reports


@pytest.fixture
def store(tmp_path: Path, baselines: Path) -> Store:
    return open_store(f"sqlite:///{tmp_path / 's.db'}")


def chunks(name: str) -> dict[str, dict[str, Any]]:
    """Return others' numbers by month, of the months that lie in one period."""
    found = json.loads((CASE / name).read_text())["chunks"]
    return {c["key"]: c for c in found if "2018-11" <= c["key"] <= "2019-07"}


def key(window: Window) -> str:
    return f"{window.start:%Y-%m}"


def of(report: Report, name: str, column: str | None = None) -> Check:
    (check,) = [c for c in report.checks if c.name == name and c.column == column]
    return check


# --- Numbers ------------------------------------------------------------------------------------


def test_metrics_equal_scikit_learn_s(walked: tuple[MonitorConfig, Store, list[Report]]) -> None:
    config, store, _ = walked
    theirs = chunks("sklearn_performance_by_month.json")
    rows = store.results(config.model, part="performance")
    assert [key(r.window) for r in rows] == sorted(theirs)
    for row in rows:
        expected = theirs[key(row.window)]["metrics"]
        # Beside the metrics stand the bet on concept drift, and how far estimates were off.
        measured = [c for c in row.checks if not c.name.startswith("concept_")]
        assert [c.name for c in measured] == METRICS
        for check in measured:
            assert check.value == pytest.approx(expected[check.name], abs=1e-9), check
            assert (check.n, check.coverage) == (expected["n"], 1.0)


def test_decile_distances_equal_scipy_s_and_the_others_lie_in_their_bounds(
    walked: tuple[MonitorConfig, Store, list[Report]],
) -> None:
    theirs = chunks("scipy_drift_by_month.json")
    compared = 0
    for report in walked[2]:
        for column in NUMERIC:
            expected = theirs[key(report.window)]["columns"][column]
            assert of(report, "psi", column).value == pytest.approx(
                expected["psi_ref_deciles"], abs=1e-9
            )
            assert of(report, "jensen_shannon", column).value == pytest.approx(
                expected["js_distance_base2_ref_deciles"], abs=1e-9
            )
            for ours, name in (("ks", "ks_stat"), ("wasserstein", "wasserstein")):
                check = of(report, ours, column)
                assert check.value is not None
                assert check.bound is not None
                assert abs(check.value - expected[name]) <= check.bound + 1e-12
                # A bound that says nothing would hold as well.
                sd = expected["wasserstein"] / expected["wasserstein_over_ref_std_ddof0"]
                assert check.bound < 0.05 * (sd if ours == "wasserstein" else 1)
                compared += 1
    assert compared == 9 * 4 * 2


def test_one_incident_opens_at_the_shift_and_none_before(
    walked: tuple[MonitorConfig, Store, list[Report]],
) -> None:
    config, store, reports = walked
    (incident,) = store.incidents(config.model)
    assert incident.opened == datetime(2019, 5, 1, tzinfo=UTC)
    assert incident.closed is None
    assert {"drift", "performance"} <= set(incident.families)
    assert "drift/psi/car_value" in incident.checks
    assert [r.status for r in reports] == ["ok"] * 5 + ["alert"] * 4
    document = span_document(config, months(config), LAST, store)
    assert document["pages"] == 1
    (trigger,) = store.triggers(config.model)
    assert trigger.incident == incident.id
    transitions = [m.message.transition for m in store.messages()]
    assert {"opened", "trigger"} <= set(transitions)
    assert len(set(transitions)) == len(transitions)


def test_a_second_walk_changes_nothing(walked: tuple[MonitorConfig, Store, list[Report]]) -> None:
    config, store, _ = walked

    def state() -> tuple[Any, ...]:
        return (
            store.results(config.model),
            store.incidents(config.model),
            store.triggers(config.model),
            store.messages(),
        )

    before = state()
    again = list(walk(config, months(config), store, notify=True))
    revise(config, months(config), datetime(2020, 1, 1, tzinfo=UTC), store)
    after = state()
    assert [r.incidents for r in again[5:]] == [tuple(before[1])] * 4
    assert after[1:] == before[1:]
    for ours, theirs in zip(after[0], before[0], strict=True):
        assert (ours.window, ours.part, ours.status) == (theirs.window, theirs.part, theirs.status)
        assert ours.checks == theirs.checks


def test_labels_that_are_not_due_are_waited_for(
    walked: tuple[MonitorConfig, Store, list[Report]],
) -> None:
    november = walked[2][0]
    pending = [c for c in november.checks if c.family == "performance"]
    assert [c.name for c in pending] == METRICS
    assert {c.status for c in pending} == {"insufficient"}
    assert {c.reason for c in pending} == {"labels are due at 2018-12-31 00:00 UTC"}
    # A month later they are, as far as they were known by then.
    of_november = [c for c in walked[2][1].checks if c.family == "performance" and c.value]
    assert {c.window for c in of_november} == {november.window}
    assert all(0.8 < (c.coverage or 0) < 1 for c in of_november)


@pytest.mark.parametrize("index", range(6))
def test_messy_labels_are_resolved_as_of_a_moment(index: int) -> None:
    expected = json.loads((CASE / "labels_messy_expected.json").read_text())["as_of"][index]
    as_of = datetime.fromisoformat(expected["as_of"]).replace(tzinfo=UTC)
    config = settings(all_rows(), known=str(CASE / "labels_messy.parquet"))
    (judged,) = join_labels(config, [Window(datetime(2018, 10, 30, 18, tzinfo=UTC), as_of)], as_of)
    assert judged.rows.n == expected["n_labelled"]
    assert judged.coverage == pytest.approx(expected["n_labelled"] / expected["n_predictions"])
    for name in ("accuracy", "roc_auc"):
        assert metric(name, judged.rows).value == pytest.approx(expected[name], abs=1e-9)


def test_a_weekly_reference_suits_monthly_windows(tmp_path: Path, store: Store) -> None:
    """Counts of rows over a week are no limit for those of a month."""
    root = str(tmp_path / "weekly")
    span = {"start": "2018-06-01", "end": "2018-10-30T18:00:00", "every": "1w"}
    config = settings(all_rows(), baseline=span)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_BASELINES", root)
        built = build_baseline(config, now=datetime(2019, 1, 1, tzinfo=UTC))
        assert len(built.windows) == 21
        (report,) = walk(config, months(config)[:1], store)
    rows = of(report, "rows")
    assert rows.status == "ok"
    assert rows.effect == pytest.approx(0, abs=0.1 * 4955)
    assert report.status == "ok"


def test_a_limit_for_a_column_that_is_not_there_is_a_problem(
    tmp_path: Path, baselines: Path
) -> None:
    file = tmp_path / "car_loan.yaml"
    file.write_text(f"""\
model: car_loan
source: {{predictions: "{all_rows()}"}}
columns: {{timestamp: timestamp, prediction: y_pred, exclude: [id, period]}}
thresholds: {{psi: {{columns: [car_valeu, "*_income_*"], max: 0.2}}}}
""")
    checked = check_monitor(file)
    assert len(checked.problems) == 1
    assert checked.problems[0].startswith(
        "thresholds.psi.0.columns: no such column is watched: got 'car_valeu'; allowed: car_value,"
    )
    assert checked.problems[0].endswith("did you mean car_value?")
    assert checked.wrong_file


# --- Faults -------------------------------------------------------------------------------------

Change = Callable[[pd.DataFrame], pd.DataFrame | None]


def by_month(folder: Path, changes: dict[str, Change]) -> str:
    """Write November to February as a file each, some changed; return the glob of them."""
    rows = pd.read_parquet(CASE / "predictions.parquet")
    month = rows["timestamp"].dt.strftime("%Y-%m")
    folder.mkdir()
    for name in ("2018-11", "2018-12", "2019-01", "2019-02"):
        part = rows[month == name].drop(columns="period")
        changed = changes.get(name, lambda same: same)(part)
        if changed is not None:
            changed.to_parquet(folder / f"{name}.parquet")
    return str(folder / "*.parquet")


def test_a_window_without_rows_is_no_data_and_then_late_once(tmp_path: Path, store: Store) -> None:
    glob = by_month(tmp_path / "p", {"2018-12": lambda _: None})
    config = settings(glob)
    reports = list(walk(config, months(config)[:4], store, notify=True))
    november, december, january, february = reports
    assert november.status == "ok"
    assert (december.status, december.rows) == ("no_data", 0)
    assert of(december, "data_late").status == "no_data"
    late = [c for c in january.checks if c.name == "data_late" and c.status == "alert"]
    assert [c.window for c in late] == [december.window]
    assert late[0].threshold_from == "contract"
    assert january.incidents[0].opened == january.window.end
    # Its own rows are judged as ever, and the next step says nothing more of December.
    assert of_window(january, "psi", "car_value").status == "ok"
    assert not [c for c in february.checks if c.name == "data_late" and c.status == "alert"]
    assert len(store.incidents(config.model)) == 1
    # Neither lateness nor emptiness is a ground to retrain.
    assert store.triggers(config.model) == []


def of_window(report: Report, name: str, column: str | None = None) -> Check:
    """Return a check of the report's own window."""
    (check,) = [
        c for c in report.checks if (c.name, c.column, c.window) == (name, column, report.window)
    ]
    return check


def test_a_missing_column_is_an_error_for_itself_alone(tmp_path: Path, store: Store) -> None:
    glob = by_month(tmp_path / "p", {"2018-12": lambda p: p.drop(columns="loan_length")})
    config = settings(glob)
    _, december, january = walk(config, months(config)[:3], store, notify=True)
    lost = [c for c in december.checks if c.column == "loan_length"]
    assert {c.status for c in lost} <= {"error", "alert"}
    alerts = [c for c in lost if c.status == "alert"]
    assert alerts
    assert all(c.family == "quality" and c.severity == "critical" for c in alerts)
    errors = {c.name for c in lost if c.status == "error"}
    assert {"psi", "ks", "jensen_shannon", "wasserstein", "null_share"} <= errors
    assert all(c.reason for c in lost)
    assert december.status == "alert"
    assert set(december.incidents[0].families) == {"quality"}
    assert of_window(december, "psi", "car_value").status == "ok"
    assert of_window(january, "psi", "loan_length").status == "ok"
    assert store.triggers(config.model) == []


def test_a_null_column_and_wild_values_are_seen_and_the_rest_is_judged(
    tmp_path: Path, store: Store
) -> None:
    def spoil(rows: pd.DataFrame) -> pd.DataFrame:
        wild = np.where(np.arange(len(rows)) % 10 == 0, np.inf, rows["driver_tenure"])
        return rows.assign(loan_length=np.nan, driver_tenure=wild)

    config = settings(by_month(tmp_path / "p", {"2018-12": spoil}))
    _, december = walk(config, months(config)[:2], store)
    assert of_window(december, "psi", "loan_length").status != "ok"
    assert of_window(december, "null_share", "loan_length").status == "alert"
    assert of_window(december, "psi", "driver_tenure").status == "alert"
    assert of_window(december, "psi", "car_value").status == "ok"
    json.dumps(december.to_dict(), allow_nan=False)


def test_a_critical_expectation_that_fails_skips_the_rest(tmp_path: Path, store: Store) -> None:
    def spoil(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(car_value=-rows["car_value"])

    positive = {
        "type": "expect_column_values_to_be_between",
        "column": "car_value",
        "min_value": 0,
        "severity": "critical",
    }
    config = settings(by_month(tmp_path / "p", {"2018-12": spoil}), quality=[positive])
    november, december, january = walk(config, months(config)[:3], store, notify=True)
    assert of(november, positive["type"], "car_value").status == "ok"
    assert december.status == "alert"
    failed = [c for c in december.checks if c.status == "alert"]
    assert {c.family for c in failed} == {"quality"}
    drift = [c for c in december.checks if c.family in ("drift", "prediction")]
    assert drift
    assert {c.status for c in drift} == {"skipped"}
    assert all("expect_column_values_to_be_between" in (c.reason or "") for c in drift)
    own = [c for c in december.checks if c.window == december.window]
    assert {c.status for c in own if c.family == "performance"} == {"insufficient"}
    assert store.triggers(config.model) == []
    # December is never judged, not even when its labels have come.
    revise(config, months(config)[:3], LAST, store)
    judged = {r.window for r in store.results(config.model, part="performance")}
    assert judged == {november.window, january.window}


def test_a_warning_that_fails_blocks_nothing(tmp_path: Path, store: Store) -> None:
    few = {
        "type": "expect_column_values_to_be_between",
        "column": "car_value",
        "max_value": 0,
        "severity": "warning",
    }
    config = settings(all_rows(), quality=[few])
    (november,) = walk(config, months(config)[:1], store)
    declared = of(november, few["type"], "car_value")
    assert (declared.status, declared.severity) == ("alert", "warning")
    assert november.status == "ok"
    assert of(november, "psi", "car_value").status == "ok"


def test_old_labels_read_again_do_not_keep_an_incident_open(tmp_path: Path, store: Store) -> None:
    labels = pd.read_parquet(CASE / "labels.parquet")
    rows = pd.read_parquet(CASE / "predictions.parquet", columns=["id", "timestamp"])
    bad = rows["id"][rows["timestamp"].dt.strftime("%Y-%m") == "2018-11"]
    flipped = labels["id"].isin(bad) & (labels["id"] % 3 == 0)
    labels["y_true"] = labels["y_true"].where(~flipped, 1 - labels["y_true"])
    labels.to_parquet(tmp_path / "labels.parquet")
    config = settings(all_rows(), known=str(tmp_path / "labels.parquet"))
    reports = list(walk(config, months(config)[:5], store, notify=True))
    (incident,) = store.incidents(config.model)
    assert incident.families == ("performance",)
    # November is judged at the end of December, and January to March are quiet.
    assert incident.opened == datetime(2019, 1, 1, tzinfo=UTC)
    assert incident.closed == datetime(2019, 4, 1, tzinfo=UTC)
    assert [r.status for r in reports] == ["ok", "alert", "ok", "ok", "ok"]
    assert [m.message.transition for m in store.messages()].count("closed") == 1


def test_too_few_labels_are_waited_for_and_given_up_in_the_end(
    tmp_path: Path, store: Store
) -> None:
    labels = pd.read_parquet(CASE / "labels.parquet")
    labels[labels["id"] % 2 == 0].to_parquet(tmp_path / "half.parquet")
    config = settings(
        CASE / "predictions.parquet",
        known=str(tmp_path / "half.parquet"),
        labels={"delay": "30d", "coverage": 0.8, "give_up": "60d"},
    )
    november, december, january, february = walk(config, months(config)[:4], store)
    for report in (november, december):
        assert not [c for c in report.checks if c.family == "performance" and c.value is not None]
    # 60 days after November ends at 29 January: the step at the end of January judges it.
    found = [c for c in january.checks if c.family == "performance" and c.value is not None]
    assert {c.window for c in found} == {november.window}
    assert all(0.4 < (c.coverage or 0) < 0.5 for c in found)
    (row,) = [
        r for r in store.results(config.model, part="performance") if r.window == november.window
    ]
    assert "49.9 % of the labels are known" in (row.reason or "")
    assert all("49.7 % of the labels are known" in (c.reason or "") for c in found)
    assert february.rows == 4624


def test_an_exception_in_the_middle_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(all_rows())
    april = Window(SHIFT, datetime(2019, 5, 1, tzinfo=UTC))
    module = sys.modules["monitoring_sdk.stages.decide"]

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr(module, "tell", broken)
        with pytest.raises(RuntimeError, match="plug"):
            evaluate_window(config, april, april.end, store)
    assert store.results(config.model) == []
    assert store.incidents(config.model) == []
    assert store.triggers(config.model) == []
    assert store.messages() == []
    report = evaluate_window(config, april, april.end, store)
    assert report.status == "alert"
    assert report.incidents[0].opened == april.end
    assert len(store.incidents(config.model)) == 1
    assert {m.message.transition for m in store.messages()} == {"opened", "chart", "trigger"}


def test_a_window_older_than_the_newest_only_revises(store: Store) -> None:
    config = settings(all_rows())
    may, april = (
        Window(datetime(2019, 5, 1, tzinfo=UTC), datetime(2019, 6, 1, tzinfo=UTC)),
        Window(SHIFT, datetime(2019, 5, 1, tzinfo=UTC)),
    )
    november = months(config)[0]
    assert evaluate_window(config, may, may.end, store).incidents
    late = evaluate_window(config, april, april.end, store)
    assert late.status == "alert"
    evaluate_window(config, november, november.end, store)
    (incident,) = store.incidents(config.model)
    assert incident.opened == may.end
    assert incident.closed is None
    assert len(store.triggers(config.model)) == 1


def test_without_notify_nothing_is_to_be_sent(store: Store) -> None:
    config = settings(all_rows())
    april = Window(SHIFT, datetime(2019, 5, 1, tzinfo=UTC))
    assert evaluate_window(config, april, april.end, store, notify=False).status == "alert"
    assert len(store.incidents(config.model)) == 1
    assert store.messages() == []
    assert store.triggers(config.model) == []
