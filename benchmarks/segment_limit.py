"""How often the best test there is would find 5 % of a segment's labels turned round.

    python -m benchmarks.segment_limit

By the lemma of Neyman and Pearson (1933) no test finds more, at equal false alarms, than the
likelihood ratio of the rows' labels under the changed and the unchanged law. It needs to know the
change and the law, which no monitor does. What it finds bounds every rule of `benchmarks.alarms`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.alarm_streams import regime, rows_of, schema

FLIPPED = 0.05
SEGMENTS = 20
SHARE = 0.2
"""Of the rows; four columns of five levels."""
WINDOWS = 30
"""In the period of a budget of one page."""
ROWS = (500, 5_000)
SPANS = (1, 3, 7)
_SCORES = 200_000


def information(score: NDArray[np.float64], flipped: float = FLIPPED) -> float:
    """Return how far a row's log likelihood ratio moves by the change, in its standard deviations.

    Parameters
    ----------
    score : array
        Calibrated probabilities of the label.
    flipped : float
        Share of labels that turn round.

    Examples
    --------
    >>> round(information(np.array([0.5])), 3), round(information(np.array([0.1])), 3)
    (0.0, 0.133)
    """
    changed = score + flipped * (1 - 2 * score)
    yes, no = np.log(changed / score), np.log((1 - changed) / (1 - score))
    usual, moved = (np.mean(p * yes + (1 - p) * no) for p in (score, changed))
    variance = np.mean(score * yes**2 + (1 - score) * no**2) - usual**2
    return float((moved - usual) / np.sqrt(variance)) if variance > 0 else 0.0


def rows_of_table(family: str = "A") -> Iterator[str]:
    """Yield the lines of the table."""
    of = schema(family)
    rng = np.random.default_rng(3)
    _, score, _ = rows_of(of, _SCORES, regime(of, 1, False, rng), 0, rng)
    each = information(score.astype(np.float64))
    yield "| rows | windows | moved by | one segment watched | all 20 watched |"
    yield "|---|---|---|---|---|"
    for n in ROWS:
        for span in SPANS:
            moved = each * np.sqrt(n * SHARE * span)
            # So many false pages a window that there is one in a period over all that is watched.
            found = [stats.norm.sf(stats.norm.isf(1 / WINDOWS / k) - moved) for k in (1, SEGMENTS)]
            yield f"| {n} | {span} | {moved:.1f} sd | {found[0]:.0%} | {found[1]:.0%} |"


if __name__ == "__main__":
    print("\n".join(rows_of_table()))
