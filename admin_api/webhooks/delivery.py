"""Delivers what waits in the outbox: each hook by a task of its own, so that none waits for another.

Signed as the Standard Webhooks convention has it: ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``,
which is ``v1,`` and the base64 of HMAC-SHA256(secret, id.timestamp.body).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from admin_api.guarded_http import guarded_session, why_not
from admin_api.store import webhooks
from admin_api.store.access import StoreAccess
from admin_api.store.webhooks import MessageRow
from admin_api.webhooks.hooks import Hook, Outbox
from resolver import __version__
from resolver.config.fields import secret
from resolver.errors import FetchError, MoatdnsError, RuleError
from resolver.telemetry.log import Log

PAUSES_SECONDS: Final = (5, 30, 120, 600, 3600, 6 * 3600, 12 * 3600)
"""After each try that failed; after the last, the message is given up."""

_TRY_SECONDS = 15.0
_LOOK_SECONDS = 1.0
_AT_ONCE = 20
_MOST_REPLY = 1 << 16
_SECRET_PREFIX = "whsec_"  # noqa: S105 (how others write such secrets, in base64)


@dataclass(slots=True)
class HookState:
    """How a hook is."""

    last_success_at: datetime | None = None
    last_error: str | None = None
    waiting: int = 0


class Deliveries:
    """The deliveries to all hooks."""

    def __init__(self, access: StoreAccess, outbox: Outbox, log: Log) -> None:
        self._access = access
        self._outbox = outbox
        self._log = log
        self.states = {hook.key: HookState() for hook in outbox.hooks}
        self.counts: Counter[str] = Counter()  # delivered, failed, given_up

    async def run(self) -> None:
        """Deliver, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for hook in self._outbox.hooks:
                tasks.create_task(self._deliver(hook))

    def gauges(self) -> dict[str, dict[tuple[str, ...], float]]:
        """For Prometheus."""
        if not self._outbox.hooks:
            return {}
        return {
            "moatdns_webhook_messages_waiting": {(): sum(state.waiting for state in self.states.values())},
            "moatdns_webhook_failing": {(): sum(state.last_error is not None for state in self.states.values())},
        }

    async def _deliver(self, hook: Hook) -> None:
        state = self.states[hook.key]
        while True:
            try:
                async with self._access.store.read() as connection:
                    due = await webhooks.due(connection, hook.key, datetime.now(UTC), _AT_ONCE)
                    state.waiting = (await webhooks.waiting(connection)).get(hook.key, 0)
                for row in due:
                    await self._try(hook, row)
            except MoatdnsError as error:
                state.last_error = str(error)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _try(self, hook: Hook, row: MessageRow) -> None:
        state = self.states[hook.key]
        why = await send(hook, row)
        async with self._access.store.count() as connection:
            if why is None or row.tries >= len(PAUSES_SECONDS):
                await webhooks.done(connection, row)
            else:
                await webhooks.later(connection, row, datetime.now(UTC) + timedelta(seconds=PAUSES_SECONDS[row.tries]))
        if why is None:
            state.last_success_at, state.last_error = datetime.now(UTC), None
            self.counts["delivered"] += 1
            return
        state.last_error = why
        self.counts["failed"] += 1
        given_up = row.tries >= len(PAUSES_SECONDS)
        self.counts["given_up"] += given_up
        self._log.warning(
            "a webhook could not be delivered", hook=hook.shown, message=row.message_id, why=why, given_up=given_up
        )


async def send(hook: Hook, row: MessageRow) -> str | None:
    """Send a message once; gives why it did not arrive, None when it did."""
    try:
        headers = signed(secret(hook.secret), row.message_id, int(time.time()), row.body)
        async with (
            asyncio.timeout(_TRY_SECONDS),
            guarded_session(allow_private=hook.allow_private, headers=headers) as session,
            session.post(hook.url, data=row.body.encode(), allow_redirects=False) as response,
        ):
            await response.content.read(_MOST_REPLY)
            return None if 200 <= response.status < 300 else f"it answered {response.status}"
    except RuleError as error:
        return f"its secret: {error}"
    except FetchError as error:
        return str(error)
    except TimeoutError:
        return f"it took longer than {_TRY_SECONDS:g} s"
    except Exception as error:  # whatever a stranger's server does, others are told
        return why_not(error)


def signed(key: str, message_id: str, timestamp: int, body: str) -> dict[str, str]:
    """The headers of a message."""
    raw = key.encode()
    if key.startswith(_SECRET_PREFIX):
        try:
            raw = base64.b64decode(key.removeprefix(_SECRET_PREFIX), validate=True)
        except ValueError:
            raise RuleError(f"the text after {_SECRET_PREFIX} is not base64") from None
    mac = hmac.new(raw, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return {
        "User-Agent": f"moatdns/{__version__}",
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
