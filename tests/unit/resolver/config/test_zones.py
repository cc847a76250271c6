"""The key `upstream.zones`."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from resolver.config.load import load_config
from resolver.config.to_settings import worker_settings
from resolver.errors import ConfigError
from resolver.upstream.zones import forwarder_of


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "moatdns.yaml"
    path.write_text(text)
    return path


def test_a_zone_is_named_by_name_or_by_network(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "upstream:\n  zones:\n"
        "    Corp.Example: [10.0.0.53]\n"
        "    10.20.0.0/16: ['tcp://10.0.0.53']\n"
        "    2001:db8:20::/48: ['10.0.0.53', 10.0.0.54]\n",
    )
    settings = worker_settings(load_config(path), workers=1, system_servers=[])
    assert {zone.name: [server.name for server in zone.servers] for zone in settings.zones} == {
        "corp.example": ["udp://10.0.0.53:53"],
        "20.10.in-addr.arpa": ["tcp://10.0.0.53:53"],
        "0.2.0.0.8.b.d.0.1.0.0.2.ip6.arpa": ["udp://10.0.0.53:53", "udp://10.0.0.54:53"],
    }


def zones_of(tmp_path: Path, *lines: str) -> dict[str, str]:
    """The servers by zone, as they are told to a worker."""
    path = write(tmp_path, "upstream:\n  zones:\n" + "".join(f"    {line}\n" for line in lines))
    settings = worker_settings(load_config(path), workers=1, system_servers=[])
    return {zone.name: " ".join(server.host for server in zone.servers) for zone in settings.zones}


@pytest.mark.parametrize(
    ("network", "first", "last", "count"),
    [
        ("172.16.0.0/12", "16.172.in-addr.arpa", "31.172.in-addr.arpa", 16),
        ("10.0.0.0/9", "0.10.in-addr.arpa", "127.10.in-addr.arpa", 128),
        ("128.0.0.0/1", "128.in-addr.arpa", "255.in-addr.arpa", 128),
        ("10.1.2.128/26", "128.2.1.10.in-addr.arpa", "191.2.1.10.in-addr.arpa", 64),
        ("192.168.4.0/23", "4.168.192.in-addr.arpa", "5.168.192.in-addr.arpa", 2),
        ("10.1.2.3/32", "3.2.1.10.in-addr.arpa", "3.2.1.10.in-addr.arpa", 1),
        ("fc00::/7", "c.f.ip6.arpa", "d.f.ip6.arpa", 2),
        ("2001:db8::/33", "0.8.b.d.0.1.0.0.2.ip6.arpa", "7.8.b.d.0.1.0.0.2.ip6.arpa", 8),
        ("2001:db8::/46", "0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "3.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", 4),
    ],
)
def test_a_network_has_all_its_reverse_zones(tmp_path: Path, network: str, first: str, last: str, count: int) -> None:
    names = list(zones_of(tmp_path, f'"{network}": [10.0.0.53]'))
    assert (names[0], names[-1], len(names)) == (first, last, count)


def test_the_servers_of_a_network_are_told_once_and_asked_by_one_forwarder(tmp_path: Path) -> None:
    path = write(tmp_path, "upstream:\n  servers: [192.0.2.1]\n  zones: {10.0.0.0/9: [10.0.0.1, 10.0.0.2]}\n")
    settings = worker_settings(load_config(path), workers=1, system_servers=[])
    servers = ["udp://192.0.2.1:53", "udp://10.0.0.1:53", "udp://10.0.0.2:53"]
    assert [server.name for server in settings.every_upstream] == servers
    loop = asyncio.new_event_loop()
    forwarder = forwarder_of(settings, loop, Counter())
    assert [each.name for each in forwarder.servers] == servers
    forwarder.close()
    loop.close()


@pytest.mark.parametrize("longer_first", [False, True])
def test_a_reverse_zone_of_two_networks_is_the_longer_ones(tmp_path: Path, longer_first: bool) -> None:
    lines = ["172.16.0.0/12: [10.0.0.1]", "172.20.0.0/16: [10.0.0.2]", "21.172.in-addr.arpa: [10.0.0.3]"]
    zones = zones_of(tmp_path, *(reversed(lines) if longer_first else lines))
    assert (zones["20.172.in-addr.arpa"], zones["21.172.in-addr.arpa"]) == ("10.0.0.2", "10.0.0.3")
    assert sorted(zones.values()).count("10.0.0.1") == 14


@pytest.mark.parametrize(
    ("zones", "line"),
    [
        ("{a..b: [10.0.0.53]}", "upstream.zones.'a..b': 'a..b' has an empty label"),
        ("{0.0.0.0/0: [10.0.0.53]}", "upstream.zones.'0.0.0.0/0': '0.0.0.0/0' is every address"),
        ("{172.16.0.0/12: [nonsense]}", "upstream.zones.'172.16.0.0/12'[0]: "),
        (
            "{10.0.0.0/8: [10.0.0.53], 10.in-addr.arpa: [10.0.0.54]}",
            "upstream.zones.'10.in-addr.arpa': is the zone '10.in-addr.arpa', which is already listed",
        ),
        ("{a.example: []}", "upstream.zones.'a.example': "),
        ("{a.example: [nonsense]}", "upstream.zones.'a.example'[0]: "),
        ("{a.example: [10.0.0.53], A.example: [10.0.0.54]}", "upstream.zones.'A.example': is the zone 'a.example'"),
    ],
)
def test_a_mistake_in_a_zone_is_told_with_its_key(tmp_path: Path, zones: str, line: str) -> None:
    path = write(tmp_path, f"upstream:\n  zones: {zones}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}:2: {line}")
