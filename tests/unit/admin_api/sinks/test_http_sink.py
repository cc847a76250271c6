"""A sink by HTTP: each row at least once, whatever the collector does, and no more than once while nothing fails."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.unit.admin_api.sinks.conftest import (
    HOUR,
    HttpCollector,
    Reply,
    SinksOfLog,
    WrittenLog,
    collecting,
    numbered,
    until,
)


async def test_each_query_comes_once_and_in_order_however_it_was_written(
    log: WrittenLog, made: SinksOfLog, collector: HttpCollector
) -> None:
    async with made.running(collector.url, batch_rows=70) as sink:
        for first in range(0, 600, 60):
            log.add(range(first, first + 10))
            log.add(range(first + 10, first + 60), is_whole=True)
        await until(lambda: len(collector.names) >= 600)
        await until(lambda: sink.state.behind_seconds == 0)
    assert collector.names == numbered(range(600))
    assert {headers["Content-Encoding"] for _, headers, _ in collector.requests} == {"gzip"}
    assert max(len(rows) for _, _, rows in collector.requests) <= 70
    assert (sink.state.sent, sink.state.dropped.total()) == (600, 0)
    ids = [row["event"]["id"] for _, _, rows in collector.requests for row in rows]
    assert len(set(ids)) == 600


async def test_a_new_sink_begins_with_what_comes_and_a_restarted_one_where_it_was(
    log: WrittenLog, made: SinksOfLog, collector: HttpCollector
) -> None:
    log.add(range(5))
    async with made.running(collector.url) as sink:
        log.add(range(5, 8))
        await until(lambda: len(collector.names) == 3 and not sink.state.oldest)
    log.add(range(8, 10))
    log.add(range(10, 12), at=time.time() + 24 * HOUR)  # a new day
    async with made.running(collector.url):
        await until(lambda: len(collector.names) == 7)
        log.add(range(12, 13))  # and the day before grows, as around midnight
        await until(lambda: len(collector.names) == 8)
    assert collector.names == numbered([*range(5, 8), *range(8, 13)])


async def test_a_collector_that_is_away_gets_everything_when_it_is_back(log: WrittenLog, made: SinksOfLog) -> None:
    one = HttpCollector()
    async with collecting(one):
        pass  # now it has a port, and is gone
    async with made.running(one.url) as sink:
        log.add(range(30))
        await until(lambda: sink.state.last_error)
        assert sink.troubles == [f"log sink http://127.0.0.1:{one.port}: its host cannot be reached"]
        log.add(range(30, 40))
        await until(lambda: sink.state.behind_seconds > 0)
        async with collecting(one):
            await until(lambda: len(one.names) == 40)
            await until(lambda: not sink.troubles)
    assert one.names == numbered(range(40))
    events = [event for event, _ in made.said.lines]
    assert events == ["the log does not reach a sink", "the log reaches a sink again"]


@pytest.mark.slow
async def test_retry_after_is_waited_for_and_nothing_is_lost(
    log: WrittenLog, made: SinksOfLog, collector: HttpCollector
) -> None:
    answers = iter([503, 429])
    collector.reply = Reply(lambda _: next(answers, 200), headers={"Retry-After": "1"})
    async with made.running(collector.url):
        log.add(range(3))
        await until(lambda: len(collector.names) == 3)
    first, second, third = (at for at, _, _ in collector.requests)
    assert min(second - first, third - second) >= 1.0


async def test_only_the_row_that_is_refused_is_dropped_and_counted(
    log: WrittenLog, made: SinksOfLog, collector: HttpCollector
) -> None:
    collector.reply = Reply(lambda names: 400 if {"n13", "n77"} & set(names) else 200)
    async with made.running(collector.url) as sink:
        log.add(range(100), is_whole=True)
        await until(lambda: len(collector.names) == 98)
        await until(lambda: not sink.state.oldest)
    assert collector.names == numbered([number for number in range(100) if number not in (13, 77)])
    assert dict(sink.state.dropped) == {"refused": 2}
    assert len(collector.requests) < 60  # halved, not tried one by one


async def test_a_collector_that_refuses_everything_costs_hardly_a_row(
    log: WrittenLog, made: SinksOfLog, collector: HttpCollector
) -> None:
    collector.reply = Reply(lambda _: 400)
    async with made.running(collector.url) as sink:
        log.add(range(200), is_whole=True)
        await until(lambda: sink.state.last_error)
        assert "refuses every row: it answered 400: 400 it is" in str(sink.state.last_error)
        collector.reply = Reply()  # somebody has mended its set-up
        await until(lambda: collector.names[-1:] == ["n199"])
    assert sink.state.dropped.total() + len(set(collector.names)) == 200
    assert sink.state.dropped.total() < 20


@pytest.mark.slow
async def test_batches_become_smaller_for_a_collector_that_is_too_slow_for_large_ones(
    log: WrittenLog, made: SinksOfLog, collector: HttpCollector
) -> None:
    collector.reply = Reply(seconds=lambda names: 0.0 if len(names) <= 30 else 3.0)
    async with made.running(collector.url, timeout_seconds=1, batch_rows=100) as sink:
        log.add(range(100), is_whole=True)
        await until(lambda: len(set(collector.names)) == 100)
        await until(lambda: sink.state.sent == 100)  # the last answer is on its way to it


async def test_a_filter_and_the_header_of_a_file_that_changes(
    log: WrittenLog, made: SinksOfLog, collector: HttpCollector, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("Splunk one\n")
    seen: set[str] = set()

    def status(_: list[str]) -> int:
        seen.add(collector.requests[-1][1]["Authorization"])
        return 200 if collector.requests[-1][1]["Authorization"] == "Splunk two" else 403

    collector.reply = Reply(status)
    settings = {"authorization": f"file:{key}", "verdicts": ("block",), "format": "splunk-hec"}
    async with made.running(collector.url, **settings) as sink:
        log.add(range(5), verdict="allow")
        log.add(range(5, 7))
        await until(lambda: "403" in str(sink.state.last_error))
        key.write_text("Splunk two\n")
        await until(lambda: len(collector.names) == 2)
    assert collector.names == numbered(range(5, 7))
    assert seen == {"Splunk one", "Splunk two"}
    assert "one" not in json.dumps([made.said.lines, sink.troubles])


async def test_what_a_collector_says_is_told_shortly_and_acts_on_nobody(
    log: WrittenLog, made: SinksOfLog, collector: HttpCollector
) -> None:
    collector.reply = Reply(lambda _: 500, text="\x1b[31m\u202e" + "x" * 1_000_000)
    async with made.running(collector.url) as sink:
        log.add(range(1))
        await until(lambda: sink.state.last_error)
    assert sink.state.last_error is not None
    assert sink.state.last_error.startswith("it answered 500: 500 \\u{1b}[31m\\u{202e}xxx")
    assert len(sink.state.last_error) < 200


async def test_a_trouble_keeps_its_words_though_the_collector_has_others_each_time(
    log: WrittenLog, made: SinksOfLog, collector: HttpCollector
) -> None:
    def status(_: list[str]) -> int:
        collector.reply.text = f"request {len(collector.requests)} failed"
        return 503

    collector.reply = Reply(status)
    seen: set[str] = set()
    async with made.running(collector.url) as sink:
        log.add(range(1))
        for number in range(2, 6):
            await until(lambda number=number: len(collector.requests) >= number)
            seen |= {*sink.troubles}
    assert seen == {f"log sink {sink.shown}: it answered 503"}
    assert [event for event, _ in made.said.lines].count("the log does not reach a sink") == 1


async def test_plain_http_leads_to_this_machine_alone(log: WrittenLog, made: SinksOfLog) -> None:
    async with made.running("http://192.0.2.1:9/x") as sink:
        log.add(range(1))
        await until(lambda: sink.state.last_error)
    assert "is for this one" in str(sink.state.last_error)


@pytest.mark.parametrize("status", [301, 404, 405, 500, 507])
async def test_whatever_else_it_answers_nothing_is_dropped(
    log: WrittenLog, made: SinksOfLog, collector: HttpCollector, status: int
) -> None:
    collector.reply = Reply(lambda _: status if len(collector.requests) < 3 else 200, headers={"Location": "/logs"})
    async with made.running(collector.url) as sink:
        log.add(range(4))
        await until(lambda: len(collector.names) == 4)
    assert sink.state.dropped.total() == 0
