"""The audit trail to a syslog server, row by row in order, as it grows (RFC 5424; over TCP framed as in RFC 6587).

The store remembers which row was sent last. A server that is away is tried again; no change waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from datetime import UTC
from typing import Final

from admin_api.store import audit, documents
from admin_api.store.access import StoreAccess
from admin_api.store.audit import AuditRow
from resolver.config.addresses import parse_syslog
from resolver.errors import MoatdnsError
from resolver.system.safe_text import visible_json
from resolver.telemetry.log import Log

_SENT: Final = "audit_syslog"  # the document that remembers
_FACILITY_AUDIT = 13  # log audit (RFC 5424 section 6.2.1)
_SEVERITY_NOTICE = 5
_AT_ONCE = 500
_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 10.0
_SEND_SECONDS = 5.0
_ACTOR = "moatdns"
_MOST_DATAGRAM = 60_000  # octets


class AuditSyslog:
    """Sends the trail to one server."""

    def __init__(self, access: StoreAccess, url: str, log: Log) -> None:
        self._access = access
        self._transport, self._target = parse_syslog(url)
        self._url = url
        self._log = log
        self._socket: socket.socket | None = None
        self._host = socket.gethostname() or "-"

    async def run(self) -> None:
        """Send, for ever."""
        try:
            await self._send_all()
        finally:
            self._close()

    async def _send_all(self) -> None:
        why: str | None = None
        while True:
            try:
                while await self._send_some():
                    pass
                if why is not None:
                    self._log.info("the audit trail reaches syslog again", server=self._url)
                why = None
                await asyncio.sleep(_LOOK_SECONDS)
            except (MoatdnsError, OSError) as error:
                self._close()
                if str(error) != why:
                    self._log.error("the audit trail does not reach syslog", server=self._url, why=str(error))
                why = str(error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _send_some(self) -> bool:
        """Send what is new; True if there may be more. Raises OSError, StoreAway."""
        async with self._access.store.read() as connection:
            last = int((await documents.get(connection, _SENT) or {}).get("id", 0))
            rows = await audit.rows_after(connection, last, limit=_AT_ONCE)
        if not rows:
            return False
        await asyncio.to_thread(self._send, [self._message(row) for row in rows])
        async with self._access.store.change(_ACTOR) as change:
            await documents.put(change.connection, _SENT, {"id": rows[-1].id})
        return len(rows) == _AT_ONCE

    def _message(self, row: AuditRow) -> bytes:
        at = row.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        priority = _FACILITY_AUDIT * 8 + _SEVERITY_NOTICE
        head = f"<{priority}>1 {at} {self._host} moatdns - audit - "
        return (head + visible_json(json.dumps(row.plain(), separators=(",", ":")))).encode()

    def _send(self, messages: list[bytes]) -> None:
        if self._socket is None:
            self._socket = self._connected()
        for message in messages:
            if self._transport == "tcp":
                self._socket.sendall(b"%d %s" % (len(message), message))
            else:
                self._socket.send(message[:_MOST_DATAGRAM])

    def _connected(self) -> socket.socket:
        if self._transport == "unix":
            one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            one.settimeout(_SEND_SECONDS)  # a daemon that reads no more would hold us for ever
            one.connect(self._target)
            return one
        host, port = self._target
        if self._transport == "tcp":
            return socket.create_connection((host, port), _SEND_SECONDS)
        one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        one.settimeout(_SEND_SECONDS)
        one.connect((host, port))
        return one

    def _close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
