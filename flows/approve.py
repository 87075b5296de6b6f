"""The flow `approve`: suspended until somebody answers, in the Prefect UI, whether to retrain."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput

from flows.steps import say
from monitoring_sdk import stages
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.retraining import AWAITING
from monitoring_sdk.stages import outcomes

UNNAMED = "somebody through Prefect"


class Answer(RunInput):
    """Whether the model is to be retrained, and who says so."""

    approve: bool
    reason: str = ""
    by: str = ""


@flow(name="approve", persist_result=False)
def approve(trigger_id: str, within: float = 86400) -> dict[str, Any]:
    """Ask whether a model is to be retrained; the run is suspended until somebody resumes it.

    Args:
        trigger_id: The request to retrain that waits for approval.
        within: Seconds until Prefect gives the suspended run up; the command can still answer.

    Returns:
        The request, as it stands after the answer.
    """
    store = open_store()
    try:
        trigger = outcomes.find_trigger(store, trigger_id)
        if trigger.state == AWAITING:
            answer = suspend_flow_run(
                wait_for_input=Answer.with_initial_data(
                    description=f"Retrain {trigger.model}? {trigger.reason}"
                ),
                timeout=int(within),
                key=f"approve-{trigger.id}",
            )
            outcomes.decide_approval(
                store,
                trigger,
                answer.approve,
                said_by=answer.by or UNNAMED,
                now=stages.clock(),
                reason=answer.reason,
            )
            stages.deliver_triggers(store)
        document = outcomes.trigger_document(store, trigger.id)
    finally:
        store.close()
    say(f"{document['model']}: retraining {document['trigger']['state']}")
    return document
