"""Deliver what the outbox holds: claim, send, settle."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_sdk.adapters.apprise_target import Address, AppriseSender
from monitoring_sdk.adapters.hooks import ApprovalSender, CommandSender, DeploymentSender
from monitoring_sdk.adapters.outbox import PRINTED, Claimed, OutboxState
from monitoring_sdk.adapters.outcome import Outcome, Sender
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.adapters.slack_attached import Draw, SlackChartSender, SlackUpdateSender
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.decision import ATTACHED, Message
from monitoring_sdk.errors import ConfigError

GIVE_UP = timedelta(days=7)
FIRST_WAIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """How many messages a delivery ended with in each way; `problems` tells of the rest.

    `left_out`: what had no use any more, such as an update that a later one has overtaken.
    """

    sent: int = 0
    held: int = 0
    retried: int = 0
    unknown: int = 0
    dead: int = 0
    left_out: int = 0
    problems: tuple[str, ...] = ()


def _no_address(message: Message) -> str:
    raise ConfigError("no monitor file names this target")


def _no_drawing(message: Message) -> bytes | None:
    return None


def senders_of_environment(
    address: Address = _no_address, draw: Draw = _no_drawing
) -> dict[str, Sender]:
    """Return a sender for every kind of message; the quick ones first.

    Parameters
    ----------
    address : callable
        Finds the URL of a message for Apprise; no row holds one.
    draw : callable
        Makes the chart of a message that asks for one.
    """
    slack = SlackSender.from_environment()
    return {
        "slack": slack,
        "slack_update": SlackUpdateSender(slack),
        "apprise": AppriseSender(address),
        "slack_chart": SlackChartSender(slack, draw),
        "approval": ApprovalSender(),
        "deployment": DeploymentSender(),
        "command": CommandSender(),
    }


def deliver(
    store: Store,
    senders: Mapping[str, Sender],
    *,
    now: datetime,
    holder: str,
    limit: int = 100,
    seed: int | None = None,
    elapsed: Callable[[], float] = time.monotonic,
) -> DeliverySummary:
    """Send every message that is due, each at most once in this call.

    Parameters
    ----------
    store : Store
    senders : mapping of str to Sender
        By kind of message; kinds without one are left alone. In this order.
    now : datetime
        The clock at the beginning.
    holder : str
        Who delivers; two deliveries at a time may not share a name.
    limit : int
        The most messages of a kind.
    seed : int, optional
        Of the jitter; by default it is another each time, so that workers do not keep in step.
    elapsed : callable
        Seconds since some moment: how far the clock has gone on since `now`.

    Returns
    -------
    DeliverySummary

    Notes
    -----
    A message for no channel goes to the console and is `sent`. One for a channel that cannot be
    reached yet is printed once and held until it can. An attempt that failed is repeated after
    30 s, doubled each time up to the sender's longest wait, with jitter; after 7 days it is `dead`.
    """
    began = elapsed()
    chance = random.Random(seed)
    ends: list[tuple[str, str]] = []
    for kind, sender in senders.items():
        seen: set[str] = set()
        while len(seen) < limit:
            at = now + timedelta(seconds=elapsed() - began)
            claims = store.claim(at, holder, 1, sender.patience, kinds=[kind], skip=seen)
            if not claims:
                break
            seen.add(claims[0].message.id)
            outcome = _attempt(claims[0], sender, at)
            at = now + timedelta(seconds=elapsed() - began)
            ends.append(_settle(store, claims[0], outcome, sender, at, chance))
    return _summary(ends)


def _attempt(claimed: Claimed, sender: Sender, at: datetime) -> Outcome:
    if at - (claimed.row.revived or claimed.row.created) > GIVE_UP:
        last = f": {claimed.row.detail}" if claimed.row.detail else ""
        return Outcome("dead", f"not delivered in {GIVE_UP.days} days{last}")
    payload = claimed.message.payload
    if claimed.message.kind == "slack" and not payload.get("channel"):
        _print(claimed)
        return Outcome("sent", "console")
    try:
        outcome = sender.send(claimed)
    except Exception as error:
        # A message that breaks its sender must not keep the others from being sent.
        outcome = Outcome("unknown", f"the attempt failed ({type(error).__name__})")
    if outcome.kind == "held" and claimed.message.kind not in ATTACHED:
        if claimed.row.detail != PRINTED:
            _print(claimed, f" ({outcome.detail})")
        return Outcome("held", PRINTED)
    return outcome


def _print(claimed: Claimed, why: str = "") -> None:
    sys.stderr.write(f"[{claimed.message.model}] {claimed.message.payload['text']}{why}\n")
    sys.stderr.flush()


def _settle(
    store: Store,
    claimed: Claimed,
    outcome: Outcome,
    sender: Sender,
    at: datetime,
    chance: random.Random,
) -> tuple[str, str]:
    problem = f"{claimed.message.kind} {claimed.message.id}: {outcome.detail}"
    if outcome.kind == "held":
        # Due at once, for the token may come at any time; it costs no attempt.
        kept = store.settle(claimed, "pending", at, outcome.detail, at, attempted=False)
    elif outcome.kind in ("retry", "unknown"):
        state: OutboxState = "pending" if outcome.kind == "retry" else "unknown"
        wait = _pause(claimed.row.attempts, outcome, sender, chance)
        kept = store.settle(claimed, state, at, outcome.detail, at + wait)
    else:
        end: OutboxState = "dead" if outcome.kind == "dead" else "sent"
        kept = store.settle(claimed, end, at, outcome.detail, receipt=outcome.receipt)
    return (outcome.kind, problem) if kept else ("lost", f"{problem} (claimed by another since)")


def _pause(attempts: int, outcome: Outcome, sender: Sender, chance: random.Random) -> timedelta:
    wait: timedelta = min(FIRST_WAIT * 2 ** min(attempts, 20), sender.longest_wait)
    wait *= chance.uniform(0.75, 1.25)
    return max(wait, outcome.retry_after or timedelta())


def _summary(ends: list[tuple[str, str]]) -> DeliverySummary:
    def count(kind: str) -> int:
        return sum(end == kind for end, _ in ends)

    fine = ("sent", "held", "left_out")
    return DeliverySummary(
        sent=count("sent"),
        held=count("held"),
        retried=count("retry"),
        unknown=count("unknown"),
        dead=count("dead"),
        left_out=count("left_out"),
        problems=tuple(text for end, text in ends if end not in fine),
    )
