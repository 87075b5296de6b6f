"""The table of drift methods: one row each, and the one call that applies them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from monitoring_sdk.drift import levels, line, shares
from monitoring_sdk.drift.cells import ColumnGrid, Undefined
from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.profile.numeric import NumericProfile
from monitoring_sdk.profile.profile import ColumnProfile
from monitoring_sdk.value import Value

NUMERIC = frozenset({"numeric"})
CATEGORICAL = frozenset({"categorical"})
BOTH = NUMERIC | CATEGORICAL

# The smallest effects worth a page (DESIGN of the alarms): a location shift of .05 standard
# deviations, a share that moves by one point, nulls by .3 points, unseen levels by .1 %,
# distinct levels by a tenth.
SHIFT = 0.05
SHARE = 0.01
NULLS = 0.003
UNSEEN = 0.001
RATIO = 0.1

NO_LEVELS = "no level of this column is kept: privacy.drop_levels"


@dataclass(frozen=True)
class DriftMethod:
    """One way to say how far a window is from the reference.

    Parameters
    ----------
    name : str
    compute : callable
        ``compute(reference, current, grid) -> Value``; raises `Undefined` where it has no number.
    kinds : frozenset of str
        Kinds of column that it is meant for.
    family : str
        ``drift`` (zero for equal samples) or ``quality`` (a share of the current rows).
    noise : float
        With nothing changed, the value shrinks with the rows n like n ** -noise.
    floor : float
        The smallest effect worth a page, in the method's units; of `wasserstein`, in the
        reference's standard deviations (see `page_floor`).
    unit : str
    description : str
    direction : str
        Where bad values lie: ``above``, or ``both`` sides of what is usual.
    """

    name: str
    compute: Callable[[ColumnProfile, ColumnProfile, ColumnGrid], Value]
    kinds: frozenset[str]
    family: Literal["drift", "quality"]
    noise: float
    floor: float
    unit: str
    description: str
    direction: Literal["above", "both"] = "above"


# What a shift of a normal variable by d standard deviations, d small, makes of each distance:
# PSI d^2; KS and total variation d / sqrt(2 pi); Hellinger sqrt(d^2 / 8);
# Jensen-Shannon sqrt(d^2 / (8 ln 2)); Wasserstein d.
_ROWS = (
    DriftMethod(
        "psi", shares.psi, BOTH, "drift", 1.0, SHIFT**2, "nats",
        "Population stability index on the reference's deciles or levels",
    ),
    DriftMethod(
        "ks", line.ks, NUMERIC, "drift", 0.5, SHIFT / math.sqrt(2 * math.pi), "share",
        "Largest gap between the two distribution functions",
    ),
    DriftMethod(
        "jensen_shannon", shares.jensen_shannon, BOTH, "drift", 0.5,
        SHIFT / math.sqrt(8 * math.log(2)), "root of bits",
        "Jensen-Shannon distance (base 2) on the reference's deciles or levels",
    ),
    DriftMethod(
        "wasserstein", line.wasserstein, NUMERIC, "drift", 0.5, SHIFT, "units of the column",
        "Mean distance that values moved",
    ),
    DriftMethod(
        "wasserstein_sd", line.wasserstein_sd, NUMERIC, "drift", 0.5, SHIFT,
        "reference standard deviations",
        "Mean distance that values moved, over the reference's standard deviation",
    ),
    DriftMethod(
        "hellinger", shares.hellinger, BOTH, "drift", 0.5, SHIFT / math.sqrt(8), "distance",
        "Hellinger distance on the reference's deciles or levels",
    ),
    DriftMethod(
        "chi2", shares.chi2, BOTH, "drift", 0.0, 0.0, "statistic",
        "Two-sample chi-squared statistic, with its p-value",
    ),
    DriftMethod(
        "total_variation", shares.total_variation, BOTH, "drift", 0.5, SHARE, "share",
        "Share of rows that would have to change cell or level",
    ),
    DriftMethod(
        "l_infinity", shares.l_infinity, BOTH, "drift", 0.5, SHARE, "share",
        "Largest change of one cell's or level's share",
    ),
    DriftMethod(
        "null_share", shares.null_share, BOTH, "quality", 0.5, NULLS, "share",
        "Share of rows that are null or NaN",
    ),
    DriftMethod(
        "unseen_share", shares.unseen_share, CATEGORICAL, "quality", 0.5, UNSEEN, "share",
        "Share of values whose level the reference never had",
    ),
    DriftMethod(
        "distinct_ratio", levels.distinct_ratio, CATEGORICAL, "quality", 0.5, RATIO, "ratio",
        "Distinct levels over those that the reference has in so many rows", "both",
    ),
)  # fmt: skip

METHODS: Mapping[str, DriftMethod] = {row.name: row for row in _ROWS}

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "numeric": ("psi", "ks", "jensen_shannon", "wasserstein", "null_share"),
    "categorical": ("psi", "jensen_shannon", "total_variation", "null_share", "unseen_share"),
}


def drift(name: str, reference: ColumnProfile, current: ColumnProfile, grid: ColumnGrid) -> Value:
    """Say how far the current profile of a column is from the reference's, by a named method.

    Parameters
    ----------
    name : str
        One of `METHODS`.
    reference, current : NumericProfile or CategoricalProfile
        Both counted on `grid`.
    grid : NumericGrid or CategoricalGrid

    Returns
    -------
    Value
        Undefined, with the reason, where a sample has nothing to compare; never NaN.

    Raises
    ------
    ConfigError
        When there is no such method.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitoring_sdk.profile.grid import fit_numeric
    >>> from monitoring_sdk.profile.numeric import profile_numeric
    >>> grid = fit_numeric([0] * 11 + [1] * 9)
    >>> before, after = (profile_numeric(pa.array(x), grid) for x in ([0] * 11 + [1] * 9, [0, 1]))
    >>> round(drift("ks", before, after, grid).value, 6)
    0.05
    """
    method = METHODS.get(name)
    if method is None:
        raise ConfigError(explain("unknown drift method", got=name, allowed=list(METHODS)))
    if getattr(grid, "dropped", False) and name != "null_share":
        return Value.undefined(NO_LEVELS, n=current.rows)
    try:
        return method.compute(reference, current, grid)
    except Undefined as why:
        return Value.undefined(str(why), n=current.rows)


def page_floor(name: str, reference: ColumnProfile) -> float:
    """Return the smallest effect of a method that is worth a page, in the units of its value.

    Examples
    --------
    >>> from monitoring_sdk.profile.categorical import CategoricalProfile
    >>> import numpy as np
    >>> page_floor("l_infinity", CategoricalProfile(9, 0, np.array([9]), 0, 0))
    0.01
    """
    floor = METHODS[name].floor
    if name == "wasserstein" and isinstance(reference, NumericProfile):
        sd = reference.sd
        return floor * sd if sd is not None and math.isfinite(sd) else floor
    return floor
