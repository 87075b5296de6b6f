"""From a sample of predictions and labels to a drafted monitor file: every guess, in order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from monitoring_sdk.drafting.classes import find_class_scores
from monitoring_sdk.drafting.facts import Facts, class_names, observe
from monitoring_sdk.drafting.features import Context, sort_features
from monitoring_sdk.drafting.guess import Draft, Guess
from monitoring_sdk.drafting.keys import find_id
from monitoring_sdk.drafting.lists import find_lists
from monitoring_sdk.drafting.moments import Moments, ToUtc, find_moments, find_timestamp
from monitoring_sdk.drafting.names import hint, strength
from monitoring_sdk.drafting.outcome import find_prediction, find_score, find_task, told
from monitoring_sdk.drafting.parts import Found, Given, Sampled
from monitoring_sdk.drafting.quality import expect
from monitoring_sdk.drafting.spans import choose_baseline, choose_labels, choose_window
from monitoring_sdk.drafting.truth import Truth, label_inside, truth_elsewhere, truth_inside
from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.metrics.table import DEFAULTS
from monitoring_sdk.window import Cadence

_OPERATIONS = ("latency_ms", "error", "model_version", "weight")
_OF_PROBABILITIES = ("log_loss", "brier", "ece")
_ORDER = (
    *("id", "timestamp", "query", "item", "prediction", "score", "positive"),
    *("label", "label_timestamp", *_OPERATIONS),
)


def draft(
    model: str, predictions: Sampled, labels: Sampled | None, to_utc: ToUtc, given: Given
) -> Draft:
    """Guess a monitor file.

    Parameters
    ----------
    model : str
        Its name.
    labels : Sampled or None
        None where labels are in the prediction rows, or nowhere.
    to_utc : callable
        Reads a column as moments; raises `SourceError` where it holds none.

    Raises
    ------
    ConfigError
        Where no monitor is possible: no timestamp, no prediction, labels that join nothing.
    """
    rows = predictions.table
    found = Found(observe(rows))
    moments = find_moments(rows, to_utc, given.timestamp)
    at, guess = find_timestamp(moments, rows, given.timestamp)
    found.add(guess)
    _named(found, rows, moments, given)
    truth = _truth(found, rows, at, moments, labels, to_utc, given)
    task = _outcome(found, rows, truth, given)
    low, high = predictions.span or _ends(at)
    every = choose_window(predictions.rows, low, high, dates=at.dates)
    others = {n: m for n, m in moments.items() if n != at.column}
    outcomes = _outcomes(found, rows, truth)
    context = Context(rows, at.at, others, outcomes, Cadence(every.value).approximate)
    head = [Guess("model", model, ""), task]
    for key, place in (("predictions", predictions), ("labels", labels)):
        if place is not None:
            head.append(Guess(f"source.{key}", place.place, place.why))
    return Draft(
        model,
        (
            *head,
            *(found.guesses[part] for part in _ORDER if part in found.guesses),
            *sort_features(found.facts, found.columns(), context),
            every,
            Guess("window.timezone", "UTC", "whose midnight begins a day: write your own zone"),
            *(choose_labels(truth.delays, truth.share, every.value) if truth.facts else ()),
            *choose_baseline(every.value, low, high),
            _expectations(found, rows, task.value),
            *_metrics(found, task.value),
        ),
    )


def _expectations(found: Found, rows: pa.Table, task: str) -> Guess:
    (prediction,) = found.columns("prediction")
    classes = task in ("binary", "multiclass")
    scores = found.columns("score") if classes else ()
    values = _values(rows, prediction) if classes else ()
    return expect(found.facts, found.columns("id"), scores, prediction, values)


def _metrics(found: Found, task: str) -> list[Guess]:
    """Return the metrics where the usual ones do not suit the score: they need a probability."""
    scores = found.columns("score")
    if task != "binary" or not scores or found.facts[scores[0]].share:
        return []
    names = [n for n in DEFAULTS[task] if n not in _OF_PROBABILITIES]
    why = f"the usual ones that need no probability, which {scores[0]} is not"
    return [Guess("metrics", names, why)]


def _ends(at: Moments) -> tuple[datetime, datetime]:
    ends = pa.array(at.at, pa.timestamp("us")).cast(pa.timestamp("us", "UTC")).drop_null()
    return min(ends.to_pylist()), max(ends.to_pylist())


def _named(found: Found, rows: pa.Table, moments: Mapping[str, Moments], given: Given) -> None:
    """Take the columns that make rows lists, and those of operations: by their names."""
    if given.task in (None, "ranking") and given.prediction is None:
        found.add(*find_lists(rows, found.facts, found.columns()))
    for part in _OPERATIONS:
        named = [
            f
            for f in found.facts.values()
            if hint(part, f.name) is not None and f.name not in (*moments, *found.columns())
            if _suits(part, f) and f.name not in (given.prediction, given.label, *given.id)
        ]
        if named:
            chosen = min(named, key=lambda f: strength(part, f.name))
            why = f"by its name; {told(chosen)}"
            if part == "model_version" and chosen.distinct > 1:
                why += "; `versions: {champion: ...}` says which of them pages"
            found.add(Guess(f"columns.{part}", chosen.name, why))


def _suits(part: str, known: Facts) -> bool:
    if part in ("latency_ms", "weight"):
        return known.kind == "number" and known.low is not None and known.low >= 0
    return known.present > 0 and (part == "error" or known.distinct <= 50)


def _truth(
    found: Found,
    rows: pa.Table,
    at: Moments,
    moments: Mapping[str, Moments],
    labels: Sampled | None,
    to_utc: ToUtc,
    given: Given,
) -> Truth:
    """Find label, prediction and id: an id must suit the labels, a label is no prediction."""
    label = None
    if labels is None:
        label = given.label or label_inside(found.facts, found.columns(), moments)
    if label is not None and label not in found.facts:
        allowed = list(found.facts)
        raise ConfigError(explain("no such column", where="--label", got=label, allowed=allowed))
    beside = [] if label is None else [label]
    if "prediction" not in found.guesses:
        taken = [*found.columns(), *beside, *moments, *given.id]
        found.add(find_prediction(found.facts, taken, given.prediction))
    found.add(_id(found, rows, [*found.columns(), *beside], labels, given))
    truth = Truth(())
    if labels is not None:
        complete = labels.table.num_rows == labels.rows
        ids = found.columns("id")
        options: dict[str, Any] = {"asked": given.label, "complete": complete}
        truth = truth_elsewhere(rows, at, labels.table, ids, to_utc, **options)
    elif label is not None and found.columns("id"):
        truth = truth_inside(rows, at, moments, label, asked=given.label is not None)
    elif label is not None:
        why = f"{label} by its name, but labels need an id: name one with --id"
        truth = Truth((Guess("columns.label", None, why, sure=False),))
    found.add(*truth.guesses)
    return truth


def _id(
    found: Found, rows: pa.Table, taken: Sequence[str], labels: Sampled | None, given: Given
) -> Guess:
    if not given.id:
        table = None if labels is None else labels.table
        inside = labels is None and len(taken) > len(found.columns())
        (at,) = found.columns("timestamp")
        return find_id(rows, found.facts, taken, at=at, labels=table, label_inside=inside)
    places = {"predictions": rows} | ({} if labels is None else {"labels": labels.table})
    problems = [
        explain(f"no such column in the {place}", where="--id", got=n, allowed=t.column_names)
        for place, t in places.items()
        for n in given.id
        if n not in t.column_names
    ]
    if problems:
        raise ConfigError(problems)
    return Guess("columns.id", list(given.id) if len(given.id) > 1 else given.id[0], "as asked")


def _outcome(found: Found, rows: pa.Table, truth: Truth, given: Given) -> Guess:
    """Find the task, and the score that suits it; return the guess of the task."""
    (prediction,) = found.columns("prediction")
    if "query" in found.guesses:
        task = Guess("task", "ranking", "rows are positions in lists")
    else:
        task = find_task(found.facts[prediction], truth.facts, given.task)
    taken = [c for c in found.columns() if c != prediction]
    if task.value == "binary":
        found.add(*find_score(rows, found.facts, prediction, taken))
        found.add(*_apart(found, rows, prediction, truth))
    elif task.value == "multiclass":
        names = _classes(rows, prediction, truth)
        scores = find_class_scores(rows, found.facts, prediction, taken, names)
        found.add(scores)
        if scores.value is not None and given.task is None:
            why = f"{prediction} has {len(names)} classes, each with a probability"
            task = Guess("task", "multiclass", why)
    elif task.value == "ranking":
        free = [f.name for f in found.facts.values() if f.name not in found.columns()]
        named = [n for n in free if hint("score", n) is not None]
        if named:
            found.add(Guess("columns.score", named[0], "by its name: it orders the lists"))
    return task


def _apart(found: Found, rows: pa.Table, prediction: str, truth: Truth) -> list[Guess]:
    """Return the doubt whether a label speaks of the classes that are predicted."""
    said, true = (
        {str(v) for v in class_names(c) if v is not None}
        for c in (
            rows.column(prediction),
            truth.values if truth.values is not None else pa.nulls(0),
        )
    )
    label = found.guesses.get("label")
    if label is None or not true or said & true:
        return []
    why = (
        f"its values ({_few(true)}) are not those of {prediction} ({_few(said)}), and classes are "
        "compared by name: write both alike"
    )
    return [Guess(label.key, label.value, why, sure=False)]


def _few(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:3])


def _classes(rows: pa.Table, prediction: str, truth: Truth) -> list[str]:
    columns = [rows.column(prediction)] + ([] if truth.values is None else [truth.values])
    return sorted({str(v) for c in columns for v in class_names(c) if v is not None})


def _values(rows: pa.Table, prediction: str) -> list[Any]:
    """Return the distinct predictions as they are stored."""
    values = rows.column(prediction).unique().to_pylist()
    known = [v for v in values if v is not None]
    # What is no number is no class.
    return sorted((v for v in known if not isinstance(v, float) or math.isfinite(v)), key=str)


def _outcomes(found: Found, rows: pa.Table, truth: Truth) -> dict[str, Any]:
    """Return what a feature must not copy."""
    names = [*found.columns("prediction"), *found.columns("score")]
    copied = {n: rows.column(n).combine_chunks() for n in names}
    label = found.columns("label")
    return copied | ({label[0]: truth.values} if label and truth.values is not None else {})
