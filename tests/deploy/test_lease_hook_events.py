"""What becomes of each event that a VPN or DHCP server tells a hook of, in the words in which the server tells it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from deploy.lease_hook import dnsmasq, kea, radius
from deploy.lease_hook.people import DeviceMap
from deploy.lease_hook.running import Hook
from deploy.lease_hook.settings import HookError, read_settings
from deploy.lease_hook.spool import Spool, read_address
from tests.support.examples import examples
from tests.support.lease_hooks import VPN, Gateway

MAC = "02:00:5e:00:53:07"
DUID = "00:01:00:01:2a:2b:2c:2d:02:00:5e:00:53:07"
MakeHook = Callable[..., Hook]


@pytest.fixture
def make_hook(tmp_path: Path) -> MakeHook:
    def make(devices: str = f"{MAC} alice staff\n{DUID} alice staff\n", **more: str) -> Hook:
        gateway = Gateway(tmp_path, "http://127.0.0.1:1", devices=devices, **more)
        settings = read_settings(gateway.config_file)
        return Hook(settings, DeviceMap(settings), Spool(settings.state_dir))

    return make


@pytest.fixture
def hook(make_hook: MakeHook) -> Hook:
    return make_hook()


def told(hook: Hook) -> list[tuple[str, ...]]:
    """What is to be sent: set or end, address, identity; all of it is taken as sent."""
    orders = hook.spool.waiting()
    for order in orders:
        hook.spool.done(order)
    return [("end" if order.is_end else "set", order.address, order.identity) for order in orders]


def kea_lease(prefix: str, address: str, **more: str) -> dict[str, str]:
    facts = {"ADDRESS": address, "HWADDR": MAC, "VALID_LIFETIME": "600", "STATE": "default", **more}
    return {f"{prefix}_{key}": value for key, value in facts.items()}


def test_kea_tells_a_lease_its_renewal_and_its_end(hook: Hook) -> None:
    committed = kea_lease("LEASES4_AT0", "10.7.0.5") | {"LEASES4_SIZE": "1", "DELETED_LEASES4_SIZE": "0"}
    kea.act(hook, "leases4_committed", committed)
    (order,) = hook.spool.waiting()
    assert (order.address, order.identity, order.group) == ("10.7.0.5", "alice", "staff")
    assert order.until - order.at == pytest.approx(600)
    assert told(hook) == [("set", "10.7.0.5", "alice")]
    kea.act(hook, "lease4_renew", kea_lease("LEASE4", "10.7.0.5"))
    assert told(hook) == [("set", "10.7.0.5", "alice")]
    for over in ("lease4_release", "lease4_expire", "lease4_decline"):
        kea.act(hook, "lease4_renew", kea_lease("LEASE4", "10.7.0.5"))
        kea.act(hook, over, kea_lease("LEASE4", "10.7.0.5") | {"REMOVE_LEASE": "false"})
        assert told(hook) == [("end", "10.7.0.5", "alice")]


def test_kea_tells_the_old_address_and_the_new_one_at_once(hook: Hook) -> None:
    kea.act(hook, "lease4_renew", kea_lease("LEASE4", "10.7.0.5"))
    told(hook)
    facts = kea_lease("LEASES4_AT0", "10.7.0.6") | kea_lease("DELETED_LEASES4_AT0", "10.7.0.5")
    kea.act(hook, "leases4_committed", facts | {"LEASES4_SIZE": "1", "DELETED_LEASES4_SIZE": "1"})
    assert set(told(hook)) == {("set", "10.7.0.6", "alice"), ("end", "10.7.0.5", "alice")}


def test_kea_leases_an_ipv6_address_by_duid_and_no_prefix(hook: Hook) -> None:
    by_duid = {"HWADDR": "", "DUID": DUID, "TYPE": "IA_NA"}
    kea.act(hook, "lease6_rebind", kea_lease("LEASE6", "2001:db8::5", **by_duid))
    kea.act(hook, "lease6_renew", kea_lease("LEASE6", "2001:db8:5::", **by_duid | {"TYPE": "IA_PD"}))
    assert told(hook) == [("set", "2001:db8::5", "alice")]


def test_an_address_that_went_to_an_unknown_device_is_taken_from_who_had_it(hook: Hook) -> None:
    kea.act(hook, "lease4_renew", kea_lease("LEASE4", "10.7.0.5"))
    told(hook)
    kea.act(hook, "lease4_renew", kea_lease("LEASE4", "10.7.0.5", HWADDR="02:00:5e:00:53:99"))
    assert told(hook) == [("end", "10.7.0.5", "alice")]
    kea.act(hook, "lease4_renew", kea_lease("LEASE4", "10.7.0.5", HWADDR="02:00:5e:00:53:99"))
    assert told(hook) == []


def test_kea_tells_what_changes_no_lease_too(hook: Hook) -> None:
    for point in ("", "lease4_recover", "pkt4_receive", "leases4_committed", "lease6_other"):
        kea.act(hook, point, {})
    assert told(hook) == []
    with pytest.raises(HookError, match="LEASES4_SIZE is no number"):
        kea.act(hook, "leases4_committed", {"LEASES4_SIZE": "-1"})
    with pytest.raises(HookError, match="'' is not an IP address"):
        kea.act(hook, "lease4_release", {})


def test_dnsmasq_tells_a_lease_its_renewal_and_its_end(hook: Hook) -> None:
    facts = {"DNSMASQ_TIME_REMAINING": "300", "DNSMASQ_INTERFACE": "eth0"}
    for event in ("add", "old"):
        dnsmasq.act(hook, [event, MAC, "10.7.0.5", "laptop"], facts)
        (order,) = hook.spool.waiting()
        assert order.until - order.at == pytest.approx(300)
        assert told(hook) == [("set", "10.7.0.5", "alice")]
    dnsmasq.act(hook, ["del", MAC, "10.7.0.5"], {})
    assert told(hook) == [("end", "10.7.0.5", "alice")]
    for words in ([], ["init"], ["tftp", "9", "10.7.0.5", "file"], ["arp-add", MAC, "10.7.0.5"]):
        dnsmasq.act(hook, words, {})
    assert told(hook) == []


def test_dnsmasq_tells_an_ipv6_lease_by_duid(hook: Hook) -> None:
    dnsmasq.act(hook, ["add", DUID, "2001:db8::5", "laptop"], {"DNSMASQ_IAID": "7"})
    dnsmasq.act(hook, ["add", "00:04:99", "2001:db8::6"], {"DNSMASQ_IAID": "7", "DNSMASQ_MAC": MAC})
    assert told(hook) == [("set", "2001:db8::5", "alice"), ("set", "2001:db8::6", "alice")]


def test_a_client_that_calls_itself_by_anothers_mac_address_is_nobody(make_hook: MakeHook) -> None:
    for devices in (f"{MAC} alice staff\n", f"mac:{MAC} alice staff\n"):
        hook = make_hook(devices)
        other = "02:00:5e:00:53:99"
        dnsmasq.act(hook, ["add", other, "10.7.0.5"], {"DNSMASQ_CLIENT_ID": MAC})
        dnsmasq.act(hook, ["add", MAC, "2001:db8::5"], {"DNSMASQ_IAID": "7"})  # its DUID
        kea.act(hook, "lease4_renew", kea_lease("LEASE4", "10.7.0.6", HWADDR=other, CLIENT_ID=MAC))
        kea.act(hook, "lease6_renew", kea_lease("LEASE6", "2001:db8::6", HWADDR="", DUID=MAC))
        assert told(hook) == []


def test_a_client_identifier_and_a_duid_are_found_by_their_own_kind(make_hook: MakeHook) -> None:
    hook = make_hook(f"id:{MAC} ana\nduid:{MAC} bob\n")
    dnsmasq.act(hook, ["add", "02:00:5e:00:53:99", "10.7.0.5"], {"DNSMASQ_CLIENT_ID": MAC})
    dnsmasq.act(hook, ["add", MAC, "2001:db8::5"], {"DNSMASQ_IAID": "7"})
    kea.act(hook, "lease4_renew", kea_lease("LEASE4", "10.7.0.6", HWADDR=MAC, CLIENT_ID=MAC))
    kea.act(hook, "lease6_renew", kea_lease("LEASE6", "2001:db8::6", HWADDR="", DUID=MAC))
    assert [identity for _, _, identity in told(hook)] == ["ana", "bob", "ana", "bob"]


def test_keys_without_a_kind_are_noted_once(make_hook: MakeHook) -> None:
    hook = make_hook()
    assert hook.spool.is_new_note(hook.people.note)
    assert not hook.spool.is_new_note(hook.people.note)
    assert "2 keys of devices say no kind" in hook.people.note


def test_a_lease_without_end_is_renewed_by_the_configs_time(make_hook: MakeHook) -> None:
    hook = make_hook(TTL_SECONDS="7200")
    dnsmasq.act(hook, ["add", MAC, "10.7.0.5"], {"DNSMASQ_TIME_REMAINING": "0"})
    (order,) = hook.spool.waiting()
    assert order.until - order.at == pytest.approx(7200)


def test_a_host_name_counts_only_where_the_config_says_so(make_hook: MakeHook) -> None:
    hook = make_hook("", UNMAPPED="host-name")
    dnsmasq.act(hook, ["add", MAC, "10.7.0.5", "alice"], {})
    kea.act(hook, "lease4_renew", kea_lease("LEASE4", "10.7.0.6", HOSTNAME="bob."))
    assert told(hook) == [("set", "10.7.0.5", "host:alice"), ("set", "10.7.0.6", "host:bob")]


def test_radius_accounting_sets_and_ends_both_addresses_of_a_session(hook: Hook) -> None:
    facts = {"USER_NAME": '"o\'hara \\"x\\\\"', "FRAMED_IP_ADDRESS": "10.3.0.5", "FRAMED_IPV6_ADDRESS": "2001:db8::5"}
    for status in ("Start", "Interim-Update"):
        radius.act(hook, facts | {"ACCT_STATUS_TYPE": status})
        (order,) = hook.spool.waiting()
        assert order.addresses == ("2001:db8::5",)
        assert told(hook) == [("set", "10.3.0.5", "o'hara \"x\\")]
    radius.act(hook, facts | {"ACCT_STATUS_TYPE": "Stop"})
    assert [end[:2] for end in told(hook)] == [("end", "10.3.0.5"), ("end", "2001:db8::5")]


def test_the_stop_of_a_radius_session_ends_nothing_of_the_next_one(hook: Hook) -> None:
    facts = {"USER_NAME": '"alice"', "FRAMED_IP_ADDRESS": "10.3.0.5"}
    for status, session in (("Start", '"1"'), ("Start", '"2"'), ("Stop", '"1"')):
        radius.act(hook, facts | {"ACCT_STATUS_TYPE": status, "ACCT_SESSION_ID": session})
    assert told(hook) == [("set", "10.3.0.5", "alice")]
    radius.act(hook, facts | {"ACCT_STATUS_TYPE": "Stop", "ACCT_SESSION_ID": '"2"'})
    assert told(hook) == [("end", "10.3.0.5", "alice")]


def test_a_radius_request_that_says_not_enough_changes_nothing(hook: Hook) -> None:
    radius.act(hook, {"ACCT_STATUS_TYPE": "Start", "USER_NAME": '"alice"'})
    radius.act(hook, {"ACCT_STATUS_TYPE": "Accounting-On", "USER_NAME": '"alice"', "FRAMED_IP_ADDRESS": "10.3.0.5"})
    for user in ("", '"a\\nb"', '""'):
        with pytest.raises(HookError):
            radius.act(hook, {"ACCT_STATUS_TYPE": "Start", "USER_NAME": user, "FRAMED_IP_ADDRESS": "10.3.0.5"})
    assert told(hook) == []


def test_openvpns_status_file_renews_those_who_are_connected_and_due(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(
        "TITLE,OpenVPN 2.6\nHEADER,ROUTING_TABLE,Virtual Address,Common Name\n"
        "ROUTING_TABLE,10.8.0.2,alice,192.0.2.1:1\nROUTING_TABLE,10.8.0.3C,bob,192.0.2.2:1\n"
        "ROUTING_TABLE,10.9.0.0/24,bob,192.0.2.2:1\nROUTING_TABLE,nowhere,eve,192.0.2.3:1\nEND\n"
    )
    gateway = Gateway(tmp_path, "http://127.0.0.1:1")
    spool = Spool(gateway.state)
    spool.set(["10.8.0.3"], "bob", None, ttl_seconds=3600, source="openvpn")
    before = {order.identity: order.at for order in spool.waiting()}
    ran = gateway.run(VPN / "openvpn-learn-address", "renew", str(status))
    assert "'nowhere' is not an IP address" in ran.stderr
    after = {order.identity: order.at for order in spool.waiting()}
    assert after.keys() == {"alice", "bob"}
    assert after["bob"] == before["bob"]
    piped = gateway.run(VPN / "openvpn-learn-address", "renew", "-", given=status.read_text())
    assert piped.stderr == ran.stderr
    status.write_text("OpenVPN CLIENT LIST\n")
    assert "status-version 2" in gateway.run(VPN / "openvpn-learn-address", "renew", str(status)).stderr
    gateway.end()


def test_a_wireguard_interface_that_is_not_there_is_told(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, "http://127.0.0.1:1")
    for words in (["set", "moatwg9"], ["set", "wg0; reboot"], ["give", "wg0"], []):
        ran = gateway.run(VPN / "wireguard-leases", *words)
        assert (ran.returncode, ran.stderr.count("\n")) == (0, 1)


def test_orders_and_holders_that_lapsed_are_forgotten(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    hook.spool.set(["10.8.0.2", "10.8.0.2", "2001:db8::2"], "alice", None, ttl_seconds=1, source="test")
    (order,) = hook.spool.held()
    assert (order.addresses, order.until - order.at) == (("2001:db8::2",), 60)
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert hook.spool.held() == []
    assert not hook.spool.end("10.8.0.2")


def test_an_address_that_changes_hands_ends_the_one_lease_before_it_sets_the_other(hook: Hook) -> None:
    for identity in ("alice", "bob"):
        hook.spool.set(["10.8.0.2"], identity, None, ttl_seconds=600, source="test")
    assert told(hook) == [("end", "10.8.0.2", "alice"), ("set", "10.8.0.2", "bob")]
    hook.spool.set(["10.8.0.2"], "cleo", None, ttl_seconds=600, source="test")
    hook.spool.end("10.8.0.2")
    assert told(hook) == [("end", "10.8.0.2", "bob"), ("end", "10.8.0.2", "cleo")]


def test_a_damaged_file_of_the_spool_is_thrown_away(hook: Hook) -> None:
    hook.spool.set(["10.8.0.2"], "alice", None, ttl_seconds=60, source="test")
    for name in ("orders", "held"):
        for content in (b"", b"{}", b"[1]", b"\xff", b'{"addresses": 1}', b'{"addresses": [], "more": 1}'):
            (hook.settings.state_dir / name / "10.8.0.3").write_bytes(content)
            assert [order.identity for order in hook.spool.waiting()] == ["alice"]
            assert [order.identity for order in hook.spool.held()] == ["alice"]
    assert not (hook.settings.state_dir / "orders/10.8.0.3").exists()


@given(st.one_of(st.ip_addresses().map(str), st.text(max_size=50)))
@hypothesis_settings(max_examples=examples(80))
def test_an_address_has_one_normal_form_that_is_a_file_name_or_is_refused(text: str) -> None:
    try:
        address = read_address(text)
    except HookError as error:
        assert str(error).isascii()
    else:
        assert read_address(address) == address
        assert set(address) <= set("0123456789abcdef:.")
