"""The configured hooks: each sends what it wants to know of by POST.

Signed as the Standard Webhooks convention has it: ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``,
which is ``v1,`` and the base64 of HMAC-SHA256(secret, id.timestamp.body).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from admin_api.guarded_http import guarded_session, why_not
from admin_api.outbox.receivers import Delivery
from admin_api.store.webhooks import MessageRow
from resolver import __version__
from resolver.config.fields import secret
from resolver.errors import FetchError, RuleError

_TRY_SECONDS = 15.0
_AT_ONCE = 20
_MOST_REPLY = 1 << 16
_SECRET_PREFIX = "whsec_"  # noqa: S105 (how others write such secrets, in base64)


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

    @property
    def kind(self) -> str:
        """Its way, as metrics name it."""
        return "webhook"

    @property
    def at_once(self) -> int:
        """Messages that are sent one after the other, at most."""
        return _AT_ONCE

    def wants(self, event: str) -> bool:
        """Whether it is told of such events."""
        return event in self.events

    def pause_seconds(self, *, is_urgent: bool) -> float:
        """None: it is asked again and again."""
        return 0.0

    async def deliver(self, rows: Sequence[MessageRow]) -> AsyncIterator[tuple[MessageRow, Delivery]]:
        """Send each; gives what came of it."""
        for row in rows:
            yield row, Delivery(await send(self, row))


def hooks_of(settings: Iterable[Mapping[str, Any]]) -> list[Hook]:
    """The hooks of a config."""
    return [Hook(**{**one, "events": tuple(one["events"])}) for one in settings]


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
