"""Run a flow in this process, on the Prefect server that is configured or on a passing one."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from monitoring_sdk.adapters.process_end import end_at_once
from monitoring_sdk.errors import MonitoringError

if TYPE_CHECKING:
    from prefect import Flow

STARTUP_SECONDS = 90
PROGRESS = "progress"

# Telemetry has to be off before Prefect is imported; what the user has set stands.
_ALWAYS: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}

# A passing server keeps its runs in memory: results are in the store, and two commands at once
# never wait for each other's file. Its background services would have nothing to do.
_PASSING: Mapping[str, str] = {
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": (
        "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true&check_same_thread=false"
    ),
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    **{
        f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false"
        for service in (
            "CANCELLATION_CLEANUP",
            "EVENT_PERSISTER",
            "FOREMAN",
            "LATE_RUNS",
            "PAUSE_EXPIRATIONS",
            "REPOSSESSOR",
            "SCHEDULER",
            "TASK_RUN_RECORDER",
            "TRIGGERS",
        )
    },
}


class _OnlyProgress(logging.Filter):
    """Let through what a flow says of its progress; the engine's own lines are left out."""

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(getattr(record, PROGRESS, False)) or not record.name.startswith("prefect")


def call_flow(flow: Flow[..., Any] | str, **parameters: Any) -> Any:
    """Call a flow here and now, and return what it returns.

    `PREFECT_API_URL`, or the active Prefect profile, says which server sees the run. Where there is
    none, a server is started for as long as this process lives, with its runs in memory. Lines of
    progress go to stderr.

    Parameters
    ----------
    flow : Flow or str
        The flow, or the name of one of ours, such as `monitor`, which is then imported while the
        passing server starts.
    **parameters
        The flow's parameters.

    Raises
    ------
    MonitoringError
        What the flow raised: it could not look. Also when no Prefect server answers.
    """
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)
    _quiet_console()
    end_at_once()
    with _local_settings():
        starting = _start_passing_server()
        called = _named(flow) if isinstance(flow, str) else flow
        if starting is not None:
            starting.join()
        try:
            return called(**parameters)
        except RuntimeError as error:
            if (why := _no_server()) is not None:
                raise MonitoringError(why) from error
            raise


def _no_server() -> str | None:
    """Say why no server is there, if there is none; asked only after a call has failed."""
    from prefect.client.orchestration import get_client
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        started = SubprocessASGIServer().running
        return None if started else "the Prefect server of this process did not start"
    with get_client(sync_client=True) as client:
        if client.api_healthcheck() is None:
            return None
    return (
        f"no Prefect server answers at {url}: start it, or unset PREFECT_API_URL (or leave the "
        "Prefect profile that names it) to run without one"
    )


@contextmanager
def _local_settings() -> Iterator[None]:
    """Hold the settings under which `call_flow` calls."""
    from prefect.settings import (
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
        temporary_settings,
    )

    # The heartbeat's thread sleeps a second at the end of each call, and no variable turns it off.
    # It finds dead processes for a server that outlives them, so here nothing is lost.
    settings = {
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: STARTUP_SECONDS,
    }
    with temporary_settings(settings):
        yield


def start_server() -> None:
    """Start the server that `call_flow` would start, if any, and let child processes use it too.

    A hook that runs a flow of its own then starts none: that takes ten seconds.

    Raises
    ------
    RuntimeError
        When it does not answer in time.
    """
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)
    from prefect.server.api.server import SubprocessASGIServer

    starting = _start_passing_server()
    if starting is not None:
        starting.join()
    server = SubprocessASGIServer()
    if server.running:
        os.environ["PREFECT_API_URL"] = server.api_url


def _named(name: str) -> Flow[..., Any]:
    found: Flow[..., Any] = getattr(importlib.import_module(f"flows.{name}"), name)
    return found


def _start_passing_server() -> threading.Thread | None:
    """Start the passing server beside the imports that take as long; None where one is there."""
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        return None
    # Two seconds of imports, which a run on a server that is there does not wait for.
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()
    if server.running:
        return None
    own = {name: value for name, value in _PASSING.items() if name not in os.environ}
    os.environ.update(own)
    begin = server._run_uvicorn_command

    def begin_watched() -> subprocess.Popen[Any]:
        process = begin()
        end_with_this_process(process.pid)
        return process

    # Prefect ends its server at exit: a process that is killed has none.
    setattr(server, "_run_uvicorn_command", begin_watched)  # noqa: B010

    def start() -> None:
        # A failure shows again, and is raised, where the flow's call starts the server itself.
        try:
            server.start(STARTUP_SECONDS)
        except Exception as error:
            logging.getLogger(__name__).debug("the passing server did not start: %s", error)
        finally:
            # They are the passing server's; a lasting one that this process starts has its own.
            for name in own:
                os.environ.pop(name, None)

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    return thread


# Waits for the end of its input, which comes when the last process that could write is gone, and
# then ends the process that it was named, if that is still there.
_WATCH = """
import os, signal, sys
pid = int(sys.argv[1])
handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
while os.read(0, 1):
    pass
try:
    if handle is not None:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
    else:
        os.kill(pid, signal.SIGTERM)
except ProcessLookupError:
    pass
"""


def end_with_this_process(pid: int) -> None:
    """See that a process ends when this one does, even if this one is killed.

    Parameters
    ----------
    pid : int
        Of a child. On Windows nothing is done.
    """
    if sys.platform == "win32":
        return
    watch = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCH, str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # Kept open, and known to no child, for as long as this process lives.
    _WATCHES.append(watch)


_WATCHES: list[subprocess.Popen[bytes]] = []


def _quiet_console() -> None:
    """Keep Prefect's own lines off the console, for good; they still reach the server's log."""
    import prefect.main  # noqa: F401 (it sets up the logging that is filtered here)
    from prefect.logging.handlers import PrefectConsoleHandler

    for handler in logging.getLogger().handlers:
        already = any(isinstance(f, _OnlyProgress) for f in handler.filters)
        if isinstance(handler, PrefectConsoleHandler) and not already:
            handler.addFilter(_OnlyProgress())
