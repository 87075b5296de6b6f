"""The flows. Telemetry is off before any of them imports Prefect; what the user has set stands."""

import os

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
