"""The automations of `automations.yaml` on a server: those that are missing are created."""

from __future__ import annotations

from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore

from monitoring_sdk.yaml_file import read_mapping

FILE = Path(__file__).parent.parent / "automations.yaml"


def read_automations(file: Path = FILE) -> list[AutomationCore]:
    """Read a file of automations, in the form that `prefect automation create` takes.

    Examples
    --------
    >>> [automation.name for automation in read_automations()]
    ['monitoring-zombie-runs']
    """
    return [AutomationCore.model_validate(a) for a in read_mapping(file)["automations"]]


def create_missing() -> dict[str, str]:
    """Create each automation of which the server has none of its name.

    A step of `prefect deploy`. What is there stays as it is: somebody may have turned it off, or
    given it another action.

    Returns
    -------
    dict of str to str
        What was done, by name.
    """
    done = {}
    with get_client(sync_client=True) as client:
        for automation in read_automations():
            if client.read_automations_by_name(automation.name):
                done[automation.name] = "there already"
            else:
                client.create_automation(automation)
                done[automation.name] = "created"
    return done
