"""Measure a window in all columns together: a value for each joint method, no verdict yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitoring_sdk.drift.joint import JOINT, OF_EMBEDDINGS, Joint, joint_drift, joint_floor
from monitoring_sdk.drift.methods import METHODS
from monitoring_sdk.matrix import Coder
from monitoring_sdk.measure import Measurement
from monitoring_sdk.profile.derived import PCA_ERROR
from monitoring_sdk.profile.joint import FEATURES, JointSpec
from monitoring_sdk.profile.numeric import NumericProfile
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.value import Value

MOST_ROWS = 20_000
"""Of either sample a classifier, or a kernel, looks at no more rows."""

OF_SAMPLES = tuple(name for name, row in JOINT.items() if row.needs in ("rows", "coded"))
"""The methods that need rows, which profiles do not keep."""

Asked = tuple[tuple[str, str], ...]
"""Methods with the vectors that each looks at: an embedding column, or `FEATURES`."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Rows of the reference and of the window, and how their features are coded."""

    reference: pa.Table
    current: pa.Table
    coder: Coder


def joint_methods(
    spec: JointSpec, wanted: Sequence[str] | None, limited: Iterable[str] = ()
) -> Asked:
    """Return the joint methods to compute, with the vectors that each looks at.

    By default the reconstruction error, and for each embedding the Frechet distance. A method of
    vectors that is asked for is computed for each embedding; where there is none, of the numeric
    features.

    Examples
    --------
    >>> joint_methods(JointSpec(), ["psi", "pca_error", "mmd"])
    (('pca_error', ''), ('mmd', ''))
    """
    names = ["pca_error", "frechet"] if wanted is None else [n for n in wanted if n in JOINT]
    found: list[tuple[str, str]] = []
    for name in dict.fromkeys([*names, *(n for n in limited if n in JOINT)]):
        if name in OF_EMBEDDINGS and (spec.embeddings or wanted is None):
            found += [(name, column) for column in spec.embeddings]
        elif name != "pca_error" or wanted is not None or spec.derived.pca is not None:
            found.append((name, FEATURES))
    return tuple(found)


def _sample(samples: Samples, spec: JointSpec, name: str, column: str) -> tuple[Joint, Joint]:
    """Return the two samples in the form that a method needs."""
    tables = [_some(t) for t in (samples.reference, samples.current)]
    if JOINT[name].needs == "coded":
        before, now = (samples.coder.matrix(t) for t in tables)
        kinds = samples.coder.is_category
        return Joint(coded=before, is_category=kinds), Joint(coded=now, is_category=kinds)
    if column == FEATURES:
        if spec.standard is None:
            return Joint(), Joint()
        rows = [spec.standard.rows(t)[0] for t in tables]
    else:
        form = spec.embeddings[column]
        rows = [
            np.concatenate([form.rows(chunk, column)[0] for chunk in t.column(column).chunks])
            for t in tables
            if column in t.column_names
        ]
        if len(rows) < 2:
            return Joint(), Joint()
    return Joint(rows=rows[0]), Joint(rows=rows[1])


def _some(table: pa.Table) -> pa.Table:
    """Return evenly spaced rows, at most `MOST_ROWS`."""
    if table.num_rows <= MOST_ROWS:
        return table
    return table.take(np.linspace(0, table.num_rows - 1, MOST_ROWS).astype(np.int64))


def _profiled(profile: Profile, spec: JointSpec, column: str) -> Joint:
    """Return what a profile tells of the features together, or of an embedding."""
    errors = profile.columns.get(PCA_ERROR)
    features = spec.standard is not None and column == FEATURES
    return Joint(
        column=errors if isinstance(errors, NumericProfile) else None,
        moments=profile.vectors.get(column),
        names=spec.standard.names if features and spec.standard is not None else (),
    )


def measure_joint(
    profile: Profile,
    reference: Profile,
    spec: JointSpec,
    asked: Asked,
    samples: Samples | None = None,
) -> tuple[Measurement, ...]:
    """Measure how far a window is from the reference in all columns together.

    Parameters
    ----------
    profile, reference : Profile
        Of the window, and of what it is compared with.
    spec : JointSpec
        The baseline's.
    asked : tuple
        From `joint_methods`.
    samples : Samples, optional
        Without them the methods that need rows are left out.

    Returns
    -------
    tuple of Measurement
        One for each method that can be looked at; undefined, with the reason, where it has no
        number. And of each embedding the share of vectors that are none.
    """
    found = []
    for name, column in asked:
        if name in OF_SAMPLES:
            if samples is None:
                continue
            before, now = _sample(samples, spec, name, column)
        else:
            before, now = (_profiled(p, spec, column) for p in (reference, profile))
        method = JOINT[name]
        found.append(
            Measurement(
                "drift",
                name,
                joint_drift(name, before, now),
                method.direction,
                column or None,
                noise=method.noise,
                floor=joint_floor(name, before),
                centred=method.centred,
            )
        )
    return (*found, *_bad_vectors(profile, spec))


def _bad_vectors(profile: Profile, spec: JointSpec) -> list[Measurement]:
    """Measure the share of vectors of which nothing could be told, for each embedding."""
    found = []
    method = METHODS["null_share"]
    for column in spec.embeddings:
        moments = profile.vectors.get(column)
        if moments is None or not moments.n + moments.bad:
            continue
        n, said = moments.n + moments.bad, None
        if moments.bad:
            said = f"{moments.bad} of {n} vectors are null, not finite or of another length"
        found.append(
            Measurement(
                "quality",
                "null_share",
                Value(moments.bad / n, said, n=n),
                method.direction,
                column,
                noise=method.noise,
                floor=method.floor,
                counted=True,
            )
        )
    return found
