"""Rules for firewalls: who is closed in, who stays open, and what each format says."""

from __future__ import annotations

import ipaddress
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.firewall.closing import Closing, closing_of
from admin_api.firewall.formats import FORMATS
from resolver.errors import RuleError

CLOSING = Closing(
    ("10.0.0.53/32", "fd00::53/128"),
    ("10.0.0.0/8", "fd00::/8"),
    ("9.9.9.9/32", "2620:fe::fe/128"),
    ("160.79.104.0/23", "2607:6bc0::/48"),
)
ONLY_FOUR = Closing(("10.0.0.53/32",), ("10.0.0.0/8",))


def test_a_closing_is_filled_in_by_a_config_without_loopback() -> None:
    closing = closing_of(["127.0.0.1", "10.0.0.53", "::1", "fd00::53"], ["loopback", "private"])
    assert closing.resolvers == ("10.0.0.53/32", "fd00::53/128")
    assert "10.0.0.0/8" in closing.clients
    assert "fc00::/7" in closing.clients
    assert not [one for one in closing.clients if one.startswith(("127.", "::1"))]


def test_what_is_given_goes_before_the_config_and_networks_within_others_are_left_out() -> None:
    closing = closing_of(["10.0.0.53"], ["private"], resolvers=["192.0.2.1"], clients=["10.1.0.0/16", "10.0.0.0/8"])
    assert (closing.resolvers, closing.clients) == (("192.0.2.1/32",), ("10.0.0.0/8",))
    assert closing_of(["0.0.0.0"], ["private"], resolvers=["192.0.2.1"]).resolvers == ("192.0.2.1/32",)


@pytest.mark.parametrize(
    ("listens_on", "allowed", "why"),
    [
        (["127.0.0.1", "::1"], ["private"], "--resolver"),
        (["0.0.0.0", "::"], ["private"], "--resolver"),
        (["10.0.0.53", "::"], ["private"], "--resolver"),
        (["10.0.0.53", "fd00::53", "0.0.0.0"], ["private"], "--resolver"),
        (["10.0.0.53"], ["loopback"], "--clients"),
        (["10.0.0.53"], ["127.0.0.1/32"], "--clients"),
        (["10.0.0.53"], ["private", "0.0.0.0/0"], "all addresses"),
    ],
)
def test_where_nothing_says_who_stays_open_or_is_closed_in_there_are_no_rules(
    listens_on: list[str], allowed: list[str], why: str
) -> None:
    with pytest.raises(RuleError, match=why):
        closing_of(listens_on, allowed)


def test_what_is_no_network_is_a_mistake_and_so_is_a_network_for_this_resolver() -> None:
    with pytest.raises(RuleError, match="is not a network"):
        closing_of(["10.0.0.53"], ["private"], public=["dns.google"])
    with pytest.raises(RuleError, match="is a network: name"):
        closing_of([], ["private"], resolvers=["10.0.0.0/8"])


WRITTEN = st.text(max_size=30) | st.builds(
    "{}{}".format, st.sampled_from(["10.0.0.0/8", "fd00::1", "fe80::1%"]), st.text("\n;{}#'\"$()| %/0", max_size=6)
)


@given(WRITTEN, st.sampled_from(["resolvers", "clients", "public", "closed"]))
def test_no_text_that_is_given_ends_up_in_rules_but_as_a_network(text: str, part: str) -> None:
    given: dict[str, list[str]] = {part: [text]}
    try:
        closing = closing_of(["10.0.0.53"], ["private"], **given)
    except RuleError:
        return
    networks = [one for name in given for one in getattr(closing, name)]
    assert networks == [str(ipaddress.ip_network(one)) for one in networks]
    assert len(networks) == 1


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_says_at_its_beginning_whether_anybody_has_loaded_it(name: str) -> None:
    first, second, *_ = FORMATS[name].text(CLOSING).splitlines()
    said = second if first.startswith("#!") else first
    assert said.startswith("# Tried:" if name in ("nftables", "iptables") else "# Not tried on a device: written by ")


def test_iptables_loads_each_version_in_one_transaction_and_jumps_there_once() -> None:
    lines = FORMATS["iptables"].text(CLOSING).splitlines()
    assert lines[0] == "#!/bin/sh"
    for command in ("iptables", "ip6tables"):
        assert f"{command}-restore --wait --noflush <<'END'" in lines
        inserted = lines.index(f"{command} --wait -I FORWARD -j MOATDNS")
        assert lines[inserted - 1] == f"while {command} --wait -D FORWARD -j MOATDNS 2>/dev/null; do :; done"
    four = lines[: lines.index("COMMIT")]
    assert four.index('-A MOATDNS -s 10.0.0.53/32 -m comment --comment "queries of moatdns" -j RETURN') < four.index(
        "-A MOATDNS -s 10.0.0.0/8 -j MOATDNS-OTHERS"
    )
    assert "-A MOATDNS-OTHERS -d 9.9.9.9/32 -p udp --dport 443 -j REJECT" in four
    assert not [line for line in four if "fd00" in line]


def test_a_version_that_has_no_clients_any_more_loses_its_earlier_rules(tmp_path: Path) -> None:
    lines = FORMATS["iptables"].text(ONLY_FOUR).splitlines()
    removal = lines[lines.index("while ip6tables --wait -D FORWARD -j MOATDNS 2>/dev/null; do :; done") + 1 :]
    assert [line.split(" --wait ")[1] for line in removal] == [
        f"{deed} {chain} 2>/dev/null || true" for deed in ("-F", "-X") for chain in ("MOATDNS", "MOATDNS-OTHERS")
    ]
    script = tmp_path / "removal.sh"
    script.write_text("\n".join(["set -e", *(line.replace("ip6tables", "no-such-command") for line in removal)]))
    assert subprocess.run(["/bin/sh", script], check=False).returncode == 0, "not every gateway has ip6tables"
    six = FORMATS["mikrotik"].text(ONLY_FOUR).partition("/ipv6 firewall filter\n")[2].splitlines()
    assert six == [
        "remove [find jump-target=moatdns]",
        "remove [find chain=moatdns]",
        "/ipv6 firewall address-list",
        'remove [find list~"^moatdns-"]',
    ]


def test_long_lists_of_fortigate_are_told_in_lines_that_its_terminal_takes() -> None:
    many = Closing(("10.0.0.53/32",), ("10.0.0.0/8",), tuple(f"192.0.2.{last}/32" for last in range(120)))
    lines = [line.strip() for line in FORMATS["fortigate"].text(many).splitlines()]
    members = [line for line in lines if "moatdns-public4-" in line and "member" in line]
    assert [line.partition(" member ")[0] for line in members] == ["set", "append", "append"]
    assert sum(line.count('"moatdns-public4-') for line in members) == 120


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_names_all_networks_and_both_ports(name: str) -> None:
    text = FORMATS[name].text(CLOSING)
    for network in ("10.0.0.53", "fd00::53", "fd00::/8", "9.9.9.9", "2620:fe::fe", "2607:6bc0::/48"):
        assert network in text, network
    assert "53" in text
    assert "853" in text
    assert "443" in text
    assert text.endswith("\n")


@pytest.mark.parametrize("name", FORMATS)
def test_without_a_list_nothing_is_said_of_other_resolvers_or_of_version_six(name: str) -> None:
    text = FORMATS[name].text(ONLY_FOUR)
    assert "10.0.0.53" in text
    assert "fd00" not in text
    assert "9.9.9.9" not in text


def test_nftables_refuses_only_what_clients_send_elsewhere() -> None:
    lines = [line.strip() for line in FORMATS["nftables"].text(CLOSING).splitlines()]
    forward = lines[lines.index("chain forward {") :]
    order = [next(n for n, line in enumerate(forward) if part in line) for part in ("saddr @resolvers4", "@clients4")]
    assert order == sorted(order)
    assert "delete table inet moatdns" in lines
    assert 'udp dport { 53, 853 } counter reject comment "DNS, DNS over QUIC"' in lines


def test_pf_takes_the_resolver_out_of_its_clients() -> None:
    lines = FORMATS["pf"].text(CLOSING).splitlines()
    assert "table <moatdns_clients> const { 10.0.0.0/8, fd00::/8, !10.0.0.53, !fd00::53 }" in lines
    assert (
        "block return in quick proto { tcp, udp } from <moatdns_clients> to ! <moatdns_resolvers> port { 53, 853 }"
        in lines
    )


def test_fortigate_denies_behind_what_it_accepts_and_knows_masks() -> None:
    text = FORMATS["fortigate"].text(CLOSING)
    assert "set subnet 160.79.104.0 255.255.254.0" in text
    assert text.index("moatdns is asked") < text.index("moatdns no other DNS") < text.index("moatdns closed networks")
    assert 'set srcaddr6 "moatdns-clients6"' in text
    assert "moatdns no other DoH" not in FORMATS["fortigate"].text(ONLY_FOUR)


def forti_policies(text: str) -> list[list[str]]:
    """The settings of each policy, in their order."""
    lines = [line.strip() for line in text.partition("config firewall policy")[2].splitlines()]
    return [part.strip().split("\n") for part in "\n".join(lines).split("edit 0")[1:]]


def test_fortigate_says_that_it_denies_instead_of_being_silent() -> None:
    denials = [one for one in forti_policies(FORMATS["fortigate"].text(CLOSING)) if "set action deny" in one]
    assert len(denials) == 3
    assert all("set send-deny-packet enable" in one for one in denials)


def test_fortigate_lets_the_resolver_ask_public_ones_by_https_before_it_denies_that_to_clients() -> None:
    policies = forti_policies(FORMATS["fortigate"].text(CLOSING))
    number = next(n for n, one in enumerate(policies) if 'set name "moatdns asks by HTTPS"' in one)
    asks = policies[number]
    assert {'set srcaddr "moatdns-resolvers4"', 'set dstaddr "moatdns-public4"', 'set service "moatdns-https"'} <= {
        *asks
    }
    assert {'set srcaddr6 "moatdns-resolvers6"', 'set dstaddr6 "moatdns-public6"', "set action accept"} <= {*asks}
    assert not [one for one in policies[:number] if "set action deny" in one]
    assert 'asks by HTTPS"' not in FORMATS["fortigate"].text(ONLY_FOUR)


def test_mikrotik_returns_what_is_the_resolvers_before_it_rejects() -> None:
    text = FORMATS["mikrotik"].text(CLOSING)
    part = text[text.index("/ip firewall address-list") : text.index("/ipv6 firewall filter")]
    assert text.index("remove [find chain=moatdns]") < text.index(part), "loading it again replaces it"
    assert part.index("src-address-list=moatdns-resolvers") < part.index("protocol=udp dst-port=53,853")
    assert part.rstrip().splitlines()[-1].startswith("add chain=forward action=jump jump-target=moatdns")
