"""OpenVPN's learn-address hook, and the renewal of the leases of those who are still connected."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from .running import Hook, log, run
from .settings import HookError, read_file, shown
from .spool import read_address

_MAX_STATUS_BYTES: Final = 16 << 20
_MAC: Final = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}(@[0-9]+)?", re.IGNORECASE)  # of dev tap; @: the VLAN
_USAGE: Final = "usage: openvpn-learn-address add|update|delete ADDRESS [COMMON_NAME] | renew STATUS_FILE|-"


def main(words: list[str]) -> int:
    """Entry point that OpenVPN calls. Always 0: another status of `add` would turn the client away."""
    return run(lambda hook: _act(hook, words))


def _act(hook: Hook, words: list[str]) -> None:
    if len(words) == 2 and words[0] == "renew":
        _renew(hook, words[1])
    elif len(words) >= 2 and words[0] == "delete":
        if (address := _client_address(words[1])) and not hook.spool.end(address):
            log(f"the end of {address}: nobody is known to have it")
    elif len(words) == 3 and words[0] in {"add", "update"}:
        if address := _client_address(words[1]):
            _set(hook, address, words[2])
    else:
        raise HookError(_USAGE)


def _set(hook: Hook, address: str, common_name: str, *, only_when_due: bool = False) -> None:
    hook.lease([address], hook.people.of_name(common_name), "openvpn", only_when_due=only_when_due)


def _client_address(text: str) -> str:
    """A client's address in its normal form; empty for what OpenVPN learns besides: subnets and MAC addresses."""
    if "/" in text:
        log(f"{shown(text)} is a network behind a client, not the client: no lease")
        return ""
    if _MAC.fullmatch(text):
        log(f"{shown(text)} is a MAC address (dev tap): no lease; let the DHCP server set it")
        return ""
    return read_address(text)


def _renew(hook: Hook, status_file: str) -> None:
    """Renew the lease of everybody in the routing table of `--status FILE`, version 2 or 3; `-` is standard input.

    OpenVPN says when a client comes and goes, and nothing in between.
    """
    try:
        # Python's own standard input, not /dev/stdin: opening that asks again whether this user may read the file.
        is_piped = status_file == "-"
        text = sys.stdin.read(_MAX_STATUS_BYTES) if is_piped else read_file(Path(status_file), _MAX_STATUS_BYTES)
    except UnicodeDecodeError:
        raise HookError(f"{status_file}: is not UTF-8 text") from None
    rows = [line.split("\t" if "\t" in line else ",") for line in text.splitlines()]
    if not any(row[0] == "HEADER" for row in rows):
        raise HookError(
            f"{status_file}: is no status file of version 2 or 3: add `status-version 2` to OpenVPN's config"
        )
    for row in rows:
        if row[0] != "ROUTING_TABLE" or len(row) < 3 or "/" in row[1]:
            continue
        try:
            _set(hook, read_address(row[1].rstrip("C")), row[2], only_when_due=True)  # C: a cached route
        except HookError as error:
            log(str(error))
