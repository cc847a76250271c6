"""A person erased from a running node: no octet of the name is left in its files, totals stay, the trail holds."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import zlib
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from resolver.telemetry.query_blocks import HEADER
from tests.support.clients import UdpClient, query
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until
from tests.support.unbound import Unbound

ANA, WRITTEN_OTHERWISE, BEN = "Ana.Example@corp.example", "ana.example@CORP.example", "ben@corp.example"
ONE, OTHER = "127.0.0.7", "127.0.0.9"

pytestmark = pytest.mark.slow


def command(node: Moatdns, *words: str, status: int = 0) -> str:
    """A command of moatdns that calls the node's API."""
    ended = subprocess.run(
        [MOATDNS, *words, "--url", f"http://127.0.0.1:{node.admin_port}"],
        capture_output=True,
        text=True,
        env={"MOATDNS_TOKEN": str(node.api.token)},
        timeout=4 * PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def command_ends(node: Moatdns, *words: str) -> bool:
    """Whether a command that calls the node's API succeeds by now."""
    return (
        subprocess.run(
            [MOATDNS, *words, "--url", f"http://127.0.0.1:{node.admin_port}"],
            capture_output=True,
            env={"MOATDNS_TOKEN": str(node.api.token)},
            timeout=4 * PATIENCE_SECONDS,
            check=False,
        ).returncode
        == 0
    )


def local(node: Moatdns, *words: str) -> str:
    """A command of moatdns on the node's files, which succeeds."""
    ended = subprocess.run(
        [MOATDNS, *words, "--config", str(node.config_file)],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def lease(node: Moatdns, address: str, identity: str) -> None:
    assert node.api.call("PUT", f"leases/{address}", {"identity": identity, "ttl_seconds": 3600}).status in (200, 201)


def ask(node: Moatdns, address: str, *names: str) -> None:
    for _ in range(4):  # sockets, so that every worker is asked
        with UdpClient(node.port, address) as client:
            for name in names:
                client.exchange(query(name).to_wire())


def exempted(node: Moatdns, identity: str) -> str:
    asked = {"scope": ["openai"], "owner": identity, "reason": f"a trial for {identity}", "duration_seconds": 3600}
    number: str = node.api.post("exemptions", {"subject": {"identity": identity}, **asked})["id"]
    return number


def counted(node: Moatdns) -> dict[str, Any]:
    """All counts, those of people in sum."""
    api = node.api
    tops = {
        by: api.get(f"stats/top?by={by}&reason=a+test")["items"]
        for by in ("service", "vendor", "domain", "group", "client")
    }
    usage = api.get("reports/usage?by=identity,vendor&reason=a+test")["items"]
    sums = {
        vendor: [sum(item[kind] for item in usage if item["vendor"] == vendor) for kind in ("blocked", "exempted")]
        for vendor in ("anthropic", "openai")
    }
    uses = [(item["id"], item["uses"]) for item in api.get("reports/exemptions?reason=a+test")["items"]]
    summary = {name: count for name, count in api.get("stats/summary").items() if name not in ("from", "to")}
    return {"summary": summary, **tops, "people": sums, "uses": sorted(uses)}


def by_person(node: Moatdns) -> dict[str, int]:
    top = node.api.get("stats/top?by=identity&reason=a+test")["items"]
    return {item["key"]: item["blocked"] + item["exempted"] for item in top}


def files_with(state_dir: Path, *texts: str) -> list[str]:
    """Files of a state directory that hold a text in any letter case, as it is or in blocks of the query log."""
    wanted = [text.lower().encode() for text in texts]
    found = []
    for path in sorted(path for path in state_dir.rglob("*") if path.is_file()):
        octets = path.read_bytes() + (inflated(path) if path.parent.name == "query-log" else b"")
        if any(text in octets.lower() for text in wanted):
            found.append(str(path.relative_to(state_dir)))
    return found


def inflated(day: Path) -> bytes:
    """Blocks of a day's file as they are when a search reads them."""
    if day.suffix != ".sqlite":
        return b""
    with closing(sqlite3.connect(f"file:{day}?mode=ro", uri=True)) as connection:
        blocks = [packed for (packed,) in connection.execute("SELECT packed FROM blocks")]
    assert all(len(packed) > HEADER.size for packed in blocks)
    return b"".join(zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed[HEADER.size :]) for packed in blocks)


def lived(node: Moatdns) -> None:
    """Ana and Ben ask, each with an exemption that is over in the end; so are Ana's leases."""
    lease(node, ONE, ANA)
    lease(node, OTHER, BEN)
    numbers = [exempted(node, ANA), exempted(node, BEN)]
    ask(node, ONE, "claude.ai", "chatgpt.com")
    ask(node, OTHER, "claude.ai", "chatgpt.com")
    lease(node, ONE, WRITTEN_OTHERWISE)
    ask(node, ONE, "claude.ai")
    wait_until(lambda: len(node.api.get("queries?limit=1000")["items"]) == 20, "20 rows of the query log")
    for number in numbers:
        node.api.post(f"exemptions/{number}:revoke", {"reason": f"{ANA} has left"}, status=200)


def test_of_whom_a_legal_hold_was_nothing_is_left_once_it_is_over(tmp_path: Path, world: Unbound) -> None:
    held = {"upstream": {"servers": [world.server]}, "people": {"legal_holds": [BEN, "cleo@corp.example"]}}
    with Moatdns(tmp_path / "moatdns", held, with_api=True) as node:
        lease(node, OTHER, BEN)
        ask(node, OTHER, "claude.ai")
        erase = ("people", "erase", BEN, "--reason", "the case is closed", "--yes")
        node.api.call("DELETE", f"leases/{OTHER}")
        assert "a legal hold is on this person" in command(node, *erase, status=1)
        (start,) = node.api.get("audit?action=start&object=config")["items"]
        assert BEN in json.dumps(start), "whoever may read rows reads whom the hold was on"
        node.reload({**held, "people": {"legal_holds": ["cleo@corp.example"]}})
        wait_until(lambda: command_ends(node, *erase), "the hold's end")
        assert files_with(node.state_dir, BEN) == []
        assert files_with(node.state_dir, "cleo@corp.example") != [], "the other's hold goes on"
        (reload,) = node.api.get("audit?action=reload&object=config")["items"]
        assert "cleo@corp.example" in reload["after"]["changed"]["people.legal_holds"]
        local(node, "audit", "verify")
        node.stop()
        assert files_with(node.state_dir, BEN) == []


@pytest.mark.parametrize("identities", ["full", "pseudonym"])
def test_no_octet_of_who_is_erased_is_left_and_every_total_stays(
    tmp_path: Path, world: Unbound, identities: str
) -> None:
    config = {
        "workers": 2,
        "upstream": {"servers": [world.server]},
        "query_log": {"identities": identities},
        "people": {"legal_holds": [BEN.upper()]},
    }
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as node:
        lived(node)
        before = counted(node)
        exported = tmp_path / "ana.jsonl"
        command(node, "people", "export", ANA.upper(), "--reason", "asked for by mail", "--to", str(exported))
        assert exported.stat().st_mode & 0o777 == 0o600
        told = [json.loads(line) for line in exported.read_text().splitlines()]
        kinds = Counter(line["kind"] for line in told)
        assert (kinds["lease"], kinds["lease_event"], kinds["exemption"], kinds["query"]) == (1, 2, 2, 12), kinds
        assert kinds["audit"] > 2
        assert sum(line["hits"] for line in told if line["kind"] == "count" and line["vendor"]) == 12
        assert {line["name"] for line in told if line["kind"] == "query"} == {"claude.ai", "chatgpt.com"}
        assert told[-1] == {"kind": "end", "cut": []}
        erase = ("people", "erase", ANA.lower(), "--reason", "asked for by mail", "--yes")
        refused = command(node, *erase, status=1)
        assert f"leases of {ONE} are theirs: end these (moatdns lease end)" in refused
        node.api.call("DELETE", f"leases/{ONE}")
        names = [ANA]
        if identities == "pseudonym":
            rows = node.api.get(f"queries?client={ONE}&reason=a+test")["items"]
            names += {row["identity"] for row in rows}
            assert len(names) > 1
        for name in names:
            node.api.get(f"queries?{urlencode({'identity': name, 'reason': f'a ticket of {name}'})}")
        node.api.get(f"lease-history?{urlencode({'identity': ANA, 'reason': 'a test'})}")
        node.api.get(f"lease-history?address={ONE}&reason=a+test")
        assert len(files_with(node.state_dir, *names)) > 2
        backup = tmp_path / "node.backup"
        local(node, "backup", str(backup), "--with-query-log")
        done = json.loads(command(node, *erase, "--json"))
        taken = done["taken_out"]
        assert (done["queries"], taken["hits"], taken["exemptions"], done["is_over"]) == (12, 12, 2, True), done
        assert taken["lease_history"] == 3
        assert taken["audit_rows"] > 0
        assert any("backups" in text for text in done["not_reached"])
        assert files_with(node.state_dir, *names) == []
        assert counted(node) == before
        assert by_person(node)["erased"] == 12
        assert len(by_person(node)) == 2
        assert len(node.api.get("queries?limit=1000")["items"]) == 8
        assert "erased" in local(node, "audit", "verify")
        assert "a legal hold is on this person" in command(node, "people", "erase", BEN, *erase[3:], status=1)
        assert node.api.call("POST", "queries:erase", {"identity": BEN, "reason": "asked for"}).status == 409
        again = json.loads(command(node, *erase, "--json"))
        assert set(again["taken_out"].values()) | {again["queries"]} == {0}
        node.stop()
        assert files_with(node.state_dir, *names) == []
        node.start()
        assert counted(node) == before
        assert files_with(node.state_dir, *names) == []
        local(node, "audit", "verify")
        assert not any(name.lower() in node.log_text.lower() for name in names)
        node.stop()
        told = local(node, "restore", str(backup), "--replace")
        assert "erased again from leases, exemptions, statistics and audit texts: 1 people" in told
        (aside,) = node.state_dir.glob("before-restore-*")
        assert files_with(aside, *names) == files_with(node.state_dir, *names) == []
        node.start()
        local(node, "store", "confirm-restored", "--all")
        counts = by_person(node)  # what no fold had taken by the backup is counted as nobody's
        assert counts.get("erased", 0) + counts.get("other", 0) == 12
        local(node, "audit", "verify")
        node.stop()
        assert files_with(node.state_dir, *names) == []
