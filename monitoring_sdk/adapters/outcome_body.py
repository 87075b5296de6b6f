"""What the receiver of a webhook says came of a retraining."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

OUTCOME_PATH = "/v1/retraining/{trigger_id}/outcome"
LINE = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"

_Line = Field(pattern=LINE, min_length=1)


class OutcomeBody(BaseModel):
    """What came of a retraining, as its trainer says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Literal["promoted", "kept", "failed"]
    model_version: Annotated[str, _Line, Field(max_length=200)] | None = None
    reason: Annotated[str, _Line, Field(max_length=500)] | None = None
