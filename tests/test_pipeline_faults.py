"""Faults of the pipeline benchmark: nothing changes before they begin, and something does after."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from benchmarks.pipeline_faults import FAULTS, START, plant
from benchmarks.pipeline_streams import KINDS, draw

STREAM = draw(dataclasses.replace(KINDS["service"], reference=2, later=START + 2, rows=80), 3)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_what_lies_before_it(name: str) -> None:
    found, first = plant(STREAM, name, 3).frame, STREAM.kind.reference + START
    before, after = (f[f["window"] < first] for f in (STREAM.frame, found))
    pd.testing.assert_frame_equal(before, after, check_dtype=False)
    late = [f[f["window"] >= first].reset_index(drop=True) for f in (STREAM.frame, found)]
    assert not late[0].equals(late[1])
    assert found["id"].is_unique


@pytest.mark.parametrize("name", KINDS)
def test_a_stream_has_as_many_rows_as_it_should(name: str) -> None:
    kind = dataclasses.replace(KINDS[name], reference=14, later=14)
    frame = draw(kind, 1).frame
    assert frame["at"].is_monotonic_increasing
    mean = kind.rows * (5 / 7 + 2 / 21 if kind.seasonal and kind.every == "1d" else 1.0)
    assert abs(len(frame) / 28 / mean - 1) < 0.15
    if kind.task == "binary":
        assert abs(frame["y_true"].mean() / kind.positives - 1) < 0.3
