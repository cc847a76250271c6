"""Errors about addresses in use name the program that has that very address."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from resolver.errors import ListenError
from resolver.listeners.sockets import DO53, DOT, Listen, open_http_socket, open_sockets
from tests.support.programs import free_port

_HOLD = """
import socket, sys
host, port, kind = sys.argv[1:]
one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, getattr(socket, kind))
if ":" in host:
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
one.bind((host, int(port)))
if kind == "SOCK_STREAM":
    one.listen()
print("holds", flush=True)
sys.stdin.read()
"""
Hold = Callable[..., int]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """A program that holds an address; its process id."""
    with ExitStack() as running:

        def start(host: str, port: int, kind: str = "SOCK_DGRAM") -> int:
            command = [sys.executable, "-c", _HOLD, host, str(port), kind]
            program = running.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            assert program.stdout is not None
            assert program.stdout.readline() == b"holds\n"
            return program.pid

        yield start


def refusal(address: Listen) -> str:
    """What is said where an address cannot be listened on."""
    with pytest.raises(ListenError) as raised:
        open_sockets([address], 1, 1)
    return str(raised.value)


@pytest.mark.parametrize("kind", ["SOCK_DGRAM", "SOCK_STREAM"])
def test_of_several_on_a_port_the_one_on_that_address_and_protocol_is_named(hold: Hold, kind: str) -> None:
    port = free_port()
    other = "SOCK_STREAM" if kind == "SOCK_DGRAM" else "SOCK_DGRAM"
    bystanders = {hold("127.0.0.61", port, kind), hold("127.0.0.63", port, kind), hold("127.0.0.62", port, other)}
    wanted = hold("127.0.0.62", port, kind)
    told = refusal(Listen("127.0.0.62", port, kind=DO53 if kind == "SOCK_DGRAM" else DOT))
    assert f"(pid {wanted})" in told
    assert not [pid for pid in bystanders if str(pid) in told]


@pytest.mark.parametrize(
    ("held", "wanted"), [("0.0.0.0", "127.0.0.62"), ("::", "127.0.0.62"), ("127.0.0.62", "0.0.0.0"), ("::", "::1")]
)
def test_a_wildcard_holds_every_address_and_needs_every_address(hold: Hold, held: str, wanted: str) -> None:
    port = free_port()
    pid = hold(held, port)
    assert f"(pid {pid})" in refusal(Listen(wanted, port))


def test_what_is_held_elsewhere_is_no_hindrance(hold: Hold) -> None:
    port = free_port()
    hold("127.0.0.61", port)
    sockets, _ = open_sockets([Listen("127.0.0.62", port)], 1)
    for one in sockets:
        one.close()


def test_the_api_and_the_block_page_tell_it_as_well(hold: Hold) -> None:
    port = free_port()
    bystander = hold("127.0.0.61", port, "SOCK_STREAM")
    wanted = hold("127.0.0.62", port, "SOCK_STREAM")
    with pytest.raises(ListenError, match=f"admin.listen: 127.0.0.62:{port} is in use by .* .pid {wanted}.") as raised:
        open_http_socket(Listen("127.0.0.62", port), "admin.listen")
    assert str(bystander) not in str(raised.value)


def test_the_socket_that_was_probed_is_closed_again() -> None:
    port = free_port()
    for _ in range(2):
        sockets, _ = open_sockets([Listen("127.0.0.1", port)], 1)
        for one in sockets:
            one.close()
    with socket.socket() as one:
        one.bind(("127.0.0.1", port))
