"""What a pass keeps of the rows beside their profile: some columns whole, and even samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

SAMPLE_ROWS = 100_000
"""Generated expectations look at a systematic sample of at most this many rows."""

TABLE_ROWS = 20_000
"""What needs whole rows looks at a systematic sample of at most this many."""

ID_ROWS = 1_000_000
"""Of windows with more rows, about this many are looked at for repeated ids."""


def every(batch: pa.RecordBatch, offset: int, step: int, columns: Sequence[str]) -> pa.RecordBatch:
    """Take the rows whose number in the whole window is a multiple of `step`."""
    first = -offset % step
    narrow = batch.select([c for c in columns if c in batch.schema.names])
    return narrow.take(pa.array(range(first, batch.num_rows, step), pa.int64()))


class KeptRows:
    """What a pass keeps of the rows beside their profile.

    Parameters
    ----------
    whole, sampled, ids, table : sequence of str
        The columns of every row, of even samples, beside the ids, and of whole rows.
    rows : int
        How many there are about.
    by : sequence of str
        The columns of the id.
    """

    def __init__(
        self,
        whole: Sequence[str],
        sampled: Sequence[str],
        ids: Sequence[str],
        table: Sequence[str],
        rows: int,
        by: Sequence[str],
    ) -> None:
        self._names = {"whole": whole, "samples": sampled, "ids": ids, "rows": table}
        self._step = {
            name: max(1, math.ceil(rows / most))
            for name, most in (("samples", SAMPLE_ROWS), ("rows", TABLE_ROWS), ("ids", ID_ROWS))
        }
        self._by = [name for name in by if name in ids]
        self._seen = 0
        self.whole: list[pa.RecordBatch] = []
        self.samples: list[pa.RecordBatch] = []
        self.ids: list[pa.RecordBatch] = []
        self.rows: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        names, step = self._names, self._step
        self.whole.append(batch.select([c for c in names["whole"] if c in batch.schema.names]))
        self.samples.append(every(batch, self._seen, step["samples"], names["samples"]))
        self.rows.append(every(batch, self._seen, step["rows"], names["rows"]))
        if names["ids"]:
            narrow = batch.select([c for c in names["ids"] if c in batch.schema.names])
            self.ids.append(some_ids(narrow, step["ids"], self._by))
        self._seen += batch.num_rows


def some_ids(batch: pa.RecordBatch, share: int, by: Sequence[str] | None = None) -> pa.RecordBatch:
    """Keep one id in `share`, chosen by its hash, so that an id's repeats stay together.

    Parameters
    ----------
    by : sequence of str, optional
        The columns of the id; all of the batch by default.
    """
    if share == 1:
        return batch
    import pandas as pd

    frame = (batch if by is None else batch.select(list(by))).to_pandas()
    marks = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return batch.filter(pa.array(marks % np.uint64(share) == 0))
