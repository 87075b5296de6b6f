"""`retention`: what is older than the monitor file says goes, unless something still needs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.adapters.folders import folder, is_remote, reached, replaceable
from monitoring_sdk.adapters.inference_log import LOGS
from monitoring_sdk.adapters.log_files import remove_days
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_sections import SourceSpec
from monitoring_sdk.report import timestamp
from monitoring_sdk.stages.learning import span_learned_from
from monitoring_sdk.stages.operations import LOOK_BACK
from monitoring_sdk.window import Window

_OTHERS = (
    "a source that is no folder of days, here or in a store of objects, keeps its own retention"
)


@dataclass(frozen=True)
class Retained:
    """What was removed of a model; the moments say before which, None where nothing may go."""

    model: str
    log_before: datetime | None = None
    results_before: datetime | None = None
    files: int = 0
    verdicts: int = 0
    profiles: int = 0
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        before = {"log": self.log_before, "results": self.results_before}
        return {
            "schema": 1,
            "model": self.model,
            "before": {k: None if v is None else timestamp(v) for k, v in before.items()},
            "removed": {
                "log_files": self.files,
                "results": self.verdicts,
                "profiles": self.profiles,
            },
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """Write it for people."""
        found = f"{self.files} log files, {self.verdicts} results, {self.profiles} profiles"
        return "\n".join([f"{self.model}: {found} removed", *(f"note: {n}" for n in self.notes)])


def retain(config: MonitorConfig, store: Store, as_of: datetime | None = None) -> Retained:
    """Remove what is older than `retention` says.

    Ages are counted back from the newest decided window, or from `as_of`: of a model that was
    never evaluated nothing is removed. Kept whatever its age is what an open incident, labels that
    are still awaited, the look back over missing windows, a rolling reference and the setting of
    thresholds read.

    Raises
    ------
    StoreError, OSError
        When something cannot be removed; a later call goes on.
    """
    kept, until = config.retention, store.decided_until(config.model)
    if until is None or (kept.log is None and kept.results is None):
        why = "no window was decided yet" if until is None else "the file sets no retention"
        return Retained(config.model, notes=(why,))
    at = until if as_of is None else max(as_of, until)
    step = config.cadence.approximate
    opened = [i.opened for i in store.incidents(config.model) if i.closed is None]
    notes: list[str] = []
    found = Retained(config.model)
    log_before = results_before = None
    files = verdicts = profiles = 0
    if kept.log is not None:
        awaited = until - config.labels.deadline - 2 * step
        log_before = min([at - kept.log, awaited, *(o - 2 * step for o in opened)])
        for place in _logs(config, notes):
            with reached(place):
                files += len(remove_days(place, log_before))
    if kept.results is not None:
        built = _baseline(config, until)
        length = built.comparison.length if built is not None else None
        needed = [until - LOOK_BACK * step, *([until - length] if length else [])]
        results_before = min([at - kept.results, *needed, *(o - 30 * step for o in opened)])
        learned = None if built is None else span_learned_from(config, built)
        verdicts, profiles = store.forget(config.model, results_before, learned)
    return Retained(
        found.model, log_before, results_before, files, verdicts, profiles, tuple(notes)
    )


def _baseline(config: MonitorConfig, until: datetime) -> Baseline | None:
    root = baselines_root()
    if not baselines.versions(root, config.model):
        return None
    newest = Window(config.cadence.previous(until), until)
    return baselines.for_window(root, config.model, newest)


def _folder_of(spec: SourceSpec) -> Path | None:
    """Return a source's folder, where files can be taken out of it."""
    if spec.path is None or not replaceable(spec.path):
        return None
    place = folder(spec.path, "source.path")
    with reached(place):
        return place if place.is_dir() else None


def _logs(config: MonitorConfig, notes: list[str]) -> list[Path]:
    """Return the folders of days: of the model's own log, and of its sources of files."""
    places = [LOGS / config.model / kind for kind in ("predictions", "labels")]
    for spec in (config.source.predictions, config.source.labels):
        if spec is None:
            continue
        place = _folder_of(spec)
        if place is None:
            notes.append(_OTHERS)
        else:
            places.append(place)
    notes[:] = dict.fromkeys(notes)
    return list(dict.fromkeys(p if is_remote(p) else p.resolve() for p in places))
