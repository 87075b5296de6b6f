"""What came true: the label of each sampled row, and how long it took to be known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.drafting.facts import Facts, observe
from monitoring_sdk.drafting.guess import Guess
from monitoring_sdk.drafting.keys import label_places
from monitoring_sdk.drafting.moments import Moments, ToUtc, find_moments
from monitoring_sdk.drafting.names import hint, strength
from monitoring_sdk.drafting.spans import seconds_between, share_labelled
from monitoring_sdk.errors import ConfigError, explain


@dataclass(frozen=True, slots=True)
class Truth:
    """Labels beside the sampled rows.

    Attributes
    ----------
    guesses : tuple of Guess
        Of `columns.label` and `columns.label_timestamp`.
    values : pa.Array or None
        The label of each row, null where it has none.
    facts : Facts or None
        What the labels hold.
    delays : array of float
        Seconds from prediction to label, NaN where that is not known.
    share : float or None
        Of the rows old enough for it, how many have a label; None where only some labels were read.
    """

    guesses: tuple[Guess, ...]
    values: Any = None
    facts: Facts | None = None
    delays: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    share: float | None = None


def label_inside(
    facts: Mapping[str, Facts], taken: Sequence[str], moments: Mapping[str, Moments]
) -> str | None:
    """Return the column of the prediction rows whose name says that it is the label."""
    named = [
        f
        for f in facts.values()
        if f.name not in taken
        and f.name not in moments
        and f.kind in ("number", "text", "boolean")
        and hint("label", f.name) is not None
        and hint("prediction", f.name) is None
        and hint("score", f.name) is None
    ]
    return min(named, key=lambda f: strength("label", f.name)).name if named else None


def truth_inside(
    rows: pa.Table, at: Moments, moments: Mapping[str, Moments], label: str, *, asked: bool
) -> Truth:
    """Read the labels that lie beside the predictions."""
    values = rows.column(label).combine_chunks()
    facts = observe(rows.select([label]))[label]
    guesses = [Guess("columns.label", label, "as asked" if asked else "by its name")]
    delays = np.full(rows.num_rows, np.nan)
    known = [m for m in moments.values() if hint("label_timestamp", m.column) is not None]
    if known:
        delays = seconds_between(at.at, known[0].at)
        guesses.append(Guess("columns.label_timestamp", known[0].written, known[0].form))
    else:
        guesses.append(_no_known())
    has = np.asarray(values.is_valid().to_numpy(zero_copy_only=False), bool)
    share = share_labelled(at.at, has, delays)
    return Truth(tuple(guesses), values, facts, delays, share)


def truth_elsewhere(
    rows: pa.Table,
    at: Moments,
    labels: pa.Table,
    ids: Sequence[str],
    to_utc: ToUtc,
    *,
    asked: str | None,
    complete: bool,
) -> Truth:
    """Join the labels of another source to the sampled rows.

    Parameters
    ----------
    ids : sequence of str
        The columns that name a row, in both.
    asked : str, optional
        The label's column, where the user says it.
    complete : bool
        Whether all labels were read: else a row without one may have one.

    Raises
    ------
    ConfigError
        When no column can be the label.
    """
    facts = observe(labels)
    moments = {n: m for n, m in find_moments(labels, to_utc).items() if n not in ids}
    label = _label_of(facts, [*ids, *moments], asked)
    known = min(
        (m for m in moments.values() if m.column != at.column),
        key=lambda m: strength("label_timestamp", m.column) + 0.5 * m.dates,
        default=None,
    )
    places = label_places(rows, labels, ids, None if known is None else known.at)
    taken = pa.array(places, mask=places < 0)
    values = labels.column(label.value).combine_chunks().take(taken)
    delays = np.full(rows.num_rows, np.nan)
    guesses = [label, _no_known()]
    if known is not None:
        delays = np.where(places < 0, np.nan, seconds_between(at.at, known.at[places]))
        guesses[1] = Guess("columns.label_timestamp", known.written, known.form)
    share = share_labelled(at.at, places >= 0, delays) if complete else None
    return Truth(tuple(guesses), values, facts[label.value], delays, share)


def _no_known() -> Guess:
    why = "no column says when a label became known: labels count as known at once"
    return Guess("columns.label_timestamp", None, why, sure=False)


def _label_of(facts: Mapping[str, Facts], taken: Sequence[str], asked: str | None) -> Guess:
    free = [
        f
        for f in facts.values()
        if f.name not in taken and f.kind in ("number", "text", "boolean") and f.present
    ]
    if asked is not None:
        if asked not in facts:
            raise ConfigError(
                explain("no such column", where="--label", got=asked, allowed=list(facts))
            )
        return Guess("columns.label", asked, "as asked")
    if not free:
        raise ConfigError(
            f"labels: no column can be the label; there are {', '.join(facts)}; "
            "name it with --label"
        )
    free.sort(key=lambda f: strength("label", f.name))
    named = hint("label", free[0].name) is not None
    if len(free) == 1:
        return Guess("columns.label", free[0].name, "the only column left in the labels")
    others = ", ".join(f.name for f in free[1:6])
    return Guess("columns.label", free[0].name, f"by its name, not {others}", sure=named)
