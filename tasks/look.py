"""The hops that look at a window: pull, quality, profile, metrics, drift."""

from __future__ import annotations

from datetime import datetime

from monitoring_sdk import stages
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.report import Check
from monitoring_sdk.window import Window
from tasks.hop import hop


@hop
def pull_window(config: MonitorConfig, window: Window, as_of: datetime) -> stages.Handle:
    """Reach the source, and say what the window holds."""
    return stages.pull_window(config, window, as_of)


@hop
def check_quality(handle: stages.Handle) -> stages.Quality:
    """Check columns, types, ids and expectations."""
    return stages.check_quality(handle)


@hop
def build_profile(handle: stages.Handle, quality: stages.Quality) -> Profile | None:
    """Reduce the window to counts on the baseline's grid."""
    return stages.build_profile(handle, quality)


@hop
def compute_metrics(
    handle: stages.Handle, quality: stages.Quality, store: Store, *, recompute: bool = False
) -> stages.Metrics:
    """Measure operations, and performance wherever labels are due."""
    return stages.compute_metrics(handle, quality, store, recompute=recompute)


@hop
def detect_drift(
    handle: stages.Handle, quality: stages.Quality, profile: Profile | None, store: Store
) -> tuple[Check, ...]:
    """Compare the window's profile with its reference."""
    return stages.detect_drift(handle, quality, profile, store)
