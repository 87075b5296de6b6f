"""Migrations: one way to the newest tables, under a lock, and never backwards."""

import subprocess
import sys
import threading

import psycopg
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


def test_migrations_end_at_the_tables(empty_url):
    open_store(empty_url)
    with sa.create_engine(database.parse_url(empty_url)).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD


def test_the_head_that_the_code_knows_is_the_newest_revision():
    assert ScriptDirectory.from_config(database._alembic()).get_heads() == [HEAD]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_store_is_refused_with_the_reason(store_url, read_only):
    open_store(store_url)
    ask(store_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="revision 9999, newer than this code knows"):
        open_store(store_url, read_only=read_only)


def ask(url, statement):
    """Run one statement on a database; return its first value, if any."""
    engine = sa.create_engine(database.parse_url(url))
    with engine.begin() as connection:
        answer = connection.execute(sa.text(statement))
        found = answer.scalar() if answer.returns_rows else None
    engine.dispose()
    return found


def tables(url):
    return sa.inspect(sa.create_engine(database.parse_url(url))).get_table_names()


def test_an_empty_file_is_migrated_but_not_by_a_reader(url, path):
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StoreError, match="older revision"):
        open_store(url, read_only=True)
    assert path.stat().st_size == 0
    assert open_store(url).results("m") == []


def test_a_migration_that_fails_leaves_nothing_half_done(empty_url, monkeypatch):
    monkeypatch.setattr("alembic.command.upgrade", _half_an_upgrade)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(empty_url)
    assert tables(empty_url) == []
    monkeypatch.undo()
    assert open_store(empty_url).results("m") == []


def _half_an_upgrade(config, revision):
    connection = config.attributes["connection"]
    connection.execute(sa.text("CREATE TABLE half (a INTEGER)"))
    connection.execute(sa.text("CREATE TABLE half (a INTEGER)"))


def test_many_threads_at_once_migrate_once(empty_url):
    errors, barrier = [], threading.Barrier(4)

    def work():
        barrier.wait()
        try:
            open_store(empty_url)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    assert ask(empty_url, "SELECT count(*) FROM alembic_version") == 1


def test_two_processes_at_once_migrate_once(postgres):
    url = postgres.fresh()
    code = (
        "import sys; import alembic.command; "
        "from monitoring_sdk.adapters.store import open_store; "
        "print('ready', flush=True); sys.stdin.readline(); "
        f"print(open_store({url!r}).models())"
    )
    command = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    assert [w.communicate(timeout=60)[0] for w in workers] == ["[]\n"] * 2
    assert [w.returncode for w in workers] == [0, 0]
    assert ask(url, "SELECT count(*) FROM alembic_version") == 1


def test_whoever_migrates_waits_for_the_lock(postgres):
    url = postgres.fresh()
    done = threading.Event()

    def work():
        open_store(url)
        done.set()

    with psycopg.connect(url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (database._ADVISORY_LOCK,))
        waiting = threading.Thread(target=work)
        waiting.start()
        assert not done.wait(1)
        assert tables(url) == []
    waiting.join(30)
    assert "result" in tables(url)


def test_opening_a_store_that_is_up_to_date_needs_no_alembic(url):
    open_store(url)
    code = (
        "import sys; from monitoring_sdk.adapters.store import open_store; "
        f"open_store({url!r}); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
