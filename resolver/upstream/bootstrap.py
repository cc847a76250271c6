"""The addresses of upstreams that have names, asked of servers that have addresses: never of ourselves."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

from resolver.errors import FormatError, UpstreamError, UpstreamUnreachable
from resolver.upstream.asking import Upstreams
from resolver.wire.codes import Class, Type
from resolver.wire.names import parse_name
from resolver.wire.records import records

_LEAST_SECONDS = 30.0  # that addresses are kept, whatever their TTL
_MOST_SECONDS = 86400.0
_RETRY_SECONDS = 10.0  # after which addresses that could not be renewed are asked for again
_OCTETS = {int(Type.A): 4, int(Type.AAAA): 16}


@dataclass(slots=True)
class _Known:
    addresses: list[str]
    until: float


class Bootstrap:
    """Addresses by name, for as long as their TTL says. Those that cannot be renewed stay."""

    def __init__(
        self, forwarder: Upstreams, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._forwarder = forwarder
        self._loop = loop
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._lookups: dict[str, asyncio.Task[None]] = {}

    async def addresses(self, name: str) -> list[str]:
        """The addresses of a name: IPv4 first, each once. Raises UpstreamError where there never was one.

        Only who asks first waits; addresses whose time is over are given once more, and asked for in the background.
        """
        known = self._known.get(name)
        if known is None or self._clock() >= known.until:
            lookup = self._lookups.get(name)
            if lookup is None:
                lookup = self._loop.create_task(self._look_up(name), name=f"look up {name}")
                self._lookups[name] = lookup
                lookup.add_done_callback(lambda done: self._is_over(name, done))
            if known is None:
                await asyncio.shield(lookup)
                known = self._known[name]
        return known.addresses

    def _is_over(self, name: str, lookup: asyncio.Task[None]) -> None:
        self._lookups.pop(name, None)
        if not lookup.cancelled() and lookup.exception() is not None and name in self._known:
            self._known[name].until = self._clock() + _RETRY_SECONDS

    async def _look_up(self, name: str) -> None:
        wire = parse_name(name)
        answers = await asyncio.gather(*(self._ask(wire, qtype) for qtype in _OCTETS), return_exceptions=True)
        found: dict[str, None] = {}
        seconds = _MOST_SECONDS
        for answer in answers:
            if isinstance(answer, BaseException):
                continue
            addresses, ttl_seconds = answer
            found.update(dict.fromkeys(addresses))
            seconds = min(seconds, ttl_seconds)
        if not found:
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
            raise UpstreamUnreachable(f"{name} has no address")
        self._known[name] = _Known(list(found), self._clock() + max(seconds, _LEAST_SECONDS))

    async def _ask(self, wire: bytes, qtype: int) -> tuple[list[str], float]:
        """The addresses of one kind, and their least TTL in seconds. Raises UpstreamError."""
        came: asyncio.Future[bytes | UpstreamError] = self._loop.create_future()

        def done(result: bytes | UpstreamError) -> None:
            if not came.done():  # else the lookup is cancelled
                came.set_result(result)

        question = wire + qtype.to_bytes(2, "big") + Class.IN.to_bytes(2, "big")
        self._forwarder.ask(question, dnssec_ok=False, checking_disabled=False, done=done)
        result = await came
        if isinstance(result, UpstreamError):
            raise result
        addresses: list[str] = []
        seconds = _MOST_SECONDS
        try:
            for record in records(result):
                if record.section or record.end - record.start != _OCTETS[qtype] or record.rtype != qtype:
                    continue
                addresses.append(str(ipaddress.ip_address(result[record.start : record.end])))
                seconds = min(seconds, int.from_bytes(result[record.ttl_at : record.ttl_at + 4], "big"))
        except FormatError as error:
            raise UpstreamUnreachable(f"its address cannot be read: {error}") from error
        return addresses, seconds

    def close(self) -> None:
        """Look up nothing more."""
        for lookup in list(self._lookups.values()):
            lookup.cancel()
        self._forwarder.close()
