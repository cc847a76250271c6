"""One download, into a file: bounded in size, time and redirects, and to addresses of the open Internet.

Which address may be connected to is judged by admin_api.guarded_http.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urljoin

import aiohttp

from admin_api.guarded_http import SILENCE_SECONDS, guarded_session, why_not
from resolver import __version__
from resolver.config.subscription import read_url
from resolver.errors import FetchError, RuleError
from resolver.system.state_files import open_own

_MOST_REDIRECTS: Final = 5
_PIECE: Final = 1 << 18
_REDIRECTS = (301, 302, 303, 307, 308)

Progress = Callable[[int, int | None], None]
"""Told of octets that came, and of all that are to come if the server says."""


@dataclass(frozen=True, slots=True)
class FetchOrder:
    """Order to fetch a list. `etag` and `last_modified` are of the copy that is there, if it is still of use."""

    url: str
    allow_private: bool = False
    sha256: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    is_plain: bool = False  # as it is, not compressed on the way
    bound: str = "subscriptions.max_mib"  # that says how large it may be


class TooLargeToFetch(FetchError):
    """More than may be fetched."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A response that came; its octets are in the file."""

    octets: int
    etag: str | None
    last_modified: str | None


class _OfAnotherCopy(Exception):
    """A 304 that names another copy than ours: ask again without conditions."""


async def fetch(
    wanted: FetchOrder, into: Path, *, most_octets: int, timeout_seconds: float, progress: Progress
) -> Fetched | None:
    """Fetch into a file. None: the copy that is there is up to date. Raises FetchError."""
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            guarded_session(allow_private=wanted.allow_private, headers=_headers(wanted)) as session,
        ):
            try:
                return await _follow(session, wanted, _conditions(wanted), into, most_octets, progress)
            except _OfAnotherCopy:
                return await _follow(session, wanted, {}, into, most_octets, progress)
    except FetchError:
        raise
    except TimeoutError as error:
        raise FetchError(
            f"it took longer than {timeout_seconds:g} s, or sent nothing for {SILENCE_SECONDS:g} s"
        ) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise FetchError(why_not(error)) from error


def _headers(wanted: FetchOrder) -> dict[str, str]:
    return {
        "User-Agent": f"moatdns/{__version__}",
        "Accept": "text/plain, */*;q=0.5",
        # The pin is of the octets of the file itself.
        "Accept-Encoding": "identity" if wanted.sha256 or wanted.is_plain else "gzip, identity;q=0.5",
    }


def _conditions(wanted: FetchOrder) -> dict[str, str]:
    """The headers by which only another copy than ours is asked for (RFC 9110 section 13)."""
    said = {"If-None-Match": wanted.etag, "If-Modified-Since": wanted.last_modified}
    return {name: value for name, value in said.items() if value}


async def _follow(
    session: aiohttp.ClientSession,
    wanted: FetchOrder,
    conditions: dict[str, str],
    into: Path,
    most_octets: int,
    progress: Progress,
) -> Fetched | None:
    """Raises _OfAnotherCopy for a 304 that does not speak of our copy."""
    url = wanted.url
    for _ in range(_MOST_REDIRECTS + 1):
        async with session.get(url, headers=conditions, allow_redirects=False) as response:
            if response.status in _REDIRECTS:
                url = _next_url(url, response.headers.get("Location", ""))
                continue
            if response.status == 304 and conditions:
                if not _is_of_our_copy(response.headers, wanted):
                    raise _OfAnotherCopy
                return None
            if response.status == 304:
                raise FetchError("the server answered 304 Not Modified to an unconditional request")
            if response.status != 200:
                raise FetchError(f"the server answered {response.status} {(response.reason or '')[:60]}".rstrip())
            return await _download(response, wanted, into, most_octets, progress)
    raise FetchError(f"it was redirected more than {_MOST_REDIRECTS} times")


def _is_of_our_copy(headers: Mapping[str, str], wanted: FetchOrder) -> bool:
    """Whether a 304 says that the copy we have is the current one (RFC 9111 section 4.3.4).

    It must name our copy's ETag (RFC 9110 section 15.4.5), compared weakly (section 8.8.3.2). Where our copy has none,
    a Last-Modified must not be another; it may be left out.
    """
    if wanted.etag:
        return _opaque(headers.get("ETag", "")) == _opaque(wanted.etag)
    return headers.get("ETag") is None and headers.get("Last-Modified", wanted.last_modified) == wanted.last_modified


def _opaque(etag: str) -> str:
    return etag.strip().removeprefix("W/")


def _next_url(url: str, location: str) -> str:
    try:
        following = read_url(urljoin(url, location))
    except (RuleError, ValueError) as error:
        raise FetchError("it was redirected to a URL other than http or https") from error
    if url.startswith("https:") and not following.startswith("https:"):
        raise FetchError("it was redirected from https to http")
    return following


async def _download(
    response: aiohttp.ClientResponse, wanted: FetchOrder, into: Path, most_octets: int, progress: Progress
) -> Fetched:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise FetchError(f"it is encoded as {encoding[:40]!r}, which was not requested")
    total = response.content_length
    if total is not None and total > most_octets:
        raise TooLargeToFetch(f"it has {_size(total)}; {wanted.bound} allows {_size(most_octets)}")
    received = 0
    digest = hashlib.sha256()
    progress(0, total)
    with _new(into) as file:
        async for piece in response.content.iter_chunked(_PIECE):
            received += len(piece)
            if received > most_octets:
                raise TooLargeToFetch(f"it has more than the {_size(most_octets)} that {wanted.bound} allows")
            digest.update(piece)
            await asyncio.to_thread(file.write, piece)
            progress(received, total)
    if wanted.sha256 is not None and digest.hexdigest() != wanted.sha256:
        raise FetchError(f"its SHA-256 is {digest.hexdigest()}, not the pinned one")
    return Fetched(received, response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _size(octets: int) -> str:
    return f"{octets >> 20} MiB" if octets >= 1 << 20 else f"{octets >> 10} KiB"


def _new(path: Path) -> BinaryIO:
    path.unlink(missing_ok=True)
    return os.fdopen(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")
