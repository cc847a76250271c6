"""Short form of `make prove`: mutated packets and frames."""

from __future__ import annotations

import random
from pathlib import Path

import dns.message
import pytest

from prove import mutated_frames, mutated_packets
from prove.figures import missed
from prove.frame_mutations import conversation
from prove.mutations import is_response, mutated, seeds

pytestmark = pytest.mark.alone

OPCODE = 0x78  # its bits in the third octet


def test_mutated_packets_crash_nothing_and_responses_are_never_answered(tmp_path: Path) -> None:
    assert not missed(mutated_packets.run(mutated_packets.SHORT, tmp_path), but_for_times=True)


def test_mutated_frames_raise_no_other_error_and_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    assert not missed(mutated_frames.run(mutated_frames.SHORT, tmp_path), but_for_times=True)
    said = [[conversation(chance) for _ in range(50)] for chance in (random.Random(1), random.Random(1))]
    assert said[0] == said[1]


def test_the_packets_begin_as_valid_queries_and_are_the_same_for_the_same_seed() -> None:
    assert not any(map(is_response, seeds()))
    assert all(dns.message.from_wire(seed).question for seed in seeds() if not seed[2] & OPCODE)
    packets = [[mutated(seed, chance) for seed in seeds() * 20] for chance in (random.Random(1), random.Random(1))]
    assert packets[0] == packets[1]
    assert any(map(is_response, packets[0]))
    assert not all(map(is_response, packets[0]))
