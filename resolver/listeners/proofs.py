"""Clients' certificates on DoT and DoH: who each connection proves to be, judged again while it is open.

TLS itself refuses a bad certificate in a full handshake, with an alert. It looks at none when a session is resumed, nor
later: so each is judged here as well, at the end of every handshake, when CAs or CRLs have changed, and when its time
or that of its CRL is over. Imports cryptography: only for whoever has `tls.clients.ca`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from resolver.config.client_authorities import ClientAuthorities, Fault, Proof, read_authorities
from resolver.config.settings import ClientCertificates
from resolver.listeners.connections import Proving
from resolver.listeners.tls import ClientCheck
from resolver.policy.proved_names import PROVED

_COUNTED: Final = "client_certificate_"  # and why it was refused


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Shown:
    certificate: bytes  # DER
    until: float  # Unix time


class Proofs:
    """Certificates of the open connections of a worker, with the CAs that they are judged by: an `Admission`."""

    def __init__(
        self, settings: ClientCertificates, dropped: Counter[str], *, clock: Callable[[], datetime] = _now
    ) -> None:
        """`dropped` counts what is refused, by reason. Nobody is admitted before `renew` has read the CAs."""
        self._settings = settings
        self._dropped = dropped
        self._clock = clock
        self._authorities: ClientAuthorities | None = None
        self._open: dict[Proving, _Shown] = {}
        self._next_end = math.inf
        self._has_changed = False

    def renew(self) -> ClientCheck:
        """Read CAs and CRLs again; give what TLS is to check. Raises ListenError, and goes on with the old ones.

        May run beside the loop: open connections are judged anew by the next `look`.
        """
        settings = self._settings
        authorities = read_authorities(Path(settings.ca), Path(settings.crl) if settings.crl else None)
        self._authorities, self._has_changed = authorities, True
        return ClientCheck(authorities.certificates_pem, authorities.crls_pem, settings.required)

    def admit(self, connection: Proving, certificate: bytes | None) -> str | None:
        """The client name that a certificate (DER) proves, "" for none; None where the connection must not go on."""
        if certificate is None:
            if not self._settings.required:
                return ""
            self._count(Fault.MISSING)
            return None
        judged = self._judged(certificate)
        if isinstance(judged, Fault):
            self._count(judged)
            return None
        self._keep(connection, certificate, judged)
        return f"{PROVED}{judged.identity}" if judged.identity else ""

    def release(self, connection: Proving) -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)

    def look(self) -> None:
        """End the connections whose certificate would not be taken now. Called every second or so."""
        now = self._clock().timestamp()
        if not self._has_changed and now < self._next_end:
            return
        looks_at_all, self._has_changed = self._has_changed, False
        self._next_end = math.inf
        for connection, shown in tuple(self._open.items()):
            if not looks_at_all and now < shown.until:
                self._next_end = min(self._next_end, shown.until)
                continue
            judged = self._judged(shown.certificate)
            if isinstance(judged, Proof):
                self._keep(connection, shown.certificate, judged)
            else:
                self._count(judged)
                del self._open[connection]
                connection.close()

    def _judged(self, certificate: bytes) -> Proof | Fault:
        return Fault.UNKNOWN_CA if self._authorities is None else self._authorities.judge(certificate, self._clock())

    def _keep(self, connection: Proving, certificate: bytes, proof: Proof) -> None:
        self._open[connection] = _Shown(certificate, proof.until)
        self._next_end = min(self._next_end, proof.until)

    def _count(self, fault: Fault) -> None:
        self._dropped[f"{_COUNTED}{fault}"] += 1
