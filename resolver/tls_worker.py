"""A worker that serves DoT and DoH, in a process of its own: however busy it is, UDP beside it is answered in time.

All that a worker is, `resolver.worker` says; here are its listeners and its certificate. Beside the orders of others it
gets ``{"do": "certificate"}`` (read the files again), and says ``{"event": "certificate", …}`` whenever it has read
them. Without a certificate that can be used it serves nobody, waits for one, and the other workers go on.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

from resolver.config.settings import WorkerSettings
from resolver.errors import CertificateError
from resolver.listeners.connections import Connections
from resolver.listeners.encrypted import Certificate, DohListener, DotListener
from resolver.listeners.listener import StreamListener
from resolver.worker import Worker, main


class TlsWorker(Worker):
    """One process that answers queries over TLS and HTTPS."""

    _certificate: Certificate

    def _streams(
        self,
        first: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
        connections: Connections,
        settings: WorkerSettings,
    ) -> list[StreamListener]:
        self._certificate = Certificate(settings.tls)
        self._load_certificate()
        listeners = [(DotListener, fd) for fd in first["dot"]] + [(DohListener, fd) for fd in first["doh"]]
        streams: list[StreamListener] = []
        for kind, fd in listeners:
            one = socket.socket(fileno=fd)
            stream = kind(loop, one, self._pipeline, connections, settings.limits, self._counters)
            stream.certificate = self._certificate
            streams.append(stream)
        return streams

    def _gauges(self) -> dict[str, Any]:
        pair = self._certificate.pair
        return {**super()._gauges(), "certificate_ends": pair.facts.ends if pair else 0}

    async def _obey_more(self, order: dict[str, Any]) -> None:
        if order["do"] == "certificate":
            self._load_certificate()

    def _load_certificate(self) -> None:
        """Read the files; what is wrong with them is told, and what was in use stays so."""
        certificate = self._certificate
        try:
            is_new = certificate.load()
        except CertificateError as error:
            self._say("certificate", why=str(error), old_one_stays=certificate.pair is not None)
            return
        pair = certificate.pair
        if pair is not None:
            warnings = pair.warnings(certificate.settings.server_name)
            self._say(
                "certificate", why=None, new=is_new, names=pair.facts.names, ends=pair.facts.ends, warnings=warnings
            )


if __name__ == "__main__":
    main(int(sys.argv[1]), TlsWorker)
