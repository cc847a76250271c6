"""Mutated packets, a million of them: no crash, no answer to a response, no growth without bound, still answering.

Each worker's socket is fed in batches with a query for a blocked name behind each batch: when that is answered, the
worker has read all before it, so none is lost in a full buffer unread. Packets with QR=1 go by sockets of their own,
where an answer to anything but that query is one answer too many.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prove.figures import Figure, at_most, exactly, told
from prove.mutations import is_response, mutated, seeds
from prove.queries import query
from prove.service import Service
from prove.upstream import Upstream

WHAT = "mutated packets over UDP and TCP"
_WORKERS = 2
_SOCKETS = 8  # of each kind: as many ports, so that both workers are fed
_BATCH = 64
_PATIENCE_SECONDS = 10.0
_CACHE_MIB = 4
_TABLE_ENTRIES = 5000
_MIB_GROWTH = 16  # of a worker, once its cache and tables are full: what allocators make of it
_SETTLED_SHARE = 0.2  # of the packets; by then they are
_WITNESS = "claude.ai"
_SINKHOLE = bytes(4)


@dataclass(frozen=True, slots=True)
class MutatedPacketsEffort:
    """Size of a run: the full one, or a short look."""

    over_udp: int
    over_tcp: int
    seed: int = 1


FULL = MutatedPacketsEffort(over_udp=1_000_000, over_tcp=50_000)
SHORT = MutatedPacketsEffort(over_udp=20_000, over_tcp=1000)


def run(effort: MutatedPacketsEffort, folder: Path) -> list[Figure]:
    """Send them all, and look at the workers before, in between and after."""
    chance = random.Random(effort.seed)
    with Upstream(folder / "upstream", ttl_seconds=3600) as upstream:
        config = {
            "workers": _WORKERS,
            "upstream": {"servers": [upstream.server], "timeout_seconds": 0.5},
            "cache": {"max_mib": _CACHE_MIB},
            "limits": {"answer_table_entries": _TABLE_ENTRIES},
        }
        with Service(folder / "moatdns", config) as service:
            pids = service.worker_pids()
            before = max(service.worker_mib())
            udp = _OverUdp(service.port)
            began = time.monotonic()
            with contextlib.closing(udp):
                udp.feed(_packets(chance, int(effort.over_udp * _SETTLED_SHARE)))
                settled = max(service.worker_mib())
                udp.feed(_packets(chance, effort.over_udp - udp.sent))
            udp_seconds = time.monotonic() - began
            after_udp = max(service.worker_mib())
            tcp = _OverTcp(service.port, chance)
            for packet in _packets(chance, effort.over_tcp):
                tcp.feed(packet)
            tcp.close()
            after = max(service.worker_mib())
            is_same = service.worker_pids() == pids
            counts = service.counts()
            troubles = service.troubles
    return [
        told("packets over UDP", udp.sent),
        told("in", udp_seconds, "s"),
        told("with QR=1", udp.responses_sent),
        exactly("answers to those", udp.answers_to_responses, 0),
        told("answers to the others", udp.answers),
        exactly("answers that are none (short, QR=0)", udp.wrong_answers, 0),
        told("queries for a blocked name in between", udp.witnesses),
        exactly("without the right answer", udp.witnesses - udp.witnessed, 0),
        told("messages over TCP", tcp.sent),
        told("with QR=1", tcp.responses_sent),
        exactly("answers to those", tcp.answers_to_responses, 0),
        told("queries for a blocked name on new connections", tcp.witnesses),
        exactly("without the right answer", tcp.witnesses - tcp.witnessed, 0),
        exactly("workers that ended", 0 if is_same else 1, 0),
        exactly("unexpected errors", len(troubles) + counts.get("internal_error", 0), 0),
        told("a worker's own memory before", before, "MiB"),
        told(f"after a fifth of the packets (cache and tables are full: {_CACHE_MIB} MiB)", settled, "MiB"),
        told("after all", after, "MiB"),
        at_most("it grew from there, over UDP, by", after_udp - settled, _MIB_GROWTH, "MiB"),
        at_most("and over TCP by", after - after_udp, _MIB_GROWTH, "MiB"),
    ]


def _packets(chance: random.Random, count: int) -> Iterator[bytes]:
    kinds = seeds()
    return (mutated(chance.choice(kinds), chance) for _ in range(count))


class _OverUdp:
    """Feeds packets in batches, each followed by a witness: a query whose answer is known."""

    def __init__(self, port: int) -> None:
        self.sent = self.responses_sent = self.answers = self.answers_to_responses = self.wrong_answers = 0
        self.witnesses = self.witnessed = 0
        # By whether they carry responses.
        self._sockets = {kind: [_connected(port) for _ in range(_SOCKETS)] for kind in (False, True)}
        self._waiting: dict[bool, list[bytes]] = {False: [], True: []}
        self._turn = itertools.count()
        self._plain = query(_WITNESS)[1]

    def feed(self, packets: Iterator[bytes]) -> None:
        for packet in packets:
            kind = is_response(packet)
            self.sent += 1
            self.responses_sent += kind
            self._waiting[kind].append(packet)
            if len(self._waiting[kind]) == _BATCH:
                self._flush(kind)
        for kind in (False, True):
            self._flush(kind)

    def close(self) -> None:
        for one in itertools.chain(*self._sockets.values()):
            one.close()

    def _flush(self, kind: bool) -> None:
        turn = next(self._turn)
        one = self._sockets[kind][turn % _SOCKETS]
        for packet in self._waiting[kind]:
            one.send(packet)
        self._waiting[kind].clear()
        witness = (turn & 0xFFFF).to_bytes(2, "big") + self._plain[2:]
        one.send(witness)
        self.witnesses += 1
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            one.settimeout(left)
            try:
                answer = one.recv(65535)
            except TimeoutError:
                return
            if answer[:2] == witness[:2] and answer[12 : len(witness)] == witness[12:] and answer[-4:] == _SINKHOLE:
                self.witnessed += 1
                return
            self.answers += not kind
            self.answers_to_responses += kind
            self.wrong_answers += not is_response(answer) or len(answer) < 12


class _OverTcp:
    """Feeds messages one by one, now and then with a length that lies; a witness tells when each has been read."""

    _LYING_SHARE = 0.02

    def __init__(self, port: int, chance: random.Random) -> None:
        self.sent = self.responses_sent = self.answers_to_responses = self.witnesses = self.witnessed = 0
        self._port = port
        self._chance = chance
        self._connection: socket.socket | None = None
        self._witness = query(_WITNESS)[1]

    def feed(self, packet: bytes) -> None:
        self.sent += 1
        if self._chance.random() < self._LYING_SHARE:
            lie = len(packet) + self._chance.choice((-3, -1, 1, 2, 60_000))
            self._drop()
            self._send(struct.pack("!H", lie & 0xFFFF) + packet)
            self._drop()
        elif is_response(packet):
            self.responses_sent += 1
            self._drop()
            self._send(_framed(packet))
            self._send(_framed(self._witness))
            self.answers_to_responses += sum(not self._is_witness(answer) for answer in self._answers())
            self._drop()
        else:
            self._send(_framed(packet))
            self._send(_framed(self._witness))
            if not any(map(self._is_witness, self._answers())):
                self._drop()  # it was closed, as it may be for a fragment
                self._see_that_it_answers()

    def close(self) -> None:
        self._see_that_it_answers()
        self._drop()

    def _see_that_it_answers(self) -> None:
        self.witnesses += 1
        self._send(_framed(self._witness))
        self.witnessed += any(map(self._is_witness, self._answers()))
        self._drop()

    def _send(self, data: bytes) -> None:
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), _PATIENCE_SECONDS)
        with contextlib.suppress(ConnectionError):  # closed; whoever waits for an answer sees it
            self._connection.sendall(data)

    def _answers(self) -> Iterator[bytes]:
        """Messages that come, up to the witness or the end."""
        assert self._connection
        buffer = b""
        while True:
            try:
                piece = self._connection.recv(65535)
            except OSError:
                return
            if not piece:
                return
            buffer += piece
            while len(buffer) >= 2 and len(buffer) >= 2 + (length := int.from_bytes(buffer[:2], "big")):
                answer, buffer = buffer[2 : 2 + length], buffer[2 + length :]
                yield answer
                if self._is_witness(answer):
                    return

    def _is_witness(self, answer: bytes) -> bool:
        return answer[:2] == self._witness[:2] and answer[12 : len(self._witness)] == self._witness[12:]

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connected(port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    one.connect(("127.0.0.1", port))
    return one


def _framed(message: bytes) -> bytes:
    return struct.pack("!H", len(message)) + message
