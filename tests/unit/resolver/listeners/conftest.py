"""What several tests of listeners need."""

from __future__ import annotations

import pytest
import trustme

from resolver.listeners.tls import DOH, ServerContext


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ServerContext:
    """A certificate."""
    folder = tmp_path_factory.mktemp("pair")
    pair = trustme.CA().issue_cert("dns.office.example")
    pair.private_key_pem.write_to_path(str(folder / "key"))
    pair.cert_chain_pems[0].write_to_path(str(folder / "certificate"))
    context = ServerContext(folder / "certificate", folder / "key", DOH)
    context.renew()
    return context
