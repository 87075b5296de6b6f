"""Whether a drop is explained rightly, and what saying so costs.

    python -m benchmarks.diagnosis --runs 100

1. 2 x 500 000 rows x 30 features, outcomes partly reversed in a segment of 5 %, inputs moved a
   little: CPU seconds of the whole diagnosis, and how well the named segment is the planted one.
2. The streams of `benchmarks.planted`: for each kind of shift so many seeded runs, the three
   streams and two sizes in turn. What each was called; how often the interval of the concept part
   (three standard errors) holds its true value; how often segments were found.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.planted import KINDS, STREAMS, draw
from monitoring_sdk.diagnosis.diagnose import diagnose
from monitoring_sdk.diagnosis.losses import Losses, clipped_log_loss
from monitoring_sdk.diagnosis.segments import segments
from monitoring_sdk.diagnosis.split import attribute, split_drop
from monitoring_sdk.matrix import Coder

SIZES = (5_000, 20_000)
COLUMNS = 30


def large(n: int, moved: bool, rng: np.random.Generator) -> tuple[Losses, NDArray[np.bool_]]:
    """Return rows of a model that misses a bend in x0, and which lie in the planted segment."""
    weights = np.random.default_rng(3).normal(size=COLUMNS - 1) * 0.35
    x = rng.standard_normal((n, COLUMNS - 1))
    if moved:
        x[:, 0] += 0.6
        x[:, 5] *= 1.2
    score = expit(x @ weights)
    chance = expit(x @ weights + 0.9 * np.abs(x[:, 0]) - 0.7)
    segment = (x[:, 3] > 1.0) & (x[:, 7] < -0.5)
    if moved:
        chance = np.where(segment, 0.6 * chance + 0.4 * (1 - chance), chance)
    loss = clipped_log_loss(rng.random(n) < chance, score)
    names = tuple(f"x{j}" for j in range(COLUMNS - 1))
    return Losses(loss, np.column_stack([x, score]), Coder((*names, "score"), (), ())), segment


def cost(rows: int, repeat: int) -> None:
    """Print what a diagnosis of large samples costs and finds."""
    rng = np.random.default_rng(3)
    reference, _ = large(rows, False, rng)
    current, segment = large(rows, True, rng)
    took = []
    for _ in range(repeat):
        began = time.process_time()
        found = diagnose(reference, current, seed=0)
        took.append(time.process_time() - began)
    print(f"2 x {rows} rows x {COLUMNS} features, {segment.mean():.1%} of rows bad")
    print(f"- CPU of the diagnosis, least of {repeat}: {min(took):.1f} s")
    print(f"- {found.kind}: {found.sentence}")
    for cell in found.cells:
        x = dict(zip(current.coder.names, current.matrix.T, strict=True))
        inside = np.ones(rows, bool)
        for words in cell.description.split(" and "):
            inside &= _holds(words.split(), x)
        both = (inside & segment).sum()
        print(
            f"- {cell.description}: z {cell.z:.0f}, {both / segment.sum():.0%} of the planted rows,"
        )
        print(f"  {both / inside.sum():.0%} of its rows planted, within {cell.within:.4f}")


def _holds(words: list[str], x: dict[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Read a condition on a number back, such as ``x3 >= 0.8`` or ``0.1 <= x3 < 0.8``."""
    if len(words) == 5:
        return (x[words[2]] >= float(words[0])) & (x[words[2]] < float(words[4]))
    name, sign, bound = words
    return x[name] >= float(bound) if sign == ">=" else x[name] < float(bound)


def truth(stream: str, kind: str) -> float:
    """Return the concept part on shared inputs, measured on rows enough."""
    if not KINDS[kind][1]:
        return 0.0
    found = split_drop(*draw(stream, kind, 200_000, 77)).concept.value
    assert found is not None
    return found


def planted(runs: int) -> None:
    """Print what each kind of shift was called."""
    print(f"\n{runs} runs of each kind, seeds 0 to {runs - 1}; streams {', '.join(STREAMS)}\n")
    heads = [*(f"called {kind}" for kind in KINDS), "interval holds", "with segments", "CPU a run"]
    print(f"| planted | mean loss | {' | '.join(heads)} |\n|---|---|{'---|' * len(heads)}")
    for kind in KINDS:
        called: Counter[str] = Counter()
        losses, began = [], time.process_time()
        true = {stream: truth(stream, kind) for stream in STREAMS}
        truths = time.process_time() - began
        held = celled = 0
        for seed in range(runs):
            stream = list(STREAMS)[seed % len(STREAMS)]
            samples = draw(stream, kind, SIZES[seed // len(STREAMS) % len(SIZES)], seed)
            found = split_drop(*samples, seed=seed)
            called[attribute(found)] += 1
            celled += bool(segments(*samples, seed=seed))
            assert found.concept.interval is not None
            held += found.concept.interval[0] <= true[stream] <= found.concept.interval[1]
            losses.append([x.loss.mean() for x in samples])
        before, after = np.mean(losses, axis=0)
        spent = (time.process_time() - began - truths) / runs
        counts = [*(str(called[k]) for k in KINDS), str(held), str(celled), f"{spent:.2f} s"]
        print(f"| {kind} | {before:.3f} to {after:.3f} | {' | '.join(counts)} |", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args(arguments)
    cost(args.rows, args.repeat)
    planted(args.runs)


if __name__ == "__main__":
    main()
