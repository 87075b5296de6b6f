"""`privacy` does what it says, in everything that a model leaves behind."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import private_model
import pyarrow as pa
import pytest
from private_model import DAYS, INJECTION, RAW, SCRIPT, day, kept_in, monitor
from ruamel.yaml import YAML

from monitoring_sdk import stages
from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.config_privacy import Privacy
from monitoring_sdk.errors import BaselineError, ConfigError
from monitoring_sdk.profile.grid import NumericGrid, fit_numeric
from monitoring_sdk.profile.numeric import profile_numeric
from monitoring_sdk.render.markdown import report_markdown
from monitoring_sdk.report import Report
from monitoring_sdk.stages.checking import check_monitor

STRICT = {"min_count": 50, "drop_levels": ["iban"], "extremes": False, "samples": False}


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("private")
    private_model.write(folder)
    return folder


class Left:
    """What a model left: its files, its reports, and what was logged meanwhile."""

    def __init__(self, days: Path, out: Path, privacy: dict | None) -> None:
        self.out = out
        changes = {} if privacy is None else {"privacy": privacy}
        self.config: MonitorConfig = parse_config(monitor(days, **changes))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MONITORING_BASELINES", str(out / "baselines"))
            patch.setenv("MONITORING_REPORTS", str(out / "reports"))
            stages.build_baseline(self.config, now=day(DAYS).start)
            store = open_store(f"sqlite:///{out}/store.db")
            windows = [day(n) for n in (DAYS - 2, DAYS - 1)]
            self.reports: list[Report] = list(stages.walk(self.config, windows, store, notify=True))
            stages.publish(self.config, store, now=day(DAYS).start)
            document = stages.span_document(
                self.config, windows, day(DAYS).start, store, checks=True
            )
            self.messages = [row.message.payload for row in store.messages()]
            store.close()
        self.document = json.dumps(document)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield all of it, each with where it is."""
        yield from kept_in(self.out)
        yield "--json", self.document
        yield "Slack", json.dumps(self.messages)
        for report in self.reports:
            yield "artifact", report_markdown(report)
            yield "run --json", json.dumps(report.to_dict())

    def found(self, raw: str) -> set[str]:
        """Say where a text is."""
        return {where for where, text in self.texts() if raw in text}


@pytest.fixture(scope="module")
def usual(days: Path, tmp_path_factory: pytest.TempPathFactory) -> Left:
    return Left(days, tmp_path_factory.mktemp("usual"), None)


@pytest.fixture(scope="module")
def strict(days: Path, tmp_path_factory: pytest.TempPathFactory) -> Left:
    return Left(days, tmp_path_factory.mktemp("strict"), STRICT)


def test_the_looks_find_what_is_there(usual: Left) -> None:
    """Without this, nothing found below would prove nothing."""
    assert usual.reports[-1].status == "alert"
    assert usual.messages
    assert {"grid.json", "store.db result", "private.html", "Slack"} <= usual.found("size")
    assert "grid.json" in usual.found(RAW["level of a dropped column"])
    assert {"grid.json", "profile.json", "store.db profile"} <= usual.found(RAW["largest value"])


def test_raw_values_are_nowhere_but_in_the_sample_and_the_extremes(usual: Left) -> None:
    for what in ("id", "word of a text", "label"):
        assert usual.found(RAW[what]) <= {"sample.parquet"}, what
    assert usual.found(RAW["id"]) == set()
    assert usual.found(RAW["rare level"]) == {"sample.parquet"}


def test_nothing_is_left_where_nothing_may_be(strict: Left) -> None:
    for what, raw in RAW.items():
        assert strict.found(raw) == set(), what
    assert not list(strict.out.rglob("sample.parquet"))


def test_a_column_without_levels_has_only_its_nulls_watched(strict: Left, usual: Left) -> None:
    for report in strict.reports:
        own = {c.name: c for c in report.checks if c.column == "iban" and not c.segment}
        assert own["null_share"].status == "ok"
        others = {c.status for name, c in own.items() if "null" not in name}
        assert others == {"undefined"}
        assert "privacy.drop_levels" in str(own["psi"].reason)
    assert next(c for c in strict.reports[-1].checks if c.name == "ks" and c.column == "size").pages


def test_a_level_needs_so_many_rows_to_be_named(days: Path, strict: Left, usual: Left) -> None:
    counts = dict.fromkeys(("Bonn", "Ulm"), 0)
    for left in (usual, strict):
        grid = json.loads((left.out / "baselines/private/v1/grid.json").read_text())["columns"]
        levels = grid[SCRIPT]["levels"]
        assert set(counts) <= set(levels)
        assert len(grid[SCRIPT]["rare"]) == private_model.BASELINE_DAYS


def test_what_needs_rows_is_skipped_with_the_reason(strict: Left, usual: Left) -> None:
    def reasons(left: Left) -> set[str | None]:
        checks = left.reports[-1].checks
        return {c.reason for c in checks if c.family == "estimate" and c.name == "accuracy"}

    assert all("privacy.samples is false" in str(r) for r in reasons(strict))
    assert not any("privacy.samples" in str(r) for r in reasons(usual))


@pytest.mark.parametrize("which", ["usual", "strict"])
def test_segments_of_so_few_rows_are_not_shown(which: str, request: pytest.FixtureRequest) -> None:
    """The last day has four rows of a segment that usually has forty."""
    left: Left = request.getfixturevalue(which)
    least = left.config.privacy.min_count
    small = [c for c in left.reports[-1].checks if c.segment == {"shop": "south"}]
    if which == "strict":
        # Forty are fewer than fifty: the baseline does not name the segment at all.
        assert small == []
        return
    assert small
    for check in small:
        assert (check.value, check.n) == (None, None), check.key
        assert f"fewer than {least} rows" in str(check.reason)
    assert [c.status for c in small if c.name == "rows"] == ["alert"]


def test_markup_in_names_stays_text(usual: Left) -> None:
    page = (usual.out / "reports" / "private.html").read_text()
    assert SCRIPT not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for report in usual.reports:
        assert SCRIPT not in report_markdown(report)
    for payload in usual.messages:
        assert SCRIPT not in json.dumps(payload)


def test_a_column_named_as_sql_is_a_column(usual: Left) -> None:
    found = [c for c in usual.reports[0].checks if c.column == INJECTION]
    assert {c.status for c in found if c.name in ("psi", "ks")} == {"ok"}


def test_a_baseline_that_keeps_more_is_refused(
    days: Path, usual: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(usual.out / "baselines"))
    config = parse_config(monitor(days, privacy={"drop_levels": ["iban"], "extremes": False}))
    with pytest.raises(BaselineError, match=r"v1 keeps more .* privacy.drop_levels and privacy.ex"):
        stages.pull_window(config, day(DAYS - 1), day(DAYS).end)
    less = parse_config(monitor(days, privacy={"samples": False}))
    assert stages.pull_window(less, day(DAYS - 1), day(DAYS).end).rows


def test_a_baseline_says_what_was_asked_of_it(strict: Left, usual: Left) -> None:
    root = strict.out / "baselines"
    assert baselines.load(root, "private").privacy == Privacy(**STRICT)
    assert baselines.load(usual.out / "baselines", "private").privacy == Privacy()


def test_levels_that_are_shown_anyway_cannot_be_dropped(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(monitor(tmp_path, privacy={"drop_levels": ["sh*", "y_pred"]}, oops=1))
    text = str(caught.value)
    assert "privacy.drop_levels: shop is in columns.segments" in text
    assert "privacy.drop_levels: y_pred is in columns.prediction" in text
    with pytest.raises(ConfigError, match="min_count"):
        parse_config(monitor(tmp_path, privacy={"min_count": 0}))


def test_a_misspelt_column_is_told_by_check(days: Path, tmp_path: Path) -> None:
    document = monitor(days, privacy={"drop_levels": ["ibam"]})
    with open(tmp_path / "private.yaml", "w") as out:
        YAML(typ="safe").dump(document, out)
    (problem,) = [p for p in check_monitor(tmp_path / "private.yaml").problems if "privacy" in p]
    assert "privacy.drop_levels: no such categorical column: got 'ibam'" in problem
    assert "did you mean iban?" in problem


def test_outermost_edges_have_so_many_values_beyond_them() -> None:
    values = [*range(1000), *([5000.0] * 30)]
    grid = fit_numeric(values, spare=20)
    inside = [e for e in grid.edges.tolist() if e < 5000]
    assert min(inside) >= 20
    assert max(inside) < 980 + 20
    # Thirty rows that share a value are no one's: it keeps its own cell.
    assert 5000.0 in grid.edges
    assert not {0.0, 999.0} & set(grid.edges.tolist())
    profile = profile_numeric(pa.array(values), grid)
    assert (profile.min, profile.max) == (None, None)
    assert NumericGrid.from_dict(grid.to_dict()) == grid
    assert fit_numeric([7.0] * 40, spare=20).edges.tolist()[0] == 7.0


def test_logs_hold_no_values(
    days: Path, usual: Left, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(usual.out / "baselines"))
    with caplog.at_level(logging.DEBUG):
        list(stages.walk(usual.config, [day(DAYS - 1)], open_store("sqlite://")))
    assert not [raw for raw in RAW.values() if raw in caplog.text]
