"""A forecast in words: who would be hit in each group."""

from __future__ import annotations

from typing import Final

from moatdns.cli.api_client import Item
from moatdns.cli.output import print_line

_ROWS: Final = 10  # of each part; --json has all


def print_forecast(found: Item) -> None:
    """Print a forecast of the API."""
    print_line(f"forecast by the query log from {found['from']} to {found['to']}")
    for group in found["groups"]:
        clients = group["clients"]
        hit = "clients not known" if clients["hit"] is None else f"{clients['hit']} clients"
        share = (
            ""
            if clients["share"] is None
            else f", {clients['share']:.1%} of {clients['seen']} in the {clients['seen_in']}"
        )
        print_line(f"{group['group']}: {hit}{share}; {group['queries']} queries would be blocked")
        for part, what in (("services", "service"), ("names", "name")):
            for one in group[part][:_ROWS]:
                print_line(f"  {what} {one.get('name') or one['service'] or one['list'] or '-'}: {_numbers(one)}")
            left = max(0, len(group[part]) - _ROWS) + (group["names_left_out"] if part == "names" else 0)
            if left:
                print_line(f"  and {left} {what}s more")
        for one in group["top_clients"][:_ROWS]:
            print_line(f"  client {one['client']}: {one['services']} services, {one['queries']} queries")
        for one in group["requests"][:_ROWS]:
            print_line(f"  likely request: {one['scope']} for {one['clients']} clients")
    if not found["groups"]:
        print_line("no group has queries in the log of that time")
    for text in found["cannot_show"]:
        print_line(f"note: {text}")


def _numbers(one: Item) -> str:
    clients = "" if one["clients"] is None else f"{one['clients']} clients, "
    return f"{clients}{one['queries']} queries"
