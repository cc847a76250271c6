"""Host names beside clients on a whole server: of files that change, and by PTR from the zone's servers alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.query
import pytest

from tests.conftest import OFFICE
from tests.support.clients import query
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.stub import StubUpstream

pytestmark = pytest.mark.slow
PRINTER, LAPTOP, CAMERA, STRANGER = "10.1.0.1", "10.1.0.2", "10.1.0.3", "198.51.100.1"
AT_CAMERA = "3.0.1.10.in-addr.arpa"


@pytest.fixture(scope="module")
def public() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def inner() -> Iterator[StubUpstream]:
    with StubUpstream({AT_CAMERA: f"{AT_CAMERA}. 600 IN PTR camera.office.example."}) as stub:
        yield stub


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, public: StubUpstream, inner: StubUpstream) -> Iterator[Moatdns]:
    """A server behind a forwarder that names its clients; the lease file is not there yet."""
    folder = tmp_path_factory.mktemp("host-names")
    (folder / "hosts.office").write_text(f"{PRINTER} printer.office.example printer\nnonsense here\n")
    with Moatdns(folder, config_with(public, inner), with_api=True) as moatdns:
        yield moatdns


def config_with(public: StubUpstream, inner: StubUpstream, **host_names: Any) -> dict[str, Any]:
    """The server's config, with other sources of host names where some are given."""
    return {
        **OFFICE,
        "workers": 1,
        "upstream": {"servers": [public.server], "zones": {"10.0.0.0/8": [inner.server]}},
        "clients": {
            "allow": ["loopback", "private", "198.51.100.0/24"],
            "trusted_proxies": [{"network": "127.0.0.1", "sources": ["client-subnet"]}],
            "host_names": host_names or {"hosts": ["hosts.office"], "dhcp_leases": ["leases"], "ptr": True},
        },
        "query_log": {"what": "all", "identities": "full"},
    }


def ask_as(server: Moatdns, client: str) -> None:
    asked = query("house.example.")
    asked.use_edns(0, payload=1232, options=[dns.edns.ECSOption(client, 32)])
    dns.query.udp(asked, "127.0.0.1", port=server.port, timeout=10)


def logged(server: Moatdns) -> dict[str, str | None]:
    """The host names of the log's rows, by client."""
    return {row["client"]: row["client_host"] for row in server.api.get("/api/v1/queries")["items"]}


def test_rows_have_names_of_files_and_of_the_zone_and_a_lease_takes_their_place(
    server: Moatdns, public: StubUpstream, inner: StubUpstream
) -> None:
    for client in (PRINTER, LAPTOP, CAMERA, STRANGER):
        ask_as(server, client)
    known = {PRINTER: "printer.office.example", LAPTOP: None, CAMERA: "camera.office.example", STRANGER: None}
    wait_until(lambda: logged(server) == known, "names of the hosts file and of the reverse zone are shown")
    (server.folder / "leases").write_text(f"{time.time() + 600:.0f} 02:00:5e:00:53:01 {LAPTOP} anas-laptop *\n")
    known[LAPTOP] = "anas-laptop"
    wait_until(lambda: logged(server) == known, "the lease file has come")
    assert {name for name, _, _ in inner.asked} == {AT_CAMERA, "2.0.1.10.in-addr.arpa"}
    assert not [name for name, _, _ in public.asked if name.endswith("arpa")]
    api = server.api
    tops = {item["key"]: item["client_host"] for item in api.get("/api/v1/stats/top?by=client&reason=a+test")["items"]}
    assert tops == known
    assert api.get(f"/api/v1/explain?name=house.example&client={LAPTOP}")["client_host"] == "anas-laptop"
    lease = {"identity": "ana@corp.example", "ttl_seconds": 600}
    assert api.call("PUT", f"/api/v1/leases/{LAPTOP}", lease).status == 201
    ask_as(server, LAPTOP)
    wait_until(
        lambda: (
            (LAPTOP, "ana@corp.example", None)
            in [
                (row["client"], row["identity"], row["client_host"])
                for row in api.get("/api/v1/queries?identity=ana@corp.example&reason=a+test")["items"]
            ]
        ),
        "a row that says whose it was has no name of now",
    )


def test_bad_lines_are_told_and_counted_and_names_are_counted_by_source(server: Moatdns) -> None:
    told = server.wait_for("host names are missing")
    assert told["file"] in (str(server.folder / "hosts.office"), str(server.folder / "leases"))
    because = {event["because"] for event in server.events_named("host names are missing")}
    assert "1 lines cannot be read, the first being line 2: 'nonsense' is not an IP address" in because
    text = server.api.call("GET", "/metrics").body
    assert 'moatdns_host_names{source="hosts"} 1.0' in text
    assert 'moatdns_dropped_total{what="host_name_lines"} 1.0' in text


def test_settings_of_host_names_are_read_anew(
    server: Moatdns, public: StubUpstream, inner: StubUpstream, tmp_path: Path
) -> None:
    (tmp_path / "hosts").write_text(f"{PRINTER} other.office.example\n")
    server.reload(config_with(public, inner, hosts=[str(tmp_path / "hosts")]))
    wait_until(
        lambda: logged(server).get(PRINTER) == "other.office.example" and logged(server)[CAMERA] is None,
        "the new file counts, and PTR no more",
    )
