"""Clients that call themselves by a name over DoT and DoH, and clients that look for DoT and DoH: kdig and curl."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.clients import dig, kdig, query, rdata
from tests.support.encrypted import SERVER_NAME, Certificates, DotClient, curl
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until
from tests.support.unbound import Unbound

REAL, BLOCKED = ["198.51.100.1"], ["0.0.0.0"]
NAME = "alice"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What the server shows."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, world: Unbound, certificates: Certificates) -> Iterator[Moatdns]:
    """A server with DoT and DoH, and an exempt group of one client name."""
    config = {"workers": 1, "upstream": {"servers": [world.server]}, "query_log": {"what": "all"}}
    folder = tmp_path_factory.mktemp("names")
    with Moatdns(folder, config, with_api=True, certificates=certificates) as moatdns:
        moatdns.api.post("groups", {"name": "people", "client_names": ["Alice"], "exempt": True})
        moatdns.api.post("groups", {"name": "strict", "networks": ["127.0.0.200/32"]})
        yield moatdns


def by_dot(office: Moatdns, certificates: Certificates, name: str, *arguments: str) -> list[str]:
    ask = (f"+tls-ca={certificates.authority}", f"+tls-hostname={SERVER_NAME}", f"+tls-sni={name}{SERVER_NAME}")
    return kdig(office.dot_port, *ask, *arguments, "claude.ai").rdata


def by_doh(office: Moatdns, certificates: Certificates, path: str, version: str) -> list[str]:
    fetched = curl(certificates, office.doh_port, path, version, body=query("claude.ai").to_wire())
    assert fetched.status == 200
    return rdata(fetched.message)


def test_the_name_in_the_sni_gives_the_group(office: Moatdns, certificates: Certificates) -> None:
    for _ in range(2):
        assert by_dot(office, certificates, f"{NAME}.") == REAL
        assert by_dot(office, certificates, "ALICE.") == REAL
        assert by_dot(office, certificates, "") == BLOCKED
        assert by_dot(office, certificates, "bob.") == BLOCKED
        assert by_dot(office, certificates, f"x.{NAME}.") == BLOCKED
    assert dig(office.port, "claude.ai").rdata == BLOCKED


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_the_name_in_the_path_gives_the_group(office: Moatdns, certificates: Certificates, version: str) -> None:
    for _ in range(2):
        assert by_doh(office, certificates, f"/dns-query/{NAME}", version) == REAL
        assert by_doh(office, certificates, "/dns-query", version) == BLOCKED
        assert by_doh(office, certificates, "/dns-query/bob", version) == BLOCKED


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("written", ["Alice", "ALICE", "%61lice", "%41%4c%49%63%65", "alice?x=y"])
def test_letter_case_and_percent_signs_make_no_other_name(
    office: Moatdns, certificates: Certificates, version: str, written: str
) -> None:
    assert by_doh(office, certificates, f"/dns-query/{written}", version) == REAL


@pytest.mark.parametrize(
    "path", ["dns-query/", "dns-query%2Falice", "dns-query/alice/", "dns-query/-a", "dns-query/%E2%84%AA"]
)
def test_what_is_no_name_is_no_path_of_ours(office: Moatdns, certificates: Certificates, path: str) -> None:
    assert curl(certificates, office.doh_port, f"/{path}", body=query("claude.ai").to_wire()).status == 404


def test_a_group_s_names_and_those_that_are_explained_ignore_letter_case(office: Moatdns) -> None:
    assert office.api.get("groups/people")["client_names"] == ["alice"]
    assert office.api.get("explain?name=claude.ai&client_name=aLiCe")["group"]["name"] == "people"
    command = [MOATDNS, "explain", "claude.ai", "--config", str(office.config_file), "--client-name", "ALICE", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    assert json.loads(done.stdout)["group"]["name"] == "people"


def test_a_name_goes_before_the_network_and_a_lease_before_the_name(
    office: Moatdns, certificates: Certificates
) -> None:
    address = "127.0.0.200"
    assert by_dot(office, certificates, "", "-b", address) == BLOCKED
    assert by_dot(office, certificates, f"{NAME}.", "-b", address) == REAL
    lease = {"identity": "ana", "group": "strict", "ttl_seconds": 60}
    assert office.api.call("PUT", f"leases/{address}", lease).status == 201
    assert by_dot(office, certificates, f"{NAME}.", "-b", address) == BLOCKED
    assert office.api.call("DELETE", f"leases/{address}?identity=ana").status == 204
    assert by_dot(office, certificates, f"{NAME}.", "-b", address) == REAL


def test_a_change_of_the_names_reaches_a_connection_that_is_open(office: Moatdns, certificates: Certificates) -> None:
    with DotClient(office.dot_port, certificates, client="127.0.0.201", server_name=f"{NAME}.{SERVER_NAME}") as client:
        assert rdata(client.ask(query("claude.ai"))) == REAL
        assert office.api.call("PATCH", "groups/people", {"client_names": ["somebody"]}).status == 200
        assert rdata(client.ask(query("claude.ai"))) == BLOCKED
        assert office.api.call("PATCH", "groups/people", {"client_names": [NAME]}).status == 200
        assert rdata(client.ask(query("claude.ai"))) == REAL


def test_the_query_log_shows_the_address_and_the_group(office: Moatdns, certificates: Certificates) -> None:
    address = "127.0.0.202"
    assert by_dot(office, certificates, f"{NAME}.", "-b", address) == REAL
    asked = f"queries?client={address}&reason=test"
    logged = wait_until(lambda: office.api.get(asked)["items"], "the query in the log")
    assert [(row["client"], row["group"], row["verdict"], row["protocol"]) for row in logged] == [
        (address, "people", "exempt", "dot")
    ]


def test_a_client_finds_dot_and_doh_and_the_certificate_is_for_the_address(
    office: Moatdns, certificates: Certificates
) -> None:
    for name in ("_dns.resolver.arpa", f"_dns.{SERVER_NAME}"):
        dot, doh = kdig(office.port, name, "SVCB").rdata
        assert dot == f"1 {SERVER_NAME}. alpn=dot port={office.dot_port} ipv4hint=127.0.0.1"
        assert doh.startswith(f"2 {SERVER_NAME}. alpn=h2,http/1.1 port={office.doh_port} ipv4hint=127.0.0.1 ")
        assert doh.endswith('="/dns-query{?dns}"')
    verified = (f"+tls-ca={certificates.authority}", "+tls-hostname=127.0.0.1")
    assert kdig(office.dot_port, *verified, "plain.example").rdata == ["198.51.100.30"]
    explained = office.api.get("explain?name=_dns.resolver.arpa&type=SVCB")
    assert (explained["verdict"], explained["trace"][0]["step"]) == ("allow", "local")
