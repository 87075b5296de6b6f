"""Performance without labels: what a window's metrics will be once its labels are known."""
