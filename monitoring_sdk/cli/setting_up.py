"""`monitoring init`, `check` and `baseline`: before the first window is looked at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from monitoring_sdk.cli.options import common, emit, moment, monitor_file, progress_line, span


@click.command()
@click.argument("data")
@click.option("--table", metavar="T", help="The table, where DATA is a database URL.")
@click.option("--labels", metavar="DATA", help="Where labels come from, if not from DATA.")
@click.option("--labels-table", metavar="T", help="The labels' table.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Default: stdout.")
@click.option("--model", metavar="NAME", help="The model's name.")
@click.option("--timestamp", metavar="COLUMN", help="When a prediction was made.")
@click.option("--prediction", metavar="COLUMN", help="What the model decided.")
@click.option("--label", metavar="COLUMN", help="What came true.")
@click.option("--id", "ids", metavar="COLUMN", multiple=True, help="Once or several times.")
@click.option("--task", type=click.Choice(["binary", "multiclass", "regression", "ranking"]))
@common
def init(data: str, out: Path | None, as_json: bool, **asked: Any) -> None:
    """Draft a monitor file from DATA: a file, glob, folder, fsspec or database URL."""
    from monitoring_sdk.stages.drafting import draft_file

    found = draft_file(data, out=out, **asked)
    emit(found.to_dict(), as_json, found.text if out is None else found.summary())


@click.command()
@monitor_file
@common
def check(file: Path, as_json: bool) -> None:
    """Validate FILE, reach its sources, and try its expectations on the baseline's rows."""
    from monitoring_sdk.stages.checking import check_monitor

    found = check_monitor(file)
    emit(found.to_dict(), as_json, found.text())
    if found.problems:
        sys.exit(2 if found.wrong_file else 1)


@click.group()
def baseline() -> None:
    """Build and list baselines."""


@baseline.command()
@monitor_file
@span(required=False)
@common
def build(file: Path, start: str | None, end: str | None, as_json: bool) -> None:
    """Fit a baseline on a span of the predictions, and save it as a new version."""
    from monitoring_sdk import stages
    from monitoring_sdk.adapters.baselines import describe
    from monitoring_sdk.config import load_config

    config = load_config(file)
    with progress_line(as_json) as progress:
        built = stages.build_baseline(
            config,
            moment(start, config),
            moment(end, config),
            now=stages.clock(),
            progress=progress,
        )
    about = describe(built)
    text = (
        f"{config.model}: baseline {built.version}: {built.rows} rows, {len(built.windows)} "
        f"reference windows, {about['columns']} columns, {about['expectations']} generated "
        "expectations"
    )
    for note in built.notes:
        click.echo(f"note: {note}", err=True)
    emit({"schema": 1, "model": config.model, **about}, as_json, text)


@baseline.command("list")
@monitor_file
@common
def list_baselines(file: Path, as_json: bool) -> None:
    """List a model's baselines, oldest first."""
    from monitoring_sdk.adapters import baselines
    from monitoring_sdk.adapters.baselines import baselines_root
    from monitoring_sdk.config import load_config
    from monitoring_sdk.render.console import table

    config = load_config(file)
    root = baselines_root()
    found = [
        baselines.describe(baselines.load(root, config.model, version))
        for version in baselines.versions(root, config.model)
    ]
    names = ["version", "start", "end", "valid_from", "rows", "windows"]
    rows = [[str(b[n]) if b[n] is not None else "-" for n in names] for b in found]
    text = table(names, rows) if rows else f"{config.model}: no baseline yet"
    emit({"schema": 1, "model": config.model, "baselines": found}, as_json, text)


@baseline.command("diff")
def diff_baselines() -> None:
    """Compare two baselines."""
    raise click.UsageError("monitoring baseline diff: not supported yet")
