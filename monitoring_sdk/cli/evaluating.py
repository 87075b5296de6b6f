"""`monitoring run`, `backfill` and `replay`: windows through every stage."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from monitoring_sdk.cli.options import common, emit, moment, monitor_file, progress_line, span
from monitoring_sdk.errors import ConfigError


def call_flow(name: str, **parameters: Any) -> Any:
    """Call a flow of the checkout by its name."""
    from monitoring_sdk.adapters.kubernetes import refuse_what_dies_with_the_pod

    # Before a Prefect server is started for it.
    refuse_what_dies_with_the_pod(os.environ)
    here, beside = Path.cwd(), Path(__file__).resolve().parents[2]
    for folder in (beside, here):
        if (folder / "flows" / "run_local.py").is_file() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    try:
        # By name, so that the library depends on no flow: they are there in a checkout alone.
        local = importlib.import_module("flows.run_local")
    except ModuleNotFoundError as error:
        if error.name not in ("flows", "flows.run_local"):
            raise
        raise ConfigError(
            "the flows are not here: run this command in a checkout of the project"
        ) from None
    return local.call_flow(name, **parameters)


@click.command()
@monitor_file
@click.option("--window-end", metavar="T", help="The window that ends here; default: the latest.")
@click.option("--as-of", metavar="T", help="See only labels known by then.")
@click.option("--fail-on-alert", is_flag=True, help="Exit 3 on an alert.")
@click.option("--fail-on-error", is_flag=True, help="Exit 4 where a check errored.")
@common
def run(
    file: Path,
    window_end: str | None,
    as_of: str | None,
    fail_on_alert: bool,
    fail_on_error: bool,
    as_json: bool,
) -> None:
    """Evaluate one window through the Prefect flow."""
    from monitoring_sdk.config import load_config
    from monitoring_sdk.render.summary import report_text

    config = load_config(file)
    end, seen = moment(window_end, config), moment(as_of, config)
    if end is not None:
        config.cadence.ending(end)
    document = call_flow("monitor", model=str(file), window_end=end, as_of=seen)
    emit(document, as_json, report_text(document))
    if document["status"] == "error":
        click.echo(f"{config.model}: {document['reason']}", err=True)
        sys.exit(1)
    checks = document["checks"]
    if fail_on_alert and document["status"] == "alert":
        sys.exit(3)
    if fail_on_error and any(c["status"] == "error" for c in checks):
        sys.exit(4)


@click.command()
@monitor_file
@span(required=True)
@click.option("--as-of", metavar="T", help="Revise at the end with labels known by then.")
@click.option("--checks", is_flag=True, help="List every check in the JSON document.")
@click.option("--notify", is_flag=True, help="Send alerts and call hooks, as live runs do.")
@click.option("--force", is_flag=True, help="Compute again what is there already.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Look at windows in so many processes; one decides about them, in order.",
)
@common
def backfill(
    file: Path,
    start: str,
    end: str,
    as_of: str | None,
    checks: bool,
    notify: bool,
    force: bool,
    processes: int,
    as_json: bool,
) -> None:
    """Evaluate every complete window of a span, in order."""
    from monitoring_sdk.config import load_config
    from monitoring_sdk.render.summary import span_text

    config = load_config(file)
    document = call_flow(
        "backfill",
        model=str(file),
        start=moment(start, config),
        end=moment(end, config),
        as_of=moment(as_of, config),
        checks=checks or not as_json,
        notify=notify,
        recompute=force,
        processes=processes,
    )
    emit(document, as_json, span_text(document, config.window.timezone))


@click.command()
@monitor_file
@span(required=True)
@click.option("--checks", is_flag=True, help="List every check in the JSON document.")
@common
def replay(file: Path, start: str, end: str, checks: bool, as_json: bool) -> None:
    """Say what would have been alarmed under FILE; write no state, send nothing."""
    from monitoring_sdk import stages
    from monitoring_sdk.adapters.process_end import end_at_once
    from monitoring_sdk.config import load_config
    from monitoring_sdk.render.summary import span_text

    end_at_once()
    config = load_config(file)
    windows = list(config.cadence.windows(moment(start, config), moment(end, config)))
    with progress_line(as_json) as progress:
        past = stages.replayed(config, windows, progress)
    at = stages.step_as_of(config, windows[-1]) if windows else moment(end, config)
    document = stages.span_document(config, windows, at, past, checks=checks or not as_json)
    emit(document, as_json, span_text(document, config.window.timezone))
