"""dnsmasq's dhcp-script: `add|old|del MAC_OR_DUID ADDRESS [HOST_NAME]`, with more in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .running import Hook, run
from .spool import read_address


def main(words: list[str]) -> int:
    """Entry point that dnsmasq calls. Always 0."""
    return run(lambda hook: act(hook, words, os.environ))


def act(hook: Hook, words: list[str], facts: Mapping[str, str]) -> None:
    """Do what an event asks for; those that change no lease (init, tftp, arp-add, ...) are passed over.

    Raises HookError.
    """
    if len(words) < 3 or words[0] not in {"add", "old", "del"}:
        return
    event, hardware = words[:2]
    address = read_address(words[2])
    # For IPv6 the second word is the DUID, and the MAC address is told apart where it is known. A type before the
    # MAC address (06-aa:bb:...) marks what is no Ethernet.
    is_v6 = "DNSMASQ_IAID" in facts
    mac = facts.get("DNSMASQ_MAC", "") if is_v6 else facts.get("DNSMASQ_MAC") or hardware
    client_id, duid = ("", hardware) if is_v6 else (facts.get("DNSMASQ_CLIENT_ID", ""), "")
    host_name = words[3] if len(words) > 3 else facts.get("DNSMASQ_SUPPLIED_HOSTNAME", "")
    holder = None
    if event != "del":
        holder = hook.people.of_device(mac, client_id=client_id, duid=duid, host_name=host_name)
    if holder is None:
        hook.spool.end(address)
        return
    # A renewal comes at half time at the earliest, so every one of them is due.
    hook.lease([address], holder, "dnsmasq", seconds=facts.get("DNSMASQ_TIME_REMAINING", ""))
