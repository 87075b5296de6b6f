"""Performance: join the labels known by now, and judge every window whose labels are due."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.label_due import DueState, filled_labels_due, labels_due
from monitoring_sdk.label_stream import LabelCounts
from monitoring_sdk.metrics.rows import LabelledRows
from monitoring_sdk.profile.segments import Segmentation
from monitoring_sdk.stages.joining import Joined, Slice, join_rows
from monitoring_sdk.window import Window

GROUP_ROWS = 3_000_000
"""Windows are joined to labels together while they have no more rows than this."""


@dataclass(frozen=True)
class JudgedSlice:
    """The labelled rows of a segment, or of a version, and the share of its rows they are."""

    rows: LabelledRows
    coverage: float | None
    segment: Mapping[str, str] | None = None
    version: str | None = None


@dataclass(frozen=True)
class Judged:
    """One window's labelled rows as of a moment, and whether it may be judged on them.

    Attributes
    ----------
    rows : LabelledRows
        Those that can get a label; with several versions, the champion's.
    coverage : float or None
        The share of such rows whose label was seen; None without any.
    slices : tuple of JudgedSlice
        The same of each segment and of each shadow version.
    note : str or None
        Of which rows the metrics speak, and where their labels come from, if not from all rows
        and from labels alone.
    counts : LabelCounts
        What was found while labels were joined, of all the windows that were read together.
    """

    window: Window
    rows: LabelledRows
    due: DueState
    coverage: float | None
    fingerprint: str
    slices: tuple[JudgedSlice, ...]
    note: str | None
    counts: LabelCounts


def no_segmentations(_window: Window) -> Sequence[Segmentation]:
    """Return the segmentations of a window that is not cut into segments."""
    return ()


def join_labels(
    config: MonitorConfig,
    windows: Sequence[Window],
    as_of: datetime,
    segmentations: Callable[[Window], Sequence[Segmentation]] = no_segmentations,
) -> Iterator[Judged]:
    """Join labels as of a moment to the predictions of some windows, one scan for all of them.

    Parameters
    ----------
    segmentations : callable
        Says how the baseline of a window cuts rows into segments.

    Raises
    ------
    SourceError
        When either source cannot be read, or lacks a column.
    """
    if not windows or config.source.labels is None:
        return
    joined = join_rows(config, windows, as_of)
    for window in windows:
        yield _judge(joined, window, segmentations(window))


def _judge(joined: Joined, window: Window, segmentations: Sequence[Segmentation]) -> Judged:
    every = joined.rows_in(window)
    main = joined.main(every)
    rows = joined.labelled(main.rows, joined.label)
    seen, coverage = _seen(joined, main)
    slices = tuple(
        JudgedSlice(
            joined.labelled(part.rows, joined.label),
            _seen(joined, part)[1],
            part.segment,
            part.version,
        )
        for part in joined.slices(every, segmentations)
    )
    marks = [f"{len(main.rows)}-{seen}-{rows.digest()}"]
    marks += [part.rows.digest() for part in slices if part.version is not None]
    return Judged(
        window,
        rows,
        _due(joined, window, coverage),
        coverage,
        "-".join(marks),
        slices,
        "; ".join(_notes(joined, every, main, seen, rows.n)) or None,
        joined.found.counts,
    )


def _seen(joined: Joined, part: Slice) -> tuple[int, float | None]:
    """Count the rows of a slice whose label was seen, and their share."""
    known = _valid(joined)[part.rows]
    count = int(np.count_nonzero(known))
    return count, count / len(known) if len(known) else None


def _valid(joined: Joined) -> NDArray[np.bool_]:
    return np.asarray(joined.found.label.is_valid().to_numpy(zero_copy_only=False), bool)


def _due(joined: Joined, window: Window, coverage: float | None) -> DueState:
    """Say whether a window is judged: on the labels seen, or when the missing ones are known."""
    config, as_of = joined.config, joined.as_of
    labels = config.labels
    if joined.fault is not None and as_of >= window.end + labels.delay:
        return DueState("ready", joined.fault)
    if labels.missing_is is None or coverage is None:
        return labels_due(window, as_of, labels.delay, labels.coverage, labels.deadline, coverage)
    return filled_labels_due(
        window,
        as_of,
        labels.delay,
        config.cadence.approximate,
        joined.found.newest,
        # An empty table is stale, whatever columns it has.
        dated=config.columns.label_timestamp is not None or not joined.found.counts.label_rows,
    )


def _notes(
    joined: Joined, every: NDArray[np.int64], main: Slice, seen: int, labelled: int
) -> Iterator[str]:
    config = joined.config
    if joined.eligible is not None and len(every):
        able, total = int(np.count_nonzero(joined.eligible[every])), len(every)
        yield f"on eligible rows: {able} of {total} ({able / total:.0%})".replace("%", " %")
    if config.labels.missing_is is not None:
        yield f"{seen} labelled + {labelled - seen} by missing_is"
        if config.columns.label_timestamp is None:
            yield "labels have no timestamp: whether their table is stale cannot be told"
