"""The configured hooks, and which of them want to know of an event."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import webhooks


@dataclass(frozen=True, slots=True)
class Hook:
    """One receiver. `secret` is as the config has it: the text, or ``file:PATH``."""

    url: str
    secret: str
    events: tuple[str, ...]
    allow_private: bool

    @property
    def key(self) -> str:
        """Key of its messages in the store; not the URL, which may hold a password."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def shown(self) -> str:
        """The URL without what may be secret in it."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        path = "/…" if parts.path.strip("/") else parts.path  # of many services it is what lets one in
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{path}"


class Outbox:
    """Where events are put that hooks are to be told of."""

    def __init__(self, hooks: Iterable[Mapping[str, Any]] = ()) -> None:
        self.hooks: Sequence[Hook] = tuple(Hook(**{**one, "events": tuple(one["events"])}) for one in hooks)

    def wants(self, what: str) -> bool:
        """Whether any hook wants to know of it."""
        return any(what in hook.events for hook in self.hooks)

    async def put(self, conn: AsyncConnection, what: str, data: Mapping[str, object]) -> None:
        """Put an event in, within a transaction of the store."""
        keys = [hook.key for hook in self.hooks if what in hook.events]
        if keys:
            await webhooks.put(conn, keys, what, data)

    async def put_test(self, conn: AsyncConnection) -> int:
        """Put in a test for every hook; gives how many there are."""
        await webhooks.put(conn, [hook.key for hook in self.hooks], "test", {"text": "a test, requested by an admin"})
        return len(self.hooks)
