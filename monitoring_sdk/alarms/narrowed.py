"""The same alarms for some of their values: a verdict on labels has no use for those of columns."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.counts import CountFit
from monitoring_sdk.alarms.judging import Alarms

_SHARED = ("phi",)
"""Of a fit, what all values have in common."""


def narrowed(alarms: Alarms, kept: NDArray[np.bool_]) -> Alarms:
    """Return alarms that judge some of the values just as before, and none of the others.

    Parameters
    ----------
    alarms : Alarms
    kept : array of bool, shape (K,)
        All that is watched of the columns' distributions or nothing of it.
    """
    if kept.all():
        return alarms
    layout, fit, thresholds = alarms.layout, alarms.fit, alarms.thresholds
    energies: NDArray[np.bool_] = np.any(layout.members[kept] > 0, axis=0)
    unit_of = layout.unit_of[np.append(kept, energies)]
    of_units = np.isin(np.arange(len(layout.starts)), unit_of)
    of_counts = kept[layout.counted]
    mix = alarms.mix
    if mix is not None and not energies[-len(mix.columns) :].all():
        mix = None
    elif mix is not None:
        mix = dataclasses.replace(mix, at=np.cumsum(kept)[mix.at] - 1)
    own = {f.name: getattr(fit, f.name) for f in dataclasses.fields(fit)}
    counts = alarms.counts
    return dataclasses.replace(
        alarms,
        watched=tuple(w for w, one in zip(alarms.watched, kept, strict=True) if one),
        fit=type(fit)(**{k: v if k in _SHARED else v[..., kept] for k, v in own.items()}),
        counts=CountFit(counts.hits[of_counts], counts.rows[of_counts], counts.bunch[of_counts]),
        thresholds=dataclasses.replace(
            thresholds,
            unit_scale=thresholds.unit_scale[:, of_units],
            centre=thresholds.centre[:, energies],
            spread=thresholds.spread[:, energies],
        ),
        mix=mix,
    )
