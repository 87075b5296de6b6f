"""The alarm budget: so many false pages in so long, over all that is watched of a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.counts import fit_counts
from monitoring_sdk.alarms.evidence import table
from monitoring_sdk.alarms.fit import design_of, fit_design
from monitoring_sdk.alarms.judging import Alarms, Budget, CheckAlarm, Judgement
from monitoring_sdk.alarms.layout import lay_out, pools_of
from monitoring_sdk.alarms.mix import fit_mix
from monitoring_sdk.alarms.thresholds import thresholds
from monitoring_sdk.alarms.values import Values
from monitoring_sdk.alarms.watched import Watched
from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.window import parse_duration

__all__ = [
    "Alarms",
    "Budget",
    "CheckAlarm",
    "Judgement",
    "fit_alarms",
    "horizons_for",
    "parse_budget",
]

FEWEST_WINDOWS = 5
"""Fewer reference windows than this say too little of what is usual: there is no budget yet."""

_DAY = 86400
MOST_WINDOWS = 720
_BUDGET = re.compile(r"\s*(\d+(?:\.\d+)?)\s+per\s+(\S.*?)\s*")


def parse_budget(text: str) -> Budget:
    """Read a budget such as ``1 per 30d``.

    Raises
    ------
    ConfigError
        When it is not a number above 0, `per` and a length of time above 0.

    Examples
    --------
    >>> parse_budget("1 per 30d")
    Budget(pages=1.0, period=datetime.timedelta(days=30))
    """
    match = _BUDGET.fullmatch(str(text))
    if match is not None:
        found = Budget(float(match[1]), parse_duration(match[2]))
        if found.pages > 0 and found.period > timedelta():
            return found
    allowed = ["1 per 30d", "2 per 7d"]
    raise ConfigError(explain("not a budget of false pages", got=text, allowed=allowed))


def horizons_for(cadence_seconds: float, windows: int) -> tuple[int, ...]:
    """Return how many windows to look back on: one, a few, and a week or a day of them.

    Examples
    --------
    >>> horizons_for(86400, 60), horizons_for(3600, 672), horizons_for(86400, 6)
    ((1, 3, 7), (1, 6, 24), (1, 3))
    """
    day = round(_DAY / cadence_seconds)
    found = (1, 3, 7) if day < 8 else (1, day // 4, day)
    return tuple(w for w in found if w == 1 or 2 * w <= windows)


def _theory(windows: Sequence[Values], keys: Sequence[str]) -> NDArray[np.float64]:
    """Return the mean theoretical variance of each value, 0 where none knows it."""
    theory = table([Values(v.keys, v.theory, v.n, v.theory) for v in windows], keys)[0]
    seen = np.isfinite(theory) & (theory > 0)
    return np.where(seen, theory, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)


def fit_alarms(
    values: Sequence[Values | None],
    watched: Sequence[Watched],
    budget: Budget,
    cadence_seconds: float,
    phase: Sequence[int] | None = None,
    seed: int = 0,
) -> Alarms | None:
    """Set alarms from reference windows and a budget.

    Parameters
    ----------
    values : sequence of Values or None
        Of the reference windows, in order of time and without gaps: None for one that was not
        measured, or that belongs to an incident. The last 720 count.
    watched : sequence of Watched
    budget : Budget
    cadence_seconds : float
        The length of a window.
    phase : sequence of int, optional
        The phase of each window's season, from 0, such as the weekday.
    seed : int

    Returns
    -------
    Alarms or None
        None with fewer than five reference windows.
    """
    kept = list(values)[-MOST_WINDOWS:]
    at = None if phase is None else np.asarray(list(phase)[-MOST_WINDOWS:], dtype=np.int64)
    known = [v for v in kept if v is not None]
    if len(known) < FEWEST_WINDOWS:
        return None
    layout, keys = lay_out(watched), [w.key for w in watched]
    x, n = table(kept, keys)
    counts = fit_counts(x[:, layout.counted], n[:, layout.counted])
    x[:, layout.counted] = np.nan
    angles = np.array([w.scale == "share" for w in watched], dtype=bool)
    design = design_of(x, n, _theory(known, keys), pools_of(watched), at, angles)
    fit, residuals = fit_design(x, design)
    mix = fit_mix(residuals, design.n, fit, watched)
    layout = lay_out(watched, mix)
    span, pages = budget.span(cadence_seconds)
    horizons = horizons_for(cadence_seconds, len(known))
    found = thresholds(
        fit,
        counts,
        residuals,
        design,
        layout,
        budget_pages=pages,
        windows=span,
        horizons=horizons,
        seed=seed,
    )
    return Alarms(tuple(watched), fit, counts, found, budget, cadence_seconds, len(known), mix)
