"""What a day of data, a baseline or a store can have wrong, and what comes of it: a table.

`python -m tests.bad_inputs` writes it to `docs/bad_input.md`; `test_bad_input.py` takes each row
through the stages.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.window import Window

FIRST = datetime(2024, 2, 29, tzinfo=UTC)
BASELINE_DAYS, ROWS = 10, 200
BAD = Window(FIRST + timedelta(days=BASELINE_DAYS), FIRST + timedelta(days=BASELINE_DAYS + 1))
"""The day that is spoilt: 10 March 2024, of 23 hours in New York."""

Frame = pd.DataFrame


def good_rows(start: datetime = BAD.start, hours: float = 24, rows: int = ROWS) -> Frame:
    """Return predictions as they should be, from `start` on."""
    chance = np.random.default_rng(int(start.timestamp()))
    score = chance.uniform(size=rows)
    at = pd.Timestamp(start) + pd.to_timedelta(np.arange(rows) * hours / rows, "h")
    return Frame(
        {
            "id": np.arange(rows) + int(start.timestamp()),
            "at": at.astype("datetime64[us, UTC]"),
            "size": chance.normal(size=rows),
            "price": chance.lognormal(size=rows),
            "kind": chance.choice(["a", "b", "c"], rows),
            "grade": chance.integers(1, 4, rows),
            "score": score,
            "y_pred": (score > 0.5).astype(int),
        }
    )


def good_labels(rows: Frame) -> Frame:
    """Return labels as likely as the score says, an hour after the end of the day."""
    chance = np.random.default_rng(len(rows))
    return Frame(
        {
            "id": rows["id"],
            "y_true": (chance.uniform(size=len(rows)) < rows["score"]).astype(int),
            "known_at": rows["at"].min() + pd.Timedelta("25h"),
        }
    )


def config_of(folder: Path, model: str = "small", **changes: Any) -> MonitorConfig:
    """Return the monitor of the days in a folder."""
    return parse_config(
        {
            "model": model,
            "source": {"predictions": str(folder / "rows"), "labels": str(folder / "labels")},
            "columns": {
                "id": "id",
                "timestamp": "at",
                "prediction": "y_pred",
                "score": "score",
                "label": "y_true",
                "label_timestamp": "known_at",
                "numeric": ["size", "price"],
                "categorical": ["kind", "grade"],
            },
            "window": {"every": "1d", "lag": "2h", "expect_within": "1h"},
            "labels": {"delay": "1h", "coverage": 0.9, "give_up": "1h"},
            "baseline": {"start": "2024-02-29", "end": "2024-03-10"},
            "metrics": ["accuracy", "roc_auc"],
            **changes,
        }
    )


def write(folder: Path, rows: Frame | None = None, labels: Frame | None = None) -> None:
    """Write a day's files."""
    rows = good_rows() if rows is None else rows
    labels = good_labels(good_rows()) if labels is None else labels
    for part, frame in (("rows", rows), ("labels", labels)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        frame.to_parquet(folder / part / "day.parquet")


def write_reference(folder: Path) -> None:
    """Write the days of the baseline, a file each."""
    for number in range(BASELINE_DAYS):
        rows = good_rows(FIRST + timedelta(days=number))
        for part, frame in (("rows", rows), ("labels", good_labels(rows))):
            (folder / part).mkdir(parents=True, exist_ok=True)
            frame.to_parquet(folder / part / f"{number}.parquet")


@dataclass
class Scene:
    """Where a case plays; a case may write files, and change what is here.

    `meanwhile` happens after the window was pulled and before its rows are read.
    """

    folder: Path
    baselines: Path
    store: str = "sqlite://"
    window: Window = BAD
    changes: dict[str, Any] = field(default_factory=dict)
    meanwhile: Callable[[], None] = lambda: None

    def own_baselines(self) -> Path:
        """Copy the baseline, to spoil it."""
        own = self.folder / "baselines"
        shutil.copytree(self.baselines, own)
        self.baselines = own
        return own / "small" / "v1"


Spoil = Callable[[Scene], None]


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes
    ----------
    what : str
        The input, for people.
    spoil : callable
        Makes it so.
    status : str
        Of the window's report; `error` where there is none.
    ends : tuple of str
        The checks that tell of it, each with its status and reason; or the error.
    touched : tuple of str
        Columns that have to do with it; all others are looked at as ever, and quiet.
    """

    what: str
    spoil: Spoil
    status: str
    ends: tuple[str, ...]
    touched: tuple[str, ...] = ()


def rows(change: Callable[[Frame], Frame], labels: Callable[[Frame], Frame] | None = None) -> Spoil:
    """Change the day's rows, and its labels."""

    def spoil(scene: Scene) -> None:
        known = good_labels(good_rows())
        write(scene.folder, change(good_rows()), known if labels is None else labels(known))

    return spoil


def labels(change: Callable[[Frame], Frame]) -> Spoil:
    """Change the day's labels alone."""
    return rows(lambda same: same, change)


def file_of(scene: Scene, part: str = "rows") -> Path:
    """Write a good day, and return the file of its rows."""
    write(scene.folder)
    return scene.folder / part / "day.parquet"


def _first(column: str, *values: Any) -> Callable[[Frame], Frame]:
    """Put values into the first rows of a column."""

    def change(frame: Frame) -> Frame:
        return frame.assign(**{column: [*values, *frame[column].iloc[len(values) :]]})

    return change


def _text_with_words(frame: Frame) -> Frame:
    return _first("size", "n/a")(frame.assign(size=frame["size"].astype(str)))


def _name_twice(scene: Scene) -> None:
    path = file_of(scene)
    table = pq.read_table(path)
    pq.write_table(table.append_column("size", table.column("size")), path)


def _mixed_csv(scene: Scene) -> None:
    path = file_of(scene)
    frame = good_rows().assign(size=good_rows()["size"].round(3).astype(object))
    _first("size", "unknown")(frame).to_csv(path.with_suffix(".csv"), index=False)
    path.unlink()


def _csv_with_a_bad_line(scene: Scene) -> None:
    path = file_of(scene)
    lines = good_rows().to_csv(index=False).splitlines()
    path.with_suffix(".csv").write_text("\n".join([*lines[:5], lines[5] + ",9,9", *lines[6:]]))
    path.unlink()


def _truncated(part: str) -> Spoil:
    def spoil(scene: Scene) -> None:
        path = file_of(scene, part)
        path.write_bytes(path.read_bytes()[:-100])

    return spoil


def _two_schemas(scene: Scene) -> None:
    path, whole = file_of(scene), good_rows()
    whole[:100].to_parquet(path)
    later = whole[100:].assign(size=whole["size"].astype(str), grade=whole["grade"].astype(str))
    later.assign(more=1).drop(columns="price").to_parquet(path.with_name("later.parquet"))


def _appears(scene: Scene) -> None:
    path, whole = file_of(scene), good_rows()
    whole[:100].to_parquet(path)
    scene.meanwhile = lambda: whole[100:].to_parquet(path.with_name("later.parquet"))


def _vanishes(scene: Scene) -> None:
    scene.meanwhile = file_of(scene).unlink


def _nothing(scene: Scene) -> None:
    file_of(scene).unlink()


def _zone(name: str, window: Window) -> Spoil:
    def spoil(scene: Scene) -> None:
        hours = (window.end - window.start) / timedelta(hours=1)
        write(scene.folder, day := good_rows(window.start, hours, int(hours * 8)), good_labels(day))
        scene.window = window
        scene.changes = {"window": {"every": "1d", "timezone": name}}

    return spoil


def _baseline_text(name: str, old: str, new: str) -> Spoil:
    def spoil(scene: Scene) -> None:
        write(scene.folder)
        path = scene.own_baselines() / name
        path.write_text(path.read_text().replace(old, new))

    return spoil


def _sums_anew(folder: Path) -> None:
    import hashlib
    import json

    names = json.loads((folder / "sha256.json").read_text())
    sums = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names}
    (folder / "sha256.json").write_text(json.dumps(sums))


def _of_another_format(scene: Scene) -> None:
    _baseline_text("baseline.json", '"format": 1', '"format": 9')(scene)
    _sums_anew(scene.folder / "baselines" / "small" / "v1")


def _half_a_baseline(scene: Scene) -> None:
    write(scene.folder)
    path = scene.own_baselines() / "grid.json"
    path.write_text(path.read_text()[:200])
    _sums_anew(path.parent)


def _baseline_file_gone(scene: Scene) -> None:
    write(scene.folder)
    (scene.own_baselines() / "profile.json").unlink()


def _no_baseline(scene: Scene) -> None:
    write(scene.folder)
    scene.baselines = scene.folder / "none"


def _more_columns_asked(scene: Scene) -> None:
    write(scene.folder, good_rows().assign(weight=1.5, colour="red"))
    columns = config_of(scene.folder).columns.model_dump(mode="json", exclude_defaults=True)
    columns |= {"numeric": ["size", "price", "weight"], "categorical": ["kind", "grade", "colour"]}
    scene.changes = {"columns": columns}


def _newer_store(scene: Scene) -> None:
    import sqlite3

    from monitoring_sdk.adapters.store import open_store

    write(scene.folder)
    path = scene.folder / "store.db"
    scene.store = f"sqlite:///{path}"
    open_store(scene.store).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()


def _broken_store(scene: Scene) -> None:
    write(scene.folder)
    (scene.folder / "store.db").write_bytes(b"no database at all" * 100)
    scene.store = f"sqlite:///{scene.folder / 'store.db'}"


def _far_rows(frame: Frame) -> Frame:
    at = frame["at"].where(frame.index < 120, pd.Timestamp("2099-01-01", tz="UTC"))
    return frame.assign(at=at)


def _many_levels(frame: Frame) -> Frame:
    return good_rows(rows=5000).assign(kind=[f"level {i}" for i in range(5000)])


def _corrected(frame: Frame) -> Frame:
    wrong = frame.assign(y_true=1 - frame["y_true"], known_at=BAD.end)
    return pd.concat([frame, wrong], ignore_index=True)


def _strange_ids(frame: Frame) -> Frame:
    ids = frame["id"].astype("float64") + 0.5
    strange = frame.assign(id=ids.where(frame.index >= 20))
    return pd.concat([frame.assign(id=frame["id"].astype("float64")), strange], ignore_index=True)


INTRODUCTION = """\
# Bad input

What a day of data, a baseline or a store can have wrong, and what comes of it. Each row is a test:
a small model of two numeric and two categorical columns, with predictions, scores and labels, 200
rows a day and ten reference days, goes through the stages that a run goes through. The second
column is the status of the window's report; `error` means that there is none, and that the run
fails with the error of the third column. Otherwise the third column names the checks that tell of
it, with their status and reason; all other columns are judged as ever, and so are the other models.
`…` is a folder. The table is written by `python -m tests.bad_inputs`, from the list that the test
runs.

A run that failed has lost nothing: the window is judged when the input is mended and it is run
again (`monitoring run FILE --window-end T`, or `backfill`). Of rows that come later, the window's
verdict is revised at the next look at it.

`python -m benchmarks.bad_columns` goes further: every column of two richer models (a binary one and
a regression, with weights, versions, segments, latency, text, moments and an embedding) comes as
words, lists, structs, bytes, moments, nulls, infinities and so on, or is missing. Of 306 and 288
windows 292 and 274 ended in a report and 14 and 14, all of them of the timestamp, in one error;
none in a crash."""

SPRING = Window(datetime(2024, 3, 10, 5, tzinfo=UTC), datetime(2024, 3, 11, 4, tzinfo=UTC))
AUTUMN = Window(datetime(2024, 11, 3, 4, tzinfo=UTC), datetime(2024, 11, 4, 5, tzinfo=UTC))
NEW_YORK = "America/New_York"

COLUMNS, VALUES = "Columns", "Values"
LABELS, TIMES, FILES, KEPT = "Labels", "Times", "Rows and files", "Baseline and store"

CASES: dict[str, tuple[Case, ...]] = {
    COLUMNS: (
        Case(
            "a column is missing",
            rows(lambda r: r.drop(columns="size")),
            "alert",
            (
                "quality/column_present/size: alert, no such column",
                "drift/psi/size: error, column 'size' is missing, or there twice",
            ),
            ("size",),
        ),
        Case(
            "a column was renamed",
            rows(lambda r: r.rename(columns={"size": "sise"})),
            "alert",
            ("quality/column_present/size: alert, no such column; did you mean sise?",),
            ("size",),
        ),
        Case(
            "the column of predictions is missing",
            rows(lambda r: r.drop(columns="y_pred")),
            "alert",
            (
                "quality/column_present/y_pred: alert, no such column",
                "prediction/psi/y_pred: error, column 'y_pred' is missing, or there twice",
                "performance/accuracy: undefined, needs a prediction column, and there is none",
            ),
            (),
        ),
        Case(
            "the column of timestamps is missing",
            rows(lambda r: r.drop(columns="at")),
            "error",
            (
                "SourceError: …/rows: no column 'at'; there are id, size, price, kind, "
                "grade, score, y_pred",
            ),
        ),
        Case(
            "the column of ids is missing",
            rows(lambda r: r.drop(columns="id")),
            "alert",
            (
                "quality/column_present/id: alert, no such column",
                "quality/performance_inputs: alert, predictions lack the id column 'id'",
                "performance/accuracy: error, predictions lack the id column 'id'",
            ),
        ),
        Case(
            "two columns have one name",
            _name_twice,
            "alert",
            (
                "quality/column_unique/size: alert, 2 columns have this name",
                "drift/psi/size: error, column 'size' is missing, or there twice",
            ),
            ("size",),
        ),
        Case(
            "numbers came as text",
            rows(lambda r: r.assign(size=r["size"].astype(str))),
            "ok",
            (
                "quality/column_type/size: alert, the column is large_string, where "
                "numeric values are expected, but could be read",
            ),
        ),
        Case(
            "text among numbers that came as text",
            rows(_text_with_words),
            "alert",
            (
                "quality/column_type/size: alert, column 'size' is of type large_string "
                "and cannot be read as numbers",
                "drift/psi/size: error, column 'size' is of type large_string and cannot "
                "be read as numbers",
                "estimate/accuracy: error, column 'size' is of type large_string and "
                "cannot be read as numbers",
            ),
            ("size",),
        ),
        Case(
            "text among the numbers of a CSV file",
            _mixed_csv,
            "alert",
            (
                "quality/column_type/size: alert, column 'size' is of type string and "
                "cannot be read as numbers",
            ),
            ("size",),
        ),
        Case(
            "moments where numbers are expected",
            rows(lambda r: r.assign(size=r["at"])),
            "alert",
            (
                "quality/column_type/size: alert, column 'size' is of type timestamp[us, "
                "tz=UTC] and cannot be read as numbers",
            ),
            ("size",),
        ),
        Case(
            "lists where levels are expected",
            rows(lambda r: r.assign(kind=[["a"]] * len(r))),
            "alert",
            (
                "quality/column_type/kind: alert, the column is list<element: string>, "
                "where categorical values are expected, but could be read",
                "quality/unseen_share/kind: alert",
            ),
            ("kind",),
        ),
        Case(
            'levels and classes came as `"1"`, not `1`',
            rows(
                lambda r: r.assign(grade=r["grade"].astype(str), y_pred=r["y_pred"].astype(str)),
                lambda t: t.assign(id=t["id"].astype(str), y_true=t["y_true"].astype(float)),
            ),
            "ok",
            ("drift/psi/size: ok",),
        ),
    ),
    VALUES: (
        Case(
            "a numeric column is all null",
            rows(lambda r: r.assign(size=np.nan)),
            "alert",
            (
                "quality/null_share/size: alert",
                "drift/psi/size: undefined, no values in the current window",
            ),
            ("size",),
        ),
        Case(
            "a categorical column is all null",
            rows(lambda r: r.assign(kind=None)),
            "alert",
            (
                "quality/null_share/kind: alert",
                "drift/psi/kind: undefined, no values in the current window",
            ),
            ("kind",),
        ),
        Case(
            "a column has become constant",
            rows(lambda r: r.assign(size=0.5)),
            "alert",
            (
                "drift/psi/size: alert",
                "drift/location: alert",
            ),
            ("size",),
        ),
        Case(
            "one infinity",
            rows(_first("size", np.inf)),
            "ok",
            ("drift/wasserstein/size: ok, 1 infinite values left out",),
            ("size",),
        ),
        Case(
            "both infinities and nulls",
            rows(_first("size", np.inf, -np.inf, np.nan)),
            "ok",
            ("drift/wasserstein/size: ok, 2 infinite values left out",),
            ("size",),
        ),
        Case(
            "numbers of 1e308, whose sum and squares overflow",
            rows(_first("size", *[1e308] * 20)),
            "ok",
            (
                "quality/expect_column_values_to_be_between/size: alert, 20 of 200 values "
                "fall outside [-3.19653, 3.18965]; at most 4.5% may",
                "drift/ks/size: alert, alerts if the next one is too",
            ),
            ("size",),
        ),
        Case(
            "a variance of nearly nothing",
            rows(lambda r: r.assign(size=0.5 + r["size"] * 1e-15)),
            "alert",
            (
                "drift/psi/size: alert",
                "drift/location: alert",
            ),
            ("size",),
        ),
        Case(
            "a tenth of the rows has levels never seen",
            rows(_first("kind", *["new"] * 20)),
            "alert",
            ("quality/unseen_share/kind: alert",),
            ("kind",),
        ),
        Case(
            "5 000 levels where three were",
            rows(_many_levels, lambda _: good_labels(good_rows(rows=5000))),
            "alert",
            (
                "quality/unseen_share/kind: alert",
                "drift/any/kind: alert",
            ),
            ("kind",),
        ),
    ),
    LABELS: (
        Case(
            "no labels at all",
            labels(lambda t: t[:0]),
            "ok",
            (
                "performance/accuracy: undefined, no labelled rows",
                "performance/concept_drift: insufficient, no labelled row has what the model says",
            ),
        ),
        Case(
            "half of the labels",
            labels(lambda t: t[::2]),
            "ok",
            (
                "performance/accuracy: ok, 50.0 % of the labels are known, 90.0 % are "
                "asked for; given up at 2024-03-11T01:00:00+00:00",
            ),
        ),
        Case(
            "labels of one class alone",
            labels(lambda t: t.assign(y_true=0)),
            "alert",
            (
                "performance/roc_auc: undefined, one class only among the labels",
                "performance/accuracy: alert",
            ),
        ),
        Case(
            "labels of a class that is none",
            labels(_first("y_true", 7, 7, 7)),
            "ok",
            (
                "performance/accuracy: undefined, not two classes: beside the positive "
                "class 1 there are 2 others",
            ),
        ),
        Case(
            "labels known before their predictions",
            labels(lambda t: t.assign(known_at=t["known_at"] - pd.Timedelta("9D"))),
            "ok",
            ("performance/accuracy: ok",),
        ),
        Case(
            "labels that are known in 2099",
            labels(lambda t: t.assign(known_at=pd.Timestamp("2099-01-01", tz="UTC"))),
            "ok",
            ("performance/accuracy: undefined, no labelled rows",),
        ),
        Case(
            "scores came as words",
            rows(lambda r: r.assign(score="high")),
            "alert",
            (
                "quality/performance_inputs: alert, score: not a column of numbers: "
                "got 'large_string'",
            ),
        ),
        Case(
            "a wrong label of each id, corrected later",
            labels(_corrected),
            "ok",
            ("performance/accuracy: ok",),
        ),
        Case(
            "labels of ids that have no prediction, and null ids",
            labels(_strange_ids),
            "ok",
            ("quality/null_ids: alert, 20 of 400 label rows have no id and join nothing",),
        ),
        Case(
            "the file of labels is truncated",
            _truncated("labels"),
            "alert",
            (
                "quality/performance_inputs: alert, labels: day.parquet: cannot be read: "
                "Parquet magic bytes not found in footer. Either the file is corrupted or "
                "this is not a parquet file.",
                "performance/accuracy: error, labels: day.parquet: cannot be read: Parquet "
                "magic bytes not found in footer. Either the file is corrupted or this is "
                "not a parquet file.",
            ),
        ),
        Case(
            "the column of labels is missing",
            labels(lambda t: t.drop(columns="y_true")),
            "alert",
            (
                "quality/performance_inputs: alert, labels: …/labels: no column 'y_true'; "
                "there are id, known_at",
            ),
        ),
    ),
    TIMES: (
        Case(
            "moments without a time zone",
            rows(lambda r: r.assign(at=r["at"].dt.tz_localize(None))),
            "ok",
            ("drift/psi/size: ok",),
        ),
        Case(
            "moments of New York",
            rows(lambda r: r.assign(at=r["at"].dt.tz_convert(NEW_YORK))),
            "ok",
            ("drift/psi/size: ok",),
        ),
        Case(
            "moments as text",
            rows(lambda r: r.assign(at=r["at"].astype(str))),
            "ok",
            ("drift/psi/size: ok",),
        ),
        Case(
            "one moment is no moment",
            rows(lambda r: _first("at", "soon")(r.assign(at=r["at"].astype(str)))),
            "error",
            (
                "SourceError: day.parquet: column 'at' (large_string) holds values that "
                "are no moments: Failed to parse string; allowed: ISO 8601 text, "
                "timestamps, dates, or numbers with a unit",
            ),
        ),
        Case(
            "moments are numbers without a unit",
            rows(lambda r: r.assign(at=r["at"].astype("int64"))),
            "error",
            (
                "SourceError: day.parquet: column 'at' holds numbers (int64): say what "
                "they count, {column: at, unit: ms}; allowed: s, ms, us, ns",
            ),
        ),
        Case(
            "80 of 200 rows are dated 2099",
            rows(_far_rows),
            "alert",
            (
                "operations/staleness: alert, far beyond: past 0.21 one window is enough",
                "operations/rows: ok, beyond its limit in one window; alerts if the next "
                "one is too",
            ),
        ),
        Case(
            "a tenth of the rows has no moment",
            rows(_first("at", *[pd.NaT] * 20)),
            "alert",
            ("quality/null_timestamps: alert, 20 of 200 rows have no timestamp",),
        ),
        Case("a day of 23 hours", _zone(NEW_YORK, SPRING), "ok", ("operations/rows: ok",)),
        Case("a day of 25 hours", _zone(NEW_YORK, AUTUMN), "ok", ("operations/rows: ok",)),
    ),
    FILES: (
        Case(
            "no file",
            _nothing,
            "no_data",
            (
                "operations/data_late: alert, no rows by 2024-03-11 02:00 UTC; they were "
                "expected by 2024-03-11 01:00",
            ),
        ),
        Case(
            "a file without rows",
            rows(lambda r: r[:0]),
            "no_data",
            (
                "operations/data_late: alert, no rows by 2024-03-11 02:00 UTC; they were "
                "expected by 2024-03-11 01:00",
            ),
        ),
        Case(
            "the folder is missing",
            lambda s: None,
            "error",
            ("SourceError: …/rows: no such file or folder",),
        ),
        Case(
            "one row",
            rows(lambda r: r[:1]),
            "alert",
            (
                "operations/rows: alert, far beyond: past 110 one window is enough",
                "drift/psi/size: insufficient, 1 rows, 30 needed",
                "performance/accuracy: insufficient, 1 rows, 30 needed",
            ),
        ),
        Case(
            "every row came twice",
            rows(lambda r: pd.concat([r, r])),
            "alert",
            ("quality/duplicate_ids: alert, 200 of 400 rows repeat an id",),
        ),
        Case(
            "a truncated Parquet file",
            _truncated("rows"),
            "error",
            (
                "SourceError: day.parquet: cannot be read: Parquet magic bytes not found "
                "in footer. Either the file is corrupted or this is not a parquet file.",
            ),
        ),
        Case(
            "a CSV file with a bad line",
            _csv_with_a_bad_line,
            "error",
            ("SourceError: day.csv: line 6 has 10 values, the header 8",),
        ),
        Case(
            "types and columns change inside a folder",
            _two_schemas,
            "alert",
            (
                "quality/column_type/size: alert, the column is string, where numeric "
                "values are expected, but could be read",
                "quality/null_share/price: alert",
            ),
            ("size", "price"),
        ),
        Case("a file appears while the window is read", _appears, "ok", ("drift/psi/size: ok",)),
        Case(
            "a file vanishes while the window is read",
            _vanishes,
            "error",
            (
                "SourceError: …/rows: 200 rows when the window was pulled, 0 when they "
                "were read: rows went away meanwhile; run it again",
            ),
        ),
    ),
    KEPT: (
        Case(
            "no baseline",
            _no_baseline,
            "error",
            (
                "BaselineError: small: no baseline in …/none/small: run `monitoring "
                "baseline build FILE`",
            ),
        ),
        Case(
            "a baseline of another format",
            _of_another_format,
            "error",
            (
                "BaselineError: …/baselines/small/v1: the baseline has format 9; this "
                "version reads 1: build it again with `monitoring baseline build`",
            ),
        ),
        Case(
            "a baseline without some of the columns",
            _more_columns_asked,
            "ok",
            ("drift/psi/weight: error, not in baseline v1: build a new one",),
        ),
        Case(
            "a baseline that was changed",
            _baseline_text("profile.json", "0", "1"),
            "error",
            (
                "BaselineError: …/baselines/small/v1: profile.json was changed after it "
                "was built; a baseline is immutable",
            ),
        ),
        Case(
            "a damaged baseline",
            _half_a_baseline,
            "error",
            (
                "BaselineError: …/baselines/small/v1: grid.json is damaged: "
                "Expecting ',' delimiter: line 5 column 151 (char 200)",
            ),
        ),
        Case(
            "a baseline that lacks a file",
            _baseline_file_gone,
            "error",
            (
                "BaselineError: …/baselines/small/v1: cannot be read: [Errno 2] No such "
                "file or directory: '…/baselines/small/v1/profile.json'",
            ),
        ),
        Case(
            "a store of a newer version",
            _newer_store,
            "error",
            (
                "StoreError: sqlite:///…/store.db: the store is of revision 9999, newer "
                "than this code knows (up to 0001): upgrade monitoring-sdk",
            ),
        ),
        Case(
            "a store that is no database",
            _broken_store,
            "error",
            ("StoreError: sqlite:///…/store.db: cannot be opened: file is not a database",),
        ),
    ),
}


def page() -> str:
    """Write the table as `docs/bad_input.md` has it."""
    parts = [INTRODUCTION]
    for group, cases in CASES.items():
        lines = [f"## {group}", "", "| input | window | what says so |", "|---|---|---|"]
        for case in cases:
            told = "<br>".join(f"`{end.replace('|', chr(92) + '|')}`" for end in case.ends)
            lines.append(f"| {case.what} | {case.status} | {told} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent.parent / "docs" / "bad_input.md").write_text(page(), encoding="utf-8")
