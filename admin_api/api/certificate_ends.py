"""When the certificates end that are served: read from their files whenever the servers read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.config.settings import ClientCertificates
from resolver.errors import ListenError

if TYPE_CHECKING:
    from resolver.config.client_authorities import Trouble
    from resolver.config.client_authority_files import AuthorityFiles

_CLIENTS = "clients"


class CertificateEnds:
    """The ends of certificates, by whose they are: ``tls``, ``admin`` or ``clients``. One that cannot be read has none.

    Of clients it is that of their CAs; the times of their CRLs are told beside it.
    """

    def __init__(self, files: Mapping[str, str | None], clients: ClientCertificates | None = None) -> None:
        """`files` are paths of PEM files; None or "" where nothing is served."""
        self._files = {of: Path(path) for of, path in files.items() if path}
        self._clients = clients or ClientCertificates()
        self._ends: dict[str, datetime] = {}
        self._unusable: AuthorityFiles | None = None  # which are not made sense of again before they change
        self._troubles: Sequence[Trouble] = ()  # of CRLs, those that are to come included
        self._first_crl_end: datetime | None = None

    def renew(self) -> None:
        """Have all read again: the servers do so, too."""
        self._ends = {}

    def read_missing(self) -> None:
        """Read those that are not known yet. It reads files: not for the loop's thread."""
        for of, path in self._files.items():
            if of not in self._ends and (end := _end_of(path)) is not None:
                self._ends[of] = end
        if self._clients.ca and _CLIENTS not in self._ends:
            self._read_clients()

    def _read_clients(self) -> None:
        from resolver.config.client_authority_files import AuthorityFiles  # noqa: PLC0415 (as below)

        crl = Path(self._clients.crl) if self._clients.crl else None
        files = self._unusable or AuthorityFiles(Path(self._clients.ca), crl)
        try:
            authorities = files.read()
        except ListenError:  # whoever asks for certificates says why it cannot be used
            self._unusable = files
            return
        self._unusable = None
        self._troubles, self._first_crl_end = authorities.troubles, authorities.first_crl_end
        self._ends[_CLIENTS] = authorities.first_end

    @property
    def troubles(self) -> list[str]:
        """Reasons why all of a CA's client certificates are refused, as sentences."""
        now = datetime.now(UTC)
        return [trouble.text for trouble in self._troubles if trouble.is_there(now)]

    def crl_gauge(self) -> Mapping[tuple[str, ...], float]:
        """When the first of the CRLs has to be renewed, for Prometheus; nothing where there is none."""
        return {} if self._first_crl_end is None else {(): self._first_crl_end.timestamp()}

    def gauges(self) -> Mapping[tuple[str, ...], float]:
        """For Prometheus."""
        return {(of,): end.timestamp() for of, end in self._ends.items()}


def _end_of(path: Path) -> datetime | None:
    """The first end of a certificate and its chain; None while there is nothing to be read."""
    from cryptography import x509  # noqa: PLC0415 (seldom needed, and large)

    try:
        return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError):  # whoever serves it says why it cannot be used
        return None
