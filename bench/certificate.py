"""The certificate that all servers show."""

from __future__ import annotations

from pathlib import Path

import trustme

from bench.kinds.job import TlsFiles


def certificate(folder: Path) -> TlsFiles:
    """A certificate for 127.0.0.1 with an elliptic key, written into `folder`."""
    issued = trustme.CA().issue_cert("127.0.0.1", "localhost")
    files = TlsFiles(folder / "certificate.pem", folder / "key.pem")
    issued.private_key_pem.write_to_path(files.private_key)
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return files
