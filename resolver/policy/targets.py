"""The names that an answer leads to (CNAME chain, SVCB and HTTPS targets), judged beside the one that was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from resolver.policy.decision import Decision, Verdict
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import View


def judge_targets(decision: Decision, targets: Iterable[bytes], view: View, policy: PolicySnapshot) -> Decision:
    """The decision that counts: that of the name, or of a name that its answer leads to. `targets` are keys."""
    if decision.verdict is Verdict.BLOCK:
        return decision
    lets_through = decision.lets_targets_through  # then targets cannot block it, but still cap its TTL
    for target in targets:
        if lets_through and decision.despite_block:
            break
        judged = policy.decide(view, target)
        if lets_through:
            closed = judged.verdict is Verdict.BLOCK or judged.despite_block
            decision = replace(decision, despite_block=True) if closed else decision
        elif judged.verdict is Verdict.BLOCK:
            return judged
        elif judged.despite_block and not decision.despite_block:
            decision = judged
    return decision
