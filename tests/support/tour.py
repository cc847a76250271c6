"""A way through all web pages, of a server that has something to show on each."""

from __future__ import annotations

from typing import Any

from tests.support.clients import ask
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until

_NAMES = ("claude.ai", "api.openai.com", "chatgpt.com", "plain.example", "house.example", "alias.example", "dns.google")


def pages_of(server: Moatdns) -> dict[str, str]:
    """An address for each page, by the picture's name."""
    exemption = server.api.get("exemptions")["items"][0]["id"]
    revision = server.api.get("policy/history")["items"][-1]["revision"]
    changes = server.api.get("change-requests?limit=1")["items"]
    return {
        "changes": "/changes",
        **({"change": f"/changes/{changes[0]['id']}"} if changes else {}),
        "overview": "/",
        "query-log": "/queries",
        "why": "/queries?client=127.0.0.9",
        "check": "/check?name=claude.ai&client=127.0.0.1",
        "exemptions": "/exemptions",
        "exemption": f"/exemptions/{exemption}",
        "exemption-new": "/exemptions/new?client=127.0.0.9&scope=openai",
        "groups": "/groups",
        "group": "/groups/default",
        "group-edit": "/groups/default:edit",
        "group-new": "/groups:new",
        "clients": "/clients",
        "lease-new": "/clients/new",
        "lease-history": "/clients/history",
        "catalogue": "/catalogue",
        "vendor": "/catalogue/anthropic",
        "lists": "/lists",
        "list": "/lists/house-rules",
        "list-edit": "/lists/house-rules:edit",
        "list-new": "/lists:new",
        "unlisted": "/unlisted",
        "local-names": "/local",
        "roll-out": "/roll-out",
        "roll-out-group": "/roll-out/default",
        "report-exemptions": "/reports/exemptions",
        "report-usage": "/reports/usage",
        "report-evidence": "/reports/evidence",
        "audit": "/audit",
        "policy": "/policy",
        "policy-document": "/policy/document",
        "policy-revision": f"/policy/revisions/{revision}",
        "status": "/status",
        "tokens": "/tokens",
        "setup": "/setup",
    }


def under_four_eyes(config: dict[str, Any]) -> dict[str, Any]:
    """A config with which another owner has to agree to what opens a name."""
    return {**config, "policy": {**config.get("policy", {}), "approval": "four-eyes"}}


def something_that_waits(server: Moatdns, config: dict[str, Any]) -> None:
    """A change that another owner has to agree to, of a server under four eyes; afterwards `config` is in force."""
    wait_until(lambda: server.api.call("GET", "/ready").status == 200, "the API")
    server.api.post("lists", {"name": "opens", "allow": ["claude.ai"]}, status=202)
    server.reload(config)


def something_to_see(server: Moatdns) -> None:
    """Queries, an exemption, a lease, a list."""
    api = server.api
    wait_until(lambda: api.call("GET", "/ready").status == 200, "the API")
    for last in range(1, 8):
        for name in _NAMES[: 2 + last % 6]:
            ask(server.port, name, client=f"127.0.0.{last}")
    exemption: dict[str, Any] = {"subject": {"client": "127.0.0.9"}, "scope": ["anthropic"], "owner": "legal"}
    api.post("exemptions", {**exemption, "reason": "a comparison of contracts", "duration_seconds": 7200})
    lease = {"identity": "laptop-7", "group": "research", "ttl_seconds": 3600}
    assert api.call("PUT", "leases/127.0.0.7", lease).status == 201
    api.post(
        "lists", {"name": "house-rules", "block": ["games.example", "=video.example"], "allow": ["ok.games.example"]}
    )
    wait_until(lambda: api.get("queries?client=127.0.0.7&reason=test")["items"], "a logged query")
    if api.get("unlisted")["enabled"]:
        ask(server.port, "notclaude.ai")
        wait_until(lambda: api.get("unlisted")["items"], "an unlisted name")


_ODD = "<img src=x onerror=hit()>" + "x" * 150


def something_odd_to_see(server: Moatdns) -> None:
    """Markup, very long words and a direction mark, wherever people may write."""
    api = server.api
    api.post("groups", {"name": "odd", "description": "<b>&\u200f" * 50, "allow": ["anthropic/claude", "house", "ai"]})
    for address, identity in (("127.0.6.20", _ODD), ("2001:db8:1234:5678:9abc:def0:1234:5678", "long@example.com")):
        lease = {"identity": identity, "group": "research", "ttl_seconds": 3600}
        assert api.call("PUT", f"leases/{address}", lease).status == 201
    api.post("lists", {"name": "odd", "block": [f"{'x' * 60}.{'y' * 60}.{'z' * 60}.odd.example", "/a{2,3}<b>/"]})
    api.post("lists", {"name": "far", "url": "https://lists.example/" + "a" * 300, "enabled": False})
    api.post("tokens", {"name": "odd", "role": "lease", "owner": _ODD[:100]})


def odd_addresses() -> tuple[str, ...]:
    """Where that is seen, and pages that are filtered."""
    return (
        "/catalogue?q=claude",
        "/catalogue?group=research&kind=bypass",
        "/clients?q=127.0.6.20",
        "/clients/history?address=127.0.6.20",
        "/exemptions/new",
        "/groups?address=127.0.0.1",
        "/groups/odd",
        "/groups/odd:edit",
        "/lists?kind=bundled",
        "/lists:new?kind=subscription",
        "/lists/odd",
        "/lists/far",
        "/lists/far:edit",
        "/unlisted?status=all&q=claude",
        "/reports",  # leads to the first
        "/reports/usage?step=86400&by=vendor",
    )
