"""Answers that were filtered, by the guard against rebinding or by an upstream, are told as that wherever one looks."""

from __future__ import annotations

import http.cookiejar
import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial

import dns.edns
import dns.message
import dns.rcode
import pytest

from tests.support.clients import ask, ede, rdata
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, wait_until
from tests.support.stub import StubUpstream

INTRANET, PRINTER, OPENED = "intranet.corp.example", "printer.corp.example", "web.open.example"
BLOCKED, BOGUS, ZERO, FINE = "casino.example", "bogus.example", "ads.example", "fine.example"
KEPT = "moved.corp.example"


def with_ede(code: int, text: str) -> Callable[[bytes], bytes]:
    def mend(wire: bytes) -> bytes:
        message = dns.message.from_wire(wire)
        message.use_edns(0, options=[dns.edns.EDEOption(code, text)])
        return message.to_wire()

    return mend


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    records = {
        INTRANET: f"{INTRANET}. 300 IN A 10.1.2.3",
        PRINTER: f"{PRINTER}. 300 IN A 192.168.7.7",
        OPENED: f"{OPENED}. 300 IN A 10.9.9.9",
        ZERO: f"{ZERO}. 300 IN A 0.0.0.0",
        KEPT: f"{KEPT}. 300 IN A 10.1.2.4\n{KEPT}. 300 IN A 198.51.100.9",
    }
    with StubUpstream(records) as upstream:
        upstream.mend[BLOCKED] = with_ede(15, "gambling\x1b[2J")
        upstream.rcodes[BOGUS] = dns.rcode.SERVFAIL
        upstream.mend[BOGUS] = with_ede(6, "no valid signature")
        yield upstream


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: StubUpstream) -> Iterator[Moatdns]:
    config = {
        "workers": 1,
        "upstream": {"servers": [upstream.server], "private_names": ["open.example"]},
        "query_log": {"what": "all"},
    }
    with Moatdns(tmp_path_factory.mktemp("filtered"), config, with_api=True) as moatdns:
        yield moatdns


def logged(server: Moatdns, name: str) -> dict[str, object]:
    """The newest row of the query log about a name."""
    items = wait_until(lambda: server.api.get(f"queries?name={name}&limit=1")["items"], f"{name} is logged")
    return dict(items[0])


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        (INTRANET, 17, "private addresses were left out"),
        (KEPT, 17, "private addresses were left out"),
        (BLOCKED, 15, "the upstream says: blocked (gambling\\u{1b}[2J)"),
        (BOGUS, 6, "the upstream says: DNSSEC bogus (no valid signature), and answered SERVFAIL"),
        (ZERO, 17, "the upstream answered 0.0.0.0"),
    ],
)
def test_a_filtered_answer_says_so_to_the_client_and_in_the_log(
    server: Moatdns, name: str, code: int, says: str
) -> None:
    for _ in range(2):  # from the upstream, and from memory
        answer = ask(server.port, name)
        assert [(told, text[: len(says)]) for told, text in ede(answer)] == [(code, says)]
        assert "10.1.2" not in str(rdata(answer))
    row = logged(server, name)
    assert str(row["remark"]).startswith(says)
    assert row["verdict"] == ("failed" if name == BOGUS else "allow")


def test_what_is_as_the_upstream_meant_it_has_no_remark(server: Moatdns) -> None:
    for name in (FINE, OPENED):
        assert rdata(ask(server.port, name))
        assert ede(ask(server.port, name)) == []
        assert logged(server, name)["remark"] is None
    assert rdata(ask(server.port, OPENED)) == ["10.9.9.9"]


def test_explain_tells_of_the_guard_and_of_what_was_seen_lately(server: Moatdns) -> None:
    ask(server.port, INTRANET)
    logged(server, INTRANET)
    steps = {step["step"]: step for step in server.api.get(f"explain?name={INTRANET}")["trace"]}
    assert steps["guard"]["outcome"] == "on"
    assert "upstream.private_names" in steps["guard"]["detail"]
    assert "private addresses were left out" in steps["lately"]["detail"]
    opened = {step["step"]: step["outcome"] for step in server.api.get(f"explain?name={OPENED}")["trace"]}
    assert opened["guard"] == "private name"
    assert "lately" not in opened
    assert "guard" not in str(server.api.get(f"explain?name={INTRANET}&type=MX")["trace"])
    command = [MOATDNS, "explain", PRINTER, "--config", str(server.config_file), "--json"]
    trace = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["trace"]
    assert [step["outcome"] for step in trace if step["step"] == "guard"] == ["on"]


def test_metrics_status_and_the_overview_tell_of_stripped_names(server: Moatdns) -> None:
    for name in (INTRANET, PRINTER, ZERO, BLOCKED):
        ask(server.port, name)
    for what in ("private_addresses", "upstream_zero_address", "upstream_blocked"):
        counted = f'moatdns_upstream_remarks_total{{what="{what}"}}'
        wait_until(partial(lambda text: text in server.api.get("/metrics"), counted), f"{counted} is there")
    wait_until(lambda: {INTRANET, PRINTER} <= set(server.api.get("status")["stripped"]), "the worker tells")
    stripped = server.api.get("status")["stripped"]
    assert ZERO not in stripped  # nothing in the config would open it
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    base = f"http://127.0.0.1:{server.api.port}"
    opener.open(f"{base}/login", urllib.parse.urlencode({"token": server.api.token or ""}).encode())
    page = opener.open(f"{base}/").read().decode()
    assert INTRANET in page
    assert "upstream: {private_names: [corp.example]}" in page
