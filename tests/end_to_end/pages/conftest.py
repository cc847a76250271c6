"""One browser for all files here, and one server for those whose tests can live with what others leave there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.conftest import OFFICE
from tests.support.browser import chromium as start_chromium
from tests.support.moatdns import Moatdns
from tests.support.unbound import Unbound


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A real browser. Of this folder, since playwright's event loop must not outlive it in a process of other tests."""
    with start_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server with a vendor of its own, whose query log has everything.

    Each test has names, addresses and groups of its own, and counts only what is of these.
    """
    config = {
        **OFFICE,
        "workers": 1,
        "upstream": {"servers": [world.server]},
        "policy": {**OFFICE["policy"], "own_vendors": ["mistral"]},
        "query_log": {"what": "all"},
    }
    with Moatdns(tmp_path_factory.mktemp("pages"), config, with_api=True) as moatdns:
        yield moatdns
