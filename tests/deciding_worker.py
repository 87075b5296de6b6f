"""One worker that decides a window and tells Slack; run by the tests as a process of its own.

Most of those processes are forked from one that has imported all this, which takes longer than
what they do.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from monitoring_sdk.adapters.notify import deliver
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config_retraining import Retraining
from monitoring_sdk.decision import Decision, Message, ResultRow, message_id
from monitoring_sdk.incidents import advance
from monitoring_sdk.report import Check
from monitoring_sdk.retraining import policy
from monitoring_sdk.window import Window

START = datetime(2013, 6, 1, tzinfo=UTC)
NOW = datetime(2013, 7, 1, 12, tzinfo=UTC)
MODEL = "flights"
CHANNEL = "C0123456"
DECIDED = 42
"""Exit status of a worker that decided; 0 is that of one that came too late."""


def day(i: int) -> Window:
    """Return the i-th window."""
    return Window(START + timedelta(days=i), START + timedelta(days=i + 1))


def check(i: int, status: str = "alert", name: str = "accuracy", value: float = 0.7) -> Check:
    """Return a check of the i-th window."""
    return Check("performance", name, day(i), status, value=value, threshold=0.8, n=100)


def row(i: int, checks: tuple[Check, ...], fingerprint: str = "f", **changed: object) -> ResultRow:
    """Return a verdict on the i-th window."""
    values = {
        "model": MODEL, "window": day(i), "part": "performance", "baseline": "v1",
        "settings": "s", "fingerprint": fingerprint, "as_of": day(i).end, "status": "alert",
        "rows": 100, "checks": checks,
    }  # fmt: skip
    return ResultRow(**{**values, **changed})


def decide(
    store: Store, i: int, checks: tuple[Check, ...], *, holder: str = "a", now: datetime = NOW,
    channel: str | None = CHANNEL, hook: dict | None = None,
) -> bool:  # fmt: skip
    """Decide the i-th window as the pipeline does; False when it was decided already."""
    with store.deciding(MODEL, holder=holder, now=now) as tx:
        until = tx.decided_until()
        if until is not None and until >= day(i).end:
            return False
        before = tx.open_incident()
        step = advance(before, checks, model=MODEL, window=day(i))
        trigger = policy(
            step.incident, checks, window=day(i), settings=Retraining(), known=tx.triggers(),
        )  # fmt: skip
        messages = [
            Message(
                message_id(MODEL, step.incident.id, t), "slack", MODEL, step.incident.id, t,
                {"channel": channel, "text": f"{MODEL}: {t}", "blocks": [{"type": "divider"}]},
            )
            for t in step.transitions
        ]  # fmt: skip
        if trigger is not None and hook is not None:
            ends = {"trigger_id": trigger.id, "window_end": day(i).end.isoformat()}
            identity = message_id(MODEL, trigger.incident, "trigger")
            kind = next(iter(hook))
            messages.append(
                Message(identity, kind, MODEL, trigger.incident, "trigger", {**hook, **ends})
            )
        tx.save(
            Decision(
                MODEL, day(i), day(i).end, (row(i, checks),), step.incident, trigger,
                tuple(messages),
            )
        )  # fmt: skip
    return True


class DiesAfterSending:
    """A sender whose process is killed with the message sent and nothing written down."""

    def __init__(self, sender: SlackSender) -> None:
        self._sender = sender
        self.patience = sender.patience
        self.longest_wait = sender.longest_wait

    def send(self, claimed: object) -> None:
        """Send, and die."""
        self._sender.send(claimed)
        os.kill(os.getpid(), signal.SIGKILL)


def hold(store: Store) -> None:
    """Take the lease, say so, wait for a line, then decide window 0."""
    with store.deciding(MODEL, holder="held", now=NOW) as tx:
        print("holding", flush=True)  # noqa: T201
        sys.stdin.readline()
        tx.save(Decision(MODEL, day(0), day(0).end, (row(0, (check(0),), "held"),)))


def start(act: str, url: str, **environment: str) -> mp.process.BaseProcess:
    """Start a worker; its exit status says whether it decided."""
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["deciding_worker"])
    process = context.Process(target=_work, args=(act, url, environment))
    process.start()
    return process


def _work(act: str, url: str, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    sys.exit(DECIDED if main(act, url) else 0)


def main(act: str, url: str) -> bool:
    """Decide window 0, then as `act` says: `decide`, `die`, or `die_sending`."""
    store = open_store(url)
    decided = decide(store, 0, (check(0),), holder=str(os.getpid()), hook={"command": ["true"]})
    if act == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "die_sending":
        senders = {"slack": DiesAfterSending(SlackSender.from_environment())}
        deliver(store, senders, now=NOW, holder="doomed")
    return decided


# One that is stopped by signals and spoken to through pipes is a program of its own.
if __name__ == "__main__":
    hold(open_store(sys.argv[1]))
