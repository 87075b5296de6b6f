"""A location beside those of other columns: as regression has it, and calm where another breaks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import Ridge
from task_models import BASELINE_DAYS, DAYS, FAILURE_DAY, day, failing, moments, write_model

from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.alarms.adjusted import ADJUSTED, Adjusted, fit_adjusted
from monitoring_sdk.alarms.row_scores import locations, row_scores
from monitoring_sdk.alarms.values import ValueForm, fit_form, window_values
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.measure_watched import measure_watched
from monitoring_sdk.profile.grid import Grid, fit_numeric
from monitoring_sdk.profile.profile import Profile, profile_batches
from monitoring_sdk.render.words import words
from monitoring_sdk.stages import build_baseline, walk
from monitoring_sdk.stages.inheriting import beside_each_other

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 20_000
NAMES = ("net", "tax", "weight", "age")


def rows(n: int, seed: int) -> dict[str, np.ndarray]:
    """Tax follows net, weight a little, age nothing."""
    rng = np.random.default_rng(seed)
    net = rng.lognormal(3, 0.8, n)
    tax = 0.2 * net * rng.lognormal(0, 0.2, n)
    weight = np.log(net) + rng.normal(0, 0.8, n)
    return {"net": net, "tax": tax, "weight": weight, "age": rng.normal(40, 9, n)}


REFERENCE = rows(ROWS, 0)
GRID = Grid({name: fit_numeric(REFERENCE[name]) for name in NAMES})


def profile(of: dict[str, np.ndarray]) -> Profile:
    return profile_batches([pa.record_batch(of)], GRID)


PLAIN = fit_form(profile(REFERENCE), GRID, {}, dict.fromkeys(NAMES, "drift"), 500)
SCORES = row_scores(PLAIN, GRID, REFERENCE)
WINDOWS = locations(PLAIN, [profile(rows(500, seed)) for seed in range(1000, 1030)])
FOUND = fit_adjusted(SCORES, WINDOWS)
assert FOUND is not None
FORM = ValueForm(PLAIN.columns, FOUND)


def adjusted(of: dict[str, np.ndarray] | Profile) -> dict[str, float]:
    found = window_values(of if isinstance(of, Profile) else profile(of), FORM)
    pairs = zip(found.keys, found.x.tolist(), strict=True)
    return {k.rpartition("/")[2]: x for k, x in pairs if f"/{ADJUSTED}/" in k}


def test_it_is_the_ridge_regression_on_all_others() -> None:
    z = np.stack([SCORES[name] for name in NAMES], axis=1)
    for at in range(3):
        others = np.delete(z, at, axis=1)
        theirs = Ridge(alpha=ROWS * 0.01 / 0.99).fit(others, z[:, at])
        # Weights below .02 are left out.
        assert np.delete(FOUND.weights[at], at) == pytest.approx(theirs.coef_, abs=0.02)
        left = 1 - theirs.score(others, z[:, at])
        assert FOUND.unexplained[at] == pytest.approx(left, rel=0.02)


def test_what_no_other_column_tells_of_is_not_watched_beside_them() -> None:
    assert [w.column for w in FOUND.watched] == ["net", "tax", "weight"]
    assert FOUND.unexplained[3] == 1
    assert not FOUND.weights[3].any()


def test_windows_vary_as_theory_has_it() -> None:
    found = np.array([list(adjusted(rows(1000, seed)).values()) for seed in range(1, 120)])
    assert np.abs(found.mean(axis=0)).max() < 0.01
    usual = np.sqrt(FOUND.unexplained[FOUND.at] / 1000)
    assert found.std(axis=0, ddof=1) == pytest.approx(usual, rel=0.2)


def test_a_small_shift_of_one_column_stands_out_of_what_they_have_in_common() -> None:
    shifted, calm = rows(1000, 3), rows(1000, 3)
    shifted["tax"] = shifted["tax"] * 1.08
    at = list(NAMES).index("tax")
    plain = [window_values(profile(of), PLAIN) for of in (shifted, calm)]
    key = PLAIN.keys.index("drift/location/tax")
    own = float(plain[0].x[key] - plain[1].x[key])
    both = adjusted(shifted)["tax"] - adjusted(calm)["tax"]
    assert both == pytest.approx(own, rel=0.05)
    assert both / np.sqrt(FOUND.unexplained[at]) > 3 * own


def test_where_one_column_breaks_what_relies_on_it_has_no_value() -> None:
    broken = rows(1000, 4)
    broken["net"] = broken["net"] * 1000
    found = adjusted(broken)
    assert found["net"] > 1
    assert np.isnan([found["tax"], found["weight"]]).all()
    values = window_values(profile(broken), FORM)
    assert all(values.n[i] == 0 for i, k in enumerate(values.keys) if k == f"drift/{ADJUSTED}/tax")
    measured = {m.key for m in measure_watched(profile(broken), FORM)}
    assert f"drift/{ADJUSTED}/net" in measured
    assert f"drift/{ADJUSTED}/tax" not in measured
    assert "drift/location/tax" in measured


def test_a_column_that_is_not_there_has_no_value_nor_has_what_relies_on_it() -> None:
    whole = profile(rows(1000, 5))
    part = {name: column for name, column in whole.columns.items() if name != "net"}
    assert np.isnan(list(adjusted(Profile(1000, part)).values())).all()


@pytest.mark.parametrize("windows", [np.linspace(-1, 1, 30), np.repeat([0.0, 1.5], [26, 4])])
def test_a_column_whose_windows_differ_anyway_takes_no_part(windows: np.ndarray) -> None:
    found = fit_adjusted(SCORES, {**WINDOWS, "net": windows})
    assert found is not None
    assert found.columns == ("tax", "weight", "age")


def test_it_reads_back_and_judges_the_same() -> None:
    again = ValueForm.from_dict(json.loads(json.dumps(FORM.to_dict(), allow_nan=False)))
    window = profile(rows(1000, 6))
    mine, theirs = (window_values(window, form) for form in (FORM, again))
    assert mine.keys == theirs.keys
    assert np.array_equal(mine.x, theirs.x)
    assert np.array_equal(mine.theory, theirs.theory)
    assert np.array_equal(mine.n, theirs.n)


def test_a_form_from_before_has_none() -> None:
    kept = PLAIN.to_dict()
    assert "adjusted" not in kept
    assert ValueForm.from_dict(kept).adjusted is None


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {"a": np.zeros(1000)},
        {"a": np.zeros(1000), "b": np.zeros(1000)},
        {"a": np.full(1000, np.nan), "b": np.arange(1000.0)},
        {c: np.random.default_rng(i).normal(size=5000) for i, c in enumerate("abc")},
        {"a": np.arange(400.0), "b": np.arange(400.0)},
        {f"c{i}": np.arange(900.0) for i in range(50)},
    ],
    ids=["none", "one", "constant", "null", "independent", "few rows", "few rows a column"],
)
def test_where_there_is_nothing_to_learn_there_is_none(scores: dict[str, np.ndarray]) -> None:
    assert fit_adjusted(scores, {name: np.zeros(30) for name in scores}) is None


def test_columns_that_are_copies_of_each_other_keep_a_variance() -> None:
    a = np.random.default_rng(0).normal(size=5000)
    found = fit_adjusted({"a": a, "b": a, "c": a}, {name: np.zeros(30) for name in "abc"})
    assert found is not None
    assert np.isfinite(found.weights).all()
    assert (found.unexplained[found.at] < 0.02).all()
    assert np.abs(found.weights).max() < 1


def test_the_order_of_rows_does_not_matter() -> None:
    order = np.random.default_rng(1).permutation(ROWS)
    again = fit_adjusted({name: z[order] for name, z in SCORES.items()}, WINDOWS)
    assert isinstance(again, Adjusted)
    assert again.weights == pytest.approx(FOUND.weights, abs=1e-9)


# ---- in the pipeline


@pytest.fixture(scope="module")
def departed(tmp_path_factory: pytest.TempPathFactory):
    """A model of which tax departs from net by 8 %, and its baseline."""
    folder = tmp_path_factory.mktemp("departed")
    at, n = moments(400), 400 * DAYS
    frame = pd.DataFrame({"id": np.arange(n), "at": at, **rows(n, 7), "y_pred": 1})
    frame.loc[failing(400), "tax"] *= 1.08
    known = pd.DataFrame({"id": [0], "y_true": [1], "known_at": at[:1]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_BASELINES", str(folder / "baselines"))
        config = write_model(folder, frame, known, columns={"numeric": list(NAMES)})
        yield config, build_baseline(config, now=NOW)


def test_a_column_that_departs_from_its_fellows_pages_and_says_so(
    departed: tuple[MonitorConfig, Baseline],
) -> None:
    config, baseline = departed
    assert baseline.watching is not None
    keys = {w.key for w in baseline.watching.watched}
    assert {f"drift/{ADJUSTED}/{c}" for c in ("net", "tax", "weight")} <= keys
    store = open_store("sqlite://")
    windows = list(config.cadence.windows(day(BASELINE_DAYS), day(DAYS)))
    reports = list(walk(config, windows, store))
    (incident,) = (i for i in store.incidents(config.model) if i.opened > day(FAILURE_DAY))
    assert incident.opened == day(FAILURE_DAY + 1)
    first = next(r for r in reports if r.window.start == day(FAILURE_DAY))
    moved = {c.key: c for c in first.checks if c.status == "alert"}
    # Of two that hang together so closely, either may have moved.
    assert f"drift/{ADJUSTED}/tax" in moved
    assert set(moved) <= {f"drift/{ADJUSTED}/tax", f"drift/{ADJUSTED}/net"}
    assert "location beside the other columns moved +0." in words(moved[f"drift/{ADJUSTED}/tax"])


def test_a_new_model_compares_columns_as_the_old_one_did(
    departed: tuple[MonitorConfig, Baseline], tmp_path: Path
) -> None:
    config, old = departed
    assert old.watching is not None
    again = build_baseline(
        config, day(BASELINE_DAYS), day(28), now=day(28), root=str(tmp_path), inherit=old
    )
    assert again.watching is not None
    mine, theirs = again.watching.form.adjusted, old.watching.form.adjusted
    assert mine is not None
    assert theirs is not None
    assert mine.to_dict() == theirs.to_dict()
    key = f"drift/{ADJUSTED}/tax"
    assert again.reference[key].values[:BASELINE_DAYS] == old.reference[key].values
    # Cells of its own could not be held against the old one's windows.
    other = ValueForm.from_dict(old.watching.form.to_dict())
    assert beside_each_other(other, old, old.grid, {}, []).adjusted is None
