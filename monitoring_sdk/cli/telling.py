"""`monitoring diagnose`, `report`, `deliver` and `alerts`: what was found reaches people."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from monitoring_sdk.cli.options import common, emit, moment, monitor_file


@click.command()
@click.option(
    "--revive",
    metavar="[ID]",
    is_flag=False,
    flag_value="",
    help="First take up what is dead: the message ID (or the beginning of it), or all.",
)
@common
def deliver(revive: str | None, as_json: bool) -> None:
    """Send all that the outbox still holds, now."""
    import dataclasses

    from monitoring_sdk import stages
    from monitoring_sdk.adapters.store import open_store
    from monitoring_sdk.render.standing import outbox_lines
    from monitoring_sdk.stages import outbox_state, outcomes

    store = open_store()
    revived = []
    if revive is not None:
        revived = outbox_state.revive(store, revive or None, stages.clock())
    outcomes.look_after(store, stages.clock())
    counts = dataclasses.asdict(stages.deliver_all(store))
    problems = counts.pop("problems")
    left = outbox_state.outbox_standing(store, stages.clock()).to_dict()
    for problem in problems:
        click.echo(problem, err=True)
    said = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
    if revive is not None:
        said = f"{len(revived)} revived; {said}"
    document = {
        "schema": 1,
        **counts,
        "revived": revived,
        "problems": list(problems),
        "outbox": left,
    }
    emit(document, as_json, "\n".join([said, *outbox_lines(left)]))


@click.group()
def alerts() -> None:
    """Try out the ways by which people are told."""


@alerts.command("test")
@monitor_file
@click.option("--by", metavar="NAME", help="Who asks for it; default: the login name.")
@common
def alerts_test(file: Path, by: str | None, as_json: bool) -> None:
    """Send one marked message to each receiver of a model, and say what came of it."""
    from monitoring_sdk import stages
    from monitoring_sdk.cli.feedback import login_name
    from monitoring_sdk.config import load_config
    from monitoring_sdk.stages.targets import name_of, send_test

    config = load_config(file)
    found = send_test(config, stages.clock(), by or login_name())
    rows = [
        {"to": name_of(target), "sent": outcome.kind == "sent", "detail": outcome.detail}
        for target, outcome in found
    ]
    fine = bool(rows) and all(row["sent"] for row in rows)
    lines = [
        f"{row['to']}: {'sent' if row['sent'] else 'not sent'}"
        + (f" ({row['detail']})" if row["detail"] else "")
        for row in rows
    ]
    nobody = f"{config.model}: no receiver is set up; alerts go to the console"
    document = {"schema": 1, "model": config.model, "ok": fine, "targets": rows}
    emit(document, as_json, "\n".join(lines) or nobody)
    if not fine:
        sys.exit(1)


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
