"""The page of the metrics has a line for each, in the part of each of its tasks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import metric_intervals
from monitoring_sdk.metrics.table import DEFAULTS, METRICS

PAGE = (Path(__file__).parent.parent / "docs/metrics.md").read_text()
PAIRS = [(name, task) for name, row in METRICS.items() for task in sorted(row.tasks)]


def part(task: str) -> str:
    return PAGE.split(f"\n## {task.capitalize()}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_every_metric_has_its_line(name: str, task: str) -> None:
    lines = [line for line in part(task).splitlines() if line.startswith("| `")]
    found = [line for line in lines if f"`{name}`" in line.split("|")[1]]
    assert len(found) == 1
    needs = {n.strip() for n in found[0].split("|")[2].split(",")}
    assert needs == METRICS[name].needs


@pytest.mark.parametrize("task", DEFAULTS)
def test_the_page_names_nothing_that_there_is_not(task: str) -> None:
    lines = [line for line in part(task).splitlines() if line.startswith("| `")]
    named = {name for line in lines for name in re.findall(r"`([^`]+)`", line.split("|")[1])}
    assert named == {name for name, row in METRICS.items() if task in row.tasks}


@pytest.mark.parametrize("task", DEFAULTS)
def test_the_defaults_are_named(task: str) -> None:
    text = PAGE.split("Defaults: ")[1].split("\n\n")[0]
    assert all(f"`{name}`" in text for name in DEFAULTS[task])


@pytest.mark.parametrize("task", DEFAULTS)
def test_every_interval_was_tried(task: str) -> None:
    for metric in metric_intervals.metrics_of(task):
        assert f"| {task} | `{metric.name}` |" in PAGE


@pytest.mark.parametrize("task", DEFAULTS)
def test_the_experiment_runs_and_its_intervals_hold(task: str) -> None:
    found = metric_intervals.coverage(task, 200, 25, False, seed=5, population=50_000)
    assert found
    assert all(coverage.held >= 0.7 for coverage in found.values()), found
