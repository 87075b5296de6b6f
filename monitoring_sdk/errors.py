"""One tree of errors; each says where, what came, what is allowed, and the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def did_you_mean(name: object, allowed: Iterable[object]) -> str | None:
    """Return the allowed name nearest to `name`, or None when none is near.

    Examples
    --------
    >>> did_you_mean("acuracy", ["accuracy", "recall"])
    'accuracy'
    """
    near = difflib.get_close_matches(str(name), [str(a) for a in allowed], n=1, cutoff=0.6)
    return near[0] if near else None


def explain(
    what: str, *, where: str = "", got: object = None, allowed: Sequence[object] = ()
) -> str:
    """Write one line: where, what is wrong, what came, what is allowed, did you mean.

    Examples
    --------
    >>> explain("unknown metric", where="m.yaml: metrics.0", got="acc", allowed=["accuracy"])
    "m.yaml: metrics.0: unknown metric: got 'acc'; allowed: accuracy"
    """
    text = f"{where}: {what}" if where else what
    if got is not None:
        text += f": got {got!r}"
    if allowed:
        text += "; allowed: " + ", ".join(str(a) for a in allowed)
        near = did_you_mean(got, allowed)
        if near is not None and near != str(got):
            text += f"; did you mean {near}?"
    return text


class MonitoringError(Exception):
    """The root: anything that this project refuses or cannot do, in words for its user."""


class ConfigError(MonitoringError):
    """A monitor file or an argument is wrong; `problems` holds every fault found, a line each."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(self.problems))


class SourceError(MonitoringError):
    """A source cannot be reached or read, or lacks what the monitor needs."""


class BaselineError(MonitoringError):
    """A baseline is missing, corrupt, of another format, or does not fit the monitor."""


class StoreError(MonitoringError):
    """The store cannot be opened, is newer than this code, or another worker took the lease."""


class DeliveryError(MonitoringError):
    """A message or a hook was not delivered; `ambiguous` where it may have arrived all the same."""

    def __init__(self, text: str, *, ambiguous: bool = False, permanent: bool = False) -> None:
        super().__init__(text)
        self.ambiguous = ambiguous
        self.permanent = permanent
