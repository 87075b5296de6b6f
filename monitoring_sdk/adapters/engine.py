"""The connection to a store's database: how it opens, locks and migrates."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import (
    ArgumentError,
    DisconnectionError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)
from sqlalchemy.pool import QueuePool, StaticPool

from monitoring_sdk.adapters.schema import HEAD
from monitoring_sdk.errors import StoreError

DEFAULT_URL = "sqlite:///.monitoring/store.db"
BUSY_SECONDS = 30
IDLE_SECONDS = 300
# A server that is gone is noticed within a minute; and no prepared statements, which a connection
# pooler in between would have to know of.
_POSTGRES: Mapping[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "prepare_threshold": None,
}
# Any number does, so long as every process that migrates the same database takes the same one.
_ADVISORY_LOCK = int.from_bytes(hashlib.sha256(b"monitoring-sdk migrations").digest()[:7])


def masked(url: sa.URL) -> str:
    """Write a URL for people: neither its password nor one among its arguments is shown."""
    secret = [k for k in url.query if any(w in k.lower() for w in ("pass", "secret", "token"))]
    query = dict.fromkeys(secret, "***")
    return url.update_query_dict(query).render_as_string(hide_password=True)


def failure(url: sa.URL, what: str, error: Exception) -> StoreError:
    """Say what went wrong with a store, without its password."""
    text = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
    for secret in (url.password, *(v for k, v in url.query.items() if "pass" in k.lower())):
        if secret:
            text = text.replace(str(secret), "***")
    return StoreError(f"{masked(url)}: {what}: {text}")


def parse_url(text: str) -> sa.URL:
    """Read a store's URL; where no driver is named, PostgreSQL's is psycopg.

    Raises
    ------
    StoreError
        When it is no database URL, or of a database other than SQLite and PostgreSQL. The text
        itself is not repeated: it may hold a password.
    """
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        raise StoreError(
            "the store's URL cannot be read; allowed: sqlite:///path.db, "
            "postgresql+psycopg://user:password@host/database"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise StoreError(
            f"the store cannot be kept in {url.drivername}; allowed: sqlite, postgresql+psycopg"
        )
    return url


def _is_sqlite(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _file(url: sa.URL) -> Path | None:
    """Return SQLite's file; None for a database in memory or on a server."""
    if not _is_sqlite(url) or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def is_missing(text: str) -> bool:
    """Say whether a store is a file that is not there yet."""
    path = _file(parse_url(text))
    return path is not None and not path.exists()


def connect(text: str, *, read_only: bool = False) -> sa.Engine:
    """Open a store's database and bring its tables to the newest revision.

    Raises
    ------
    StoreError
        When it cannot be reached, is newer than this code, or was asked for read-only and is
        missing or older.
    """
    url = parse_url(text)
    path = _file(url)
    if path is not None and read_only and not path.exists():
        raise StoreError(f"{masked(url)}: there is no store yet; a run creates it")
    try:
        if path is not None and not read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        engine = _engine(url, read_only)
        _bring_up_to_date(engine, path, read_only)
    except NoSuchModuleError as error:
        raise StoreError(f"{masked(url)}: its driver is not installed: {error}") from None
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{masked(url)}: {error.name} is not installed: "
            "pip install 'monitoring-sdk[pipeline,postgres]'"
        ) from None
    except (SQLAlchemyError, OSError) as error:
        raise failure(url, "cannot be opened", error) from None
    return engine


def _engine(url: sa.URL, read_only: bool) -> sa.Engine:
    options: dict[str, Any] = {
        "hide_parameters": True,
        "json_serializer": functools.partial(json.dumps, allow_nan=False),
    }
    if _is_sqlite(url):
        # Closing a file's last connection writes its log back, which costs as much as a commit:
        # so connections are kept.
        options["poolclass"] = StaticPool if _file(url) is None else QueuePool
        options["connect_args"] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    else:
        options["pool_pre_ping"] = True
        options["connect_args"] = {k: v for k, v in _POSTGRES.items() if k not in url.query}
    engine = sa.create_engine(url, **options)
    _leave_to_parent(engine)
    if _is_sqlite(url):
        _set_up_sqlite(engine, read_only)
    else:
        _set_up_postgres(engine)
    return engine.execution_options(postgresql_readonly=True) if read_only else engine


def _leave_to_parent(engine: sa.Engine) -> None:
    """See that a forked process does not use its parent's connections: that corrupts both."""

    @sa.event.listens_for(engine, "connect")
    def _mark(connection: Any, record: Any) -> None:
        record.info["pid"] = os.getpid()

    @sa.event.listens_for(engine, "checkout")
    def _compare(connection: Any, record: Any, proxy: Any) -> None:
        if record.info["pid"] != os.getpid():
            record.dbapi_connection = proxy.dbapi_connection = None
            raise DisconnectionError("a connection of the parent process")


def _set_up_postgres(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _limits(connection: Any, record: Any) -> None:
        # Nobody waits for ever for a worker that hangs, and the server lets go of what a worker
        # holds whose machine is gone.
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        connection.commit()


def _set_up_sqlite(engine: sa.Engine, read_only: bool) -> None:
    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, record: Any) -> None:
        # The driver would begin transactions late, at the first write; we say when they begin.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA foreign_keys = ON")
        if read_only:
            connection.execute("PRAGMA query_only = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Run one transaction that writes; on SQLite it takes the write lock at once.

    A reader that turns into a writer half-way cannot wait for its turn in SQLite: what it read
    may be outdated.
    """
    with engine.connect() as connection:
        connection = connection.execution_options(writes=True)
        with connection.begin():
            yield connection


def insert_once(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless one of its key is there; False when it was, or came just before us."""
    try:
        with connection.begin_nested():
            connection.execute(table.insert().values(**values))
    except IntegrityError:
        return False
    return True


def _revision(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _bring_up_to_date(engine: sa.Engine, path: Path | None, read_only: bool) -> None:
    found = _revision(engine)
    if found == HEAD:
        return
    if read_only:
        _refuse_newer(engine.url, found)
        raise StoreError(f"{masked(engine.url)}: the store is of an older revision; a run moves it")
    with _file_lock(path):
        if path is not None:
            with contextlib.closing(engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
        with writing(engine) as connection:
            if not _is_sqlite(engine.url):
                lock = sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK))
                connection.execute(lock)
            _upgrade(connection)


def _refuse_newer(url: sa.URL, found: str | None) -> None:
    from alembic.script import ScriptDirectory

    known = {s.revision for s in ScriptDirectory.from_config(_alembic()).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            f"{masked(url)}: the store is of revision {found}, newer than this code knows "
            f"(up to {HEAD}): upgrade monitoring-sdk"
        )


def _alembic() -> Any:
    from alembic.config import Config

    config = Config()
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.runtime.migration import MigrationContext

    # Read again now that the lock is held: another process may have been faster.
    found = MigrationContext.configure(connection).get_current_revision()
    _refuse_newer(connection.engine.url, found)
    config = _alembic()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextlib.contextmanager
def _file_lock(path: Path | None) -> Iterator[None]:
    """Hold an exclusive lock beside SQLite's file, which the system lets go when we die."""
    if path is None:
        yield
        return
    with open(path.with_name(path.name + ".lock"), "a+b") as file:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        yield


def store_url(url: str | None = None) -> str:
    """Return a store's URL: the one given, `MONITORING_STORE`, or SQLite under `.monitoring/`."""
    return url or os.environ.get("MONITORING_STORE") or DEFAULT_URL
