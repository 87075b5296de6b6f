"""Joint drift and columns with many levels: false pages while nothing changes, and car_loan.

    python -m benchmarks.joint [--streams 20]

A stream has 40 reference windows and 40 later ones from the same process, of 200 to 2000 rows. A
page is a value beyond the far limit, or beyond the near one twice running.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitoring_sdk.alarms.provisional import Direction, ReferenceSeries, limits
from monitoring_sdk.drift.joint import JOINT, Joint, joint_drift, joint_floor
from monitoring_sdk.drift.levels import settle, unseen_elsewhere
from monitoring_sdk.drift.methods import DEFAULTS, METHODS, drift, page_floor
from monitoring_sdk.matrix import fit_coder
from monitoring_sdk.profile.categorical import (
    count_levels,
    empty_categorical,
    profile_categorical,
)
from monitoring_sdk.profile.grid import fit_categorical, fit_numeric
from monitoring_sdk.profile.numeric import profile_numeric
from monitoring_sdk.profile.reconstruction import fit_reconstruction
from monitoring_sdk.profile.vectors import fit_standard
from monitoring_sdk.value import Value

CASE = Path(__file__).parent.parent / "tests" / "reference" / "car_loan"
NUMERIC = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
CATEGORICAL = ("salary_range", "repaid_loan_on_prev_car", "size_of_downpayment")
REFERENCE, LATER = 40, 40
NAMES = tuple("abcdef")
LEVELS = np.array([f"L{i}" for i in range(5000)])
ZIPF = 1 / np.arange(1, 5001)


def pages(
    before: Sequence[Value],
    after: Sequence[Value],
    *,
    direction: Direction,
    noise: float,
    floor: float,
    centred: bool,
) -> tuple[int, int]:
    """Count the later values that page, and those that could be judged."""
    series = ReferenceSeries(tuple(v.value for v in before), tuple(v.n or 0 for v in before))
    paged = judged = 0
    passed = False
    for value in after:
        if value.value is None:
            continue
        found = limits(
            series,
            n=value.n or 0,
            direction=direction,
            noise=noise,
            floor=floor,
            centred=centred,
        )
        near = any(limit.passed(value.value) for limit in found)
        far = any(limit.far_passed(value.value) for limit in found)
        paged += (near and passed) or far
        judged += bool(found)
        passed = near
    return paged, judged


def features(rng: np.random.Generator, n: int, *, heavy: bool) -> np.ndarray:
    """Six columns, three of them related; with `heavy`, one of them log-normal."""
    x = rng.normal(size=(n, len(NAMES)))
    x[:, 1] += x[:, 0]
    x[:, 2] += 0.5 * x[:, 0]
    if heavy:
        x[:, 5] = np.exp(x[:, 5])
    return x


def _table(x: np.ndarray) -> pa.Table:
    return pa.table({name: x[:, j] for j, name in enumerate(NAMES)})


def joint_stream(seed: int, *, heavy: bool) -> dict[str, tuple[int, int]]:
    """Return pages and judged windows of each joint method on one stream."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(200, 2000, REFERENCE + LATER)
    windows = [features(rng, int(n), heavy=heavy) for n in sizes]
    whole = np.concatenate(windows[:REFERENCE])
    standard = fit_standard(_table(whole), NAMES)
    pca = fit_reconstruction(_table(whole), NAMES, [])
    assert pca is not None
    grid = fit_numeric(pca.error(_table(whole).to_batches()[0]))

    def joint(x: np.ndarray) -> Joint:
        error = pa.array(pca.error(_table(x).to_batches()[0]))
        return Joint(
            column=profile_numeric(error, grid),
            moments=standard.moments(_table(x)),
            names=NAMES,
            rows=standard.rows(_table(x))[0],
            coded=x,
            is_category=np.zeros(len(NAMES), dtype=bool),
        )

    sample = whole[rng.permutation(len(whole))[:5000]]
    rows = standard.rows(_table(sample))[0]
    reference = dataclasses.replace(joint(whole), coded=sample, rows=rows)
    found = {}
    for name, row in JOINT.items():
        values = [joint_drift(name, reference, joint(x)) for x in windows]
        found[name] = pages(
            values[:REFERENCE],
            values[REFERENCE:],
            direction=row.direction,
            noise=row.noise,
            floor=joint_floor(name, reference),
            centred=row.centred,
        )
    return found


def levels_stream(seed: int, n: int, draw: Callable[..., Sequence[str]]) -> tuple[int, int]:
    """Return pages and judged values of the default category methods and `distinct_ratio`."""
    rng = np.random.default_rng(seed)
    windows = [pa.array(draw(rng, n, w)) for w in range(REFERENCE + LATER)]
    counts: Counter[str] = Counter()
    for window in windows[:REFERENCE]:
        counts.update(count_levels(window))
    grid = fit_categorical(counts, salt="s", smallest=n)
    reference = [profile_categorical(w, grid) for w in windows[:REFERENCE]]
    own = unseen_elsewhere(reference)
    grid = settle(grid, reference)
    total = empty_categorical(grid)
    for profile in reference:
        total = total.merge(profile)
    later = [profile_categorical(w, grid) for w in windows[REFERENCE:]]
    paged = judged = 0
    for name in (*DEFAULTS["categorical"], "distinct_ratio"):
        row = METHODS[name]
        before = [drift(name, total, p, grid) for p in reference]
        if name == "unseen_share" and grid.closed:
            before = list(own)
        found = pages(
            before,
            [drift(name, total, p, grid) for p in later],
            direction=row.direction,
            noise=row.noise,
            floor=page_floor(name, total),
            centred=row.family == "quality",
        )
        paged, judged = paged + found[0], judged + found[1]
    return paged, judged


DRAWS: dict[str, Callable[..., Sequence[str]]] = {
    "5000 levels, Zipf": lambda rng, n, w: rng.choice(LEVELS, n, p=ZIPF / ZIPF.sum()),
    "5000 levels, equal": lambda rng, n, w: rng.choice(LEVELS, n),
    "ids new in each window": lambda rng, n, w: [f"{w}/{i // 3}" for i in range(n)],
}


def car_loan() -> None:
    """Print the domain classifier's AUC beside NannyML's, chunk by chunk."""
    table = pq.read_table(CASE / "predictions.parquet").sort_by("timestamp")
    chunks = json.loads((CASE / "nannyml_domain_classifier.json").read_text())["chunks"]
    coder = fit_coder(table.slice(0, 50_000), NUMERIC, CATEGORICAL)
    rows = coder.matrix(table.slice(0, 50_000))
    order = np.random.default_rng(0).permutation(len(rows))
    for most in (5_000, 20_000):
        apart, flags, started = [], 0, time.process_time()
        for i, chunk in enumerate(chunks):
            sample = rows[order[order // 5000 != i][:most]]
            now = coder.matrix(table.slice(5000 * i, 5000))
            found = joint_drift(
                "domain_classifier_auc",
                Joint(coded=sample, is_category=coder.is_category),
                Joint(coded=now, is_category=coder.is_category),
            )
            theirs = chunk["domain_classifier_auroc"]
            assert found.value is not None
            apart.append(abs(found.value - theirs["value"]))
            flags += (found.value > 0.65) == theirs["alert"]
        seconds = (time.process_time() - started) / len(chunks)
        print(
            f"{most:6d} reference rows: largest difference of the AUC {max(apart):.3f}, "
            f"mean {np.mean(apart):.3f}; the same verdict on {flags} of {len(chunks)} chunks; "
            f"{seconds:.2f} s of CPU a chunk"
        )


def main() -> None:
    """Print pages per judged window, then car_loan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=20)
    streams = parser.parse_args().streams
    for heavy in (False, True):
        print(f"joint methods, six columns{', one log-normal' if heavy else ''}: pages / judged")
        runs = [joint_stream(seed, heavy=heavy) for seed in range(streams)]
        for name in JOINT:
            print(f"  {name:24s} {_total([run[name] for run in runs])}")
    print("category columns, default methods and distinct_ratio: pages / judged")
    for what, draw in DRAWS.items():
        for n in (500, 5000):
            runs_of = [levels_stream(seed, n, draw) for seed in range(streams)]
            print(f"  {what:24s} n = {n:5d}  {_total(runs_of)}")
    print("car_loan: domain classifier beside NannyML's")
    car_loan()


def _total(found: Sequence[tuple[int, int]]) -> str:
    paged, judged = (sum(x) for x in zip(*found, strict=True))
    return f"{paged:4d} / {judged}"


if __name__ == "__main__":
    main()
