"""A worker's composition root: settings and a snapshot in, listeners out. All else comes by one control channel.

Run by the supervisor as ``python -m resolver.worker FD``. On the channel, lines of JSON:

* supervisor → worker: first ``{"settings", "cookie_secret", "manifest", "udp", "tcp", "dot", "doh"}``, then
  ``{"do": "use", "manifest"}``, ``{"do": "subjects", "file", "octets", "number"}`` (leases and exemptions have
  changed: read on), ``{"do": "flush", "name", "below", "number"}``, ``{"do": "renew"}`` (the certificate),
  ``{"do": "ping"}``, ``{"do": "count"}``, ``{"do": "stop"}``;
* worker → supervisor: ``{"event": "ready" | "alive" | "in_force" | "refused" | "subjects" | "flushed" | "certificate" |
  "counts" | "clock" | "trouble", …}``.

A worker whose supervisor is gone ends: nobody would replace it, and its sockets would be held for nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from resolver.answering.garbage import Garbage, look_seldom
from resolver.answering.local_names import local_names_of
from resolver.answering.pipeline import Pipeline
from resolver.answering.rebinding import RebindingGuard
from resolver.answering.replies import Replies
from resolver.answering.resolution import Resolver
from resolver.answering.server_names import ServerNames
from resolver.cache.responses import ResponseCache
from resolver.config.settings import EncryptedSettings, WorkerSettings
from resolver.errors import ListenError, SnapshotError, SubjectsError
from resolver.listeners.connection import ListenerContext
from resolver.listeners.connections import Connections
from resolver.listeners.stream import StreamListener, speak_tcp
from resolver.listeners.turns import Turns
from resolver.listeners.udp import udp_listener
from resolver.policy.snapshot import PolicySnapshot
from resolver.snapshot.clocks import ClockWatch, now
from resolver.snapshot.snapshot_file import open_snapshot, read_manifest
from resolver.snapshot.subjects_file import JournalReader, Position, subjects_at
from resolver.telemetry.counter_file import CounterFile, MemoryCells
from resolver.telemetry.counters import Counters
from resolver.telemetry.query_events import FLUSH_SECONDS, QueryEvents
from resolver.upstream.zones import forwarder_of
from resolver.wire.cookies import ServerCookies
from resolver.wire.names import key_of, parse_any_name, parse_name, to_text

if TYPE_CHECKING:
    from resolver.listeners.encrypted import EncryptedListeners

DRAIN_SECONDS = 5.0  # how long a stopping worker waits for answers in flight; a client gives up by then
_MOST_ORDER_BYTES = 64 << 20  # of one line on the channel: the settings may hold many networks
_SYNC_SECONDS = 1.0
_TIDY_EVERY = 60  # times of these
_FILE_AGAIN_EVERY = 5  # likewise: while the disk takes no counter file
_FULL_SHARE = 0.75  # of a counter file; then names and clients of weeks ago make room
_MOST_TROUBLES = 100  # reports of unexpected errors; beyond, one bad packet in a flood would be a flood of reports


class Worker:
    """One process that answers queries."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._counters = Counters()
        self._troubles = 0
        self._journal: JournalReader | None = None
        self._watch = ClockWatch()
        self._encrypted: EncryptedListeners | None = None

    async def run(self) -> None:
        """Serve until told to stop, or until the supervisor is gone."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._report)
        reader, self._writer = await asyncio.open_connection(sock=self._control, limit=_MOST_ORDER_BYTES)
        self._say("listens")
        first = json.loads(await reader.readline() or b'{"do": "stop"}')
        if first.get("do") == "stop":  # before it was told what to begin with, or the supervisor is gone
            return
        try:
            await self._serve(first, reader)
        except SnapshotError as error:
            self._say("refused", revision=0, why=str(error))
        self._writer.close()

    async def _serve(self, first: dict[str, Any], reader: asyncio.StreamReader) -> None:
        loop = asyncio.get_running_loop()
        settings = WorkerSettings.from_plain(first["settings"])
        self._telemetry = telemetry = settings.telemetry
        self._counters = Counters(await self._new_cells(), detailed=telemetry.statistics, clients=telemetry.clients)
        sink = socket.socket(fileno=first["events"])
        events = QueryEvents(sink, telemetry.query_log, self._counters.dropped)
        self._forwarder = forwarder_of(settings, loop, self._counters.dropped)
        self._cache = ResponseCache(settings.cache, (key_of(parse_name(zone.name)) for zone in settings.zones))
        local_names = local_names_of(settings)
        self._resolver = Resolver(
            self._forwarder,
            self._cache,
            settings.cache,
            max_in_flight=settings.limits.queries_in_flight,
            max_in_flight_per_domain=settings.limits.queries_in_flight_per_domain,
            dropped=self._counters.dropped,
            loop=loop,
            guard=_guard_of(settings),
            local_names=local_names,
        )
        self._pipeline = Pipeline(
            self._resolver,
            settings.clients_allow,
            settings.limits,
            self._counters,
            # No name for it here: what this frame held would stay mapped for ever.
            open_snapshot(read_manifest(Path(first["manifest"])), check=not first["checked"]),
            local_names=local_names,
            server_names=ServerNames(settings.server.identity, settings.server.version),
            replies=_replies_of(settings, first["cookie_secret"]),
            rates=settings.rates,
            trusted_proxies=settings.trusted_proxies,
            networks=settings.networks,
            events=events,
        )
        if first["subjects"] is not None:
            await self._take_subjects(Position.from_plain(first["subjects"]))
        networks = self._pipeline.clients.networks
        connections = Connections(settings.limits, self._counters.dropped, networks)
        context = ListenerContext(
            loop,
            self._pipeline,
            connections,
            Turns(loop, networks),
            settings.limits,
            self._counters,
            speak_tcp,
        )
        streams = [StreamListener(socket.socket(fileno=fd), context) for fd in first["tcp"]]
        if first["dot"] or first["doh"]:
            streams += self._encrypted_streams(first, settings.encrypted, context)
        for stream in streams:
            await stream.start()
        datagrams = [
            udp_listener(loop, socket.socket(fileno=fd), self._pipeline, self._counters, settings.limits)
            for fd in first["udp"]
        ]
        self._say("ready", revision=self._pipeline.snapshot.revision)
        drain = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, drain.set)
        listening = asyncio.ensure_future(self._obey(reader, drain))
        keeping = asyncio.ensure_future(self._keep_telemetry(events))
        await drain.wait()
        for datagram in datagrams:
            datagram.stop()
        for stream in streams:
            stream.stop()
        connections.drain()
        await self._drained(connections)
        for task in (listening, keeping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        events.flush()
        self._counters.sync({**self._forwarder.results, **self._cache.results, **self._resolver.filtered.results})
        self._forwarder.close()
        self._say_counts()

    def _encrypted_streams(
        self, first: dict[str, Any], settings: EncryptedSettings, context: ListenerContext
    ) -> Sequence[StreamListener]:
        """The listeners of DoT and DoH. Without a certificate that can be used they wait for one."""
        from resolver.listeners.encrypted import EncryptedListeners  # noqa: PLC0415 (other workers need none of it)

        dot, doh = ([socket.socket(fileno=fd) for fd in first[kind]] for kind in ("dot", "doh"))
        self._encrypted = EncryptedListeners(dot, doh, settings, context)
        self._renew()
        return self._encrypted.listeners

    async def _new_cells(self) -> MemoryCells:
        """Where to count. A disk that takes no file does not keep anybody from being served."""
        if self._telemetry.statistics:
            try:
                return await self._new_file()
            except OSError as error:
                self._say("uncounted", why=error.strerror)
        return MemoryCells()

    async def _new_file(self) -> CounterFile:
        return await asyncio.to_thread(CounterFile.create, Path(self._telemetry.counters_folder))

    async def _keep_telemetry(self, events: QueryEvents) -> None:
        """Send query events, bring counts that are kept elsewhere into cells, begin a new file when one fills up."""
        loop = asyncio.get_running_loop()
        synced = loop.time()
        garbage = Garbage(synced, time.process_time())
        turns = itertools.count(1)
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            events.flush()
            self._look_at_clock()
            if loop.time() - synced < _SYNC_SECONDS:
                continue
            synced = loop.time()
            garbage.look(synced, time.process_time())
            turn = next(turns)
            if turn % _TIDY_EVERY == 0:
                self._pipeline.clients.tidy()
            if turn % _FILE_AGAIN_EVERY == 0 and self._telemetry.statistics and not self._counters.has_file:
                with contextlib.suppress(OSError):
                    self._counters.settle(await self._new_file())
            if self._encrypted is not None and not self._encrypted.are_open:
                await self._look_for_certificate(self._encrypted)
            self._counters.sync({**self._forwarder.results, **self._cache.results, **self._resolver.filtered.results})
            if self._counters.store.used_share > _FULL_SHARE:
                self._counters.move(await self._new_cells())
                self._pipeline.use(self._pipeline.snapshot)  # answers and clients know the old cells

    async def _obey(self, reader: asyncio.StreamReader, drain: asyncio.Event) -> None:
        while line := await reader.readline():
            order = json.loads(line)
            if order["do"] == "use":
                await self._use(Path(order["manifest"]))
            elif order["do"] == "subjects":
                if await self._take_subjects(Position.from_plain(order)):
                    self._say("subjects", number=order["number"])
            elif order["do"] == "flush":
                self._say("flushed", number=order["number"], forgotten=self._flush(order["name"], below=order["below"]))
            elif order["do"] == "renew":
                self._renew()
            elif order["do"] == "upstreams":
                self._use_upstreams(WorkerSettings.from_plain(order["settings"]))
            elif order["do"] == "ping":
                stripped = [to_text(name) for name in self._resolver.filtered.stripped(time.monotonic())]
                self._say("alive", cache_bytes=self._cache.bytes, upstreams=self._forwarder.health, stripped=stripped)
            elif order["do"] == "count":
                self._say_counts()
            elif order["do"] == "stop":
                break
        drain.set()

    def _flush(self, name: str | None, *, below: bool) -> int:
        """Forget cached answers, and those that are ready; gives how many cached ones there were."""
        forgotten = self._cache.flush(None if name is None else key_of(parse_any_name(name)), below=below)
        self._pipeline.use(self._pipeline.snapshot)
        return forgotten

    def _use_upstreams(self, settings: WorkerSettings) -> None:
        """Ask other servers from now on; what is in flight ends with the old ones.

        Where there are new ones, cached answers are forgotten: elsewhere, names may mean something else.
        """
        old = self._forwarder
        self._forwarder = forwarder_of(settings, asyncio.get_running_loop(), self._counters.dropped, like=old)
        self._resolver.ask_of(self._forwarder)
        if self._forwarder.has_other_servers_than(old):
            self._flush(None, below=False)

    def _renew(self) -> None:
        """Read the certificate again, where there is one."""
        if self._encrypted is not None:
            try:
                self._encrypted.renew()
            except ListenError as error:
                self._say("certificate", why=str(error), is_served=self._encrypted.are_open)

    async def _look_for_certificate(self, encrypted: EncryptedListeners) -> None:
        """See whether there is one by now: it may come later than we do. Read beside the loop."""
        with contextlib.suppress(ListenError):
            await asyncio.to_thread(encrypted.renew)
            self._say("certificate_is_there")

    async def _use(self, manifest: Path) -> None:
        """Swap the policy. Reading and checking it is done beside the loop, so that no query waits for the disk."""

        like = self._pipeline.snapshot  # most changes leave most of it as it is

        def opened() -> PolicySnapshot:
            return open_snapshot(read_manifest(manifest), like=like)

        try:
            snapshot = await asyncio.get_running_loop().run_in_executor(None, opened)
        except SnapshotError as error:
            self._say("refused", revision=self._pipeline.snapshot.revision, why=str(error))
            return
        self._pipeline.use(snapshot)
        self._say("in_force", revision=snapshot.revision)

    async def _take_subjects(self, position: Position) -> bool:
        """Take in what has changed of leases and exemptions. What cannot be read is told, and the old ones stay."""
        clients = self._pipeline.clients
        loop = asyncio.get_running_loop()
        journal = self._journal
        try:
            if journal is not None and journal.path == position.path:
                clients.take(await loop.run_in_executor(None, journal.read, position.octets, now()))
            else:
                subjects, self._journal = await loop.run_in_executor(
                    None, subjects_at, position.path, position.octets, now()
                )
                clients.replace(subjects)
        except SubjectsError as error:
            self._journal = None
            self._say("trouble", what="leases and exemptions cannot be read", error=str(error))
            return False
        return True

    def _look_at_clock(self) -> None:
        by = self._watch.look()
        if by:
            self._pipeline.clients.clock_was_set()
            moment = now()
            self._say("clock", by=by, wall=moment.wall, boot=moment.boot)

    async def _drained(self, connections: Connections) -> None:
        """Wait until everything in flight is answered, at most DRAIN_SECONDS."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DRAIN_SECONDS
        while (self._resolver.waiting or connections.open) and loop.time() < deadline:  # noqa: ASYNC110
            # A poll, at the very end of a process: an event would cost every query.
            await asyncio.sleep(0.01)

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error that nobody expected: tell it, and go on serving."""
        self._troubles += 1
        self._counters.dropped["internal_error"] += 1
        if self._troubles <= _MOST_TROUBLES:
            self._say("trouble", what=context.get("message", ""), error=repr(context.get("exception")))
            loop.default_exception_handler(context)

    def _say_counts(self) -> None:
        cache = {"entries": len(self._cache), "bytes": self._cache.bytes, **self._cache.counts}
        self._say("counts", **self._counters.to_plain(), cache=cache, upstream=self._forwarder.counts)

    def _say(self, event: str, **facts: Any) -> None:
        self._writer.write(json.dumps({"event": event, **facts}).encode() + b"\n")


def _replies_of(settings: WorkerSettings, cookie_secret: list[str]) -> Replies:
    cookies = ServerCookies([bytes.fromhex(secret) for secret in cookie_secret]) if cookie_secret else None
    return Replies(cookies, settings.server.identity, idle_seconds=settings.limits.tcp_idle_seconds)


def _guard_of(settings: WorkerSettings) -> RebindingGuard | None:
    if not settings.rebinding_guard:
        return None
    names = (*settings.private_names, *(zone.name for zone in settings.zones))
    return RebindingGuard(key_of(parse_name(name)) for name in names)


def main(control_fd: int) -> None:
    """Run one worker on the control channel `control_fd`."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(ignored, signal.SIG_IGN)  # a terminal sends them to all; the supervisor decides
    look_seldom()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Worker(socket.socket(fileno=control_fd)).run())
