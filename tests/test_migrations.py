"""Migrations: one way to the newest tables, under a lock, and never backwards."""

import sqlite3
import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from monitoring_sdk.adapters import engine as database
from monitoring_sdk.adapters.schema import HEAD, metadata
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.errors import StoreError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "100% store" / "s.db"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


def test_migrations_end_at_the_tables(url):
    open_store(url)
    with sa.create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD


def test_the_head_that_the_code_knows_is_the_newest_revision():
    assert ScriptDirectory.from_config(database._alembic()).get_heads() == [HEAD]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_store_is_refused_with_the_reason(url, path, read_only):
    open_store(url)
    with sqlite3.connect(path) as plain:
        plain.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="revision 9999, newer than this code knows"):
        open_store(url, read_only=read_only)


def test_an_empty_file_is_migrated_but_not_by_a_reader(url, path):
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StoreError, match="older revision"):
        open_store(url, read_only=True)
    assert path.stat().st_size == 0
    assert open_store(url).results("m") == []


def test_a_migration_that_fails_leaves_nothing_half_done(url, path, monkeypatch):
    monkeypatch.setattr("alembic.command.upgrade", _half_an_upgrade)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(url)
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT name FROM sqlite_master").fetchall() == []
    monkeypatch.undo()
    assert open_store(url).results("m") == []


def _half_an_upgrade(config, revision):
    connection = config.attributes["connection"]
    connection.execute(sa.text("CREATE TABLE half (a INTEGER)"))
    connection.execute(sa.text("CREATE TABLE half (a INTEGER)"))


def test_many_at_once_migrate_once(url):
    errors, barrier = [], threading.Barrier(4)

    def work():
        barrier.wait()
        try:
            open_store(url)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    with sa.create_engine(url).connect() as connection:
        count = connection.execute(sa.text("SELECT count(*) FROM alembic_version")).scalar()
    assert count == 1


def test_opening_a_store_that_is_up_to_date_needs_no_alembic(url):
    open_store(url)
    code = (
        "import sys; from monitoring_sdk.adapters.store import open_store; "
        f"open_store({url!r}); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
