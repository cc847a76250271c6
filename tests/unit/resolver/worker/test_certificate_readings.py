"""Readings of certificates in a worker: beside all else, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, cast

import pytest

from resolver.answering.pipeline import Pipeline
from resolver.config.settings import ClientCertificates, EncryptedSettings, Limits
from resolver.listeners.connection import ListenerContext
from resolver.listeners.connections import Connections
from resolver.listeners.encrypted import EncryptedListeners
from resolver.listeners.stream import speak_tcp
from resolver.listeners.turns import Turns
from resolver.system.channel import MessageChannel
from resolver.telemetry.counters import Counters
from resolver.worker.certificates import Certificates
from resolver.worker.messages import WORKER_CHANNEL, CertificateFound, CertificateUnusable
from tests.support.client_certificates import ClientAuthority
from tests.support.encrypted import Certificates as Pair


class Node:
    """A worker's DoT whose CRL comes by a pipe: a reading waits until somebody writes."""

    def __init__(self, folder: Path, supervisor: MessageChannel, worker: MessageChannel, dot: socket.socket) -> None:
        authority = ClientAuthority(folder / "clients")
        self.list = authority.crl.read_bytes()
        self.pipe = folder / "pipe"
        os.mkfifo(self.pipe)
        self.pair = Pair(folder / "pair")
        clients = ClientCertificates(str(authority.ca), str(self.pipe))
        settings = EncryptedSettings(str(self.pair.certificate), str(self.pair.private_key), clients=clients)
        loop, limits, counters = asyncio.get_running_loop(), Limits(), Counters()
        connections = Connections(limits, counters.dropped)
        pipeline = cast(Pipeline, None)  # nobody asks anything here
        context = ListenerContext(loop, pipeline, connections, Turns(loop), limits, counters, speak_tcp)
        self.encrypted = EncryptedListeners([dot], [], settings, context)
        self.certificates = Certificates(worker, self.encrypted)
        self._supervisor = supervisor

    async def begun(self) -> IO[bytes]:
        """The pipe, once a reading waits for it."""
        return await asyncio.to_thread(self.pipe.open, "wb")

    async def told(self) -> object:
        """The next message to the supervisor."""
        received = await self._supervisor.receive()
        assert received is not None
        return received.message

    def is_read(self) -> bool:
        """Whether anybody reads the list now."""
        try:
            os.close(os.open(self.pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """One whose certificates were not read yet."""
    ends = socket.socketpair()
    supervisor, worker = [await MessageChannel.on(end, WORKER_CHANNEL, "the other end") for end in ends]
    with socket.create_server(("127.0.0.1", 0)) as dot:
        yield Node(tmp_path, supervisor, worker, dot)
    supervisor.close()
    worker.close()


@contextlib.asynccontextmanager
async def running(node: Node) -> AsyncIterator[None]:
    """Readings as they are asked for."""
    task = asyncio.ensure_future(node.certificates.run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_nothing_waits_for_a_reading_and_all_that_is_asked_meanwhile_is_one_more(node: Node) -> None:
    first = asyncio.ensure_future(node.certificates.read())
    with await node.begun() as pipe:
        pipe.write(node.list)
    await first
    assert node.encrypted.are_open
    async with running(node):
        node.certificates.ask()
        with await node.begun() as pipe:  # which is held: a disk that does not answer
            for _ in range(3):
                node.certificates.ask()
                await asyncio.sleep(0)
            pipe.write(b"no list")
        told = await node.told()
        assert isinstance(told, CertificateUnusable)
        assert told.is_served
        assert "tls.clients.crl" in told.why
        with await node.begun() as pipe:
            pipe.write(b"no list either")
        assert isinstance(await node.told(), CertificateUnusable)
        assert not node.is_read()


@pytest.mark.slow
async def test_while_the_pair_is_missing_no_list_is_read_and_one_that_comes_is_found(node: Node) -> None:
    key = node.pair.private_key.read_bytes()
    node.pair.private_key.unlink()
    await node.certificates.read()
    told = await node.told()
    assert isinstance(told, CertificateUnusable)
    assert not told.is_served
    assert f"tls.private_key: {node.pair.private_key} cannot be read" in told.why
    async with running(node):
        node.certificates.ask()
        assert isinstance(await node.told(), CertificateUnusable)
        assert not node.is_read()
        node.pair.private_key.write_bytes(key)
        with await node.begun() as pipe:
            pipe.write(node.list)
        assert isinstance(await node.told(), CertificateFound)
    assert node.encrypted.are_open
