"""The answer table's bound."""

from __future__ import annotations

from collections import Counter

from resolver.cache.table import FOR_EVER, AnswerTable, TableBudget


def test_full_tables_start_afresh_and_count_what_they_let_go() -> None:
    dropped: Counter[str] = Counter()
    budget = TableBudget(100, dropped)
    one, other = AnswerTable(budget), AnswerTable(budget)
    for number in range(1000):
        (one if number % 2 else other).put(b"%d" % number, b"IDanswer", FOR_EVER, (0, 3, None))
        assert len(one.entries) + len(other.entries) <= 100
    assert dropped["answer_table_entries"] == 900
    assert one.entries[b"999"] == (b"answer", FOR_EVER, 0, 3, None)


def test_replacing_entries_does_not_fill_the_table() -> None:
    dropped: Counter[str] = Counter()
    table = AnswerTable(TableBudget(10, dropped))
    for _ in range(1000):
        table.put(b"same", b"IDanswer", FOR_EVER, (0, 3, None))
    assert not dropped
