"""Judge of domains that match no rule: how much each looks like an AI service, by evidence that can be shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from publicsuffixlist import PublicSuffixList

from blocklists.catalogue import Catalogue
from blocklists.likeness.evidence import Evidence
from blocklists.likeness.names import Brands, evidence_in_name
from blocklists.likeness.words import COMMON
from blocklists.lint import NEVER
from blocklists.neighbours import Neighbourhood

REGISTER: Final = Path(__file__).with_name("register.txt")

_REGISTER_POINTS, _SIBLING_POINTS, _LISTED_TARGET_POINTS, _NEAR_TARGET_POINTS = 50, 20, 40, 15
_ADDRESS_POINTS: Final = 15
_LEAST_BRAND: Final = 5  # characters: shorter names are parts of too many words
_MOST_COMPANY_POINTS: Final = 40
_LEAST_COMPANY_CLIENTS: Final = 3  # that asked for it within seconds of a listed name
_LEAST_LIFT: Final = 3.0  # times as often as names are asked for then on the whole


@dataclass(frozen=True, slots=True)
class Company:
    """How often a domain was asked for within seconds of listed names, and by how many clients.

    `usual` is the share of all forwarded queries that come then.
    """

    queries: int
    near: int
    near_clients: int
    usual: float


class Likeness:
    """Judge by listed services and registers; asks nobody, and keeps nothing."""

    def __init__(self, catalogue: Catalogue, register: Path = REGISTER) -> None:
        """Raises OSError where the register cannot be read."""
        self._suffixes = PublicSuffixList(accept_unknown=False)
        self._neighbourhood = Neighbourhood(catalogue)
        self._register = read_register(register)
        self._brands = Brands(_brands_of(catalogue))

    def registrable(self, name: str) -> str | None:
        """The registrable domain of a name in lower case; None for what nobody could block or register.

        Those are names without a public suffix, suffixes themselves, and domains that innocent services stand on.
        """
        domain: str | None = self._suffixes.privatesuffix(name)
        if domain is None or domain in _INNOCENT or domain.endswith(".arpa"):
            return None
        return domain

    def by_name(self, domain: str, hosts: Iterable[str]) -> tuple[Evidence, ...]:
        """Evidence in the names alone."""
        return tuple(evidence_in_name(domain, hosts, self._brands))

    def by_lists(self, domain: str) -> tuple[Evidence, ...]:
        """Evidence by what is known of the domain: a register that has it, listed names beside it."""
        found = []
        if domain in self._register:
            found.append(Evidence("register", self._register[domain], _REGISTER_POINTS))
        if services := self._neighbourhood.services_in(domain):
            found.append(Evidence("sibling", ", ".join(services[:3]), _SIBLING_POINTS))
        return tuple(found)

    def by_target(self, target: str, listed_as: str | None) -> Evidence | None:
        """Evidence by a name that an answer leads to; `listed_as` is the list or service that has it."""
        if listed_as is not None:
            return Evidence("alias", f"{target} ({listed_as})", _LISTED_TARGET_POINTS)
        neighbour = self._neighbourhood.of(target)
        if neighbour is None:
            return None
        return Evidence("alias", f"{target} (beside {neighbour[1][0]})", _NEAR_TARGET_POINTS)

    @staticmethod
    def by_address(listed_name: str) -> Evidence:
        """Evidence by an address that it shares with a listed name, and with hardly anybody else."""
        return Evidence("address", listed_name, _ADDRESS_POINTS)

    @staticmethod
    def by_company(company: Company) -> Evidence | None:
        """Evidence by clients that ask for listed names within seconds, where they do so far more often than usual."""
        if company.near_clients < _LEAST_COMPANY_CLIENTS or not company.queries:
            return None
        lift = company.near / company.queries / max(company.usual, 0.01)
        if lift < _LEAST_LIFT:
            return None
        share = round(100 * company.near / company.queries)
        points = min(_MOST_COMPANY_POINTS, round(10 * lift**0.5))
        return Evidence("company", f"{share} % of its queries, usual {100 * company.usual:.1f} %", points)


def read_register(path: Path) -> dict[str, str]:
    """Registrable domains of a register, each with the provider's id: a domain and an id a line, # for remarks."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        domain, _, provider = line.partition(" ")
        if domain and not domain.startswith("#"):
            found[domain] = provider or domain
    return found


def _brands_of(catalogue: Catalogue) -> Iterator[str]:
    for domain in Neighbourhood(catalogue).domains:
        label = domain.partition(".")[0]
        if len(label) >= _LEAST_BRAND and label not in COMMON:
            yield label


_INNOCENT: Final = frozenset(name for name in NEVER if name.count(".") == 1)
