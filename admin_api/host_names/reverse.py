"""Host names by reverse zones: PTR, asked of the servers of `upstream.zones` alone, and kept for as long as DNS says.

An address that no reverse zone of the config covers is asked of nobody. Few questions are on their way at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final

from admin_api.host_names.found import normal_host_name
from resolver.config.settings import WorkerSettings
from resolver.errors import FormatError, RuleError, UpstreamError
from resolver.upstream.zones import ZonedForwarder, forwarder_of
from resolver.wire.chain import follow
from resolver.wire.codes import HEADER, Class, Rcode, Type
from resolver.wire.local_data import reverse_key
from resolver.wire.names import key_of, parse_name, to_text, wire_of_key
from resolver.wire.reading import Names

MOST_AT_ONCE: Final = 8
"""Questions on their way."""
MOST_WAITING: Final = 1_000
"""Addresses that wait for their turn; beyond, they are asked for another time."""

_ARPA: Final = b"\x04arpa"
_PTR: Final = int(Type.PTR)
_TAIL: Final = _PTR.to_bytes(2, "big") + Class.IN.to_bytes(2, "big")
_LEAST_SECONDS: Final = 300.0  # that an answer is kept, whatever its TTL
_MOST_SECONDS: Final = 86400.0
_NONE_SECONDS: Final = 600.0  # that it is remembered that an address has no name
_FAILED_SECONDS: Final = 60.0  # until servers that did not answer are asked again
_MOST_RECORDS: Final = 100  # of an answer

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Known:
    name: str | None
    until: float  # by the clock


class ReverseNames:
    """Names by PTR, in memory. At most `most` are kept; the oldest make room."""

    def __init__(self, settings: WorkerSettings, most: int, clock: Clock = time.monotonic) -> None:
        zones = tuple(zone for zone in settings.zones if key_of(parse_name(zone.name)).startswith(_ARPA))
        self._zones = tuple(key_of(parse_name(zone.name)) for zone in zones)
        # Without default servers: what no zone has goes nowhere.
        self._settings = replace(settings, upstream_servers=(), zones=zones)
        self._most = most
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asked: dict[str, asyncio.Future[None]] = {}  # those that wait, or are on their way
        self._waiting: deque[str] = deque()
        self._on_their_way = 0
        self._forwarder: ZonedForwarder | None = None
        self._is_closed = False
        self.dropped: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Addresses whose name is known."""
        return sum(1 for known in self._known.values() if known.name is not None)

    def known(self, address: str) -> str | None:
        """The name of an address as it was last told; None where there is none, or nobody was asked."""
        known = self._known.get(address)
        return None if known is None else known.name

    async def ask(self, addresses: Iterable[str], seconds: float) -> None:
        """Have unknown names asked for, and wait for them so long at most. What comes later is there the next time."""
        asked = [future for address in addresses if (future := self._ask(address)) is not None]
        if asked:
            await asyncio.wait(asked, timeout=seconds)

    def _ask(self, address: str) -> asyncio.Future[None] | None:
        known = self._known.get(address)
        if (known is not None and self._clock() < known.until) or self._is_closed:
            return None
        asked = self._asked.get(address)
        if asked is not None:
            return asked
        if not self._is_covered(address):
            return None
        if len(self._waiting) >= MOST_WAITING:
            self.dropped["host_names_waiting"] += 1
            return None
        asked = self._asked[address] = asyncio.get_running_loop().create_future()
        self._waiting.append(address)
        self._begin()
        return asked

    def _is_covered(self, address: str) -> bool:
        key = reverse_key(ip_address(address).packed)
        return any(key.startswith(zone) for zone in self._zones)

    def _begin(self) -> None:
        """Ask for those who wait, as far as there may be questions on their way."""
        while self._waiting and self._on_their_way < MOST_AT_ONCE:
            address = self._waiting.popleft()
            self._on_their_way += 1
            if self._forwarder is None:
                self._forwarder = forwarder_of(self._settings, asyncio.get_running_loop(), self.dropped)
            wire = wire_of_key(reverse_key(ip_address(address).packed))

            def done(result: bytes | UpstreamError, address: str = address, wire: bytes = wire) -> None:
                self._on_their_way -= 1
                self._keep(address, _read(result, wire))
                self._begin()

            self._forwarder.ask(wire + _TAIL, dnssec_ok=False, checking_disabled=False, done=done)

    def _keep(self, address: str, read: tuple[str | None, float] | None) -> None:
        """Remember what came; None: nothing did, and what was known before is used on."""
        before = self._known.pop(address, None)
        if read is None:
            read = before.name if before is not None else None, _FAILED_SECONDS
        while len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
            self.dropped["host_names"] += 1
        self._known[address] = _Known(read[0], self._clock() + read[1])
        asked = self._asked.pop(address, None)
        if asked is not None and not asked.done():
            asked.set_result(None)

    def close(self) -> None:
        """Ask for nothing more."""
        self._is_closed = True
        self._waiting.clear()
        if self._forwarder is not None:
            self._forwarder.close()
        for asked in self._asked.values():
            asked.cancel()
        self._asked.clear()


def _read(result: bytes | UpstreamError, wire: bytes) -> tuple[str | None, float] | None:
    """The name in a response, and for how many seconds it is good; None where nothing can be told."""
    if isinstance(result, UpstreamError):
        return None
    try:
        return name_in(result, wire)
    except FormatError:
        return None


def name_in(response: bytes, wire: bytes) -> tuple[str | None, float] | None:
    """The first PTR behind a reverse name, and for how many seconds it is good; None, 600 s where there is none.

    None for a response that is an error. Raises FormatError for what is no response to the question.
    """
    start = HEADER + len(wire) + len(_TAIL)
    if len(response) < start:
        raise FormatError("shorter than its question")
    rcode = response[3] & 0xF
    if rcode == Rcode.NXDOMAIN:
        return None, _NONE_SECONDS
    if rcode != Rcode.NOERROR:
        return None
    count = response[6] << 8 | response[7]
    if count > _MOST_RECORDS:
        raise FormatError(f"more than {_MOST_RECORDS} records")
    names = Names(response)
    try:
        records, _ = names.records(start, count)
        chain = follow(names, records, wire, _PTR, dnssec=False)
        pointers = [record for record in chain.kept if record.rtype == _PTR]
        if not pointers:
            return None, _NONE_SECONDS
        name = normal_host_name(to_text(names.read(pointers[0].rdata)[0]))
    except IndexError:
        raise FormatError("an answer that is cut off") from None
    except RuleError:
        return None, _NONE_SECONDS  # it points to nothing that could be shown
    ttl = min(record.ttl for record in chain.kept)
    return name, min(max(float(ttl), _LEAST_SECONDS), _MOST_SECONDS)
