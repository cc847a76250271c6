"""The hook for RADIUS accounting, called by a real FreeRADIUS for what radclient sends as switches of 802.1X do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lease_api import LeaseApi
from tests.support.lease_hooks import VPN, Gateway
from tests.support.programs import PATIENCE_SECONDS, ended, free_port, program, wait_until

SECRET = "a-secret-of-tests"
_CONFIG = """\
prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = {folder}
run_dir = {folder}
logdir = {folder}
pidfile = {folder}/pid
log {{
    destination = stdout
}}
security {{
    allow_core_dumps = no
}}
client switch {{
    ipaddr = 127.0.0.1
    secret = {secret}
    require_message_authenticator = no
}}
modules {{
    exec moatdns-lease {{
        program = "{hook}"
        input_pairs = request
        shell_escape = yes
        wait = no
    }}
}}
server default {{
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {port}
    }}
    accounting {{
        moatdns-lease
    }}
}}
"""


class Radius:
    """A running FreeRADIUS whose accounting calls the hook."""

    def __init__(self, folder: Path, hook: Path) -> None:
        self.port = free_port()
        (folder / "dictionary").write_text("$INCLUDE /usr/share/freeradius/dictionary\n")
        (folder / "radiusd.conf").write_text(_CONFIG.format(folder=folder, secret=SECRET, hook=hook, port=self.port))
        self.command = [program("freeradius"), "-f", "-l", "stdout", "-d", str(folder), "-n", "radiusd"]
        self._folder = folder

    def account(self, **pairs: str) -> bool:
        """Send an Accounting-Request; underscores are dashes. Gives whether it was answered."""
        text = "\n".join(f'{name.replace("_", "-")} = "{value}"' for name, value in pairs.items())
        told = subprocess.run(
            [program("radclient"), "-r", "1", "-t", "2", f"127.0.0.1:{self.port}", "acct", SECRET],
            input=f"{text}\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return told.returncode == 0


@pytest.fixture
def api() -> Iterator[LeaseApi]:
    with LeaseApi() as api:
        yield api


@pytest.fixture
def radius(tmp_path: Path, api: LeaseApi) -> Iterator[Radius]:
    more = {"IGNORE": "anonymous anonymous@* host/* *$", "SHARED": "10.3.9.0/24"}
    gateway = Gateway(tmp_path, api.url, devices="ben benjamin@corp.example staff\n", **more)
    radius = Radius(tmp_path, gateway.wrapper(VPN / "radius-accounting"))
    with (tmp_path / "said").open("wb") as said, ended(subprocess.Popen(radius.command, stdout=said, stderr=said)):
        wait_until(lambda: radius.account(Acct_Status_Type="Accounting-On", Acct_Session_Id="0"), "FreeRADIUS answers")
        yield radius


def test_an_8021x_session_has_its_lease_from_the_update_with_an_address_until_its_stop(
    radius: Radius, api: LeaseApi
) -> None:
    session = {"User_Name": "ana@corp.example", "Acct_Session_Id": "a1", "NAS_Port_Type": "Ethernet"}
    assert radius.account(Acct_Status_Type="Start", **session)  # the switch has not seen an address yet
    addressed = {**session, "Framed_IP_Address": "10.3.0.7", "Framed_IPv6_Address": "2001:db8::7"}
    assert radius.account(Acct_Status_Type="Interim-Update", **addressed)
    wait_until(lambda: api.leases.get("10.3.0.7") == "ana@corp.example", "the lease is set")
    assert api.leases["2001:db8::7"] == "ana@corp.example"
    assert radius.account(Acct_Status_Type="Stop", **addressed)
    wait_until(lambda: not api.leases, "the leases of both addresses have ended")


def test_machines_anonymous_names_and_shared_addresses_change_no_lease(radius: Radius, api: LeaseApi) -> None:
    def begin(user: str, session: str, address: str) -> bool:
        names = {"User_Name": user, "Acct_Session_Id": session, "Framed_IP_Address": address}
        return radius.account(Acct_Status_Type="Start", **names)

    assert begin("ben", "b1", "10.3.0.8")
    wait_until(lambda: api.leases.get("10.3.0.8") == "benjamin@corp.example", "the map's word is the identity")
    assert begin("host/laptop7.corp.example", "b2", "10.3.0.8")
    assert begin("anonymous@corp.example", "b3", "10.3.0.8")
    assert begin("ana@corp.example", "b4", "10.3.9.5")
    assert begin("carla@corp.example", "b5", "10.3.0.9")
    wait_until(lambda: "10.3.0.9" in api.leases, "what came behind them is told")
    assert api.leases == {"10.3.0.8": "benjamin@corp.example", "10.3.0.9": "carla@corp.example"}
