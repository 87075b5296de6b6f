"""The dead man's switch outside: an address that hears of every run that looked."""

from __future__ import annotations

import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping

VARIABLE = "MONITORING_HEARTBEAT_URL"
SECONDS = 10


def of_each_model(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether each model has a heartbeat of its own: the address names `{model}`."""
    return "{model}" in (environ.get(VARIABLE) or "")


def beat(model: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Call the heartbeat's address, where there is one; return what went wrong, if anything.

    Whatever goes wrong is no fault of the run, and the address is a secret: neither is raised or
    told.

    Examples
    --------
    >>> beat("flights", {})
    >>> beat("flights", {"MONITORING_HEARTBEAT_URL": "nonsense"})
    'the heartbeat was not sent: not an http or https address'
    """
    address = environ.get(VARIABLE)
    if not address:
        return None
    address = address.replace("{model}", urllib.parse.quote(model, safe=""))
    if not address.startswith(("http://", "https://")):
        return "the heartbeat was not sent: not an http or https address"
    try:
        with urllib.request.urlopen(address, timeout=SECONDS):
            return None
    except urllib.error.HTTPError as error:
        return f"the heartbeat was not sent: status {error.code}"
    except Exception as error:
        return f"the heartbeat was not sent: {type(error).__name__}"
