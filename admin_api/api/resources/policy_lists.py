"""Names and networks that the policy in force closes, as text that firewalls fetch."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from admin_api.firewall.closed_names import closed_names, closed_networks
from admin_api.store import lists, rules
from blocklists.own_networks import own_networks
from resolver.config.references import ALL_LISTS
from resolver.policy.rule_syntax import Rule, parse_rule
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import View

TEXT: Final = "text/plain; charset=utf-8"
MOST_RULES: Final = 200_000
"""Rules of own lists that are looked through; with more of them, no list of names is made."""

_Pairs = list[tuple[str, Rule]]


@dataclass(slots=True)
class _Known:
    """All rules with their actions, and those that are asked for."""

    pairs: _Pairs = field(default_factory=list)
    wanted: list[Rule] = field(default_factory=list)


async def domains(call: Call) -> ApiReply:
    """GET /policy/domains."""
    query: models.PolicyDomainsQuery = call.query
    policy, view = _policy(call, query.group)
    async with call.context.plans.turn():
        known = await _known(call, query.set)
        found = await asyncio.to_thread(closed_names, policy, view, known.pairs, known.wanted)
    is_plain = query.format == "plain"
    left_out = found.left_out + (len(found.alone) if is_plain else 0)
    return _text(found.plain() if is_plain else found.wildcard(), left_out)


async def networks(call: Call) -> ApiReply:
    """GET /policy/networks."""
    query: models.PolicyNetworksQuery = call.query
    policy, view = _policy(call, query.group)
    rules_of_vendors = [(domain.vendor, domain.rule) for domain in call.context.catalogue.every_domain]
    known = own_networks().vendors
    async with call.context.plans.turn():
        found = await asyncio.to_thread(closed_networks, policy, view, known, rules_of_vendors)
    return _text(found, len(known) - len(found))


def _policy(call: Call, group: str) -> tuple[PolicySnapshot, View]:
    snapshot = call.context.policy.snapshot
    if snapshot is None:
        raise BadRequest(503, "no policy is in force yet", Retry_After="1")
    view = snapshot.view_of_group(group)
    if view is None:
        raise BadRequest(404, f"there is no group {group!r} in the policy in force")
    return snapshot, view


async def _known(call: Call, wanted: str | None) -> _Known:
    """The rules of the catalogue and of own lists; subscriptions can be fetched from where they come from."""
    catalogue, known = call.context.catalogue, _Known()
    services = None if wanted is None else frozenset(catalogue.services_of(wanted))
    is_known = wanted in (None, ALL_LISTS) or bool(services)
    for domain in catalogue.every_domain:
        known.pairs.append(("block", domain.rule))
        if services is None or domain.service in services:
            known.wanted.append(domain.rule)
    async with call.context.store.read() as connection:
        own = [row for row in await lists.all_lists(connection) if row.kind == "own" and row.enabled]
        if sum(row.rules for row in own) > MOST_RULES:
            raise BadRequest(409, f"your own lists have more than {MOST_RULES} rules: too many for a list of names")
        for row in own:
            is_wanted = wanted in (None, ALL_LISTS, row.name)
            is_known = is_known or row.name == wanted
            async for batch in rules.stream(connection, row.id):
                parsed = [(action, parse_rule(text)) for action, text in batch]
                known.pairs += parsed
                if is_wanted:
                    known.wanted += _blocks(parsed)
    if not is_known:
        raise Invalid(
            [("/set", f"{wanted!r} is no set, kind, vendor or service of the catalogue, and no list of yours")]
        )
    return known


def _blocks(pairs: Iterable[tuple[str, Rule]]) -> Iterable[Rule]:
    return (rule for action, rule in pairs if action == "block")


def _text(lines: Sequence[str], left_out: int) -> ApiReply:
    body = "".join(f"{line}\n" for line in lines).encode()
    headers = {
        "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        "X-Moatdns-Lines": str(len(lines)),
        "X-Moatdns-Left-Out": str(left_out),
        "Cache-Control": "private, no-cache",
    }
    return ApiReply(body, headers=headers, content_type=TEXT)
