"""Texts that nobody is to find in what he reads, looked for in the forms that programs give texts."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import unquote_plus

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def found_in(body: str, secrets: Iterable[str]) -> list[str]:
    """Secrets that are in a body, in any letter case, escaped for URLs, HTML or JSON, hexadecimal, or in base64.

    Of an IPv4 address its octets, its number and its reverse name are looked for as well.
    """
    lower = body.lower()
    texts = (lower, unquote_plus(lower), html.unescape(lower), _ESCAPED.sub(lambda one: chr(int(one[1], 16)), lower))
    return [
        secret
        for secret in secrets
        if any(form in text for form in _plain_forms(secret) for text in texts)
        or any(form in body for form in _base64_forms(secret))
    ]


def _plain_forms(secret: str) -> Iterator[str]:
    yield secret.lower()
    yield secret.lower().encode().hex()
    try:
        address = ip_address(secret)
    except ValueError:
        return
    yield from (address.packed.hex(), str(int(address)), address.reverse_pointer)


def _base64_forms(secret: str) -> Iterator[str]:
    """The characters of base64 that are the secret's alone, for each place within three octets, in both alphabets."""
    for text in {secret, secret.lower(), secret.title()}:
        for before in range(3):
            whole = base64.b64encode(b"\0" * before + text.encode()).decode()
            missing = -(before + len(text.encode())) % 3
            ends = len(whole) - (missing + 1 if missing else 0)
            own = whole[(0, 2, 3)[before] : ends]
            yield from {own, own.replace("+", "-").replace("/", "_")}
