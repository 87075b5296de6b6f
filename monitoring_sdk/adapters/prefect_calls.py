"""What is asked of Prefect: start a run, tell of it, look how it ended, read a secret."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a flow run ended: the type of its state, the state's own name, and its message."""

    type: str
    name: str
    message: str | None


@dataclass(frozen=True, slots=True)
class CrashedRun:
    """A flow run that crashed: what it is called, what it was to do, and where it is shown."""

    id: str
    name: str
    parameters: Mapping[str, Any]
    message: str | None
    address: str | None


def start_run(deployment: str, key: str, offered: Mapping[str, Any]) -> str:
    """Start a run of a deployment, with those parameters that its flow has; return its id.

    Parameters
    ----------
    deployment : str
        `flow/deployment`.
    key : str
        Prefect's idempotency key: the same starts one run, however often.
    offered : mapping
        Prefect would refuse a parameter that the flow does not have.
    """
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment

    with get_client(sync_client=True) as client:
        schema = client.read_deployment_by_name(deployment).parameter_openapi_schema or {}
    known = schema.get("properties", {})
    run: Any = run_deployment(
        deployment,
        parameters={k: v for k, v in offered.items() if k in known},
        timeout=0,
        as_subflow=False,
        idempotency_key=key,
    )
    return str(run.id)


def emit_triggered(model: str, trigger_id: str, payload: Mapping[str, Any]) -> bool:
    """Emit the event that automations can wait for, its id the trigger's; False where it is lost.

    The run exists by then: an event that is lost must not start another.
    """
    from prefect.events import emit_event

    try:
        emit_event(
            event="monitoring.retraining.triggered",
            resource={
                "prefect.resource.id": f"monitoring.model.{model}",
                "prefect.resource.name": model,
            },
            payload=dict(payload),
            id=uuid.UUID(trigger_id),
        )
    except Exception:
        return False
    return True


def run_end(flow_run: str) -> RunEnd | None:
    """Return how a flow run ended; None while it goes on, is gone, or no server answers."""
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            state: Any = client.read_flow_run(uuid.UUID(flow_run)).state
    except Exception:
        # The next look asks again.
        return None
    if state is None or state.type.value not in ENDED:
        return None
    return RunEnd(state.type.value, state.name or "", state.message)


def crashed_run(flow_run: str) -> CrashedRun | None:
    """Return a flow run that crashed; None where there is none such, or no server answers."""
    from prefect.client.orchestration import get_client
    from prefect.utilities.urls import url_for

    try:
        with get_client(sync_client=True) as client:
            run: Any = client.read_flow_run(uuid.UUID(flow_run))
    except Exception:
        return None
    if run.state is None or run.state.type.value != "CRASHED":
        return None
    address = url_for(run)
    return CrashedRun(str(run.id), run.name, dict(run.parameters), run.state.message, address)


def read_secret(name: str) -> str | None:
    """Return the content of a Prefect Secret block; None where there is none, or no server."""
    try:
        from prefect.blocks.system import Secret

        block: Any = Secret.load(name)
        return str(block.get())
    except Exception:
        return None
