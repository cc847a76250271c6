"""Datagrams by the batch: recvmmsg(2) and sendmmsg(2), with buffers that are made once.

A batch saves two system calls a datagram but one, the text of its sender's address and a buffer; for a single datagram
it is no gain. A batch is used only behind others, and where the C library has the calls.
"""

from __future__ import annotations

import functools
import socket
import struct
import sys
from typing import Final

from resolver.listeners.batched_calls import BATCH, HEADER_BYTES, NAME_BYTES, DatagramPlaces, last_error, system_calls
from resolver.wire.codes import UDP_PAYLOAD

DATAGRAM_BYTES: Final = 4096  # of a query that are read; no query of use is longer
_DO_NOT_WAIT: Final = int(socket.MSG_DONTWAIT)
_NAME: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}  # octets of sockaddr_in, sockaddr_in6
_LINK_LOCAL: Final = b"\xfe\x80"


class DatagramBatches:
    """The two system calls for sockets of one family, which one worker's readers share: nothing stays in it."""

    def __init__(self, family: int) -> None:
        """Raises OSError where there are no such calls."""
        self._receive, self._send = system_calls()
        self._name_bytes = _NAME[socket.AddressFamily(family)]
        self._came = DatagramPlaces(self._name_bytes, DATAGRAM_BYTES)
        self._leaves = DatagramPlaces(self._name_bytes, UDP_PAYLOAD)
        # By length of the datagram: its address and its octets, from a place, and into one.
        self._forms: list[struct.Struct | None] = [None] * (DATAGRAM_BYTES + 1)

    def _form(self, size: int) -> struct.Struct:
        form = self._forms[size]
        if form is None:
            name = self._name_bytes
            form = self._forms[size] = struct.Struct(f"{name}s{NAME_BYTES - name}x{size}s")
        return form

    def receive(self, descriptor: int) -> list[tuple[bytes, bytes]]:
        """Socket address and octets of up to BATCH datagrams that wait; what is longer than DATAGRAM_BYTES is cut off.

        Raises BlockingIOError where none does, and OSError for what befell an answer sent before.
        """
        came = self._came
        count = self._receive(descriptor, came.address, BATCH, _DO_NOT_WAIT, None)
        if count < 0:
            raise last_error()
        octets, stride, forms = came.octets, came.stride, self._forms
        at = 0
        datagrams: list[tuple[bytes, bytes]] = []
        for size in came.lengths(count):
            form = forms[size] or self._form(size)
            datagrams.append(form.unpack_from(octets, at))
            at += stride
        return datagrams

    def send(self, descriptor: int, answers: list[tuple[bytes, bytes]]) -> int:
        """Send so many answers, at most BATCH, each to the socket address before it; gives how many could not be.

        None is longer than UDP_PAYLOAD.
        """
        leaves, forms = self._leaves, self._forms
        octets, stride, to_send = leaves.octets, leaves.stride, leaves.to_send
        at = 0
        place = 1
        for name, answer in answers:
            size = len(answer)
            form = forms[size] or self._form(size)
            form.pack_into(octets, at, name, answer)
            to_send[place] = size
            at += stride
            place += 2
        count, sent, failed = len(answers), 0, 0
        while sent < count:
            done = self._send(descriptor, leaves.address + sent * HEADER_BYTES, count - sent, _DO_NOT_WAIT)
            if done < 1:  # the first of these could not be sent; the others may
                failed += 1
                done = 1
            sent += done
        return failed


@functools.cache
def batches_for(family: int) -> DatagramBatches | None:
    """The batches of this process for sockets of a family; None where the C library has none."""
    try:
        return DatagramBatches(family)
    except OSError:
        return None


def peer_of(name: bytes) -> tuple[str, int] | tuple[str, int, int, int]:
    """The peer as the socket module has it, by its socket address."""
    port = int.from_bytes(name[2:4], "big")
    if len(name) == _NAME[socket.AF_INET]:
        return socket.inet_ntop(socket.AF_INET, name[4:8]), port
    flow, scope = int.from_bytes(name[4:8], "big"), int.from_bytes(name[24:28], sys.byteorder)
    address = socket.inet_ntop(socket.AF_INET6, name[8:24])
    if scope and name[8:10] == _LINK_LOCAL:
        address += "%" + _interface(scope)
    return address, port, flow, scope


def _interface(scope: int) -> str:
    try:
        return socket.if_indextoname(scope)
    except OSError:  # it is gone meanwhile
        return str(scope)
