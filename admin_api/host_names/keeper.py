"""Host names of clients' addresses, for people who look at these: of files, the config's local names, reverse zones.

They are of now, in memory alone, and never recorded. No query waits for them, and no policy looks at them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from admin_api.host_names.files import DHCP, HOSTS, HostFile, HostFileError, Signature
from admin_api.host_names.found import HostName
from resolver.config.settings import HostNamesSettings, WorkerSettings
from resolver.telemetry.log import Log

if TYPE_CHECKING:
    from admin_api.host_names.reverse import ReverseNames

LOOK_SECONDS: Final = 10.0
"""Between looks at whether the files have changed."""
PATIENCE_SECONDS: Final = 0.3
"""For which a page waits for names by PTR; those that come later are on the next one."""

_MIB = 1 << 20
_NO_NAMES: Final[Mapping[str, str]] = {}


@dataclass(slots=True)
class _Kept:
    """One file as it was read last."""

    file: HostFile
    signature: Signature | None = None
    names: dict[str, HostName] = field(default_factory=dict)
    told: str | None = None  # the kind of what was wrong with it


class HostNames:
    """Names by address. What an admin has written comes first: hosts files, local names; then DHCP, then PTR."""

    def __init__(
        self,
        settings: HostNamesSettings,
        of_workers: WorkerSettings,
        log: Log,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._log = log
        self._clock = clock
        hosts = [HostFile(HOSTS, path) for path in settings.hosts]
        self._kept = [_Kept(file) for file in (*hosts, *(HostFile(DHCP, path) for path in settings.dhcp_leases))]
        self._reverse: ReverseNames | None = None
        if settings.ptr:
            from admin_api.host_names.reverse import ReverseNames  # noqa: PLC0415 (with the forwarder: memory)

            self._reverse = ReverseNames(of_workers, settings.most)
        self._passed_over = 0
        self._beyond = 0
        self.local: Callable[[], Mapping[str, str]] = lambda: _NO_NAMES
        """The local names by address; who knows them sets it."""

    async def run(self) -> None:
        """Read each file when it has changed, for ever."""
        try:
            while self._kept:
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)
            await asyncio.Event().wait()
        finally:
            if self._reverse is not None:
                self._reverse.close()

    async def look(self) -> None:
        """Read the files that have changed, one after the other, in a thread."""
        for kept in self._kept:
            signature = await asyncio.to_thread(kept.file.signature)
            if signature == kept.signature:
                continue
            kept.signature = signature  # of before: a change meanwhile is seen at the next look
            room = self._settings.most - sum(len(one.names) for one in self._kept if one is not kept)
            await self._read(kept, room)

    async def _read(self, kept: _Kept, room: int) -> None:
        try:
            found = await asyncio.to_thread(kept.file.read, most=room, most_bytes=self._settings.max_mib * _MIB)
        except HostFileError as error:
            kept.names = {}
            self._tell(kept, "file", str(error))
            return
        kept.names = found.names
        self._passed_over += found.passed_over
        self._beyond += found.beyond
        if found.first is not None:
            self._tell(kept, "lines", f"{found.passed_over} lines cannot be read, the first being {found.first}")
        elif found.beyond:
            most = self._settings.most
            self._tell(kept, "room", f"there are more than {most} names: raise clients.host_names.most")
        else:
            kept.told = None

    def _tell(self, kept: _Kept, kind: str, wrong: str) -> None:
        """Log what is wrong with a file, once until it is good again: a lease file changes by the second."""
        if kept.told != kind:
            self._log.warning("host names are missing", file=kept.file.path, because=wrong)
        kept.told = kind

    async def of(self, addresses: Iterable[str | None], seconds: float = PATIENCE_SECONDS) -> dict[str, str]:
        """The names of those of the texts that are addresses and have one. Waits so long at most."""
        wanted = {text for text in addresses if text is not None and _is_address(text)}
        if not wanted:
            return {}
        local, now = self.local(), self._clock()
        found = {text: name for text in wanted if (name := self._written(text, local, now)) is not None}
        if self._reverse is not None:
            rest = [text for text in wanted if text not in found]
            await self._reverse.ask(rest, seconds)
            found.update({text: name for text in rest if (name := self._reverse.known(text)) is not None})
        return found

    def _written(self, address: str, local: Mapping[str, str], now: float) -> str | None:
        """The name of an address in hosts files, local names and DHCP leases, in this order."""
        return self._in_files(HOSTS, address, now) or local.get(address) or self._in_files(DHCP, address, now)

    def _in_files(self, kind: str, address: str, now: float) -> str | None:
        for kept in self._kept:
            found = kept.names.get(address) if kept.file.kind == kind else None
            if found is not None and (found.until is None or now < found.until):
                return found.name
        return None

    def gauges(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        """How many names there are, by where they are from."""
        counts = {HOSTS: 0, DHCP: 0}
        for kept in self._kept:
            counts[kept.file.kind] += len(kept.names)
        reverse = self._reverse.count if self._reverse is not None else 0
        return {"moatdns_host_names": {(source,): count for source, count in {**counts, "ptr": reverse}.items()}}

    @property
    def dropped(self) -> Mapping[str, int]:
        """Names for which there was no room, and lines that could not be read, by what was counted."""
        dropped = Counter(self._reverse.dropped if self._reverse is not None else ())
        dropped.update(host_names=self._beyond, host_name_lines=self._passed_over)
        return dropped


def _is_address(text: str) -> bool:
    """Whether it is an address as rows have it: neither a network, nor a pseudonym, nor ``other``."""
    with contextlib.suppress(ValueError):
        return str(ip_address(text)) == text
    return False
