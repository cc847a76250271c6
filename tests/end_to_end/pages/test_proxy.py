"""The web pages behind a proxy that does TLS (`admin.insecure: true`), in a real browser."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.encrypted import Certificates
from tests.support.moatdns import Moatdns


@contextlib.contextmanager
def tls_in_front_of(port: int, certificates: Certificates) -> Iterator[int]:
    """A proxy that takes TLS off and passes on the rest as it is; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.section["certificate"], certificates.section["private_key"])
    listening: queue.SimpleQueue[tuple[int, Callable[[], object]]] = queue.SimpleQueue()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await reader.read(65536):
                writer.write(octets)
                await writer.drain()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.ensure_future(pump(reader, to_writer)), asyncio.ensure_future(pump(to_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (writer, to_writer):
                each.transport.abort()

    async def serve() -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
        listening.put((server.sockets[0].getsockname()[1], lambda: loop.call_soon_threadsafe(over.set)))
        await over.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    own_port, end = listening.get(timeout=10)
    try:
        yield own_port
    finally:
        end()
        thread.join(10)


def test_a_session_behind_a_proxys_tls_is_kept_by_the_browser_for_tls_alone(
    chromium: Browser, server: Moatdns, tmp_path: Path
) -> None:
    certificates = Certificates(tmp_path)
    token = str(server.api.token)
    with (
        tls_in_front_of(server.admin_port, certificates) as port,
        chromium.new_context(ignore_https_errors=True) as context,
    ):
        page = context.new_page()
        page.goto(f"https://127.0.0.1:{port}/status")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"https://127.0.0.1:{port}/status")
        (cookie,) = context.cookies()
        assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == ("__Host-moatdns", True, True)
        page.get_by_text("first", exact=True).click()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        assert context.cookies() == []
