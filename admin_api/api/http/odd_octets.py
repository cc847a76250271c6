"""Octets of a request that are no text: replaced before anything looks at them.

aiohttp hands such octets on as half surrogate pairs, which are `str` and still cannot be encoded: whatever hashes,
compares, logs or repeats them would fail, in code of ours and of its own. This is the one place that knows of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

Make = Callable[..., Any]


def with_text_only(make: Make) -> Make:
    """A factory of requests (`request_factory` of an aiohttp server) whose headers and target are text."""

    def made(message: RawRequestMessage, *more: Any) -> Any:
        return make(_readable(message), *more)

    return made


def _readable(message: RawRequestMessage) -> RawRequestMessage:
    if not all(value.isascii() for _, value in message.raw_headers):
        headers = CIMultiDict((name, _text(value)) for name, value in message.headers.items())
        message = message._replace(headers=CIMultiDictProxy(headers))
    if not message.path.isascii():
        message = message._replace(path=_text(message.path), url=URL(_text(str(message.url))))
    return message


def _text(value: str) -> str:
    """With U+FFFD for what is no UTF-8: it is compared and shown, and equals nothing that was meant."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
