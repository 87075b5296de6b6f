"""A backfill is killed at random moments and begun again: does it end as if nothing had happened?

    python -m benchmarks.crashes --kills 100
    python -m benchmarks.crashes --kills 100 --workers 2 --postgres
    python -m benchmarks.crashes --kills 5 --command

A backfill of twenty windows, with two faults, an outage and late labels, is run once undisturbed.
Then processes that do the same are killed (SIGKILL), each after a time drawn evenly from nothing to
a share (`--within`) of what the undisturbed one took, and begun again on the same store, until one
comes to its end; then the next backfill begins on a new store, until there were as many kills as
asked. Each worker is killed by itself. At the end of a backfill the outbox is delivered by a clock
two hours ahead, when every claim of the dead is void, and all that is left is compared with the
undisturbed run.

The processes are forked from one that has imported everything, for 100 starts of Python would take
the time; they run the stages that the flow runs, without Prefect. With `--command` it is the real
command with its Prefect server. The stand-in for Slack and the hook of retraining take their time,
before and after they have noted what they were told, so that many kills fall into a delivery.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from benchmarks.crash_model import AS_OF, MODEL, WINDOWS, day, work, write_model
from benchmarks.crash_picture import Picture, differences, picture
from monitoring_sdk import stages
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import MonitorConfig

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests"))

from postgres_server import postgres_server  # noqa: E402
from slack_server import TOKEN, SlackServer  # noqa: E402

LATER = timedelta(hours=2)
_PRELOADED = ("alembic", "altair", "great_expectations", "monitoring_sdk", "sklearn", "slack_sdk")


class SlowSlack(SlackServer):
    """A stand-in that thinks before and after it takes a message."""

    def __init__(self, pause: float, seed: int) -> None:
        super().__init__()
        self._pause, self._chance = pause, random.Random(seed)

    def answer(self, method: str, body: dict, token: str | None) -> tuple[int, dict]:
        """Answer as Slack does, after a while."""
        time.sleep(self._chance.uniform(0, self._pause))
        answered = super().answer(method, body, token)
        time.sleep(self._chance.uniform(0, self._pause))
        return answered


class Worker(Protocol):
    """A process that can be killed: `multiprocessing`'s or `subprocess`'s."""

    pid: int | None

    def kill(self) -> None:
        """Send SIGKILL."""


@dataclass(frozen=True)
class Scene:
    """Where the backfills happen; `start` begins one on a store."""

    folder: Path
    windows: int
    page: bool
    start: Callable[[Path, Mapping[str, str], int, bool], Any]

    @property
    def file(self) -> Path:
        """The monitor file."""
        return self.folder / f"{MODEL}.yaml"

    @property
    def hook(self) -> Path:
        """Where the hook of retraining writes down each call."""
        return self.folder / "hook.txt"


@dataclass
class Told:
    """What came of the backfills so far."""

    kills: int = 0
    backfills: int = 0
    in_delivery: int = 0
    hook_calls: int = 0
    problems: dict[str, list[str]] = field(default_factory=dict)


def forked(file: Path, environment: Mapping[str, str], windows: int, page: bool) -> Any:
    """Begin a backfill in a process forked from one that has imported everything."""
    process = mp.get_context("forkserver").Process(
        target=work, args=(file, dict(environment), windows, page)
    )
    process.start()
    return process


def commanded(file: Path, environment: Mapping[str, str], windows: int, page: bool) -> Any:
    """Begin a backfill by the real command, which starts a Prefect server of its own."""
    span = ["--start", day(0).isoformat(), "--end", day(windows).isoformat()]
    command = [sys.executable, "-m", "monitoring_sdk.cli", "backfill", str(file), "--notify"]
    with open(file.parent / "command.log", "ab") as log:
        return subprocess.Popen(
            [*command, *span, "--as-of", AS_OF.isoformat()],
            env={**os.environ, **environment, "PREFECT_HOME": str(file.parent / "prefect")},
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )


def ended(process: Any, seconds: float | None) -> int | None:
    """Wait for a process, so long; return its exit status, or None if it still runs."""
    if isinstance(process, subprocess.Popen):
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
    process.join(seconds)
    return process.exitcode


def until_it_ends(
    begin: Callable[[], Any], longest: float, kills_left: Callable[[], bool], chance: random.Random
) -> int:
    """Kill a backfill at random moments, and begin it again, until it ends; count the kills."""
    kills = 0
    while True:
        process = begin()
        if not kills_left():
            status = ended(process, None)
        elif (status := ended(process, chance.uniform(0, longest))) is None:
            process.kill()
            status = ended(process, None)
            if status == -signal.SIGKILL:
                kills += 1
                continue
        if status != 0:
            raise RuntimeError(f"a worker ended by itself with status {status}")
        return kills


def _warm_up(config: MonitorConfig) -> None:
    """Import all that a backfill needs, so that it is known what is to be imported beforehand."""
    store = open_store("sqlite://")
    span = tuple(config.cadence.windows(day(0), day(3)))
    for _ in stages.walk(config, span, store):
        pass
    stages.deliver_all(store)
    store.close()


@contextmanager
def scene(windows: int, *, page: bool, hook: float, command: bool) -> Iterator[Scene]:
    """Lay out the model with its baseline, and what this process sees of it."""
    with tempfile.TemporaryDirectory(prefix="crashes") as name:
        folder = Path(name)
        file = write_model(folder, windows=windows, hook=hook)
        os.environ["MONITORING_BASELINES"] = str(folder / "baselines")
        config, _ = stages.find_config(file)
        stages.build_baseline(config, now=AS_OF)
        _warm_up(config)
        known = [m for m in sys.modules if m.split(".")[0] in _PRELOADED]
        mp.get_context("forkserver").set_forkserver_preload([*known, "benchmarks.crash_model"])
        if not command:
            # The first process starts the one that all are forked from, which takes a while.
            first = mp.get_context("forkserver").Process(target=int)
            first.start()
            first.join()
        yield Scene(folder, windows, page, commanded if command else forked)


def backfill(
    where: Scene,
    url: str,
    *,
    workers: int = 1,
    longest: float = 0.0,
    kills: int = 0,
    pause: float = 0.15,
    seed: int = 0,
) -> tuple[Picture, int, int, int]:
    """Backfill by one or several workers on one store, killing them now and then.

    Returns
    -------
    tuple
        What it left; how often a worker was killed; how many messages were in doubt by it and
        looked for at Slack; how often the hook was called.
    """
    where.hook.unlink(missing_ok=True)
    counts, errors = [0] * workers, []

    def one(number: int, environment: Mapping[str, str]) -> None:
        try:
            begin = lambda: where.start(where.file, environment, where.windows, where.page)  # noqa: E731
            chance = random.Random(seed * 10 + number)
            # A worker's share of the kills that are left to do.
            share = (kills + number) // workers
            counts[number] = 0
            counts[number] = _counted(begin, longest, share, chance)
        except Exception as error:
            errors.append(error)

    with SlowSlack(pause, seed) as slack:
        environment = {
            "MONITORING_STORE": url,
            "MONITORING_BASELINES": str(where.folder / "baselines"),
            "MONITORING_REPORTS": str(where.folder / "reports"),
            "SLACK_BOT_TOKEN": TOKEN,
            "SLACK_BASE_URL": slack.base_url,
        }
        threads = [threading.Thread(target=one, args=(i, environment)) for i in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        os.environ.update(environment)
        store = open_store(url)
        try:
            stages.deliver_all(store, now=stages.clock() + LATER)
            left = picture(store, MODEL, slack.messages, where.hook)
        finally:
            store.close()
        looked = sum(call.startswith("conversations.") for call in slack.calls)
    calls = len(where.hook.read_text().split()) if where.hook.exists() else 0
    return left, sum(counts), looked, calls


def _counted(begin: Callable[[], Any], longest: float, most: int, chance: random.Random) -> int:
    done = [0]

    def left() -> bool:
        done[0] += 1
        return done[0] <= most

    return until_it_ends(begin, longest, left, chance)


def run(options: argparse.Namespace) -> Told:
    """Run the undisturbed backfill and all the others; print as it goes."""
    told = Told()
    with ExitStack() as parts:
        server = parts.enter_context(postgres_server()) if options.postgres else None
        where = parts.enter_context(
            scene(options.windows, page=options.page, hook=0.3, command=options.command)
        )
        stores = iter(range(10_000))

        def fresh() -> str:
            if server is not None:
                return server.fresh()
            return f"sqlite:///{where.folder}/store{next(stores)}.db"

        began = time.monotonic()
        whole, _, _, calls = backfill(where, fresh())
        longest = time.monotonic() - began
        print(f"undisturbed: {longest:.1f} s, {_sizes(whole)}, hook calls {calls}", flush=True)
        stop = began + 60 * options.minutes
        while told.kills < options.kills and time.monotonic() < stop:
            left, kills, looked, calls = backfill(
                where,
                fresh(),
                workers=options.workers,
                longest=longest * options.within * options.workers,
                kills=options.kills - told.kills,
                seed=options.seed + told.backfills,
            )
            found = differences(whole, left)
            told.kills += kills
            told.backfills += 1
            told.in_delivery += looked
            told.hook_calls += calls
            for table, problems in found.items():
                told.problems.setdefault(table, []).extend(problems)
            equal = "equal" if not any(found.values()) else f"NOT EQUAL: {found}"
            print(f"backfill {told.backfills}: killed {kills} times, {equal}", flush=True)
    print(_table(whole, told))
    return told


def _sizes(whole: Picture) -> str:
    return ", ".join(f"{table} {len(rows)}" for table, rows in whole.items() if rows)


def _table(whole: Picture, told: Told) -> str:
    lines = [
        f"\n{told.kills} kills in {told.backfills} backfills; Slack was searched for a message in "
        f"doubt {told.in_delivery} times; hooks were called {told.hook_calls} times for "
        f"{told.backfills * len(whole['triggers'])} triggers",
        f"\n{'table':<14} {'rows':>5}  {'equal to the undisturbed run':<30} differences",
    ]
    for table, problems in told.problems.items():
        equal = "yes" if not problems else "NO"
        kinds = dict(Counter(p.split(":")[0] for p in problems))
        lines.append(f"{table:<14} {len(whole[table]):>5}  {equal:<30} {kinds or 0}")
    return "\n".join(lines)


def main() -> int:
    """Read the command line; 0 where every backfill ended as the undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own")
    parser.add_argument("--command", action="store_true", help="kill the real command")
    parser.add_argument("--within", type=float, default=0.4, help="see above")
    parser.add_argument("--page", action="store_true", help="write the HTML page at the end too")
    parser.add_argument("--windows", type=int, default=WINDOWS)
    parser.add_argument("--minutes", type=float, default=120.0, help="begin no backfill after it")
    parser.add_argument("--seed", type=int, default=0)
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    told = run(parser.parse_args())
    return 1 if any(told.problems.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
