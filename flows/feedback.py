"""The flow `feedback`: somebody says, in the Prefect UI, what an incident was."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.runtime import flow_run

from flows.steps import say as log
from monitoring_sdk import stages
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.stages import feedback as saying
from tasks.feedback import say
from tasks.hop import whole

UNNAMED = "somebody through Prefect"


def _run_name() -> str:
    parameters = flow_run.get_parameters()
    return f"{str(parameters['incident'])[:8]} {parameters['verdict'].replace('_', ' ')}"


@flow(name="feedback", flow_run_name=_run_name, persist_result=False)
def feedback(
    incident: str,
    verdict: Literal["ack", "false_alarm", "expected_change"],
    reason: str = "",
    by: str = "",
) -> dict[str, Any]:
    """Say what an incident was; the same said twice changes nothing.

    Args:
        incident: The incident's id, or its beginning, of six characters at least.
        verdict: `ack`: somebody is at it, so that it asks for no retraining and sends no more
            alerts until it closes. `false_alarm`: nothing was wrong; it is closed.
            `expected_change`: things are so from now on; it is closed, and an epoch begins.
        reason: Why; kept with it.
        by: Who says so.

    Returns:
        The incident, and all that was said about it.
    """
    store = open_store()
    try:
        found = saying.find_incident(store, incident)
        effect = say(
            store, whole(found), verdict, by=by or UNNAMED, now=stages.clock(), reason=reason
        )
        changed = effect.said is not None
        if changed:
            stages.deliver_updates(store)
        document = saying.incident_document(store, found.id, changed=changed)
    finally:
        store.close()
    words = verdict.replace("_", " ")
    log(f"{found.model} {found.id}: {words}" + ("" if changed else ", said before"))
    return document
