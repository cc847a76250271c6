"""The command for whatever has no hook of its own: `lease-hook set|end|send`."""

from __future__ import annotations

import sys
from typing import Final

from .people import Holder, read_identity
from .running import Hook, run, send_now
from .spool import read_address

_USAGE: Final = """usage: lease-hook set ADDRESS[,ADDRESS...] IDENTITY [GROUP]   lease the addresses of one device
       lease-hook end ADDRESS [IDENTITY]                    end that; of whoever has it, unless an identity is given
       lease-hook send                                      send what waits, now, and say what is wrong
"""


def main(words: list[str]) -> int:
    """0, also when moatdns is away; 2 for wrong usage; `send`: 1 when something still waits."""
    if words == ["send"]:
        return send_now()
    if len(words) in {3, 4} and words[0] == "set":
        return run(lambda hook: _set(hook, *words[1:]))
    if len(words) in {2, 3} and words[0] == "end":
        return run(lambda hook: _end(hook, *words[1:]))
    sys.stderr.write(_USAGE)
    return 2


def _set(hook: Hook, addresses: str, name: str, group: str = "") -> None:
    mapped = hook.people.get(name) or Holder(read_identity(name), hook.settings.group)
    wanted = [read_address(text) for text in addresses.split(",")]
    hook.lease(wanted, mapped._replace(group=group or mapped.group), "command")


def _end(hook: Hook, address: str, name: str = "") -> None:
    mapped = hook.people.get(name) or Holder(read_identity(name), None) if name else None
    hook.spool.end(read_address(address), mapped.identity if mapped else None)
