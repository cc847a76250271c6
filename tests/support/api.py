"""A client of the admin API as scripts write one: a token, JSON, and every status is an answer."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `body` is the parsed JSON, or text where it is no JSON."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: Any


class Api:
    """Calls to one server, each on a connection of its own."""

    def __init__(self, port: int, token: str | None, *, host: str = "127.0.0.1") -> None:
        self.port = port
        self.token = token
        self._host = host

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """One request. A path that does not begin with '/' is below /api/v1. Underscores in headers are dashes."""
        connection = http.client.HTTPConnection(self._host, self.port, timeout=_SECONDS)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            connection.request(method, path if path.startswith("/") else f"/api/v1/{path}", data, sent)
            response = connection.getresponse()
            raw = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            is_json = "json" in found.get("content-type", "")
            return Reply(response.status, found, json.loads(raw) if is_json else raw.decode())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Any:
        """The body of a GET that succeeds."""
        reply = self.call("GET", path, **headers)
        assert reply.status == 200, reply
        return reply.body

    def post(self, path: str, body: Any, *, status: int = 201) -> Any:
        """The body of a POST that succeeds."""
        reply = self.call("POST", path, body)
        assert reply.status == status, reply
        return reply.body

    def delete(self, path: str) -> None:
        """A DELETE that succeeds."""
        reply = self.call("DELETE", path)
        assert reply.status == 204, reply
