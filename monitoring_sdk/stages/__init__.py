"""The hops of one window, each a function; tasks and the command line call them here."""

from monitoring_sdk.stages.building import build_baseline
from monitoring_sdk.stages.drift import build_profile, detect_drift
from monitoring_sdk.stages.handle import Handle, find_config, pull_window
from monitoring_sdk.stages.labelled_rows import labelled_rows
from monitoring_sdk.stages.looking import Ahead, looking_ahead
from monitoring_sdk.stages.metrics import Metrics, compute_metrics
from monitoring_sdk.stages.newest import span_document
from monitoring_sdk.stages.publish import (
    TRIGGERS,
    deliver_alerts,
    deliver_all,
    deliver_triggers,
    deliver_updates,
    page_address,
    publish,
)
from monitoring_sdk.stages.quality import Quality, check_quality
from monitoring_sdk.stages.replaying import replayed
from monitoring_sdk.stages.retention import retain
from monitoring_sdk.stages.steps import (
    clock,
    decide,
    evaluate_window,
    read_back,
    refreshed,
    revise,
    step_as_of,
    stored_row,
    walk,
)

__all__ = [
    "TRIGGERS",
    "Ahead",
    "Handle",
    "Metrics",
    "Quality",
    "build_baseline",
    "build_profile",
    "check_quality",
    "clock",
    "compute_metrics",
    "decide",
    "deliver_alerts",
    "deliver_all",
    "deliver_triggers",
    "deliver_updates",
    "detect_drift",
    "evaluate_window",
    "find_config",
    "labelled_rows",
    "looking_ahead",
    "page_address",
    "publish",
    "pull_window",
    "read_back",
    "refreshed",
    "replayed",
    "retain",
    "revise",
    "span_document",
    "step_as_of",
    "stored_row",
    "walk",
]
