"""The one pass: what it keeps of a large window stays small, and stays right."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from monitoring_sdk.preflight import duplicates
from monitoring_sdk.stages.kept_rows import every, some_ids


def test_systematic_samples_of_batches_are_those_of_the_whole():
    values = np.arange(1000)
    whole = values[::7]
    parts, seen = [], 0
    for size in (1, 6, 13, 500, 480):
        batch = pa.record_batch({"x": values[seen : seen + size]})
        parts.append(every(batch, seen, 7, ["x"]).column(0).to_numpy())
        seen += size
    assert np.concatenate(parts).tolist() == whole.tolist()


def test_a_sample_of_ids_keeps_every_repeat_of_those_it_keeps():
    ids = np.arange(30_000)
    twice = pa.record_batch({"id": np.concatenate([ids, ids])})
    kept = some_ids(twice, 5)
    assert 8_000 < kept.num_rows < 16_000
    assert duplicates([kept.column(0)]) * 2 == kept.num_rows
    assert some_ids(twice, 1) is twice
