"""The one place where columns of moments become UTC, and where a span becomes a predicate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.errors import SourceError
from monitoring_sdk.window import Window

UTC_MICROSECONDS = pa.timestamp("us", "UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# An offset follows a time, so that the day of a bare date is not taken for one.
_OFFSET = r":\d\d(\.\d+)?\s?([Zz]|[+-]\d\d(:?\d\d)?)$"


def to_utc(array: Any, unit: str | None = None, *, column: str = "timestamp") -> Any:
    """Return moments as `timestamp[us, UTC]`; what has no zone is UTC already.

    Parameters
    ----------
    array : pyarrow.Array or pyarrow.ChunkedArray
        Timestamps, dates, ISO 8601 text (with or without offsets, mixed too), or numbers.
    unit : {"s", "ms", "us", "ns"}, optional
        What numbers count since 1970.
    column : str
        Its name, for the error.

    Returns
    -------
    pyarrow.Array or pyarrow.ChunkedArray
        Of the same length; nulls stay null; finer parts than microseconds are cut off.

    Raises
    ------
    SourceError
        When the type, or a text, is no moment.

    Examples
    --------
    >>> to_utc(pa.array(["2013-06-03 04:00", "2013-06-03T04:00:00-04:00"])).to_pylist()[1].hour
    8
    """
    kind = array.type
    try:
        if pa.types.is_dictionary(kind):
            return to_utc(array.cast(kind.value_type), unit, column=column)
        if pa.types.is_null(kind) or pa.types.is_date(kind):
            return array.cast(pa.timestamp("us")).cast(UTC_MICROSECONDS)
        if pa.types.is_timestamp(kind):
            return _from_timestamp(array)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_view(kind):
            return _from_text(array.cast(pa.string()))
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return _from_number(array, unit, column)
    except pa.ArrowInvalid as error:
        reason = str(error).split("'")[0].split(":")[0].strip()
        raise SourceError(
            f"column {column!r} ({kind}) holds values that are no moments: {reason}; "
            "allowed: ISO 8601 text, timestamps, dates, or numbers with a unit"
        ) from None
    raise SourceError(f"column {column!r} is {kind}, which holds no moments")


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind))


def _from_timestamp(array: Any) -> Any:
    if array.type.unit == "ns":
        array = pc.floor_temporal(array, unit="microsecond")
    # A zone names how an instant is shown; the instant itself is UTC already.
    if array.type.tz is None:
        return array.cast(pa.timestamp("us"), safe=array.type.unit != "ns").cast(UTC_MICROSECONDS)
    return array.cast(UTC_MICROSECONDS, safe=array.type.unit != "ns")


def _from_text(array: Any) -> Any:
    text = pc.utf8_upper(pc.utf8_trim_whitespace(array))
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    text = pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")
    zoned = pc.fill_null(pc.match_substring_regex(text, _OFFSET), False)
    if not pc.any(zoned).as_py():
        return text.cast(pa.timestamp("us")).cast(UTC_MICROSECONDS)
    nothing = pa.scalar(None, pa.string())
    # `... 04:00:00 +00:00` is read once the blank before its offset is gone.
    with_zone = pc.replace_substring_regex(
        pc.if_else(zoned, text, nothing), r"\s+(Z|[+-]\d\d(:?\d\d)?)$", r"\1"
    ).cast(UTC_MICROSECONDS)
    without = pc.if_else(zoned, nothing, text).cast(pa.timestamp("us")).cast(UTC_MICROSECONDS)
    return pc.coalesce(with_zone, without)


def _from_number(array: Any, unit: str | None, column: str) -> Any:
    if unit is None:
        raise SourceError(
            f"column {column!r} holds numbers ({array.type}): say what they count, "
            f"{{column: {column}, unit: ms}}; allowed: s, ms, us, ns"
        )
    if not pa.types.is_integer(array.type):
        scaled = pc.multiply(array.cast(pa.float64()), 1_000_000 / _PER_SECOND[unit])
        finite = pc.if_else(pc.is_finite(scaled), scaled, pa.scalar(None, pa.float64()))
        return pc.floor(finite).cast(pa.int64()).cast(UTC_MICROSECONDS)
    return _from_timestamp(array.cast(pa.int64()).cast(pa.timestamp(unit, "UTC")))


def microseconds(at: datetime) -> int:
    """Return the whole microseconds from 1970 to a moment.

    Examples
    --------
    >>> microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (at - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open span `[low, high)` of microseconds since 1970 that a scan keeps.

    Either end may be open (None).
    """

    low: int | None = None
    high: int | None = None

    @classmethod
    def of(cls, window: Window | None, until: datetime | None = None) -> Span:
        """Return the span of a window and of `until`, which is itself inside."""
        highs = [] if window is None else [microseconds(window.end)]
        if until is not None:
            highs.append(microseconds(until) + 1)
        low = None if window is None else microseconds(window.start)
        return cls(low, min(highs) if highs else None)

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self.low is None and self.high is None

    def overlaps(self, low: int | None, high: int | None) -> bool:
        """Say whether values between `low` and `high` (both inside) can lie in the span."""
        return (self.high is None or low is None or low < self.high) and (
            self.low is None or high is None or high >= self.low
        )

    def covers(self, low: int | None, high: int | None) -> bool:
        """Say whether all values between `low` and `high` (both inside) lie in the span."""
        return (self.low is None or (low is not None and low >= self.low)) and (
            self.high is None or (high is not None and high < self.high)
        )

    def mask(self, moments: Any) -> Any:
        """Return which moments (`timestamp[us, UTC]`) lie in the span; a null never does."""
        keep = pc.is_valid(moments)
        if self.low is not None:
            keep = pc.and_(keep, pc.greater_equal(moments, _scalar(self.low)))
        if self.high is not None:
            keep = pc.and_(keep, pc.less(moments, _scalar(self.high)))
        return pc.fill_null(keep, False)

    def dates(self, margin: timedelta) -> tuple[date | None, date | None]:
        """Return the first and last UTC date of the span, widened by a margin."""
        first = None if self.low is None else _date(self.low, -margin)
        last = None if self.high is None else _date(self.high - 1, margin)
        return first, last

    def like(self, sample: object, unit: str | None) -> tuple[Any, Any, bool] | None:
        """Return the bounds as values of the kind of `sample`, and whether they are exact.

        They are for a predicate `low <= value < high` that another engine evaluates. Text is
        bounded by dates a day wider, so that any mixture of blanks, `T`, `Z` and offsets sorts
        inside; None where no such bounds can be given.
        """
        if isinstance(sample, datetime):
            moments = [None if v is None else _EPOCH + v * _MICROSECOND for v in self._ends]
            if sample.tzinfo is None:
                moments = [None if m is None else m.replace(tzinfo=None) for m in moments]
            return moments[0], moments[1], True
        if isinstance(sample, date | str):
            first, last = self.dates(timedelta(days=1))
            after = None if last is None else last + timedelta(days=1)
            if isinstance(sample, date):
                return first, after, False
            return first and first.isoformat(), after and after.isoformat(), False
        if isinstance(sample, int | float | Decimal) and unit is not None:
            return self._numbers(_PER_SECOND[unit])
        return None

    @property
    def _ends(self) -> tuple[int | None, int | None]:
        return self.low, self.high

    def _numbers(self, per_second: int) -> tuple[int | None, int | None, bool]:
        # Rounding both ends up keeps whole counts on their side; fractions of a count that is
        # coarser than a microsecond are why the caller still filters.
        low, high = (None if v is None else -(-v * per_second // 1_000_000) for v in self._ends)
        exact = all(v is None or v * per_second % 1_000_000 == 0 for v in self._ends)
        return (low if exact or low is None else low - 1), high, exact


def _scalar(value: int) -> Any:
    return pa.scalar(value, pa.int64()).cast(UTC_MICROSECONDS)


def _date(value: int, shift: timedelta) -> date:
    return (_EPOCH + value * _MICROSECOND + shift).date()
