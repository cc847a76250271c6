"""A worker's composition root: settings and a snapshot in, listeners out. All else comes by the supervisor's channel.

Run by the supervisor as ``python -m resolver.worker FD`` (resolver.worker.messages has what they say to each other). A
worker whose supervisor is gone ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import uvloop

from resolver.answering.garbage import look_by_hand
from resolver.answering.unlisted import UnlistedNames
from resolver.config.settings import EncryptedSettings, WorkerSettings
from resolver.errors import ChannelError, SnapshotError
from resolver.listeners.connection import ListenerContext
from resolver.listeners.connections import Connections
from resolver.listeners.stream import StreamListener, speak_tcp
from resolver.listeners.turns import Turns
from resolver.listeners.udp import udp_listener
from resolver.policy.snapshot import PolicyMemory
from resolver.snapshot.manifests import read_manifest
from resolver.snapshot.snapshot_file import open_snapshot
from resolver.system.channel import MessageChannel, Refusal
from resolver.system.child_process import ignore_signals
from resolver.telemetry.counters import Counters
from resolver.telemetry.query_events import QueryEvents
from resolver.telemetry.recording import Recording
from resolver.worker.certificates import Certificates
from resolver.worker.messages import WORKER_CHANNEL, Descriptors, Listening, PolicyInForce, Serve, WorkerTrouble
from resolver.worker.orders import Orders
from resolver.worker.parts import AnsweringParts
from resolver.worker.upkeep import Upkeep

if TYPE_CHECKING:
    from resolver.listeners.encrypted import EncryptedListeners

DRAIN_SECONDS = 5.0  # how long a stopping worker waits for answers in flight; a client gives up by then
_MOST_TROUBLES = 100  # reports of unexpected errors; beyond, one bad packet in a flood would be a flood of reports


class Worker:
    """One process that answers queries."""

    def __init__(self, channel: MessageChannel) -> None:
        self._channel = channel
        self._counters = Counters()
        self._troubles = 0

    async def run(self) -> None:
        """Serve until told to stop, or until the supervisor is gone."""
        asyncio.get_running_loop().set_exception_handler(self._report)
        self._channel.tell(Listening())
        first = await self._channel.receive()
        if first is not None and isinstance(first.message, Serve):  # else told to stop, or the supervisor is gone
            try:
                await self._serve(first.message, first.request)
            except SnapshotError as error:
                self._channel.answer(first.request, Refusal(str(error)))
        self._channel.close()

    async def _serve(self, first: Serve, request: int | None) -> None:
        loop = asyncio.get_running_loop()
        settings = first.settings
        upkeep = Upkeep(settings, self._channel)
        telemetry = settings.telemetry
        self._counters = counters = Counters(
            await upkeep.new_cells(),
            detailed=telemetry.statistics,
            recording=Recording(telemetry.clients, telemetry.identities, first.pseudonyms),
        )
        events = socket.socket(fileno=first.sockets.events)
        limits = settings.limits
        memory = PolicyMemory(limits.policy_walks, limits.policy_decisions, counters.dropped)
        parts = AnsweringParts(
            settings,
            first.cookie_secret,
            # No name for it here: what this frame held would stay mapped for ever.
            open_snapshot(read_manifest(first.manifest), check=not first.is_checked, memory=memory),
            counters,
            QueryEvents(events, telemetry.query_log, counters.dropped),
            _unlisted_names(settings, events, counters),
        )
        orders = Orders(self._channel, parts, memory, upkeep)
        if first.subjects is not None:
            await orders.use_subjects(first.subjects)
        networks = parts.pipeline.clients.networks
        connections = Connections(settings.limits, counters.dropped, networks)
        context = ListenerContext(
            loop, parts.pipeline, connections, Turns(loop, networks), settings.limits, counters, speak_tcp
        )
        streams = [StreamListener(socket.socket(fileno=fd), context) for fd in first.sockets.tcp]
        encrypted = _encrypted_listeners(first.sockets, settings.encrypted, context)
        certificates = None
        if encrypted is not None:  # without a certificate that can be used they wait for one
            certificates = Certificates(self._channel, encrypted)
            await certificates.read()
            streams += encrypted.listeners
        for stream in streams:
            await stream.start()
        datagrams = [
            udp_listener(loop, socket.socket(fileno=fd), parts.pipeline, counters, settings.limits)
            for fd in first.sockets.udp
        ]
        self._channel.answer(request, PolicyInForce(parts.pipeline.snapshot.revision))
        drain = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, drain.set)
        obeying = asyncio.ensure_future(orders.obey(certificates))
        obeying.add_done_callback(lambda _: drain.set())
        tasks = [obeying, asyncio.ensure_future(upkeep.run(parts, encrypted))]
        if certificates is not None:
            tasks.append(asyncio.ensure_future(certificates.run()))
        await drain.wait()
        for datagram in datagrams:
            datagram.stop()
        for stream in streams:
            stream.stop()
        connections.drain()
        await _drained(parts, connections)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        parts.events.flush()
        parts.sync_counts()
        parts.forwarder.close()
        orders.tell_counts()

    def _report(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        """An error that nobody expected: tell it, and go on serving."""
        self._troubles += 1
        self._counters.dropped["internal_error"] += 1
        if self._troubles <= _MOST_TROUBLES:
            self._channel.tell(WorkerTrouble(str(context.get("message", "")), repr(context.get("exception"))))
            loop.default_exception_handler(dict(context))


def _unlisted_names(settings: WorkerSettings, sink: socket.socket, counters: Counters) -> UnlistedNames | None:
    """Names for the inbox of unlisted ones, where there is one."""
    if not settings.telemetry.unlisted:
        return None
    limits = settings.limits
    return UnlistedNames(sink, counters, limits.unlisted_queries_per_second, limits.unlisted_names_per_second)


def _encrypted_listeners(
    sockets: Descriptors, settings: EncryptedSettings, context: ListenerContext
) -> EncryptedListeners | None:
    """The listeners of DoT and DoH, where this worker has any."""
    if not sockets.dot and not sockets.doh:
        return None
    from resolver.listeners.encrypted import EncryptedListeners  # noqa: PLC0415 (other workers need none of it)

    dot, doh = ([socket.socket(fileno=fd) for fd in fds] for fds in (sockets.dot, sockets.doh))
    return EncryptedListeners(dot, doh, settings, context)


async def _drained(parts: AnsweringParts, connections: Connections) -> None:
    """Wait until everything in flight is answered, at most DRAIN_SECONDS."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_SECONDS
    while (parts.resolver.waiting or connections.open) and loop.time() < deadline:  # noqa: ASYNC110
        # A poll, at the very end of a process: an event would cost every query.
        await asyncio.sleep(0.01)


async def _run(control_fd: int) -> None:
    channel = await MessageChannel.on(socket.socket(fileno=control_fd), WORKER_CHANNEL, "the supervisor")
    try:
        await Worker(channel).run()
    except ChannelError as error:
        sys.exit(f"a worker cannot read its orders: {error}")


def main(control_fd: int) -> None:
    """Run one worker on the channel `control_fd`."""
    ignore_signals(terminates=True)
    look_by_hand()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(control_fd))
