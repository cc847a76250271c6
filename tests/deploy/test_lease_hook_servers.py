"""The hooks as real servers call them, with real clients: each in a network of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.lease_hooks import in_namespace
from tests.support.programs import program

ALICE = {"identity": "alice", "group": "staff"}


def rig(name: str, folder: Path, *words: str, needs: tuple[str, ...]) -> Any:
    """The calls that a rig told of. Fails where one of the programs that it needs is missing."""
    for name_of_program in needs:
        program(name_of_program)
    return json.loads(in_namespace(name, folder, *words))


@pytest.mark.parametrize("server", ["dnsmasq", "kea-dhcp4"])
def test_a_dhcp_clients_lease_is_set_when_it_gets_its_address_and_ends_when_it_gives_it_back(
    tmp_path: Path, server: str
) -> None:
    told = rig("dhcp", tmp_path, server, needs=(server, "udhcpc"))
    (given, ended) = told["calls"]
    assert given[0] == "PUT"
    assert given[3] == {**ALICE, "ttl_seconds": 300}
    assert ended == ["DELETE", given[1], "alice", {}]
    assert told["host_names"] == {given[1]: ["laptop", True]}  # in the server's own lease file, with an end


def test_an_openvpn_clients_leases_follow_it_and_a_hanging_moatdns_does_not_keep_it_waiting(tmp_path: Path) -> None:
    if not Path("/dev/net/tun").exists():
        pytest.skip("there is no /dev/net/tun: OpenVPN cannot make a tunnel here")
    told = rig("openvpn", tmp_path, needs=("openvpn",))
    assert told["reached"], "the tunnel stood still"
    assert told["calls_while_hanging"] == 1
    assert told["seconds"] < 10
    set_, renewed, ended = ({call[1]: call for call in told["calls"][at : at + 2]} for at in (0, 2, 4))
    assert set_.keys() == renewed.keys() == ended.keys()
    assert sorted(":" in address for address in set_) == [False, True]
    for address, call in set_.items():
        assert call[0] == "PUT"
        assert call[3] == {
            "identity": "alice@example.com",
            "group": "staff",
            "ttl_seconds": pytest.approx(3600, abs=30),
        }
        assert renewed[address][:3] == ["PUT", address, "alice"]  # by a gateway without a map
        assert ended[address] == ["DELETE", address, "alice@example.com", {}]


def test_the_leases_of_wireguard_peers_follow_their_handshakes_and_the_interfaces_config(tmp_path: Path) -> None:
    if not Path("/dev/net/tun").exists():
        pytest.skip("there is no /dev/net/tun: wireguard-go cannot make a tunnel here")
    steps = rig("wireguard", tmp_path, needs=("wg", "wireguard-go"))
    both = {**ALICE, "ttl_seconds": 3600, "addresses": ["fd00:9::2"]}
    assert steps == {
        "up": [[], ""],
        "in use": [
            [["PUT", "10.9.0.2", "alice", both]],
            "moatdns-lease-hook: the peer of 'alice': only its single addresses (/32, /128) are leased\n",
        ],
        "again": [[], ""],
        "config changed": [
            [
                ["DELETE", "10.9.0.2", "alice", {}],
                ["PUT", "10.9.0.4", "alice", {**ALICE, "ttl_seconds": 3600}],
            ],
            "",
        ],
        "down": [[["DELETE", "10.9.0.4", "alice", {}]], ""],
    }


def test_two_people_whose_wireguard_addresses_are_swapped_are_named_rightly_before_and_after(tmp_path: Path) -> None:
    if not Path("/dev/net/tun").exists():
        pytest.skip("there is no /dev/net/tun: wireguard-go cannot make a tunnel here")
    ana, ben = "anastasia.delacruz@corp.example", "benedikt.okonkwo@corp.example"
    told = rig("wireguard_people", tmp_path, "full", needs=("wg", "wireguard-go", "dig", "unbound"))
    _hold_together(told, ana, ben, {ana: ("10.9.0.2", "10.9.0.3"), ben: ("10.9.0.3", "10.9.0.2")})
    assert {row["user"]["name"] for row in told["sink"]} == {ana, ben}


def test_with_pseudonyms_no_octet_of_two_peoples_names_is_in_log_statistics_and_exports(tmp_path: Path) -> None:
    if not Path("/dev/net/tun").exists():
        pytest.skip("there is no /dev/net/tun: wireguard-go cannot make a tunnel here")
    told = rig("wireguard_people", tmp_path, "pseudonym", needs=("wg", "wireguard-go", "dig", "unbound"))
    by_exempt = {row["identity"] for row in told["log"] if row["verdict"] == "exempt"}
    (ana,) = by_exempt
    (ben,) = {row["identity"] for row in told["log"]} - by_exempt
    first, second = (
        next(row["client"] for row in told["log"] if (row["identity"], row["name"]) == (who, "claude.ai"))
        for who in (ben, ana)
    )
    assert first != second
    _hold_together(told, ana, ben, {ana: (first, second), ben: (second, first)})
    assert {row["user"]["hash"] for row in told["sink"]} == {ana, ben}
    assert told["octets"] == []


def _hold_together(told: dict[str, Any], ana: str, ben: str, addresses: dict[str, tuple[str, str]]) -> None:
    """Log, sink, statistics, reports and the use of an exemption say of each query who asked it, and agree."""
    blocked = "0.0.0.0"
    answers = {"ana": ["192.0.2.1", blocked], "ben": [blocked, blocked]}
    assert told["answers"] == {"before": answers, "after": answers}
    asked = sorted(
        (who, address, name, "exempt" if (who, name) == (ana, "claude.ai") else "block")
        for who, both in addresses.items()
        for address in both
        for name in ("claude.ai", "chatgpt.com")
    )
    assert sorted((row["identity"], row["client"], row["name"], row["verdict"]) for row in told["log"]) == asked
    rows = [
        (row["user"], row["source"], row["dns"]["question"]["name"], row["event"]["action"]) for row in told["sink"]
    ]
    in_sink = [(*user.values(), source["address"], name, verdict) for user, source, name, verdict in rows]
    assert sorted(in_sink) == asked
    usage = {(one["identity"], one["vendor"]): (one["blocked"], one["exempted"]) for one in told["usage"]}
    assert usage == {
        (ana, "anthropic"): (0, 2),
        (ana, "openai"): (2, 0),
        (ben, "anthropic"): (2, 0),
        (ben, "openai"): (2, 0),
    }
    assert {one["key"]: (one["blocked"], one["exempted"]) for one in told["top"]} == {ana: (2, 2), ben: (4, 0)}
    assert told["uses"] == [[2, [{"identity": ana, "uses": 2}]]]
    for name in (ana, ben):
        assert name not in told["metrics"]
