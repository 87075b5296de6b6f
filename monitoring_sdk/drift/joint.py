"""Joint drift: how columns go together, and how embeddings are spread, which no column shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitoring_sdk.domain import tell_apart
from monitoring_sdk.drift import spread
from monitoring_sdk.drift.cells import Undefined
from monitoring_sdk.drift.methods import SHIFT
from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.profile.numeric import NumericProfile
from monitoring_sdk.profile.vectors import VectorMoments
from monitoring_sdk.value import Value

Floats = NDArray[np.float64]
Needs = Literal["column", "moments", "rows", "coded"]

# A shift of each component by d standard deviations, d small, makes of the Frechet distance d, and
# of MMD with the median's bandwidth about d^2 / 4.
CORRELATION = 0.05
AUC = 0.05
RECONSTRUCTION = 0.05

_Z = float(ndtri(0.975))


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """What joint methods look at, of one sample; what is not at hand is None.

    Parameters
    ----------
    column : NumericProfile, optional
        The derived column `pca_error`.
    moments : VectorMoments, optional
        Of the standardised numeric columns, or of an embedding column.
    names : tuple of str
        The components of `moments`.
    rows : array of float64, shape (n, d), optional
        A sample of the vectors; rows with NaN or an infinity are left out.
    coded : array of float64, shape (n, d), optional
        A sample of the feature rows, from one `Coder`.
    is_category : array of bool, shape (d,), optional
        Which columns of `coded` hold codes of levels.
    """

    column: NumericProfile | None = None
    moments: VectorMoments | None = None
    names: tuple[str, ...] = ()
    rows: Floats | None = None
    coded: Floats | None = None
    is_category: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class JointMethod:
    """One way to say how far two samples are from each other in all columns together.

    Parameters
    ----------
    name : str
    compute : callable
        ``compute(reference, current, seed) -> Value``; raises `Undefined`.
    needs : str
        The field of `Joint` that it looks at.
    noise : float
        With nothing changed, the value departs from its usual level like n ** -noise.
    centred : bool
        Whether it has a usual level of its own (an error, an AUC), rather than shrinking to 0.
    direction : str
        Where bad values lie.
    floor : float
        The smallest effect worth a page, in the method's units; of `pca_error`, in the
        reference's standard deviations (see `joint_floor`).
    unit : str
    description : str
    """

    name: str
    compute: Callable[[Joint, Joint, int], Value]
    needs: Needs
    noise: float
    centred: bool
    direction: Literal["above", "both"]
    floor: float
    unit: str
    description: str


def _pca_error(reference: Joint, current: Joint, seed: int) -> Value:
    """Mean reconstruction error of the current rows, >= 0, with its normal interval."""
    column = current.column
    assert column is not None
    if column.mean is None or column.sd is None:
        raise Undefined("no row of the current window has a reconstruction error")
    if not np.isfinite([column.mean, column.sd]).all():
        raise Undefined("the reconstruction error is more than a float can hold")
    half = _Z * column.sd / column.count**0.5
    interval = (max(0.0, column.mean - half), column.mean + half) if half > 0 else None
    return Value(column.mean, interval=interval, n=column.count)


def _correlation_change(reference: Joint, current: Joint, seed: int) -> Value:
    assert reference.moments is not None
    assert current.moments is not None
    return spread.correlation_change(reference.moments, current.moments, current.names)


def _frechet(reference: Joint, current: Joint, seed: int) -> Value:
    assert reference.moments is not None
    assert current.moments is not None
    return spread.frechet(reference.moments, current.moments)


def _mmd(reference: Joint, current: Joint, seed: int) -> Value:
    assert reference.rows is not None
    assert current.rows is not None
    return spread.mmd(reference.rows, current.rows, seed=seed)


def _domain_classifier_auc(reference: Joint, current: Joint, seed: int) -> Value:
    """AUC, cross-fitted, of a classifier of reference against current rows; a half: the same."""
    before, now, kinds = reference.coded, current.coded, current.is_category
    assert before is not None
    assert now is not None
    kinds = np.zeros(now.shape[1], dtype=bool) if kinds is None else kinds
    least = min(len(before), len(now))
    if least < spread.LEAST_ROWS:
        raise Undefined(f"needs {spread.LEAST_ROWS} rows of either sample, got {least}")
    try:
        domain = tell_apart(before, now, kinds, seed=seed)
    except ImportError as error:
        raise Undefined(str(error)) from None
    return spread.auc(domain.reference, domain.current)


_ROWS = (
    JointMethod(
        "pca_error", _pca_error, "column", 0.5, True, "both", RECONSTRUCTION, "standard deviations",
        "Mean distance of a row to its reconstruction from the reference's main components",
    ),
    JointMethod(
        "correlation_change", _correlation_change, "moments", 0.5, False, "above", CORRELATION,
        "correlation", "Largest change of the correlation of two numeric columns",
    ),
    JointMethod(
        "frechet", _frechet, "moments", 0.5, False, "above", SHIFT, "reference standard deviations",
        "Frechet distance between two normal distributions with the samples' mean and covariance",
    ),
    JointMethod(
        "mmd", _mmd, "rows", 1.0, False, "above", SHIFT**2 / 4, "squared distance",
        "Squared maximum mean discrepancy (RBF, median bandwidth), with a permutation p-value",
    ),
    JointMethod(
        "domain_classifier_auc", _domain_classifier_auc, "coded", 0.5, True, "above", AUC, "AUC",
        "How well a classifier tells reference from current rows; .5 is not at all",
    ),
)  # fmt: skip

JOINT: Mapping[str, JointMethod] = {row.name: row for row in _ROWS}

OF_EMBEDDINGS = ("frechet", "mmd")
"""The methods that are computed for each embedding column."""

_WANTED: Mapping[Needs, str] = {
    "column": "the derived column pca_error",
    "moments": "mean and covariance of the vectors",
    "rows": "a sample of the vectors",
    "coded": "a sample of the rows",
}


def joint_drift(name: str, reference: Joint, current: Joint, *, seed: int = 0) -> Value:
    """Say how far one sample is from another in all columns together, by a named method.

    Parameters
    ----------
    name : str
        One of `JOINT`.
    reference, current : Joint
    seed : int
        The same input and seed give the same value.

    Returns
    -------
    Value
        Undefined, with the reason, where something is missing; never NaN.

    Raises
    ------
    ConfigError
        When there is no such method.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> joint_drift("mmd", Joint(rows=x), Joint(rows=x + 1)).p_value < 0.01
    True
    """
    method = JOINT.get(name)
    if method is None:
        raise ConfigError(explain("unknown joint method", got=name, allowed=list(JOINT)))
    for which, side in (("reference", reference), ("current window", current)):
        if getattr(side, method.needs) is None:
            return Value.undefined(f"needs {_WANTED[method.needs]} of the {which}")
    try:
        return method.compute(reference, current, seed)
    except Undefined as why:
        return Value.undefined(str(why), n=_size(method.needs, current))


def _size(needs: Needs, side: Joint) -> int:
    if needs == "column":
        return side.column.count if side.column is not None else 0
    if needs == "moments":
        return side.moments.n if side.moments is not None else 0
    sample = side.rows if needs == "rows" else side.coded
    return 0 if sample is None else len(sample)


def joint_floor(name: str, reference: Joint) -> float:
    """Return the smallest effect of a method that is worth a page, in the units of its value."""
    floor = JOINT[name].floor
    sd = reference.column.sd if name == "pca_error" and reference.column is not None else None
    return floor * sd if sd is not None and np.isfinite(sd) else floor
