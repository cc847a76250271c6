"""Notes for admins on how the block page and the policy's answers fit together."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from resolver.config.addresses import parse_endpoint
from resolver.config.schema import Config

_HTTP = 80  # where browsers come


def block_page_notes(config: Config) -> Iterator[str]:
    """Finished sentences."""
    policy, page = config.policy, config.block_page
    answers = [("policy.response", policy.response)]
    answers += [(f"the response of group {one.name!r}", one.response) for one in policy.groups if one.response]
    leading = [(where, one) for where, one in answers if one.mode == "address"]
    if not page.listen:
        if leading:
            yield (
                f"{leading[0][0]} leads to an address, and no block page is served here: set block_page.listen unless "
                "another server shows one there"
            )
        return
    served = [parse_endpoint(text) for text in page.listen]
    hosts = [ipaddress.ip_address(host.partition("%")[0]) for host, _ in served]
    if not leading:
        yield (
            "block_page.listen is set, but nothing in this file leads to it: set policy.response to {mode: address, "
            "ipv4: …}, or a group's response"
        )
    for where, one in leading:
        for text in filter(None, (one.ipv4, one.ipv6)):
            address = ipaddress.ip_address(text)
            if not any(host == address or (host.is_unspecified and host.version == address.version) for host in hosts):
                yield f"{where} leads to {text}, where block_page.listen has no address: is it this host's by NAT?"
    if all(port != _HTTP for _, port in served):
        yield f"block_page.listen has no port {_HTTP}, where browsers come: let something lead from there to it"
    if page.request_form and config.admin.listen is None and config.store.url is None:
        yield (
            "block_page.request_form takes requests that nobody can approve, since admin.listen is null: set it, or "
            "request_form: false"
        )
    if page.request_form and policy.approval == "four-eyes":
        yield (
            "policy.approval is four-eyes, and a request by the block page counts as one of the two only once an owner "
            "has taken it up, since nobody knows who it is from: two owners look at each"
        )
