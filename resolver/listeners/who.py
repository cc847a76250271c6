"""Who asks on a connection: by the name that a client tells, and by what trusted proxies tell of addresses."""

from __future__ import annotations

import re
from collections.abc import Callable

from resolver.clients import Client
from resolver.pipeline import Pipeline
from resolver.policy.groups import parse_client

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")


def client_of(pipeline: Pipeline, address: str, name: str) -> Client:
    """The client at an address, or the one that has told its name, in lower case; "" for none."""
    return pipeline.client(address)


def name_below(server_name: str, own: str) -> str:
    """The one label by which a server name is below our own: ``laptop`` of ``laptop.dns.example.com``; "" for none."""
    label, _, parent = server_name.lower().rstrip(".").partition(".")
    return label if own and parent == own and _LABEL.match(label) else ""


def is_client_name(label: str) -> bool:
    """Whether a label, in lower case, can be a client's name."""
    return _LABEL.match(label) is not None


def forwarded_address(values: tuple[bytes, ...], is_proxy: Callable[[str], bool]) -> str | None:
    """The client that X-Forwarded-For names: the last address that is no trusted proxy's; None where there is none.

    Each proxy adds the address that it sees behind what it was given, so only what stands behind the last foreign
    address was written by those who are trusted. Raises ValueError where an address there is none.
    """
    for text in reversed(b",".join(values).decode("latin-1").split(",")):
        address = _address_in(text.strip())
        if not is_proxy(address):
            return address
    return None


def _address_in(text: str) -> str:
    """An address as proxies write it, with a port or without: ``192.0.2.1:443``, ``[2001:db8::1]:443``."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return str(parse_client(text))
