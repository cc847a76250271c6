"""Lists that are kept: for as long as their policy is in force, and a few of them."""

from __future__ import annotations

from admin_api.firewall.kept_lists import MOST_KEPT, KeptLists, MadeList
from resolver.policy.compiler import compile_groups, compile_rules, policy_in_memory
from resolver.policy.groups import CompiledGroup
from resolver.policy.snapshot import PolicySnapshot


def policy() -> PolicySnapshot:
    return policy_in_memory(compile_rules([]), compile_groups([CompiledGroup("default")], ()), 1)


def test_a_list_is_kept_until_another_policy_is_asked_about_and_the_oldest_goes_first() -> None:
    kept, first, second = KeptLists(), policy(), policy()
    made = [MadeList.of([f"n{number}.example"], number) for number in range(MOST_KEPT + 1)]
    assert made[7] == MadeList("n7.example\n", 1, 7)
    for number, one in enumerate(made):
        kept.keep(first, (str(number),), one)
    assert kept.find(first, ("0",)) is None
    assert kept.find(first, ("1",)) is made[1]
    assert kept.find(second, ("1",)) is None
    kept.keep(second, ("1",), made[2])
    assert kept.find(second, ("1",)) is made[2]
    assert kept.find(first, ("2",)) is None
