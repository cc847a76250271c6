"""Fixtures for tests that need the running server. Nothing is started before a test asks for it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support import examples as _profiles  # noqa: F401 hypothesis is set up
from tests.support.browser import chromium as start_chromium
from tests.support.moatdns import Moatdns
from tests.support.stub import StubUpstream
from tests.support.unbound import Unbound

StartMoatdns = Callable[..., Moatdns]

gc.disable()  # until all tests are imported: there is no garbage yet, and to look for it takes a tenth of that time

# The world: what the Internet says of every name that the tests ask for.
WORLD = """\
claude.ai.                  300 IN A     198.51.100.1
claude.ai.                  300 IN AAAA  2001:db8::1
claude.ai.                  300 IN TXT   "the real one"
claude.ai.                  300 IN MX    10 mail.claude.ai.
api.anthropic.com.          300 IN A     198.51.100.2
api.openai.com.             300 IN A     198.51.100.3
chatgpt.com.                300 IN A     198.51.100.4
perplexity.ai.              300 IN A     198.51.100.7
downloads.claude.ai.        300 IN A     198.51.100.5
code.claude.com.            300 IN A     198.51.100.6
americanphilanthropic.com.  300 IN A     198.51.100.10
notclaude.ai.               300 IN A     198.51.100.11
claude.ai.example.          300 IN A     198.51.100.12
use-application-dns.net.    300 IN A     198.51.100.20
dns.google.                 300 IN A     198.51.100.21
plain.example.              300 IN A     198.51.100.30
plain.example.              300 IN AAAA  2001:db8::30
plain.example.              300 IN HTTPS 1 . alpn="h2"
plain.example.              300 IN TYPE65280 \\# 3 010203
alias.example.              300 IN CNAME claude.ai.
second.example.             300 IN CNAME claude.ai.
third.example.              300 IN CNAME claude.ai.
long.example.               300 IN CNAME middle.example.
middle.example.             300 IN CNAME end.example.
end.example.                300 IN CNAME api.openai.com.
harmless.example.           300 IN CNAME plain.example.
canary.example.             300 IN CNAME use-application-dns.net.
service.example.            300 IN HTTPS 1 edge.claude.ai. alpn="h2"
service.example.            300 IN A     198.51.100.31
house.example.              300 IN A     198.51.100.40
below.house.example.        300 IN A     198.51.100.41
fine.house.example.         300 IN A     198.51.100.42
deep.fine.house.example.    300 IN A     198.51.100.43
only.example.               300 IN A     198.51.100.44
below.only.example.         300 IN A     198.51.100.45
star.example.               300 IN A     198.51.100.46
below.star.example.         300 IN A     198.51.100.47
patient.example.            300 IN A     198.51.100.48
1.0.0.127.in-addr.arpa.     300 IN PTR   localhost.
""" + "\n".join(f'large.example. 300 IN TXT "{number:02} {"x" * 60}"' for number in range(60))  # about 4,400 octets

# One group a client address. 127.0.0.1 and all others are in the group `default`.
EXEMPT = "127.0.0.2"
WATCHED = "127.0.0.3"
CODERS = "127.0.0.5"
BY_MODE = {"nxdomain": "127.0.0.11", "nodata": "127.0.0.12", "refused": "127.0.0.13", "address": "127.0.0.14"}

OFFICE: dict[str, Any] = {
    "workers": 2,
    "policy": {
        "lists": [
            {
                "name": "house",
                "block": ["house.example", "=only.example", "*.star.example"],
                "allow": ["fine.house.example"],
            }
        ],
        "groups": [
            {"name": "research", "networks": [EXEMPT], "exempt": True},
            {"name": "watched", "networks": [WATCHED], "mode": "monitor"},
            {"name": "coders", "networks": [CODERS], "allow": ["anthropic/claude-code"]},
            *(
                {"name": mode, "networks": [address], "response": {"mode": mode, "ttl_seconds": 7}}
                for mode, address in BY_MODE.items()
                if mode != "address"
            ),
            {
                "name": "address",
                "networks": [BY_MODE["address"]],
                "response": {"mode": "address", "ttl_seconds": 20, "ipv4": "192.0.2.7", "ipv6": "2001:db8::7"},
            },
        ],
    },
}


_TESTS = Path(__file__).parent
_SHARING = "end_to_end/pages"  # a folder whose files share a server, but for the longest, which has its own
_APART = f"{_SHARING}/test_every_page.py"

# Files whose tests take longest together, and the folder that shares a server. They are run first, so that no one of
# them is left for the end.
_LONGEST = (
    _SHARING,
    _APART,
    "faults/test_root_and_its_files.py",
    "end_to_end/test_reload.py",
    "faults/test_processes.py",
    "faults/test_subscriptions.py",
    "faults/test_upstreams_that_fail.py",
    "faults/test_audit_trail.py",
    "faults/test_bad_client_certificates.py",
    "faults/test_store_lost.py",
    "faults/test_two_nodes.py",
    "faults/test_snapshots.py",
    "peers/test_api_description_holds.py",
    "end_to_end/test_exceptions.py",
    "end_to_end/test_identities.py",
    "end_to_end/test_edns.py",
    "end_to_end/test_statistics.py",
    "faults/test_catalogue_versions.py",
    "faults/test_certificates.py",
    "peers/test_encrypted_upstreams.py",
)


def _kept_together(file: str) -> str:
    """The file, or the folder that shares a server: tests of the same run one after the other in one process."""
    return _SHARING if file.startswith(f"{_SHARING}/") and file != _APART else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; for pytest-xdist, this takes --no-loadscope-reorder."""
    places = {name: place for place, name in enumerate(_LONGEST)}

    def place(item: pytest.Item) -> int:
        return places.get(_kept_together(item.path.relative_to(_TESTS).as_posix()), len(places))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Look for garbage again, but not among what was imported."""
    gc.freeze()
    gc.enable()


class _SharedServersScheduling(LoadFileScheduling):
    """A worker gets a whole file, or a whole folder whose files share a server."""

    def _split_scope(self, nodeid: str) -> str:
        """The unit that one worker gets whole, for the test with this ID."""
        return _kept_together(super()._split_scope(nodeid).removeprefix("tests/"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """With --dist loadfile, keep together what shares a server."""
    return _SharedServersScheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbound]:
    """unbound, which knows the world."""
    with Unbound(tmp_path_factory.mktemp("unbound"), WORLD) as unbound:
        yield unbound


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server with two workers and a group for each of the addresses above; tests ask it, and change nothing."""
    config = {**OFFICE, "upstream": {"servers": [world.server]}}
    with Moatdns(tmp_path_factory.mktemp("office"), config, listen_ipv6=True) as moatdns:
        yield moatdns


@pytest.fixture
def moatdns(tmp_path: Path) -> Iterator[StartMoatdns]:
    """Start a server with a config; it is ended after the test."""
    with ExitStack() as running:

        def start(config: dict[str, Any]) -> Moatdns:
            return running.enter_context(Moatdns(tmp_path / "moatdns", config))

        yield start


@pytest.fixture
def stub() -> Iterator[StubUpstream]:
    """An upstream that misbehaves on demand."""
    with StubUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    """The only upstream of `single`. Each test asks for names of its own."""
    with StubUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory, upstream: StubUpstream) -> Iterator[Moatdns]:
    """A server with one worker and one upstream."""
    config = {**OFFICE, "workers": 1, "upstream": {"servers": [upstream.server]}}
    with Moatdns(tmp_path_factory.mktemp("single"), config) as moatdns:
        yield moatdns


@pytest.fixture
def only_stub(single: Moatdns, upstream: StubUpstream) -> Iterator[Moatdns]:
    """The same, with the upstream as it is when all is well."""
    yield single
    upstream.ttl = 300
    upstream.silent = False


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real browser. Of a module, since playwright's event loop must not outlive it in a process of other tests."""
    with start_chromium() as browser:
        yield browser
