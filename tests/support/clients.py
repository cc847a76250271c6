"""Clients: dig and kdig as people use them, and dnspython. None of them shares code with the server."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
from dataclasses import dataclass, field

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from tests.support.programs import PATIENCE_SECONDS, program

LOCALHOST = "127.0.0.1"
_TO_REACH_ALL = 16  # queries, by chance with two workers all but one in 32,768 times
_STATUS = re.compile(r"status: (\w+)")
_FLAGS = re.compile(r";; flags: ([a-z ]*);", re.IGNORECASE)
_EDE = re.compile(r"EDE: (\d+) \([^)]*\)(?::? [('](.*)[)'])?")
_SECTION = re.compile(r";; (QUESTION|ANSWER|AUTHORITY|ADDITIONAL) SECTION:")


@dataclass(frozen=True, slots=True)
class Dug:
    """What dig or kdig showed. A record is ``(owner, ttl, type, rdata)``."""

    text: str
    status: str = ""
    flags: frozenset[str] = frozenset()
    ede: tuple[tuple[int, str], ...] = ()
    question: str = ""  # the name, as it was echoed
    answer: tuple[tuple[str, int, str, str], ...] = ()
    authority: tuple[tuple[str, int, str, str], ...] = ()

    @property
    def rdata(self) -> list[str]:
        """The data of the answer's records."""
        return [rdata for _, _, _, rdata in self.answer]

    @property
    def ttls(self) -> list[int]:
        """The TTLs of the answer's records."""
        return [ttl for _, ttl, _, _ in self.answer]


def dig(server: int, *arguments: str, host: str = LOCALHOST) -> Dug:
    """Run dig against the port `server`."""
    return _run(["dig", f"@{host}", "-p", str(server), "+tries=1", "+timeout=10", *arguments])


def kdig(server: int, *arguments: str, host: str = LOCALHOST) -> Dug:
    """Run kdig against the port `server`, with EDNS, which it leaves out by itself."""
    return _run(["kdig", f"@{host}", "-p", str(server), "+retry=0", "+timeout=10", "+edns", *arguments])


def _run(command: list[str]) -> Dug:
    path = program(command[0])
    done = subprocess.run([path, *command[1:]], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    text = done.stdout + done.stderr
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if heading := _SECTION.match(line):
            lines = sections.setdefault(heading[1], [])
        elif not line:
            lines = []
        else:
            lines.append(line)
    status, flags = _STATUS.search(text), _FLAGS.search(text)
    question = sections.get("QUESTION", [""])[0].lstrip("; ").split()
    return Dug(
        text=text,
        status=status[1] if status else "",
        flags=frozenset(flags[1].split()) if flags else frozenset(),
        ede=tuple((int(code), words) for code, words in _EDE.findall(text)),
        question=question[0] if question else "",
        answer=_records(sections.get("ANSWER", [])),
        authority=_records(sections.get("AUTHORITY", [])),
    )


def _records(lines: list[str]) -> tuple[tuple[str, int, str, str], ...]:
    records = []
    for line in lines:
        owner, ttl, _, rtype, rdata = line.split(maxsplit=4)
        records.append((owner, int(ttl), rtype, rdata))
    return tuple(records)


def query(name: str, qtype: str = "A", *, edns: bool = True) -> dns.message.Message:
    """A query as stubs send them."""
    return dns.message.make_query(name, qtype, use_edns=0 if edns else None, payload=1232 if edns else None)


def ask(
    port: int,
    name: str,
    qtype: str = "A",
    *,
    client: str | None = None,
    tcp: bool = False,
    edns: bool = True,
    seconds: float = PATIENCE_SECONDS,
) -> dns.message.Message:
    """Ask the server on a port of 127.0.0.1, from the address `client`."""
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query(name, qtype, edns=edns), LOCALHOST, port=port, source=client, timeout=seconds)


def rdata(response: dns.message.Message) -> list[str]:
    """The data of the answer's records, CNAMEs included."""
    return [item.to_text() for rrset in response.answer for item in rrset]


def ttls(response: dns.message.Message) -> list[int]:
    """The TTLs of the answer's RRsets."""
    return [rrset.ttl for rrset in response.answer]


def ede(response: dns.message.Message) -> list[tuple[int, str]]:
    """The extended errors: code and text."""
    return [
        (int(option.code), option.text or "") for option in response.options if isinstance(option, dns.edns.EDEOption)
    ]


def is_blocked(response: dns.message.Message) -> bool:
    """Whether the response says that the name is blocked."""
    return any(code == 15 for code, _ in ede(response))


def is_blocked_everywhere(port: int, name: str, *, client: str | None = None) -> bool:
    """Ask every worker, and give whether all block a name.

    So many queries, each from a port of its own, reach all of a few.
    """
    return all(is_blocked(ask(port, name, client=client)) for _ in range(_TO_REACH_ALL))


def is_open_everywhere(port: int, name: str, *, client: str | None = None) -> bool:
    """Ask every worker, and give whether none of them blocks a name; as above."""
    return not any(is_blocked(ask(port, name, client=client)) for _ in range(_TO_REACH_ALL))


@dataclass(slots=True)
class TcpClient:
    """One TCP connection with queries as bytes. A context manager."""

    port: int
    client: str | None = None
    connection: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        source = (self.client, 0) if self.client else None
        self.connection = socket.create_connection((LOCALHOST, self.port), PATIENCE_SECONDS, source)

    def __enter__(self) -> TcpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, *messages: dns.message.Message | bytes) -> None:
        """Send messages in one write."""
        wires = [m if isinstance(m, bytes) else m.to_wire() for m in messages]
        self.connection.sendall(b"".join(struct.pack("!H", len(wire)) + wire for wire in wires))

    def receive(self) -> dns.message.Message:
        """The next message. Raises EOFError when the server has closed."""
        return dns.message.from_wire(self.receive_bytes())

    def receive_bytes(self) -> bytes:
        """The next message's bytes. Raises EOFError when the server has closed."""
        (length,) = struct.unpack("!H", self._exactly(2))
        return self._exactly(length)

    def ask(self, name: str, qtype: str = "A") -> dns.message.Message:
        """One query and its answer."""
        self.send(query(name, qtype))
        return self.receive()

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.connection.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


class UdpClient:
    """One UDP socket that talks to one server, in bytes. Datagrams of one socket reach one worker, in order."""

    def __init__(self, port: int, client: str = LOCALHOST) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.bind((client, 0))
        self.socket.connect((LOCALHOST, port))

    def __enter__(self) -> UdpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, wire: bytes) -> None:
        """Send one datagram."""
        self.socket.send(wire)

    def receive(self) -> bytes:
        """The next datagram."""
        return self.socket.recv(65535)

    def exchange(self, wire: bytes) -> bytes:
        """One datagram and its answer."""
        self.send(wire)
        return self.receive()
