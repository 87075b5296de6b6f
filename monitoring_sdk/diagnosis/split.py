"""How much of a change in mean loss came with the inputs, and how much with their outcomes.

DISDE (Cai, Namkoong and Yadlowsky, 2023, arXiv 2303.02011): with S the part of the inputs that
reference P and current Q share, density proportional to p q / (p + q),

    E_Q[loss] - E_P[loss] = (E_S[loss_P] - E_P[loss])        inputs, P -> S
                          + (E_S[loss_Q] - E_S[loss_P])      outcomes given the inputs, on S
                          + (E_Q[loss] - E_S[loss_Q])        inputs, S -> Q.

Means over S are weighted means over P and Q; the weights P(Q | x) and P(P | x), from the domain
classifier, are the overlap weights of Li, Morgan and Zaslavsky (2018, JASA 113). What a fitted
classifier fails to balance would pass for a change of outcomes, so a regression of the loss on the
features carries the mean, and the weights only its residuals: the middle term is right if either
model is (Robins, Rotnitzky and Zhao, 1994, JASA 89).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from monitoring_sdk.diagnosis.expected import Expected, expected_loss
from monitoring_sdk.diagnosis.losses import Floats, Losses
from monitoring_sdk.domain import tell_apart
from monitoring_sdk.value import Value

Kind = Literal["covariate", "concept", "mixed", "none"]

FEWEST_ROWS = 200
"""With fewer labelled rows in either sample nothing is split."""
FEWEST_SHARED, LEAST_OVERLAP = 100, 0.15
"""With fewer effective rows on the shared inputs, or a smaller overlap, the parts cannot be told
apart: a regularised classifier finds an overlap of a tenth where there is none."""
WIDTH = 3.0
"""Half of an interval, in standard errors."""
BLOCKS, DRAWS = 200, 500
FLOOR, MINOR = 0.005, 0.15
TERMS = ("total", "covariate", "concept", "into_shared", "out_of_shared")


@dataclass(frozen=True, slots=True)
class Split:
    """A change in mean loss and its parts; every `Value` with its interval.

    Attributes
    ----------
    total : Value
        Current less reference mean loss, in units of the loss; positive is worse.
    covariate : Value
        What the change of the inputs brought: `into_shared` + `out_of_shared`.
    concept : Value
        What the change of outcomes at the same inputs brought, on the shared inputs.
    into_shared, out_of_shared : Value
        The two parts of `covariate`: reference to shared inputs, shared to current ones.
    overlap : float or None
        Share of the inputs that both samples have: 1 where they are alike, 0 where apart.
    shared_rows : tuple of float
        Effective rows of reference and current on the shared inputs (Kish, 1965).
    rows : tuple of int
        Rows of reference and current that this rests on.
    means : tuple of float or None
        Mean loss of reference and current on these rows.
    """

    total: Value
    covariate: Value
    concept: Value
    into_shared: Value
    out_of_shared: Value
    overlap: float | None
    shared_rows: tuple[float, float]
    rows: tuple[int, int]
    means: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            **{name: value_to_dict(getattr(self, name)) for name in TERMS},
            "overlap": self.overlap,
            "shared_rows": list(self.shared_rows),
            "rows": list(self.rows),
            "means": None if self.means is None else list(self.means),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Split:
        """Read the JSON form back."""
        rest = {k: data[k] for k in ("shared_rows", "rows", "means")}
        pairs = {k: None if v is None else (v[0], v[1]) for k, v in rest.items()}
        read: dict[str, Any] = {name: value_from_dict(data[name]) for name in TERMS} | pairs
        return cls(**read, overlap=data["overlap"])


def value_to_dict(value: Value) -> dict[str, Any]:
    """Return the JSON form of a part."""
    interval = None if value.interval is None else list(value.interval)
    return {"value": value.value, "interval": interval, "n": value.n, "reason": value.reason}


def value_from_dict(data: Mapping[str, Any]) -> Value:
    """Read the JSON form of a part back."""
    interval = data["interval"]
    return Value(
        data["value"],
        data["reason"],
        interval=None if interval is None else (interval[0], interval[1]),
        n=data["n"],
    )


def split_drop(
    reference: Losses,
    current: Losses,
    *,
    seed: int = 0,
    expected: Expected | None = None,
) -> Split:
    """Split the change in mean loss from reference to current.

    Parameters
    ----------
    reference, current : Losses
        Labelled rows, coded by one `Coder`, in order of time.
    seed : int
    expected : Expected, optional
        Of these very rows, where it is at hand; else it is fitted here.

    Returns
    -------
    Split
        With intervals of three standard errors (99.7 %) on each side, by a Poisson bootstrap of
        200 blocks of neighbouring rows; the fitted models are held fixed. Undefined parts, with
        the reason, on too few rows or too few shared.

    Raises
    ------
    ImportError
        Without LightGBM, which the `pipeline` extra brings.
    """
    rows = (reference.n, current.n)
    if min(rows) < FEWEST_ROWS or not reference.coder.names:
        few = f"{min(rows)} labelled rows in one sample, fewer than {FEWEST_ROWS}"
        none = Value.undefined(few if reference.coder.names else "no features", n=min(rows))
        return Split(none, none, none, none, none, None, (0.0, 0.0), rows, None)
    if expected is None:
        expected = expected_loss(reference, current, seed=seed)
    kinds = reference.coder.is_category
    domain = tell_apart(reference.matrix, current.matrix, kinds, seed=seed)
    of_reference, of_current = domain.reference, 1 - domain.current
    shared = (_effective(of_reference), _effective(of_current))
    sums = (
        _block_sums(reference.loss, expected.reference, of_reference),
        _block_sums(current.loss, expected.current, of_current),
    )
    found = _terms(sums[0].sum(0), sums[1].sum(0))
    spread = _bootstrap(sums, seed).std(axis=0, ddof=1)
    values: dict[str, Any] = {
        k: _value(found[i], spread[i], min(rows)) for i, k in enumerate(TERMS)
    }
    overlap = min(1.0, float(of_reference.mean() + of_current.mean()))
    if min(shared) < FEWEST_SHARED or overlap < LEAST_OVERLAP:
        lost = Value.undefined(
            f"the samples share too few inputs: overlap {overlap:.2f}, "
            f"{min(shared):.0f} effective rows",
            n=min(rows),
        )
        values = {k: v if k == "total" else lost for k, v in values.items()}
    means = (float(reference.loss.mean()), float(current.loss.mean()))
    return Split(**values, overlap=overlap, shared_rows=shared, rows=rows, means=means)


def _effective(weight: Floats) -> float:
    """Return how many equally weighted rows say as much as the weighted ones."""
    return float(weight.sum() ** 2 / max(float(weight @ weight), 1e-300))


def _block_sums(loss: Floats, expected: Floats, weight: Floats) -> Floats:
    """Return per block of neighbours: rows, loss, weight, weighted residual and expectation."""
    columns = np.stack(
        [np.ones(len(loss)), loss, weight, weight * (loss - expected), weight * expected]
    )
    starts = np.arange(min(BLOCKS, len(loss))) * len(loss) // min(BLOCKS, len(loss))
    return np.add.reduceat(columns, starts, axis=1).T


def _terms(reference: Floats, current: Floats) -> Floats:
    """Return the terms, in the order of `TERMS`, from sums on the last axis."""
    rows, loss, weight, residual, expected = np.moveaxis(np.stack([reference, current]), -1, 0)
    mean, beyond = loss / rows, residual / weight
    # What both samples expect on the shared inputs is one number; the models make it two.
    common = (expected / weight).mean(axis=0)
    into, out = beyond[0] + common - mean[0], mean[1] - beyond[1] - common
    return np.stack([mean[1] - mean[0], into + out, beyond[1] - beyond[0], into, out], axis=-1)


def _bootstrap(sums: tuple[Floats, Floats], seed: int) -> Floats:
    """Return the terms of `DRAWS` samples with Poisson(1) copies of each block."""
    rng = np.random.default_rng(seed)
    drawn = []
    for block in sums:
        copies = rng.poisson(1.0, (DRAWS, len(block))).astype(np.float64)
        drawn.append(copies @ block)
    return _terms(drawn[0], drawn[1])


def _value(number: float, spread: float, n: int) -> Value:
    half = WIDTH * float(spread)
    return Value(float(number), interval=(float(number) - half, float(number) + half), n=n)


def attribute(split: Split, *, floor: float = FLOOR) -> Kind:
    """Name what moved the mean loss.

    A part counts when its interval leaves out zero, it is at least `floor`, and at least
    15 % of the larger part; both count: "mixed", neither: "none". Where the samples share too few
    inputs for a split, a total that counts is "covariate": that the inputs moved is all that can
    be said.

    Parameters
    ----------
    split : Split
    floor : float
        Smallest change that matters, in units of the loss, > 0.

    Examples
    --------
    >>> small, large = Value(0.001, interval=(-0.01, 0.012)), Value(0.05, interval=(0.03, 0.07))
    >>> attribute(Split(large, small, large, small, small, 1.0, (900, 900), (900, 900), None))
    'concept'
    """
    if not split.concept.defined:
        return "covariate" if split.total.defined and _counts(split.total, floor) else "none"
    sizes = [abs(part.value or 0.0) for part in (split.covariate, split.concept)]
    least = max(floor, MINOR * max(sizes))
    covariate, concept = _counts(split.covariate, least), _counts(split.concept, least)
    if covariate and concept:
        return "mixed"
    return "covariate" if covariate else "concept" if concept else "none"


def _counts(part: Value, floor: float) -> bool:
    assert part.value is not None
    assert part.interval is not None
    low, high = part.interval
    return abs(part.value) >= floor and (low > 0 or high < 0)
