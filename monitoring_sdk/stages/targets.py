"""Where a notification really goes: the URL of its target, from the monitor files and variables."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from monitoring_sdk.adapters.apprise_target import AppriseSender, known_service
from monitoring_sdk.adapters.outbox import Claimed, OutboxRow
from monitoring_sdk.adapters.outcome import Outcome
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_alerts import missing_variables, resolved, target_id, target_label
from monitoring_sdk.decision import Message, message_id
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.report import timestamp
from monitoring_sdk.routing import Target, every_target
from monitoring_sdk.stages.fleet import alerts_of
from monitoring_sdk.stages.handle import find_config


def address_of(
    message: Message,
    configs: Collection[MonitorConfig] = (),
    environ: Mapping[str, str] = os.environ,
) -> str:
    """Return the URL of a message's target; it is never kept.

    Parameters
    ----------
    message : Message
        Its `target` is the hash of what a monitor file says.
    configs : collection of MonitorConfig
        Monitors that are known already; others are looked for in the folder of monitor files.
    environ : mapping

    Raises
    ------
    MonitoringError
        When no file names the target any more, or a variable of it is not set.
    """
    known = {c.model: c for c in configs}
    config = known.get(message.model) or find_config(message.model)[0]
    addresses = (t.address for t in every_target(alerts_of(config), config.model))
    wanted, name = message.payload["target"], message.payload["name"]
    address = next((a for a in addresses if a and target_id(a) == wanted), None)
    if address is None:
        raise ConfigError(f"no monitor file of {message.model} names this target ({name}) any more")
    return _resolved(address, environ)


def _resolved(address: str, environ: Mapping[str, str]) -> str:
    if missing := missing_variables(address, environ):
        raise ConfigError(f"the environment variable {missing[0]} is not set")
    return resolved(address, environ)


def target_problems(config: MonitorConfig, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return what is wrong with a monitor's targets, without a word of what they hold."""
    problems = []
    for target in every_target(alerts_of(config), config.model):
        if target.kind == "apprise" and target.address is not None:
            label = target_label(target.address)
            try:
                if not known_service(_resolved(target.address, environ)):
                    problems.append(f"alerts: Apprise knows no service for {label}")
            except ConfigError as error:
                problems.append(f"alerts: {label}: {error}")
            except ModuleNotFoundError:
                problems.append(f"alerts: {label} needs apprise: pip install apprise")
    return problems


def name_of(target: Target) -> str:
    """Name a target for people, without a secret."""
    if target.kind == "slack":
        return f"slack {target.address}"
    return f"{target_label(str(target.address))} ({target_id(str(target.address))})"


def send_test(
    config: MonitorConfig, now: datetime, said_by: str, environ: Mapping[str, str] = os.environ
) -> list[tuple[Target, Outcome]]:
    """Send one marked message to each receiver of a model, past the outbox; say what came of it.

    Parameters
    ----------
    config : MonitorConfig
    now : datetime
    said_by : str
        Who asked for it; it stands in the message.
    environ : mapping

    Returns
    -------
    list of (Target, Outcome)
        A message that arrived where the history cannot be read says so: after a doubtful attempt
        nobody could look there.
    """
    found = []
    for target in every_target(alerts_of(config), config.model):
        text = f"[test] {config.model}: this is a test of its alerts, asked for by {said_by}"
        claimed = _claim(config.model, target, text, now)
        if target.kind == "slack":
            found.append((target, _to_slack(SlackSender.from_environment(environ), claimed)))
        else:
            address = str(target.address)
            sender = AppriseSender(lambda _, a=address: _resolved(a, environ))  # type: ignore[misc]
            found.append((target, _sent(sender, claimed)))
    return found


def _claim(model: str, target: Target, text: str, now: datetime) -> Claimed:
    payload: dict[str, Any] = {"text": text}
    if target.kind == "slack":
        payload |= {"channel": target.address, "blocks": None}
    else:
        payload |= {"target": "", "name": "", "body": "Nothing is wrong.", "type": "info"}
    transition = f"test:{timestamp(now)}@{target.address}"
    identity = message_id(model, "", transition)
    message = Message(identity, target.kind, model, "", "test", payload)
    return Claimed(OutboxRow(message, "pending", now, now, 0, None, None, 0), "test", False)


def _sent(sender: AppriseSender | SlackSender, claimed: Claimed) -> Outcome:
    try:
        return sender.send(claimed)
    except ModuleNotFoundError as error:
        return Outcome("held", f"{error.name} is not installed")


def _to_slack(sender: SlackSender, claimed: Claimed) -> Outcome:
    outcome = _sent(sender, claimed)
    if outcome.kind != "sent" or not sender.token:
        return outcome
    unreadable = sender.unreadable(claimed)
    if unreadable is None:
        return outcome
    said = f"the channel's history cannot be read ({unreadable}): in doubt nobody could look there"
    return Outcome("sent", said, outcome.receipt)
