"""Outcomes that come back over HTTP: whose they are, who signed them, and what is written."""

from __future__ import annotations

import hmac
import re
import secrets
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from monitoring_sdk.adapters.monitor_file import config_now
from monitoring_sdk.adapters.outcome_body import OutcomeBody
from monitoring_sdk.adapters.redaction import redact
from monitoring_sdk.adapters.signing import ID, is_signed, is_usable
from monitoring_sdk.adapters.store import Store, open_existing
from monitoring_sdk.adapters.webhook import secret_called
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import MonitoringError, StoreError
from monitoring_sdk.report import Trigger
from monitoring_sdk.stages import outcomes
from monitoring_sdk.stages.handle import monitor_files

FRESH_SECONDS = 30.0
"""Monitor files and secrets are looked at again after so long."""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_ID = "00000000-0000-0000-0000-000000000000"
SAID_BY = "the webhook's receiver"


class Callbacks:
    """The receiving end of `POST /v1/retraining/{trigger_id}/outcome`.

    Whether there is a trigger, and whether its hook has a secret, shows in no answer and in no
    time: secrets are kept at hand for all models, and who has none is checked against one that
    nobody knows.

    Parameters
    ----------
    monitors : Path
        Folder of the monitor files.
    """

    def __init__(self, monitors: Path) -> None:
        self._monitors = monitors
        self._lock = threading.Lock()
        self._read: float | None = None
        self._known: dict[str, tuple[MonitorConfig, str]] = {}
        self._store: Store | None = None
        self._nobody = secrets.token_hex(32)

    def signed(
        self, trigger_id: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Trigger | None:
        """Return the trigger of an id if its secret signed the body under that id, else None.

        Raises
        ------
        StoreError
            When the store cannot be read.
        """
        known = self._fresh()
        # A database need not take any text; who asks for none is looked for as well.
        asked = trigger_id if _ID.fullmatch(trigger_id) else _NO_ID
        store = self._triggers()
        hook = known.get(store.model_of_trigger(asked) or "")
        right = is_signed(self._nobody if hook is None else hook[1], headers, body, now)
        # What was signed for one trigger says nothing of another.
        mine = hmac.compare_digest(headers.get(ID, "").encode(), asked.encode())
        return store.trigger(asked) if right & mine and hook is not None else None

    def record(self, trigger: Trigger, said: OutcomeBody, now: datetime) -> bool:
        """Write what is said to have come of a trigger; False when it was said before.

        Raises
        ------
        ConfigError
            When another outcome was said before, or none is awaited.
        StoreError
            When it cannot be written.
        """
        hook = self._fresh().get(trigger.model)
        if hook is None:
            raise StoreError(f"the monitor file of {trigger.model} names no webhook any more")
        return outcomes.record(
            self._triggers(),
            hook[0],
            trigger,
            said.outcome,
            said_by=SAID_BY,
            now=now,
            version=None if said.model_version is None else redact(said.model_version),
            reason=None if said.reason is None else redact(said.reason),
        )

    def _triggers(self) -> Store:
        """Return the store; one that is not there yet has no trigger, and is not made for this."""
        with self._lock:
            if self._store is not None:
                return self._store
            opened = open_existing()
            if opened.url != "sqlite://":
                self._store = opened
            return opened

    def _fresh(self) -> dict[str, tuple[MonitorConfig, str]]:
        """Return each model's file and secret, of those whose hook is signed."""
        with self._lock:
            if self._read is None or time.monotonic() - self._read > FRESH_SECONDS:
                self._known = dict(self._hooks())
                self._read = time.monotonic()
            return self._known

    def _hooks(self) -> list[tuple[str, tuple[MonitorConfig, str]]]:
        found = []
        for path in monitor_files(self._monitors):
            config = _config(path)
            hook = None if config is None or config.retraining is None else config.retraining.hook
            secret = None if hook is None or hook.secret is None else secret_called(hook.secret)
            if config is not None and secret and is_usable(secret):
                found.append((config.model, (config, secret)))
        return found


def _config(path: Path) -> MonitorConfig | None:
    """Read a monitor file; None where it is wrong, or gone."""
    try:
        return config_now(path)
    except (OSError, MonitoringError):
        return None
