"""Great Expectations' own objects: built strictly, once, and evaluated without noise."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

# Before the import below, which would send a first event otherwise.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import pandas as pd
from great_expectations.core.id_dict import IDDict
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations import registry
from great_expectations.expectations.expectation import Expectation as Implementation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from monitoring_sdk.config_sections import Expectation
from monitoring_sdk.errors import ConfigError, did_you_mean, explain

# They look at other tables, at a database, or run a text of the user's as SQL.
_REFUSED = (
    "expect_query_results_to_match_comparison",
    "expect_table_row_count_to_equal_other_table",
    "unexpected_rows_expectation",
)
# What every expectation can be given, and what a narrow batch or a result without raw values
# leaves no room for.
_COMMON = (
    *("id", "meta", "notes", "result_format", "description", "catch_exceptions", "severity"),
    *("rendered_content", "windows", "batch_id", "row_condition", "condition_parser"),
    *("library_metadata",),
)
_NAMED = ("column", "column_A", "column_B", "column_list")
_RESULTS = {"result_format": "BASIC", "partial_unexpected_count": 0}
_LOCK = Lock()


def known_types() -> tuple[str, ...]:
    """Return the expectation types that a monitor file may name."""
    names = registry.list_registered_expectation_implementations()
    return tuple(sorted(n for n in names if n not in _REFUSED))


def columns_of(expectation: Expectation) -> tuple[str, ...]:
    """Return the columns that an expectation names; none where it speaks of the table."""
    if expectation.type.startswith("expect_table_"):
        return ()
    arguments = expectation.arguments
    named: list[str] = []
    for key in _NAMED:
        value = arguments.get(key, ())
        named += [value] if isinstance(value, str) else list(value)
    return tuple(dict.fromkeys(named))


def problems(expectations: Sequence[Expectation], where: str = "quality") -> list[str]:
    """Return every fault of some expectations, a line each: unknown types, wrong arguments.

    Examples
    --------
    >>> problems([Expectation(type="expect_column_values_to_be_uniqe", column="id")])[0][-40:]
    ' mean expect_column_values_to_be_unique?'
    """
    found: list[str] = []
    for index, expectation in enumerate(expectations):
        if not _sound(key_of(expectation)):
            found += _faults(expectation, f"{where}.{index}")
    return found


# Every window asks again for the same expectations.
@lru_cache(maxsize=4096)
def _sound(key: str) -> bool:
    name, arguments = json.loads(key)
    return not _faults(Expectation.model_validate({**arguments, "type": name}), "")


def _faults(expectation: Expectation, where: str) -> list[str]:
    name = expectation.type
    allowed = known_types()
    if name not in allowed:
        near = did_you_mean(name, allowed)
        hint = f"; did you mean {near}?" if near else ""
        reason = "is not supported" if name in _REFUSED else "is no expectation type"
        return [f"{where}.type: {name!r} {reason}{hint}"]
    implementation = registry.get_expectation_impl(name)
    fields = [f for f in implementation.__fields__ if f not in _COMMON]
    lines = [
        explain("unknown argument", where=f"{where}.{key}", got=key, allowed=fields)
        for key in expectation.arguments
        if key not in fields
    ]
    if lines:
        return lines
    try:
        implementation(**expectation.arguments)
    except Exception as error:
        return _described(error, where)
    return []


def _described(error: Exception, where: str) -> list[str]:
    """Say what pydantic found, a line for an argument."""
    told: dict[str, str] = {}
    for fault in error.errors() if hasattr(error, "errors") else ():
        place = ".".join(str(step) for step in fault["loc"] if step != "__root__")
        told.setdefault(place, fault["msg"])
    if not told:
        return [f"{where}: {type(error).__name__}: wrong arguments"]
    return [
        f"{where}.{place}: {text}" if place else f"{where}: {text}" for place, text in told.items()
    ]


def check_expectations(expectations: Sequence[Expectation], where: str = "quality") -> None:
    """Refuse expectations that cannot be built.

    Raises
    ------
    ConfigError
        With every fault, a line each.
    """
    found = problems(expectations, where)
    if found:
        raise ConfigError(found)


def key_of(expectation: Expectation) -> str:
    """Return a text that is the same for the same type and arguments."""
    return json.dumps([expectation.type, expectation.arguments], sort_keys=True, default=str)


# Building costs as much as evaluating a small window, and every window has the same suites.
@lru_cache(maxsize=1024)
def _suite(keys: tuple[str, ...]) -> Any:
    built = []
    for index, key in enumerate(keys):
        name, arguments = json.loads(key)
        implementation = registry.get_expectation_impl(name)
        built.append(implementation(**arguments, meta={"index": index}))
    return gx.ExpectationSuite(name="quality", expectations=built)


@lru_cache(maxsize=1)
def _batches() -> Any:
    """Return what turns frames into batches: one for a process, in memory, silent."""
    # The second has a level of its own, and says where its temporary folder is.
    for name in ("great_expectations", "great_expectations.data_context.types.base"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("window")
    return asset.add_batch_definition_whole_dataframe("all")


@contextmanager
def _worked_out_once() -> Iterator[None]:
    """Let Great Expectations work the same things out once for a suite, not 150 times.

    An expectation's configuration, the expectation of a configuration and the id of some arguments
    are computed from scratch wherever they are looked up, which is more than half of the time that
    a small window takes. Nothing changes them while a suite is evaluated.
    """
    # What was asked is kept beside it, so that nothing else can come to bear its id meanwhile.
    known: dict[int, tuple[Any, Any]] = {}
    ids: dict[str, Any] = {}
    configuration, to_id = Implementation.configuration, IDDict.to_id
    to_domain_obj = ExpectationConfiguration.to_domain_obj

    def once(asked: Any, work_out: Callable[[Any], Any]) -> Any:
        if id(asked) not in known:
            known[id(asked)] = (asked, work_out(asked))
        return known[id(asked)][1]

    def id_of(asked: Any, id_keys: Any = None, id_ignore_keys: Any = None) -> Any:
        if type(asked) is not IDDict or id_keys is not None or id_ignore_keys is not None:
            return to_id(asked, id_keys, id_ignore_keys)
        content = repr(dict(asked))
        if content not in ids:
            ids[content] = to_id(asked)
        return ids[content]

    Implementation.configuration = property(lambda asked: once(asked, configuration.fget))
    ExpectationConfiguration.to_domain_obj = lambda asked: once(asked, to_domain_obj)
    IDDict.to_id = id_of
    try:
        yield
    finally:
        Implementation.configuration = configuration
        ExpectationConfiguration.to_domain_obj = to_domain_obj
        IDDict.to_id = to_id


def evaluate(frame: pd.DataFrame, expectations: Sequence[Expectation]) -> list[Mapping[str, Any]]:
    """Evaluate expectations on one frame; the results are in the order of the expectations.

    Parameters
    ----------
    frame : pandas.DataFrame
        The columns that the expectations name, and no others: one column that cannot be
        evaluated makes a wide frame tens of times slower.
    expectations : sequence of Expectation
        As `check_expectations` lets pass.

    Returns
    -------
    list of mapping
        `success`, `result` and `exception_info` of each, without raw values.
    """
    keys = tuple(map(key_of, expectations))
    # The objects of the suite are shared and hold the batch's name while they are evaluated.
    with _LOCK, warnings.catch_warnings(), _worked_out_once():
        warnings.simplefilter("ignore")
        batch = _batches().get_batch({"dataframe": frame})
        outcome = batch.validate(_suite(keys), result_format=_RESULTS)
    results: list[Mapping[str, Any]] = [{}] * len(keys)
    for result in outcome.results:
        index = result.expectation_config.meta["index"]
        results[index] = {
            "success": bool(result.success),
            "result": result.result or {},
            "exception_info": result.exception_info or {},
        }
    return results
