"""A feed's two files, catalogue and signature, brought into state_dir: by HTTP, or from a file of this machine."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from admin_api.subscriptions.fetching import Fetched, FetchOrder, fetch
from blocklists.feed.judging import FeedRefused
from blocklists.feed.kept import FOLDER, SIGNATURE
from blocklists.feed.minisign import MOST_OCTETS
from resolver.config.settings import FeedSettings
from resolver.errors import FetchError
from resolver.system.state_files import make_folder, write_whole

Marks = Mapping[str, Any]
"""Facts about what was brought last: the store keeps them, and they are the conditions of the next request."""


@dataclass(frozen=True, slots=True)
class Brought:
    """Two files that came, and the marks by which it is seen the next time whether there are others."""

    content: Path
    signature: Path
    marks: Marks


class FeedSource:
    """The place that a feed comes from."""

    def __init__(self, settings: FeedSettings, state_dir: Path, *, timeout_seconds: float) -> None:
        self._settings = settings
        self._folder = state_dir / FOLDER
        self._timeout_seconds = timeout_seconds
        self.is_file = settings.source.startswith("/")
        self._copying: asyncio.Future[Marks | None] | None = None

    async def bring(self, marks: Marks | None) -> Brought | None:
        """Bring both files. None: those with these marks are the newest. Raises FetchError, FeedRefused, OSError."""
        make_folder(self._folder)
        content, signature = self._folder / "feed.fetched", self._folder / "feed.fetched.minisig"
        for path in (content, signature):
            path.unlink(missing_ok=True)
        bring = self._copy if self.is_file else self._fetch
        found = await bring(content, signature, marks or {})
        return Brought(content, signature, found) if found is not None else None

    async def _copy(self, content: Path, signature: Path, marks: Marks) -> Marks | None:
        def copy() -> Marks | None:
            source = Path(self._settings.source)
            beside = source.with_name(source.name + SIGNATURE)
            found = {"source": str(source), "file": _marks(source), "signature": _marks(beside)}
            if found == marks:
                return None
            write_whole(content, _read(source, self._settings.max_mib << 20))
            if beside.exists():
                write_whole(signature, _read(beside, MOST_OCTETS))
            return found

        try:
            if self._copying is None or self._copying.done():  # on a file system that hangs, one thread waits, not many
                self._copying = asyncio.ensure_future(asyncio.to_thread(copy))
            async with asyncio.timeout(self._timeout_seconds):  # wait_for may swallow that we are told to end
                return await asyncio.shield(self._copying)
        except TimeoutError as error:
            raise FetchError(f"reading it took longer than {self._timeout_seconds:g} s") from error
        except OSError as error:
            raise FetchError(f"{error.filename}: {error.strerror or error}") from error

    async def _fetch(self, content: Path, signature: Path, marks: Marks) -> Marks | None:
        url = self._settings.source
        is_same = marks.get("source") == url
        etag, last_modified = (marks.get(name) if is_same else None for name in ("etag", "last_modified"))
        most = self._settings.max_mib << 20
        fetched = await self._get(url, content, most, etag=etag, last_modified=last_modified)
        if fetched is None:
            return None
        parts = urlsplit(url)
        beside = parts._replace(path=parts.path + SIGNATURE).geturl()
        try:
            await self._get(beside, signature, MOST_OCTETS)
        except FetchError as error:
            raise FeedRefused("unsigned", f"its signature, {parts.path}{SIGNATURE}, cannot be had: {error}") from error
        return {"source": url, "etag": fetched.etag, "last_modified": fetched.last_modified}

    async def _get(
        self, url: str, into: Path, most_octets: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched | None:
        order = FetchOrder(
            url,
            self._settings.allow_private,
            etag=etag,
            last_modified=last_modified,
            is_plain=True,
            bound="policy.catalogue.max_mib" if most_octets > MOST_OCTETS else "a signature",
        )
        return await fetch(
            order, into, most_octets=most_octets, timeout_seconds=self._timeout_seconds, progress=lambda *_: None
        )


def _marks(path: Path) -> list[int] | None:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return [facts.st_ino, facts.st_size, facts.st_mtime_ns]


def _read(path: Path, most_octets: int) -> bytes:
    """All that is in a file, which is a regular one and not too large. Raises OSError, FeedRefused."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FeedRefused("fetch", f"{path} is not a regular file")
        content = file.read(most_octets + 1)
    if len(content) > most_octets:
        raise FeedRefused("huge", f"{path} has more than the {most_octets >> 10} KiB that are taken")
    return content
