"""Networks that their owners publish as solely their own (networks.yaml): vendors', and public resolvers' addresses."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from blocklists.yaml_files import parse_yaml
from resolver.config.addresses import read_network
from resolver.config.wording import shown
from resolver.errors import CatalogueError, RuleError

_FILE: Final = "networks.yaml"
_KEYS: Final = {"network", "source", "seen"}


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """One network in CIDR, who publishes it (a vendor's id, or a resolver's name), and when the source said so."""

    network: str
    owner: str
    source: str
    seen: datetime.date


@dataclass(frozen=True, slots=True)
class OwnNetworks:
    """All that are known. `vendors` take connections to their services there and nowhere else's; see networks.yaml."""

    vendors: tuple[OwnNetwork, ...]
    resolvers: tuple[OwnNetwork, ...]

    def of_vendor(self, vendor: str) -> list[str]:
        """The networks of a vendor, by its id. Raises RuleError where none are known."""
        found = [one.network for one in self.vendors if one.owner == vendor]
        if not found:
            owners = ", ".join(sorted({one.owner for one in self.vendors}))
            raise RuleError(
                f"{shown(vendor)} publishes no networks as solely its own, as far as is known; these do: {owners}"
            )
        return found


@cache
def own_networks() -> OwnNetworks:
    """Read the bundled file. Raises CatalogueError."""
    return networks_of((Path(__file__).parent / _FILE).read_bytes())


def networks_of(content: bytes) -> OwnNetworks:
    """Read and check a file's content. Raises CatalogueError."""
    try:
        parsed = parse_yaml(content)
    except (yaml.YAMLError, ValueError) as error:
        raise CatalogueError(f"{_FILE}: not readable as YAML: {error}") from error
    if not isinstance(parsed, dict) or parsed.keys() != {"vendors", "resolvers"}:
        raise CatalogueError(f"{_FILE}: expected a mapping with vendors and resolvers")
    found = OwnNetworks(*(tuple(_section(name, parsed[name])) for name in ("vendors", "resolvers")))
    seen: set[str] = set()
    for one in (*found.vendors, *found.resolvers):
        if one.network in seen:
            raise CatalogueError(f"{_FILE}: {one.owner}: {one.network} is written twice")
        seen.add(one.network)
    return found


def _section(name: str, owners: object) -> Iterator[OwnNetwork]:
    if not isinstance(owners, dict):
        raise CatalogueError(f"{_FILE}: {name}: expected a mapping of owners")
    for owner, entries in owners.items():
        if not isinstance(owner, str) or not isinstance(entries, list):
            raise CatalogueError(f"{_FILE}: {name}: {owner}: expected a list of networks")
        for index, entry in enumerate(entries):
            yield _network(f"{_FILE}: {name}: {owner}[{index}]", owner, entry)


def _network(at: str, owner: str, entry: object) -> OwnNetwork:
    if not isinstance(entry, dict) or entry.keys() != _KEYS:
        raise CatalogueError(f"{at}: expected network, source and seen")
    network, source, seen = entry["network"], entry["source"], entry["seen"]
    if not isinstance(source, str) or not source.strip() or not isinstance(network, str):
        raise CatalogueError(f"{at}: network and source are texts")
    if not isinstance(seen, datetime.date) or isinstance(seen, datetime.datetime):
        raise CatalogueError(f"{at}: seen: expected a date such as 2026-11-01, not {seen!r}")
    try:
        return OwnNetwork(read_network(network), owner, source, seen)
    except RuleError as error:
        raise CatalogueError(f"{at}: {error}") from None
