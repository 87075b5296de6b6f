"""What dies with a pod: a store and baselines that nobody has named."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring_sdk.errors import MonitoringError

_LOST = {
    "MONITORING_STORE": "the store (such as postgresql://...)",
    "MONITORING_BASELINES": "baselines (such as s3://... or a mounted volume)",
}


def refuse_what_dies_with_the_pod(environ: Mapping[str, str]) -> None:
    """Refuse to run on Kubernetes with the default store or baselines.

    A path that is named is taken: it may be a mounted volume, which nobody can tell from here.

    Raises
    ------
    MonitoringError
        With every variable that has to be set.

    Examples
    --------
    >>> refuse_what_dies_with_the_pod({"MONITORING_BASELINES": ""})
    """
    if not environ.get("KUBERNETES_SERVICE_HOST"):
        return
    missing = [f"{name}: {what}" for name, what in _LOST.items() if not environ.get(name)]
    if missing:
        raise MonitoringError(
            "on Kubernetes the defaults die with the pod, so say where to keep "
            f"{'; '.join(missing)}"
        )
