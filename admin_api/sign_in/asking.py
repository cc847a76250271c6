"""Calls to the provider: over TLS by the CA that the config names, bounded in time and size, no redirects."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from admin_api.guarded_http import THIS_MACHINE, guarded_session, why_not
from admin_api.sign_in.refusal import ProviderAway
from resolver.config.certificates import load_authorities
from resolver.errors import FetchError, ListenError

_ANSWER_SECONDS: Final = 10.0
_MOST_BYTES: Final = 4 << 20  # of an answer; groups by a link are some megabytes at most
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}  # nothing is unpacked here


class RefusedByProvider(ProviderAway):
    """The provider answers with an error; `code` is its OAuth name (RFC 6749 section 5.2), "" where it has none."""

    def __init__(self, why: str, code: str) -> None:
        super().__init__(why)
        self.code = code


async def json_of(method: str, url: str, *, ca_file: str | None = None, **more: Any) -> object:
    """The JSON that an address of the provider answers with. Raises ProviderAway, RefusedByProvider.

    `http://` is for this machine itself; `more` are arguments of aiohttp's request.
    """
    path, is_plain = urlsplit(url).path, urlsplit(url).scheme == "http"
    tls = None if ca_file is None else await asyncio.to_thread(_trusting, ca_file)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            async with (
                guarded_session(allow_private=not is_plain, reach=THIS_MACHINE, headers=_HEADERS, tls=tls) as session,
                session.request(method, url, allow_redirects=False, **more) as response,
            ):
                body = await _whole(response)
                if response.status != HTTPStatus.OK:
                    code = _code_in(body)
                    told = f" ({code})" if code else ""
                    raise RefusedByProvider(f"the provider's {path} answers {response.status}{told}", code)
    except TimeoutError as error:
        raise ProviderAway(f"it took longer than {_ANSWER_SECONDS:g} s") from error
    except (aiohttp.ClientError, FetchError, OSError) as error:
        raise ProviderAway(why_not(error)) from error
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProviderAway(f"the provider's {path} answers with no JSON") from error


def _trusting(ca_file: str) -> ssl.SSLContext:
    """TLS that trusts the CAs of a file, read anew since it may change. Raises ProviderAway."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        load_authorities(context, ca_file, "login.oidc.ca_file")
    except ListenError as error:
        raise ProviderAway(str(error)) from error
    return context


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for part in response.content.iter_chunked(1 << 16):
        body += part
        if len(body) > _MOST_BYTES:
            raise ProviderAway("its answer is too large")
    return body


def _code_in(body: bytes) -> str:
    """The code of an OAuth error, and nothing else of what may hold what was sent; "" where there is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    code = found.get("error") if isinstance(found, Mapping) else None
    return code if isinstance(code, str) and code.isascii() and code.isidentifier() else ""
