"""All sinks of the config, put together from their settings, and what is told of them."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.query_log import files
from admin_api.query_log.shown import Shown
from admin_api.sinks.audit_feed import AuditFeed
from admin_api.sinks.filtering import SinkFilter
from admin_api.sinks.http import HttpOutlet
from admin_api.sinks.marks import MarksFile, MarksUnreadable
from admin_api.sinks.query_feed import QueryFeed
from admin_api.sinks.records import Records
from admin_api.sinks.rows import Outlet
from admin_api.sinks.sink import LogSink, SinkPauses
from admin_api.sinks.syslog import DatagramOutlet, StreamOutlet
from admin_api.sinks.tls import client_context
from admin_api.store.access import StoreAccess
from resolver.config.settings import ControlSettings, LogSinkSettings
from resolver.config.sink_address import SinkAddress, parse_sink
from resolver.telemetry.log import Log

_PAUSES: Final = SinkPauses()

T = TypeVar("T")


class LogSinks:
    """The sinks of a node, each a task; they share a thread, which reads the query log for them."""

    def __init__(
        self, settings: ControlSettings, access: StoreAccess, log: Log, *, pauses: SinkPauses = _PAUSES
    ) -> None:
        self._state_dir = Path(settings.state_dir)
        self._access = access
        self._log = log
        self._host = socket.gethostname() or "-"
        self._shown = Shown(settings.clients, settings.identities)
        self._thread = ThreadPoolExecutor(1, "log sinks")
        self._audit_feeds: list[AuditFeed] = []
        self.sinks = tuple(self._made(index, one, pauses) for index, one in enumerate(settings.log_sinks))

    async def run(self) -> None:
        """Send, for ever."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for sink in self.sinks:
                    tasks.create_task(sink.run())
                await asyncio.Event().wait()  # there may be none
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def audit_sent(self, connection: AsyncConnection) -> int | None:
        """The last row of the audit trail that every sink has; None where none gets it."""
        return min([await feed.sent(connection) for feed in self._audit_feeds], default=None)

    @property
    def troubles(self) -> list[str]:
        """Reasons why the node is not healthy."""
        return [text for sink in self.sinks for text in sink.troubles]

    def gauges(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        """For Prometheus."""
        behind: dict[tuple[str, ...], float] = {}
        failing: dict[tuple[str, ...], float] = {}
        for sink in self.sinks:
            to = (sink.shown,)
            behind[to] = max(behind.get(to, 0.0), sink.state.behind_seconds)
            failing[to] = max(failing.get(to, 0.0), float(sink.state.trouble is not None))
        return {"moatdns_log_sink_behind_seconds": behind, "moatdns_log_sink_failing": failing}

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Counts of rows that were sent, and of those that were dropped, by metric and label."""
        counts: Counter[tuple[str, str]] = Counter()
        for sink in self.sinks:
            counts["log_sink_sent", sink.shown] += sink.state.sent
            counts["log_sink_dropped", sink.shown] += sink.state.dropped.total()
        return counts

    def _made(self, index: int, settings: LogSinkSettings, pauses: SinkPauses) -> LogSink:
        address = parse_sink(settings.to)
        key = hashlib.sha256(settings.to.encode()).hexdigest()[:16]
        records = Records(settings.format, self._host, self._shown)
        marks = MarksFile(self._state_dir, key)
        feed, is_with_queries = None, "queries" in settings.what
        if "audit" in settings.what:
            feed = AuditFeed(self._access, key, records, is_short=settings.is_short)
            self._audit_feeds.append(feed)
        return LogSink(
            settings,
            address.shown,
            self._outlet(index, settings, address),
            self._log,
            audit=feed,
            open_queries=partial(self._open, settings, address, marks, records) if is_with_queries else None,
            marks=marks,
            in_thread=self._in_thread,
            is_lossy=not address.is_http,
            pauses=pauses,
        )

    def _outlet(self, index: int, settings: LogSinkSettings, address: SinkAddress) -> Outlet:
        section = "audit.syslog" if settings.is_short else f"log_sinks[{index}].tls"
        context = partial(client_context, settings, section)
        seconds = settings.timeout_seconds
        match address.transport:
            case "udp" | "unix":
                return DatagramOutlet(address, self._host, seconds)
            case "tcp":
                return StreamOutlet(address, self._host, seconds)
            case "tls":
                return StreamOutlet(address, self._host, seconds, context, settings.server_name)
        return HttpOutlet(address, settings, context)

    def _open(self, settings: LogSinkSettings, address: SinkAddress, marks: MarksFile, records: Records) -> QueryFeed:
        """The feed of queries from where the sink was; a file of marks that is damaged has all sent again."""
        folder = self._state_dir / files.FOLDER
        try:
            known = marks.read()
        except MarksUnreadable as error:
            self._log.error("a log sink gets all that is in the query log again", to=address.shown, why=str(error))
            known = {}
        return QueryFeed(folder, SinkFilter(settings), records, known)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
