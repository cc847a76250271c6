"""Floods a port with queries: ``python -m prove.flood_program '{"port": …}'``; see `prove.flood`.

It never looks at the answers: what is not read, the kernel drops. At the end it prints how many it has sent.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import sys
import time
from types import FrameType
from typing import Any

from prove.messages import wire_name

_TICK_SECONDS = 0.001
_HEAD = b"\1\0\0\1\0\0\0\0\0\0"
_TAIL = b"\0\1\0\1"
_LABEL_OCTETS = 12


class _Over(Exception):
    """Told to end."""


def _end(_number: int, _frame: FrameType | None) -> None:
    raise _Over


def _sockets(port: int, addresses: list[str], of_each: int) -> list[socket.socket]:
    sockets = []
    for address in addresses:
        for _ in range(of_each):
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            one.bind((address, 0))
            one.connect(("127.0.0.1", port))
            sockets.append(one)
    return sockets


def main(behaviour: dict[str, Any]) -> int:
    """Send until all is sent, or told to end; gives how many were sent."""
    signal.signal(signal.SIGTERM, _end)
    sockets = _sockets(behaviour["port"], behaviour["addresses"], behaviour["sockets_of_each"])
    per_second, count = behaviour["per_second"], behaviour["count"]
    zone = wire_name(behaviour["zone"])
    chance = random.Random(behaviour["seed"])
    sent = 0
    began = time.monotonic()
    try:
        while sent < count:
            due = min(int((time.monotonic() - began) * per_second), count)
            while sent < due:
                label = chance.randbytes(_LABEL_OCTETS // 2).hex().encode()
                query = (sent & 0xFFFF).to_bytes(2, "big") + _HEAD + bytes((_LABEL_OCTETS,)) + label + zone + _TAIL
                with contextlib.suppress(OSError):  # of an earlier one, or no room: a flood does not mind
                    sockets[sent % len(sockets)].send(query)
                sent += 1
            time.sleep(_TICK_SECONDS)
    except _Over:
        return sent
    finally:
        for one in sockets:
            one.close()
    return sent


if __name__ == "__main__":
    print(main(json.loads(sys.argv[1])), flush=True)
