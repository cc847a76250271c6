"""The two engines: how a connection is opened, what a transaction begins with, and what its errors mean."""

from __future__ import annotations

import contextlib
import importlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from admin_api.store.errors import StoreAway, StoreFull, StoreLost
from resolver.config.fields import secret
from resolver.errors import RuleError
from resolver.system.state_files import check_own, have_own, make_folder

FILE = "moatdns.sqlite"
"""SQLite's file, in the state directory."""

_BEGIN = "moatdns_begin"  # execution option: how a transaction of SQLite begins
_SYNCHRONOUS = "moatdns_synchronous"  # execution option: SQLite's PRAGMA synchronous

# SQLSTATE's classes of a PostgreSQL that cannot serve: connection, authorisation, no such database, deadlock and lock
# timeouts, resources, operator intervention, system error.
_AWAY = ("08", "25P03", "28", "3D", "40", "53", "55", "57", "58", "XX")
_DISK_FULL = "53100"
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNREADABLE = (
    "store.url cannot be read: write it as postgresql://USER:PASSWORD@HOST/DATABASE, with special characters of the "
    "password as %XX"
)


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """How long anything with the store may take, in seconds, and how many connections it may have."""

    connect_seconds: float = 5.0
    statement_seconds: float = 20.0
    lock_seconds: float = 1.0  # for what another program has locked
    row_lock_seconds: float = 3.0  # on PostgreSQL, where other nodes write as well
    turn_seconds: float = 30.0  # for whoever brings the tables up to date, and for a free connection
    patience_seconds: float = 4.0  # waiting for other writers
    connections: int = 9  # one is for signs of life, where other nodes may serve the store


@dataclass(frozen=True, slots=True)
class Engines:
    """One pool of connections, in four manners of beginning a transaction."""

    reading: AsyncEngine  # sees one state of the store from its first statement to its end
    trying: AsyncEngine  # like `reading`, and may make temporary tables
    changing: AsyncEngine  # a commit outlives a loss of power
    counting: AsyncEngine  # a commit outlives the end of any process
    place: str  # where the store is, fit to show
    file: Path | None = None  # SQLite's

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite; else PostgreSQL."""
        return self.changing.dialect.name == "sqlite"


def open_engines(url: str | None, state_dir: Path, limits: StoreLimits) -> Engines:
    """The engines for that store; connects to nothing yet. Raises StoreAway."""
    if url is None:
        return _sqlite(state_dir, limits)
    try:
        return _postgres(secret(url), limits)
    except RuleError as error:
        raise StoreAway(f"store.url: {error}") from None


def _sqlite(state_dir: Path, limits: StoreLimits) -> Engines:
    path = state_dir / FILE
    try:
        make_folder(state_dir)
        # Ours alone from the first moment. SQLite gives its -wal and -shm files the mode of this one.
        have_own(path)
        check_own(*(Path(f"{path}{suffix}") for suffix in ("-wal", "-shm", "-journal")))
    except OSError as error:
        raise StoreAway(f"the store {path} cannot be opened: {error.strerror}") from error
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        connect_args={"timeout": limits.lock_seconds},
        **_pool(limits),
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver begins no transaction by itself: `begin` below does
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "foreign_keys=ON",
            "synchronous=FULL",
            "cache_size=-8000",  # KiB
            "journal_size_limit=67108864",
            "secure_delete=ON",  # as Debian's is built: what is removed is overwritten
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        synchronous = options.get(_SYNCHRONOUS)
        if synchronous and connection.info.get(_SYNCHRONOUS, "FULL") != synchronous:
            connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
            connection.info[_SYNCHRONOUS] = synchronous
        # A writer takes the lock at once: a reader that turns writer would fail where it should have waited.
        connection.exec_driver_sql(options.get(_BEGIN, "BEGIN"))

    # With WAL, NORMAL is safe against a kill, and FULL against a loss of power too. Counts are written each second,
    # and are not worth a sync of the disk each time.
    writing = {_BEGIN: "BEGIN IMMEDIATE"}
    return Engines(
        reading=engine.execution_options(**{_BEGIN: "BEGIN"}),
        trying=engine.execution_options(**{_BEGIN: "BEGIN"}),
        changing=engine.execution_options(**writing, **{_SYNCHRONOUS: "FULL"}),
        counting=engine.execution_options(**writing, **{_SYNCHRONOUS: "NORMAL"}),
        place=str(path),
        file=path,
    )


def _postgres(dsn: str, limits: StoreLimits) -> Engines:
    try:
        asyncpg: Any = importlib.import_module("asyncpg")  # an extra, and slow to import
    except ImportError:
        raise StoreAway(
            "store.url names PostgreSQL, whose driver is not installed: install moatdns with its extra 'postgres' "
            "(pip install 'moatdns[postgres]')"
        ) from None
    if "@" in dsn.partition("://")[2].partition("/")[2] or "#" in dsn:
        raise StoreAway(_UNREADABLE)  # else a piece of the password would be taken for a database, and told as one
    place = f"PostgreSQL{_at(dsn)}"

    async def connect() -> Any:
        # asyncpg reads the URL itself, with all of libpq's parameters, and SQLAlchemy never sees the password.
        try:
            return await asyncpg.connect(
                dsn,
                timeout=limits.connect_seconds,
                command_timeout=limits.statement_seconds,
                server_settings={
                    "application_name": "moatdns",
                    # Plans for the values at hand: only those look sets of thousands up by hash (see `among`).
                    "plan_cache_mode": "force_custom_plan",
                    "lock_timeout": str(int(limits.row_lock_seconds * 1000)),
                    "statement_timeout": str(int(limits.statement_seconds * 1000)),
                    "idle_in_transaction_session_timeout": str(int(limits.turn_seconds * 2000)),
                },
            )
        except (ValueError, asyncpg.InterfaceError):
            # The text of these may hold what stood where a port was looked for: a piece of the password.
            raise StoreAway(_UNREADABLE) from None
        except OSError as error:
            raise StoreAway(f"the store, {place}, cannot be reached: {_why(error)}") from error

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, pool_pre_ping=True, **_pool(limits))
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    trying = engine.execution_options(isolation_level="REPEATABLE READ")
    return Engines(reading=reading, trying=trying, changing=engine, counting=engine, place=place)


def _pool(limits: StoreLimits) -> dict[str, object]:
    return {
        "pool_size": limits.connections,
        "max_overflow": 0,
        "pool_timeout": limits.turn_seconds,
        "hide_parameters": True,  # an error's text may be logged; what was to be written must not
    }


def _at(dsn: str) -> str:
    with contextlib.suppress(ValueError):
        parts = urlsplit(dsn)
        if parts.hostname and parts.port is not False:  # `.port` raises where the URL is not well formed
            return f" on {parts.hostname}"
    return ""


@contextlib.contextmanager
def told_as_away(place: str) -> Iterator[None]:
    """Turn every error that means "the store does not answer" into StoreAway. Our own mistakes stay what they are."""
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):
        raise
    except DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None)
        if code and not code.startswith(_AWAY):
            raise
        raise _away(place, error.orig) from error
    except (SQLAlchemyError, ConnectionError, TimeoutError, sqlite3.Error) as error:
        raise _away(place, error) from error
    except Exception as error:
        if any(kind.__module__.startswith("asyncpg.") for kind in type(error).__mro__):
            raise _away(place, error) from error
        raise


def _away(place: str, error: BaseException | None) -> StoreAway:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _DAMAGED:
        return StoreLost(
            f"the store, {place}, is damaged ({_why(error)}). The last policy stays in force. Bring it back, from a "
            "backup if need be; or say 'moatdns store begin-anew', which puts it aside and makes an empty one"
        )
    is_full = getattr(error, "sqlite_errorcode", None) in _FULL or getattr(error, "sqlstate", None) == _DISK_FULL
    if is_full:
        return StoreFull(f"the store, {place}, cannot be written: the disk is full")
    return StoreAway(f"the store, {place}, does not answer: {_why(error)}")


def _why(error: BaseException | None) -> str:
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, TimeoutError):
        return "it takes too long"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().partition("\n")[0] or type(error).__name__
