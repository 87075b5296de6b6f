"""`monitoring status`, `incident` and `silence`: how models stand, and what people say of it."""

from __future__ import annotations

import getpass
import sys
from typing import Any

import click

from monitoring_sdk.cli.options import common, emit

_VERDICTS = ("ack", "false_alarm", "expected_change")


def login_name() -> str:
    """Return the name under which this process runs; a container may have none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _chosen(said: dict[str, bool]) -> str | None:
    chosen = [name for name in _VERDICTS if said[name]]
    if len(chosen) > 1:
        flags = " and ".join(_flag(name) for name in chosen)
        allowed = ", ".join(_flag(name) for name in _VERDICTS)
        raise click.UsageError(f"{flags} exclude each other; allowed: one of {allowed}")
    return chosen[0] if chosen else None


@click.command()
@click.argument("identity", metavar="ID")
@click.option("--ack", is_flag=True, help="Somebody is at it: no retraining, no more alerts.")
@click.option("--false-alarm", is_flag=True, help="Nothing was wrong: close it.")
@click.option("--expected-change", is_flag=True, help="Things are so from now on: close it.")
@click.option("--reason", metavar="TEXT", help="Why; kept with it.")
@click.option("--by", metavar="NAME", help="Who says so; default: the login name.")
@common
def incident(
    identity: str, reason: str | None, by: str | None, as_json: bool, **said: bool
) -> None:
    """Show the incident ID (or the beginning of it), or say what it was."""
    from monitoring_sdk import stages
    from monitoring_sdk.adapters.store import open_existing
    from monitoring_sdk.render.standing import incident_text
    from monitoring_sdk.stages import feedback

    kind: Any = _chosen(said)
    if kind is None and (reason or by):
        flags = ", ".join(_flag(name) for name in _VERDICTS)
        raise click.UsageError(f"--reason and --by go with one of {flags}")
    store = open_existing()
    found = feedback.find_incident(store, identity)
    changed = False
    if kind is not None:
        who = by or login_name()
        effect = feedback.say(store, found, kind, said_by=who, now=stages.clock(), reason=reason)
        changed = effect.said is not None
        if changed:
            # What fails is tried again by the next run, as any delivery is.
            stages.deliver_updates(store)
    document = feedback.incident_document(store, found.id, changed=changed)
    text = incident_text(document)
    if kind is not None and not changed:
        text += "\nthat was said before: nothing changed"
    emit(document, as_json, text)


@click.command()
@click.argument("model")
@click.option("--for", "length", metavar="TIME", required=True, help="Such as 6h; 0h ends it.")
@click.option("--reason", metavar="TEXT", help="Why; needed to begin a silence.")
@click.option("--by", metavar="NAME", help="Who says so; default: the login name.")
@common
def silence(model: str, length: str, reason: str | None, by: str | None, as_json: bool) -> None:
    """Make no alert for MODEL for some time; what was kept back is told afterwards."""
    from monitoring_sdk import stages
    from monitoring_sdk.adapters.store import open_store
    from monitoring_sdk.render.numbers import moment
    from monitoring_sdk.stages import feedback
    from monitoring_sdk.stages.status import model_called

    lasting = feedback.silence_length(length)
    if lasting and not reason:
        raise click.UsageError("--reason is missing: why is there to be silence?")
    store = open_store()
    name = model_called(store, model)
    said = feedback.silence(
        store, name, lasting, said_by=by or login_name(), now=stages.clock(), reason=reason
    )
    if lasting and said.until is not None:
        text = f"{name}: no alerts until {moment(said.until)}; windows are judged all the same"
    else:
        text = f"{name}: alerts are made again"
    emit({"schema": 1, "model": name, **said.to_dict()}, as_json, text)


@click.command()
@click.option("--fail-on-stale", is_flag=True, help="Exit 5 where a model is not looked at.")
@click.option("--notify", is_flag=True, help="Tell people of such models, once, and send it.")
@common
def status(fail_on_stale: bool, notify: bool, as_json: bool) -> None:
    """Say how every model stands: last window, verdict, open incident, budget spent."""
    from monitoring_sdk import stages
    from monitoring_sdk.adapters.store import open_existing, open_store
    from monitoring_sdk.render.standing import status_text
    from monitoring_sdk.stages.stale import stale_models
    from monitoring_sdk.stages.status import standings, status_document
    from monitoring_sdk.stages.unwatched import tell_stale

    now = stages.clock()
    # What was told must be remembered: then there has to be a store.
    store = open_store() if notify else open_existing()
    if notify:
        for line in [
            *tell_stale(store, now).lines,
            *stages.deliver_alerts(store, now=now).problems,
        ]:
            click.echo(line, err=True)
    found = standings(store, now)
    stale = stale_models(found, now)
    document = {**status_document(found, store, now), "stale": stale}
    emit(document, as_json, "\n".join([status_text(document), *(f"stale: {s}" for s in stale)]))
    if stale and fail_on_stale:
        sys.exit(5)
