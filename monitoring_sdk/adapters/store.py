"""The store: verdicts, incidents, triggers and what is still to be told, in SQLite or PostgreSQL.

A decision is one transaction, so that whatever dies, and whoever else works on the same model,
there is one verdict, one incident, one trigger and one message, or none at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from monitoring_sdk.adapters import engine as database
from monitoring_sdk.adapters import outbox, results
from monitoring_sdk.adapters.deciding import Deciding
from monitoring_sdk.adapters.outbox import Claimed, OutboxState
from monitoring_sdk.adapters.overview import Overview
from monitoring_sdk.adapters.schema import profile, result
from monitoring_sdk.decision import Part, ResultRow
from monitoring_sdk.feedback import Feedback
from monitoring_sdk.window import Window

if TYPE_CHECKING:
    import pandas as pd


def open_store(url: str | None = None, *, read_only: bool = False) -> Store:
    """Open a store, creating and migrating it where needed.

    Parameters
    ----------
    url : str, optional
        SQLAlchemy's URL of SQLite or PostgreSQL (psycopg). Default: `MONITORING_STORE`, else
        `.monitoring/store.db`.
    read_only : bool
        Write nothing at all, not even missing tables.

    Returns
    -------
    Store

    Raises
    ------
    StoreError
        When it cannot be reached, is newer than this code, or was asked for read-only and is
        missing or older.

    Examples
    --------
    >>> open_store("sqlite://").incidents("flights")
    []
    """
    return Store(database.connect(database.store_url(url), read_only=read_only))


def open_existing(url: str | None = None) -> Store:
    """Open a store to look at it: where there is none yet, an empty one in memory stands in."""
    return open_store("sqlite://" if database.is_missing(database.store_url(url)) else url)


class Store(Overview):
    """A store that is open; made by `open_store`, and safe to use from several threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @property
    def url(self) -> str:
        """Where the store is, without its password."""
        return database.masked(self._engine.url)

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn the database's errors into ours, which never repeat a password or a parameter."""
        try:
            yield
        except SQLAlchemyError as error:
            raise database.failure(self._engine.url, what, error) from None

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator[sa.Connection]:
        with self._told(what), database.writing(self._engine) as connection:
            yield connection

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._told("cannot be read"), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def deciding(self, model: str, *, holder: str, now: datetime) -> Iterator[Deciding]:
        """Hold a model's lease for one decision: commit at the end, or leave no trace.

        Parameters
        ----------
        model : str
        holder : str
            Who decides, for people who look at the lease.
        now : datetime
            The clock; messages are due from it on.

        Raises
        ------
        StoreError
            When another holds the store for longer than 30 s, or took the lease.
        """
        with self._writing(f"cannot decide {model}") as connection:
            yield Deciding(connection, model, holder, now)

    def say(self, said: Feedback) -> bool:
        """Keep what somebody said, under the model's lease; False when it was said before."""
        with self.deciding(said.model, holder=said.said_by, now=said.said) as tx:
            return tx.say(said)

    def find(self, row: ResultRow) -> ResultRow | None:
        """Return the stored verdict of the same key, if any: it need not be computed again.

        The key is model, window, part, baseline, settings and fingerprint; nothing else of `row`
        is read. A verdict of status `error` is not one.
        """
        query = sa.select(result).where(results.matches(results.key_of(row)))
        with self._reading() as connection:
            found = connection.execute(query.where(result.c.status != "error")).first()
        return None if found is None else results.row_of(found)

    def results(
        self,
        model: str,
        start: datetime | None = None,
        end: datetime | None = None,
        part: Part | None = None,
        *,
        newest: bool = True,
        limit: int | None = None,
    ) -> list[ResultRow]:
        """Return the verdicts on the windows inside `[start, end)`, in order of time.

        Parameters
        ----------
        model : str
        start, end : datetime, optional
            Windows that start before the one or end after the other are left out.
        part : str, optional
            `data` or `performance`; both by default.
        newest : bool
            Only the newest verdict on each part of each window; otherwise all, by revision.
        limit : int, optional
            How many of them, the last in order of time.
        """
        query = results.select_newest() if newest else sa.select(result)
        query = results.inside(query, model, start, end, part)
        order = (result.c.window_end, result.c.part, result.c.revision)
        query = query.order_by(*(column.desc() for column in order)).limit(limit)
        with self._reading() as connection:
            found = connection.execute(query).all()
        return [results.row_of(row) for row in reversed(found)]

    def rows_of_windows(
        self,
        model: str,
        start: datetime | None = None,
        end: datetime | None = None,
        part: Part = "data",
        *,
        limit: int | None = None,
    ) -> dict[Window, int | None]:
        """Return how many rows the windows with a verdict have, in order of time.

        Parameters as of `results`: of long histories this is read without the checks.
        """
        of_row = (result.c.window_start, result.c.window_end, result.c.rows)
        query = results.select_newest().with_only_columns(*of_row)
        query = results.inside(query, model, start, end, part)
        query = query.order_by(result.c.window_end.desc(), result.c.window_start.desc())
        with self._reading() as connection:
            found = connection.execute(query.limit(limit)).all()
        return {Window(first, last): rows for first, last, rows in reversed(found)}

    def history(
        self,
        model: str,
        keys: Collection[str] | None = None,
        before: datetime | None = None,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """Return a model's checks over its windows, from the newest verdict on each.

        Parameters
        ----------
        model : str
        keys : collection of str, optional
            The checks wanted; all by default.
        before : datetime, optional
            Only windows that end at it or earlier.
        limit : int, optional
            How many of the newest windows, for each part.

        Returns
        -------
        DataFrame
            In order of time: `key`, `part`, `window_start`, `window_end`, `value`, `threshold`,
            `exceeded`, `status`, `severity`, `n`, `fingerprint`, `baseline`, `settings`.
        """
        with self._reading() as connection:
            return results.read_history(connection, model, keys, before, limit)

    def save_profile(
        self,
        model: str,
        window: Window,
        baseline: str | None,
        fingerprint: str,
        body: Mapping[str, Any],
    ) -> None:
        """Keep a window's profile (its JSON form); the same key is written once."""
        key = _profile_key(model, window, baseline, fingerprint)
        with self._writing("cannot keep a profile") as connection:
            database.insert_once(connection, profile, {**key, "body": results.pack_json(body)})

    def profile(
        self, model: str, window: Window, baseline: str | None, fingerprint: str
    ) -> dict[str, Any] | None:
        """Return the JSON form of a window's profile, or None."""
        key = _profile_key(model, window, baseline, fingerprint)
        same = sa.and_(*(profile.c[name] == value for name, value in key.items()))
        with self._reading() as connection:
            packed = connection.execute(sa.select(profile.c.body).where(same)).scalar()
        return None if packed is None else results.unpack_json(packed)

    def forget(self, model: str, before: datetime, keep: Window | None) -> tuple[int, int]:
        """Remove a model's verdicts and profiles of windows that end by a moment.

        Parameters
        ----------
        keep : Window, optional
            Windows in this span stay.

        Returns
        -------
        tuple of int
            Verdicts and profiles that are gone.
        """
        with self._writing("cannot remove results") as connection:
            return results.remove(connection, model, before, keep)

    def claim(
        self,
        now: datetime,
        holder: str,
        limit: int,
        ttl: timedelta,
        *,
        kinds: Collection[str] | None = None,
        skip: Collection[str] = (),
    ) -> list[Claimed]:
        """Claim messages that are due, the longest due first, until `now` plus `ttl`.

        A claim that is not settled by then is free again, and comes back as `ambiguous`.
        """
        with self._writing("cannot claim messages") as connection:
            return outbox.claim(connection, now, holder, limit, ttl, kinds, skip)

    def settle(
        self,
        claimed: Claimed,
        state: OutboxState,
        now: datetime,
        detail: str | None = None,
        next_attempt: datetime | None = None,
        *,
        receipt: Mapping[str, Any] | None = None,
        attempted: bool = True,
    ) -> bool:
        """Write how a claim ended; False, and nothing written, when another has claimed it since.

        The state of a trigger whose hook this is goes with it.
        """
        with self._writing("cannot settle a message") as connection:
            return outbox.settle(
                connection, claimed, state, now, detail, next_attempt, receipt, attempted
            )

    def revive(self, ids: Collection[str], now: datetime) -> None:
        """Have dead messages sent again, as if they had been put down now; others stay as they are.

        The state of a trigger whose hook one of them is goes with it.
        """
        with self._writing("cannot revive messages") as connection:
            outbox.revive(connection, ids, now)


def _profile_key(
    model: str, window: Window, baseline: str | None, fingerprint: str
) -> dict[str, Any]:
    return {
        "model": model,
        "window_start": window.start,
        "window_end": window.end,
        "baseline": baseline or "",
        "fingerprint": fingerprint,
    }
