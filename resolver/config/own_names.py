"""Own names: all below the domains that a config calls its own, and below those that are meant for everybody's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from resolver.config.local_schema import EVERYBODYS_OWN
from resolver.config.settings import WorkerSettings
from resolver.wire.local_records import WILDCARD
from resolver.wire.names import ancestors_of, key_of, parse_name


class OwnNames:
    """Names at or below domains of one's own; `test`, `home.arpa` and `internal` are among them."""

    __slots__ = ("_keys",)

    def __init__(self, domains: Iterable[str] = ()) -> None:
        """Raises RuleError for what is no name."""
        self._keys = frozenset(key_of(parse_name(domain)) for domain in (*domains, *EVERYBODYS_OWN))

    def has(self, name: str) -> bool:
        """Whether a local name, with or without wildcard, is one of them. Raises RuleError for what is no name."""
        return any(above in self._keys for above in ancestors_of(key_of(parse_name(name.removeprefix(WILDCARD)))))


EVERYBODYS: Final = OwnNames()
"""Own names where a config calls no domain its own."""


def own_names_of(settings: WorkerSettings) -> OwnNames:
    """The own names of a config: those of `upstream.zones` and `upstream.private_names`."""
    return OwnNames((*settings.private_names, *(zone.name for zone in settings.zones)))
