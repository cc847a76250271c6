"""Recipes for firewalls: rules that leave this server as the only resolver of its clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from admin_api.firewall.closing import closing_of
from admin_api.firewall.formats import FORMATS
from admin_api.pages.setup.recipes import Chapter, Recipe
from admin_api.pages.setup.setup_addresses import Addresses

_TWO: Final = "With two resolvers name both: moatdns firewall {name} --resolver IP --resolver IP."


def firewall_chapter(at: Addresses, clients: Sequence[str]) -> Chapter:
    """Rules in each format. Raises RuleError where it cannot be known who is left open, or closed in."""
    hosts = dict.fromkeys((*at.plain.addresses, *at.dot.addresses, *at.doh.addresses))
    closing = closing_of(hosts, clients)
    recipes = [
        Recipe(form.title, form.place, form.text(closing), _TWO.format(name=name)) for name, form in FORMATS.items()
    ]
    return Chapter("Firewall: no other resolver", tuple(recipes))
