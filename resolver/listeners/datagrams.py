"""Datagrams by the batch: recvmmsg(2) and sendmmsg(2), with buffers that are made once.

A batch saves two system calls a datagram but one, the text of its sender's address and a buffer; for a single datagram
it is no gain. A batch is used only behind others, and where the C library has the calls.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import socket
import struct
import sys
from typing import Final

BATCH: Final = 64  # datagrams of a system call
DATAGRAM_BYTES: Final = 4096  # of a query that are read; no query of use is longer
_REPLY_BYTES: Final = 4096  # of an answer: those over UDP are shorter (resolver.wire.codes.UDP_PAYLOAD)
_NAME_BYTES: Final = 32  # room for a socket address, in front of the datagram's octets
_NAME: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}  # octets of sockaddr_in, sockaddr_in6
_LINK_LOCAL: Final = b"\xfe\x80"


class _Vector(ctypes.Structure):
    """The iovec of readv(2)."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """The msghdr of recvmsg(2)."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vector", ctypes.c_void_p),
        ("vector_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Header(ctypes.Structure):
    """The mmsghdr of recvmmsg(2): a message, and the length that came."""

    _fields_ = (("message", _Message), ("length", ctypes.c_uint32))


class _Places:
    """Places of a batch's datagrams, each its socket address and its octets, as the system calls take them."""

    def __init__(self, name_bytes: int, datagram_bytes: int) -> None:
        self.stride = stride = _NAME_BYTES + datagram_bytes
        self.octets = bytearray(BATCH * stride)
        self._pinned = (ctypes.c_char * len(self.octets)).from_buffer(self.octets)
        base = ctypes.addressof(self._pinned)
        vectors, headers = bytearray(BATCH * ctypes.sizeof(_Vector)), bytearray(BATCH * ctypes.sizeof(_Header))
        self._vectors = (_Vector * BATCH).from_buffer(vectors)
        self._headers = (_Header * BATCH).from_buffer(headers)
        vector = ctypes.addressof(self._vectors)
        for number in range(BATCH):
            name = base + number * stride
            self._vectors[number] = _Vector(name + _NAME_BYTES, datagram_bytes)
            self._headers[number] = _Header(_Message(name, name_bytes, vector + number * ctypes.sizeof(_Vector), 1))
        self.address = ctypes.addressof(self._headers)
        self.to_send = memoryview(vectors).cast("P")  # words; the lengths to send are every other one
        before = _Header.length.offset
        after = ctypes.sizeof(_Header) - before - 4
        self._lengths = [struct.Struct("=" + f"{before}xI{after}x" * count) for count in range(BATCH + 1)]
        self._read = memoryview(headers)

    def lengths(self, count: int) -> tuple[int, ...]:
        """The lengths of the datagrams that came."""
        return self._lengths[count].unpack_from(self._read)


class DatagramBatches:
    """The two system calls for sockets of one family, which one worker's readers share: nothing stays in it."""

    def __init__(self, family: int) -> None:
        """Raises OSError where there are no such calls."""
        library = ctypes.CDLL(None, use_errno=True)
        try:
            self._receive, self._send = library.recvmmsg, library.sendmmsg
        except AttributeError:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
        vector = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self._receive.argtypes = (*vector, ctypes.c_void_p)
        self._send.argtypes = vector
        self._name_bytes = _NAME[socket.AddressFamily(family)]
        self._came = _Places(self._name_bytes, DATAGRAM_BYTES)
        self._leaves = _Places(self._name_bytes, _REPLY_BYTES)
        # By length of the datagram: its address and its octets, from a place, and into one.
        self._forms: list[struct.Struct | None] = [None] * (max(DATAGRAM_BYTES, _REPLY_BYTES) + 1)

    def _form(self, size: int) -> struct.Struct:
        form = self._forms[size]
        if form is None:
            name = self._name_bytes
            form = self._forms[size] = struct.Struct(f"{name}s{_NAME_BYTES - name}x{size}s")
        return form

    def receive(self, descriptor: int) -> list[tuple[bytes, bytes]]:
        """Socket address and octets of up to BATCH datagrams that wait; what is longer than DATAGRAM_BYTES is cut off.

        Raises BlockingIOError where none does, and OSError for what befell an answer sent before.
        """
        came = self._came
        count = self._receive(descriptor, came.address, BATCH, socket.MSG_DONTWAIT, None)
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        octets, stride, forms = came.octets, came.stride, self._forms
        at = 0
        datagrams: list[tuple[bytes, bytes]] = []
        for size in came.lengths(count):
            form = forms[size] or self._form(size)
            datagrams.append(form.unpack_from(octets, at))
            at += stride
        return datagrams

    def send(self, descriptor: int, answers: list[tuple[bytes, bytes]]) -> int:
        """Send so many answers, at most BATCH, each to the socket address before it; gives how many could not be."""
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
        header = ctypes.sizeof(_Header)
        while sent < count:
            done = self._send(descriptor, leaves.address + sent * header, count - sent, socket.MSG_DONTWAIT)
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
