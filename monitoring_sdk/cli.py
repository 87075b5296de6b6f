"""`monitoring`, the command: what it is called with, and the exit status."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import click

from monitoring_sdk.errors import ConfigError, MonitoringError
from monitoring_sdk.window import parse_time

LATER = ("explain", "incident", "retraining", "serve", "silence", "status")

Command = Callable[..., Any]


class _Group(click.Group):
    """Knows the commands that a later version brings, and the nearest name of a wrong one."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LATER or (cmd_name == "alerts"):
            raise click.UsageError(f"monitoring {cmd_name}: not supported yet")
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="monitoring-sdk")
def main() -> None:
    """Watch deployed machine-learning models."""


@contextlib.contextmanager
def _told(debug: bool) -> Iterator[None]:
    """End with the exit status that a failure stands for, its reason on stderr."""
    try:
        yield
    except ConfigError as error:
        if debug:
            raise
        click.echo(str(error), err=True)
        sys.exit(2)
    except MonitoringError as error:
        if debug:
            raise
        click.echo(str(error), err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if debug or (error.name or "").startswith(("monitoring_sdk", "flows", "tasks")):
            raise
        click.echo(
            f"{error}: install the extra it belongs to: pip install 'monitoring-sdk[pipeline]'",
            err=True,
        )
        sys.exit(1)


def _common(function: Command) -> Command:
    """Give a command `--json` and `--debug`, and failures their exit status."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
    @click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
    @wraps(function)
    def command(*args: Any, debug: bool, **options: Any) -> None:
        with _told(debug):
            function(*args, **options)

    return command


def _file(function: Command) -> Command:
    return click.argument("file", type=click.Path(dir_okay=False, path_type=Path))(function)


def _span(required: bool) -> Callable[[Command], Command]:
    def add(function: Command) -> Command:
        for name in ("--end", "--start"):
            function = click.option(name, metavar="T", required=required)(function)
        return function

    return add


def _emit(document: Any, as_json: bool, text: str) -> None:
    if as_json:
        click.echo(json.dumps(document, allow_nan=False))
    else:
        click.echo(text)


def _moment(value: str | None, config: Any) -> Any:
    return None if value is None else parse_time(value, config.window.timezone)


@main.command()
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
@_common
def init(data: str, out: Path | None, as_json: bool, **asked: Any) -> None:
    """Draft a monitor file from DATA: a file, glob, folder, fsspec or database URL."""
    from monitoring_sdk.stages.drafting import draft_file

    found = draft_file(data, out=out, **asked)
    _emit(found.to_dict(), as_json, found.text if out is None else found.summary())


@main.command()
@_file
@_common
def check(file: Path, as_json: bool) -> None:
    """Validate FILE, reach its sources, and try its expectations on the baseline's rows."""
    from monitoring_sdk.stages.checking import check_monitor

    found = check_monitor(file)
    _emit(found.to_dict(), as_json, found.text())
    if found.problems:
        sys.exit(2 if found.wrong_file else 1)


@main.group()
def baseline() -> None:
    """Build and list baselines."""


@baseline.command()
@_file
@_span(required=False)
@_common
def build(file: Path, start: str | None, end: str | None, as_json: bool) -> None:
    """Fit a baseline on a span of the predictions, and save it as a new version."""
    from monitoring_sdk import stages
    from monitoring_sdk.adapters.baselines import describe
    from monitoring_sdk.config import load_config

    config = load_config(file)
    with _progress(as_json) as progress:
        built = stages.build_baseline(
            config,
            _moment(start, config),
            _moment(end, config),
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
    _emit({"schema": 1, "model": config.model, **about}, as_json, text)


@baseline.command("list")
@_file
@_common
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
    _emit({"schema": 1, "model": config.model, "baselines": found}, as_json, text)


@baseline.command("diff")
def diff_baselines() -> None:
    """Compare two baselines."""
    raise click.UsageError("monitoring baseline diff: not supported yet")


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
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


def _call_flow(name: str, **parameters: Any) -> Any:
    """Call a flow of the checkout by its name."""
    here, beside = Path.cwd(), Path(__file__).resolve().parent.parent
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


@main.command()
@_file
@click.option("--window-end", metavar="T", help="The window that ends here; default: the latest.")
@click.option("--as-of", metavar="T", help="See only labels known by then.")
@click.option("--fail-on-alert", is_flag=True, help="Exit 3 on an alert.")
@click.option("--fail-on-error", is_flag=True, help="Exit 4 where a check errored.")
@_common
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
    end, seen = _moment(window_end, config), _moment(as_of, config)
    if end is not None:
        config.cadence.ending(end)
    document = _call_flow("monitor", model=str(file), window_end=end, as_of=seen)
    _emit(document, as_json, report_text(document))
    if document["status"] == "error":
        click.echo(f"{config.model}: {document['reason']}", err=True)
        sys.exit(1)
    checks = document["checks"]
    if fail_on_alert and document["status"] == "alert":
        sys.exit(3)
    if fail_on_error and any(c["status"] == "error" for c in checks):
        sys.exit(4)


@main.command()
@_file
@_span(required=True)
@click.option("--as-of", metavar="T", help="Revise at the end with labels known by then.")
@click.option("--checks", is_flag=True, help="List every check in the JSON document.")
@click.option("--notify", is_flag=True, help="Send alerts and call hooks, as live runs do.")
@click.option("--force", is_flag=True, help="Compute again what is there already.")
@_common
def backfill(
    file: Path,
    start: str,
    end: str,
    as_of: str | None,
    checks: bool,
    notify: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Evaluate every complete window of a span, in order."""
    from monitoring_sdk.config import load_config
    from monitoring_sdk.render.summary import span_text

    config = load_config(file)
    document = _call_flow(
        "backfill",
        model=str(file),
        start=_moment(start, config),
        end=_moment(end, config),
        as_of=_moment(as_of, config),
        checks=checks or not as_json,
        notify=notify,
        recompute=force,
    )
    _emit(document, as_json, span_text(document, config.window.timezone))


@main.command()
@_file
@_span(required=True)
@click.option("--checks", is_flag=True, help="List every check in the JSON document.")
@_common
def replay(file: Path, start: str, end: str, checks: bool, as_json: bool) -> None:
    """Say what would have been alarmed under FILE; write no state, send nothing."""
    from monitoring_sdk import stages
    from monitoring_sdk.adapters.store import open_store
    from monitoring_sdk.config import load_config
    from monitoring_sdk.render.summary import span_text

    config = load_config(file)
    windows = list(config.cadence.windows(_moment(start, config), _moment(end, config)))
    store = open_store("sqlite://")
    with _progress(as_json) as progress:
        for i, _ in enumerate(stages.walk(config, windows, store), start=1):
            progress("windows", i, len(windows))
    at = stages.step_as_of(config, windows[-1]) if windows else _moment(end, config)
    document = stages.span_document(config, windows, at, store, checks=checks or not as_json)
    _emit(document, as_json, span_text(document, config.window.timezone))


@main.command()
@_common
def deliver(as_json: bool) -> None:
    """Send all that the outbox still holds, now."""
    import dataclasses

    from monitoring_sdk import stages
    from monitoring_sdk.adapters.store import open_store

    summary = stages.deliver_all(open_store())
    document = {"schema": 1, **dataclasses.asdict(summary)}
    text = ", ".join(f"{v} {k}" for k, v in document.items() if k not in ("schema", "problems"))
    for problem in summary.problems:
        click.echo(problem, err=True)
    _emit(document, as_json, text)


@main.command()
@_file
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="The page's folder.")
@_common
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
    _emit(document, as_json, str(published.path))


if __name__ == "__main__":
    main()
