"""Log-on events of a Windows domain: which of them say who is at an address, and their way through a real rsyslog."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lease_hook import logons
from deploy.lease_hook.logons import MOST_LINE_OCTETS, LogOn, read_log_on
from deploy.lease_hook.people import DeviceMap
from deploy.lease_hook.running import Hook
from deploy.lease_hook.settings import HookError, read_settings
from deploy.lease_hook.spool import Spool
from tests.support.lease_api import LeaseApi
from tests.support.lease_hooks import ROOT, Gateway
from tests.support.programs import ended, free_port, program, wait_until

SCRIPT = ROOT / "deploy/directory/logon-events"
SID = "S-1-5-21-1004336348-1177238915-682003330-1105"
MakeHook = Callable[..., Hook]


def ticket(account: str, address: str, **more: Any) -> dict[str, Any]:
    """Event 4768 as Winlogbeat sends it."""
    data = {"TargetUserName": account, "TargetDomainName": "CORP.EXAMPLE", "TargetSid": SID, "Status": "0x0"}
    data |= {"IpAddress": address, "IpPort": "54321", "ServiceName": "krbtgt", "PreAuthType": "2"}
    return {"winlog": {"event_id": "4768", "channel": "Security", "event_data": data | more}, "event": {"code": "4768"}}


def log_on(account: str, address: str, **more: Any) -> dict[str, Any]:
    """Event 4624 as NXLog sends it."""
    data = {"EventID": 4624, "TargetUserName": account, "TargetDomainName": "CORP", "TargetUserSid": SID}
    return {**data, "LogonType": "3", "IpAddress": address, "IpPort": "49822", "Channel": "Security", **more}


@pytest.fixture
def make_hook(tmp_path: Path) -> MakeHook:
    def make(devices: str = "", **more: str) -> Hook:
        more = {"DOMAINS": "CORP corp.example", **more}
        gateway = Gateway(tmp_path, "http://127.0.0.1:1", devices=devices, **more)
        settings = read_settings(gateway.config_file)
        return Hook(settings, DeviceMap(settings), Spool(settings.state_dir))

    return make


def leased(hook: Hook, *events: dict[str, Any]) -> dict[str, str]:
    """The leases that events bring about, by address."""
    read = [read_log_on(json.dumps(event).encode()) for event in events]
    logons.tell(hook, [one for one in read if one is not None])
    return {order.address: order.identity for order in hook.spool.waiting() if not order.is_end}


@pytest.mark.parametrize(
    ("event", "read"),
    [
        (ticket("Alice", "::ffff:10.1.0.7"), LogOn("alice", "corp.example", "10.1.0.7")),
        (ticket("Alice", "2001:DB8::7"), LogOn("alice", "corp.example", "2001:db8::7")),
        (ticket("alice@CORP.EXAMPLE", "10.1.0.7", TargetDomainName="CORP"), LogOn("alice", "corp.example", "10.1.0.7")),
        (log_on("Alice", "10.1.0.7"), LogOn("alice", "corp", "10.1.0.7")),
        (ticket("Alice", "10.1.0.7", Status="0x6"), None),  # there is no such account
        (ticket("LAPTOP7$", "10.1.0.7"), None),  # a machine
        (ticket("Alice", "::1"), None),  # at the domain controller itself
        (log_on("Alice", "-"), None),
        (log_on("Alice", "127.0.0.1", LogonType="2"), None),
        (log_on("Alice", "10.1.0.7", LogonType="10"), None),
        (log_on("ANONYMOUS LOGON", "10.1.0.7", TargetUserSid="S-1-5-7", TargetDomainName="NT AUTHORITY"), None),
        (log_on("Alice", "10.1.0.7", EventID=4634), None),
        ({"message": "another event"}, None),
    ],
)
def test_an_event_says_who_is_at_an_address_or_nothing(event: dict[str, Any], read: LogOn | None) -> None:
    assert read_log_on(json.dumps(event).encode()) == read


@given(st.one_of(st.binary(max_size=200), st.just(b"[" * 60_000), st.just(b"x" * (MOST_LINE_OCTETS + 1))))
def test_what_is_no_event_is_an_error_that_says_so(line: bytes) -> None:
    try:
        assert read_log_on(line) is None
    except HookError as error:
        assert str(error).startswith(("a line that is no JSON", "an event of more than"))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("10.1.0.7"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(
    at=st.sampled_from(["TargetUserName", "TargetDomainName", "TargetUserSid", "LogonType", "IpAddress", "EventID"]),
    value=_VALUES,
)
def test_any_value_in_any_place_is_a_log_on_none_or_a_hooks_error(at: str, value: Any) -> None:
    try:
        read = read_log_on(json.dumps({**log_on("alice", "10.1.0.7"), at: value}).encode())
    except HookError:
        return
    assert read is None or (read.account and read.address)


def test_the_last_log_on_at_an_address_counts_and_the_map_and_the_realm_name_the_person(make_hook: MakeHook) -> None:
    hook = make_hook("bob@corp.example robert@people.example staff\n", REALM="corp.example")
    events = (ticket("Alice", "10.1.0.7"), log_on("Bob", "10.1.0.7"), log_on("Carla", "10.1.0.8"))
    assert leased(hook, *events) == {"10.1.0.7": "robert@people.example", "10.1.0.8": "carla@corp.example"}


def test_services_other_domains_and_shared_machines_get_no_lease(make_hook: MakeHook) -> None:
    hook = make_hook(IGNORE="svc-* backup", SHARED="10.1.9.0/24 10.1.0.9")
    ours = log_on("alice", "10.1.0.7")
    others = [
        log_on("SVC-Scanner", "10.1.0.7"),
        log_on("backup", "10.1.0.7"),
        log_on("eve", "10.1.0.7", TargetDomainName="OTHER"),
        log_on("bob", "10.1.9.30"),
        log_on("carla", "10.1.0.9"),
    ]
    assert leased(hook, ours, *others) == {"10.1.0.7": "alice"}


def test_a_lease_that_was_set_lately_is_not_sent_again(make_hook: MakeHook) -> None:
    hook = make_hook()
    assert leased(hook, log_on("alice", "10.1.0.7")) == {"10.1.0.7": "alice"}
    for order in hook.spool.waiting():
        hook.spool.done(order)
    assert leased(hook, log_on("alice", "10.1.0.7")) == {}
    assert leased(hook, log_on("bob", "10.1.0.7")) == {"10.1.0.7": "bob"}


def test_without_domains_nobody_gets_a_lease(make_hook: MakeHook) -> None:
    hook = make_hook(DOMAINS="")
    with pytest.raises(HookError, match="DOMAINS is not set"):
        logons.tell(hook, [LogOn("alice", "corp", "10.1.0.7")])


def test_a_bad_network_of_shared_machines_is_an_error_with_its_key(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, "http://127.0.0.1:1", SHARED="10.1.0.0/40")
    with pytest.raises(HookError, match=r"SHARED: '10.1.0.0/40' is not addresses and networks"):
        read_settings(gateway.config_file)


def test_events_by_tcp_go_through_rsyslog_to_leases(tmp_path: Path) -> None:
    port = free_port()
    with LeaseApi() as api:
        gateway = Gateway(tmp_path, api.url, DOMAINS="corp corp.example", REALM="corp.example")
        config = tmp_path / "rsyslog.conf"
        listen = f'port="{port}" address="127.0.0.1" supportOctetCountedFraming="off"'
        config.write_text(
            'module(load="imptcp")\nmodule(load="omprog")\n'
            'template(name="event" type="string" string="%rawmsg%\\n")\n'
            f'input(type="imptcp" {listen} ruleset="events")\n'
            f'ruleset(name="events") {{ action(type="omprog" binary="{gateway.wrapper(SCRIPT)}" template="event") }}\n'
        )
        command = [program("rsyslogd"), "-n", "-f", str(config), "-i", str(tmp_path / "pid")]
        with ended(subprocess.Popen(command, stdin=subprocess.DEVNULL)):
            wait_until(lambda: _sent(port, b"no event\n"), "rsyslogd listens")
            events = (ticket("Alice", "::ffff:10.1.0.7"), log_on("LAPTOP7$", "10.1.0.7"), log_on("Bob", "10.1.0.8"))
            assert _sent(port, b"".join(json.dumps(event).encode() + b"\n" for event in events))
            wait_until(lambda: len(api.calls) == 2, "both leases are set")
            assert api.leases == {"10.1.0.7": "alice@corp.example", "10.1.0.8": "bob@corp.example"}
            assert _sent(port, json.dumps(ticket("Carla", "10.1.0.7")).encode() + b"\n")
            wait_until(lambda: api.leases.get("10.1.0.7") == "carla@corp.example", "the last log-on takes its place")
    assert [(call[0], call[1], call[2]) for call in api.calls[2:]] == [
        ("DELETE", "10.1.0.7", "alice@corp.example"),
        ("PUT", "10.1.0.7", "carla@corp.example"),
    ]


def _sent(port: int, octets: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(octets)
    except OSError:
        return False
    return True
