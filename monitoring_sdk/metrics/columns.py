"""Columns of classes and scores as numpy arrays, whatever they came as; nulls told apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring_sdk.errors import SourceError, explain

# So many distinct values are no classes; the rest need not be looked at.
_MOST_CLASSES = 1000
_TRUTH = {"true": 1, "false": 0}


def _number(value: object) -> int | float | None:
    """Return the number that a class name stands for (true is 1), or None."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _TRUTH:
            return _TRUTH[text]
        try:
            return int(text)
        except ValueError:
            pass
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _class_key(value: object) -> object:
    number = _number(value)
    return str(value).strip() if number is None else number


def _is_null(value: object) -> bool:
    text = str(value).strip().lower()
    return value is None or text in ("", "nan")


def as_array(values: Any) -> pa.Array:
    """Return a column (list, numpy, pandas, Arrow) as one Arrow array; NaN in floats is null.

    Lists that mix types become text, so that a class is compared by its name.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not isinstance(values, pa.Array):
        try:
            values = pa.array(values, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            values = pa.array([None if _is_null(v) else str(v) for v in values], pa.string())
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_nested(values.type):
        raise SourceError(
            f"a column of type {values.type}, where each row should have one number or class"
        )
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
        return pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
    return values


def is_positive(values: Any, positive: object) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which values are the positive class, by name and not by type.

    ``1``, ``1.0``, ``"1"``, ``"1.0"``, ``True`` and ``"true"`` are one class, ``0`` and ``False``
    another. Other text is compared as it stands, but for blanks around it.

    Parameters
    ----------
    values : array-like of shape (n,)
        A column of classes: list, numpy, pandas or Arrow.
    positive : object
        The class that the score speaks of.

    Returns
    -------
    tuple of arrays of bool, each of shape (n,)
        Where the value is positive, and where it is null (None, NaN or blank text). A null is
        never positive.

    Examples
    --------
    >>> positive, null = is_positive(["1", "0", None, "true"], 1)
    >>> positive.tolist(), null.tolist()
    ([True, False, False, True], [False, False, True, False])
    """
    array = as_array(values)
    kind = array.type
    wanted = _class_key(positive)
    if pa.types.is_null(kind):
        return np.zeros(len(array), bool), np.ones(len(array), bool)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = array.cast(pa.int8()) if pa.types.is_boolean(kind) else array
        null = _bools(pc.is_null(numbers))
        if isinstance(wanted, str):
            return np.zeros(len(array), bool), null
        return _bools(pc.fill_null(pc.equal(numbers, pa.scalar(wanted)), False)), null
    # Text, decimals, dates: few distinct values, so each is judged once.
    encoded = array.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    nulls = np.array([*(_is_null(v) for v in names), True])
    hits = np.array([*(_class_key(v) == wanted for v in names), False]) & ~nulls
    return hits[codes], nulls[codes]


def _bools(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=bool)


def other_classes(values: Any, positive: object) -> frozenset[str]:
    """Name the distinct classes of a column beside the positive one; nulls are none.

    Examples
    --------
    >>> sorted(other_classes([1, 0, "0", False, None, 2], positive=1))
    ['0', '2']
    """
    distinct = as_array(values).unique().slice(0, _MOST_CLASSES).to_pylist()
    keys = {_class_key(v) for v in distinct if not _is_null(v)}
    return frozenset(str(key) for key in keys - {_class_key(positive)})


def class_codes(values: Any) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the classes of a column by their names, which compare as in `is_positive`.

    Returns
    -------
    tuple of array of int64, shape (n,), and tuple of str
        A code for each row, -1 where it is null, and the names, sorted, that the codes stand for.

    Examples
    --------
    >>> codes, names = class_codes(["b", None, "a ", "b"])
    >>> codes.tolist(), names
    ([1, -1, 0, 1], ('a', 'b'))
    >>> class_codes([1, 1.0, "1", True])[1]
    ('1',)
    """
    array = as_array(values)
    if pa.types.is_null(array.type):
        return np.full(len(array), -1, np.int64), ()
    encoded = array.dictionary_encode()
    keys = [None if _is_null(v) else str(_class_key(v)) for v in encoded.dictionary.to_pylist()]
    names = sorted({key for key in keys if key is not None})
    place = {name: code for code, name in enumerate(names)}
    lookup = np.array([*(-1 if key is None else place[key] for key in keys), -1], np.int64)
    codes = encoded.indices.fill_null(len(keys)).to_numpy(zero_copy_only=False)
    return lookup[codes], tuple(names)


def class_name(value: object) -> str:
    """Return the name that a class goes by, whatever its type.

    Examples
    --------
    >>> class_name(1.0), class_name("economy ")
    ('1', 'economy')
    """
    return str(_class_key(value))


def group_codes(values: Any) -> NDArray[np.int64]:
    """Number the distinct values of a column in their own order; -1 where it is null.

    Examples
    --------
    >>> group_codes(["q2", "q1", None, "q2"]).tolist()
    [1, 0, -1, 1]
    """
    array = as_array(values)
    if pa.types.is_null(array.type):
        return np.full(len(array), -1, np.int64)
    encoded = array.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.full(len(order) + 1, -1, np.int64)
    rank[order] = np.arange(len(order))
    codes = encoded.indices.fill_null(len(order)).to_numpy(zero_copy_only=False)
    return rank[codes]


def as_scores(values: Any, *, where: str = "score") -> NDArray[np.float64]:
    """Return a column of numbers as float64, NaN where there is none.

    Raises
    ------
    SourceError
        When a value is not a number.

    Examples
    --------
    >>> as_scores([0.5, None, 1]).tolist()
    [0.5, nan, 1.0]
    """
    array = as_array(values)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    try:
        numbers = array.cast(pa.float64(), safe=not pa.types.is_integer(array.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # What Arrow says of it quotes a value.
        raise SourceError(
            explain("not a column of numbers", where=where, got=str(array.type))
        ) from None
    return np.asarray(numbers.fill_null(np.nan).to_numpy(zero_copy_only=False), dtype=np.float64)
