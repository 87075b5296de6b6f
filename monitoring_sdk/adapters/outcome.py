"""How one attempt to tell the outside something ended, whatever the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Protocol

from monitoring_sdk.adapters.outbox import Claimed
from monitoring_sdk.adapters.redaction import redact

__all__ = ["Outcome", "Sender", "redact"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an attempt.

    Attributes
    ----------
    kind : str
        `sent`; `retry`: it did not arrive; `unknown`: it may have; `held`: there is no way to send
        it yet, and nothing was tried; `dead`: it never can arrive; `left_out`: it has no use any
        more, such as the chart of a message that did not arrive.
    detail : str, optional
        For people; without secrets.
    receipt : mapping, optional
        What the receiver gave for it, such as Slack's `channel` and `ts`.
    retry_after : timedelta, optional
        How long the receiver asked to be left alone.
    """

    kind: Literal["sent", "retry", "unknown", "held", "dead", "left_out"]
    detail: str | None = None
    receipt: Mapping[str, Any] | None = None
    retry_after: timedelta | None = None


class Sender(Protocol):
    """A way to tell the outside. `send` does not raise: every end is an `Outcome`."""

    @property
    def patience(self) -> timedelta:
        """Longer than any one `send` takes; after it, its message may be claimed by another."""

    @property
    def longest_wait(self) -> timedelta:
        """The longest pause between two attempts."""

    def send(self, claimed: Claimed) -> Outcome:
        """Send one message; one that is `ambiguous` must not be sent twice where that shows."""
