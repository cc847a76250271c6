"""The outbox of a store, as tests look at it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from admin_api.store import webhooks
from admin_api.store.store import Store


async def until_waiting(store: Store, wanted: Mapping[str, tuple[int, int]]) -> None:
    """Wait until so many messages wait, and were tried, by receiver: what was taken is struck off a moment later."""
    for _ in range(200):
        async with store.read() as connection:
            if (found := await webhooks.waiting(connection)) == wanted:
                return
        await asyncio.sleep(0.02)
    raise AssertionError(found)
