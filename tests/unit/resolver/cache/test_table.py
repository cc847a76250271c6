"""The answer table's bound."""

from __future__ import annotations

import os
from collections import Counter

import dns.message

from resolver.cache.table import FOR_EVER, PLACE_OCTETS, AnswerTable, TableBudget
from resolver.wire.question import Question, parse_question
from resolver.wire.response import compose


def query(name: str) -> bytes:
    """A query without EDNS."""
    return dns.message.make_query(name, "A").to_wire()


def composed(question: Question) -> bytes:
    """An answer without records."""
    return compose(question, 0)


def test_full_tables_start_afresh_and_count_what_they_let_go() -> None:
    dropped: Counter[str] = Counter()
    budget = TableBudget(100, dropped)
    one, other = AnswerTable(budget), AnswerTable(budget)
    for number in range(1000):
        question = parse_question(query(f"{number}.example"))
        (one if number % 2 else other).put(question, composed(question), FOR_EVER, (0, 3, None, -1))
        assert len(one.entries) + len(other.entries) <= 100
    assert dropped["answer_table_entries"] == 900
    asked = query("999.example")
    assert one.entries[asked[2:]].reply(asked) == composed(parse_question(asked))


def test_replacing_entries_does_not_fill_the_table() -> None:
    dropped: Counter[str] = Counter()
    table = AnswerTable(TableBudget(10, dropped))
    question = parse_question(query("same.example"))
    for _ in range(1000):
        table.put(question, composed(question), FOR_EVER, (0, 3, None, -1))
    assert not dropped


def test_a_large_answer_takes_the_places_of_several_so_that_octets_are_bounded_too() -> None:
    dropped: Counter[str] = Counter()
    budget = TableBudget(100, dropped)
    table = AnswerTable(budget)
    most = 0
    for number in range(1000):
        question = parse_question(query(f"{number}.example"))
        table.put(question, compose(question, 0, os.urandom(1400)), FOR_EVER, (0, 3, None, -1))
        most = max(most, sum(len(key) + len(one.rest) for key, one in table.entries.items()))
    assert 30 * 1400 <= most <= 100 * PLACE_OCTETS
    assert dropped["answer_table_entries"]


def test_names_that_are_answered_alike_share_what_is_beside_the_question() -> None:
    table = AnswerTable(TableBudget(10, Counter()))
    asked = [query(f"{name}.example") for name in ("one", "another")]
    for each in asked:
        question = parse_question(each)
        table.put(question, compose(question, 0, bytes(40)), FOR_EVER, (0, 3, None, -1))
    one, another = (table.entries[each[2:]] for each in asked)
    assert one.head is another.head
    assert one.rest is another.rest
    assert one.reply(asked[0]) == compose(parse_question(asked[0]), 0, bytes(40))
