"""Short forms of `make prove`: the policy changes under load. Times are left to the long form, on a quiet machine."""

from __future__ import annotations

from pathlib import Path

import dns.edns
import dns.message
import pytest

from prove import catalogue_feed, million_rules, swaps
from prove.figures import missed

pytestmark = pytest.mark.alone


def test_swaps_of_the_policy_lose_no_query_and_no_answer_is_made_of_two_policies(tmp_path: Path) -> None:
    assert not missed(swaps.run(swaps.SHORT, tmp_path), but_for_times=True)


def test_many_rules_are_put_in_force_under_load_and_are_there_at_once_after_a_restart(tmp_path: Path) -> None:
    assert not missed(million_rules.run(million_rules.SHORT, tmp_path), but_for_times=True)


def test_a_feed_brings_catalogues_under_load_and_bad_ones_change_nothing(tmp_path: Path) -> None:
    assert not missed(catalogue_feed.run(catalogue_feed.SHORT, tmp_path), but_for_times=True)


@pytest.mark.parametrize(
    ("address", "ttl", "text", "policy"),
    [
        ("192.0.2.7", 7, "list-7 is blocked for group group-7", 7),
        ("192.0.2.8", 7, "list-7 is blocked for group group-7", "half a policy"),
        ("192.0.2.7", 8, "list-7 is blocked for group group-7", "half a policy"),
        ("192.0.2.7", 7, "list-8 is blocked for group group-7", "half a policy"),
        ("192.0.2.7", 7, "list-7 is blocked for group group-8", "half a policy"),
        ("192.0.2.7", 7, "", "half a policy"),
    ],
)
def test_the_check_would_see_half_a_policy(address: str, ttl: int, text: str, policy: object) -> None:
    query = dns.message.make_query("blocked-1.example", "A", use_edns=0)
    answer = dns.message.make_response(query)
    answer.answer.append(dns.rrset.from_text("blocked-1.example.", ttl, "IN", "A", address))
    answer.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.BLOCKED, text)] if text else [])
    assert swaps.policy_of(answer.to_wire()) == policy
