"""Rules for iptables and ip6tables, as a shell script: two chains of our own, which take the place of earlier ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from admin_api.firewall.closing import DNS_PORTS, FAMILIES, HTTPS_PORT, Closing

_COMMAND: Final = {4: "iptables", 6: "ip6tables"}
_CHAIN: Final = "MOATDNS"
_OTHERS: Final = "MOATDNS-OTHERS"  # what clients may reach of them: nothing of DNS
_PORTS: Final = ",".join(map(str, DNS_PORTS))
_REFUSE: Final = (("tcp", "REJECT --reject-with tcp-reset"), ("udp", "REJECT"))


def iptables(closing: Closing) -> str:
    """Write a closing as a script of the shell."""
    return "\n".join([*_lines(closing), ""])


def _lines(closing: Closing) -> Iterator[str]:
    yield "#!/bin/sh"
    yield "# Leaves moatdns as the only resolver of these clients. On the gateway, as root, at each boot: sh FILE"
    yield "# It only refuses: whatever it lets through is judged by your other rules as before."
    yield "set -e"
    for version in FAMILIES:
        part, command = closing.of(version), _COMMAND[version]
        yield from _version(command, part) if part.clients else _removal(command)


def _version(command: str, part: Closing) -> Iterator[str]:
    yield f"{command}-restore --wait --noflush <<'END'"  # one transaction: never half of it
    yield "*filter"
    yield f":{_CHAIN} - [0:0]"
    yield f":{_OTHERS} - [0:0]"
    for network in part.resolvers:
        yield f'-A {_CHAIN} -s {network} -m comment --comment "queries of moatdns" -j RETURN'
        yield f'-A {_CHAIN} -d {network} -m comment --comment "queries to moatdns" -j RETURN'
    for network in part.clients:
        yield f"-A {_CHAIN} -s {network} -j {_OTHERS}"
    for protocol, how in _REFUSE:
        yield f"-A {_OTHERS} -p {protocol} -m multiport --dports {_PORTS} -j {how}"
    for network in part.public:
        for protocol, how in _REFUSE:
            yield f"-A {_OTHERS} -d {network} -p {protocol} --dport {HTTPS_PORT} -j {how}"
    for network in part.closed:
        yield f"-A {_OTHERS} -d {network} -j REJECT"
    yield "COMMIT"
    yield "END"
    yield _no_jump(command)  # wherever it was: other rules may have come before it
    yield f"{command} --wait -I FORWARD -j {_CHAIN}"


def _removal(command: str) -> Iterator[str]:
    """Lines that take away what an earlier script has put there; they mind neither its absence nor the command's."""
    yield _no_jump(command)
    for deed in ("-F", "-X"):  # what is jumped to cannot be deleted
        for chain in (_CHAIN, _OTHERS):
            yield f"{command} --wait {deed} {chain} 2>/dev/null || true"


def _no_jump(command: str) -> str:
    return f"while {command} --wait -D FORWARD -j {_CHAIN} 2>/dev/null; do :; done"
