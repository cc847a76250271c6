"""A real PostgreSQL for tests, of Debian's package: on loopback, in a folder of its own, nothing synced to disk."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from tests.support.programs import PATIENCE_SECONDS, free_port, wait_until

_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "listen_addresses": "127.0.0.1",
    "autovacuum": "off",
    "logging_collector": "off",
}


class Postgres:
    """A running server with a superuser `moat`. A context manager."""

    def __init__(self) -> None:
        self.port = free_port()
        self.password = "p@ss:w/o#rd%" + secrets.token_hex(4)  # what a URL must escape
        # pytest's own folders are closed to the user that it runs as: PostgreSQL refuses root.
        self._folder = Path(tempfile.mkdtemp(prefix="moatdns-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self._folder, user.pw_uid, user.pw_gid)

    def __enter__(self) -> Postgres:
        password = self._folder / "password"
        password.write_text(self.password)
        password.chmod(0o644)  # the folder is closed
        self._run("initdb", "-D", "data", "-U", "moat", "--auth=scram-sha-256", "--pwfile=password", "-E", "UTF8", "-N")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_binary("postgres"), "-D", "data", "-p", str(self.port), "-k", str(self._folder), *settings],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as,
            )
        wait_until(self._is_ready, "PostgreSQL takes connections")

    def stop(self) -> None:
        """End it, with all its connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # a "fast shutdown": it waits for no client
            try:
                self._process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """It holds its connections and answers nothing."""
        assert self._process
        parent = psutil.Process(self._process.pid)
        processes = [parent, *parent.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def url(self, database: str) -> str:
        """As `store.url` names a database of it."""
        password = "".join(f"%{octet:02X}" for octet in self.password.encode())
        return f"postgresql://moat:{password}@127.0.0.1:{self.port}/{database}"

    async def new_database(self) -> str:
        """Make an empty database, and give its URL."""
        name = f"moatdns_{secrets.token_hex(6)}"
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        return self.url(name)

    async def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")
        finally:
            await connection.close()

    def _is_ready(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return "ready to accept connections" in (self._folder / "log").read_text().rpartition("starting")[2]
        return False

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [_binary(name), *arguments], cwd=self._folder, capture_output=True, text=True, check=False, **self._as
        )
        assert done.returncode == 0, done.stderr


@functools.cache
def shared_postgres() -> Postgres:
    """One server for all tests of this run that need no more than a database of their own."""
    server = Postgres()
    server.__enter__()
    atexit.register(server.__exit__)
    return server


def _binary(name: str) -> str:
    """Debian keeps the server's programs out of PATH, a folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    path = str(found[-1]) if found else shutil.which(name)
    assert path, f"{name} of PostgreSQL is not installed; tests/set-up-machine installs what the tests need"
    return path
