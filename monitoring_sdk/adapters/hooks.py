"""Hooks of retraining: a command, a Prefect deployment. Each is told the trigger's id.

A hook is called at least once for a trigger. The id is the same every time, so that a receiver can
drop a repeat; Prefect does that itself, for it is the run's idempotency key.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any

from monitoring_sdk.adapters import prefect_calls
from monitoring_sdk.adapters.outbox import Claimed
from monitoring_sdk.adapters.outcome import Outcome, redact
from monitoring_sdk.decision import Message
from monitoring_sdk.yaml_file import replaced

TAIL = 2000


def _environment(message: Message) -> dict[str, str]:
    return {
        **os.environ,
        "MONITORING_TRIGGER_ID": message.payload["trigger_id"],
        "MONITORING_MODEL": message.model,
        "MONITORING_INCIDENT_ID": message.incident,
        "MONITORING_WINDOW_END": message.payload["window_end"],
    }


def _tail(output: IO[bytes]) -> str:
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - 4 * TAIL))
    return redact(output.read().decode(errors="replace").strip()[-TAIL:])


@dataclass(frozen=True)
class CommandSender:
    """Runs a command, as a list of arguments and without a shell, and waits for it.

    The command learns what it is for from its environment: `MONITORING_TRIGGER_ID`,
    `MONITORING_MODEL`, `MONITORING_INCIDENT_ID` and `MONITORING_WINDOW_END`. Its arguments are
    passed on as they stand, but for `${NAME}`, which takes a variable of this process.
    """

    timeout: timedelta = timedelta(hours=1)

    @property
    def patience(self) -> timedelta:
        """As long as the command may take, and a little."""
        return self.timeout + timedelta(minutes=1)

    @property
    def longest_wait(self) -> timedelta:
        """A training that fails is not started over every few minutes."""
        return timedelta(days=1)

    def send(self, claimed: Claimed) -> Outcome:
        """Run the command; a status other than 0 is tried again later."""
        arguments = [replaced(str(a)) for a in claimed.message.payload["command"]]
        with tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(
                    arguments,
                    env=_environment(claimed.message),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except (OSError, ValueError, IndexError) as error:
                return Outcome("dead", f"the command cannot be run ({type(error).__name__})")
            try:
                status = process.wait(self.timeout.total_seconds())
            except subprocess.TimeoutExpired:
                _end(process)
                return Outcome("retry", f"no end after {self.timeout}: {_tail(output)}")
            except BaseException:
                _end(process)
                raise
            if status != 0:
                return Outcome("retry", f"exit status {status}: {_tail(output)}")
        return Outcome("sent", "exit status 0")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command with all that it started."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(frozen=True)
class DeploymentSender:
    """Starts a run of a Prefect deployment, without waiting for it, and emits an event."""

    patience: timedelta = timedelta(minutes=5)
    longest_wait: timedelta = timedelta(hours=1)

    def send(self, claimed: Claimed) -> Outcome:
        """Start the run; the trigger's id is its idempotency key, so a repeat starts no other."""
        message = claimed.message
        trigger_id = str(message.payload["trigger_id"])
        offered = {
            "model": message.model,
            "trigger_id": trigger_id,
            "window_end": message.payload["window_end"],
        }
        started = _started(message, trigger_id, offered)
        if isinstance(started, Outcome):
            return started
        about = {
            "trigger_id": trigger_id,
            "incident_id": message.incident,
            "window_end": message.payload["window_end"],
            "deployment": str(message.payload["deployment"]),
            "flow_run_id": started,
        }
        emitted = prefect_calls.emit_triggered(message.model, trigger_id, about)
        detail = None if emitted else "the event could not be emitted"
        return Outcome("sent", detail, {"flow_run": started})


@dataclass(frozen=True)
class ApprovalSender:
    """Starts the flow that asks, suspended until somebody answers in Prefect's UI."""

    patience: timedelta = timedelta(minutes=5)
    longest_wait: timedelta = timedelta(hours=1)

    def send(self, claimed: Claimed) -> Outcome:
        """Start it once; without the deployment the question can be answered by command."""
        message = claimed.message
        trigger_id = str(message.payload["trigger_id"])
        offered = {"trigger_id": trigger_id, "within": message.payload["within"]}
        started = _started(message, f"approval:{trigger_id}", offered)
        if isinstance(started, Outcome):
            return Outcome("retry", started.detail)
        return Outcome("sent", None, {"flow_run": started})


def _started(message: Message, key: str, offered: Mapping[str, Any]) -> str | Outcome:
    name = str(message.payload["deployment"])
    try:
        return prefect_calls.start_run(name, key, offered)
    except Exception as error:
        kind = type(error).__name__
        if kind == "ObjectNotFound":
            return Outcome("dead", f"there is no deployment {name}")
        # Whatever else Prefect raises: calling again with the same key is harmless.
        return Outcome("retry", redact(f"{kind}: {error}"[:TAIL]))
