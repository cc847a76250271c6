"""Channels between processes: messages, versions, requests and their answers, over a real pair of sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import dataclass
from typing import Any

import pytest

from resolver.errors import ChannelClosed, ChannelError, NoAnswer, RequestRefused
from resolver.system.channel import Asks, MessageChannel, MessageSet, Refusal
from tests.unit.children import channel_on, clock, run


@dataclass(frozen=True, slots=True)
class Sum:
    value: int


@dataclass(frozen=True, slots=True)
class Add(Asks[Sum]):
    one: int
    other: int


@dataclass(frozen=True, slots=True)
class Note:
    text: str


@dataclass(frozen=True, slots=True)
class Stranger:
    pass


WORDS = MessageSet("words", 3, Note, Sum, patience_seconds={Add: 7.0})


async def pair(most_line_bytes: int = 1 << 16) -> tuple[MessageChannel, MessageChannel, socket.socket]:
    ours, theirs = socket.socketpair()
    one = await channel_on(ours, WORDS, "the child", most_line_bytes=most_line_bytes)
    return one, await channel_on(theirs, WORDS, "the parent"), theirs


async def adding(channel: MessageChannel) -> None:
    async for received in channel.heard():
        assert isinstance(received.message, Add)
        channel.answer(received.request, Sum(received.message.one + received.message.other))


def test_a_message_comes_as_it_was_told() -> None:
    async def scenario() -> None:
        one, other, _ = await pair()
        one.tell(Note("ä\n"))
        received = await other.receive()
        assert received is not None
        assert received.message == Note("ä\n")
        assert (received.request, received.answers) == (None, None)
        one.close()
        assert await other.receive() is None

    run(scenario())


def test_a_request_is_answered_and_each_answer_goes_to_who_asked() -> None:
    async def scenario() -> None:
        one, other, _ = await pair()
        hearing = [asyncio.ensure_future(adding(other)), asyncio.ensure_future(one.receive())]
        sums = await asyncio.gather(*(one.ask(Add(number, 1)) for number in range(5)))
        assert [each.value for each in sums] == [1, 2, 3, 4, 5]
        for each in hearing:
            each.cancel()

    run(scenario())


def test_answers_may_come_in_another_order() -> None:
    async def scenario() -> None:
        one, other, _ = await pair()
        hearing = asyncio.ensure_future(one.receive())
        asking = [asyncio.ensure_future(one.ask(Add(number, 0))) for number in (1, 2)]
        for received in reversed([await other.receive() for _ in asking]):
            assert received is not None and isinstance(received.message, Add)
            other.answer(received.request, Sum(received.message.one))
        assert [(await each).value for each in asking] == [1, 2]
        hearing.cancel()

    run(scenario())


def test_a_refusal_is_raised_with_its_words() -> None:
    async def scenario() -> None:
        one, other, _ = await pair()
        hearing = asyncio.ensure_future(one.receive())
        asking = asyncio.ensure_future(one.ask(Add(1, 2)))
        received = await other.receive()
        assert received is not None
        other.answer(received.request, Refusal("no numbers today"))
        with pytest.raises(RequestRefused, match=r"^no numbers today$"):
            await asking
        hearing.cancel()

    run(scenario())


def test_who_does_not_answer_is_waited_for_as_long_as_the_request_has_patience_and_a_late_answer_harms_nobody() -> None:
    async def scenario() -> None:
        one, other, _ = await pair()
        hearing = asyncio.ensure_future(one.receive())
        with pytest.raises(NoAnswer, match="the child did not answer within 7 s"):
            await one.ask(Add(1, 2))
        assert clock() == pytest.approx(7.0)
        received = await other.receive()
        assert received is not None
        other.answer(received.request, Sum(3))
        other.tell(Note("later"))
        after = await hearing
        assert after is not None and after.message == Note("later")

    run(scenario())


def test_who_is_gone_answers_nobody() -> None:
    async def scenario() -> None:
        one, other, _ = await pair()
        asking = asyncio.ensure_future(one.ask(Add(1, 2)))
        await asyncio.sleep(0)
        other.close()
        assert await one.receive() is None
        one.close()
        with pytest.raises(ChannelClosed, match="the child is gone"):
            await asking
        with pytest.raises(ChannelClosed):
            await one.ask(Add(1, 2))
        one.tell(Note("into the void"))

    run(scenario())


def test_an_answer_of_another_kind_is_refused() -> None:
    async def scenario() -> None:
        one, other, _ = await pair()
        hearing = asyncio.ensure_future(one.receive())
        asking = asyncio.ensure_future(one.ask(Add(1, 2)))
        received = await other.receive()
        assert received is not None
        other.answer(received.request, Note("3"))
        with pytest.raises(ChannelError, match="Note is not an answer to Add"):
            await asking
        hearing.cancel()

    run(scenario())


def line(**changed: Any) -> bytes:
    whole = {"channel": "words", "version": 3, "message": "Note", "fields": {"text": "x"}}
    return json.dumps({**whole, **changed}).encode() + b"\n"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"Traceback (most recent call last):\n", "not a message of the words channel: b'Traceback"),
        (b"\xff\xfe\n", "not a message of the words channel"),
        (b"[1]\n", "not a message of the words channel"),
        (line(channel="worker"), "not a message of the words channel"),
        (line(version=4), "version 3 here, and 4 at the other end: moatdns was replaced while it ran"),
        (line(version=None), "version 3 here, and None at the other end"),
        (line(message="Shout"), "the words channel has no message 'Shout'"),
        (line(message=None), "the words channel has no message None"),
        (line(fields={"text": 1}), "Note on the words channel: text: str expected, int found"),
        (line(fields={}), "Note on the words channel: Note has fields too few or too many: text"),
        (line(fields=None), "Note on the words channel: dict expected"),
        (b"x" * 200 + b"\n", "a line of the words channel is too long"),
    ],
)
def test_what_is_no_message_is_a_clear_error(said: bytes, told: str) -> None:
    async def scenario() -> None:
        one, _, theirs = await pair(most_line_bytes=120)
        theirs.send(said)
        with pytest.raises(ChannelError) as raised:
            await one.receive()
        assert told in str(raised.value)

    run(scenario())


def test_a_message_of_another_channel_is_not_sent() -> None:
    async def scenario() -> None:
        one, _, _ = await pair()
        with pytest.raises(ChannelError, match="Stranger is not a message of the words channel"):
            one.tell(Stranger())

    run(scenario())
