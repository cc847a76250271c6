"""The system calls recvmmsg(2) and sendmmsg(2), by ctypes, and buffers in the form that they take.

Interpreted: it runs when a worker begins, and mypyc has no classes of ctypes as bases.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable
from typing import Final

BATCH: Final = 64  # datagrams of a system call
NAME_BYTES: Final = 32  # room for a socket address, in front of the datagram's octets


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


class DatagramPlaces:
    """Places of a batch's datagrams, each its socket address and its octets, as the system calls take them."""

    def __init__(self, name_bytes: int, datagram_bytes: int) -> None:
        self.stride = stride = NAME_BYTES + datagram_bytes
        self.octets = bytearray(BATCH * stride)
        self._pinned = (ctypes.c_char * len(self.octets)).from_buffer(self.octets)
        base = ctypes.addressof(self._pinned)
        vectors, headers = bytearray(BATCH * ctypes.sizeof(_Vector)), bytearray(BATCH * ctypes.sizeof(_Header))
        self._vectors = (_Vector * BATCH).from_buffer(vectors)
        self._headers = (_Header * BATCH).from_buffer(headers)
        vector = ctypes.addressof(self._vectors)
        for number in range(BATCH):
            name = base + number * stride
            self._vectors[number] = _Vector(name + NAME_BYTES, datagram_bytes)
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


HEADER_BYTES: Final = ctypes.sizeof(_Header)
"""Octets between two places' headers."""


def system_calls() -> tuple[Callable[[int, int, int, int, None], int], Callable[[int, int, int, int], int]]:
    """The calls recvmmsg and sendmmsg: descriptor, address of the first header, how many, flags, no time limit.

    They give how many came or went, -1 for what `last_error` says. Raises OSError where there are no such calls.
    """
    library = ctypes.CDLL(None, use_errno=True)
    try:
        receive, send = library.recvmmsg, library.sendmmsg
    except AttributeError:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    of_both = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    receive.argtypes = (*of_both, ctypes.c_void_p)
    send.argtypes = of_both
    return receive, send


def last_error() -> OSError:
    """The error of the last call, of the class that its number has."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
