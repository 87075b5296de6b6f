"""`monitoring serve`: the collector, and its keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from monitoring_sdk.adapters.folders import folder, is_remote
from monitoring_sdk.adapters.inference_log import LOGS
from monitoring_sdk.cli.options import common, emit

KEYS = click.option(
    "--keys",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".monitoring/keys.json"),
    help="The file of keys.",
)


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8765, show_default=True)
@click.option(
    "--log", default=str(LOGS), show_default=True, help="Folder of the logs, by path or URL."
)
@click.option(
    "--spool",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of rows not filed yet. Default: that of the logs; of logs behind a URL "
    f"{LOGS}. Keep it on a disk that lasts.",
)
@KEYS
@click.pass_context
@common
def serve(
    ctx: click.Context,
    host: str,
    port: int,
    log: str,
    spool: Path | None,
    keys: Path,
    as_json: bool,
) -> None:
    """Take predictions, labels and outcomes of retrainings over HTTP, until Ctrl-C."""
    if ctx.invoked_subcommand is not None:
        return
    import uvicorn

    from monitoring_sdk.adapters.collector import application
    from monitoring_sdk.stages.callbacks import Callbacks
    from monitoring_sdk.stages.handle import monitors_root

    root, files = monitors_root(), folder(log, "--log")
    waiting = spool or (LOGS if is_remote(files) else files)
    app = application(root, waiting, keys, outcomes=Callbacks(root), files=files)
    click.echo(f"http://{host}:{port}", err=True)
    try:
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)
    except SystemExit as end:
        # Its own status, 3, means an alert here; a port in use is only "could not".
        ctx.exit(1 if end.code else 0)


@serve.command()
@click.argument("model")
@KEYS
@common
def key(model: str, keys: Path, as_json: bool) -> None:
    """Make a key for a model and print it, once; its salted hash is kept."""
    from monitoring_sdk.adapters.collector_keys import make_key

    made = make_key(keys, model, datetime.now(UTC))
    emit({"schema": 1, "model": model, "key": made}, as_json, made)


@serve.command()
@click.argument("name")
@KEYS
@common
def revoke(name: str, keys: Path, as_json: bool) -> None:
    """Remove a key: NAME is the part between mk_ and the next _."""
    from monitoring_sdk.adapters.collector_keys import revoke_key

    model = revoke_key(keys, name)
    emit({"schema": 1, "model": model, "revoked": name}, as_json, f"revoked {name} of {model}")
