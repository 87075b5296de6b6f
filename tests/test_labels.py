"""Labels: the latest known one wins, whatever the order, the batches and the types."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_sdk import label_stream, labels
from monitoring_sdk.errors import SourceError
from monitoring_sdk.label_due import filled_labels_due, labels_due
from monitoring_sdk.labels import ResolvedLabels, resolve
from monitoring_sdk.metrics.labelled import labelled
from monitoring_sdk.metrics.table import metric
from monitoring_sdk.window import Window

CASE = Path(__file__).parent / "reference" / "car_loan"
T0 = datetime(2020, 1, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def seen(
    ids: list[Any],
    rows: list[tuple[Any, Any, Any]],
    as_of: datetime | None = None,
    *,
    whole: bool = False,
) -> ResolvedLabels:
    """Resolve rows of (id, label, timestamp), one batch a row, so that batches must not matter."""
    table = pd.DataFrame(rows, columns=["id", "y", "t"])
    table["t"] = pd.to_datetime(table["t"], utc=True)
    parts = [table] if whole else [table.iloc[[i]] for i in range(len(table))] or [table]
    return resolve(
        pd.DataFrame({"id": ids}),
        parts,
        id_columns=["id"],
        label="y",
        label_timestamp="t",
        as_of=as_of,
    )


@pytest.fixture(scope="module")
def messy() -> tuple[pd.DataFrame, pa.Table, dict[str, Any]]:
    expected = json.loads((CASE / "labels_messy_expected.json").read_text())
    predictions = pd.read_parquet(CASE / "predictions.parquet")
    return predictions, pq.read_table(CASE / "labels_messy.parquet"), expected


def messy_resolved(part: pd.DataFrame, table: pa.Table, **options: Any) -> ResolvedLabels:
    return resolve(
        part,
        table.to_batches(max_chunksize=10_000),
        id_columns=["id"],
        label="y_true",
        label_timestamp="label_timestamp",
        **options,
    )


def judge(part: pd.DataFrame, found: ResolvedLabels, expected: dict[str, Any]) -> None:
    rows = labelled(found.label, prediction=part["y_pred"], score=part["y_pred_proba"], positive=1)
    assert metric("accuracy", rows).value == pytest.approx(expected["accuracy"], abs=1e-12)
    assert metric("roc_auc", rows).value == pytest.approx(expected["roc_auc"], abs=1e-12)


def test_messy_labels_resolve_as_a_whole(messy: Any) -> None:
    predictions, table, expected = messy
    found = messy_resolved(predictions, table)
    counts = found.counts
    assert counts.label_rows == expected["rows"]
    assert counts.duplicates == expected["exact_duplicate_rows"]
    assert counts.orphan_ids == expected["orphan_ids"]
    assert counts.conflicts == expected["ids_with_conflicting_labels"]
    assert counts.rows - counts.labelled == expected["predictions_never_labelled"]
    assert counts.labelled + counts.orphan_ids == expected["distinct_ids"]
    clean = predictions[["id"]].merge(pd.read_parquet(CASE / "labels.parquet"), on="id")
    known = found.label.is_valid().to_numpy(zero_copy_only=False)
    assert found.label.drop_null().to_pylist() == clean["y_true"][known].tolist()


@pytest.mark.parametrize("period", ["reference", "analysis"])
def test_messy_labels_by_period(messy: Any, period: str) -> None:
    predictions, table, expected = messy
    part = predictions[predictions["period"] == period]
    found = messy_resolved(part, table)
    assert found.counts.labelled == expected["whole"][period]["n"]
    judge(part, found, expected["whole"][period])


@pytest.mark.parametrize("step", range(6))
def test_messy_labels_as_of(messy: Any, step: int) -> None:
    predictions, table, expected = messy
    case = expected["as_of"][step]
    moment = pd.Timestamp(case["as_of"], tz="UTC").to_pydatetime()
    inside = (predictions["period"] == case["period"]) & (
        predictions["timestamp"] < pd.Timestamp(case["as_of"])
    )
    part = predictions[inside]
    found = messy_resolved(part, table, as_of=moment)
    assert found.counts.rows == case["n_predictions"]
    assert found.counts.labelled == case["n_labelled"]
    judge(part, found, case)


def test_a_label_counts_from_its_very_moment_on() -> None:
    rows = [(1, 0, at(1)), (1, 1, at(2))]
    before = seen([1], rows, at(1) - timedelta(microseconds=1))
    assert before.label.to_pylist() == [None]
    assert before.counts.late == 2
    assert seen([1], rows, at(1)).label.to_pylist() == [0]
    assert seen([1], rows, at(2)).label.to_pylist() == [1]
    assert seen([1], rows, at(2).replace(tzinfo=None)).label.to_pylist() == [1]
    assert seen([1], rows).label_timestamp.to_pylist() == [at(2)]


def test_the_later_row_wins_on_equal_timestamps() -> None:
    assert seen([1], [(1, 0, at(1)), (1, 1, at(1))]).label.to_pylist() == [1]
    assert seen([1], [(1, 1, at(1)), (1, 0, at(1))]).label.to_pylist() == [0]


def test_what_is_no_label_and_what_joins_nothing_is_counted() -> None:
    found = seen(
        [1, 2, None, 2],
        [
            (1, None, at(3)),
            (1, 1, at(1)),
            (1, 1, at(1)),
            (None, 1, at(1)),
            (9, 1, at(1)),
            (9, 0, at(2)),
            (2, 0, None),
            (2, 1, at(1)),
            (2, 0, at(2)),
        ],
    )
    counts = found.counts
    assert found.label.to_pylist() == [1, 0, None, 0]
    assert (counts.null_labels, counts.null_ids, counts.undated) == (1, 1, 1)
    assert (counts.orphans, counts.orphan_ids) == (2, 1)
    assert (counts.duplicates, counts.conflicts) == (1, 1)
    assert (counts.null_prediction_ids, counts.duplicate_predictions) == (1, 1)
    assert found.coverage == 0.75


@pytest.mark.parametrize(
    "left",
    [
        pa.array([1, 2, None]),
        pa.array([1, 2, None], pa.uint8()),
        pa.array([1.0, 2.0, None]),
        pa.array(["1", "2", None]),
        pa.array(["1", "2", ""]).dictionary_encode(),
        pa.array([Decimal(1), Decimal(2), None]),
        pa.array([b"1", b"2", None]),
    ],
    ids=lambda a: str(a.type),
)
@pytest.mark.parametrize(
    "right",
    [
        pa.array([2, None, 7]),
        pa.array([2.0, None, 7.5]),
        pa.array(["2", "", "07"]),
        pa.array([b"2", None, b"7"]),
        pa.array([Decimal("2.0"), None, Decimal("7.0")]),
    ],
    ids=lambda a: str(a.type),
)
def test_ids_join_whatever_their_types(left: pa.Array, right: pa.Array) -> None:
    found = resolve(
        pa.table({"id": left}),
        [pa.table({"id": right, "y": [1, 1, 1]})],
        id_columns=["id"],
        label="y",
    )
    assert found.label.to_pylist() == [None, 1, None]
    assert (found.counts.null_ids, found.counts.orphans) == (1, 1)


def test_text_ids_are_compared_as_they_stand() -> None:
    found = resolve(
        pd.DataFrame({"id": ["01", "1", " 1"]}),
        [pd.DataFrame({"id": ["1"], "y": ["b"]})],
        id_columns=["id"],
        label="y",
    )
    assert found.label.to_pylist() == [None, "b", None]


def test_ids_of_several_columns() -> None:
    found = resolve(
        pd.DataFrame({"a": [1, 1, 2, None], "b": ["x", "y", "x", "x"], "c": [0, 0, 1, 0]}),
        [
            pd.DataFrame(
                {
                    "b": ["y", "x", "y", "x", "x"],
                    "a": ["1", "2", "2", None, "2"],
                    "c": [0, 1, 0, 0, 0],
                    "y": [5, 6, 7, 8, 9],
                }
            )
        ],
        id_columns=["a", "b", "c"],
        label="y",
    )
    assert found.label.to_pylist() == [None, 5, 6, None]
    assert (found.counts.orphans, found.counts.null_ids) == (2, 1)
    assert found.counts.null_prediction_ids == 1


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        (pa.array([1_577_836_800, 1_577_840_400]), "s"),
        (pa.array([1_577_836_800_000.0, 1_577_840_400_000.0]), "ms"),
        (pa.array([1_577_836_800 * 10**9, 1_577_840_400 * 10**9]), "ns"),
        (pa.array(["2020-01-01T00:00:00Z", "2020-01-01 03:00:00+02:00"]), None),
        (pa.array([at(0), at(1)], pa.timestamp("ns", "America/New_York")), None),
        (pa.array([datetime(2020, 1, 1), datetime(2020, 1, 1, 1)], pa.timestamp("s")), None),
    ],
    ids=lambda v: str(getattr(v, "type", v)),
)
def test_timestamps_of_every_kind(column: pa.Array, unit: str | None) -> None:
    found = resolve(
        pa.table({"id": [1, 2]}),
        [pa.table({"id": [1, 2], "y": [1, 0], "t": column})],
        id_columns=["id"],
        label="y",
        label_timestamp="t",
        unit=unit,
        as_of=at(0.5),
    )
    assert found.label.to_pylist() == [1, None]
    assert found.label_timestamp.to_pylist() == [at(0), None]


def test_errors_say_which_column() -> None:
    predictions = pd.DataFrame({"id": [1]})
    table = pd.DataFrame({"id": [1], "y": [1], "n": [5], "text": ["soon"]})
    arguments: dict[str, Any] = {"id_columns": ["id"], "label": "y"}
    with pytest.raises(SourceError, match=r"labels: no such column.*'z'"):
        resolve(predictions, [table], id_columns=["id"], label="z")
    with pytest.raises(SourceError, match="predictions: no such column"):
        resolve(predictions, [table], id_columns=["text"], label="y")
    with pytest.raises(SourceError, match="n: numbers as times need a unit"):
        resolve(predictions, [table], label_timestamp="n", **arguments)
    with pytest.raises(SourceError, match="text: not a column of times"):
        resolve(predictions, [table], label_timestamp="text", **arguments)


def test_nothing_at_all() -> None:
    empty = resolve(pd.DataFrame({"id": []}), [], id_columns=["id"], label="y")
    assert len(empty.label) == 0
    assert empty.coverage is None
    none = resolve(pd.DataFrame({"id": [1, 2]}), [], id_columns=["id"], label="y")
    assert none.label.to_pylist() == [None, None]
    assert none.coverage == 0.0
    assert seen([], [(1, 1, at(0))]).counts.orphans == 1


ROWS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2, 3, 9, None]), st.sampled_from([0, 1, None]), st.integers(0, 4)
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(rows=ROWS, as_of=st.integers(-1, 5), cut=st.integers(0, 25))
def test_any_table_resolves_as_the_rule_says(
    rows: list[tuple[Any, Any, int]], as_of: int, cut: int
) -> None:
    ids = [3, 1, 0, 1, None, 7]
    expected: dict[Any, tuple[int, int]] = {}
    for name, label, hours in rows:
        if name is None or label is None or hours > as_of:
            continue
        if name not in expected or hours >= expected[name][0]:
            expected[name] = (hours, label)
    table = pa.table(
        {
            "id": pa.array([r[0] for r in rows], pa.int64()),
            "y": pa.array([r[1] for r in rows], pa.int64()),
            "t": pa.array([at(r[2]) for r in rows], pa.timestamp("us", "UTC")),
        }
    )
    found = resolve(
        pd.DataFrame({"id": ids}),
        [table.slice(0, cut), table.slice(cut)],
        id_columns=["id"],
        label="y",
        label_timestamp="t",
        as_of=at(as_of),
    )
    assert found.label.to_pylist() == [expected.get(i, (0, None))[1] for i in ids]
    assert found.counts.orphans == sum(
        1 for r in rows if r[0] in (2, 9) and r[1] is not None and r[2] <= as_of
    )


@settings(max_examples=80, deadline=None)
@given(rows=ROWS, cutoffs=st.lists(st.integers(-1, 5), min_size=6, max_size=6))
def test_each_prediction_has_the_label_of_its_own_moment(
    rows: list[tuple[Any, Any, int]], cutoffs: list[int]
) -> None:
    ids = [3, 1, 0, 1, None, 7]
    table = [(name, label, at(hours)) for name, label, hours in rows]
    moments = [
        (at(h) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for h in cutoffs
    ]
    history = seen(ids, table).history
    by_moment = {h: seen(ids, table, at(h), whole=True).label.to_pylist() for h in set(cutoffs)}
    expected = [by_moment[h][i] for i, h in enumerate(cutoffs)]
    assert history.known_by(np.array(moments)).to_pylist() == expected


def test_the_newest_row_of_the_table_counts_whatever_it_says() -> None:
    rows = [(1, 0, at(1)), (9, None, at(3)), (None, 1, at(4)), (1, 1, at(6)), (1, 1, None)]
    assert seen([1], rows).newest == at(6)
    assert seen([1], rows, at(5)).newest == at(4)
    assert seen([1], rows, at(0)).newest is None


def test_small_batches_and_changing_types_make_no_difference(monkeypatch: Any) -> None:
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"id": rng.integers(0, 50, 200), "y": rng.integers(0, 2, 200)})
    predictions = pd.DataFrame({"id": range(60)})
    whole = resolve(predictions, [table], id_columns=["id"], label="y")
    monkeypatch.setattr(labels, "CHUNK_ROWS", 7)
    parts: list[pd.DataFrame] = [table.iloc[i : i + 5] for i in range(0, 200, 5)]
    parts[3] = parts[3].astype({"id": str})
    parts[4] = parts[4].astype({"y": float})
    pieces = resolve(predictions, parts, id_columns=["id"], label="y")
    assert pieces.label.to_pylist() == whole.label.to_pylist()
    assert pieces.counts == whole.counts
    assert pieces.fingerprint == whole.fingerprint


class TestFingerprint:
    """A verdict is revised exactly when the labels seen change."""

    ROWS = ((1, 0, at(1)), (2, 1, at(2)), (9, 1, at(1)))

    def test_order_repeats_orphans_and_what_is_not_seen_change_nothing(self) -> None:
        mark = seen([1, 2, 3], list(self.ROWS)).fingerprint
        assert seen([3, 2, 1], list(self.ROWS)[::-1]).fingerprint == mark
        assert seen([1, 2, 3], [*self.ROWS, *self.ROWS]).fingerprint == mark
        assert seen([1, 2, 3], list(self.ROWS)[:2]).fingerprint == mark
        assert seen([1, 2, 3], [*self.ROWS, (3, 1, at(9))], at(8)).fingerprint == mark
        assert seen([1, 2, 3], [(1, 1, at(0)), *self.ROWS]).fingerprint == mark

    def test_a_new_a_corrected_or_an_exchanged_label_changes_it(self) -> None:
        marks = [
            seen([1, 2, 3], rows).fingerprint
            for rows in (
                [],
                list(self.ROWS),
                [*self.ROWS, (3, 0, at(3))],
                [*self.ROWS, (1, 1, at(3))],
                [(1, 1, at(1)), (2, 0, at(2))],
                [(1, "a", at(1)), (2, "b", at(2))],
            )
        ]
        assert len(set(marks)) == len(marks)

    def test_it_is_the_same_in_every_process_and_version(self) -> None:
        rows: list[tuple[Any, Any, Any]] = [("a", "yes", at(1)), ("b", "no", at(1))]
        assert seen(["a", "b"], rows).fingerprint == "2-ba16964ddecb78813d6ad1928abce4ea"
        assert seen([1, 2], list(self.ROWS)).fingerprint == "2-2b3b99ae65aaea19cf2fcfadf565167d"


def test_orphan_ids_are_not_counted_without_end(monkeypatch: Any) -> None:
    monkeypatch.setattr(label_stream, "ORPHAN_IDS", 10)
    many = pd.DataFrame({"id": range(100), "y": [1] * 100})
    found = resolve(pd.DataFrame({"id": [0]}), [many], id_columns=["id"], label="y")
    assert found.counts.orphan_ids is None
    assert found.counts.orphans == 99


def test_memory_does_not_grow_with_the_label_table(monkeypatch: Any) -> None:
    monkeypatch.setattr(label_stream, "ORPHAN_IDS", 1000)

    def peak(count: int) -> int:
        arrow = 0

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal arrow
            for i in range(count):
                ids = np.arange(i * 50_000, (i + 1) * 50_000)
                yield pa.record_batch({"id": ids, "y": ids % 2})
                arrow = max(arrow, pa.total_allocated_bytes())

        tracemalloc.start()
        found = resolve(pd.DataFrame({"id": range(1000)}), batches(), id_columns=["id"], label="y")
        numpys = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.coverage == 1.0
        assert found.counts.label_rows == count * 50_000
        return arrow + numpys

    few = peak(20)
    # Keeping the ids alone would add 16 MB.
    assert peak(60) < few + 4e6


@pytest.mark.parametrize("text", [False, True])
def test_a_million_predictions_and_labels_take_seconds(text: bool) -> None:
    n = 1_000_000
    rng = np.random.default_rng(0)
    left, right = pa.array(rng.permutation(n)), pa.array(rng.permutation(n))
    if text:
        left = left.cast(pa.string())
    table = pa.table({"id": right, "y": rng.integers(0, 2, n), "t": rng.integers(0, 10**9, n)})
    start = time.process_time()
    found = resolve(
        pa.table({"id": left}),
        table.to_batches(max_chunksize=131_072),
        id_columns=["id"],
        label="y",
        label_timestamp="t",
        unit="s",
    )
    assert found.coverage == 1.0
    assert time.process_time() - start < 10  # about 1.3 s; a loop over rows takes far longer


def test_a_million_rows_are_asked_at_moments_of_their_own_in_seconds() -> None:
    n = 1_000_000
    rng = np.random.default_rng(0)
    table = pa.table({"id": rng.permutation(n), "y": rng.integers(0, 2, n)})
    table = table.append_column("t", pa.array(rng.integers(0, 10**9, n)))
    found = resolve(
        pa.table({"id": rng.permutation(n)}),
        [table],
        id_columns=["id"],
        label="y",
        label_timestamp="t",
        unit="s",
    )
    start = time.process_time()
    known = found.history.known_by(np.full(n, 5 * 10**14))
    assert 0.45 < 1 - known.null_count / n < 0.55
    assert time.process_time() - start < 8  # about 1 s


WEEK = Window(at(0), at(24 * 7))
DELAY, GIVE_UP = timedelta(days=2), timedelta(days=14)


@pytest.mark.parametrize(
    ("days", "coverage", "state"),
    [
        (0, 1.0, "pending"),
        (1.999, 1.0, "pending"),
        (2, 0.9, "ready"),
        (2, 0.899, "waiting"),
        (13.999, 0.0, "waiting"),
        (14, 0.0, "given_up"),
        (14, 0.95, "ready"),
        (30, 0.5, "given_up"),
        (2, None, "ready"),
    ],
)
def test_when_labels_are_due(days: float, coverage: float | None, state: str) -> None:
    due = labels_due(WEEK, WEEK.end + timedelta(days=days), DELAY, 0.9, GIVE_UP, coverage)
    assert due.state == state
    assert due.judged == (state in ("ready", "given_up"))
    assert due.reason


def test_without_an_end_it_waits_on() -> None:
    due = labels_due(WEEK, WEEK.end + timedelta(days=999), DELAY, 0.9, None, 0.8996)
    assert due.state == "waiting"
    assert due.reason == "89.9 % of the labels are known, 90.0 % are asked for"


@pytest.mark.parametrize(
    ("days", "newest", "state"),
    [
        (1.9, 9, "pending"),
        (2, 8, "ready"),
        (2, 7.99, "waiting"),
        (30, 7.99, "waiting"),
        (30, None, "waiting"),
    ],
)
def test_when_a_missing_label_says_something(days: float, newest: Any, state: str) -> None:
    """Labels of the week are due on day 9; a table of daily writes is not stale on day 8."""
    last = None if newest is None else at(24 * newest)
    as_of = WEEK.end + timedelta(days=days)
    due = filled_labels_due(WEEK, as_of, DELAY, timedelta(days=1), last)
    assert due.state == state
    undated = filled_labels_due(WEEK, as_of, DELAY, timedelta(days=1), None, dated=False)
    assert undated.state == ("pending" if state == "pending" else "ready")
