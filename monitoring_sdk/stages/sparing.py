"""The reference rows: those of a baseline's span outside of what the calendar excludes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa

from monitoring_sdk.adapters.sources.source import Source
from monitoring_sdk.calendar import events_at, excluded
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_sections import TimestampColumn
from monitoring_sdk.stages.handle import open_predictions
from monitoring_sdk.window import Window


@dataclass(frozen=True, slots=True)
class Parts:
    """How a span is cut: its reference windows, and these with what lies around them.

    `left_out` are windows that the calendar excludes, and `notes` say so.
    """

    windows: tuple[Window, ...]
    pieces: tuple[Window, ...]
    left_out: tuple[Window, ...]
    notes: tuple[str, ...]


def parts_of_span(config: MonitorConfig, span: Window) -> Parts:
    """Cut a span at the bounds of its reference windows, and leave out those in an event.

    What lies around the first and the last window is left out as well where an event reaches it.
    """
    windows = tuple(config.reference_cadence.windows(span.start, span.end))
    bounds = sorted({span.start, span.end, *(w.start for w in windows), *(w.end for w in windows)})
    pieces = [Window(a, b) for a, b in pairwise(bounds)]
    gone = tuple(w for w in windows if excluded(config, w))
    return Parts(
        tuple(w for w in windows if w not in gone),
        tuple(p for p in pieces if not excluded(config, p)),
        gone,
        _notes(config, gone),
    )


def _notes(config: MonitorConfig, gone: Sequence[Window]) -> tuple[str, ...]:
    if not gone:
        return ()
    names = dict.fromkeys(
        e.name for w in gone for e in events_at(config, w) if e.reference == "exclude"
    )
    count = "1 reference window is" if len(gone) == 1 else f"{len(gone)} reference windows are"
    return (f"{count} left out, in the calendar: {', '.join(names)}",)


def open_reference(config: MonitorConfig) -> Source:
    """Open the prediction rows as a baseline is made of them."""
    source = open_predictions(config)
    if all(event.reference == "include" for event in config.calendar):
        return source
    return SparedSource(source, config)


@dataclass(frozen=True, slots=True)
class SparedSource:
    """A source that gives of a baseline's span the rows outside of excluded windows."""

    source: Source
    config: MonitorConfig

    @property
    def name(self) -> str:
        """Where the rows are."""
        return self.source.name

    def schema(
        self, window: Window | None = None, timestamp: TimestampColumn | None = None
    ) -> pa.Schema:
        """Return the columns and types of the source."""
        return self.source.schema(window, timestamp)

    def scan(
        self, columns: Sequence[str], *, window: Window | None = None, **how: Any
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a span that count; see `Source.scan`."""
        for part in self._parts(window):
            yield from self.source.scan(columns, window=part, **how)

    def count(self, window: Window | None, timestamp: TimestampColumn | None) -> int:
        """Return the number of rows of a span that count."""
        return sum(self.source.count(part, timestamp) for part in self._parts(window))

    def fingerprint(self, window: Window | None, timestamp: TimestampColumn | None) -> str:
        """Return the source's own: a change of the rows that do not count is a change too."""
        return self.source.fingerprint(window, timestamp)

    def undated(self, window: Window | None, timestamp: TimestampColumn) -> int | None:
        """Return how many rows of the source have no moment; see `Source.undated`."""
        return self.source.undated(window, timestamp)

    def bounds(self, timestamp: TimestampColumn) -> tuple[datetime, datetime] | None:
        """Return the earliest and the latest moment of the source."""
        return self.source.bounds(timestamp)

    def _parts(self, window: Window | None) -> list[Window | None]:
        if window is None:
            return [None]
        runs: list[Window | None] = []
        for piece in parts_of_span(self.config, window).pieces:
            last = runs[-1] if runs else None
            if last is not None and last.end == piece.start:
                runs[-1] = Window(last.start, piece.end)
            else:
                runs.append(piece)
        return runs
