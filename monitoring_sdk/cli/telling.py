"""`monitoring diagnose`, `report` and `deliver`: what was found reaches people."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from monitoring_sdk.cli.options import common, emit, moment, monitor_file


@click.command()
@common
def deliver(as_json: bool) -> None:
    """Send all that the outbox still holds, now."""
    import dataclasses

    from monitoring_sdk import stages
    from monitoring_sdk.adapters.store import open_store
    from monitoring_sdk.stages import outcomes

    store = open_store()
    outcomes.look_after(store, stages.clock())
    summary = stages.deliver_all(store)
    document = {"schema": 1, **dataclasses.asdict(summary)}
    text = ", ".join(f"{v} {k}" for k, v in document.items() if k not in ("schema", "problems"))
    for problem in summary.problems:
        click.echo(problem, err=True)
    emit(document, as_json, text)


@click.command()
@monitor_file
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="The page's folder.")
@common
def report(file: Path, out: Path | None, as_json: bool) -> None:
    """Write the HTML page of the model's history."""
    from monitoring_sdk import stages
    from monitoring_sdk.adapters.store import open_store
    from monitoring_sdk.config import load_config

    config = load_config(file)
    published = stages.publish(config, open_store(), out=out)
    document = {
        "schema": 1,
        "model": config.model,
        "path": str(published.path),
        "url": published.url,
    }
    emit(document, as_json, str(published.path))


@click.command()
@monitor_file
@click.option("--window-end", metavar="T", required=True, help="The window that ends here.")
@click.option("--as-of", metavar="T", help="See only labels known by then; default: now.")
@common
def diagnose(file: Path, window_end: str, as_of: str | None, as_json: bool) -> None:
    """Say what lies behind a window's performance: other inputs, or other outcomes."""
    from monitoring_sdk import stages
    from monitoring_sdk.config import load_config
    from monitoring_sdk.render.diagnosis import diagnosis_text
    from monitoring_sdk.stages.diagnose import diagnose_window

    config = load_config(file)
    window = config.cadence.ending(moment(window_end, config))
    found = diagnose_window(config, window, moment(as_of, config) or stages.clock())
    document = {"schema": 1, "model": config.model, "window": window.to_dict()}
    if isinstance(found, str):
        emit({**document, "diagnosis": None, "reason": found}, as_json, f"no diagnosis: {found}")
        sys.exit(1)
    told = found.to_dict()
    emit({**document, "diagnosis": told, "reason": None}, as_json, diagnosis_text(told))
