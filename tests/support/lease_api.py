"""What the lease hooks call: the two calls of `/api/v1/leases/{address}`, by a server that remembers them all."""

from __future__ import annotations

import ipaddress
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "moat-lease-secret"  # what it lets in


class LeaseApi:
    """Keeps leases as moatdns does, by address. A context manager.

    `calls` are (method, address, identity, body) in the order in which they came; `hang` makes it answer nothing until
    `go_on` is set; `fail_with` is a status for every call.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.calls: list[tuple[str, str, str, dict[str, Any]]] = []
        self.leases: dict[str, str] = {}  # address to identity
        self.authorizations: set[str] = set()
        self.hang = False
        self.fail_with = 0
        self.go_on = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                api._answer(self)

            def do_DELETE(self) -> None:
                api._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> LeaseApi:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        url = urlsplit(request.path)
        address = str(ipaddress.ip_address(unquote(url.path).removeprefix("/api/v1/leases/")))
        body = json.loads(request.rfile.read(int(request.headers.get("Content-Length", "0"))) or b"{}")
        identity = body.get("identity") or parse_qs(url.query)["identity"][0]
        self.authorizations.add(request.headers["Authorization"])
        self.calls.append((request.command, address, identity, body))
        if self.hang:
            self.go_on.wait()
        status = self.fail_with or self._change(request.command, address, identity, body)
        answer = b"" if status == 204 else json.dumps({"title": "told", "detail": "a stand-in's answer"}).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def _change(self, method: str, address: str, identity: str, body: dict[str, Any]) -> int:
        holder = self.leases.get(address)
        if method == "PUT":
            self.leases.update(dict.fromkeys([address, *body.get("addresses", [])], identity))
            return 200 if holder else 201
        if holder is None:
            return 404
        if holder != identity:
            return 409
        del self.leases[address]
        return 204
