"""Local names on a whole server: the config's and a hosts file's, over a reload, a bad file and a restart."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.rcode
import dns.reversename
import pytest

from tests.conftest import OFFICE
from tests.support.clients import TcpClient, ask, is_blocked, rdata
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until
from tests.support.stub import StubUpstream

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream({"www.far.example": "www.far.example. 300 IN A 198.51.100.7"}) as stub:
        yield stub


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: StubUpstream) -> Iterator[Moatdns]:
    """A server with local names, one of which is of a service that is blocked."""
    folder = tmp_path_factory.mktemp("local")
    _write_hosts(folder, "192.168.7.9 nas.office.example nas")
    config: dict[str, Any] = {
        **OFFICE,
        "workers": 1,
        "upstream": {"servers": [upstream.server]},
        "query_log": {"what": "all"},
        "local_files": ["hosts.office"],
        "local": {
            "printer.office.example": ["192.168.7.7", "fd00::7"],
            "*.lab.office.example": ["10.9.0.1"],
            "far.office.example": ["www.far.example"],
            "chat.office.example": ["claude.ai"],
            "mirror.claude.ai": ["10.9.0.2"],
        },
    }
    with Moatdns(folder, config, with_api=True) as moatdns:
        yield moatdns


def _write_hosts(folder: Path, *lines: str) -> None:
    (folder / "hosts.office").write_text("127.0.0.1 localhost\n" + "".join(f"{line}\n" for line in lines))


def _run(server: Moatdns, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "MOATDNS_URL": f"http://127.0.0.1:{server.admin_port}",
        "MOATDNS_TOKEN": str(server.api.token),
    }
    return subprocess.run(
        [MOATDNS, *words], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, env=environment
    )


def test_local_names_are_answered_over_udp_and_tcp(server: Moatdns, upstream: StubUpstream) -> None:
    with TcpClient(server.port) as connection:
        for _ in range(2):  # once by the pipeline, and once from the answer table
            for name, qtype, expected in (
                ("printer.office.example", "A", ["192.168.7.7"]),
                ("printer.office.example", "AAAA", ["fd00::7"]),
                ("printer.office.example", "TXT", []),
                ("x.lab.office.example", "A", ["10.9.0.1"]),
                ("NAS.office.example", "A", ["192.168.7.9"]),
                ("nas", "A", ["192.168.7.9"]),
                ("mirror.claude.ai", "A", ["10.9.0.2"]),
                (dns.reversename.from_address("192.168.7.9").to_text(), "PTR", ["nas.office.example."]),
                (dns.reversename.from_address("fd00::7").to_text(), "PTR", ["printer.office.example."]),
            ):
                for response in (ask(server.port, name, qtype), connection.ask(name, qtype)):
                    assert (response.rcode(), rdata(response)) == (dns.rcode.NOERROR, expected), name
    assert not [name for name in upstream.asked if "office" in str(name) or "nas" in str(name)]


def test_an_alias_leads_to_what_the_policy_allows(server: Moatdns) -> None:
    assert rdata(ask(server.port, "far.office.example")) == ["www.far.example.", "198.51.100.7"]
    assert is_blocked(ask(server.port, "chat.office.example"))
    assert is_blocked(ask(server.port, "claude.ai"))


def test_local_names_are_explained_listed_and_logged_with_where_they_are_given(server: Moatdns) -> None:
    ask(server.port, "nas.office.example")
    place = f"{server.folder / 'hosts.office'}:2"
    by_api = server.api.get("explain?name=nas.office.example&client=127.0.0.1")
    by_command = json.loads(
        _run(server, "explain", "nas.office.example", "--json", "--config", str(server.config_file)).stdout
    )
    for explanation in (by_api, by_command):
        assert explanation["verdict"] == "allow"
        step = explanation["trace"][-1]
        assert (step["step"], step["outcome"]) == ("local", "answered here")
        assert place in step["detail"]
    assert server.api.get("explain?name=chat.office.example&client=127.0.0.1")["verdict"] == "block"
    listed = json.loads(_run(server, "local", "list", "--json", "--contains", "nas.").stdout)
    assert listed == server.api.get("local?contains=nas.")["items"]
    assert [(item["name"], item["where"], item["reverse_of"]) for item in listed] == [
        ("nas.office.example", place, ["192.168.7.9"])
    ]
    assert f"nas.office.example 192.168.7.9 ({place})" in _run(server, "local", "list").stdout
    logged = wait_until(lambda: server.api.get("queries?name=nas.office.example")["items"], "a row of the log")
    row = logged[0]
    assert (row["verdict"], row["remark"]) == ("allow", f"local name: {place}")


def test_a_name_of_the_api_is_in_force_at_once_and_stays_over_a_restart_until_it_is_removed(server: Moatdns) -> None:
    added = _run(server, "local", "add", "scanner.office.example", "192.168.7.30", "fd00::30")
    assert added.stdout == "scanner.office.example 192.168.7.30 fd00::30 (admin API)\n", added.stderr
    _run(server, "local", "add", "api.claude.ai", "10.9.0.3")
    _run(server, "local", "add", "alias.office.example", "scanner.office.example")
    assert rdata(ask(server.port, "alias.office.example")) == ["scanner.office.example.", "192.168.7.30"]
    assert rdata(ask(server.port, "api.claude.ai")) == ["10.9.0.3"]
    assert is_blocked(ask(server.port, "claude.ai"))
    pointer = dns.reversename.from_address("fd00::30").to_text()
    assert rdata(ask(server.port, pointer, "PTR")) == ["scanner.office.example."]
    explained = _run(server, "explain", "api.claude.ai", "--json", "--config", str(server.config_file)).stdout
    assert json.loads(explained)["trace"][-1]["detail"].startswith("api.claude.ai of the admin API, ")
    assert server.api.get("explain?name=api.claude.ai&client=127.0.0.1")["verdict"] == "allow"
    refused = _run(server, "local", "add", "printer.office.example", "192.168.7.31")
    assert (refused.returncode, "edit the key local there" in refused.stderr) == (1, True)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/metrics", timeout=PATIENCE_SECONDS) as page:
        told = page.read().decode()
    assert 'moatdns_local_names{origin="api"} 3.0' in told
    assert 'moatdns_local_names{origin="file"} 7.0' in told
    server.stop()
    server.start()
    assert rdata(ask(server.port, "api.claude.ai")) == ["10.9.0.3"]
    assert _run(server, "local", "remove", "api.claude.ai").stdout == "api.claude.ai is removed\n"
    assert is_blocked(ask(server.port, "api.claude.ai"))
    assert rdata(ask(server.port, "printer.office.example")) == ["192.168.7.7"]


def test_a_reload_reads_hosts_files_anew_and_a_bad_one_changes_nothing(server: Moatdns) -> None:
    _write_hosts(server.folder, "192.168.7.10 nas.office.example", "192.168.7.11 new.office.example")
    assert server.hang_up()["event"] == "reloaded"
    assert rdata(ask(server.port, "nas.office.example")) == ["192.168.7.10"]
    assert rdata(ask(server.port, "new.office.example")) == ["192.168.7.11"]
    _write_hosts(server.folder, "192.168.7.10 nas.office.example", "nas.office.example 192.168.7.12")
    event = server.hang_up()
    assert event["level"] == "error"
    assert event["problem"] == f"{server.folder / 'hosts.office'}:3: 'nas.office.example' is not an IP address"
    assert rdata(ask(server.port, "nas.office.example")) == ["192.168.7.10"]
    checked = _run(server, "check-config", "--config", str(server.config_file))
    assert checked.returncode == 1
    assert "hosts.office:3: 'nas.office.example' is not an IP address" in checked.stderr


def test_a_restart_with_the_same_config_reads_a_hosts_file_that_has_changed(server: Moatdns) -> None:
    _write_hosts(server.folder, "192.168.7.20 nas.office.example")
    assert server.hang_up()["event"] == "reloaded"
    server.stop()
    _write_hosts(server.folder, "192.168.7.21 nas.office.example")
    server.start()
    assert rdata(ask(server.port, "nas.office.example")) == ["192.168.7.21"]
