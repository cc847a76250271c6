"""Names that look like an AI service's and stand in no list: next to a listed one in the tree of names."""

from __future__ import annotations

from publicsuffixlist import PublicSuffixList

from blocklists.catalogue import BYPASS, Catalogue
from blocklists.lint import NEVER
from resolver.wire.names import to_text, wire_of_key


class Neighbourhood:
    """The registrable domains in which the catalogue names something.

    Domains on which innocent services stand are left out: whoever asks for them is nobody's neighbour.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        # The whole list, with companies' own suffixes: tenants of one cloud are no neighbours.
        self._suffixes = PublicSuffixList()
        self._services: dict[str, set[str]] = {}
        for domain in catalogue.domains:
            name = to_text(wire_of_key(domain.rule.key))
            registrable = self._suffixes.privatesuffix(name)
            if registrable and registrable not in NEVER and domain.vendor != BYPASS:
                self._services.setdefault(registrable, set()).add(domain.service)

    @property
    def domains(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._services)

    def services_in(self, registrable: str) -> tuple[str, ...]:
        """The services listed in a registrable domain."""
        return tuple(sorted(self._services.get(registrable, ())))

    def of(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """The registrable domain of a name and the services listed in it; None where there is none."""
        registrable = self._suffixes.privatesuffix(name.lower().rstrip("."))
        services = self._services.get(registrable or "")
        return (str(registrable), tuple(sorted(services))) if services else None
