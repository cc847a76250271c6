"""A resolver behind a gateway with our rules, in network namespaces: ``python -m tests.support.firewalled FOLDER``.

This process is in the resolver's namespace; a client, the gateway and a foreign network have theirs. What the client
reaches before the rules of ``moatdns firewall`` are loaded, with each format, and between them, is printed as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.clients import dig
from tests.support.moatdns import MOATDNS, Moatdns
from tests.support.namespace import command
from tests.support.programs import free_port, program, wait_until

RESOLVER = {4: "10.0.0.53", 6: "fd00:0:0:1::53"}
CLIENT = {4: "10.0.1.7", 6: "fd00:0:0:2::7"}
FOREIGN = {4: "203.0.113.53", 6: "2001:db8:f::53"}
WEB = "203.0.113.80"  # a foreign host that is no resolver
VENDOR = "160.79.104.10"  # in a network that a vendor publishes as its own
_ROUTERS = {"resolver": ("10.0.0.1", "fd00:0:0:1::1"), "client": ("10.0.1.1", "fd00:0:0:2::1")}
_ROUTERS["foreign"] = ("203.0.113.1", "2001:db8:f::1")
_IP = program("ip")
_SYSCTLS = {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1}
_SYSCTLS |= {"net/ipv4/icmp_ratelimit": 0, "net/ipv6/icmp/ratelimit": 0}  # so that each refusal is told at once
_FORMATS = {  # how each is loaded, and taken away again
    "nftables": (["nft", "-f"], ["nft", "delete", "table", "inet", "moatdns"]),
    "iptables": (["sh"], ["sh", "-c", "iptables -F FORWARD && ip6tables -F FORWARD"]),
}


def main(folder: Path) -> None:
    """Set everything up, look, load the rules, look again."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    with ExitStack() as stack:
        gateway, client, foreign = (stack.enter_context(_namespace()) for _ in range(3))
        _wire(gateway, None, "resolver", RESOLVER)
        _wire(gateway, client, "client", CLIENT)
        _wire(gateway, foreign, "foreign", FOREIGN)
        for more in (WEB, VENDOR):
            _in(foreign, _IP, "address", "add", f"{more}/32", "dev", "lo")
            _in(gateway, _IP, "route", "add", f"{more}/32", "via", FOREIGN[4])
        for key, value in _SYSCTLS.items():
            _in(gateway, "sh", "-c", f"echo {value} > /proc/sys/{key}")
        stack.enter_context(_running([*_enter(foreign), sys.executable, "-m", "tests.support.reaching", "--answer"]))
        port = free_port()
        config: dict[str, Any] = {
            "listen": {"do53": [f"127.0.0.1:{port}", *_endpoints()]},
            "clients": {"allow": ["loopback", "10.0.0.0/8", "fd00::/8"]},
            "upstream": {"servers": [f"udp://{FOREIGN[4]}:53"]},
            "workers": 1,
        }
        with Moatdns(folder, config) as moatdns:
            moatdns.port = port
            wait_until(lambda: _look(client)["53/udp 4"], "that the foreign resolver is reached")
            reached, own = {"before": _look(client)}, {}
            listed = folder / "resolvers.txt"
            listed.write_text("# our list\n203.0.113.53\n2001:db8:f::53\n")
            more = ["--config", str(moatdns.config_file), "--resolvers-file", str(listed), "--vendor", "anthropic"]
            for name, (load, unload) in _FORMATS.items():
                rules = folder / f"rules.{name}"
                made = subprocess.run([str(MOATDNS), "firewall", name, *more], check=True, capture_output=True)
                rules.write_bytes(made.stdout)
                for _ in range(2):  # the second time takes the place of the first
                    _in(gateway, *load, str(rules))
                reached[name] = _look(client)
                own[name] = dig(port, f"asked-after-{name}.example").rdata
                four = [str(MOATDNS), "firewall", name, *more, "--resolver", RESOLVER[4], "--clients", "10.0.0.0/8"]
                rules.write_bytes(subprocess.run(four, check=True, capture_output=True).stdout)
                _in(gateway, *load, str(rules))
                reached[f"{name} of IPv4 alone"] = _look(client)
                _in(gateway, *unload)
                reached[f"after {name}"] = _look(client)
    sys.stdout.write(json.dumps({"reached": reached, "own": own}))


def _endpoints() -> list[str]:
    return [f"{RESOLVER[4]}:53", f"[{RESOLVER[6]}]:53"]


@contextmanager
def _running(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(arguments)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _namespace() -> Iterator[int]:
    """A namespace, by the id of a process in it."""
    waiting = [program("unshare"), "--net", "--", "sh", "-c", f"{_IP} link set lo up && echo up && exec sleep 600"]
    process = subprocess.Popen(waiting, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _enter(namespace: int) -> list[str]:
    return [program("nsenter"), "--target", str(namespace), "--net", "--"]


def _in(namespace: int | None, *arguments: str) -> None:
    subprocess.run([*(_enter(namespace) if namespace else ()), *arguments], check=True)


def _wire(gateway: int, namespace: int | None, name: str, addresses: dict[int, str]) -> None:
    """Lay a wire from a namespace (None: this one) to the gateway, with addresses, and the way out through it."""
    end = f"to-{name}"
    command("link", "set", "lo", "up")
    command("link", "add", end, "type", "veth", "peer", "name", name)
    command("link", "set", name, "netns", str(gateway))
    if namespace is not None:
        command("link", "set", end, "netns", str(namespace))
    for version, router, length in zip((4, 6), _ROUTERS[name], ("24", "64"), strict=True):
        nodad = ("nodad",) if version == 6 else ()
        _in(gateway, _IP, "address", "add", f"{router}/{length}", "dev", name, *nodad)
        _in(namespace, _IP, "address", "add", f"{addresses[version]}/{length}", "dev", end, *nodad)
    _in(gateway, _IP, "link", "set", name, "up")
    _in(namespace, _IP, "link", "set", end, "up")
    for version, router in zip((4, 6), _ROUTERS[name], strict=True):
        _in(namespace, _IP, f"-{version}", "route", "add", "default", "via", router)


def _look(client: int) -> dict[str, bool]:
    """Servers that a client reaches."""
    ran = subprocess.run(
        [*_enter(client), sys.executable, "-m", "tests.support.reaching"], check=True, capture_output=True, text=True
    )
    found: dict[str, bool] = json.loads(ran.stdout)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
