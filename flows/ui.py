"""`make ui`: a Prefect server, every deployment and a worker on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from monitoring_sdk.errors import MonitoringError

HOST = "127.0.0.1"
DEFAULT_PORT = 4200
POOL = "process"
STARTUP_SECONDS = 90.0
STOP_SECONDS = 10.0
HOME = Path(".monitoring/prefect")
EXAMPLE = Path("data/flights")
ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Say whether a port of the loopback address can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def prefect_environment(home: Path, port: int) -> dict[str, str]:
    """Return the environment in which all parts meet on one server, and none reports home."""
    return {
        **os.environ,
        "PREFECT_HOME": str(home.absolute()),
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Of runs that the worker starts: `automations.yaml` takes those for dead that send none
        # for two minutes, and Prefect by itself waits three.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "DO_NOT_TRACK": "1",
    }


def prefect_command(*arguments: str) -> list[str]:
    """Return the command line of Prefect in this Python."""
    return [sys.executable, "-m", "prefect", "--no-prompt", *arguments]


def run_prefect(environment: Mapping[str, str], *arguments: str) -> str:
    """Run one Prefect command to its end, and return what it printed.

    Raises
    ------
    MonitoringError
        When it failed; with what it printed.
    """
    done = subprocess.run(
        prefect_command(*arguments),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()
        raise MonitoringError(f"prefect {' '.join(arguments)} failed:\n{said}")
    return done.stdout


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a process running, in a session of its own, its output in a file.

    A session of its own, so that Ctrl-C on the terminal does not reach server and worker at once:
    the worker is stopped first, while the server still takes down what becomes of its runs.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=dict(environment), stdout=out, stderr=out, start_new_session=True
        )
        try:
            yield process
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process as Ctrl-C would; kill it, with all that it started, when it takes too long."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # It leads a session of its own, so this reaches what it started and nothing else.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def server(environment: Mapping[str, str], port: int, log: Path) -> Iterator[None]:
    """Run a Prefect server that answers.

    Raises
    ------
    MonitoringError
        When it ends, or does not answer in time.
    """
    command = prefect_command("server", "start", "--host", HOST, "--port", str(port))
    with running(command, environment, log) as process:
        deadline = time.monotonic() + STARTUP_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace").splitlines()[-20:]
                raise MonitoringError("the Prefect server did not start:\n" + "\n".join(tail))
            time.sleep(0.2)
        yield


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/api/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def deploy(environment: Mapping[str, str]) -> str:
    """Create the work pool if need be, every deployment of `prefect.yaml`, and the automations."""
    run_prefect(environment, "work-pool", "create", POOL, "--type", "process", "--overwrite")
    return run_prefect(environment, "deploy", "--all")


@contextmanager
def worker(environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker that takes the runs of the work pool."""
    command = prefect_command("worker", "start", "--pool", POOL)
    with running(command, environment, log) as process:
        yield process


def choose_port() -> int:
    """Return the port that `PREFECT_SERVER_API_PORT` names, else 4200, or a free one.

    Raises
    ------
    MonitoringError
        When the port that was asked for is taken.
    """
    asked = os.environ.get("PREFECT_SERVER_API_PORT")
    if asked is None:
        return DEFAULT_PORT if is_free(DEFAULT_PORT) else free_port()
    if not is_free(int(asked)):
        raise MonitoringError(f"PREFECT_SERVER_API_PORT: port {asked} is taken")
    return int(asked)


def prepare_example(environment: Mapping[str, str]) -> None:
    """Write the data of the example, where they are not there yet."""
    if not (EXAMPLE / "predictions").exists():
        _say("preparing the example's data ...")
        command = [sys.executable, "-m", "examples.flights", "prepare", "--out", str(EXAMPLE)]
        subprocess.run(command, env=dict(environment), check=True)


def _say(text: str) -> None:
    print(text, flush=True)


def _stop_on_terminate(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Start all of it, say where it is, and wait for Ctrl-C."""
    signal.signal(signal.SIGTERM, _stop_on_terminate)
    try:
        port = choose_port()
        environment = prefect_environment(HOME, port)
        with ExitStack() as parts:
            _say("starting the Prefect server ...")
            parts.enter_context(server(environment, port, HOME / "server.log"))
            prepare_example(environment)
            _say("creating the deployments ...")
            deploy(environment)
            working = parts.enter_context(worker(environment, HOME / "worker.log"))
            _say(f"Prefect UI: http://{HOST}:{port}/deployments")
            _say(f"logs: {HOME}/server.log, {HOME}/worker.log; Ctrl-C stops server and worker")
            working.wait()
            raise MonitoringError(f"the worker ended; see {HOME}/worker.log")
    except MonitoringError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("stopped")
        return 0


if __name__ == "__main__":
    sys.exit(main())
