"""docs/encrypted.md: the commands that make a CA, give a device a certificate, and revoke it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from resolver.config.client_authorities import Fault, Proof
from resolver.config.client_authority_files import read_authorities
from tests.support.client_certificates import judged

_PAGE = Path(__file__).parents[3] / "docs" / "encrypted.md"


@pytest.mark.slow
def test_its_commands_make_a_ca_whose_certificates_are_taken_until_they_are_revoked(tmp_path: Path) -> None:
    authority, device, revoke, renew = re.findall(r"```sh\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)

    def run(commands: str) -> None:
        subprocess.run(["/bin/sh", "-ec", commands], cwd=tmp_path, capture_output=True, check=True, timeout=60)

    def shown_now() -> Proof | Fault:
        shown = x509.load_pem_x509_certificate((tmp_path / "alice.pem").read_bytes())
        authorities = read_authorities(tmp_path / "ca.pem", tmp_path / "clients.crl")
        return judged(authorities, shown.public_bytes(Encoding.DER))

    run(authority + device)
    proof = shown_now()
    assert isinstance(proof, Proof)
    assert proof.identity == "alice@corp.example"
    run(renew + "mv ca-renewed.pem ca.pem")
    assert shown_now() == proof
    run(revoke)
    assert shown_now() is Fault.REVOKED
