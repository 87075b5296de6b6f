"""A test for concept drift that may be looked at after every label.

A row's loss, in [0, 1], is set against what its score led one to expect. A bettor who stakes the
share b of all he has on "worse than expected" holds

    prod_t (1 + b (loss_t - expected_t - margin))

after the rows t. Had outcomes gone on following the score, this would have a mean of 1 at most, and
by Ville's inequality would ever reach 1 / alpha with a chance of alpha at most, however often one
looks (Waudby-Smith and Ramdas, 2024, JRSS B 86). The stakes are the same for every row, so that the
expected loss has to be right only on average, and the order of the rows within a window does not
matter. Several stakes are averaged, small ones for small changes.

Two such bets are kept, both of which a change long after the start does not find ruined:

- `log_e_value`: a part 1 / (j (j + 1)) of the capital is first staked in window j. It is an
  e-value, and one over the largest so far a p-value that holds at every look since the start.
- `log_detector`: one unit more is staked in each window (Shiryaev-Roberts e-detector; Shin, Ramdas
  and Rinaldo, 2023, arXiv 2203.03532). The mean number of windows until it reaches 1 / alpha where
  nothing changed is at least 1 / alpha. Having reached it, it begins anew with the next window.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

STAKES = (0.01, 0.03, 0.08, 0.2, 0.5, 0.95, 2.0)
"""The last is beyond what a product can stake: it holds exp(b gap - b^2 / 8) (Hoeffding, 1963)."""
ALPHA = 0.001
SCORE_BINS = 10
_RUINED = (-math.inf,) * len(STAKES)


@dataclass(frozen=True, slots=True)
class ConceptState:
    """What the bets have come to; one window's rows after another's, nothing read twice.

    Parameters
    ----------
    alpha : float
        In (0, 1): the detector alarms at 1 / alpha.
    windows, rows : int
        Seen so far.
    evidence, detection : tuple of float
        Log capital of each stake, for the e-value and for the detector.
    peak : float
        Largest log e-value so far.

    Examples
    --------
    >>> state = ConceptState().update([0.0, 1.0] * 50, [0.5] * 100)
    >>> state.alarms, state.p_value
    (False, 1.0)
    >>> state.update([1.0] * 100, [0.2] * 100).alarms
    True
    """

    alpha: float = ALPHA
    windows: int = 0
    rows: int = 0
    evidence: tuple[float, ...] = _RUINED
    detection: tuple[float, ...] = _RUINED
    peak: float = 0.0

    @property
    def log_e_value(self) -> float:
        """Natural log of the e-value: evidence against "as the score says", since the start."""
        # What is not staked yet is still there.
        return float(np.logaddexp(_mean(self.evidence), -math.log(self.windows + 1)))

    @property
    def p_value(self) -> float:
        """A p-value that holds at every look since the start, in (0, 1]."""
        return math.exp(-self.peak)

    @property
    def log_detector(self) -> float:
        """Natural log of the detector; minus infinity before the first window."""
        return _mean(self.detection)

    @property
    def log_threshold(self) -> float:
        """Natural log of 1 / alpha."""
        return -math.log(self.alpha)

    @property
    def alarms(self) -> bool:
        """Whether the detector has reached 1 / alpha in the last window."""
        return self.log_detector >= self.log_threshold

    def update(
        self,
        losses: ArrayLike,
        expected: ArrayLike,
        *,
        margin: float = 0.0,
        dependence: float = 1.0,
    ) -> ConceptState:
        """Return the state after one more window's labelled rows.

        Parameters
        ----------
        losses, expected : array of float, shape (n,)
            In [0, 1]: what was lost, and what the score led one to expect.
        margin : float
            In [0, 1): how much worse than expected is no news; see `calibration_margin`.
        dependence : float
            >= 1: so many rows say as much as one independent row; see `design_effect`. The log
            capital of a window is divided by it, which keeps the mean at 1 at most for rows that
            depend on each other in groups of this size (Hoelder's inequality).

        Raises
        ------
        ValueError
            When a loss or an expectation is outside [0, 1], or an argument out of its range.
        """
        loss, usual = (np.asarray(v, np.float64) for v in (losses, expected))
        for name, values in (("losses", loss), ("expected", usual)):
            if values.shape != loss.shape or not ((values >= 0) & (values <= 1)).all():
                raise ValueError(f"concept drift: {name} must be numbers in [0, 1], one a row")
        if not 0 <= margin < 1 or not dependence >= 1:
            raise ValueError(f"concept drift: margin {margin}, dependence {dependence}")
        gap = loss - usual - margin
        # A stake on the worst row must leave something: 1 - b (1 + margin) > 0.
        stakes = np.minimum(STAKES[:-1], 0.95 / (1 + margin))
        growth = np.append(
            np.log1p(stakes[:, None] * gap).sum(axis=1),
            STAKES[-1] * gap.sum() - len(gap) * STAKES[-1] ** 2 / 8,
        )
        growth /= dependence
        j = self.windows + 1
        evidence = np.logaddexp(self.evidence, -math.log(j * (j + 1))) + growth
        before = _RUINED if self.alarms else self.detection
        detection = np.logaddexp(before, 0.0) + growth
        state = ConceptState(
            self.alpha,
            j,
            self.rows + len(loss),
            tuple(evidence.tolist()),
            tuple(detection.tolist()),
            self.peak,
        )
        return dataclasses.replace(state, peak=max(self.peak, state.log_e_value))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; a ruined stake is null."""
        out: dict[str, Any] = dataclasses.asdict(self)
        for name in ("evidence", "detection"):
            out[name] = [v if math.isfinite(v) else None for v in out[name]]
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ConceptState:
        """Read the JSON form back."""
        logs = {
            name: tuple(-math.inf if v is None else float(v) for v in data[name])
            for name in ("evidence", "detection")
        }
        return cls(**{**data, **logs})


def _mean(logs: tuple[float, ...]) -> float:
    """Return the log of the mean of what the logs stand for."""
    return float(np.logaddexp.reduce(logs)) - math.log(len(logs))


def expected_error(probability: ArrayLike, said: ArrayLike) -> NDArray[np.float64]:
    """Return the chance that each prediction is wrong.

    Parameters
    ----------
    probability : array of float, shape (n,)
        Calibrated, of the positive class, in [0, 1].
    said : array of bool, shape (n,)
        Where the positive class is predicted.

    Examples
    --------
    >>> expected_error([0.9, 0.25], [True, False]).round(2).tolist()
    [0.1, 0.25]
    """
    chance = np.asarray(probability, np.float64)
    return np.where(np.asarray(said, bool), 1 - chance, chance)


def calibration_margin(
    reference_score: ArrayLike,
    reference_loss: ArrayLike,
    score: ArrayLike,
    *,
    z: float = 2.0,
    floor: float = 0.005,
) -> float:
    """Return by how much a window's mean loss may pass its expectation by the fit's error alone.

    The mean losses of ten bins of equally many reference scores have standard errors s_b; a window
    with shares w_b of its scores in them has an expectation with the error sqrt(sum w_b^2 s_b^2).
    A window whose scores crowd where the reference had few is given more.

    Parameters
    ----------
    reference_score, reference_loss : array of float, shape (n,)
        What the expectation was fitted on; n >= 2.
    score : array of float, shape (m,)
        The window's.
    z, floor : float
        The margin is z standard errors, and no less than `floor`.
    """
    score_then, loss = (np.asarray(v, np.float64) for v in (reference_score, reference_loss))
    cuts = np.unique(np.quantile(score_then, np.arange(1, SCORE_BINS) / SCORE_BINS))
    bins = len(cuts) + 1
    then = np.searchsorted(cuts, score_then, side="right")
    now = np.searchsorted(cuts, np.asarray(score, np.float64), side="right")
    n = np.maximum(np.bincount(then, minlength=bins), 1)
    mean = np.bincount(then, weights=loss, minlength=bins) / n
    own = np.maximum(np.bincount(then, weights=loss**2, minlength=bins) / n - mean**2, 0)
    # A bin without a single error is not known to be free of them.
    variance = np.maximum(own, loss.var() / n)
    share = np.bincount(now, minlength=bins) / max(len(now), 1)
    return max(floor, z * math.sqrt(float((share**2 * variance / n).sum())))


def design_effect(gaps: ArrayLike, rows: ArrayLike, variance: float) -> float:
    """Return how many rows say as much as one independent row, >= 1.

    Where whole windows go well or badly together, their mean gaps spread more than rows that do
    not know of each other would: by this factor (Kish, 1965), in the mean over windows.

    Parameters
    ----------
    gaps : array of float, shape (w,)
        Mean of loss less expectation in each reference window.
    rows : array of int, shape (w,)
    variance : float
        Of loss less expectation over rows, > 0.

    Examples
    --------
    >>> round(design_effect([0.03, -0.03, 0.03, -0.03], [400] * 4, 0.09), 1)
    5.3
    """
    gap, n = np.asarray(gaps, np.float64), np.asarray(rows, np.float64)
    if len(gap) < 2 or variance <= 0:
        return 1.0
    centred = gap - np.average(gap, weights=n)
    return max(1.0, float((n * centred**2).sum() / (len(gap) - 1) / variance))
