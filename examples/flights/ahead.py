"""The serving process: it serves the next days while the monitor looks at the one before."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from examples.flights import data, exploring, serving, training
from monitoring_sdk.adapters.process_end import end_with_parent


@dataclass
class Served:
    """Days that are served one by one, each by the model that is current when it begins.

    A day that a model was promoted after, or while, it was served is served again from its start.
    """

    pool: ProcessPoolExecutor
    models: Path
    _begun: dict[date, Future[str]] = field(default_factory=dict, init=False)

    def begin(self, day: date) -> None:
        """Begin to serve a New York day, and come back at once."""
        self._begun[day] = self.pool.submit(_serve, day)

    def finish(self, day: date) -> None:
        """Wait until a day that was begun is served by the current model.

        Raises
        ------
        Exception
            What serving raised.
        """
        if self._begun[day].result() != training.current_version(self.models):
            self.begin(day)
            self._begun[day].result()


@contextmanager
def serving_ahead(root: Path, first: date, end: date) -> Iterator[Served]:
    """Serve flights in a process of their own, with the model under `root`.

    Parameters
    ----------
    root
        Where predictions and labels are left, as `serving.serve` says, and models are found.
    first, end
        The flights that are ever served: those from the one day up to, but without, the other.
    """
    # A forked process would have the threads' locks without the threads that release them.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, _start, (root, first, end)) as pool:
        yield Served(pool, root / "model")


_STATE: dict[str, tuple[pd.DataFrame, Path]] = {}


def _start(root: Path, first: date, end: date) -> None:
    end_with_parent()
    # Read here, which takes less time than to be handed so many rows.
    served, _ = exploring.split(data.load_flights(), end)
    _STATE["served"] = exploring.split(served, first)[1], root


def _serve(day: date) -> str:
    """Serve a day, and return the version of the model that did."""
    flights, root = _STATE["served"]
    model = training.current(root / "model")
    list(serving.serve(model, flights, root, day, day + timedelta(days=1)))
    return model.version
