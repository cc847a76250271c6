"""Targets of an answer (names of its CNAME chain, SVCB and HTTPS targets, addresses), judged beside its question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from resolver.policy.decision import Decision, Verdict
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import View


def judge_targets(
    decision: Decision, targets: Iterable[bytes], addresses: Iterable[bytes], view: View, policy: PolicySnapshot
) -> Decision:
    """The decision that counts: that of the name, or of what its answer leads to.

    `targets` are keys of names, `addresses` have four or sixteen octets each.
    """
    if decision.verdict is Verdict.BLOCK:
        return decision
    lets_through = decision.lets_targets_through  # then targets cannot block it, but still cap its TTL
    for judged in _judged(targets, addresses, view, policy):
        if lets_through:
            if judged.verdict is Verdict.BLOCK or judged.despite_block:
                return decision if decision.despite_block else replace(decision, despite_block=True)
        elif judged.verdict is Verdict.BLOCK:
            return judged
        elif judged.despite_block and not decision.despite_block:
            decision = judged
    return decision


def _judged(
    targets: Iterable[bytes], addresses: Iterable[bytes], view: View, policy: PolicySnapshot
) -> Iterator[Decision]:
    for target in targets:
        yield policy.decide(view, target)
    for address in addresses:
        judged = policy.decide_address(view, address)
        if judged is not None:
            yield judged
