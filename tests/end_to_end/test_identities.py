"""People, not addresses: who had an address when it asked, as the log says it, and as it says it not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import UdpClient, query
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.unbound import Unbound

ANA, BEN = "ana@corp.example", "ben@corp.example"
ONE, OTHER = "127.0.0.7", "127.0.0.9"
Start = Callable[..., Moatdns]

pytestmark = pytest.mark.slow


def ask(moatdns: Moatdns, address: str, name: str) -> None:
    with UdpClient(moatdns.port, address) as client:
        client.exchange(query(name).to_wire())


def lease(moatdns: Moatdns, address: str, identity: str) -> None:
    body = {"identity": identity, "ttl_seconds": 3600}
    assert moatdns.api.call("PUT", f"/api/v1/leases/{address}", body).status in (200, 201)


def rows(moatdns: Moatdns, count: int, filters: str = "") -> list[dict[str, Any]]:
    """The log, the oldest first, once it has so many rows."""
    wait_until(lambda: len(moatdns.api.get("queries")["items"]) == count, f"{count} rows of the query log")
    return list(reversed(moatdns.api.get(f"queries{filters}{'&reason=test' if filters else ''}")["items"]))


def usage(moatdns: Moatdns) -> dict[tuple[str, str], tuple[int, int]]:
    """Blocked and exempted queries by person and vendor."""
    items = moatdns.api.get("reports/usage?by=identity,vendor&reason=test")["items"]
    return {(item["identity"], item["vendor"]): (item["blocked"], item["exempted"]) for item in items}


def swapped(moatdns: Moatdns) -> None:
    """Two people ask, their addresses are swapped, and they ask again."""
    lease(moatdns, ONE, ANA)
    lease(moatdns, OTHER, BEN)
    ask(moatdns, ONE, "claude.ai")
    ask(moatdns, OTHER, "chatgpt.com")
    lease(moatdns, ONE, BEN)
    lease(moatdns, OTHER, ANA)
    ask(moatdns, OTHER, "claude.ai")
    ask(moatdns, ONE, "chatgpt.com")


def octets_of(moatdns: Moatdns, *patterns: str) -> bytes:
    """All that is in some files of the state directory."""
    found = [path for pattern in patterns for path in moatdns.state_dir.rglob(pattern) if path.is_file()]
    assert found
    return b"".join(path.read_bytes() for path in found)


def test_the_log_names_who_had_the_address_when_it_asked(tmp_path: Path, world: Unbound) -> None:
    config = {"workers": 2, "upstream": {"servers": [world.server]}, "query_log": {"identities": "full"}}
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as moatdns:
        swapped(moatdns)
        said = [(row["client"], row["identity"], row["name"]) for row in rows(moatdns, 4)]
        assert sorted(said) == [
            (ONE, ANA, "claude.ai"),
            (ONE, BEN, "chatgpt.com"),
            (OTHER, ANA, "claude.ai"),
            (OTHER, BEN, "chatgpt.com"),
        ]
        assert {row["name"] for row in rows(moatdns, 4, f"?identity={ANA}")} == {"claude.ai"}
        assert {row["client"] for row in rows(moatdns, 4, f"?identity={ANA}&client={ONE}")} == {ONE}
        assert moatdns.api.get(f"explain?name=claude.ai&client={OTHER}")["identity"] == ANA
        page = moatdns.api.get("queries?identity=nobody@corp.example&reason=test")
        assert page["items"] == []
        assert usage(moatdns) == {(ANA, "anthropic"): (2, 0), (BEN, "openai"): (2, 0)}
        top = moatdns.api.get("stats/top?by=identity&reason=test")["items"]
        assert {item["key"]: item["blocked"] for item in top} == {ANA: 2, BEN: 2}
        metrics = moatdns.api.call("GET", "/metrics").body
        assert ANA not in metrics


def test_uses_of_an_exemption_are_those_of_the_person_whose_it_is_wherever(tmp_path: Path, world: Unbound) -> None:
    config = {"workers": 2, "upstream": {"servers": [world.server]}, "query_log": {"identities": "full"}}
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as moatdns:
        wanted = {
            "subject": {"identity": ANA},
            "scope": ["anthropic"],
            "owner": "it@corp.example",
            "reason": "a trial",
            "duration_seconds": 3600,
        }
        made = moatdns.api.call("POST", "/api/v1/exemptions", wanted)
        assert made.status == 201, made.body
        swapped(moatdns)
        ask(moatdns, ONE, "claude.ai")  # Ben, who has no exemption
        rows(moatdns, 5)
        assert usage(moatdns) == {(ANA, "anthropic"): (0, 2), (BEN, "openai"): (2, 0), (BEN, "anthropic"): (1, 0)}
        (item,) = moatdns.api.get("reports/exemptions?reason=a+test")["items"]
        assert (item["uses"], item["uses_by"]) == (2, [{"identity": ANA, "uses": 2}])
        exempted = rows(moatdns, 5, f"?verdict=exempt&identity={ANA}")
        assert [row["client"] for row in exempted] == [ONE, OTHER]


def test_with_pseudonyms_no_octet_of_a_name_or_an_address_is_in_the_log(tmp_path: Path, world: Unbound) -> None:
    config = {
        "workers": 2,
        "upstream": {"servers": [world.server]},
        "query_log": {"clients": "pseudonym", "pseudonyms_found_by": "admin"},
    }
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as moatdns:
        swapped(moatdns)
        said = rows(moatdns, 4)
        of_names: dict[str, set[str]] = {}
        for row in said:
            of_names.setdefault(row["name"], set()).add(row["identity"])
            assert re.fullmatch("~[a-z2-7]{16}", row["client"])
        (ana,), (ben,) = of_names["claude.ai"], of_names["chatgpt.com"]
        assert ana != ben
        assert {row["name"] for row in rows(moatdns, 4, f"?identity={ana}")} == {"claude.ai"}
        assert {row["name"] for row in rows(moatdns, 4, f"?identity={ANA}")} == {"claude.ai"}  # for an admin
        assert len(rows(moatdns, 4, f"?client={ONE}&identity={ben}")) == 1
        assert usage(moatdns) == {(ana, "anthropic"): (2, 0), (ben, "openai"): (2, 0)}
        by = ("stats/top?by=identity", "stats/top?by=client", "reports/usage?by=identity,vendor")
        asked = ("queries", *(f"{one}&reason=test" for one in by))
        exported = json.dumps([moatdns.api.get(one) for one in asked]).encode()
        exported += moatdns.api.call("GET", "/api/v1/reports/usage?by=identity&format=csv&reason=test").body.encode()
        secrets = [json.loads(line) for line in octets_of(moatdns, "pseudonyms.secret").splitlines()]
        assert secrets
        boot = octets_of(moatdns, "boot.json")
        for one in secrets:
            assert one["secret"].encode() not in boot
            assert one["secret"] not in moatdns.log_text
        recorded = octets_of(moatdns, "query-log/*", "counters/*") + exported
    recorded += octets_of(moatdns, "query-log/*")
    for secret in (ANA, BEN, "ana@", "ben@", ONE, OTHER):
        assert secret.encode() not in recorded


def test_what_was_recorded_before_the_config_said_less_is_shown_no_more(tmp_path: Path, world: Unbound) -> None:
    base: dict[str, Any] = {"workers": 2, "upstream": {"servers": [world.server]}}
    with Moatdns(tmp_path / "moatdns", {**base, "query_log": {"identities": "full"}}, with_api=True) as moatdns:
        swapped(moatdns)
        whole = rows(moatdns, 4)
        assert usage(moatdns).keys() == {(ANA, "anthropic"), (BEN, "openai")}
        for less in ({"clients": "network", "identities": "pseudonym"}, {"clients": "hidden", "identities": "hidden"}):
            assert moatdns.reload({**base, "query_log": less})["event"] == "reloaded"
            wait_until(lambda: moatdns.api.call("GET", "/ready").status == 200, "the control process")
            clients = {"127.0.0.0/24"} if less["clients"] == "network" else {None}
            assert {(row["client"], row["identity"]) for row in rows(moatdns, 4)} == {(one, None) for one in clients}
            for filters in (f"identity={ANA}", f"client={ONE}", f"client={ONE}&identity={ANA}"):
                assert moatdns.api.get(f"queries?{filters}&reason=test")["items"] == []
            assert usage(moatdns) == {}
            for by in ("identity", "client"):
                assert moatdns.api.get(f"stats/top?by={by}&reason=test")["items"] == []
            assert moatdns.api.get("stats/top?by=vendor")["items"] != []
        moatdns.reload({**base, "query_log": {"identities": "full"}})
        assert rows(moatdns, 4) == whole
        assert rows(moatdns, 4, f"?identity={ANA}&client={ONE}") != []


def test_a_search_by_name_finds_no_pseudonym_unless_the_config_says_so(tmp_path: Path, world: Unbound) -> None:
    with Moatdns(tmp_path / "moatdns", {"upstream": {"servers": [world.server]}}, with_api=True) as moatdns:
        lease(moatdns, ONE, ANA)
        ask(moatdns, ONE, "claude.ai")
        (row,) = rows(moatdns, 1)
        assert row["client"] == ONE
        assert row["identity"].startswith("~")
        assert moatdns.api.get(f"queries?identity={ANA}&reason=test")["items"] == []


def test_pseudonyms_are_the_same_after_a_restart_and_hidden_after_a_reload_that_says_so(
    tmp_path: Path, world: Unbound
) -> None:
    config: dict[str, Any] = {"upstream": {"servers": [world.server]}}
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as moatdns:
        lease(moatdns, ONE, ANA)
        ask(moatdns, ONE, "claude.ai")
        (before,) = rows(moatdns, 1)
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as moatdns:
        ask(moatdns, ONE, "claude.ai")
        assert {row["identity"] for row in rows(moatdns, 2)} == {before["identity"]}
        moatdns.reload({**config, "query_log": {"identities": "hidden"}})
        ask(moatdns, ONE, "claude.ai")
        assert rows(moatdns, 3)[-1]["identity"] is None
