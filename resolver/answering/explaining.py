"""Explanation of one answer: who may ask at all, what is answered here, and then the policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from resolver.answering.local_names import LocalNames, local_names_of
from resolver.answering.proxies import TrustedProxies
from resolver.answering.rebinding import private_names_of
from resolver.config.own_names import EVERYBODYS, OwnNames, own_names_of
from resolver.config.settings import WorkerSettings
from resolver.policy.decision import Verdict
from resolver.policy.explain import Explanation, explain
from resolver.policy.groups import NetworkTable, parse_client
from resolver.policy.moments import Moment
from resolver.policy.proved_names import normal_client_name
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Subjects
from resolver.policy.telling import Step
from resolver.wire.codes import Type, is_meta
from resolver.wire.local_data import LocalData, LocalName
from resolver.wire.local_records import BY_API, BY_KEY
from resolver.wire.message import type_number
from resolver.wire.names import ancestors_of, key_of, to_text

_WITH_ADDRESSES = frozenset({int(Type.A), int(Type.AAAA), int(Type.SVCB), int(Type.HTTPS)})
REFUSED = "refused"  # the verdict for those who may not ask
_OF_PROXIES = Step(
    "access",
    "asks for others",
    "clients.trusted_proxies holds this address: a query that does not say for whom it asks is refused; what follows "
    "is for its own (PROXY LOCAL)",
)


@dataclass(frozen=True, slots=True)
class Access:
    """Access of clients, and names that are answered without policy: the config's part, beside the policy."""

    allowed: NetworkTable[bool]
    local_names: LocalNames
    proxies: TrustedProxies
    local_ttl_seconds: int
    private_names: frozenset[bytes] | None = None
    """Keys of the names that may have private addresses, with all below them; None where any name may."""
    own_names: OwnNames = EVERYBODYS


def access_of(settings: WorkerSettings) -> Access:
    """The access rules of a worker with these settings."""
    return Access(
        NetworkTable((network, True) for network in settings.clients_allow),
        local_names_of(settings),
        TrustedProxies(settings.trusted_proxies),
        settings.local_ttl_seconds,
        private_names_of(settings),
        own_names_of(settings),
    )


def explain_query(
    policy: PolicySnapshot,
    access: Access,
    wire_name: bytes,
    *,
    client: str,
    qtype: str,
    subjects: Subjects,
    now: Moment,
    client_name: str = "",
) -> Explanation:
    """Explain what the server answers to a query, step by step in its own order.

    `client_name` is what the client calls itself by DoT or DoH, or proves to be (``proved:…``), in any case.

    Raises ValueError for what is no address or no type, RuleError for a name that no certificate can prove.
    """
    number = type_number(qtype)
    if number is None:
        raise ValueError(f"{qtype!r} is not a record type: write a name such as AAAA, or TYPE999")

    named = normal_client_name(client_name)

    def explained(name: bytes) -> Explanation:
        return explain(policy, name, client, qtype.upper(), subjects=subjects, now=now, client_name=named)

    given = access.local_names.prepared(policy.local)
    explanation = _explained(explained, access, given, number, wire_name, client, qtype)
    if access.proxies.words_of(parse_client(client)):
        return replace(explanation, trace=[_OF_PROXIES, *explanation.trace])
    return explanation


def _explained(
    explained: Callable[[bytes], Explanation],
    access: Access,
    given: LocalData | None,
    number: int,
    wire_name: bytes,
    client: str,
    qtype: str,
) -> Explanation:
    """The policy's steps, as `explained` gives them for a name, unless something before it decides."""
    explanation = explained(wire_name)
    if access.allowed.find(parse_client(client)) is None:
        why = "clients.allow does not contain this address; the policy does not matter"
        return _without_policy(explanation, REFUSED, Step("access", REFUSED, why))
    if is_meta(number) or number == Type.OPT:
        return _without_policy(explanation, REFUSED, Step("type", REFUSED, f"{qtype} is not a type of data"))
    found = None if given is None else given.find(key_of(wire_name))
    if given is not None and found is not None:
        outside = None if number == Type.CNAME else given.target_outside(found)
        if outside is not None and number != Type.ANY:
            of_target = explained(outside)
            step = _given_step(found, f"; {to_text(outside)} is asked for as any name is, and the policy decides on it")
            return replace(of_target, name=explanation.name, trace=[step, *of_target.trace])
        return _without_policy(explanation, "allow", _given_step(found, ", without policy or upstream"))
    zone = access.local_names.zone_of(key_of(wire_name), number)
    if zone is not None:
        why = f"{zone.name} is always answered here ({zone.because}), without policy or upstream"
        return _without_policy(explanation, "allow", Step("local", "answered here", why))
    if number == Type.ANY and explanation.verdict != Verdict.BLOCK:
        minimal = Step("response", "answered here", "ANY always gets one HINFO record (RFC 8482)")
        return replace(explanation, trace=[*explanation.trace[:-1], minimal])
    if explanation.verdict != Verdict.BLOCK and number in _WITH_ADDRESSES:
        *before, response = explanation.trace
        return replace(explanation, trace=[*before, _guard_step(access.private_names, key_of(wire_name)), response])
    return explanation


_PLACES = {BY_KEY: "the config's key local", BY_API: "the admin API"}


def _given_step(found: LocalName, what_then: str) -> Step:
    """The step of a local name: which entry decides, where it was given, and what it says."""
    record = found.record
    where = _PLACES.get(record.origin, record.origin)
    entry = f"{record.name} of {where}"
    if int(Type.PTR) in found.records:
        entry = f"the address of {entry}"
    if not found.exists:
        entry = f"no local name is here, and {entry} owns all that is below {record.base}"
    elif found.alias:
        entry += f" stands for {record.alias}"
    return Step("local", "answered here", entry + what_then)


def _guard_step(private_names: frozenset[bytes] | None, key: bytes) -> Step:
    """The step of the guard against rebinding: the policy allows, and addresses may be gone from the answer."""
    if private_names is None:
        return Step("guard", "off", "private addresses are passed on: upstream.rebinding_guard is off")
    if any(above in private_names for above in ancestors_of(key)):
        return Step("guard", "private name", "may have private addresses: it is in upstream.private_names or zones")
    return Step(
        "guard",
        "on",
        "private addresses are removed from upstreams' answers, unless upstream.private_names or upstream.zones has "
        "this name or one above it",
    )


def _without_policy(explanation: Explanation, verdict: str, step: Step) -> Explanation:
    return replace(
        explanation, verdict=verdict, service=None, list=None, rule=None, exemption=None, response=None, trace=[step]
    )
