"""Every key: its default, its normal form, and what is said when it is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from resolver.config.load import load_config
from resolver.config.settings import Limits

from .conftest import Load, Problems


def test_the_defaults_are_those_of_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(None)
    assert config.source is None
    assert config.model_dump(mode="json", by_alias=True) == {
        "listen": {"do53": ["127.0.0.1:5300", "[::1]:5300"], "dot": [], "doh": []},
        "tls": {
            "certificate": None,
            "private_key": None,
            "server_name": None,
            "workers": 1,
            "clients": {"ca": None, "crl": None, "required": False},
        },
        "workers": "auto",
        "state_dir": str(tmp_path / "state"),
        "user": None,
        "server": {"identity": None, "version": None},
        "clients": {
            "allow": ["loopback", "private"],
            "trusted_proxies": [],
            "queries_per_second": 1000,
            "ipv6_prefix": 64,
            "ipv6_prefix_factor": 20,
            "host_names": {"hosts": [], "dhcp_leases": [], "ptr": False, "most": 50_000, "max_mib": 16},
        },
        "rate_limits": {"action": "refuse", "exempt": [], "responses_per_second": 0, "slip": 2},
        "cookies": {"enabled": True, "secret": None},
        "upstream": {
            "servers": ["system"],
            "strategy": "fastest",
            "bootstrap": [],
            "ca_file": None,
            "cookies": True,
            "random_case": False,
            "timeout_seconds": 2.0,
            "rebinding_guard": True,
            "private_names": [],
            "zones": {},
        },
        "local": {},
        "local_files": [],
        "local_ttl_seconds": 300,
        "cache": {
            "max_mib": 64,
            "min_ttl_seconds": 0,
            "max_ttl_seconds": 86400,
            "max_negative_ttl_seconds": 3600,
            "stale_seconds": 86400,
            "prefetch": True,
            "nxdomain_cut": True,
        },
        "limits": dataclasses.asdict(Limits()),
        "admin": {
            "listen": "127.0.0.1:8053",
            "allowed_hosts": [],
            "url": None,
            "login_links": True,
            "metrics": True,
            "plans_at_once": 2,
            "most_local_names": 5_000,
            "plan_seconds": 45,
            "insecure": False,
            "tls": {"certificate": None, "private_key": None},
        },
        "store": {"url": None},
        "statistics": {
            "enabled": True,
            "minutes_days": None,
            "hours_days": None,
            "days_days": None,
            "most_identity_keys": 10_000,
        },
        "query_log": {
            "enabled": True,
            "what": "hits",
            "retention_days": None,
            "max_mib": 512,
            "most_erasures": 100_000,
            "clients": "full",
            "identities": None,
            "pseudonym_days": 7,
            "pseudonyms_found_by": "nobody",
        },
        "subscriptions": {"max_mib": 64, "timeout_seconds": 120},
        "retention": {
            "query_log_days": 30,
            "statistics_minutes_days": 2,
            "statistics_hours_days": 92,
            "statistics_days": 1830,
            "lease_history_days": 90,
            "exemptions_days": None,
            "change_requests_days": None,
            "evidence_days": 800,
            "audit_days": None,
        },
        "leases": {"most": 100_000, "longest_seconds": 604_800, "history_days": None},
        "people": {"legal_holds": []},
        "audit": {"syslog": None, "signing_key": None, "evidence_days": None, "look_seconds": 3600},
        "webhooks": [],
        "log_sinks": [],
        "mail": {
            "server": None,
            "from": None,
            "to": [],
            "user": None,
            "password": None,
            "starttls": None,
            "ca_file": None,
            "domains": [],
            "most_per_hour": 30,
            "weekly": True,
        },
        "login": {
            "oidc": {
                "issuer": None,
                "client_id": None,
                "client_secret": None,
                "ca_file": None,
                "session_seconds": None,
                "audience": None,
                "name_claim": "name",
                "roles_claim": "groups",
                "roles": {"admin": [], "operator": [], "investigator": [], "viewer": []},
            }
        },
        "block_page": {
            "listen": [],
            "names": [],
            "contact": None,
            "request_form": True,
            "most_pending": 1000,
            "most_pending_per_client": 3,
            "requests_per_minute": 30,
            "pages_per_second": 100,
            "pages_per_second_per_client": 20,
            "connections": 500,
            "connections_per_client": 20,
        },
        "unlisted": {"enabled": False, "clients": 3, "least_score": 20, "most_names": 20_000, "most_kept": 2_000},
        "policy": {
            "own_vendors": [],
            "response": {"mode": "zero-ip", "ttl_seconds": 10, "ipv4": None, "ipv6": None},
            "catalogue": {
                "mode": "auto",
                "feed": None,
                "keys": [],
                "refresh_seconds": 21_600,
                "max_mib": 8,
                "allow_private": False,
            },
            "approval": "none",
            "look_approval": "none",
            "longest_exemption_seconds": 366 * 86_400,
            "longest_pause_seconds": 86_400,
            "longest_emergency_pause_seconds": 3600,
            "most_change_requests": 200,
            "change_request_seconds": 7 * 86_400,
            "lists": [],
            "groups": [
                {
                    "name": "default",
                    "description": "",
                    "networks": [],
                    "client_names": [],
                    "exempt": False,
                    "mode": "enforce",
                    "block": ["ai", "bypass", "lists"],
                    "monitor": [],
                    "monitor_until": None,
                    "allow": [],
                    "response": None,
                    "schedule": None,
                }
            ],
        },
    }


def test_a_relative_state_dir_begins_at_the_folder_of_the_file(load: Load, tmp_path: Path) -> None:
    config = load("state_dir: ./var/state\n")
    assert config.state_dir == tmp_path / "var" / "state"
    assert config.source == tmp_path / "moatdns.yaml"
    assert load("state_dir: /var/lib/moatdns\n").state_dir == Path("/var/lib/moatdns")


def test_encrypted_upstreams_have_one_normal_form(load: Load) -> None:
    written = {
        "tls://192.0.2.1#DNS.Example.": "tls://192.0.2.1:853#dns.example",
        "tls://192.0.2.1:8853": "tls://192.0.2.1:8853",
        "tls://[2001:db8::1]#dns.example": "tls://[2001:db8::1]:853#dns.example",
        "TLS://Dns.Example": "tls://dns.example:853",
        "https://dns.example": "https://dns.example:443/dns-query",
        "https://dns.example:8443/{?dns}": "https://dns.example:8443/",
        "https://192.0.2.1/a/b?c=d#dns.example": "https://192.0.2.1:443/a/b?c=d#dns.example",
        "https://[2001:db8::1]/dns-query{?dns}": "https://[2001:db8::1]:443/dns-query",
    }
    config = load(f"upstream: {{servers: {list(written)}}}")
    assert config.upstream.servers == tuple(written.values())
    again = load(f"upstream: {{servers: {list(written.values())}}}")
    assert again.upstream.servers == config.upstream.servers


def test_the_source_is_the_path_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").touch()
    config = load_config(Path("a.yaml"))
    assert config.source == Path("a.yaml")
    assert config.state_dir == tmp_path / "state"


def test_values_are_kept_in_their_one_normal_form(load: Load) -> None:
    config = load("""
listen: {do53: ["0.0.0.0:53", "[::]:53", "[2001:DB8:0::1]:53"]}
clients: {allow: [loopback, 10.1.2.3, "::ffff:10.0.0.0/104", "2001:DB8::/32", loopback]}
upstream: {servers: [system, 9.9.9.9, "9.9.9.9:5353", TCP://9.9.9.9, "udp://[2001:db8::1]:54", "2001:db8::2"]}
""")
    assert config.listen.do53 == ("0.0.0.0:53", "[::]:53", "[2001:db8::1]:53")
    assert config.clients.allow == ("loopback", "10.1.2.3/32", "10.0.0.0/8", "2001:db8::/32")
    assert config.upstream.servers == (
        "system",
        "udp://9.9.9.9:53",
        "udp://9.9.9.9:5353",
        "tcp://9.9.9.9:53",
        "udp://[2001:db8::1]:54",
        "udp://[2001:db8::2]:53",
    )


SERVERS = (
    "write 'system', 'udp://IP', 'udp://IP:PORT', 'tcp://IP' or 'tcp://IP:PORT', 'tls://IP#NAME', 'tls://NAME' or "
    "'https://NAME/dns-query', IPv6 in brackets"
)
SECRET = (
    "should contain 32 hex digits, and on an optional second line those of the previous secret; "
    "make one with 'openssl rand -hex 16'"
)
TOLD = "should be text of 1 to 255 octets"
ENDPOINT = (
    "is not an address with a port: write it as in '127.0.0.1:53' or '[::1]:53'; "
    "all addresses are '0.0.0.0:53' and '[::]:53'"
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # keys
        (
            "tls: {clients: {required: true}}",
            "tls.clients.required: has no effect without tls.clients.ca: name the CAs that sign clients' certificates",
        ),
        (
            "tls: {clients: {crl: a.crl}}",
            "tls.clients.crl: has no effect without tls.clients.ca: name the CAs that sign clients' certificates",
        ),
        ("wrokers: 2", "wrokers: is not a known key: did you mean 'workers'?"),
        ("cache: {max_mb: 2}", "cache.max_mb: is not a known key: did you mean 'max_mib'?"),
        ("listen: {zzz: 2}", "listen.zzz: is not a known key: known keys are do53, dot, doh"),
        (
            "12: 3",
            "12: is not a known key: known keys are listen, tls, workers, state_dir, user, server, clients, "
            "rate_limits, cookies, upstream, local, local_files, local_ttl_seconds, cache, limits, admin, store, "
            "statistics, query_log, subscriptions, retention, leases, people, audit, webhooks, log_sinks, mail, "
            "login, block_page, unlisted, policy",
        ),
        (
            '"a\\nb": 3',
            "'a\\nb': is not a known key: known keys are listen, tls, workers, state_dir, user, server, clients, "
            "rate_limits, cookies, upstream, local, local_files, local_ttl_seconds, cache, limits, admin, store, "
            "statistics, query_log, subscriptions, retention, leases, people, audit, webhooks, log_sinks, mail, "
            "login, block_page, unlisted, policy",
        ),
        # shapes
        ("limits: [1]", "limits: should be a section with keys below it, is a list"),
        ("limits: five", "limits: should be a section with keys below it, is 'five'"),
        ("policy: {groups: {a: 1}}", "policy.groups: should be a list, as in [one, two], is a section of keys"),
        ("listen: {do53: '127.0.0.1:53'}", "listen.do53: should be a list, as in [one, two], is '127.0.0.1:53'"),
        ("listen: {do53: }", "listen.do53: should be a list, as in [one, two], is empty"),
        ("listen: {do53: []}", "listen.do53: should have at least 1 entry, has none"),
        ("upstream: {servers: []}", "upstream.servers: should have at least 1 entry, has none"),
        (
            "block_page: {listen: ['127.0.0.1:8053']}",
            "block_page.listen[0]: 127.0.0.1:8053 clashes with admin.listen, 127.0.0.1:8053: give each a port or an "
            "address of its own",
        ),
        (
            "block_page: {listen: ['10.0.0.53:80', '0.0.0.0:5300']}",
            "block_page.listen[1]: 0.0.0.0:5300 clashes with listen.do53, 127.0.0.1:5300: give each a port or an "
            "address of its own",
        ),
        (
            "{query_log: {clients: hidden}, unlisted: {enabled: true}}",
            "unlisted.clients: names are shown from so many clients on, and query_log.clients: hidden says that none "
            "is counted: set 1, which shows every name, or query_log.clients: network",
        ),
        ("block_page: {most_pending: 0}", "block_page.most_pending: should be at least 1, is 0"),
        (
            'block_page: {contact: "two\\nlines"}',
            "block_page.contact: should be one line of 1 to 300 characters, is 'two\\nlines'; null shows none",
        ),
        (
            "webhooks: [{url: 'https://a.example/', secret: s}, {url: 'https://a.example/', secret: t}]",
            "webhooks[1].url: is the URL of webhook [0] as well: keep one, with the events of both",
        ),
        ("mail: {frm: x}", "mail.frm: is not a known key: did you mean 'from'?"),
        (
            "mail: {server: 'smtp://u:p@mail.corp.example'}",
            "mail.server: holds a user or a password: put them into mail.user and mail.password",
        ),
        (
            "mail: {from: 'Ana <ana@corp.example>'}",
            "mail.from: 'Ana <ana@corp.example>' is not a mail address: write it as in 'dns@corp.example', without a "
            "name",
        ),
        (
            "mail: {server: 'smtp://mail.corp.example', to: [a@corp.example]}",
            "mail.from: is missing: mails come from an address, as in 'moatdns@corp.example'",
        ),
        (
            "mail: {server: 'smtp://mail.corp.example', from: a@corp.example}",
            "mail.to: is empty: name those who are to be told",
        ),
        (
            "mail: {server: 'smtp://10.0.0.1', starttls: false, from: a@b.example, to: [a@b.example], user: a, "
            "password: 'file:/x'}",
            "mail.password: would be sent unencrypted: set starttls: true, or use 'smtps://'",
        ),
        (
            "mail: {server: 'smtps://mail.corp.example', starttls: no, from: a@b.example, to: [a@b.example]}",
            "mail.starttls: is for 'smtp://': 'smtps://' is always encrypted",
        ),
        (
            "admin: {url: 'https://dns.corp.example/?a=b'}",
            "admin.url: 'https://dns.corp.example/?a=b' holds a query: write it as in 'https://dns.corp.example'",
        ),
        ("listen: {do53: [53]}", 'listen.do53[0]: should be text, is 53: put it in quotes, as in "53"'),
        ("listen: {do53: [[x]]}", "listen.do53[0]: should be text, is a list"),
        # numbers and switches
        ("workers: 0", "workers: should be 'auto' or a whole number from 1 to 256, is 0"),
        ("workers: true", "workers: should be 'auto' or a whole number from 1 to 256, is true"),
        ("workers: 2.5", "workers: should be 'auto' or a whole number from 1 to 256, is 2.5"),
        ("workers: [2]", "workers: should be 'auto' or a whole number from 1 to 256, is a list"),
        ("workers: Auto", "workers: should be 'auto' or a whole number from 1 to 256, is 'Auto'"),
        ("cache: {max_mib: two}", "cache.max_mib: should be a whole number, is 'two'"),
        ("cache: {max_mib: 1.5}", "cache.max_mib: should be a whole number, is 1.5"),
        ("cache: {max_mib: yes}", "cache.max_mib: should be a whole number, is 'yes'"),
        ("cache: {max_mib: true}", "cache.max_mib: should be a number, is true"),
        ("cache: {max_mib: }", "cache.max_mib: should be a whole number, is empty"),
        ("cache: {max_mib: 0}", "cache.max_mib: should be at least 1, is 0"),
        ("cache: {max_mib: .inf}", "cache.max_mib: should be a finite number, is inf"),
        ("cache: {stale_seconds: 604801}", "cache.stale_seconds: should be at most 604800, is 604801"),
        ("cache: {prefetch: 3}", "cache.prefetch: should be true or false, is 3"),
        ("cache: {prefetch: }", "cache.prefetch: should be true or false, is empty"),
        ("cache: {nxdomain_cut: sometimes}", "cache.nxdomain_cut: should be true, false or 'always', is 'sometimes'"),
        (
            "cache: {min_ttl_seconds: 20, max_ttl_seconds: 10}",
            "cache.min_ttl_seconds: is 20, above max_ttl_seconds, 10: lower it or raise the other",
        ),
        ("limits: {tcp_connections: 0}", "limits.tcp_connections: should be above 0, is 0"),
        ("limits: {tcp_idle_seconds: .nan}", "limits.tcp_idle_seconds: should be a finite number, is nan"),
        ("upstream: {timeout_seconds: 0.05}", "upstream.timeout_seconds: should be at least 0.1, is 0.05"),
        ("upstream: {timeout_seconds: 11}", "upstream.timeout_seconds: should be at most 10, is 11"),
        ("upstream: {timeout_seconds: 2s}", "upstream.timeout_seconds: should be a number, is '2s'"),
        ("state_dir: ''", "state_dir: '' is not a path"),
        ("state_dir: 5", "state_dir: should be a path, is 5"),
        # what clients get
        ("clients: {queries_per_second: -1}", "clients.queries_per_second: should be at least 0, is -1"),
        ("rate_limits: {action: drop}", "rate_limits.action: should be 'refuse' or 'truncate', is 'drop'"),
        ("rate_limits: {slip: 101}", "rate_limits.slip: should be at most 100, is 101"),
        (
            "rate_limits: {exempt: [privat]}",
            "rate_limits.exempt[0]: 'privat' is neither a network nor a named set: did you mean 'private'?",
        ),
        ("cookies: {secret: abc123}", f"cookies.secret: {SECRET}"),
        (f"cookies: {{secret: {'g' * 32}}}", f"cookies.secret: {SECRET}"),
        ("cookies: {secret: 'file:/nowhere'}", "cookies.secret: '/nowhere' cannot be read: No such file or directory"),
        ("cookies: {secret: 'file:/dev/null'}", f"cookies.secret: '/dev/null' {SECRET}"),
        (f"server: {{identity: {'x' * 256}}}", f"server.identity: {TOLD}, has 256; null returns nothing"),
        ("server: {version: ''}", f"server.version: {TOLD}, has 0; null returns nothing"),
        # addresses
        ("listen: {do53: [localhost:53]}", "listen.do53[0]: 'localhost:53': 'localhost' is not an IP address"),
        ("listen: {do53: [127.0.0.1]}", f"listen.do53[0]: '127.0.0.1' {ENDPOINT}"),
        ("listen: {do53: ['::1:53']}", f"listen.do53[0]: '::1:53' {ENDPOINT}"),
        (
            "listen: {do53: ['[127.0.0.1]:53']}",
            "listen.do53[0]: '[127.0.0.1]:53': put IPv6 addresses, and only those, in brackets",
        ),
        ("listen: {do53: ['127.0.0.1:0']}", "listen.do53[0]: '127.0.0.1:0' has no such port: 1 to 65535"),
        ("listen: {do53: ['[::1]:65536']}", "listen.do53[0]: '[::1]:65536' has no such port: 1 to 65535"),
        (
            "listen: {do53: ['127.0.0.1:53', '[::1]:53', '[0::1]:53']}",
            "listen.do53[2]: '[0::1]:53' is the same as entry [1]: keep one",
        ),
        (
            "clients: {allow: [privat]}",
            "clients.allow[0]: 'privat' is neither a network nor a named set: did you mean 'private'?",
        ),
        (
            "clients: {allow: [all]}",
            "clients.allow[0]: 'all' is not a network: to answer everyone write '0.0.0.0/0' and '::/0'",
        ),
        (
            "clients: {allow: [intranet.example]}",
            "clients.allow[0]: 'intranet.example' is not a network: write it as in '10.20.0.0/16', "
            "'2001:db8:20::/48' or '10.20.0.7'",
        ),
        (
            "clients: {allow: [10.20.0.1/16]}",
            "clients.allow[0]: '10.20.0.1/16' has bits set behind its prefix: did you mean '10.20.0.0/16', or only "
            "'10.20.0.1'?",
        ),
        (
            "clients: {allow: [10.0.0.0/255.0.0.0]}",
            "clients.allow[0]: '10.0.0.0/255.0.0.0' is not a network: after '/' write the prefix length, 0 to 32",
        ),
        (
            "clients: {allow: ['fe80::1%eth0']}",
            "clients.allow[0]: 'fe80::1%eth0': remove the interface after '%'; a network has none",
        ),
        (
            "upstream: {servers: [quic://9.9.9.9]}",
            f"upstream.servers[0]: 'quic://9.9.9.9' has the scheme 'quic': {SERVERS}",
        ),
        (
            "upstream: {servers: [dns.example]}",
            f"upstream.servers[0]: 'dns.example': 'dns.example' is not an IP address; {SERVERS}",
        ),
        (
            "upstream: {servers: ['udp://2001:db8::1']}",
            f"upstream.servers[0]: 'udp://2001:db8::1' is not an upstream: {SERVERS}",
        ),
        (
            "upstream: {servers: ['9.9.9.9/24']}",
            f"upstream.servers[0]: '9.9.9.9/24': '9.9.9.9/24' is not an IP address; {SERVERS}",
        ),
        (
            "upstream: {servers: ['tls://dns.example#other.example']}",
            "upstream.servers[0]: 'tls://dns.example#other.example': '#NAME' follows an address; here the "
            "name is given already",
        ),
        (
            "upstream: {servers: ['tls://192.0.2.300']}",
            "upstream.servers[0]: 'tls://192.0.2.300': '192.0.2.300' is neither an IP address nor a host name; "
            f"{SERVERS}",
        ),
        (
            "upstream: {servers: ['https://dns.example/a b']}",
            "upstream.servers[0]: 'https://dns.example/a b': a path has printable ASCII without spaces, such as "
            "'/dns-query'",
        ),
        (
            "upstream: {servers: ['https://user@dns.example/']}",
            "upstream.servers[0]: 'https://user@dns.example/': 'user@dns.example' is not a domain name: a label "
            "is letters, digits, '-' and '_'",
        ),
        (
            "upstream: {servers: ['https://dns.example:0/']}",
            "upstream.servers[0]: 'https://dns.example:0/' has no such port: 1 to 65535",
        ),
        (
            "upstream: {servers: ['tls://192.0.2.1#']}",
            f"upstream.servers[0]: 'tls://192.0.2.1#': '' is neither an IP address nor a host name; {SERVERS}",
        ),
        (
            "upstream: {bootstrap: ['tls://dns.example']}",
            "upstream.bootstrap[0]: 'tls://dns.example': a bootstrap server must be an address, as in "
            "'udp://192.0.2.1'",
        ),
        (
            "upstream: {strategy: quickest}",
            "upstream.strategy: should be 'fastest', 'ordered', 'parallel' or 'random', is 'quickest'",
        ),
        ("upstream: {servers: [0.0.0.0]}", "upstream.servers[0]: '0.0.0.0' is not the address of one server"),
        (
            "upstream: {servers: ['fe80::1']}",
            "upstream.servers[0]: 'fe80::1' is link-local: name its interface, as in '[fe80::1%eth0]'",
        ),
        (
            "upstream: {servers: [9.9.9.9, 'udp://9.9.9.9:53']}",
            "upstream.servers[1]: 'udp://9.9.9.9:53' is the same as entry [0]: keep one",
        ),
        (
            "audit: {signing_key: RWRTY0IyAAAA}",
            "audit.signing_key: should be 'file:PATH': the key itself does not belong into the config",
        ),
    ],
)
def test_a_wrong_value_is_told_plainly_at_its_place(problems: Problems, text: str, problem: str) -> None:
    assert problems(f"# one line above\n{text}\n") == [f"2: {problem}"]


def test_the_line_is_that_of_the_entry_in_a_long_list(problems: Problems) -> None:
    assert problems("clients:\n  allow:\n    - loopback\n\n    - 10.0.0.1/8\n") == [
        "5: clients.allow[1]: '10.0.0.1/8' has bits set behind its prefix: "
        "did you mean '10.0.0.0/8', or only '10.0.0.1'?"
    ]


def test_a_long_value_is_shortened(problems: Problems) -> None:
    (problem,) = problems(f"workers: {'9' * 100_000}\n")
    assert len(problem) < 200


def test_an_unknown_key_suggests_the_nearest_known_one(problems: Problems) -> None:
    assert problems("policy:\n  groups:\n  - name: a\n    netwroks: []\n    response:\n      ttl: 5\n") == [
        "4: policy.groups[0].netwroks: is not a known key: did you mean 'networks'?",
        "6: policy.groups[0].response.ttl: is not a known key: known keys are mode, ttl_seconds, ipv4, ipv6",
    ]


def test_a_configuration_does_not_change(load: Load) -> None:
    config = load("workers: 2\n")
    with pytest.raises(ValueError, match="frozen"):
        config.workers = 3
