"""The way to a sink by HTTP: batches of rows as lines of JSON (NDJSON), by POST, one at a time."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from admin_api.guarded_http import THIS_MACHINE, guarded_session, why_not
from admin_api.sinks.rows import RowsRefused, SinkAway, SinkRow
from resolver import __version__
from resolver.config.fields import secret
from resolver.config.settings import LogSinkSettings
from resolver.config.sink_address import SinkAddress
from resolver.errors import MoatdnsError, RuleError
from resolver.system.safe_text import visible

LONGEST_WAIT_SECONDS: Final = 600.0
"""For which a sink may have us wait (Retry-After)."""

_LEVEL: Final = 3  # of gzip: a higher one takes twice the time for a tenth
_MOST_REPLY: Final = 1 << 16
_MOST_SHOWN: Final = 120  # characters of a reply
_REFUSES_ROWS: Final = frozenset((400, 413, 422))
_MAY_BE_LATE: Final = frozenset((408, 504))


class HttpOutlet:
    """Batches to one URL. The connection stays open between them; files are read anew with each connection."""

    def __init__(self, address: SinkAddress, settings: LogSinkSettings, context: Callable[[], ssl.SSLContext]) -> None:
        self._address = address
        self._settings = settings
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | None = None

    async def send(self, rows: Sequence[SinkRow]) -> int:
        """Send a batch, all or nothing."""
        settings = self._settings
        body = "".join(f"{row.text}\n" for row in rows).encode("ascii")
        if settings.gzip:
            body = await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
        try:
            session = self._session = self._session or self._opened()
            async with (
                asyncio.timeout(settings.timeout_seconds),
                session.post(
                    self._address.url,
                    data=body,
                    allow_redirects=False,
                    ssl=self._tls or True,
                    server_hostname=settings.server_name if self._tls else None,
                ) as response,
            ):
                said = await response.content.read(_MOST_REPLY)
                status, wait = response.status, response.headers.get("Retry-After")
        except TimeoutError:
            await self.close()
            raise SinkAway(f"no answer within {settings.timeout_seconds} s", is_late=True) from None
        except MoatdnsError as error:
            await self.close()
            raise SinkAway(str(error)) from error
        except Exception as error:  # whatever a stranger's server does, the log stays
            await self.close()
            raise SinkAway(why_not(error)) from error
        if 200 <= status < 300:
            return len(rows)
        why, shown = f"it answered {status}", _shown(said)
        if status in _REFUSES_ROWS:
            raise RowsRefused(why, shown)
        await self.close()  # the Authorization header is read anew
        raise SinkAway(why, wait_of(wait, datetime.now(UTC)), said=shown, is_late=status in _MAY_BE_LATE)

    def _opened(self) -> aiohttp.ClientSession:
        """A session. Raises RuleError, ListenError where a file cannot be used."""
        settings = self._settings
        headers = {"User-Agent": f"moatdns/{__version__}", "Content-Type": "application/x-ndjson"}
        if settings.gzip:
            headers["Content-Encoding"] = "gzip"
        if settings.authorization is not None:
            headers["Authorization"] = _header(settings.authorization)
        is_plain = self._address.transport == "http"
        self._tls = None if is_plain else self._context()
        return guarded_session(
            # The config's writer alone names sinks, and they are in the company's own network: TLS says who it is.
            allow_private=settings.insecure or not is_plain,
            reach=THIS_MACHINE,
            headers=headers,
            keeps_open=True,
            silence_seconds=settings.timeout_seconds,
        )

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


def _header(written: str) -> str:
    """The value of the Authorization header, of the text or its file. Raises RuleError, which does not show it."""
    try:
        value = secret(written)
    except RuleError as error:
        raise RuleError(f"authorization: {error}") from error
    if not value or not value.isascii() or not value.isprintable():
        raise RuleError("authorization: is empty, or holds what no header may hold, such as a line break")
    return value


def wait_of(header: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After has us wait (RFC 9110 section 10.2.3), within bounds; None where it says nothing."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT_SECONDS)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)


def _shown(said: bytes) -> str:
    """The beginning of a reply."""
    text = visible(" ".join(said[: 4 * _MOST_SHOWN].decode("utf-8", "replace").split()))
    return f": {text[:_MOST_SHOWN]}" if text else ""
