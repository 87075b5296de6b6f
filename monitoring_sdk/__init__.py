"""Watch deployed machine-learning models."""

from monitoring_sdk.monitor import ModelMonitor

__all__ = ["ModelMonitor"]
