"""Joint drift: what a window shows in all columns together, as asked for in the monitor file."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import SourceError
from monitoring_sdk.matrix import fit_coder
from monitoring_sdk.measure import Layout, Measurement
from monitoring_sdk.measure_joint import (
    MOST_ROWS,
    OF_SAMPLES,
    Asked,
    Samples,
    joint_methods,
    measure_joint,
)
from monitoring_sdk.profile.joint import JointSpec
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.report import Check, Status
from monitoring_sdk.stages.fitting import span_rows
from monitoring_sdk.stages.handle import Handle
from monitoring_sdk.stages.reference_rows import NO_SAMPLES
from monitoring_sdk.stages.scan import scan
from monitoring_sdk.stages.sparing import open_reference
from monitoring_sdk.window import Window

_rows: dict[tuple[str, str], pa.Table | str] = {}


def feature_columns(config: MonitorConfig, layout: Layout) -> list[str]:
    """Return the columns of which methods that need rows look at some."""
    shown = [c for c in layout.categorical if not config.privacy.drops(c)]
    return list(dict.fromkeys([*layout.numeric, *shown, *layout.embedding]))


def samples_of(layout: Layout, reference: pa.Table, current: pa.Table) -> Samples:
    """Return two samples, coded as the reference's levels have it."""
    known = set(reference.column_names)
    coder = fit_coder(
        reference,
        [c for c in layout.numeric if c in known],
        [c for c in layout.categorical if c in known],
    )
    return Samples(reference, current, coder)


class RowsOfSpan:
    """Rows of the reference windows, kept while a baseline is built, if a method needs them."""

    def __init__(
        self, config: MonitorConfig, span: Window, layout: Layout, spec: JointSpec
    ) -> None:
        self._layout, self._spec = layout, spec
        self._asked = joint_methods(spec, config.drift, config.thresholds)
        needed = config.privacy.samples and any(name in OF_SAMPLES for name, _ in self._asked)
        self.columns: list[str] = feature_columns(config, layout) if needed else []
        self._kept: dict[Window, pa.Table] = {}
        self._reference: pa.Table | None = None
        if needed:
            self._at = config.columns.timestamp
            names = list(dict.fromkeys([*self.columns, self._at.column]))
            source = open_reference(config)
            self._reference = span_rows(config, source, span, names, MOST_ROWS)

    def keep(self, window: Window, rows: pa.Table | None) -> None:
        """Keep some rows of a window."""
        if rows is not None and self.columns:
            step = max(1, -(-rows.num_rows // MOST_ROWS))
            self._kept[window] = rows.take(pa.array(range(0, rows.num_rows, step), pa.int64()))

    def measure(
        self, window: Window, profile: Profile, reference: Profile | None
    ) -> tuple[Measurement, ...]:
        """Measure one of the windows in all columns together."""
        if reference is None:
            return ()
        samples = None
        if self._reference is not None and window in self._kept:
            samples = samples_of(self._layout, self._others(window), self._kept[window])
        return measure_joint(profile, reference, self._spec, self._asked, samples)

    def _others(self, window: Window) -> pa.Table:
        """Return the rows of the span without a window's own: shared rows are told apart badly."""
        assert self._reference is not None
        moments = to_utc(self._reference.column(self._at.column), self._at.unit)
        inside = pc.and_(
            pc.greater_equal(moments, pa.scalar(window.start, moments.type)),
            pc.less(moments, pa.scalar(window.end, moments.type)),
        )
        return self._reference.filter(pc.invert(inside))


def joint_measurements(
    handle: Handle, baseline: Baseline, profile: Profile
) -> tuple[tuple[Measurement, ...], list[Check]]:
    """Measure a window in all columns together; say of which methods it could not be."""
    config, spec = handle.config, baseline.joint
    asked = joint_methods(spec, config.drift, config.thresholds)
    if not spec.sources:
        reason = f"not in baseline {baseline.version}: build a new one"
        return (), _unlooked(handle, asked, reason)
    samples: Samples | None = None
    unlooked: list[Check] = []
    by_rows = tuple((n, c) for n, c in asked if n in OF_SAMPLES)
    if by_rows:
        reference = _reference(config, baseline)
        current = scan(handle).rows
        if isinstance(reference, str):
            unlooked = _unlooked(handle, by_rows, reference)
        elif current is not None:
            samples = samples_of(handle.layout, reference, current)
    try:
        return measure_joint(profile, baseline.profile, spec, asked, samples), unlooked
    except SourceError as error:
        # A column of the window cannot be read: the methods that look at no rows still can.
        unlooked = _unlooked(handle, by_rows, str(error), "error")
        return measure_joint(profile, baseline.profile, spec, asked), unlooked


def joint_unlooked(handle: Handle, baseline: Baseline, reason: str) -> list[Check]:
    """Return the joint checks of a window that is not looked at, so that none goes missing."""
    config = handle.config
    asked = joint_methods(baseline.joint, config.drift, config.thresholds)
    return _unlooked(handle, asked, reason)


def _unlooked(handle: Handle, asked: Asked, reason: str, status: Status = "skipped") -> list[Check]:
    return [
        Check("drift", name, handle.window, status, column or None, reason=reason)
        for name, column in asked
    ]


def _reference(config: MonitorConfig, baseline: Baseline) -> pa.Table | str:
    """Return rows of the baseline's span, or why there are none."""
    if not config.privacy.samples:
        return NO_SAMPLES
    key = (config.model, baseline.version)
    if key not in _rows:
        _rows[key] = _read(config, baseline, feature_columns(config, baseline.layout))
    return _rows[key]


def _read(config: MonitorConfig, baseline: Baseline, names: Sequence[str]) -> pa.Table | str:
    try:
        table = span_rows(config, open_reference(config), baseline.span, names, MOST_ROWS)
    except SourceError as error:
        return f"no rows of the reference: {error}"
    return table if table.num_rows else "no rows of the reference are left in the source"
