"""A real PostgreSQL on loopback, for the tests that need one: it takes two seconds to start."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

PASSWORD = "s3cret-and-long"
_FAST = "-c fsync=off -c full_page_writes=off -c max_connections=60"


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `user` is the system's user that it runs as."""

    folder: Path
    port: int
    control: str
    user: str | None

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database, with its password."""
        return f"postgresql://me:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def fresh(self, template: str = "template0") -> str:
        """Create a database of its own, empty or as its template is; return its address."""
        name = f"d{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 {_FAST}"
        self._control("-l", str(self.folder / "log"), "-o", options, "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; `immediate` is as pulling the plug, all connections are cut."""
        self._control("-m", mode, "-w", "stop")

    def _control(self, *arguments: str) -> None:
        run(self.control, "-D", str(self.folder / "data"), *arguments, user=self.user)


def run(*command: str, user: str | None) -> None:
    """Run a program of PostgreSQL to its end."""
    # Not captured: the server would keep the pipes open for as long as it lives.
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        cwd="/",
        timeout=60,
    )


def installed() -> bool:
    """Say whether the server's programs are here."""
    return None not in (shutil.which("initdb"), shutil.which("pg_ctl"))


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server in a folder of its own, which asks for a password."""
    initdb, control = str(shutil.which("initdb")), str(shutil.which("pg_ctl"))
    # PostgreSQL does not run as root.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / "password").write_text(PASSWORD)
    if user:
        for path in (folder, folder / "password"):
            shutil.chown(path, user)
    secret = ("-A", "scram-sha-256", "--pwfile", str(folder / "password"))
    server = PostgresServer(folder, port, control, user)
    try:
        run(initdb, "-D", str(folder / "data"), "-U", "me", "-N", *secret, user=user)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
