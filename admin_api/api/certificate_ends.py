"""When the certificates end that are served: read from their files whenever the servers read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path


class CertificateEnds:
    """The ends of certificates, by whose they are: ``tls`` or ``admin``. One that cannot be read has none."""

    def __init__(self, files: Mapping[str, str | None]) -> None:
        """`files` are paths of PEM files; None or "" where nothing is served."""
        self._files = {of: Path(path) for of, path in files.items() if path}
        self._ends: dict[str, datetime] = {}

    def renew(self) -> None:
        """Have all read again: the servers do so, too."""
        self._ends = {}

    def read_missing(self) -> None:
        """Read those that are not known yet. It reads files: not for the loop's thread."""
        for of, path in self._files.items():
            if of not in self._ends and (end := _end_of(path)) is not None:
                self._ends[of] = end

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
