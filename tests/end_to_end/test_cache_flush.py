"""Cached answers are forgotten on demand, in every worker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients import dig
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS
from tests.support.stub import StubUpstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def server(upstream: StubUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    config = {"workers": 2, "upstream": {"servers": [upstream.server]}}
    with Moatdns(tmp_path_factory.mktemp("flush"), config, with_api=True) as one:
        yield one


def asked_upstream(server: Moatdns, upstream: StubUpstream, name: str) -> int:
    """How many of 20 queries, which fall to both workers, are asked of the upstream."""
    before = len(upstream.asked)
    for _ in range(20):
        assert dig(server.port, name).status == "NOERROR"
    return len(upstream.asked) - before


def test_a_name_that_is_flushed_is_asked_for_again_and_no_other(server: Moatdns, upstream: StubUpstream) -> None:
    for name in ("a.flushed.example", "b.flushed.example", "kept.example"):
        asked_upstream(server, upstream, name)
        assert asked_upstream(server, upstream, name) == 0
    reply = server.api.call("POST", "cache:flush", {"name": "A.flushed.example"})
    assert reply.status == 200
    assert reply.body["forgotten"] in (1, 2)  # workers
    assert asked_upstream(server, upstream, "a.flushed.example") == reply.body["forgotten"]
    assert asked_upstream(server, upstream, "b.flushed.example") == 0
    assert server.api.call("POST", "cache:flush", {"name": "flushed.example"}).body["forgotten"] >= 2
    assert asked_upstream(server, upstream, "b.flushed.example") >= 1
    assert asked_upstream(server, upstream, "kept.example") == 0


def test_the_command_flushes_everything_and_the_audit_trail_says_so(server: Moatdns, upstream: StubUpstream) -> None:
    asked_upstream(server, upstream, "all.example")
    token = Path(server.state_dir / "admin.token")
    url = f"http://127.0.0.1:{server.admin_port}"
    done = subprocess.run(
        [MOATDNS, "cache", "flush", "--url", url, "--token-file", str(token), "--json"],
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert json.loads(done.stdout)["forgotten"] >= 1
    assert asked_upstream(server, upstream, "all.example") >= 1
    newest = server.api.call("GET", "audit?limit=1").body["items"][0]
    assert (newest["action"], newest["object"], newest["after"]["name"]) == ("flush", "cache", None)


def test_a_name_that_is_none_is_refused(server: Moatdns) -> None:
    reply = server.api.call("POST", "cache:flush", {"name": "a..b"})
    assert reply.status == 422
    assert reply.body["errors"][0]["pointer"] == "/name"
