"""`monitoring retraining`: the requests to retrain, their approval, and what came of them."""

from __future__ import annotations

from typing import Literal

import click

from monitoring_sdk.cli.feedback import login_name
from monitoring_sdk.cli.options import common, emit


@click.command()
@click.argument("identity", metavar="[ID]", required=False)
@click.option("--outcome", type=click.Choice(["promoted", "kept", "failed"]), help="What came.")
@click.option("--model-version", metavar="V", help="The new model's; with --outcome.")
@click.option("--approve", is_flag=True, help="Let the hook be called.")
@click.option("--decline", is_flag=True, help="Let it not be called.")
@click.option("--reason", metavar="TEXT", help="Why; kept with it.")
@click.option("--by", metavar="NAME", help="Who says so; default: the login name.")
@common
def retraining(
    identity: str | None,
    outcome: Literal["promoted", "kept", "failed"] | None,
    model_version: str | None,
    approve: bool,
    decline: bool,
    reason: str | None,
    by: str | None,
    as_json: bool,
) -> None:
    """List the requests to retrain, show the one of ID, or say what came of it."""
    from monitoring_sdk import stages
    from monitoring_sdk.adapters.store import open_existing
    from monitoring_sdk.render.retraining import trigger_text, triggers_text
    from monitoring_sdk.stages import outcomes

    chosen = sum([outcome is not None, approve, decline])
    if chosen > 1:
        raise click.UsageError("--outcome, --approve and --decline exclude each other")
    if (model_version and outcome is None) or (not chosen and (reason or by)):
        raise click.UsageError("--model-version, --reason and --by go with an answer")
    if chosen and identity is None:
        raise click.UsageError("the ID of the trigger is missing")
    store = open_existing()
    if identity is None:
        listed = [{**t.to_dict(), "model": t.model} for t in store.triggers(unasked=True)]
        emit({"schema": 1, "triggers": listed}, as_json, triggers_text(listed))
        return
    found, who, now = outcomes.find_trigger(store, identity), by or login_name(), stages.clock()
    changed = False
    if outcome is not None:
        changed = outcomes.record(
            store,
            stages.find_config(found.model)[0],
            found,
            outcome,
            said_by=who,
            now=now,
            version=model_version,
            reason=reason,
        )
    elif chosen:
        changed = outcomes.decide_approval(
            store, found, approve, said_by=who, now=now, reason=reason or ""
        )
    document = outcomes.trigger_document(store, found.id, changed=changed)
    text = trigger_text(document)
    if chosen and not changed:
        text += "\nthat was said before: nothing changed"
    emit(document, as_json, text)
