"""Scripts, styles and pictures of the web pages: read once, sent with a tag of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).parents[1] / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"  # of an address that has the content's tag in it


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is sent."""

    body: bytes
    content_type: str
    tag: str


def _read(path: Path) -> StaticFile:
    body = path.read_bytes()
    return StaticFile(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:16])


FILES: Mapping[str, StaticFile] = {
    str(path.relative_to(_FOLDER)): _read(path) for path in sorted(_FOLDER.rglob("*")) if path.suffix in _TYPES
}


def address_of(name: str) -> str:
    """Where a page finds a file. Raises KeyError for none of ours."""
    return f"/static/{name}?v={FILES[name].tag}"


async def serve_static(request: web.Request) -> web.StreamResponse:
    """GET /static/{name}. Names are looked up, never joined to a path."""
    file = FILES.get(request.match_info["name"])
    if file is None:
        raise web.HTTPNotFound
    tag = f'"{file.tag}"'
    caching = _FOR_EVER if request.query.get("v") == file.tag else "no-cache"
    headers = {"ETag": tag, "Cache-Control": caching}
    if tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.body, headers={**headers, "Content-Type": file.content_type})
