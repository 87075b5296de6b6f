"""`monitoring erase` and `retention`: rows and results that are to go."""

from __future__ import annotations

from pathlib import Path

import click

from monitoring_sdk.cli.options import common, emit, moment, monitor_file

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--id", "identity", metavar="ID", multiple=True, required=True, help="Whose rows.")
@click.argument("file", type=_FILE, required=False)
@common
def erase(identity: tuple[str, ...], file: Path | None, as_json: bool) -> None:
    """Take the rows of one prediction out of the inference log: of FILE's model, or of all."""
    from monitoring_sdk.config import load_config
    from monitoring_sdk.stages.erasing import erase as erase_rows

    found = erase_rows(identity, None if file is None else load_config(file))
    emit(found.to_dict(), as_json, found.text())


@click.command()
@monitor_file
@click.option("--as-of", metavar="T", help="Count ages back from T; default: the newest window.")
@common
def retention(file: Path, as_of: str | None, as_json: bool) -> None:
    """Remove what is older than FILE's `retention` says, unless something still needs it."""
    from monitoring_sdk.adapters.store import open_existing
    from monitoring_sdk.config import load_config
    from monitoring_sdk.stages.retention import retain

    config = load_config(file)
    found = retain(config, open_existing(), moment(as_of, config))
    emit(found.to_dict(), as_json, found.text())
