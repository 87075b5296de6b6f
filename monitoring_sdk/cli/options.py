"""What commands share: their options, how they answer, and the exit status of a failure."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import click

from monitoring_sdk.errors import ConfigError, MonitoringError
from monitoring_sdk.window import parse_time

Command = Callable[..., Any]


@contextlib.contextmanager
def told(debug: bool) -> Iterator[None]:
    """End with the exit status that a failure stands for, its reason on stderr."""
    try:
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:
        # Whatever raised it, no secret of the environment gets to a terminal, or into its log.
        from monitoring_sdk.adapters.redaction import redact

        text = "".join(traceback.format_exception(error)) if debug else _reason(error)
        click.echo(redact(text).rstrip(), err=True)
        sys.exit(2 if isinstance(error, ConfigError) else 1)


def _reason(error: Exception) -> str:
    if isinstance(error, MonitoringError):
        return str(error)
    ours = ("monitoring_sdk", "flows", "tasks")
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith(ours):
        return f"{error}: install the extra it belongs to: pip install 'monitoring-sdk[pipeline]'"
    # What it says may hold values of the data.
    return f"unexpected: {type(error).__name__}; --debug shows where"


def common(function: Command) -> Command:
    """Give a command `--json` and `--debug`, and failures their exit status."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
    @click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
    @wraps(function)
    def command(*args: Any, debug: bool, **options: Any) -> None:
        with told(debug):
            function(*args, **options)

    return command


def monitor_file(function: Command) -> Command:
    return click.argument("file", type=click.Path(dir_okay=False, path_type=Path))(function)


def span(required: bool) -> Callable[[Command], Command]:
    def add(function: Command) -> Command:
        for name in ("--end", "--start"):
            function = click.option(name, metavar="T", required=required)(function)
        return function

    return add


def emit(document: Any, as_json: bool, text: str) -> None:
    if as_json:
        click.echo(json.dumps(document, allow_nan=False))
    else:
        click.echo(text)


def moment(value: str | None, config: Any) -> Any:
    return None if value is None else parse_time(value, config.window.timezone)


@contextlib.contextmanager
def progress_line(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Draw a line of progress on a terminal."""
    shown = not quiet and sys.stderr.isatty()

    def show(what: str, done: int, total: int) -> None:
        if shown:
            click.echo(f"\r{what}: {done} of {total}\033[K", err=True, nl=False)

    try:
        yield show
    finally:
        if shown:
            click.echo("\r\033[K", err=True, nl=False)
