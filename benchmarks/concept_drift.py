"""How soon a bet on concept drift is won, how often for nothing, and what ADWIN does beside it.

    python -m benchmarks.concept_drift --runs 100

A binary model whose score is calibrated on 20 000 seeded reference rows; then 120 windows of 500
labelled rows. "stable": nothing changes. "covariate": the scores crowd towards the middle, each
with the outcomes that it always had. In the others a share of the labels is reversed from window 60
on. Ours bets on 0/1 error beyond the expected one; ADWIN (river, where
it is installed) watches the error itself, and the error less the expected one, at its default and
at a delta as strict as ours; an alarm of ADWIN counts only where the mean went up.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from monitoring_sdk.diagnosis.concept import (
    ConceptState,
    calibration_margin,
    expected_error,
)
from monitoring_sdk.diagnosis.losses import error_loss
from monitoring_sdk.estimation.calibration import fit_calibrator

REFERENCE, ROWS, WINDOWS, CHANGE = 20_000, 500, 120, 60
FLIPPED = {
    "stable": 0.0,
    "covariate": 0.0,
    "5 % of labels reversed": 0.05,
    "10 % of labels reversed": 0.1,
    "covariate, then 10 % reversed": 0.1,
    "all labels reversed": 1.0,
}


@dataclass(frozen=True)
class Stream:
    """Windows of errors and expected errors, shape (windows, rows), and each window's margin."""

    loss: NDArray[np.float64]
    expected: NDArray[np.float64]
    margin: list[float]


def labelled(
    n: int, rng: np.random.Generator, *, crowded: bool = False, flipped: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return scores and labels; the score is too sure of itself, as scores are."""
    line = rng.normal(0.2 if crowded else -0.8, 0.8 if crowded else 1.6, n)
    truth = rng.random(n) < expit(0.7 * line + 0.1)
    return expit(line), truth ^ (rng.random(n) < flipped)


def stream(case: str, seed: int, *, windows: int = WINDOWS) -> Stream:
    """Draw one stream."""
    rng = np.random.default_rng(seed)
    score, truth = labelled(REFERENCE, rng)
    calibrate = fit_calibrator(score, truth)
    own_loss = error_loss(truth, score > 0.5)
    losses, expectations, margins = [], [], []
    for w in range(windows):
        changed = w >= CHANGE
        crowded = case.startswith("covariate") and w >= CHANGE // 2
        now, label = labelled(ROWS, rng, crowded=crowded, flipped=FLIPPED[case] if changed else 0.0)
        losses.append(error_loss(label, now > 0.5))
        expectations.append(expected_error(calibrate(now), now > 0.5))
        margins.append(calibration_margin(score, own_loss, now))
    return Stream(np.array(losses), np.array(expectations), margins)


def ours(data: Stream) -> list[int]:
    """Return the windows in which the detector alarms."""
    state, alarms = ConceptState(), []
    for w, (loss, usual, margin) in enumerate(
        zip(data.loss, data.expected, data.margin, strict=True)
    ):
        state = state.update(loss, usual, margin=margin)
        if state.alarms:
            alarms.append(w)
    return alarms


def adwin(values: NDArray[np.float64], delta: float) -> list[int]:
    """Return the windows in which ADWIN finds that the mean went up."""
    from river.drift import ADWIN

    watch, alarms = ADWIN(delta=delta), []
    for w, window in enumerate(values):
        for value in window:
            before = watch.estimation
            watch.update(float(value))
            if watch.drift_detected and watch.estimation > before and w not in alarms:
                alarms.append(w)
    return alarms


def methods() -> dict[str, Callable[[Stream], list[int]]]:
    """Return what is compared; ADWIN only where it is installed."""
    out: dict[str, Callable[[Stream], list[int]]] = {"bet, alpha .001": ours}
    if importlib.util.find_spec("river") is None:
        print("river is not installed: no ADWIN", file=sys.stderr)
        return out
    out["ADWIN on errors, delta .002"] = lambda s: adwin(s.loss, 0.002)
    out["ADWIN beyond expected, delta .002"] = lambda s: adwin(s.loss - s.expected, 0.002)
    out["ADWIN beyond expected, delta 1e-5"] = lambda s: adwin(s.loss - s.expected, 1e-5)
    return out


def compare(runs: int) -> None:
    """Print for each case and method: false alarms, detections, median delay, CPU."""
    print(
        f"{runs} runs of {WINDOWS} windows x {ROWS} rows; outcomes change in window {CHANGE}\n\n"
        "| stream | method | runs with a false alarm | found | median windows to it | CPU a run |\n"
        "|---|---|---|---|---|---|"
    )
    for case, flipped in FLIPPED.items():
        data = [stream(case, seed) for seed in range(runs)]
        for name, method in methods().items():
            began = time.process_time()
            found = [method(one) for one in data]
            cost = (time.process_time() - began) / runs
            until = CHANGE if flipped else WINDOWS
            false = sum(any(w < until for w in alarms) for alarms in found)
            delays = [next((w - until + 1 for w in a if w >= until), None) for a in found]
            late = [d for d in delays if d is not None]
            text = f"{len(late)} of {runs} | {np.median(late):.0f}" if late else "- | -"
            print(f"| {case} | {name} | {false} of {runs} | {text} | {cost:.2f} s |", flush=True)


def validity(runs: int, looks: int) -> None:
    """Print how often the p-value ever passes alpha, and how rarely the detector alarms."""
    print(f"\n{runs} streams, {looks} looks each, nothing but inputs changed\n")
    for case in ("stable", "covariate"):
        lows, alarms = [], 0
        for seed in range(runs):
            data, state = stream(case, 10_000 + seed, windows=looks), ConceptState()
            for row in zip(data.loss, data.expected, data.margin, strict=True):
                state = state.update(row[0], row[1], margin=row[2])
                alarms += state.alarms
            lows.append(state.p_value)
        shares = ", ".join(f"{a:g}: {np.mean(np.array(lows) <= a):.3f}" for a in (0.05, 0.01))
        print(f"- {case}: share of streams whose p-value ever reached alpha ({shares});")
        print(f"  detector at 1 / .001: {alarms} alarms in {runs * looks} windows")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--looks", type=int, default=1000)
    args = parser.parse_args(arguments)
    compare(args.runs)
    validity(args.runs, args.looks)


if __name__ == "__main__":
    main()
