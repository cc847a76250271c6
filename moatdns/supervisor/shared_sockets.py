"""The sockets between the outside, the workers and the control process. The supervisor's: they outlive any child."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from admin_api.messages import ControlDescriptors
from moatdns.plan import Ground
from resolver.config.addresses import parse_endpoint
from resolver.listeners.sockets import Listen, open_http_socket

_EVENT_BUFFER_BYTES = 4 << 20  # query events that wait while the control process is away, as far as the kernel grants


@dataclass(frozen=True, slots=True)
class SharedSockets:
    """`events_in` is where workers put query events, `events_out` where the control process finds them."""

    admin: socket.socket | None  # listens; None without an admin API
    block_page: tuple[socket.socket, ...]  # listen
    events_in: socket.socket
    events_out: socket.socket

    @classmethod
    @contextlib.contextmanager
    def open(cls, ground: Ground) -> Iterator[SharedSockets]:
        """Open them, and close them in the end. Raises ListenError."""
        with contextlib.ExitStack() as opened:
            admin = None
            if ground.admin is not None:
                admin = opened.enter_context(open_http_socket(Listen(*ground.admin), "admin.listen"))
            block_page = tuple(
                opened.enter_context(open_http_socket(Listen(*parse_endpoint(text)), "block_page.listen"))
                for text in ground.block_page
            )
            into, out = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            opened.callback(into.close)
            opened.callback(out.close)
            into.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _EVENT_BUFFER_BYTES)
            yield cls(admin, block_page, into, out)

    @property
    def of_control(self) -> ControlDescriptors:
        """The descriptors that the control process inherits."""
        return ControlDescriptors(
            self.admin.fileno() if self.admin else None,
            tuple(one.fileno() for one in self.block_page),
            self.events_out.fileno(),
        )
