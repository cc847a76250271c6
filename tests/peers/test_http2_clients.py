"""Clients of HTTP/2 that are not made for DNS, nghttp and h2load: whatever they use of it, they are answered."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.peers.conftest import Secure
from tests.support.clients import query
from tests.support.http2 import in_url
from tests.support.programs import PATIENCE_SECONDS, program

REQUESTS = 500
OF_QUERIES = ("-H", "content-type: application/dns-message")


def run(*command: str) -> str:
    """Text that a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    return done.stdout


def url(secure: Secure, target: str = "/dns-query") -> str:
    return f"https://127.0.0.1:{secure.server.doh_port}{target}"


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    """A query in a file."""
    file = tmp_path / "query"
    file.write_bytes(query("claude.ai").to_wire())
    return file


def load(*options: str) -> None:
    """Many requests, all of which are answered."""
    said = run(program("h2load"), "-n", str(REQUESTS), "-c", "4", "-m", "50", *options)
    assert f"{REQUESTS} succeeded, 0 failed, 0 errored" in said
    assert f"status codes: {REQUESTS} 2xx" in said


def test_thousands_of_posts_are_answered_on_a_few_connections(secure: Secure, blocked: Path) -> None:
    load("-d", str(blocked), *OF_QUERIES, url(secure))


@pytest.mark.parametrize("window", ["-w 4 -W 20", "-w 30 -W 30", "-w 6 -W 6"])
def test_clients_with_any_windows_are_answered(secure: Secure, blocked: Path, window: str) -> None:
    load("-d", str(blocked), *OF_QUERIES, *window.split(), url(secure))


@pytest.mark.parametrize("table", ["0", "64", "4096", "65536"])
def test_gets_of_ever_new_paths_are_answered_whatever_the_clients_table(
    secure: Secure, tmp_path: Path, table: str
) -> None:
    urls = tmp_path / "urls"
    names = ["claude.ai", *(f"n{number}.claude.ai" for number in range(300))]
    urls.write_text("".join(f"{url(secure, in_url(query(name).to_wire()))}\n" for name in names))
    load("-i", str(urls), f"--header-table-size={table}", f"--encoder-header-table-size={table}")


@pytest.mark.parametrize(
    "options",
    [
        ("--padding=200",),
        ("--trailer", "x-more: y"),
        ("--no-dep",),
        ("--no-content-length",),
        ("--header-table-size=0",),
        ("--encoder-header-table-size=0",),
        ("--window-bits=5",),
        ("--max-concurrent-streams=1",),
    ],
    ids=lambda options: options[0].lstrip("-"),
)
def test_whatever_nghttp_uses_it_is_answered(secure: Secure, blocked: Path, options: tuple[str, ...]) -> None:
    said = run(program("nghttp"), "-nv", "-m", "20", "-d", str(blocked), *OF_QUERIES, *options, url(secure))
    assert len(re.findall(r"recv \(stream_id=\d+\) :status: 200", said)) == 20
    assert "error_code=NO_ERROR" in said
    assert len(re.findall(r"; END_STREAM", said)) >= 40  # requests, or their trailers, and answers


def test_headers_in_several_frames_are_read_to_their_end(secure: Secure) -> None:
    target = in_url(query("claude.ai").to_wire())
    said = run(program("nghttp"), "-nv", "--continuation", "-m", "2", url(secure, target))
    assert re.search(r"send HEADERS frame <length=\d{5}", said)  # all frames of the block together, as it shows them
    # They are more than we take, and told so.
    assert re.findall(r"recv \(stream_id=\d+\) :status: (\d+)", said) == ["431", "431"]
