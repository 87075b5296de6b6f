"""A baseline: what a model's data and performance looked like while all was well. Immutable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.alarms.series import (
    read_reference,
    read_slices,
    reference_text,
    slices_text,
    split_series,
)
from monitoring_sdk.alarms.watching import Watching
from monitoring_sdk.comparison import Comparison, Recent
from monitoring_sdk.config_privacy import Privacy
from monitoring_sdk.errors import BaselineError
from monitoring_sdk.measure import Layout, Measurement
from monitoring_sdk.profile.grid import Grid
from monitoring_sdk.profile.joint import JointSpec
from monitoring_sdk.profile.phases import Phases
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.profile.segments import Segmentation
from monitoring_sdk.report import timestamp
from monitoring_sdk.window import Window, parse_time

FORMAT = 1


@dataclass(frozen=True)
class Baseline:
    """The reference of one model: its grid, its profile, and each check over reference windows.

    Attributes
    ----------
    valid_from : datetime or None
        Logical time from which windows are judged by it; None: from the beginning.
    windows : tuple of Window
        The complete reference windows; `reference` has a value and a row count for each.
    suite : tuple of dict
        Generated expectations, in the form of the monitor file's `quality`.
    segmentations : tuple of Segmentation
        Which segments are watched by name; none in the baselines of an older version.
    comparison : Comparison
        What `reference` was measured against, and windows are to be.
    phases : Phases or None
        A profile for each hour or day of the calendar, where windows are compared by phase.
    recent : tuple of Recent
        The newest windows of the span, where they are compared with windows before them.
    joint : JointSpec
        What is counted of whole rows; nothing in the baselines of an older version.
    privacy : Privacy
        What was asked to be kept of the data.
    watching : Watching or None
        What alarms are set on; None in the baselines of an older version.
    """

    model: str
    version: str
    created: datetime
    span: Window
    valid_from: datetime | None
    layout: Layout
    grid: Grid
    profile: Profile
    windows: tuple[Window, ...]
    reference: Mapping[str, ReferenceSeries]
    suite: tuple[Mapping[str, Any], ...] = ()
    settings: str = ""
    notes: tuple[str, ...] = field(default=())
    segmentations: tuple[Segmentation, ...] = ()
    comparison: Comparison = field(default_factory=Comparison)
    phases: Phases | None = None
    recent: tuple[Recent, ...] = ()
    joint: JointSpec = field(default_factory=JointSpec)
    watching: Watching | None = None
    privacy: Privacy = field(default_factory=Privacy)

    @property
    def rows(self) -> int:
        """Rows of the whole span."""
        return self.profile.rows


def collect_reference(
    measured: Sequence[Sequence[Measurement]],
) -> dict[str, ReferenceSeries]:
    """Turn the measurements of each reference window into one series a check."""
    keys = dict.fromkeys(m.key for window in measured for m in window)
    tables = [{m.key: m.value for m in window} for window in measured]
    series = {}
    for key in keys:
        values = [table.get(key) for table in tables]
        series[key] = ReferenceSeries(
            tuple(v.value if v is not None else None for v in values),
            tuple((v.n or 0) if v is not None else 0 for v in values),
        )
    return series


def to_files(baseline: Baseline) -> dict[str, str]:
    """Return the baseline as named texts that read well in a diff."""
    head = {
        "format": FORMAT,
        "model": baseline.model,
        "version": baseline.version,
        "created": timestamp(baseline.created),
        "span": baseline.span.to_dict(),
        "valid_from": None if baseline.valid_from is None else timestamp(baseline.valid_from),
        "rows": baseline.rows,
        "reference_windows": len(baseline.windows),
        "settings": baseline.settings,
        "comparison": baseline.comparison.to_dict(),
        "columns": {
            "numeric": list(baseline.layout.numeric),
            "categorical": list(baseline.layout.categorical),
            "prediction": baseline.layout.prediction,
            "scores": list(baseline.layout.scores),
            "numeric_prediction": baseline.layout.numeric_prediction,
            "text": list(baseline.layout.text),
            "datetime": list(baseline.layout.datetime),
            "embedding": list(baseline.layout.embedding),
            "segments": [list(crossing) for crossing in baseline.layout.segments],
            "version": baseline.layout.version,
        },
        "segmentations": [s.to_dict() for s in baseline.segmentations],
        "notes": list(baseline.notes),
    }
    if asked := baseline.privacy.to_dict():
        head["privacy"] = asked
    profile = baseline.profile.to_dict()
    slices = profile.pop("slices", {})
    whole, parts = split_series(baseline.reference, _slice_keys(baseline.segmentations, slices))
    files = {
        "baseline.json": _pretty(head),
        "grid.json": _columns(baseline.grid.to_dict()),
        "profile.json": _columns(profile),
        "reference.csv": reference_text(baseline.windows, whole),
        "expectations.json": _lines(baseline.suite),
    }
    if slices:
        inner = ",\n".join(f"{json.dumps(key)}: {_columns(d)}" for key, d in slices.items())
        files["slices.json"] = "{\n" + inner + "}\n"
    if parts:
        files["reference_slices.csv"] = slices_text(baseline.windows, parts)
    if baseline.joint.sources:
        files["joint.json"] = _columns(baseline.joint.to_dict())
    if baseline.phases is not None:
        files["phases.json"] = _phases(baseline.phases)
    if baseline.recent:
        files["recent.json"] = _lines(r.to_dict() for r in baseline.recent)
    if baseline.watching is not None:
        files["alarms.json"] = _members(baseline.watching.to_dict())
    return files


def from_files(files: Mapping[str, str]) -> Baseline:
    """Read the texts of `to_files` back.

    Raises
    ------
    BaselineError
        When a text is missing, is damaged or is of another format.
    """
    try:
        head = json.loads(files["baseline.json"])
    except (KeyError, ValueError) as error:
        raise BaselineError(f"baseline.json is missing or damaged: {error}") from None
    if not isinstance(head, dict):
        raise BaselineError("baseline.json is damaged: it holds no keys and values")
    if head.get("format") != FORMAT:
        raise BaselineError(
            f"the baseline has format {head.get('format')!r}; this version reads {FORMAT}: "
            "build it again with `monitoring baseline build`"
        )
    try:
        windows, reference = read_reference(files["reference.csv"])
        if "reference_slices.csv" in files:
            reference |= read_slices(files["reference_slices.csv"], len(windows))
        profile = json.loads(files["profile.json"])
        slices = json.loads(files.get("slices.json", "{}"))
        return Baseline(
            model=head["model"],
            version=head["version"],
            created=parse_time(head["created"]),
            span=Window.from_dict(head["span"]),
            valid_from=None if head["valid_from"] is None else parse_time(head["valid_from"]),
            layout=_read_layout(head["columns"]),
            grid=Grid.from_dict(json.loads(files["grid.json"])),
            profile=Profile.from_dict({**profile, "slices": slices}),
            windows=windows,
            reference=reference,
            suite=_read_suite(files["expectations.json"]),
            settings=head["settings"],
            notes=tuple(head["notes"]),
            segmentations=tuple(Segmentation.from_dict(d) for d in head.get("segmentations", ())),
            comparison=Comparison.from_dict(head["comparison"])
            if "comparison" in head
            else Comparison(),
            phases=Phases.from_dict(json.loads(files["phases.json"]))
            if "phases.json" in files
            else None,
            recent=tuple(Recent.from_dict(d) for d in json.loads(files.get("recent.json", "[]"))),
            joint=JointSpec.from_dict(json.loads(files["joint.json"]))
            if "joint.json" in files
            else JointSpec(),
            watching=Watching.from_dict(json.loads(files["alarms.json"]))
            if "alarms.json" in files
            else None,
            privacy=Privacy(**head.get("privacy", {})),
        )
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise BaselineError(_damage(files, error)) from None


def _damage(files: Mapping[str, str], error: Exception) -> str:
    """Say which file is no JSON, or else what is missing from the whole."""
    for name in (n for n in files if n.endswith(".json")):
        try:
            json.loads(files[name])
        except ValueError as found:
            return f"{name} is damaged: {found}"
    return f"the baseline is damaged: {type(error).__name__}: {error}"


def _read_layout(columns: Mapping[str, Any]) -> Layout:
    # The first baselines knew one score, and predictions of classes alone.
    one = columns.get("score")
    return Layout(
        tuple(columns["numeric"]),
        tuple(columns["categorical"]),
        columns["prediction"],
        tuple(columns.get("scores", [] if one is None else [one])),
        columns.get("numeric_prediction", False),
        tuple(columns.get("text", ())),
        tuple(columns.get("datetime", ())),
        tuple(columns.get("embedding", ())),
        tuple(tuple(crossing) for crossing in columns.get("segments", ())),
        columns.get("version"),
    )


def _slice_keys(segmentations: Iterable[Segmentation], slices: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*(k for s in segmentations for k in s.keys), *slices]))


def _phases(phases: Phases) -> str:
    """Write the phases, a line for each: they are many, and seldom read."""
    data = phases.to_dict()
    lines = (
        f"  {json.dumps(phase)}: {json.dumps(p, separators=(',', ':'), allow_nan=False)}"
        for phase, p in data.pop("profiles").items()
    )
    head = _pretty(data).removesuffix("\n}\n")
    return head + ',\n "profiles": {\n' + ",\n".join(lines) + "\n }\n}\n"


def _pretty(data: Any) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _columns(data: Mapping[str, Any]) -> str:
    """Write a document with one line for each field of each column, so that a diff is short."""
    parts = []
    for key, value in data.items():
        if key == "columns":
            inner = ",\n".join(f"  {json.dumps(c)}: {_fields(v)}" for c, v in value.items())
            parts.append(f' "columns": {{\n{inner}\n }}')
        else:
            parts.append(f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _fields(value: Any) -> str:
    if not isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    lines = (
        f"   {json.dumps(k)}: {json.dumps(v, ensure_ascii=False, allow_nan=False)}"
        for k, v in value.items()
    )
    return "{\n" + ",\n".join(lines) + "\n  }"


def _members(data: Mapping[str, Any]) -> str:
    """Write a document with one line for each member, two levels deep."""

    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    parts = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            inner = ",\n".join(f"  {line(k)}: {line(v)}" for k, v in value.items())
            parts.append(f" {line(key)}: {{\n{inner}\n }}")
        elif isinstance(value, list) and value:
            parts.append(f" {line(key)}: " + _lines_of(value, line))
        else:
            parts.append(f" {line(key)}: {line(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines_of(items: Sequence[Any], line: Callable[[Any], str]) -> str:
    return "[\n" + ",\n".join(f"  {line(item)}" for item in items) + "\n ]"


def _lines(items: Iterable[Mapping[str, Any]]) -> str:
    rows = [" " + json.dumps(dict(item), ensure_ascii=False, allow_nan=False) for item in items]
    return "[\n" + ",\n".join(rows) + "\n]\n" if rows else "[]\n"


def _read_suite(text: str) -> tuple[Mapping[str, Any], ...]:
    suite = json.loads(text)
    if not isinstance(suite, list) or not all(isinstance(item, dict) for item in suite):
        raise ValueError("expectations.json is no list of expectations")
    return tuple(suite)
