"""``make screenshots``: every page in a real browser, light, dark and on a phone, as pictures to be looked at.

Exit codes: 0 all were taken, and the browser had nothing to complain of; 1 otherwise.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.conftest import OFFICE, WORLD
from tests.support.browser import DESK, PHONE, Person, chromium
from tests.support.clients import ask
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.unbound import Unbound

LOOKS: dict[str, tuple[str, dict[str, int]]] = {
    "light": ("light", DESK),
    "dark": ("dark", DESK),
    "phone": ("light", PHONE),
}
_NAMES = ("claude.ai", "api.openai.com", "chatgpt.com", "plain.example", "house.example", "alias.example", "dns.google")


def pages_of(server: Moatdns) -> dict[str, str]:
    """An address for each page, by the picture's name."""
    exemption = server.api.get("exemptions")["items"][0]["id"]
    revision = server.api.get("policy/history")["items"][-1]["revision"]
    return {
        "overview": "/",
        "query-log": "/queries",
        "check": "/check?name=claude.ai&client=127.0.0.1",
        "exemptions": "/exemptions",
        "exemption": f"/exemptions/{exemption}",
        "exemption-new": "/exemptions/new?client=127.0.0.9&scope=openai",
        "groups": "/groups",
        "group": "/groups/default",
        "group-edit": "/groups/default:edit",
        "group-new": "/groups/new",
        "clients": "/clients",
        "lease-new": "/clients/new",
        "lease-history": "/clients/history?identity=laptop-7",
        "catalogue": "/catalogue",
        "vendor": "/catalogue/anthropic",
        "lists": "/lists",
        "list": "/lists/house-rules",
        "list-edit": "/lists/house-rules:edit",
        "list-new": "/lists/new",
        "report-exemptions": "/reports/exemptions",
        "report-usage": "/reports/usage",
        "audit": "/audit",
        "policy": "/policy",
        "policy-document": "/policy/document",
        "policy-revision": f"/policy/revisions/{revision}",
        "status": "/status",
        "tokens": "/tokens",
        "setup": "/setup",
    }


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
    wait_until(lambda: api.get("queries?client=127.0.0.7")["items"], "a logged query")


def main(folder: Path) -> int:
    """Take them all; the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**OFFICE, "query_log": {"what": "all"}}
    complaints = []
    with (
        tempfile.TemporaryDirectory(prefix="moatdns-screenshots-") as place,
        Unbound(Path(place) / "u", WORLD) as world,
    ):
        config["upstream"] = {"servers": [world.server]}
        with Moatdns(Path(place) / "moatdns", config, with_api=True) as server, chromium() as browser:
            something_to_see(server)
            for look, (theme, size) in LOOKS.items():
                person = Person(browser, server, theme=theme, size=size)
                page = person.go("/login")
                page.screenshot(path=folder / f"login-{look}.png", full_page=True)
                person.log_in()
                for name, address in pages_of(server).items():
                    person.go(address).wait_for_load_state("networkidle")
                    page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
                    if (wider := person.overflow()) > 0:
                        complaints.append(f"{name}, {look}: {wider} pixels too wide")
                complaints += [f"{look}: {complaint}" for complaint in person.complaints]
    for complaint in complaints:
        sys.stderr.write(f"{complaint}\n")
    sys.stdout.write(f"{folder}\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit("give one folder")
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) == 2 else "screenshots")))
