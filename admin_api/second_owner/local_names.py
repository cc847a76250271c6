"""Openings by local names: of others' names, and of what the policy has rules for, answered whatever they say. Pure.

In doubt something counts as opened: the judge looks at whether there are rules, not at whom they are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from admin_api.store.local_names import given_of
from resolver.config.local_schema import record_of
from resolver.config.own_names import OwnNames
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.ip_keys import keys_of_address
from resolver.wire.local_data import LocalData
from resolver.wire.local_records import BY_API, WILDCARD, LocalRecord
from resolver.wire.names import key_of, parse_name

States = Mapping[str, Mapping[str, Any] | None]  # by name, as audit rows have it; None: it was not there


@dataclass(frozen=True, slots=True)
class LocalFacts:
    """Facts that a judgement of local names needs: the config's names, and the policy in force.

    `policy` None: it is not known, or has not all rules that the store has. A name that is not `own` is somebody
    else's: whoever answers for it can pose as him. None: whose a name is does not count.
    """

    of_config: tuple[LocalRecord, ...] = ()
    policy: PolicySnapshot | None = None
    own: OwnNames | None = None


def local_opened(before: States, now: Iterable[LocalRecord], facts: LocalFacts) -> list[str]:
    """Openings by changes of local names, in finished phrases. `before` has what was changed, as it was.

    What the config hides is judged, too, as it is in force once the config does not have the name any more.
    Takes a while for thousands of names: may run in a thread.
    """
    after = {record.name: record for record in now}
    found = list(_opened(before, after, facts, facts.of_config))
    alone = tuple(record for record in facts.of_config if record.name not in after and record.name not in before)
    if len(alone) < len(facts.of_config):
        hidden = [phrase for phrase in _opened(before, after, facts, alone) if phrase not in found]
        found += [f"{phrase}, when the config no longer has the name" for phrase in hidden]
    return found


def _opened(
    before: States, after: Mapping[str, LocalRecord], facts: LocalFacts, of_config: tuple[LocalRecord, ...]
) -> Iterator[str]:
    was = {name: record for name, record in after.items() if name not in before}
    was |= {name: _record(name, state) for name, state in before.items() if state is not None}
    old, new = LocalData((*of_config, *was.values())), LocalData((*of_config, *after.values()))
    aliases = {record.name for data in (old, new) for record in data.aliases}  # which lead on to what has changed
    for name in sorted({*before, *aliases}):
        led, leads = _leads_to(old, name), _leads_to(new, name)
        if led == leads:
            continue
        was_closed = bool(led) and all(_is_nowhere(one) for one in led)
        is_open = was_closed or (facts.own is not None and not facts.own.has(name))
        if not is_open and not any(_is_known(facts.policy, one) for one in (name, *led, *leads)):
            continue
        if leads:
            yield f"local name {name!r} is answered by {', '.join(leads)}, whatever the policy says"
        else:
            yield f"local name {name!r} is no longer answered by {', '.join(led)}"


def _record(name: str, state: Mapping[str, Any]) -> LocalRecord:
    return record_of(name, given_of({"name": name, "addresses": state["addresses"], "alias": state["alias"]}), BY_API)


def _leads_to(data: LocalData, name: str) -> tuple[str, ...]:
    """The addresses, or the one name outside, that a name leads to; nothing where it is not local, or has no data."""
    found = data.at(name)
    if found is None:
        return ()
    last = data.end_of(found)
    if last.alias:
        return (last.record.alias,)
    return last.record.addresses if last.records else ()


def _is_known(policy: PolicySnapshot | None, text: str) -> bool:
    """Whether the policy has rules for a name, for some below it, or for an address."""
    if policy is None:
        return True
    stack = policy.stack
    if _is_address(text):
        return stack.judges_addresses and any(stack.walk(key) for key in keys_of_address(ip_address(text).packed))
    key = key_of(parse_name(text.removeprefix(WILDCARD)))
    walked = stack.walk(key)
    if text.startswith(WILDCARD) and (walked or stack.has_regexes):
        return True
    return stack.has_below(key) or bool(stack.matches(key, walked))


def _is_nowhere(text: str) -> bool:
    """Whether an address is no host's, so that a name that leads there is closed."""
    if not _is_address(text):
        return False
    address = ip_address(text)
    return address.is_unspecified or address.is_loopback


def _is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()
