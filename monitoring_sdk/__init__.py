"""Watch deployed machine-learning models."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitoring_sdk.monitor import ModelMonitor

__all__ = ["ModelMonitor"]


def __getattr__(name: str) -> Any:
    # Asked for alone: commands and flows have no use for what a serving process logs by.
    if name != "ModelMonitor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from monitoring_sdk.monitor import ModelMonitor

    return ModelMonitor
