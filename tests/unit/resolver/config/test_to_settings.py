"""What a worker is told of the configuration."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from resolver.config.load import load_config
from resolver.config.notes import client_notes
from resolver.config.settings import (
    CacheSettings,
    EncryptedSettings,
    Identity,
    Limits,
    RateLimits,
    Retention,
    TelemetrySettings,
    TrustedProxy,
    UpstreamOptions,
    UpstreamServer,
    WorkerSettings,
)
from resolver.config.system_servers import PLACE, SystemPlaces, system_servers
from resolver.config.to_settings import control_settings, encrypted_settings, worker_settings
from resolver.system.typed_json import read_as, write_json

from .conftest import Load, Problems

NINE = UpstreamServer("udp", "9.9.9.9")


def test_the_defaults_reach_one_worker() -> None:
    settings = worker_settings(load_config(None), workers=1, system_servers=[NINE])
    assert settings.upstream_servers == (NINE,)
    assert settings.upstream_timeout_seconds == 2.0
    assert (settings.cache, settings.limits, settings.rates) == (CacheSettings(), Limits(), RateLimits())
    assert settings.server == Identity()
    assert settings.clients_allow == (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )


@pytest.mark.parametrize(
    ("dot", "doh", "told"),
    [
        ([], [], ()),
        (["192.0.2.1:853"], [], ("192.0.2.1",)),
        (["192.0.2.1:853", "[2001:db8::1]:853"], ["[2001:db8::1]:443", "192.0.2.1:443"], ("192.0.2.1", "2001:db8::1")),
        (["192.0.2.1:853"], ["192.0.2.2:443"], ()),
        (["192.0.2.1:853", "192.0.2.2:8853"], [], ()),
        (["192.0.2.1:853", "192.0.2.2:853"], ["192.0.2.1:443"], ()),
        (["0.0.0.0:853"], [], ()),
        (["192.0.2.1:853", "[::]:853"], [], ()),
    ],
)
def test_addresses_are_told_only_where_every_port_is_served_on_them(
    dot: list[str], doh: list[str], told: tuple[str, ...]
) -> None:
    assert encrypted_settings("dns.example", dot, doh).addresses == told


def test_what_is_told_of_dot_and_doh_survives_json() -> None:
    encrypted = encrypted_settings("dns.example", ["192.0.2.1:853", "192.0.2.1:8853"], ["192.0.2.1:443"])
    assert encrypted == EncryptedSettings(
        server_name="dns.example", dot_ports=(853, 8853), doh_ports=(443,), addresses=("192.0.2.1",)
    )
    settings = WorkerSettings(encrypted=encrypted)
    assert read_as(WorkerSettings, json.loads(write_json(settings))) == settings


def test_every_value_reaches_the_worker_and_survives_json(load: Load) -> None:
    config = load("""
clients: {allow: [127.0.0.0/8, loopback, 192.0.2.1], queries_per_second: 11}
rate_limits: {action: truncate, exempt: [loopback], responses_per_second: 12, slip: 3}
server: {identity: east-1, version: none of yours}
upstream:
  servers: ["tcp://[2001:db8::1]:5353", system, 9.9.9.9, "tls://192.0.2.1#DNS.example", "https://dns.example"]
  timeout_seconds: 1
  strategy: random
  ca_file: ca.pem
  cookies: no
  random_case: yes
cache:
  max_mib: 64
  min_ttl_seconds: 1
  max_ttl_seconds: 2
  max_negative_ttl_seconds: 3
  stale_seconds: 4
  prefetch: no
statistics: {enabled: no}
query_log: {what: all, clients: network}
limits:
  answer_table_entries: 1
  clients: 2
  response_rates: 9
  queries_in_flight: 3
  queries_in_flight_per_client: 33
  queries_in_flight_per_upstream: 34
  queries_in_flight_per_domain: 35
  queries_put_off: 36
  late_answer_seconds: 1.5
  tcp_connections: 4
  tcp_connections_per_client: 44
  tcp_queries_per_connection: 5
  tcp_idle_seconds: 6.5
  tcp_write_buffer_bytes: 7
  tcp_lifetime_seconds: 8
  tcp_write_seconds: 9
  tls_handshakes: 10
  tls_handshake_seconds: 11
  http_streams_per_connection: 12
  unlisted_queries_per_second: 14
  unlisted_names_per_second: 15
  http_resets_per_connection: 13
""")
    settings = worker_settings(config, workers=4, system_servers=[UpstreamServer("udp", "192.0.2.53"), NINE])
    assert settings == WorkerSettings(
        clients_allow=("127.0.0.0/8", "::1/128", "192.0.2.1/32"),
        upstream_servers=(
            UpstreamServer("tcp", "2001:db8::1", 5353),
            UpstreamServer("udp", "192.0.2.53"),
            NINE,
            UpstreamServer("tls", "192.0.2.1", 853, "dns.example"),
            UpstreamServer("https", "dns.example", 443, "dns.example", "/dns-query"),
        ),
        upstream_timeout_seconds=1.0,
        upstream=UpstreamOptions(
            "random",
            (UpstreamServer("tcp", "2001:db8::1", 5353), UpstreamServer("udp", "192.0.2.53"), NINE),
            str(config.state_dir.parent / "ca.pem"),
            cookies=False,
            random_case=True,
        ),
        cache=CacheSettings(16 << 20, 1, 2, 3, 4, prefetch=False),
        limits=Limits(
            1, 2, 10_000, 10_000, 10_000, 9, 3, 33, 35, 1.5, 36, 34, 4, 44, 5, 6.5, 8, 9, 7, 10, 11, 12, 14, 15, 13
        ),
        rates=RateLimits(11, "truncate", ("127.0.0.0/8", "::1/128"), 12, 3),
        server=Identity("east-1", "none of yours"),
        telemetry=TelemetrySettings(False, str(config.state_dir / "counters"), "all", "network", "hidden"),
    )
    assert read_as(WorkerSettings, json.loads(write_json(settings))) == settings


@pytest.mark.parametrize(
    ("written", "recorded"),
    [
        ("", "pseudonym"),
        ("clients: full", "pseudonym"),
        ("clients: pseudonym", "pseudonym"),
        ("clients: network", "hidden"),  # else a pseudonym would tell apart what was not told apart before
        ("clients: hidden", "hidden"),
        ("clients: hidden, identities: full", "full"),
        ("identities: hidden", "hidden"),
    ],
)
def test_no_more_is_recorded_of_people_than_a_config_has_said_of_clients(
    load: Load, written: str, recorded: str
) -> None:
    config = load(f"query_log: {{{written}}}\nunlisted: {{enabled: false}}\n")
    assert worker_settings(config, workers=1, system_servers=[]).telemetry.identities == recorded
    assert control_settings(config).identities == recorded


def test_system_without_nameservers_leaves_no_upstream() -> None:
    assert worker_settings(load_config(None), workers=2, system_servers=[]).upstream_servers == ()


def test_nameservers_are_read_in_order_once_each(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(
        b"# nameserver 192.0.2.9\n; nameserver 192.0.2.8\nsearch example.com\n"
        b"nameserver 192.0.2.1\n  nameserver\t2001:db8::1  # office\nnameserver 192.0.2.1\n"
        b"nameserver fe80::1%eth0\nnameserver fe80::1\nnameserver 0.0.0.0\nnameserver\n"
        b"nameserver dns.example\nnameserver 192.0.2.1:5353\nnameserver tcp://192.0.2.4\noptions rotate\n\xff\n"
    )
    assert system_servers(path) == [
        UpstreamServer("udp", "192.0.2.1"),
        UpstreamServer("udp", "2001:db8::1"),
        UpstreamServer("udp", "fe80::1%eth0"),
    ]


def test_at_most_eight_nameservers_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("".join(f"nameserver 192.0.2.{number}\n" for number in range(1, 20)))
    assert [server.host for server in system_servers(path)] == [f"192.0.2.{number}" for number in range(1, 9)]


def test_without_a_resolv_conf_there_are_no_nameservers(tmp_path: Path) -> None:
    assert system_servers(tmp_path / "gone") == []
    assert system_servers(tmp_path) == []


def test_upstreams_with_names_are_looked_up_at_the_plain_ones_or_at_those_that_are_named_for_it(load: Load) -> None:
    def bootstrap(upstream: str) -> list[str]:
        settings = worker_settings(load(f"upstream: {upstream}"), workers=1, system_servers=[NINE])
        return [server.name for server in settings.upstream.bootstrap]

    assert bootstrap("{servers: ['https://dns.example/q']}") == ["udp://9.9.9.9:53"]
    assert bootstrap("{servers: ['tls://dns.example', 'tls://192.0.2.1', tcp://192.0.2.2]}") == ["tcp://192.0.2.2:53"]
    assert bootstrap("{servers: ['tls://dns.example'], bootstrap: ['tls://192.0.2.3#a.example', system]}") == [
        "tls://192.0.2.3:853#a.example",
        "udp://9.9.9.9:53",
    ]
    assert bootstrap("{servers: [192.0.2.2], zones: {corp.example: ['tls://dns.corp.example']}}") == [
        "udp://192.0.2.2:53"
    ]
    assert bootstrap("{servers: [192.0.2.2, 'tls://192.0.2.1#dns.example']}") == []


@pytest.mark.parametrize("system", [[], [NINE], [NINE, UpstreamServer("udp", "192.0.2.2")]], ids=len)
@pytest.mark.parametrize(
    "upstream",
    [
        "{}",
        "{servers: [system, 192.0.2.2, 9.9.9.9]}",
        "{servers: ['tls://dns.example', system]}",
        "{servers: ['tls://dns.example']}",
        "{servers: ['tls://dns.example', 192.0.2.3], bootstrap: [system]}",
        "{servers: ['tls://dns.example'], bootstrap: [192.0.2.4, system]}",
        "{servers: [192.0.2.3], zones: {corp.example: [system, 192.0.2.3], a.example: [192.0.2.5]}}",
    ],
)
def test_the_systems_nameservers_can_be_put_in_their_places_later(
    load: Load, upstream: str, system: list[UpstreamServer]
) -> None:
    config = load(f"upstream: {upstream}")
    places = SystemPlaces.of(settings := worker_settings(config, workers=1, system_servers=[PLACE]))
    assert places is not None
    assert read_as(SystemPlaces, json.loads(write_json(places))) == places
    for named in (UpstreamServer("udp", "192.0.2.77"),), tuple(system):  # they may change time and again
        settings = places.filled(settings, named)
        assert settings == worker_settings(config, workers=1, system_servers=named)


def test_without_system_there_are_no_places_for_its_nameservers(load: Load) -> None:
    config = load("upstream: {servers: [192.0.2.2, 'tls://dns.example']}")
    assert SystemPlaces.of(worker_settings(config, workers=1, system_servers=[PLACE])) is None


def test_trusted_proxies_are_networks_with_what_each_is_believed_by(load: Load) -> None:
    config = load(
        """\
clients:
  trusted_proxies:
    - 192.0.2.1
    - {network: loopback, sources: [Client-Subnet, client-subnet, proxy]}
    - {network: 192.0.2.0/24, sources: []}
    - {network: "2001:db8::1"}
"""
    )
    settings = worker_settings(config, workers=1, system_servers=[])
    assert settings.trusted_proxies == (
        TrustedProxy("192.0.2.1/32", ("proxy", "x-forwarded-for")),
        TrustedProxy("127.0.0.0/8", ("client-subnet", "proxy")),
        TrustedProxy("::1/128", ("client-subnet", "proxy")),
        TrustedProxy("192.0.2.0/24", ()),
        TrustedProxy("2001:db8::1/128", ("proxy", "x-forwarded-for")),
    )
    assert read_as(WorkerSettings, json.loads(write_json(settings))) == settings
    (note,) = client_notes(config)
    assert note.startswith("clients.trusted_proxies: of 192.0.2.1/32, 2001:db8::1/128 it is not said")
    assert '{network: "192.0.2.1/32", sources: [proxy]}' in note


def test_where_each_proxy_has_its_sources_there_is_nothing_to_note(load: Load) -> None:
    assert not list(client_notes(load("clients: {trusted_proxies: [{network: 192.0.2.1, sources: [proxy]}]}")))
    assert not list(client_notes(load_config(None)))


def test_names_of_machines_that_no_proxy_gives_are_noted(load: Load) -> None:
    groups = "policy: {groups: [{name: a, client_names: ['mac:02:00:5e:00:53:01', kiosk]}]}"
    (note,) = client_notes(load(groups))
    assert note == (
        "client_names: nobody says that a query is from mac:02:00:5e:00:53:01: give a proxy of clients.trusted_proxies "
        "the source mac"
    )
    proxies = "clients: {trusted_proxies: [{network: 192.0.2.1, sources: [mac]}]}"
    assert not list(client_notes(load(f"{proxies}\n{groups}")))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{network: 192.0.2.1, sources: [prox]}", "[0].sources[0]: should be 'proxy', 'proxy-within-tls', "
         "'x-forwarded-for', 'client-subnet' or 'mac', is 'prox': did you mean 'proxy'?"),
        ("{network: 192.0.2.1, source: [proxy]}", "[0].source: is not a known key: did you mean 'sources'?"),
        ("{sources: [proxy]}", "[0].network: is missing: add it"),
        ("{network: 192.0.2, sources: [proxy]}", "[0].network: '192.0.2' is not a network"),
        ("192.0.2", "[0]: '192.0.2' is not a network"),
        ("7", "[0]: should be a network, or {network: …, sources: […]}, is 7"),
        ("192.0.2.1, {network: 192.0.2.1/32, sources: []}", "[1]: 192.0.2.1/32 is in entry [0] with other sources"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_proxy_is_told_at_its_place(problems: Problems, entry: str, said: str) -> None:
    (problem,) = problems(f"clients: {{trusted_proxies: [{entry}]}}")
    assert f"clients.trusted_proxies{said}" in problem


OLDER = [
    ("query_log: {retention_days: 7}", "query_log_days"),
    ("statistics: {minutes_days: 7}", "statistics_minutes_days"),
    ("statistics: {hours_days: 7}", "statistics_hours_days"),
    ("statistics: {days_days: 77}", "statistics_days"),
    ("leases: {history_days: 7}", "lease_history_days"),
    ("audit: {evidence_days: 7}", "evidence_days"),
]


@pytest.mark.parametrize(("older", "key"), OLDER)
def test_an_older_name_of_a_retention_goes_on_to_count(load: Load, problems: Problems, older: str, key: str) -> None:
    days = 77 if "77" in older else 7
    for text in (older, f"{older}\nretention: {{{key}: {days}}}"):
        assert asdict(control_settings(load(text)).retention) == {**asdict(Retention()), key: days}
    (problem,) = problems(f"{older}\nretention: {{{key}: 31}}")
    assert problem.startswith("1: ")
    assert f"is {days}, and retention.{key}, which is its newer name, 31: keep that one" in problem


def test_retention_has_the_same_defaults_wherever_it_stands(load: Load) -> None:
    assert control_settings(load("")).retention == Retention()
    given = "retention: {exemptions_days: 400, change_requests_days: 90, query_log_days: 5}"
    found = control_settings(load(given)).retention
    assert (found.exemptions_days, found.change_requests_days, found.query_log_days) == (400, 90, 5)
