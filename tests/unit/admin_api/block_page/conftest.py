"""The block page on a real socket and a real store, as browsers and strangers meet it."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http.client import parse_headers
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest

from admin_api.block_page.making import make_block_page
from admin_api.block_page.serving import BlockPageServer
from admin_api.editing.exemption_checks import Terms
from admin_api.store import exemptions
from admin_api.store.exemptions import ExemptionRow
from blocklists.sources import compile_policy
from resolver.config.policy_schema import Policy
from resolver.config.settings import BlockPageSettings, TrustedProxy, WorkerSettings
from resolver.policy.compiler import policy_in_memory
from resolver.policy.snapshot import PolicySnapshot
from tests.unit.admin_api.conftest import Served
from tests.unit.bundled import bundled_catalogue

ANA, BEN, PROXY, STRANGER = "127.0.0.7", "127.0.0.8", "127.0.0.77", "127.0.1.1"
POLICY = {
    "lists": [{"name": "house", "block": ["house.example", "=co.uk"]}],
    "groups": [{"name": "staff", "networks": [f"{ANA}/32"], "block": ["ai", "bypass", "lists"]}],
}
FORM = {"who": "Ana Ruiz", "reason": "a comparison", "seconds": "3600"}


@dataclass
class Got:
    """What came back; no status where the connection was ended without a word."""

    status: int | None
    headers: dict[str, str]
    text: str


@dataclass
class Page:
    """A block page that is served."""

    served: Served
    serving: BlockPageServer
    port: int

    async def send(self, octets: bytes, client: str = ANA) -> Got:
        """Send octets on a connection of their own, and read to its end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(client, 0))
        try:
            writer.write(octets)
            raw = await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:
            raw = b""
        finally:
            writer.close()
        head, _, body = raw.partition(b"\r\n\r\n")
        if not head:
            return Got(None, {}, "")
        line, _, fields = head.partition(b"\r\n")
        headers = {name.lower(): value for name, value in parse_headers(BytesIO(fields + b"\r\n\r\n")).items()}
        return Got(int(line.split()[1]), headers, body.decode())

    async def get(
        self, host: str, path: str = "/", client: str = ANA, *, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Got:
        """One request. Underscores in headers are dashes."""
        sent = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body:
            sent["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        return await self.send("\r\n".join(lines).encode() + body, client)

    async def token(self, host: str, client: str = ANA, path: str = "/", **headers: str) -> str:
        """The token of a page's form."""
        text = (await self.get(host, path, client, **headers)).text
        found = re.search(r'name="token" value="([0-9a-f.]+)"', text)
        assert found, text
        return found[1]

    async def post(self, host: str, form: dict[str, str], client: str = ANA, **headers: str) -> Got:
        """Send the form."""
        kind = {"Content_Type": "application/x-www-form-urlencoded", **headers}
        body = urlencode(form).encode()
        return await self.get(host, "/request-an-exemption", client, method="POST", body=body, **kind)

    async def ask(self, host: str = "claude.ai", client: str = ANA, **change: str) -> Got:
        """Fill in the form of a page, and send it."""
        return await self.post(host, {**FORM, "token": await self.token(host, client), **change}, client)

    async def rows(self) -> list[ExemptionRow]:
        """All exemptions, newest first."""
        async with self.served.store.read() as connection:
            return await exemptions.page(connection, limit=1000)


@functools.cache
def _policy() -> PolicySnapshot:
    policy = Policy.model_validate(POLICY).model_dump(mode="json")
    return policy_in_memory(*compile_policy(policy, bundled_catalogue()))


Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def page_with(served: Served) -> AsyncIterator[Open]:
    """Serve a block page with settings."""
    served.policy.snapshot = _policy()
    async with AsyncExitStack() as opened:

        async def start(*, longest_seconds: int = 366 * 86400, **settings: Any) -> Page:
            context = served.context
            generous = {"pages_per_second": 10_000, "pages_per_second_per_client": 10_000, "names": ("ask.example",)}
            serving = make_block_page(
                BlockPageSettings(**{**generous, **settings}),
                WorkerSettings(clients_allow=("127.0.0.0/24",), trusted_proxies=(TrustedProxy(f"{PROXY}/32"),)),
                Terms(four_eyes=False, longest_seconds=longest_seconds),
                store_access=context.store_access,
                policy=context.policy,
                subjects=context.subjects,
                catalogue=context.current,
                log=served.log,
            )
            listening = socket.create_server(("127.0.0.1", 0))
            await serving.start([listening])
            opened.push_async_callback(serving.stop)
            return Page(served, serving, listening.getsockname()[1])

        yield start


@pytest.fixture
async def page(page_with: Open) -> Page:
    """One with the default settings."""
    return await page_with()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, in whatever way."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""
