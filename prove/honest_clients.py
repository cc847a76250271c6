"""Clients of DoT and DoH that ask without pause and look at each answer: on connections that stay, and on new ones."""

from __future__ import annotations

import functools
from collections.abc import Callable

import dns.exception
import dns.message

from prove.background import Background
from prove.service import Service
from tests.support.clients import is_blocked, query
from tests.support.encrypted import DotClient, tls_connection
from tests.support.http2 import Http2Client

_PAUSE_SECONDS = 0.02
_A_CONNECTION = 200  # queries on one that stays


class HonestClients(Background):
    """Ask while the context lasts; then `asked` and `lost` (what went wrong) tell."""

    def __init__(self, service: Service) -> None:
        assert service.certificates
        self.asked = 0
        self.lost: list[str] = []
        self._service = service
        self._certificates = service.certificates
        jobs: list[tuple[Callable[[int], None], int]] = [
            (self._by_dot, 1),
            (self._by_dot, _A_CONNECTION),
            (self._by_doh, 1),
            (self._by_doh, _A_CONNECTION),
        ]
        super().__init__("honest client", *(functools.partial(self._run, *job) for job in jobs))

    def _run(self, ask: Callable[[int], None], times: int) -> None:
        while not self._over.is_set():
            try:
                ask(times)
            except (OSError, EOFError, dns.exception.DNSException) as error:
                self.lost.append(f"{ask.__name__}: {error!r}")

    def _by_dot(self, times: int) -> None:
        with DotClient(self._service.dot_port, self._certificates) as client:
            for _ in range(times):
                self._check(client.ask(query("claude.ai")))
                if self._over.wait(_PAUSE_SECONDS):
                    return

    def _by_doh(self, times: int) -> None:
        with tls_connection(self._service.doh_port, self._certificates, "h2") as connection:
            client = Http2Client(connection)
            for _ in range(times):
                client.get("claude.ai")
                [body] = client.bodies(1).values()
                self._check(dns.message.from_wire(body))
                if self._over.wait(_PAUSE_SECONDS):
                    return

    def _check(self, answer: dns.message.Message) -> None:
        self.asked += 1
        if not is_blocked(answer):
            self.lost.append(f"a wrong answer: {answer}")
