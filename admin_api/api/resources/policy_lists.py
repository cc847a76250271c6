"""Names and networks that the policy in force closes, as text that firewalls fetch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.http.plain_text import plain_text
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from admin_api.firewall.closed_names import closed_names, closed_networks
from admin_api.firewall.kept_lists import MOST_WAITING, Asked, MadeList
from admin_api.firewall.stopping import IsStopped
from blocklists.own_networks import own_networks
from resolver.config.references import ALL_LISTS
from resolver.errors import RuleError
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import View


async def domains(call: Call) -> ApiReply:
    """GET /policy/domains."""
    query: models.PolicyDomainsQuery = call.query
    policy, view = _policy(call, query.group)
    is_wanted, is_plain = _wanted(call, policy, query.set), query.format == "plain"

    def make(is_stopped: IsStopped) -> MadeList:
        given = call.context.access.local_names.prepared(policy.local)
        found = closed_names(policy, view, is_wanted, given, is_stopped)
        left_out = found.left_out + (len(found.alone) if is_plain else 0)
        return MadeList.of(found.plain() if is_plain else found.wildcard(), left_out)

    return await _reply(call, policy, ("domains", query.group, query.set or "", query.format), make)


async def networks(call: Call) -> ApiReply:
    """GET /policy/networks."""
    query: models.PolicyNetworksQuery = call.query
    policy, view = _policy(call, query.group)
    known = own_networks().vendors

    def make(is_stopped: IsStopped) -> MadeList:
        given = call.context.access.local_names.prepared(policy.local)
        found = closed_networks(policy, view, known, given, is_stopped)
        return MadeList.of(found, len(known) - len(found))

    return await _reply(call, policy, ("networks", query.group), make)


def _policy(call: Call, group: str) -> tuple[PolicySnapshot, View]:
    snapshot = call.context.policy.snapshot
    if snapshot is None:
        raise BadRequest(503, "no policy is in force yet", Retry_After="1")
    view = snapshot.view_of_group(group)
    if view is None:
        raise BadRequest(404, f"there is no group {group!r} in the policy in force")
    return snapshot, view


def _wanted(call: Call, policy: PolicySnapshot, wanted: str | None) -> Callable[[Source], bool]:
    """The sources that are asked for. Subscriptions never are: firewalls can fetch those from where they come from."""
    services = frozenset(call.context.catalogue.services_of(wanted)) if wanted is not None else frozenset[str]()
    own = {source.name for source in policy.stack.sources if source.rank is Rank.OWN}
    if wanted not in (None, ALL_LISTS, *own) and not services:
        raise Invalid(
            [("/set", f"{wanted!r} is no set, kind, vendor or service of the catalogue, and no list of yours in force")]
        )

    def is_wanted(source: Source) -> bool:
        if source.rank is Rank.OWN:
            return wanted in (None, ALL_LISTS, source.name)
        return source.rank is not Rank.SUBSCRIPTION and (wanted is None or source.name in services)

    return is_wanted


async def _reply(call: Call, policy: PolicySnapshot, asked: Asked, make: Callable[[IsStopped], MadeList]) -> ApiReply:
    """The list as it was made for this policy, or made now: in a thread, as one of the plans at once."""
    kept, plans = call.context.firewall_lists, call.context.plans
    made = kept.find(policy, asked)
    if made is None and kept.waiting >= MOST_WAITING:
        plans.refused += 1
        raise BadRequest(503, "too many lists are being made: ask again soon", Retry_After="5")
    if made is None:
        async with kept.turn():  # one list at a time, which leaves the other plans to people
            made = kept.find(policy, asked)
            if made is None:
                async with plans.turn():
                    made = await _made(make)
                kept.keep(policy, asked, made)
    return plain_text(made.text, {"X-Moatdns-Lines": str(made.lines), "X-Moatdns-Left-Out": str(made.left_out)})


async def _made(make: Callable[[IsStopped], MadeList]) -> MadeList:
    is_over = threading.Event()
    try:
        return await asyncio.to_thread(make, is_over.is_set)
    except RuleError as error:
        raise BadRequest(409, str(error)) from None
    finally:
        is_over.set()  # when its time is over, the thread ends, too
