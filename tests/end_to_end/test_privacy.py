"""The command that tells what is stored of people: it leaves no file out, and names nobody."""

from __future__ import annotations

import fnmatch
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin_api.privacy.kinds import KINDS, NO_PERSON_FILES
from tests.support.clients import dig
from tests.support.log_collector import Collector
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, free_port, wait_until
from tests.support.stub import StubUpstream

HELD, LEASED = "held.person@corp.example", "leased.person@corp.example"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    """A server that has whatever makes files: a lease, a log, a sink, an erasure, evidence, a legal hold."""
    with Collector(tmp_path_factory.mktemp("collector"), free_port()) as collector, StubUpstream() as stub:
        config = {
            "upstream": {"servers": [stub.server]},
            "people": {"legal_holds": [HELD]},
            "log_sinks": [{"to": collector.url}],
            "policy": {"groups": [{"name": "kiosks", "client_names": [f"proved:{LEASED}"], "exempt": True}]},
        }
        with Moatdns(tmp_path_factory.mktemp("privacy"), config, with_api=True) as running:
            api = running.api
            lease = {"identity": LEASED, "ttl_seconds": 600}
            assert api.call("PUT", "leases/127.0.0.1", lease).status in (200, 201)
            dig(running.port, "claude.ai")
            wait_until(lambda: bool(api.get("queries")["items"]), "the query log")
            api.get("reports/evidence")
            api.post("queries:erase", {"client": "192.0.2.9", "reason": "a test"}, status=200)
            wait_until(lambda: any(running.state_dir.glob("log-sinks/*")), "the sink's marks")
            yield running


def privacy(server: Moatdns, *options: str) -> subprocess.CompletedProcess[str]:
    token = server.state_dir / "admin.token"
    url = ("--url", f"http://127.0.0.1:{server.admin_port}", "--token-file", str(token))
    return subprocess.run([MOATDNS, "privacy", *url, *options], capture_output=True, text=True, check=False)


def test_each_file_of_the_state_directory_is_told_or_holds_nobody(server: Moatdns) -> None:
    known = [*NO_PERSON_FILES, *(pattern for kind in KINDS for pattern in kind.files)]
    folder = server.state_dir
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [name for name in files if not any(fnmatch.fnmatch(name, pattern) for pattern in known)] == []


def test_a_file_that_is_said_to_hold_nobody_names_nobody(server: Moatdns) -> None:
    named = []
    for path in server.state_dir.rglob("*"):
        name = path.relative_to(server.state_dir).as_posix()
        if path.is_file() and any(fnmatch.fnmatch(name, pattern) for pattern in NO_PERSON_FILES):
            octets = path.read_bytes().lower()
            named += [name for person in (HELD, LEASED) if person.encode() in octets]
    assert {name for name in named if not name.startswith("moatdns.sqlite")} == set()
    assert named, "the store, whose tables are told one by one, does"


def test_the_command_tells_it_in_words_and_as_json_and_names_nobody(server: Moatdns) -> None:
    words, plain = privacy(server), privacy(server, "--json")
    assert (words.returncode, plain.returncode) == (0, 0), words.stderr + plain.stderr
    told = json.loads(plain.stdout)
    for kind in told["kinds"]:
        assert f"\n{kind['name']}: " in words.stdout
        assert kind["holds"] in words.stdout
    kinds = {kind["name"]: kind for kind in told["kinds"]}
    assert kinds["leases"]["entries"] == 1
    assert kinds["query log"]["octets"] > 0
    assert kinds["journal of erasures"]["octets"] > 0
    assert [one["name"] for one in told["receivers"]] == ["log_sinks", "upstream"]
    for text in (words.stdout, plain.stdout):
        assert not [name for name in (HELD, LEASED, "127.0.0.1 ", "claude.ai") if name in text]


def test_without_a_token_or_with_a_wrong_option_the_status_says_so(server: Moatdns, tmp_path: Path) -> None:
    assert privacy(server, "--nonsense").returncode == 2
    (tmp_path / "token").write_text("moat_00000000_" + "x" * 43)
    url = f"http://127.0.0.1:{server.admin_port}"
    refused = subprocess.run(
        [MOATDNS, "privacy", "--url", url, "--token-file", str(tmp_path / "token")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "401" in refused.stderr or "token" in refused.stderr
