"""`monitoring`, the command: what it is called with, and the exit status."""

from __future__ import annotations

import click

from monitoring_sdk.cli.evaluating import backfill, replay, run
from monitoring_sdk.cli.explaining import explain
from monitoring_sdk.cli.feedback import incident, silence, status
from monitoring_sdk.cli.keeping import erase, retention
from monitoring_sdk.cli.retraining import retraining
from monitoring_sdk.cli.serving import serve
from monitoring_sdk.cli.setting_up import baseline, check, init
from monitoring_sdk.cli.telling import alerts, deliver, diagnose, report


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="monitoring-sdk")
def main() -> None:
    """Watch deployed machine-learning models."""


_SETTING_UP = (init, check, baseline)
_LOOKING = (run, backfill, replay, diagnose)
_TELLING = (serve, status, explain, incident, silence, retraining, deliver, alerts, report)
_KEEPING = (erase, retention)
for command in (*_SETTING_UP, *_LOOKING, *_TELLING, *_KEEPING):
    main.add_command(command)
