"""Recipes for a server that others can reach, held against the programs that they are for."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path

import pytest

from admin_api.api.settings import Serves
from admin_api.pages.setup.firewall_recipes import firewall_chapter
from admin_api.pages.setup.recipes import chapters
from admin_api.pages.setup.setup import lacks_of
from admin_api.pages.setup.setup_addresses import Addresses, addresses_of, machine_addresses
from resolver.errors import RuleError
from tests.support.programs import program
from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served

MACHINE = ["192.0.2.53", "2001:db8::53", "198.51.100.53"]
EVERYWHERE = Serves(
    do53=(("0.0.0.0", 53), ("::", 53)),
    dot=(("0.0.0.0", 853),),
    doh=(("0.0.0.0", 443),),
    server_name="dns.corp.example",
)


def of(serves: Serves) -> Addresses:
    """The addresses of a server on the machine."""
    return addresses_of(serves, lambda: MACHINE)


def recipes(serves: Serves) -> dict[str, str]:
    """Their texts by title."""
    return {
        recipe.title: recipe.text
        for chapter in chapters(of(serves), serves.trusted_proxies)
        for recipe in chapter.recipes
    }


def test_a_wildcard_stands_for_the_addresses_of_the_machine() -> None:
    found = of(EVERYWHERE)
    assert found.is_wildcard
    assert not found.is_local
    assert found.plain.addresses == ("192.0.2.53", "198.51.100.53", "2001:db8::53")
    assert found.dot.addresses == ("192.0.2.53", "198.51.100.53"), "a socket of IPv4 has no IPv6"
    assert found.template == "https://dns.corp.example/dns-query"
    assert list(lacks_of(found)) == []


def test_named_addresses_are_shown_before_loopback_and_on_the_port_that_clients_expect() -> None:
    found = of(Serves(do53=(("127.0.0.1", 53), ("192.0.2.7", 5300), ("192.0.2.7", 53), ("fe80::1%eth0", 53))))
    assert (found.plain.addresses, found.plain.port) == (("192.0.2.7", "fe80::1"), 53)
    assert found.name == "192.0.2.7"
    assert not found.is_wildcard


def test_a_server_on_loopback_alone_says_that_nobody_else_can_ask() -> None:
    found = of(Serves(do53=(("127.0.0.1", 5300), ("::1", 5300))))
    assert found.plain.addresses == ("127.0.0.1", "::1")
    lacks = list(lacks_of(found))
    assert "Only this machine" in lacks[0]
    assert "port 5300" in lacks[1]


def test_a_machine_without_a_network_still_has_recipes() -> None:
    found = addresses_of(EVERYWHERE, list)
    assert found.plain.addresses == ("127.0.0.1", "::1")


def test_addresses_of_ipv6_stand_in_brackets_where_a_port_or_a_url_wants_it() -> None:
    texts = recipes(Serves(do53=(("2001:db8::1", 5300),), doh=(("2001:db8::1", 8443),)))
    assert 'address="[2001:db8::1]:5300"' in texts["dnsdist"]
    assert "https://[2001:db8::1]:8443/dns-query" in texts["Firefox"]
    assert "DNS=[2001:db8::1]:5300" in texts["systemd-resolved"]


def test_without_https_browsers_are_told_to_leave_theirs_off() -> None:
    texts = recipes(Serves(do53=(("192.0.2.7", 53),)))
    assert json.loads(texts["Chrome, Linux"]) == {"DnsOverHttpsMode": "off"}
    assert json.loads(texts["Firefox"])["policies"]["DNSOverHTTPS"] == {"Enabled": False, "Locked": True}


def test_dnsmasq_takes_its_recipe(tmp_path: Path) -> None:
    config = tmp_path / "dnsmasq.conf"
    config.write_text(recipes(EVERYWHERE)["dnsmasq"])
    command = [program("dnsmasq"), "--test", "--conf-file=" + str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_kea_takes_its_recipe(tmp_path: Path) -> None:
    config = json.loads(recipes(EVERYWHERE)["ISC Kea, IPv4"])
    # What a config needs beside the recipe.
    config["Dhcp4"] |= {
        "interfaces-config": {"interfaces": []},
        "lease-database": {"type": "memfile", "persist": False},
    }
    file = tmp_path / "kea.conf"
    file.write_text(json.dumps(config))
    command = [program("kea-dhcp4"), "-t", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_vpn_servers_are_told_every_address() -> None:
    texts = recipes(EVERYWHERE)
    assert 'push "dhcp-option DNS 192.0.2.53"' in texts["OpenVPN"]
    assert 'push "dhcp-option DNS6 2001:db8::53"' in texts["OpenVPN"]
    assert texts["WireGuard"] == "DNS = 192.0.2.53, 198.51.100.53, 2001:db8::53\n"


def test_the_machine_tells_no_address_that_others_cannot_use() -> None:
    assert not [each for each in machine_addresses() if each.startswith(("127.", "fe80:")) or each == "::1"]


def test_firewall_rules_leave_the_addresses_of_the_machine_open_and_close_the_clients_in() -> None:
    chapter = firewall_chapter(of(EVERYWHERE), ["127.0.0.0/8", "10.0.0.0/8"])
    assert [recipe.title for recipe in chapter.recipes][:2] == ["nftables", "iptables"]
    for recipe in chapter.recipes:
        assert "192.0.2.53" in recipe.text
        assert "10.0.0.0" in recipe.text
        assert "127.0.0.0" not in recipe.text
    with pytest.raises(RuleError, match="all addresses"):
        firewall_chapter(of(EVERYWHERE), ["0.0.0.0/0"])


async def test_the_page_has_firewall_rules_or_says_why_not(served: Served) -> None:
    browser = await Browser.log_in(served, "viewer")
    serves = Serves(do53=(("192.0.2.53", 53),), clients=("10.0.0.0/8",))
    object.__setattr__(served.context, "serves", serves)
    page, _ = await browser.get("/setup")
    assert "add list=moatdns-resolvers address=192.0.2.53/32" in page
    assert "Not tried on a device" in page
    object.__setattr__(served.context, "serves", dataclasses.replace(serves, clients=("0.0.0.0/0",)))
    page, _ = await browser.get("/setup")
    assert "There are no firewall rules: clients.allow has all addresses" in page
    assert "moatdns-resolvers" not in page
