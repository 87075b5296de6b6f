"""The flow `retrain`: a new model, and its baseline, where it is better than the one that serves.

`python -m flows.retrain --model M --trainer MODULE` is what a retraining hook calls. What a trainer
is, `monitoring_sdk.stages.replacing.load_trainer` says; `examples.flights.trainer` is one.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from typing import Any

import click
from prefect import flow

from flows.steps import model_name, say, scheduled_start
from monitoring_sdk import stages
from monitoring_sdk.adapters.kubernetes import refuse_what_dies_with_the_pod
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import ConfigError, MonitoringError
from monitoring_sdk.report import Trigger, timestamp
from monitoring_sdk.retraining import KEPT, PROMOTED
from monitoring_sdk.stages import replacing
from monitoring_sdk.window import parse_time
from tasks.hop import whole
from tasks.replace import compare_models, fit_new_baseline, publish_model, save_model


@flow(name="retrain", flow_run_name=model_name, persist_result=False)
def retrain(
    model: str,
    trainer: str,
    trigger_id: str | None = None,
    window_end: datetime | None = None,
) -> dict[str, Any]:
    """Fit a new model, and let it serve, with a baseline of its own, only if it is better.

    Run again with the same trigger it does what is left to do, and nothing twice.

    Args:
        model: Name of a monitor file in `monitors/`, or the path of one.
        trainer: Name of the module that fits, compares and publishes, such as
            `examples.flights.trainer`.
        trigger_id: The request to retrain that this answers; what comes of it is written there.
        window_end: Moment as of which rows and labels are known; by default that of the trigger,
            else the end of the latest complete window at the scheduled start. A time without an
            offset is in the monitor's time zone.

    Returns:
        Model, trigger, state (`promoted` or `kept`) and the reason in words.
    """
    refuse_what_dies_with_the_pod(os.environ)
    config, _ = stages.find_config(model)
    module = replacing.load_trainer(trainer)
    store = open_store()
    try:
        trigger = replacing.find_trigger(store, config, trigger_id) if trigger_id else None
        state, text = _replace(config, module, trigger, _moment(config, trigger, window_end), store)
    finally:
        store.close()
    say(f"{config.model}: {text}")
    return {"schema": 1, "model": config.model, "trigger": trigger_id, "state": state, "text": text}


def _moment(config: MonitorConfig, trigger: Trigger | None, asked: datetime | None) -> datetime:
    if asked is not None:
        return parse_time(asked, config.window.timezone)
    if trigger is not None:
        return trigger.window_end
    return config.cadence.latest(scheduled_start(), config.window.lag).end


def _replace(
    config: MonitorConfig, trainer: Any, trigger: Trigger | None, as_of: datetime, store: Store
) -> tuple[str, str]:
    if trigger is not None and trigger.state in (PROMOTED, KEPT):
        return trigger.state, f"done before: {trigger.outcome}"
    begun = replacing.pending_version(trigger)
    if begun is None:
        outcome: Any = compare_models(config, trainer, as_of)
        if not outcome.better:
            text = f"kept the model that serves: {outcome.reason}"
            replacing.write_outcome(store, config, trigger, text, KEPT)
            return KEPT, text
        version, reason = save_model(config, trainer, whole(outcome)), outcome.reason
        # From here on the decision stands, whatever becomes of this process.
        replacing.begin(store, trigger, version, reason)
    else:
        version, reason = begun
    # The baseline first: a model that serves must never be without its own.
    baseline = fit_new_baseline(config, trainer, version, as_of)
    publish_model(config, trainer, version)
    text = replacing.promoted_text(version, reason, baseline)
    replacing.write_outcome(store, config, trigger, text, PROMOTED)
    return PROMOTED, text


@click.command()
@click.option("--model", required=True, envvar="MONITORING_MODEL", help="Name, or monitor file.")
@click.option("--trainer", required=True, metavar="MODULE", help="Fits, compares and publishes.")
@click.option("--trigger-id", envvar="MONITORING_TRIGGER_ID", help="The request that this answers.")
@click.option(
    "--window-end",
    metavar="T",
    envvar="MONITORING_WINDOW_END",
    help="Rows and labels are known as of then; default: the trigger's, else the latest window's.",
)
def main(model: str, trainer: str, trigger_id: str | None, window_end: str | None) -> None:
    """Retrain a model, and publish the new one only if it is better.

    Exit status 0: it ran, whatever it found; 1: it could not; 2: wrong usage.
    """
    from flows.run_local import call_flow

    try:
        config, _ = stages.find_config(model)
        at = None if window_end is None else parse_time(window_end, config.window.timezone)
        found = call_flow(
            retrain, model=model, trainer=trainer, trigger_id=trigger_id, window_end=at
        )
    except MonitoringError as error:
        click.echo(str(error), err=True)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    at_text = "" if at is None else f" as of {timestamp(at)}"
    click.echo(f"{found['model']}{at_text}: {found['text']}")


if __name__ == "__main__":
    main(prog_name="python -m flows.retrain")
