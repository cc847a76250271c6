"""Registers against the catalogue: which hosts no rule covers, and which entries their registers have no more."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from blocklists.catalogue import Catalogue, CatalogueDomain
from blocklists.coverage import Coverage
from blocklists.gathering.declined import DeclinedFinding
from blocklists.gathering.findings import Comparison, LeftOut, RegisterChange, RegisterFinding, Seen
from blocklists.gathering.hosts import Commons, Why, host_of
from blocklists.gathering.registers import Provider, Register, Told, ToldReach
from resolver.config.references import SETS
from resolver.policy.rule_syntax import RuleKind
from resolver.wire.names import to_text, wire_of_key

_ALL: Final = ("ai", "clouds", "bypass")
_ALIKE = re.compile(r"[^a-z0-9]+")
_MOST_GONE: Final = 3  # one in so many: more looks like half a register


def compare(catalogue: Catalogue, registers: Sequence[Register], declined: Collection[DeclinedFinding]) -> Comparison:
    """All that registers say and the catalogue does not, without what was declined before."""
    comparing = _Comparing(catalogue)
    for register in registers:
        for provider in register.providers:
            comparing.add(register, provider)
    comparing.place()
    notes: list[str] = []
    gone = [finding for register in registers for finding in comparing.gone(register, registers, notes)]
    before = {(row.name, row.change is RegisterChange.GONE) for row in declined}
    found = [
        finding
        for finding in (*comparing.findings.values(), *gone)
        if (decided_name(finding), finding.change is RegisterChange.GONE) not in before
    ]
    order = list(RegisterChange)
    found.sort(key=lambda finding: (order.index(finding.change), finding.host, finding.service))
    return Comparison(tuple(found), tuple(comparing.left_out), len(comparing.known), tuple(notes))


def decided_name(finding: RegisterFinding) -> str:
    """The name by which a decision about a finding is remembered."""
    return (
        f"{finding.rule} {finding.vendor}/{finding.service}" if finding.change is RegisterChange.GONE else finding.host
    )


class _Comparing:
    """The state of one comparison."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.findings: dict[str, RegisterFinding] = {}
        self.left_out: list[LeftOut] = []
        self.known: set[str] = set()
        self._catalogue = catalogue
        self._coverage = Coverage(catalogue, _ALL)
        self._commons = Commons(catalogue)
        self._services_of: dict[str, str] = {}  # a provider's id and name, alike: the service of a host that is known
        self._services_in: dict[str, str] = {}  # a registrable domain: a service that has a rule there
        for domain in catalogue.domains:
            if domain.vendor != "bypass" and domain.rule.kind is RuleKind.NAME and (firm := self._firm(domain)):
                self._services_in.setdefault(firm, domain.service)
                if domain.note:
                    self._services_of.setdefault(_alike(domain.note), domain.service)
        for service in catalogue.services.values():  # a service's own name is often a word, such as Inference
            for name in (catalogue.about[service.vendor].name, service.vendor):
                if service.vendor != "bypass":
                    self._services_of.setdefault(_alike(name), service.id)

    def add(self, register: Register, provider: Provider) -> None:
        """Take up all addresses of a provider."""
        where = register.provenance.name
        if not provider.addresses:
            told = provider.documents[0] if provider.documents else Told(provider.name, "")
            self.left_out.append(LeftOut(told.text[:200], Why.NO_HOST, provider.id, where, told.at))
        for told in provider.addresses:
            host = host_of(told)
            if isinstance(host, Why):
                self.left_out.append(LeftOut(told.text[:200], host, provider.id, where, told.at))
            elif covering := self._coverage.of(host):
                self.known.add(host)
                if not register.is_list and covering.vendor != "bypass":
                    for name in (provider.id, provider.name):
                        self._services_of.setdefault(_alike(name), covering.service)
            elif why := self._commons.why_not(host):
                self.left_out.append(LeftOut(told.text[:200], why, provider.id, where, told.at))
            else:
                self._find(register, provider, told, host)

    def _find(self, register: Register, provider: Provider, told: Told, host: str) -> None:
        origin = register.provenance
        seen = Seen(origin.name, origin.revision, origin.date, told.at, provider.id, origin.source)
        finding = self.findings.get(host)
        if finding is None:
            is_exact = register.is_list and told.reach is ToldReach.HOST
            finding = RegisterFinding(
                RegisterChange.NEW, host, f"={host}" if is_exact else host, "", "", "", provider.name
            )
            finding.is_listed_only = True
            self.findings[host] = finding
        if not register.is_list and finding.is_listed_only:
            finding.is_listed_only = False
            finding.name, finding.rule = provider.name, host
            finding.seen_in.insert(0, seen)
        else:
            finding.seen_in.append(seen)
        finding.surface = "web" if finding.is_listed_only else "api"

    def place(self) -> None:
        """Say for each finding whether it is of a service that is known, or propose a vendor for it."""
        for host, finding in self.findings.items():
            service = self._services_in.get(self._commons.registrable(host) or "")
            if service is None and not finding.is_listed_only:
                names = (finding.name, *(seen.provider for seen in finding.seen_in))
                service = next((found for name in names if (found := self._services_of.get(_alike(name)))), None)
            if service is not None:
                finding.change = RegisterChange.MOVED
                finding.vendor, _, finding.service = service.partition("/")
            else:
                firm = (self._commons.registrable(host) or host).split(".")[0]
                first = firm if finding.is_listed_only else finding.seen_in[0].provider
                finding.vendor, finding.service = self._free_id(first, firm), "api"
                finding.name = firm if finding.is_listed_only else finding.name

    def _free_id(self, *wishes: str) -> str:
        """An id that no vendor and no set has."""
        for wish in wishes:
            plain = re.sub(r"[^a-z0-9]+", "-", wish.lower()).strip("-")[:40]
            if plain and plain not in SETS and plain not in self._catalogue.about:
                return plain
        return f"{plain or 'vendor'}-models"

    def gone(self, register: Register, registers: Sequence[Register], notes: list[str]) -> Iterator[RegisterFinding]:
        """Entries that name this register as their source, are older than it, and that no register has."""
        origin = register.provenance
        if not register.is_whole:
            return
        entries = [domain for domain in self._catalogue.domains if _cites(domain, register)]
        hosts = {host for one in registers for told in _all_told(one) if isinstance(host := host_of(told), str)}
        firms = {firm for host in hosts if (firm := self._commons.registrable(host))}
        covering = {covered for host in hosts if (covered := self._coverage.of(host))}
        lost = [domain for domain in entries if domain not in covering and (self._firm(domain) or "") not in firms]
        if len(lost) * _MOST_GONE > len(entries) and len(lost) > 1:
            notes.append(
                f"{origin.name}: {len(lost)} of {len(entries)} entries that name it as their source are not in it, "
                "which looks like a part of the register: none of them is told as gone"
            )
            return
        for domain in lost:
            vendor, _, service = domain.service.partition("/")
            seen = Seen(origin.name, origin.revision, origin.date, "", "", domain.source)
            name = domain.note or self._catalogue.services[domain.service].name
            host = to_text(wire_of_key(domain.rule.key))
            yield RegisterFinding(
                RegisterChange.GONE, host, domain.rule.text, vendor, service, domain.surface, name, [seen]
            )

    def _firm(self, domain: CatalogueDomain) -> str | None:
        return self._commons.registrable(to_text(wire_of_key(domain.rule.key)))


def _all_told(register: Register) -> Iterator[Told]:
    for provider in register.providers:
        yield from provider.addresses
        yield from provider.documents


def _cites(domain: CatalogueDomain, register: Register) -> bool:
    """Whether an entry is from this register (of a list, from this file of it) and not from a later revision."""
    origin = register.provenance
    if origin.name not in domain.source or domain.seen > origin.date:
        return False
    return origin.path in domain.source if register.is_list else domain.surface == "api"


def _alike(name: str) -> str:
    return _ALIKE.sub("", name.lower())
