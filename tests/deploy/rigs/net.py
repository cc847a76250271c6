"""A cable between this network and one where the clients live."""

from __future__ import annotations

import array
import contextlib
import fcntl
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.programs import ended, program, wait_until

_SIOCETHTOOL = 0x8946
_SET_TRANSMIT_CHECKSUMS = 0x17


def ip(*words: str) -> None:
    """The `ip` command, which must do it."""
    subprocess.run([program("ip"), *words], check=True)


@contextlib.contextmanager
def clients() -> Iterator[list[str]]:
    """Another network; the words before a command that is to run in it."""
    ip("link", "set", "lo", "up")
    with ended(subprocess.Popen([program("unshare"), "--net", program("sleep"), "600"])) as process:
        own = _network("self")
        wait_until(lambda: _network(str(process.pid)) != own, "the clients' network is there")
        yield [program("nsenter"), f"--net=/proc/{process.pid}/ns/net", "--"]


def cable(here: str, there: str, address: str, inside: list[str]) -> None:
    """A pair of interfaces, one end with an address here, the other one among the clients."""
    ip("link", "add", here, "type", "veth", "peer", "name", there)
    for interface in (here, there):
        _fill_in_checksums(interface)
    ip("link", "set", there, "netns", inside[1].split("/")[2])
    ip("address", "add", address, "dev", here)
    ip("link", "set", here, "up")
    subprocess.run([*inside, program("ip"), "link", "set", there, "up"], check=True)


def _network(process: str) -> str:
    return str(Path(f"/proc/{process}/ns/net").readlink())


def _fill_in_checksums(interface: str) -> None:
    """Such an interface leaves checksums to the hardware that it has not; udhcpc and Kea read raw packets and mind."""
    value = array.array("B", struct.pack("II", _SET_TRANSMIT_CHECKSUMS, 0))
    request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
