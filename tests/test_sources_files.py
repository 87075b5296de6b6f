"""Files: windows, pruning, schemas that change, damage; what a scan must never do silently."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring_sdk.adapters.sources import delimited, listing, parquet_files
from monitoring_sdk.adapters.sources.source import open_source, read_table
from monitoring_sdk.adapters.sources.timestamps import Span, to_utc
from monitoring_sdk.config_sections import Partition, SourceSpec, TimestampColumn
from monitoring_sdk.errors import SourceError
from monitoring_sdk.window import Cadence, Window, parse_time

TS = TimestampColumn(column="ts")
DAY = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
EDGES = [
    datetime(2013, 6, 2, 23, 59, 59, 999999),
    datetime(2013, 6, 3),
    datetime(2013, 6, 3, 12),
    datetime(2013, 6, 3, 23, 59, 59, 999999),
    datetime(2013, 6, 4),
    None,
]


def write(path: Path, columns: dict, **options) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


def rows(spec: SourceSpec | str, columns, *, window=DAY, timestamp=TS, **options) -> list[dict]:
    source = open_source(SourceSpec.model_validate(spec) if isinstance(spec, str) else spec)
    return read_table(source, columns, window=window, timestamp=timestamp, **options).to_pylist()


def as_type(moments, kind: str):
    utc = pa.array(moments, pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    if kind == "naive us":
        return pa.array(moments, pa.timestamp("us")), None
    if kind == "naive ns":
        return pa.array(moments, pa.timestamp("us")).cast(pa.timestamp("ns")), None
    if kind == "New York":
        return utc.cast(pa.timestamp("us", "America/New_York")), None
    if kind == "text":
        return pa.array([None if m is None else m.isoformat(" ") for m in moments]), None
    if kind == "text with offset":
        shifted = [None if m is None else m + timedelta(hours=5, minutes=30) for m in moments]
        return pa.array([None if m is None else m.isoformat() + "+05:30" for m in shifted]), None
    if kind == "dictionary":
        return as_type(moments, "text")[0].dictionary_encode(), None
    unit = kind.split()[-1]
    return utc.cast(pa.timestamp(unit, "UTC"), safe=False).cast(pa.int64()), unit


@pytest.mark.parametrize(
    "kind",
    ["naive us", "naive ns", "New York", "text", "text with offset", "dictionary", "int us"],
)
@pytest.mark.parametrize("row_group_size", [1, 100])
def test_window_keeps_its_start_and_leaves_its_end(tmp_path, kind, row_group_size):
    moments, unit = as_type(EDGES, kind)
    path = write(
        tmp_path / "a.parquet", {"ts": moments, "i": range(6)}, row_group_size=row_group_size
    )
    column = TimestampColumn(column="ts", unit=unit)
    source = open_source(SourceSpec(path=path))
    assert rows(path, ["i"], timestamp=column) == [{"i": 1}, {"i": 2}, {"i": 3}]
    assert source.count(DAY, column) == 3
    assert source.count(None, None) == 6
    low, high = source.bounds(column)
    assert (low, high) == (EDGES[0].replace(tzinfo=UTC), EDGES[4].replace(tzinfo=UTC))


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_epoch_numbers_count_their_unit(tmp_path, unit):
    whole = [datetime(2013, 6, 2, 23, 59, 59), *EDGES[1:3], datetime(2013, 6, 4)]
    moments, _ = as_type(whole, f"int {unit}")
    path = write(tmp_path / "a.parquet", {"ts": moments, "i": range(4)})
    column = TimestampColumn(column="ts", unit=unit)
    assert [r["i"] for r in rows(path, ["i"], timestamp=column)] == [1, 2]
    with pytest.raises(SourceError, match="unit"):
        rows(path, ["i"])


def test_a_day_of_23_hours_holds_its_rows(tmp_path):
    hours = [datetime(2013, 3, 9, 5, tzinfo=UTC) + timedelta(hours=h) for h in range(72)]
    local = pa.array(hours, pa.timestamp("us", "America/New_York"))
    path = write(tmp_path / "a.parquet", {"ts": local, "i": range(72)})
    days = Cadence("1d", "America/New_York").windows(hours[0], hours[-1])
    assert [len(rows(path, ["i"], window=w)) for w in days] == [24, 23, 24]


def test_rows_without_a_moment_are_counted_by_the_footers_near_a_window(tmp_path):
    later = [DAY.end + timedelta(hours=h) for h in range(3)]
    near = [None, DAY.start.replace(tzinfo=None), None]
    write(tmp_path / "a.parquet", {"ts": pa.array(near, pa.timestamp("us")), "i": range(3)})
    write(tmp_path / "b.parquet", {"ts": pa.array([*later, None]), "i": range(4)})
    source = open_source(SourceSpec(path=str(tmp_path)))
    assert source.undated(DAY, TS) == 2
    assert source.undated(None, TS) == 3
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "a.csv").write_text("ts,i\n2013-06-03 01:00:00,1\n,2\n")
    assert open_source(SourceSpec(path=str(tmp_path / "csv"))).undated(DAY, TS) is None


def test_until_is_inside_and_needs_no_window(tmp_path):
    path = write(tmp_path / "a.parquet", {"ts": pa.array(EDGES, pa.timestamp("us")), "i": range(6)})
    found = rows(path, ["i"], window=None, until=DAY.end)
    assert [r["i"] for r in found] == [0, 1, 2, 3, 4]
    assert [r["i"] for r in rows(path, ["i"], until=DAY.start)] == [1]


def test_corrupt_folder_outside_the_window_is_never_opened(tmp_path):
    at = pa.array([datetime(2013, 6, 3, 1)], pa.timestamp("us"))
    write(tmp_path / "dt=2013-06-03" / "a.parquet", {"ts": at, "i": [7]})
    bad = tmp_path / "dt=2013-05-31" / "a.parquet"
    bad.parent.mkdir()
    bad.write_bytes(b"PAR1 but no footer")
    spec = SourceSpec(path=str(tmp_path), partition=Partition(column="dt"))
    assert rows(spec, ["i", "dt"]) == [{"i": 7, "dt": "2013-06-03"}]
    assert open_source(spec).count(DAY, TS) == 1
    with pytest.raises(SourceError, match=r"dt=2013-05-31/a\.parquet"):
        rows(SourceSpec(path=str(tmp_path)), ["i"])
    bad.rename(tmp_path / "dt=2013-06-03" / "b.parquet")
    with pytest.raises(SourceError, match=r"dt=2013-06-03/b\.parquet"):
        rows(spec, ["i"])


def test_folders_of_local_dates_and_of_months_are_kept(tmp_path):
    at = pa.array([datetime(2013, 6, 3, 1)], pa.timestamp("us"))
    write(tmp_path / "local" / "dt=2013-06-02" / "a.parquet", {"ts": at, "i": [1]})
    write(tmp_path / "month" / "m=201306" / "a.parquet", {"ts": at, "i": [2]})
    write(tmp_path / "month" / "m=201308" / "a.parquet", {"ts": at, "i": [3]})
    local = SourceSpec(path=str(tmp_path / "local"), partition=Partition(column="dt"))
    month = SourceSpec(path=str(tmp_path / "month"), partition=Partition(column="m", format="%Y%m"))
    assert rows(local, ["i"]) == [{"i": 1}]
    assert rows(month, ["i", "m"]) == [{"i": 2, "m": 201306}]


def test_only_row_groups_of_the_window_are_read(tmp_path, monkeypatch):
    at = pa.array([DAY.start + timedelta(hours=6 * h) for h in range(-4, 8)])
    path = write(tmp_path / "a.parquet", {"ts": at, "i": range(12)}, row_group_size=2)
    asked = []
    real = parquet_files.read_groups

    def spy(place, entry, groups, columns, batch_rows):
        asked.append((list(groups), list(columns)))
        return real(place, entry, groups, columns, batch_rows)

    monkeypatch.setattr(parquet_files, "read_groups", spy)
    assert [r["i"] for r in rows(path, ["i"])] == [4, 5, 6, 7]
    assert asked == [([2, 3], ["i", "ts"])]
    asked.clear()
    assert open_source(SourceSpec(path=path)).count(DAY, TS) == 4
    assert asked == []


def test_fingerprint_changes_with_the_windows_own_rows_alone(tmp_path):
    path = tmp_path / "a.parquet"
    source = open_source(SourceSpec(path=str(path)))
    at = [DAY.start + timedelta(hours=12 * h) for h in range(6)]
    later = Window(DAY.end, DAY.end + timedelta(days=1))

    def both(moments, values):
        write(path, {"ts": moments, "x": values}, row_group_size=2)
        return source.fingerprint(DAY, TS), source.fingerprint(later, TS)

    first = both(at[:4], [1.0, 2.0, 3.0, 4.0])
    grown = both(at, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    corrected = both(at, [1.0, 2.5, 3.0, 4.0, 5.0, 6.0])
    assert first == grown
    assert corrected[0] != grown[0]
    assert corrected[1] == grown[1]


def test_fingerprint_of_csv_changes_with_the_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("ts,x\n2013-06-03 01:00:00,1\n")
    source = open_source(SourceSpec(path=str(path)))
    before = source.fingerprint(DAY, TS)
    assert source.fingerprint(DAY, TS) == before
    path.write_text("ts,x\n2013-06-03 01:00:00,1\n2013-06-03 01:00:00,2\n")
    assert source.fingerprint(DAY, TS) != before


def test_schemas_that_change_are_unified(tmp_path):
    at = pa.array([datetime(2013, 6, 3, 1)], pa.timestamp("us"))
    text = pa.array(["2013-06-03T02:00:00Z"])
    write(tmp_path / "a.parquet", {"ts": at, "x": pa.array([1], pa.int32()), "k": [1]})
    write(tmp_path / "b.parquet", {"ts": text, "x": [1.5], "y": ["q"], "k": ["one"]})
    write(tmp_path / "_temporary" / "c.parquet", {"ts": at, "x": [9]})
    write(tmp_path / ".d.parquet", {"ts": at, "x": [9]})
    found = rows(str(tmp_path), ["x", "y", "k"])
    assert found == [{"x": 1.0, "y": None, "k": "1"}, {"x": 1.5, "y": "q", "k": "one"}]
    source = open_source(SourceSpec(path=str(tmp_path)))
    assert {b.schema for b in source.scan(["x", "k"], window=DAY, timestamp=TS)} == {
        pa.schema({"x": pa.float64(), "k": pa.string()})
    }


def test_missing_column_is_named_with_its_neighbour(tmp_path):
    at = pa.array([datetime(2013, 6, 3, 1)], pa.timestamp("us"))
    path = write(tmp_path / "a.parquet", {"ts": at, "distance": [1]})
    with pytest.raises(SourceError, match=r"'distnace' \(did you mean 'distance'\?\)"):
        rows(path, ["distnace"])
    with pytest.raises(SourceError, match="'tss'"):
        rows(path, ["distance"], timestamp=TimestampColumn(column="tss"))
    assert rows(path, ["distance", "distnace"], missing_ok=True) == [{"distance": 1}]


def test_what_does_not_exist_and_what_is_empty(tmp_path):
    (tmp_path / "empty").mkdir()
    assert rows(str(tmp_path / "empty"), ["x"]) == []
    assert rows(str(tmp_path / "empty" / "*.parquet"), ["x"]) == []
    for absent in ("no.parquet", "no", "no/*.parquet"):
        with pytest.raises(SourceError, match="no"):
            rows(str(tmp_path / absent), ["x"])
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SourceError, match=r"allowed: \.parquet"):
        rows(str(tmp_path / "notes.txt"), ["x"])


def test_truncated_parquet_is_named(tmp_path):
    at = pa.array([datetime(2013, 6, 3, 1)] * 1000, pa.timestamp("us"))
    path = Path(write(tmp_path / "a.parquet", {"ts": at, "x": range(1000)}))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SourceError, match=r"a\.parquet: cannot be read"):
        rows(str(tmp_path), ["x"])


def test_damaged_page_is_named_where_pages_have_checksums(tmp_path):
    at = pa.array([datetime(2013, 6, 3, 1)] * 50_000, pa.timestamp("us"))
    values = [i * 0.7311 % 1 for i in range(50_000)]
    path = Path(write(tmp_path / "a.parquet", {"ts": at, "x": values}, write_page_checksum=True))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.parquet: cannot be read"):
        rows(str(path), ["x"])


def test_a_name_that_a_file_has_twice_is_refused_or_left_out(tmp_path):
    at = pa.array([datetime(2013, 6, 3, 1)], pa.timestamp("us"))
    arrays = [at, pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(arrays, names=["ts", "x", "x"]), tmp_path / "a.parquet")
    write(tmp_path / "b.parquet", {"ts": at, "y": [3]})
    assert open_source(SourceSpec(path=str(tmp_path))).schema().names.count("x") == 2
    with pytest.raises(SourceError, match="several columns named 'x'"):
        rows(str(tmp_path), ["x", "y"])
    assert rows(str(tmp_path), ["x", "y"], missing_ok=True) == [{"y": None}, {"y": 3}]


def test_bad_moment_in_a_file_names_the_file(tmp_path):
    (tmp_path / "a.csv").write_text("ts,x\n2013-06-03 01:00:00,1\nhello,2\n")
    source = open_source(SourceSpec(path=str(tmp_path / "a.csv")))
    for look in (
        lambda: rows(str(tmp_path / "a.csv"), ["x"]),
        lambda: source.count(DAY, TS),
        lambda: source.bounds(TS),
    ):
        with pytest.raises(SourceError, match=r"a\.csv: column 'ts'"):
            look()


def test_a_timestamp_that_no_file_has_is_never_zero_rows(tmp_path):
    path = write(tmp_path / "a.parquet", {"ts": pa.array(EDGES, pa.timestamp("us"))})
    source, absent = open_source(SourceSpec(path=path)), TimestampColumn(column="tsx")
    for look in (
        lambda: source.count(DAY, absent),
        lambda: source.bounds(absent),
        lambda: rows(path, ["ts"], timestamp=absent, missing_ok=True),
    ):
        with pytest.raises(SourceError, match=r"'tsx' \(did you mean 'ts'\?\)"):
            look()


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_types_hold_for_the_whole_file(tmp_path, monkeypatch, name):
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 2000)
    lines = ["ts,x,k,late,z"]
    lines += ["2013-06-03 04:00:00,1,NA,,NA"] * 200
    lines += ['2013-06-03T04:00:00Z,1.5,"two\nlines, one field",7,2']
    lines += ["2013-06-04 00:00:00,2,,8,3"]
    data = ("\n".join(lines) + "\n").encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    found = rows(str(tmp_path / name), ["late", "x", "k", "z"])
    assert len(found) == 201
    assert found[0] == {"late": None, "x": 1.0, "k": "NA", "z": None}
    assert found[-1] == {"late": 7, "x": 1.5, "k": "two\nlines, one field", "z": 2}
    assert rows(str(tmp_path / name), ["k"], window=None)[-1] == {"k": None}


def test_bad_line_of_csv_is_named_without_its_values(tmp_path):
    (tmp_path / "a.csv").write_text("ts,x\n2013-06-03 04:00:00,1\nsecret-value\n")
    with pytest.raises(SourceError, match=r"a\.csv: line 3 has 1 values, the header 2") as caught:
        rows(str(tmp_path / "a.csv"), ["x"])
    assert "secret-value" not in str(caught.value)


def test_bad_text_of_a_moment_is_an_error_without_its_value():
    with pytest.raises(SourceError, match="'ts'") as caught:
        to_utc(pa.array(["2013-06-03", "tomorrow-ish"]), column="ts")
    assert "tomorrow-ish" not in str(caught.value)


def test_remote_file_system_by_url():
    fs = fsspec.filesystem("memory")
    at = pa.array(EDGES, pa.timestamp("us"))
    with fs.open("/remote/dt=2013-06-03/a.parquet", "wb") as file:
        pq.write_table(pa.table({"ts": at, "i": range(6)}), file)
    with fs.open("/remote/dt=2013-06-03/b.csv", "wb") as file:
        file.write(b"ts,i\n2013-06-03 04:00:00,9\n")
    try:
        assert [r["i"] for r in rows("memory://remote", ["i"])] == [1, 2, 3, 9]
        assert [r["i"] for r in rows("memory://remote/*/b.csv", ["i"])] == [9]
        before = open_source(SourceSpec(path="memory://remote")).fingerprint(DAY, TS)
        with fs.open("/remote/dt=2013-06-03/b.csv", "wb") as file:
            file.write(b"ts,i\n2013-06-03 05:00:00,10\n")
        assert open_source(SourceSpec(path="memory://remote")).fingerprint(DAY, TS) != before
    finally:
        fs.rm("/remote", recursive=True)


def test_secrets_of_a_url_are_not_told():
    for url in ("s3://key:s3cret@bucket/a.parquet", "http://h/a.parquet?token=s3cret"):
        assert "s3cret" not in listing.redacted(url)
    with pytest.raises(SourceError) as caught:
        rows("nosuch://key:s3cret@bucket/a.parquet", ["x"])
    assert "s3cret" not in str(caught.value)
    assert "bucket" in str(caught.value)


def test_scan_keeps_batches_small_and_in_order(tmp_path):
    at = pa.array([DAY.start + timedelta(seconds=i) for i in range(1000)])
    path = write(tmp_path / "a.parquet", {"ts": at, "i": range(1000)})
    source = open_source(SourceSpec(path=path))
    batches = list(source.scan(["i"], window=DAY, timestamp=TS, batch_rows=300))
    assert [b.num_rows for b in batches] == [300, 300, 300, 100]
    assert [v for b in batches for v in b.column(0).to_pylist()] == list(range(1000))


def test_car_loan_windows_hold_every_row_once():
    path = "tests/reference/car_loan/predictions.parquet"
    source = open_source(SourceSpec(path=path))
    column = TimestampColumn(column="timestamp")
    low, high = source.bounds(column)
    month = Cadence("1mo")
    windows = list(month.windows(month.floor(low), month.next(month.floor(high))))
    assert sum(source.count(w, column) for w in windows) == pq.read_metadata(path).num_rows
    assert sum(1 for w in windows if source.count(w, column)) == len(windows) > 3


def test_span_of_an_hour_on_seconds_keeps_coarse_counts_in():
    span = Span.of(Window(parse_time("2013-06-03T04:00"), parse_time("2013-06-03T05:00")))
    low, high, exact = span.like(1, "s")
    assert (high - low, exact) == (3600, True)
    assert span.like("2013-06-03 04:00:00", None) == ("2013-06-02", "2013-06-05", False)
