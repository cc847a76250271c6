"""An empty store's tables, which Alembic makes once a process, and which are made as it did from then on."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event, inspect, text

_WRITING = ("ALTER", "CREATE", "DELETE", "DROP", "INSERT", "UPDATE")
_A_TIME = 10**15  # numbers in migrations above that are microseconds since 1970


class Migrations:
    """`migrating._upgrade`, which asks Alembic once for each engine, and for further empty stores does as it did.

    What Alembic does with a store that has tables already, and in another process, goes on as ever.
    """

    def __init__(self, upgrade: Callable[[Connection], None]) -> None:
        self._upgrade = upgrade
        self._made: dict[str, tuple[str, list[tuple[str, Any]]]] = {}  # by engine: the first store's id, and statements

    def __call__(self, connection: Connection) -> None:
        """Make the tables of an empty store, or bring a store up to date."""
        if inspect(connection).get_table_names():
            self._upgrade(connection)
        elif made := self._made.get(connection.dialect.name):
            _repeat(connection, *made)
        else:
            self._made[connection.dialect.name] = self._recorded(connection)

    def _recorded(self, connection: Connection) -> tuple[str, list[tuple[str, Any]]]:
        statements: list[tuple[str, Any]] = []

        def note(*call: Any) -> None:
            statement, parameters = call[2:4]
            if statement.split(maxsplit=1)[0] in _WRITING:
                statements.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        try:
            self._upgrade(connection)
        finally:
            event.remove(connection, "before_cursor_execute", note)
        return str(connection.scalar(text("SELECT store_id FROM meta"))), statements


def _repeat(connection: Connection, first_id: str, statements: list[tuple[str, Any]]) -> None:
    """Execute statements, those without values in few turns, with another store id and the time of now."""
    instead = {first_id: str(uuid.uuid4())}
    now = time.time_ns() // 1000
    driver: Any = connection.connection.dbapi_connection
    begin = "BEGIN IMMEDIATE;" if connection.dialect.name == "sqlite" else ""  # `executescript` commits what was begun
    run = "executescript" if begin else "execute"
    for has_values, some in itertools.groupby(statements, key=lambda one: bool(one[1])):
        if has_values:
            for statement, values in some:
                fresh = (now if isinstance(value, int) and value > _A_TIME else value for value in values)
                connection.exec_driver_sql(statement, tuple(instead.get(value, value) for value in fresh))
        else:
            script = begin + ";".join(statement for statement, _ in some)
            driver.run_async(lambda inner, script=script: getattr(inner, run)(script))
