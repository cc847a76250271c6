"""All that a caller can read of a running server: each GET of the API's table of routes, each page, and their links."""

from __future__ import annotations

import html
import http.client
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from admin_api.api.route import BASE, Route, operation_name
from admin_api.api.routes import ROUTES
from admin_api.pages.table import PAGES
from tests.support.moatdns import Moatdns

_MOST_PAGES = 50  # of a listing
_MOST_LINKS = 600
_LINK = re.compile(r'(?:href|action|data-[a-z-]+)="(/[^"#]*)')
_NO_PAGE = re.compile(r"^/(?:log-?out|login|static|api)(?:/|$)")
_BUNDLED = re.compile(r"^/(?:catalogue|lists)/(?!anthropic)[a-z0-9-]+(?:/[a-z0-9-]+)?(?:\?|$)")
_NAMED = re.compile(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")

Parts = Mapping[str, Sequence[str]]
"""What stands for the named part of a path, by the path as operations are called: '/groups/{name}'."""

Values = Mapping[str, Sequence[str]]
"""What a parameter is asked with, by its name, the harmless first."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, with its header fields before its body."""

    status: int
    text: str
    body: str

    @property
    def parsed(self) -> dict[str, Any]:
        """The JSON of one document; {} of all else."""
        if not re.search(r"^content-type: application/json", self.text, re.IGNORECASE | re.MULTILINE):
            return {}
        return dict(json.loads(self.body))


def ask(
    server: Moatdns, address: str, headers: Mapping[str, str], *, method: str = "GET", data: str | None = None
) -> Reply:
    """One request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=60)
    try:
        connection.request(method, address, data, dict(headers))
        response = connection.getresponse()
        fields = "".join(f"{name}: {value}\n" for name, value in response.getheaders())
        body = response.read().decode()
        return Reply(response.status, f"{fields}\n{body}", body)
    finally:
        connection.close()


def addresses_of_api(parts: Parts, values: Values) -> Iterator[str]:
    """An address for each GET of the table of routes, each part of its path, and each value of each parameter.

    Raises KeyError for a path or a parameter that is missing there: whoever adds one says with what it is asked.
    """
    for route in ROUTES:
        if route.method == "GET":
            for path in _paths_of(route, parts):
                yield from (f"{path}?{asked}" for asked in _queries_of(route, values))


def _paths_of(route: Route, parts: Parts) -> list[str]:
    path = operation_name(route).removeprefix("GET ")
    within = BASE if route.path.startswith(BASE) else ""
    if "{" not in path:
        return [within + path]
    return [within + _NAMED.sub(quote(part, safe="/"), path) for part in parts[path]]


def _queries_of(route: Route, values: Values) -> Iterator[str]:
    """Without parameters, as far as that goes, and with each by itself."""
    fields = {} if route.query is None else route.query.model_fields
    least = [f"{name}={quote(values[name][0])}" for name, field in fields.items() if field.is_required()]
    yield "&".join(least)
    for name, field in fields.items():
        said = values[name] if field.alias is None else values[field.alias]
        for value in said:
            yield "&".join([*least, f"{field.alias or name}={quote(value, safe='')}"])


def read_api(server: Moatdns, token: str, addresses: Iterable[str]) -> dict[str, Reply]:
    """The reply at each address, and at each further page of a listing."""
    headers = {"Authorization": f"Bearer {token}"}
    found: dict[str, Reply] = {}
    for address in addresses:
        following: str | None = address
        for _ in range(_MOST_PAGES):
            if following is None or following in found:
                break
            reply = found[following] = ask(server, following, headers)
            following = _next_of(address, reply)
    return found


def _next_of(address: str, reply: Reply) -> str | None:
    cursor = reply.parsed.get("next")
    return None if cursor is None else f"{address}&cursor={quote(cursor)}"


def read_pages(server: Moatdns, cookie: str, parts: Parts, more: Iterable[str]) -> dict[str, Reply]:
    """Every page of the table, more addresses, and all that they link to; of what is bundled one vendor alone."""
    waiting = [*more]
    for page in PAGES:
        if page.method == "GET":
            path = _NAMED.sub(r"{\1}", page.path)
            waiting += [_NAMED.sub(part, path) for part in parts[path]] if "{" in path else [path]
    found: dict[str, Reply] = {}
    while waiting and len(found) < _MOST_LINKS:
        address = waiting.pop()
        if address in found or _NO_PAGE.match(address) or _BUNDLED.match(address):
            continue
        reply = found[address] = ask(server, address, {"Cookie": cookie})
        links = (html.unescape(link) for link in _LINK.findall(reply.body))
        waiting += [link for link in links if not urlsplit(link).netloc]
    return found
