"""The MAC address that a real dnsmasq adds to what it forwards decides the group, and goes no further."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.lease_hooks import in_namespace
from tests.support.stub import DEFAULT_ANSWER

pytestmark = pytest.mark.slow


def test_a_machine_behind_dnsmasq_is_in_the_group_of_its_mac_address_in_each_way_of_writing_it(tmp_path: Path) -> None:
    told = json.loads(in_namespace("macs", tmp_path))
    let_through, blocked = [DEFAULT_ANSWER], ["0.0.0.0"]
    # A client that says by itself to be another: without strip-mac dnsmasq passes it on, and adds nothing.
    lying = {"raw": let_through, "text": ["refused"], "base64": ["refused"]}
    for way, answers in told["answers"].items():
        assert answers == {"kiosk": let_through, "other": blocked, "other, lying": lying.get(way, blocked)}, way
    assert len(told["answers"]) == 5
    assert set(told["options_upstream"]) <= {10}  # our own cookie
