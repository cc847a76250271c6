"""CAs of clients as docs/encrypted.md has them made: with openssl, renewed, and replaced, while kdig and curl ask."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.client_certificates import joined
from tests.support.encrypted import Certificates
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.proving import BLOCKED, REAL, by_doh, by_dot, config_of, refused, refused_by_doh, reload
from tests.support.unbound import Unbound

_PAGE = Path(__file__).parents[2] / "docs" / "encrypted.md"
MAKE, DEVICE, REVOKE, RENEW = re.findall(r"```sh\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Folder:
    """A CA's folder, in which an administrator follows the page."""

    path: Path

    def run(self, commands: str) -> None:
        """Run commands of the page."""
        subprocess.run(["/bin/sh", "-ec", commands], cwd=self.path, capture_output=True, check=True, timeout=60)

    @property
    def ca(self) -> Path:
        """The CA's certificate."""
        return self.path / "ca.pem"

    @property
    def crl(self) -> Path:
        """Its list."""
        return self.path / "clients.crl"

    @property
    def of_kdig(self) -> tuple[str, ...]:
        """Arguments for kdig on the device."""
        return f"+tls-certfile={self.path / 'alice.pem'}", f"+tls-keyfile={self.path / 'alice.key'}"

    @property
    def of_curl(self) -> tuple[str, ...]:
        """Arguments for curl on the device."""
        return "--cert", str(self.path / "alice.pem"), "--key", str(self.path / "alice.key")


def made(path: Path) -> Folder:
    """A CA with a device's certificate, as on the page."""
    path.mkdir()
    folder = Folder(path)
    folder.run(MAKE + DEVICE)
    return folder


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What the server shows."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


def is_served(server: Moatdns, certificates: Certificates, device: Folder) -> bool:
    """Whether a device is known by its certificate, over DoT and DoH."""
    answers = by_dot(server, certificates, *device.of_kdig), by_doh(server, certificates, *device.of_curl)
    assert answers == (REAL, REAL)
    return True


def becomes_refused(server: Moatdns, certificates: Certificates, device: Folder, fault: str) -> None:
    """Wait until a device is refused, over DoT and DoH, and counted."""
    before = refused(server, fault)
    wait_until(lambda: by_dot(server, certificates, *device.of_kdig) == [], f"{device.path} is refused")
    refused_by_doh(server, certificates, *device.of_curl)
    assert refused(server, fault) >= before + 2


@pytest.mark.slow
@pytest.mark.parametrize("old_is_first", [True, False])
def test_a_ca_gives_way_to_another_of_its_name_while_devices_of_both_are_served(
    tmp_path: Path, world: Unbound, certificates: Certificates, old_is_first: bool
) -> None:
    old, new = made(tmp_path / "old"), made(tmp_path / "new")
    ca, crl = joined(tmp_path / "clients-ca.pem", old.ca), joined(tmp_path / "clients.crl", old.crl)
    config = config_of(world, certificates, ca=str(ca), crl=str(crl))
    with Moatdns(tmp_path / "moatdns", config, certificates=certificates) as server:
        assert is_served(server, certificates, old)
        becomes_refused(server, certificates, new, "unknown_ca")
        both = (old, new) if old_is_first else (new, old)
        joined(ca, *(each.ca for each in both))
        joined(crl, *(each.crl for each in both))
        reload(server)
        wait_until(lambda: by_dot(server, certificates, *new.of_kdig) == REAL, "the new CA is in force")
        assert is_served(server, certificates, old)
        assert is_served(server, certificates, new)
        assert any("are called the same" in str(event) for event in server.events)
        old.run(REVOKE)
        joined(crl, *(each.crl for each in both))
        reload(server)
        becomes_refused(server, certificates, old, "revoked")
        assert is_served(server, certificates, new)
        joined(ca, new.ca)
        joined(crl, new.crl)
        reload(server)
        becomes_refused(server, certificates, old, "unknown_ca")
        assert is_served(server, certificates, new)
        assert by_dot(server, certificates) == BLOCKED


@pytest.mark.slow
def test_a_ca_that_is_renewed_with_its_key_goes_on_with_its_devices_and_list(
    tmp_path: Path, world: Unbound, certificates: Certificates
) -> None:
    old = made(tmp_path / "old")
    past = tmp_path / "past.pem"
    old.run(RENEW + f"openssl x509 -in ca.pem -signkey ca.key -days -1 -out {past}\n")  # as it is when its time is over
    renewed = old.path / "ca-renewed.pem"
    ca = joined(tmp_path / "clients-ca.pem", past, renewed)
    config = config_of(world, certificates, ca=str(ca), crl=str(old.crl))
    with Moatdns(tmp_path / "moatdns", config, certificates=certificates) as server:
        assert is_served(server, certificates, old)
        for order in ((renewed, past), (renewed,), (old.ca, renewed)):
            joined(ca, *order)
            reload(server)
            assert is_served(server, certificates, old)
        joined(ca, past)
        reload(server)
        becomes_refused(server, certificates, old, "expired")
        joined(ca, past, renewed)
        reload(server)
        wait_until(lambda: by_dot(server, certificates, *old.of_kdig) == REAL, "the renewed CA is in force")
        old.run(REVOKE)
        reload(server)
        becomes_refused(server, certificates, old, "revoked")
