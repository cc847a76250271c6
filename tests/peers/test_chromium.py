"""Chromium with secure DNS set to our DoH, as a company sets it: it opens what is allowed, and nothing else."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.peers.conftest import Secure
from tests.support.programs import PATIENCE_SECONDS, program, wait_until
from tests.support.stub import StubUpstream

# Not 127.0.0.1, which on Linux is also where a connection to 0.0.0.0, the answer for blocked names, goes.
WEB_HOST = "127.0.0.2"
GREETING = "the page was reached"
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--disable-sync"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
)


@dataclass(slots=True)
class Web:
    """A web server on loopback: the names by which it was asked."""

    port: int = 0
    hosts: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """One page, whatever name it is asked by."""
    found = Web()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.hosts.add(self.headers["Host"].rpartition(":")[0])
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<p>{GREETING}</p>".encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer((WEB_HOST, 0), Handler) as server:
        found.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def open_page(secure: Secure, url: str, folder: Path, *, believes: bool = True) -> str:
    """What the browser shows of a page, and says of it on stderr; `believes` our certificate."""
    profile = folder / "profile"
    profile.mkdir(parents=True)
    template = f"https://127.0.0.1:{secure.server.doh_port}/dns-query"
    secure_dns = {"dns_over_https": {"mode": "secure", "templates": template}}
    (profile / "Local State").write_text(json.dumps(secure_dns))
    command = [program("chromium"), *_OPTIONS, f"--user-data-dir={profile}", "--dump-dom", url]
    if believes:
        command.insert(1, f"--ignore-certificate-errors-spki-list={secure.key_hash}")
    done = subprocess.run(
        command,
        env={**os.environ, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    return done.stdout + done.stderr


def test_an_allowed_page_opens_and_a_blocked_one_does_not(
    secure: Secure, upstream: StubUpstream, web: Web, tmp_path: Path
) -> None:
    for name in ("intranet.example", "claude.ai"):
        upstream.records[name] = f"{name}. 300 IN A {WEB_HOST}"
    assert GREETING in open_page(secure, f"http://intranet.example:{web.port}/", tmp_path / "allowed")
    blocked = open_page(secure, f"http://claude.ai:{web.port}/", tmp_path / "blocked")
    assert GREETING not in blocked
    assert "Page load failed" in blocked
    assert web.hosts == {"intranet.example"}
    assert not upstream.times_asked("claude.ai")

    def rows() -> list[dict[str, object]]:
        return [row for name in ("intranet.example", "claude.ai") for row in secure.log_rows(name)]

    wait_until(lambda: {row["verdict"] for row in rows()} == {"allow", "block"}, "both names in the query log")
    assert {row["protocol"] for row in rows()} == {"doh"}


def test_a_browser_that_does_not_believe_our_certificate_asks_nothing(
    secure: Secure, upstream: StubUpstream, web: Web, tmp_path: Path
) -> None:
    upstream.records["unbelieved.example"] = f"unbelieved.example. 300 IN A {WEB_HOST}"
    url = f"http://unbelieved.example:{web.port}/"
    assert GREETING not in open_page(secure, url, tmp_path / "unbelieving", believes=False)
    assert not upstream.times_asked("unbelieved.example")
    assert GREETING in open_page(secure, url, tmp_path / "believing")
