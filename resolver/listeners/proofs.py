"""Clients' certificates on DoT and DoH: who each connection proves to be, judged again while it is open.

TLS itself refuses a bad certificate in a full handshake, with an alert. It looks at none when a session is resumed, nor
later: so each is judged here as well, at the end of every handshake, when CAs or CRLs have changed, and when its time
or that of its CRL is over. Imports cryptography: only for whoever has `tls.clients.ca`.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from resolver.config.client_authorities import ClientAuthorities, Fault, Proof, ShownCertificate
from resolver.config.client_authority_files import AuthorityFiles
from resolver.config.settings import ClientCertificates
from resolver.listeners.connections import Admitted, Proving
from resolver.listeners.tls import ClientCheck
from resolver.policy.proved_names import PROVED

_COUNTED: Final = "client_certificate_"  # and why it was refused
_AT_ONCE: Final = 100  # connections that are judged before queries have their turn
_MOST_READINGS: Final = 2  # of CAs and CRLs that TLS keeps in memory, each as long as a connection begun by it


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Held:
    shown: ShownCertificate
    until: float  # Unix time


class Proofs:
    """Certificates of the open connections of a worker, with the CAs that they are judged by: an `Admission`."""

    def __init__(
        self, settings: ClientCertificates, dropped: Counter[str], *, clock: Callable[[], datetime] = _now
    ) -> None:
        """`dropped` counts what is refused, by reason. Nobody is admitted before there are CAs to use."""
        self._files = AuthorityFiles(Path(settings.ca), Path(settings.crl) if settings.crl else None)
        self._is_required = settings.required
        self._dropped = dropped
        self._clock = clock
        self._authorities: ClientAuthorities | None = None
        self._open: dict[Proving, _Held] = {}
        self._due: dict[Proving, None] = {}  # of these, who are to be judged again, in that order
        self._begun: dict[Proving, int] = {}  # all admitted ones, by which reading
        self._readings = 0
        self._next_end = math.inf
        self._has_changed = False

    def read(self) -> ClientAuthorities:
        """Read CAs and CRLs (again), and go on with the old ones. May run beside the loop. Raises ListenError."""
        return self._files.read()

    def check_by(self, authorities: ClientAuthorities) -> ClientCheck:
        """The check that TLS makes by CAs."""
        return ClientCheck(authorities.certificates_pem, authorities.crls_pem, self._is_required)

    def use(self, authorities: ClientAuthorities) -> None:
        """Judge by CAs from now on. May run beside the loop: open connections are judged anew by the next `look`."""
        if authorities is not self._authorities:
            self._authorities = authorities
            self._readings += 1
            self._has_changed = True

    def admit(self, connection: Proving, certificate: bytes | None) -> Admitted | None:
        """Judge what a client shows (DER), or that it shows nothing; None where the connection must not go on."""
        if certificate is None:
            if self._is_required:
                self._count(Fault.MISSING)
                return None
            self._begun[connection] = self._readings
            return Admitted("", may_claim=True)
        judged = self._judged(certificate)
        if isinstance(judged, Fault):
            self._count(judged)
            return None
        shown, proof = judged
        self._begun[connection] = self._readings
        self._keep(connection, shown, proof)
        return Admitted(f"{PROVED}{proof.identity}" if proof.identity else "", may_claim=False)

    def _judged(self, certificate: bytes) -> tuple[ShownCertificate, Proof] | Fault:
        if self._authorities is None:
            return Fault.UNKNOWN_CA
        shown = self._authorities.read(certificate)
        if isinstance(shown, Fault):
            return shown
        proof = self._authorities.judge(shown, self._clock())
        return proof if isinstance(proof, Fault) else (shown, proof)

    def release(self, connection: Proving) -> None:
        """Forget a connection that has ended."""
        for known in (self._open, self._due, self._begun):
            known.pop(connection, None)

    def look(self) -> bool:
        """End connections whose certificate would not be taken now: a hundred are judged; whether more are to be.

        Those that began two readings ago end when their queries are answered: TLS keeps a list of 7 MiB in 40 MiB.
        Called every second or so, and at once again while there are more.
        """
        now = self._clock()
        seconds = now.timestamp()
        if self._has_changed:
            self._has_changed = False
            self._due = dict.fromkeys(self._open)
            for connection in [one for one, by in self._begun.items() if by <= self._readings - _MOST_READINGS]:
                del self._begun[connection]
                connection.drain()
        if seconds >= self._next_end:
            self._due.update((one, None) for one, held in self._open.items() if held.until <= seconds)
            self._next_end = min((held.until for held in self._open.values() if held.until > seconds), default=math.inf)
        for connection in tuple(itertools.islice(self._due, _AT_ONCE)):
            del self._due[connection]
            self._judge_again(connection, now)
        return bool(self._due)

    def _judge_again(self, connection: Proving, now: datetime) -> None:
        shown = self._open[connection].shown
        judged = Fault.UNKNOWN_CA if self._authorities is None else self._authorities.judge(shown, now)
        if isinstance(judged, Proof):
            self._keep(connection, shown, judged)
            return
        self._count(judged)
        self.release(connection)
        connection.close()

    def _keep(self, connection: Proving, shown: ShownCertificate, proof: Proof) -> None:
        self._open[connection] = _Held(shown, proof.until)
        self._next_end = min(self._next_end, proof.until)

    def _count(self, fault: Fault) -> None:
        self._dropped[f"{_COUNTED}{fault}"] += 1
