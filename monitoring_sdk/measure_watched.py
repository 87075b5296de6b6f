"""What alarms are set on: values of the columns, and which metrics and estimates beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from monitoring_sdk.alarms.adjusted import ADJUSTED
from monitoring_sdk.alarms.provisional import MIN_WINDOWS
from monitoring_sdk.alarms.values import ValueForm, window_values
from monitoring_sdk.alarms.watched import Scale, Side, Watched, on_scale, places_of, readable
from monitoring_sdk.drift.methods import METHODS
from monitoring_sdk.measure import Measurement
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.value import Value

OF_SEGMENTS = ("accuracy", "log_loss", "label_noise", "mae", "ndcg@10")
"""The metrics that are watched in each segment: what most others of a task move with."""

SEGMENT_FLOOR = 0.01
_MEASURED_ANYHOW = ("null_share", "unseen_share")
_INTERVAL = 2 * 1.959964
_SCALES: Mapping[str, Scale] = {"linear": "identity", "log": "log", "log_to_1": "gap"}


def measure_watched(profile: Profile, form: ValueForm) -> tuple[Measurement, ...]:
    """Measure what is watched of each column, beside shares of nulls and unseen levels.

    A column that the profile lacks has none, and none is compared with others that moved.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitoring_sdk.alarms.values import fit_form
    >>> from monitoring_sdk.profile.grid import Grid, fit_numeric
    >>> from monitoring_sdk.profile.profile import profile_batches
    >>> grid = Grid({"age": fit_numeric(range(20, 70))})
    >>> reference = profile_batches([pa.record_batch({"age": list(range(20, 70))})], grid)
    >>> form = fit_form(reference, grid, {}, {"age": "drift"}, 50)
    >>> [(m.key, abs(round(m.value.value, 9))) for m in measure_watched(reference, form)][:1]
    [('drift/location/age', 0.0)]
    """
    values = window_values(profile, form)
    shown = readable(values.x, places_of(form.watched))
    found = []
    for w, value, n in zip(form.watched, shown.tolist(), values.n.tolist(), strict=True):
        if w.kind in _MEASURED_ANYHOW or w.column not in profile.columns:
            continue
        if w.kind == ADJUSTED and not n:
            continue  # what it is compared with moved itself
        what = Value(value, n=int(n)) if n else Value.undefined("no rows with a value", n=0)
        found.append(Measurement(w.family, w.name, what, "both", w.column, floor=w.floor))
    return tuple(found)


def watched_beside(
    measured: Sequence[Sequence[Measurement]], *, weighted: bool = False
) -> tuple[tuple[Watched, ...], tuple[float, ...]]:
    """Choose what is watched beside the columns, from the measurements of reference windows.

    Every metric and estimate of all rows, up to three metrics of each segment, and the distances of
    all columns together: of each that five windows have a value of.

    Parameters
    ----------
    measured : sequence of sequences of Measurement
        For each reference window.
    weighted : bool
        Whether rows have weights: a weighted share is no count.

    Returns
    -------
    watched : tuple of Watched
    theory : tuple of float
        As `Watching.others_theory`.
    """
    series: dict[str, list[Measurement]] = {}
    for window in measured:
        for m in window:
            if _wanted(m) and m.value.defined:
                series.setdefault(m.key, []).append(m)
    rows = [
        _watch(found, weighted=weighted) for found in series.values() if len(found) >= MIN_WINDOWS
    ]
    return tuple(w for w, _ in rows), tuple(theory for _, theory in rows)


def _wanted(m: Measurement) -> bool:
    if m.version is not None or "~" in m.name:
        return False
    if m.family == "performance":
        return m.segment is None or m.name in OF_SEGMENTS
    of_columns = m.name in METHODS or m.segment is not None or m.direction == "both"
    return m.family == "estimate" or (m.family == "drift" and not of_columns)


def _watch(found: Sequence[Measurement], *, weighted: bool) -> tuple[Watched, float]:
    m = found[0]
    scale: Scale = _SCALES[m.scale]
    counted = m.name == "accuracy" and m.family == "performance" and not weighted
    if counted:
        scale = "share"
    elif m.family == "drift":
        scale = "cube"
    elif scale == "log" and any((f.value.value or 0) <= 0 for f in found):
        scale = "identity"
    middle = float(np.median([f.value.value for f in found if f.value.value is not None]))
    floor = max(m.floor, m.relative_floor * abs(middle))
    if m.segment is not None:
        floor = max(floor, SEGMENT_FLOOR if not m.relative_floor else 2 * floor)
    side: Side = m.direction
    rows = float(np.median([f.value.n or 0 for f in found]))
    watched = Watched(
        m.key,
        m.family,  # type: ignore[arg-type]
        m.column,
        m.name,
        side,
        floor,
        scale,
        segment=m.segment,
        noise=m.noise if scale == "cube" and not m.centred else None,
        rows=rows if scale == "cube" and not m.centred else None,
    )
    return watched, 1.0 if counted else _theory(found, scale)


def _theory(found: Sequence[Measurement], scale: Scale) -> float:
    """Return the mean of n times the squared standard error that the intervals speak of."""
    known = list(_squared_errors(found, scale))
    return float(np.median(known)) if len(known) >= MIN_WINDOWS else 0.0


def _squared_errors(found: Sequence[Measurement], scale: Scale) -> Iterator[float]:
    for m in found:
        if m.value.interval is None or not m.value.n:
            continue
        low, high = (float(on_scale(end, scale)) for end in m.value.interval)
        error = (high - low) / _INTERVAL
        if np.isfinite(error) and error > 0:
            yield m.value.n * error**2
