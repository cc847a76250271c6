"""Log and sinks tell of people and addresses as far as the config records them now, whatever was recorded before."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.query_log import files
from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.shown import Shown
from admin_api.sinks.records import Records
from resolver.telemetry.pseudonyms import is_address, is_pseudonym, new_period
from resolver.telemetry.query_block_reading import QueryBlock
from resolver.telemetry.recording import Recording
from tests.support.log_blocks import BlockMaker, add_rows

ANA, ADDRESS, NETWORK = "ana@corp.example", "10.9.9.9", "10.9.9.0/24"
PSEUDONYM = "~abcdefghijklmnop"
HOW = ("full", "network", "pseudonym", "hidden")


@pytest.mark.parametrize(
    ("clients", "shown"),
    [
        ("full", (ADDRESS, NETWORK, PSEUDONYM, "")),
        ("network", (NETWORK, NETWORK, "", "")),
        ("pseudonym", ("", NETWORK, PSEUDONYM, "")),
        ("hidden", ("", "", "", "")),
    ],
)
def test_of_an_address_no_more_is_shown_than_is_recorded_now(clients: str, shown: tuple[str, ...]) -> None:
    recorded = (ADDRESS, NETWORK, PSEUDONYM, "")
    assert tuple(Shown(clients).address(one) for one in recorded) == shown
    assert Shown("network").address("2001:db8:1:2::3") == "2001:db8:1::/48"


@pytest.mark.parametrize(
    ("identities", "shown"), [("full", (ANA, PSEUDONYM)), ("pseudonym", (None, PSEUDONYM)), ("hidden", (None, None))]
)
def test_of_an_identity_no_more_is_shown_than_is_recorded_now(identities: str, shown: tuple[str | None, ...]) -> None:
    assert tuple(Shown("full", identities).identity(one) for one in (ANA, PSEUDONYM)) == shown
    assert Shown("full", identities).identity(None) is None


@given(st.sampled_from(HOW), st.sampled_from(HOW), st.ip_addresses().map(str))
def test_what_was_recorded_in_any_way_is_shown_as_that_of_now_or_less(before: str, now: str, address: str) -> None:
    recorded = Recording(before, "hidden", [new_period(0, 7)]).of(address, None, 0.0).address
    shown = Shown(now).address(recorded)
    assert Shown(now).address(shown) == shown
    assert {
        "full": True,
        "network": not is_address(shown) and not is_pseudonym(shown),
        "pseudonym": not is_address(shown),
        "hidden": shown == "",
    }[now]
    if before == now:
        assert shown == recorded


@pytest.mark.parametrize(
    ("clients", "identities", "shown"),
    [
        ("full", "full", {ANA, ADDRESS, NETWORK, PSEUDONYM}),
        ("network", "hidden", {NETWORK}),
        ("pseudonym", "pseudonym", {NETWORK, PSEUDONYM}),
        ("full", "hidden", {ADDRESS, NETWORK, PSEUDONYM}),
        ("hidden", "hidden", set()),
    ],
)
def test_who_is_counted_by_identity_or_address_is_shown_by_what_it_is(
    clients: str, identities: str, shown: set[str]
) -> None:
    known = Shown(clients, identities)
    assert {one for one in (ANA, ADDRESS, NETWORK, PSEUDONYM) if known.shows(one)} == shown


def logged(state_dir: Path) -> bytes:
    """A block of one query of Ana's in today's log."""
    now, service = time.time(), "anthropic/claude"
    facts = ("default", "claude.ai", "A", "NOERROR", "block", service, service, "claude.ai", None, "udp", 0.0, None)
    row = (now, ADDRESS, *facts, ANA)
    add_rows(state_dir / files.FOLDER, files.day_of(now), [row])
    return BlockMaker().block([row])


@pytest.mark.parametrize(("clients", "identities"), [("full", "full"), ("network", "pseudonym"), ("hidden", "hidden")])
async def test_rows_and_records_of_sinks_tell_of_nobody_beyond_and_a_search_finds_nobody(
    tmp_path: Path, clients: str, identities: str
) -> None:
    block = logged(tmp_path)
    shown = Shown(clients, identities)
    reader = QueryLogReader(tmp_path, budget_seconds=60.0, shown=shown)
    (item,) = (await reader.page({}, None, None, limit=10, cursor=None)).items
    told = {"full": (ADDRESS, ANA), "network": (NETWORK, None), "hidden": (None, None)}[clients]
    assert (item["client"], item.get("identity")) == told
    for filters in ({"identity": ANA}, {"client": ADDRESS}):
        found = await reader.page(filters, None, None, limit=10, cursor=None)
        assert len(found.items) == (clients == "full")
    by_other = await reader.page(
        {"identity": PSEUDONYM}, None, None, limit=10, cursor=None, aliases={"identity": frozenset({ANA})}
    )
    assert len(by_other.items) == (clients == "full")
    (row,) = Records("plain", "host", shown).queries(QueryBlock(block), range(1), 1 << 12)
    sent = json.loads(row.text)
    assert (sent["client"], sent.get("identity")) == told
