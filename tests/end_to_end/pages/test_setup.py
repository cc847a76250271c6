"""The set-up page: its recipes have this server's addresses, and work as they stand there."""

from __future__ import annotations

import plistlib
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import OFFICE
from tests.support.browser import Person
from tests.support.encrypted import SERVER_NAME, Certificates
from tests.support.moatdns import Moatdns
from tests.support.programs import PATIENCE_SECONDS, program
from tests.support.unbound import Unbound

_BALANCER = "127.0.0.9"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server with DoT and DoH, a name, and a proxy that it trusts."""
    folder = tmp_path_factory.mktemp("setup")
    config = {
        **OFFICE,
        "workers": 1,
        "upstream": {"servers": [world.server]},
        "clients": {"trusted_proxies": [_BALANCER]},
    }
    with Moatdns(folder, config, with_api=True, certificates=Certificates(folder / "tls")) as moatdns:
        yield moatdns


def recipe(page: Page, title: str) -> str:
    """The text of one."""
    return page.get_by_label(title, exact=True).inner_text()


def run(command: str) -> str:
    """What a line of a recipe shows."""
    first, *arguments = shlex.split(command)
    done = subprocess.run(
        [program(first), *arguments], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    return done.stdout


def test_the_lines_to_try_are_answered_as_they_stand_there(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server, role="viewer") as person:
        page = person.log_in("/setup")
        plain = recipe(page, "Plain DNS").splitlines()
        encrypted = recipe(page, "DNS over TLS and over HTTPS").splitlines()
    assert plain == [f"dig @127.0.0.1 -p {server.port} claude.ai"]
    assert server.certificates is not None
    trust = f" +tls-ca={server.certificates.authority}"  # which this machine lacks
    tried = [*plain, *(line + trust for line in encrypted if line.startswith("kdig"))]
    assert len(tried) == 3
    for line in tried:
        assert "0.0.0.0" in run(line), line


def test_the_url_reaches_the_server_by_the_name_of_its_certificate(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/setup")
        line = recipe(page, "DNS over TLS and over HTTPS").splitlines()[-1]
        url = f"https://{SERVER_NAME}:{server.doh_port}/dns-query"
        assert url in line
        assert (
            f"{SERVER_NAME}:{server.doh_port}"
            in page.get_by_role("region", name="Addresses of this server").inner_text()
        )
        profile = plistlib.loads(recipe(page, "macOS and iOS, over HTTPS").encode())
        assert profile["PayloadContent"][0]["DNSSettings"] == {"DNSProtocol": "HTTPS", "ServerURL": url}
        assert f'"DnsOverHttpsTemplates": "{url}"' in recipe(page, "Chrome, Linux")
        assert f'"ProviderURL": "{url}"' in recipe(page, "Firefox")
        assert f"DNS=127.0.0.1:{server.dot_port}#{SERVER_NAME}" in recipe(page, "systemd-resolved, over TLS")
    assert server.certificates is not None
    # As the recipe has it, but for what only this machine lacks: the name, and trust in its authority.
    command = f"{line} --resolve {SERVER_NAME}:{server.doh_port}:127.0.0.1 --cacert {server.certificates.authority} -v"
    done = subprocess.run(
        [program("curl"), *shlex.split(command)[1:], "--connect-to", f"example.com:443:claude.ai:{server.doh_port}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert "0.0.0.0" in done.stderr, done.stderr


def test_what_stands_in_front_takes_its_recipe(chromium: Browser, server: Moatdns, tmp_path: Path) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/setup")
        (tmp_path / "dnsdist.conf").write_text(recipe(page, "dnsdist"))
        (tmp_path / "unbound.conf").write_text(recipe(page, "unbound"))
        assert _BALANCER in page.inner_text("main"), "who is trusted is told"
    assert f"127.0.0.1:{server.port}" in (tmp_path / "dnsdist.conf").read_text()
    run(f"dnsdist --check-config -C {tmp_path}/dnsdist.conf")
    assert "no errors" in run(f"unbound-checkconf {tmp_path}/unbound.conf")


def test_what_keeps_recipes_away_is_told_with_what_to_do(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/setup")
        text = page.inner_text("main")
        assert "Only this machine can query it" in text
        assert f"Plain DNS is on port {server.port}" in text
        assert "dnsmasq" not in text, "DHCP cannot tell a port"


def test_a_recipe_is_copied_by_its_button(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/setup")
        taken = "{value: {writeText: async (text) => { window.copied = text }}}"
        page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {taken})")
        page.get_by_role("button", name="Copy").first.click()
        page.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("window.copied").strip() == recipe(page, "Plain DNS").strip()
