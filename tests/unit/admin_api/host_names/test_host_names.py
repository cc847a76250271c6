"""Host names by address: which source counts, what becomes of files that change, end or break, and the bounds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from admin_api.host_names import keeper
from admin_api.host_names.keeper import HostNames
from resolver.config.servers import parse_server
from resolver.config.settings import HostNamesSettings, WorkerSettings, Zone
from tests.support.stub import StubUpstream
from tests.unit.admin_api.conftest import Said


async def eventually(is_true: Callable[[], bool]) -> None:
    """Wait for what another task brings about."""
    for _ in range(2_000):
        if is_true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


END = 1795730400
NO_ZONES = WorkerSettings()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop that the control process runs on."""
    return {"uvloop": uvloop.new_event_loop}


class Office:
    """Files of a folder, and the names in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = Said()
        self.now = END - 3600.0

    def write(self, name: str, *lines: str) -> str:
        """A file with these lines, changed for sure."""
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines))
        times = path.stat()
        self._later = getattr(self, "_later", times.st_mtime_ns) + 1_000_000_000
        os.utime(path, ns=(self._later, self._later))
        return str(path)

    def remove(self, name: str) -> None:
        """Have a file gone."""
        (self.folder / name).unlink()

    def names(self, workers: WorkerSettings = NO_ZONES, **settings: Any) -> HostNames:
        """The names by a config."""
        return HostNames(HostNamesSettings(**settings), workers, self.log, lambda: self.now)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def lease(address: str, name: str, until: int = END) -> str:
    return f"{until} 02:00:5e:00:53:01 {address} {name} *"


async def test_what_an_admin_wrote_comes_before_what_devices_say_and_that_before_ptr(office: Office) -> None:
    addresses = [f"10.0.0.{number}" for number in range(1, 6)]
    reverse = {f"{number}.0.0.10.in-addr.arpa": f"{number}.0.0.10.in-addr.arpa. 60 IN PTR ptr." for number in range(6)}
    with StubUpstream(reverse) as stub:
        names = office.names(
            WorkerSettings(zones=(Zone("10.in-addr.arpa", (parse_server(stub.server),)),)),
            hosts=(office.write("hosts", "10.0.0.1 hosts"),),
            dhcp_leases=(office.write("leases", *(lease(address, "dhcp") for address in addresses[:4])),),
            ptr=True,
        )
        names.local = lambda: {"10.0.0.1": "local", "10.0.0.2": "local"}
        running = asyncio.ensure_future(names.run())
        try:
            await eventually(lambda: names.gauges()["moatdns_host_names"]["dhcp",] == 4)
            office.now = END - 1
            found = await names.of([*addresses, "10.0.0.0/8", "~aaaaaaaaaaaaaaaa", "other", "hidden", None], 5)
            assert found == dict(zip(addresses, ("hosts", "local", "dhcp", "dhcp", "ptr"), strict=True))
            office.now = END  # the leases are over
            assert (await names.of(["10.0.0.3"], 5)) == {"10.0.0.3": "ptr"}
        finally:
            running.cancel()
            await asyncio.wait([running])
        assert {name for name, _, _ in stub.asked} <= {f"{number}.0.0.10.in-addr.arpa" for number in (3, 5)}


async def test_a_file_is_read_again_when_it_has_changed_and_only_then(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = office.write("leases", lease("10.0.0.1", "laptop"))
    names = office.names(dhcp_leases=(path,))
    await names.look()
    assert await names.of(["10.0.0.1"]) == {"10.0.0.1": "laptop"}
    reads = []
    read = keeper.HostFile.read
    monkeypatch.setattr(keeper.HostFile, "read", lambda *one, **more: (reads.append(one), read(*one, **more))[1])
    await names.look()
    assert not reads
    office.write("leases", lease("10.0.0.2", "tablet"))
    await names.look()
    assert await names.of(["10.0.0.1", "10.0.0.2"]) == {"10.0.0.2": "tablet"}
    assert len(reads) == 1
    office.remove("leases")
    await names.look()
    assert await names.of(["10.0.0.2"]) == {}


async def test_what_is_wrong_with_a_file_is_told_once_until_it_is_good_again(office: Office) -> None:
    path = str(office.folder / "leases")
    names = office.names(dhcp_leases=(path,))

    async def looked() -> list[str]:
        office.log.lines.clear()
        await names.look()
        assert {(event, facts["file"]) for event, facts in office.log.lines} <= {("host names are missing", path)}
        return [facts["because"] for _, facts in office.log.lines]

    assert await looked() == ["cannot be read: No such file or directory"]
    assert await looked() == []
    office.write("leases", lease("10.0.0.1", "laptop"), "what is this")
    (why,) = await looked()
    assert why.startswith("1 lines cannot be read, the first being line 2: is not 'EXPIRY")
    office.write("leases", "1 2", lease("10.0.0.1", "laptop"))
    assert await looked() == []
    office.write("leases", lease("10.0.0.1", "laptop"))
    assert await looked() == []
    office.write("leases", "1 2", lease("10.0.0.1", "laptop"))
    assert len(await looked()) == 1
    assert names.dropped["host_name_lines"] == 3
    assert await names.of(["10.0.0.1"]) == {"10.0.0.1": "laptop"}


async def test_the_names_of_all_files_together_are_bounded_and_the_rest_is_counted_and_told(office: Office) -> None:
    names = office.names(
        hosts=(office.write("hosts", "10.0.0.1 one", "10.0.0.2 two"),),
        dhcp_leases=(office.write("leases", lease("10.0.0.3", "three"), lease("10.0.0.4", "four")),),
        most=3,
    )
    await names.look()
    addresses = [f"10.0.0.{number}" for number in range(1, 5)]
    assert list(await names.of(addresses)) and len(await names.of(addresses)) == 3
    assert names.dropped["host_names"] == 1
    assert names.gauges() == {"moatdns_host_names": {("hosts",): 2, ("dhcp",): 1, ("ptr",): 0}}
    ((_, facts),) = office.log.lines
    assert facts["because"] == "there are more than 3 names: raise clients.host_names.most"


async def test_names_that_act_on_a_terminal_are_never_shown(office: Office) -> None:
    names = office.names(dhcp_leases=(office.write("leases", lease("10.0.0.1", "\x1b[2J"), lease("10.0.0.2", "good")),))
    await names.look()
    assert await names.of(["10.0.0.1", "10.0.0.2"]) == {"10.0.0.2": "good"}
    assert names.dropped["host_name_lines"] == 1
