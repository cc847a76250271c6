"""What the lease hooks tell moatdns, in which order, and that no server that calls them ever waits for it."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import trustme

from deploy.lease_hook.spool import Spool
from tests.support.lease_api import TOKEN, LeaseApi
from tests.support.lease_hooks import DHCP, VPN, Gateway
from tests.support.moatdns import Moatdns
from tests.support.programs import free_port, wait_until

LEARN = VPN / "openvpn-learn-address"
COMMAND = VPN / "lease-hook"
SCRIPTS = [script for folder in (DHCP, VPN) for script in sorted(folder.iterdir()) if os.access(script, os.X_OK)]


@pytest.fixture
def api() -> Iterator[LeaseApi]:
    with LeaseApi() as api:
        yield api


@pytest.fixture
def gateway(tmp_path: Path, api: LeaseApi) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path, api.url)
    yield gateway
    gateway.end()


def all_sent(gateway: Gateway) -> None:
    wait_until(lambda: gateway.waiting() == 0, "all orders are sent")


def test_openvpn_leases_an_address_and_remembers_whose_it_was(gateway: Gateway, api: LeaseApi) -> None:
    for words in (["add", "10.8.0.2", "alice"], ["update", "10.8.0.2", "bob"], ["delete", "10.8.0.2"]):
        ran = gateway.run(LEARN, *words)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    all_sent(gateway)
    by_bob = [call[:3] for call in api.calls if call[2] == "bob"]
    assert by_bob[-1] == ("DELETE", "10.8.0.2", "bob")
    assert api.leases == {}
    assert api.authorizations == {f"Bearer {TOKEN}"}


def test_what_is_no_client_of_openvpns_is_passed_over_and_told(gateway: Gateway) -> None:
    told = {
        ("add", "10.8.0.0/24", "alice"): "is a network behind a client",
        ("add", "02:00:5e:00:53:07", "alice"): "is a MAC address",
        ("delete", "02:00:5e:00:53:07@0"): "is a MAC address",
        ("delete", "10.8.0.9"): "nobody is known to have it",
        ("add", "10.8.0.9"): "usage: ",
        ("add", "nowhere", "alice"): "'nowhere' is not an IP address",
        ("add", "10.8.0.9", "a\nb"): "cannot be printed",
        (): "usage: ",
    }
    for words, says in told.items():
        ran = gateway.run(LEARN, *words)
        assert (ran.returncode, says in ran.stderr, ran.stderr.count("\n")) == (0, True, 1), (words, ran.stderr)
    assert gateway.waiting() == 0


def at_work() -> list[psutil.Process]:
    """The processes of the hook."""
    return [process for process in psutil.process_iter(["cmdline"]) if str(LEARN) in (process.info["cmdline"] or [])]


def test_a_hook_ends_at_once_also_while_moatdns_hangs_and_only_one_process_waits(
    gateway: Gateway, api: LeaseApi
) -> None:
    api.hang = True
    started = time.monotonic()
    for number in range(10):
        assert gateway.run(LEARN, "add", f"10.8.0.{number}", f"user{number}").returncode == 0
    assert time.monotonic() - started < 10 * 2.0
    wait_until(lambda: api.calls, "the API is called")
    assert len(api.calls) == 1
    wait_until(lambda: len(at_work()) == 1, "those that found it at work have ended")
    sender = gateway.sender()
    assert at_work() == [sender]
    assert sender
    assert not any(TOKEN in word for word in [*sender.cmdline(), *sender.environ().values()])
    api.hang = False
    api.go_on.set()
    all_sent(gateway)
    assert [call[2] for call in api.calls] == [f"user{number}" for number in range(10)]


def test_what_is_said_while_moatdns_is_away_is_told_in_its_order_when_it_is_back(
    gateway: Gateway, api: LeaseApi
) -> None:
    api.fail_with = 503
    gateway.run(COMMAND, "set", "10.8.0.2,2001:db8::2", "alice", "staff")
    gateway.run(COMMAND, "end", "10.8.0.2", "alice")
    gateway.run(COMMAND, "set", "10.8.0.2", "bob")
    gateway.run(COMMAND, "set", "10.8.0.3", "alice")
    wait_until(lambda: api.calls, "the API is called")
    api.calls.clear()
    api.fail_with = 0
    all_sent(gateway)
    assert api.leases == {"10.8.0.2": "bob", "10.8.0.3": "alice"}


def test_a_late_end_takes_nothing_from_whoever_has_the_address_by_now(gateway: Gateway, api: LeaseApi) -> None:
    gateway.run(COMMAND, "set", "10.8.0.2", "bob")
    gateway.run(COMMAND, "end", "10.8.0.2", "alice")
    all_sent(gateway)
    assert api.calls[-1][:3] == ("DELETE", "10.8.0.2", "alice")
    assert api.leases == {"10.8.0.2": "bob"}


def test_names_come_through_as_they_are(gateway: Gateway, api: LeaseApi) -> None:
    name = 'o\'hara "é" $(reboot) a&b?c=d#e/../%2f\\'
    gateway.run(COMMAND, "set", "2001:DB8::7,::ffff:10.8.0.2", name)
    gateway.run(COMMAND, "end", "2001:db8::7")
    all_sent(gateway)
    assert {call[2] for call in api.calls} == {name}
    assert api.calls[-1][:2] == ("DELETE", "2001:db8::7")


def test_a_refused_order_is_dropped_and_told_and_the_next_one_is_sent(gateway: Gateway, api: LeaseApi) -> None:
    orders(gateway, "alice", "bob")
    api.fail_with = 422
    ran = gateway.run(COMMAND, "send")
    assert (ran.returncode, gateway.waiting(), len(api.calls)) == (0, 0, 2)
    assert f"{api.url}: 422 for the lease of 'alice' on 10.8.0.0: \"a stand-in's answer\"; it is dropped" in ran.stderr


@pytest.mark.parametrize("status", [401, 403, 421, 429, 503])
def test_what_an_admin_can_mend_keeps_the_orders_and_is_told(gateway: Gateway, api: LeaseApi, status: int) -> None:
    orders(gateway, "alice", "bob")
    api.fail_with = status
    ran = gateway.run(COMMAND, "send")
    assert (ran.returncode, gateway.waiting(), len(api.calls)) == (1, 2, 1)
    assert f"{api.url}: {status} for the lease of 'alice'" in ran.stderr
    assert ran.stderr.endswith("; 2 orders wait\n")


def test_without_moatdns_or_token_send_says_so(gateway: Gateway) -> None:
    orders(gateway, "alice")
    gateway.config_file.write_text(gateway.config_file.read_text() + f"URL=http://127.0.0.1:{free_port()}\n")
    ran = gateway.run(COMMAND, "send")
    assert (ran.returncode, gateway.waiting()) == (1, 1)
    assert "no answer: [Errno 111] Connection refused; 1 orders wait" in ran.stderr
    gateway.token_file.unlink()
    assert "token: cannot be read" in gateway.run(COMMAND, "send").stderr


def test_only_a_server_that_the_ca_file_vouches_for_gets_the_token(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with LeaseApi(context) as api:
        gateway = Gateway(tmp_path, api.url, CA_FILE=str(tmp_path / "other.pem"))
        orders(gateway, "alice")
        ran = gateway.run(COMMAND, "send")
        assert ran.returncode == 1
        assert "certificate verify failed" in ran.stderr
        assert api.calls == []
        gateway = Gateway(tmp_path, api.url, CA_FILE=str(tmp_path / "ca.pem"))
        assert gateway.run(COMMAND, "send").returncode == 0
        assert api.leases == {"10.8.0.0": "alice"}


def test_a_hook_gives_up_after_two_seconds_whatever_it_waits_for(gateway: Gateway) -> None:
    spool = Spool(gateway.state)
    with spool._locked("edit.lock"):
        started = time.monotonic()
        ran = gateway.run(LEARN, "add", "10.8.0.2", "alice")
        assert 1.9 < time.monotonic() - started < 10
    assert (ran.returncode, ran.stderr) == (0, "moatdns-lease-hook: not done within 2 s; gave up\n")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_hook_without_a_config_says_so_and_does_not_fail_its_caller(tmp_path: Path, script: Path) -> None:
    ran = subprocess.run(
        [script, "set", "10.8.0.2", "x"], env=missing(tmp_path), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0
    assert ran.stderr == f"moatdns-lease-hook: {tmp_path / 'none'}: cannot be read: No such file or directory\n"


def test_the_command_tells_how_it_is_used() -> None:
    ran = subprocess.run([COMMAND, "give"], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "usage: lease-hook set ADDRESS" in ran.stderr


def test_a_state_folder_that_cannot_be_used_is_told(gateway: Gateway) -> None:
    gateway.state.write_text("a file")
    ran = gateway.run(LEARN, "add", "10.8.0.2", "alice")
    assert ran.returncode == 0
    assert f"{gateway.state}: cannot be used: File exists; see STATE_DIR" in ran.stderr


def test_moatdns_itself_takes_what_the_hooks_send(tmp_path: Path) -> None:
    config = {
        "upstream": {"servers": ["127.0.0.1:1"]},
        "workers": 1,
        "policy": {"groups": [{"name": "staff", "exempt": True}]},
    }
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as server:
        admin = server.api
        token = admin.call("POST", "tokens", {"name": "vpn", "owner": "tests", "role": "lease"}).body["token"]
        gateway = Gateway(tmp_path, f"http://127.0.0.1:{server.admin_port}", devices="key alice staff\n")
        gateway.token_file.write_text(token)
        gateway.run(COMMAND, "set", "10.8.0.2,2001:db8::2", "key")
        gateway.run(COMMAND, "end", "10.8.0.2", "bob")
        assert gateway.run(COMMAND, "send").returncode in {0, 1}  # 1: the one in the background is at it
        all_sent(gateway)
        lease = admin.call("GET", "leases/10.8.0.2").body
        assert (lease["identity"], lease["group"]) == ("alice", "staff")
        assert lease["addresses"] == ["10.8.0.2", "2001:db8::2"]
        gateway.run(COMMAND, "end", "10.8.0.2")
        all_sent(gateway)
        assert admin.call("GET", "leases").body["items"] == []


def orders(gateway: Gateway, *identities: str) -> None:
    """Orders that no process sends yet."""
    spool = Spool(gateway.state)
    for number, identity in enumerate(identities):
        spool.set([f"10.8.0.{number}"], identity, None, ttl_seconds=600, source="test")


def missing(folder: Path) -> dict[str, str]:
    """An environment that names a config which is not there."""
    return {**os.environ, "MOATDNS_LEASE_HOOK_CONF": str(folder / "none")}
