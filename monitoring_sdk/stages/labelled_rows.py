"""Whole prediction rows beside their labels, as a trainer needs them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from monitoring_sdk.adapters.sources.source import read_table
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.stages.handle import open_predictions
from monitoring_sdk.stages.joining import join_table
from monitoring_sdk.window import Window

if TYPE_CHECKING:
    import pandas as pd


def labelled_rows(config: MonitorConfig, span: Window, as_of: datetime) -> pd.DataFrame:
    """Return every column of the predictions of a span, and their labels known as of a moment.

    Parameters
    ----------
    config : MonitorConfig
    span : Window
        Rows with `span.start <= timestamp < span.end`, windows or not.
    as_of : datetime
        A label with a later timestamp is not there yet.

    Returns
    -------
    DataFrame
        A row for each prediction. The column of `columns.label` is null without a label, or is
        `labels.missing_is` where a row that can get one has none when its time is over; where
        the monitor file names a `label_timestamp`, that column says since when it is known (UTC).

    Raises
    ------
    ConfigError
        When the monitor file names no labels.
    SourceError
        When a source cannot be read, or lacks a column.
    """
    columns, known = config.columns, config.columns.label_timestamp
    if config.source.labels is None or columns.label is None:
        raise ConfigError(f"{config.model}: no source.labels: there is nothing to learn from")
    source = open_predictions(config)
    names = source.schema(span, columns.timestamp).names
    table = read_table(source, names, window=span, timestamp=columns.timestamp)
    joined = join_table(config, table, span, as_of)
    rows: pd.DataFrame = table.to_pandas()
    rows[columns.label] = joined.settled_label().to_pandas().to_numpy()
    if known is not None:
        rows[known.column] = joined.found.label_timestamp.to_pandas().array
    return rows
