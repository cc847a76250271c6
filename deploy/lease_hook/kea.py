"""Kea's run_script hook: leases that were given, renewed, released, declined or that ran out, on IPv4 and IPv6."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from .running import Hook, run
from .settings import HookError
from .spool import read_address

_MOST_LEASES: Final = 16  # of one exchange
_GIVEN: Final = ("renew", "rebind")
_OVER: Final = ("release", "expire", "decline")


def main(words: list[str]) -> int:
    """Entry point that Kea calls, with the hook point's name and its facts in the environment. Always 0."""
    return run(lambda hook: act(hook, words[0] if words else "", os.environ))


def act(hook: Hook, point: str, facts: Mapping[str, str]) -> None:
    """Do what a hook point asks for; those that change no lease are passed over. Raises HookError."""
    found = re.fullmatch(r"leases?([46])_([a-z]+)", point)
    if not found:
        return
    family, event = found.groups()
    if event == "committed":
        # The deleted ones first: they may be the same device's, at an address that it had before.
        for lease in _numbered(facts, f"DELETED_LEASES{family}"):
            _end(hook, lease)
        for lease in _numbered(facts, f"LEASES{family}"):
            _set(hook, lease, facts)
    elif event in _GIVEN:
        _set(hook, _lease(facts, f"LEASE{family}_"), facts)
    elif event in _OVER:
        _end(hook, _lease(facts, f"LEASE{family}_"))


def _set(hook: Hook, lease: Mapping[str, str], facts: Mapping[str, str]) -> None:
    if lease.get("TYPE", "IA_NA") not in {"IA_NA", "IA_TA", "V4", ""}:
        return  # a delegated prefix is no client's address
    if lease.get("STATE", "default") != "default":
        _end(hook, lease)
        return
    address = read_address(lease.get("ADDRESS", ""))
    mac = lease.get("HWADDR") or facts.get("QUERY6_REMOTE_HWADDR", "")
    holder = hook.people.of_device(
        mac,
        client_id=lease.get("CLIENT_ID", ""),
        duid=lease.get("DUID", ""),
        host_name=lease.get("HOSTNAME", "").rstrip("."),
    )
    if holder is None:
        hook.spool.end(address)  # of whoever had the address before
        return
    hook.lease([address], holder, "kea", seconds=lease.get("VALID_LIFETIME", ""))


def _end(hook: Hook, lease: Mapping[str, str]) -> None:
    hook.spool.end(read_address(lease.get("ADDRESS", "")))


def _numbered(facts: Mapping[str, str], name: str) -> list[dict[str, str]]:
    """The leases NAME_AT0_..., NAME_AT1_..., as many as NAME_SIZE says. Raises HookError."""
    size = facts.get(f"{name}_SIZE", "0")
    if not re.fullmatch(r"[0-9]{1,5}", size):
        raise HookError(f"{name}_SIZE is no number")
    return [_lease(facts, f"{name}_AT{number}_") for number in range(min(int(size), _MOST_LEASES))]


def _lease(facts: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {key[len(prefix) :]: value for key, value in facts.items() if key.startswith(prefix)}
