"""RADIUS accounting: FreeRADIUS's `exec` module gives the attributes of a request in the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from .running import Hook, log, run
from .settings import HookError, shown
from .spool import read_address

_GIVEN: Final = ("Start", "Interim-Update", "Alive")
_ADDRESSES: Final = ("FRAMED_IP_ADDRESS", "FRAMED_IPV6_ADDRESS")
_MAX_SESSION: Final = 200  # characters
_ESCAPED: Final = re.compile(r"""\\(["\\])""")  # all others stand for control characters


def main(_words: list[str]) -> int:
    """Entry point that FreeRADIUS calls. Always 0."""
    return run(lambda hook: act(hook, os.environ))


def act(hook: Hook, facts: Mapping[str, str]) -> None:
    """Do what an Accounting-Request asks for; one without address or of another kind is passed over.

    Raises HookError.
    """
    status = _value(facts, "ACCT_STATUS_TYPE")
    addresses = [read_address(text) for name in _ADDRESSES if (text := _value(facts, name))]
    if not addresses:
        return
    user = _value(facts, "USER_NAME")
    if not user:
        raise HookError("an Accounting-Request without User-Name: it cannot be told whose lease that is")
    if hook.people.is_nobody(user):
        return
    holder = hook.people.of_name(user)
    session = f"radius:{_value(facts, 'ACCT_SESSION_ID')[:_MAX_SESSION]}"
    if status in _GIVEN:
        hook.lease(addresses, holder, session)
    elif status == "Stop":
        for address in addresses:
            known = hook.spool.whose(address)
            # A device that roams begins its next session before the old one is stopped, and may keep its address.
            if known is None or known.source == session:
                hook.spool.end(address, holder.identity)
    elif status == "":
        log("there is no ACCT_STATUS_TYPE: does the exec module have `input_pairs = request`?")


def _value(facts: Mapping[str, str], name: str) -> str:
    """An attribute's value as it came: FreeRADIUS quotes texts, and escapes in them. Raises HookError."""
    value = facts.get(name, "")
    if len(value) < 2 or not value[0] == value[-1] == '"':
        return value
    text = value[1:-1]
    if "\\" in _ESCAPED.sub("", text):
        raise HookError(f"{name}={shown(value)} holds characters that cannot be printed")
    return _ESCAPED.sub(r"\1", text)
