"""Build a baseline: fit the grid on the span, then pass each reference window through it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.adapters.samples import write_sample
from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.alarms.values import Role, ValueForm, fit_form
from monitoring_sdk.baseline import Baseline, collect_reference
from monitoring_sdk.comparison import Comparison
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_privacy import Privacy
from monitoring_sdk.config_sections import Expectation
from monitoring_sdk.errors import BaselineError
from monitoring_sdk.evaluate import MIN_ROWS
from monitoring_sdk.measure import Layout, Measurement, measure_columns, measure_operations
from monitoring_sdk.measure_segments import measure_segments
from monitoring_sdk.measure_watched import measure_watched
from monitoring_sdk.profile.grid import Grid
from monitoring_sdk.profile.joint import JointSpec
from monitoring_sdk.profile.numeric import NumericProfile
from monitoring_sdk.profile.phases import Phases, fit_phases
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.profile.segments import Segmentation
from monitoring_sdk.profile.sliced import SlicedBuilder
from monitoring_sdk.references import fit_recent, of_reference_windows
from monitoring_sdk.report import check_key
from monitoring_sdk.stages.fitting import (
    Progress,
    fit_grid,
    fit_segmentations,
    fit_whole_rows,
    sample_rows,
    smallest_window,
)
from monitoring_sdk.stages.handle import layout_of
from monitoring_sdk.stages.hiding import hidden_value, without_small
from monitoring_sdk.stages.inheriting import (
    beside_each_other,
    inherited_form,
    inherited_grid,
    inputs_of,
    windows_before,
    with_history,
)
from monitoring_sdk.stages.joint import RowsOfSpan
from monitoring_sdk.stages.label_age import reference_performance
from monitoring_sdk.stages.reference_levels import settle_grid, with_unseen
from monitoring_sdk.stages.reference_rows import labelled_sample
from monitoring_sdk.stages.scan import scan_rows, served, slicing_of
from monitoring_sdk.stages.sparing import Parts, open_reference, parts_of_span
from monitoring_sdk.stages.watching import watch
from monitoring_sdk.window import Window

if TYPE_CHECKING:
    import pandas as pd


def _silent(what: str, done: int, total: int) -> None:
    pass


def build_baseline(
    config: MonitorConfig,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    valid_from: datetime | None = None,
    now: datetime,
    root: str | None = None,
    inherit: Baseline | None = None,
    progress: Progress = _silent,
) -> Baseline:
    """Fit a baseline on a span of the predictions and save it as a new version.

    Parameters
    ----------
    start, end : datetime, optional
        The span; default: the monitor file's.
    valid_from : datetime, optional
        Logical time from which it holds; default: the beginning for the first version of a model,
        else the end of its span.
    now : datetime
        Labels known by now are used.
    inherit : Baseline, optional
        Of the model that this one replaces: what it knows of the inputs still holds.
    progress : callable
        Told what is done, how many steps, of how many.

    Raises
    ------
    BaselineError
        When the span is not given, or has no rows.
    """
    if inherit is not None and config.privacy.beyond(inherit.privacy):
        # Its cells hold what this one may not keep.
        inherit = None
    span = _span(config, start, end)
    source, parts = open_reference(config), parts_of_span(config, span)
    layout, windows = layout_of(config, source.schema()), parts.windows
    smallest = smallest_window(config, source, span, windows)
    grid = fit_grid(config, source, span, layout, smallest, progress)
    joint, derived = fit_whole_rows(config, source, span, layout)
    grid = Grid({**grid.columns, **derived.columns})
    grid = inherited_grid(grid, inherit, inputs_of(inherit, layout))
    segmentations = fit_segmentations(config, source, span, len(windows))
    form = Form(grid, layout, segmentations, joint, inherit=inherit)
    sample = sample_rows(config, source, span, layout)
    form, profile, profiles, measured = _reference(
        config, span, parts, form, smallest or MIN_ROWS, sample, now, progress
    )
    grid = form.grid
    root = baselines_root() if root is None else root
    known = baselines.versions(root, config.model)
    if valid_from is None and known:
        valid_from = span.end
    reference, comparison = collect_reference(measured), Comparison.of(config.baseline)
    complete = [profiles[w] for w in windows]
    shown = {w: without_small(p, config.privacy.min_count) for w, p in profiles.items()}
    suite = _suite(config.privacy, sample, layout, reference, profile, complete)
    baseline = Baseline(
        model=config.model,
        version="",
        created=now,
        span=span,
        valid_from=valid_from,
        layout=layout,
        grid=grid,
        profile=profile,
        windows=windows,
        reference=reference,
        suite=tuple({"type": e.type, "severity": e.severity, **e.arguments} for e in suite),
        settings=config.settings_hash(),
        notes=(*_notes(windows, segmentations), *parts.notes),
        segmentations=segmentations,
        comparison=comparison,
        phases=None
        if comparison.phase is None
        else _phases(config, windows, profiles, comparison.phase),
        recent=fit_recent(windows, shown, comparison, span.end, config.window.timezone),
        joint=joint,
        privacy=config.privacy,
    )
    if inputs_of(inherit, layout):
        baseline = with_history(baseline, inherit)
        measured = [*([[]] * windows_before(baseline, windows)), *measured]
    labelled = labelled_sample(config, baseline)
    progress("alarms", 0, 1)
    watching, estimates = watch(config, baseline, form.values, measured, labelled)
    baseline = dataclasses.replace(
        baseline, reference={**baseline.reference, **estimates}, watching=watching
    )
    progress("alarms", 1, 1)
    saved = baselines.save(baseline, root)
    if labelled is not None:
        write_sample(config.model, saved.version, labelled, root)
    return saved


def _phases(
    config: MonitorConfig,
    windows: Sequence[Window],
    profiles: Mapping[Window, Profile],
    every: str,
) -> Phases:
    found = fit_phases(windows, profiles, every, config.window.timezone)
    least = config.privacy.min_count
    shown = {phase: without_small(p, least) for phase, p in found.profiles.items()}
    return dataclasses.replace(found, profiles=shown)


def _suite(
    privacy: Privacy,
    sample: Mapping[str, pd.Series],
    layout: Layout,
    reference: Mapping[str, ReferenceSeries],
    profile: Profile,
    complete: Sequence[Profile],
) -> list[Expectation]:
    """Write expectations, on what the model writes for windows of the champion's rows."""
    # What writes expectations brings pandas along, which other stages do without.
    from monitoring_sdk.adapters.quality_generate import generate

    found: list[Expectation] = []
    for column, kind in layout.kinds.items():
        # Of each column the rows that were its own: a shadow's are not.
        series = reference.get(check_key("quality", "null_share", column))
        sizes = series.n if series is not None else (profile.columns[column].rows,)
        means = {column: _means(complete, column)}
        found += generate(sample, {column: kind}, sizes, means, privacy)
    return found


def _means(complete: Sequence[Profile], column: str) -> list[float]:
    """Return the mean of a numeric column in each reference window that has one."""
    parts = (p.columns.get(column) for p in complete if p.rows >= MIN_ROWS)
    means = (part.mean for part in parts if isinstance(part, NumericProfile))
    return [mean for mean in means if mean is not None and math.isfinite(mean)]


def _notes(windows: Sequence[Window], segmentations: Sequence[Segmentation]) -> tuple[str, ...]:
    notes = () if windows else ("no complete reference window lies in the span",)
    empty = [s.name for s in segmentations if not s.kept]
    return (*notes, *(f"no segment of {name} has {MIN_ROWS} rows a window" for name in empty))


@dataclass(frozen=True, slots=True)
class Form:
    """What a baseline counts its rows by."""

    grid: Grid
    layout: Layout
    segmentations: tuple[Segmentation, ...] = ()
    joint: JointSpec = field(default_factory=JointSpec)
    values: ValueForm = field(default_factory=lambda: ValueForm(()))
    inherit: Baseline | None = None


def _span(config: MonitorConfig, start: datetime | None, end: datetime | None) -> Window:
    if config.baseline is not None:
        first, last = config.span(config.baseline)
        start, end = start or first, end or last
    if start is None or end is None:
        raise BaselineError(
            f"{config.model}: no span: give baseline.start and baseline.end in the monitor file, "
            "or --start and --end"
        )
    if start >= end:
        raise BaselineError(f"{config.model}: the span is empty: {start} is not before {end}")
    return Window(start, end)


def _reference(
    config: MonitorConfig,
    span: Window,
    parts: Parts,
    form: Form,
    smallest: int,
    sample: Mapping[str, pd.Series],
    now: datetime,
    progress: Progress,
) -> tuple[Form, Profile, dict[Window, Profile], list[list[Measurement]]]:
    """Profile the windows and what lies between and around them; measure each complete one.

    The grid comes back with the columns opened that turn out to have ever new levels, and with
    what is watched of each column.
    """
    columns, slicing = config.columns, slicing_of(config, form.segmentations)
    whole = [c for c in (columns.latency_ms, columns.error, slicing.version) if c is not None]
    # Which rows a shadow wrote beside another version's is told by their ids.
    ids = [*columns.id, slicing.version] if slicing.version is not None and columns.id else []
    profiles: dict[Window, Profile] = {}
    operations: dict[Window, tuple[Measurement, ...]] = {}
    requests: dict[Window, Mapping[str, int] | None] = {}
    windows, pieces = parts.windows, parts.pieces
    rows = RowsOfSpan(config, span, form.layout, form.joint)
    for i, piece in enumerate(pieces):
        progress("windows", i, len(pieces))
        found = scan_rows(
            config, piece, form.grid, slicing, form.joint, whole=whole, ids=ids, table=rows.columns
        )
        profiles[piece], requests[piece] = found.profile, found.requests
        rows.keep(piece, found.rows)
        operations[piece] = measure_operations(*served(config, piece, found))
    total = SlicedBuilder(form.grid, slicing).result()
    for profile in profiles.values():
        total = total.merge(profile)
    complete = [profiles[w] for w in windows]
    grid = settle_grid(form.grid, complete)
    roles = {column: _role(form.layout, column) for column in form.layout.profiled}
    scores = dict.fromkeys(form.layout.scores, "score")
    values = inherited_form(fit_form(total, grid, scores, roles, smallest), form.inherit, grid)
    values = beside_each_other(values, form.inherit, grid, sample, complete)
    form = dataclasses.replace(form, grid=grid, values=values)
    performance = reference_performance(config, windows, now, form.segmentations)
    measured = []
    zone = config.window.timezone
    compared = of_reference_windows(total, windows, profiles, Comparison.of(config.baseline), zone)
    for window, reference in zip(windows, compared, strict=True):
        every = (
            *_distances(config, profiles[window], reference, form, requests[window]),
            *measure_watched(profiles[window], form.values),
            *rows.measure(window, profiles[window], reference),
            *operations[window],
            *performance.get(window, ()),
        )
        least = config.privacy.min_count
        measured.append([hidden_value(_as_monitored(config, m), least) for m in every])
    progress("windows", len(pieces), len(pieces))
    return form, total, profiles, with_unseen(measured, complete)


def _role(layout: Layout, column: str) -> Role:
    return "prediction" if layout.family(column) == "prediction" else "drift"


def _distances(
    config: MonitorConfig,
    profile: Profile,
    reference: Profile | None,
    form: Form,
    requests: Mapping[str, int] | None,
) -> list[Measurement]:
    """Measure a window beside what it is compared with, and each segment beside its own."""
    if reference is None:
        return []
    asked = config.drift, config.thresholds
    found = [*measure_columns(profile, reference, form.grid, form.layout, *asked)]
    for segmentation in form.segmentations:
        found += measure_segments(
            profile, reference, form.grid, form.layout, segmentation, *asked, requests=requests
        )
    return found


def _as_monitored(config: MonitorConfig, m: Measurement) -> Measurement:
    """Scale a count of rows to the length of the monitored windows, where `every` is shorter."""
    if m.family != "operations" or m.name != "rows" or m.value.value is None:
        return m
    longer = config.cadence.approximate / config.reference_cadence.approximate
    return dataclasses.replace(m, value=dataclasses.replace(m.value, value=m.value.value * longer))
