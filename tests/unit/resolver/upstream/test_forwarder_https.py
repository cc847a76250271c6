"""Upstreams by DoH: requests as RFC 8484 has them, and servers that end, refuse or talk nonsense."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import TooManyStreamsError

from resolver.errors import UpstreamBadAnswer, UpstreamError, UpstreamInsecure, UpstreamTimeout, UpstreamUnreachable
from resolver.upstream import stream
from tests.unit.resolver.upstream.secure_stub import Authority, HttpBehaviour, HttpsServing, SecureStub
from tests.unit.resolver.upstream.stub import Asked, ask, question, reply

StartDoh = Callable[..., Awaitable[SecureStub]]


def answers(serving: HttpsServing, stream_id: int, query: bytes) -> None:
    serving.say(stream_id, reply(query))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def start_doh(authority: Authority) -> AsyncIterator[StartDoh]:
    stubs: list[SecureStub] = []

    async def start(
        behaviour: HttpBehaviour = answers,
        *,
        context: ssl.SSLContext | None = None,
        port: int = 0,
        most_streams: int = 100,
    ) -> SecureStub:
        stub = SecureStub()
        stub.port = port
        stubs.append(stub)
        serving = partial(HttpsServing, behaviour=behaviour, most_streams=most_streams)
        await stub.start(serving, context or authority.context(protocols=["h2"]))
        return stub

    yield start
    for stub in stubs:
        await stub.stop()


@pytest.fixture
def https_forwarder(forwarder_for, authority: Authority):
    return partial(forwarder_for, ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)


async def test_many_questions_are_posted_on_one_connection(start_doh, https_forwarder) -> None:
    heads: list[dict[str, str]] = []

    def notes(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        heads.append(serving.headers[stream_id])
        answers(serving, stream_id, query)

    stub = await start_doh(notes)
    forwarder = https_forwarder(stub.doh())
    for batch in range(3):
        for i, asked in enumerate([ask(forwarder, question(f"n{i}.b{batch}.example")) for i in range(90)]):
            assert question(f"n{i}.b{batch}.example") in await asked.answer()
    assert len(stub.connections) == 1
    assert {(len(query), query[:2]) for query in stub.queries} == {(128, b"\0\0")}
    assert heads[0] == {
        ":method": "POST",
        ":scheme": "https",
        ":authority": f"dns.example:{stub.port}",
        ":path": "/dns-query",
        "accept": "application/dns-message",
        "content-type": "application/dns-message",
        "content-length": "128",
    }


async def test_a_server_without_http_2_is_told_from_a_bad_one(start_doh, https_forwarder, authority) -> None:
    for protocols in ((), ("http/1.1",)):
        stub = await start_doh(context=authority.context(protocols=protocols))
        error = await ask(https_forwarder(stub.doh())).error()
        assert isinstance(error, UpstreamInsecure)
        assert "does not support HTTP/2" in str(error) or "ALPN" in str(error).upper()
        assert stub.queries == []


async def test_a_certificate_for_another_name_is_refused(start_doh, https_forwarder) -> None:
    stub = await start_doh()
    error = await ask(https_forwarder(stub.doh("other.example"))).error()
    assert isinstance(error, UpstreamInsecure)
    assert "Hostname mismatch" in str(error)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        pytest.param(lambda s, i, q: s.say(i, b"no", status="503"), "HTTP status 503", id="status"),
        pytest.param(lambda s, i, q: s.say(i, reply(q), content_type="text/html"), "to another question", id="type"),
        pytest.param(lambda s, i, q: s.say(i, reply(q)[:11]), "to another question", id="short"),
        pytest.param(lambda s, i, q: s.say(i, b"\0\1" + reply(q)[2:]), "to another question", id="ID"),
        pytest.param(
            lambda s, i, q: s.say(i, reply(q).replace(b"example", b"exbmple")), "to another question", id="question"
        ),
        pytest.param(lambda s, i, q: s.say(i, q), "to another question", id="query"),
    ],
)
async def test_what_is_no_answer_fails_the_question_at_once_and_no_other(start_doh, https_forwarder, says, why) -> None:
    def picky(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        (says if b"bad" in query else answers)(serving, stream_id, query)

    stub = await start_doh(picky)
    forwarder = https_forwarder(stub.doh())
    bad, good = ask(forwarder, question("bad.example")), ask(forwarder, question("good.example"))
    error = await bad.error()
    assert isinstance(error, UpstreamBadAnswer)
    assert why in str(error)
    assert bad.fair_seconds < 0.8
    await good.answer()
    assert len(stub.connections) == 1


async def test_an_answer_without_end_is_cut_short(start_doh, https_forwarder) -> None:
    def floods(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        serving.http.send_headers(stream_id, [(":status", "200"), ("content-type", "application/dns-message")])
        for _ in range(3):
            serving.http.send_data(stream_id, bytes(16_000))
        serving.flush()
        serving.http.send_data(stream_id, bytes(16_000))
        asyncio.get_running_loop().call_later(0.1, more, serving, stream_id)

    def more(serving: HttpsServing, stream_id: int) -> None:
        serving.http.send_data(stream_id, bytes(2_000))
        serving.flush()

    stub = await start_doh(floods)
    error = await ask(https_forwarder(stub.doh())).error()
    assert "not a DNS message" in str(error)


async def test_an_answer_from_a_cache_on_the_way_has_less_time_left(start_doh, https_forwarder) -> None:
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x00\x00\x04\xc0\x00\x02\x01"  # 256 s

    def aged(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        answer = query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + question() + record
        serving.say(stream_id, answer, age="56" if b"www" in query else "0")

    stub = await start_doh(aged)
    answer = await ask(https_forwarder(stub.doh())).answer()
    assert answer.endswith(b"\x00\x00\x00\xc8\x00\x04\xc0\x00\x02\x01")


async def test_a_server_that_says_goodbye_loses_no_question(start_doh, https_forwarder) -> None:
    def leaves(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        if len(stub.queries) % 10 == 0:
            serving.http.close_connection(last_stream_id=stream_id - 2)
            serving.flush()
            serving.transport.close()
        else:
            asyncio.get_running_loop().call_later(0.005, later, serving, stream_id, query)

    def later(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        if not serving.transport.is_closing():
            serving.say(stream_id, reply(query))

    stub = await start_doh(leaves)
    forwarder = https_forwarder(stub.doh())
    for i in range(15):
        every = [ask(forwarder, question(f"n{i}-{j}.example")) for j in range(3)]
        for asked in every:
            await asked.answer()
    assert len(stub.connections) >= 4


async def test_a_refused_stream_is_asked_on_another_connection(start_doh, https_forwarder) -> None:
    def refuses(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        if serving.transport is stub.connections[0] and len(stub.queries) > 1:
            serving.http.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            serving.flush()
        else:
            serving.say(stream_id, reply(query))

    stub = await start_doh(refuses)
    forwarder = https_forwarder(stub.doh())
    await ask(forwarder).answer()
    await ask(forwarder, question("second.example")).answer()
    assert len(stub.connections) == 2


async def test_a_stream_that_is_reset_fails_its_question_alone(start_doh, https_forwarder) -> None:
    def resets(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        if b"bad" in query:
            serving.http.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
            serving.flush()
        else:
            serving.say(stream_id, reply(query))

    stub = await start_doh(resets)
    forwarder = https_forwarder(stub.doh())
    bad, good = ask(forwarder, question("bad.example")), ask(forwarder)
    assert isinstance(await bad.error(), UpstreamUnreachable)
    await good.answer()
    assert len(stub.connections) == 1


@pytest.mark.slow
async def test_as_many_streams_as_the_server_takes_and_no_more_connections_than_the_bound(
    start_doh, https_forwarder
) -> None:
    at_once: dict[object, set[int]] = {}
    most = 0

    def slowly(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        nonlocal most
        open_streams = at_once.setdefault(serving, set())
        open_streams.add(stream_id)
        most = max(most, len(open_streams))
        asyncio.get_running_loop().call_later(0.2, done, serving, stream_id, query)

    def done(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        at_once[serving].discard(stream_id)
        serving.say(stream_id, reply(query))

    stub = await start_doh(slowly, most_streams=10)
    forwarder = https_forwarder(stub.doh())
    await ask(forwarder).answer()  # now it is known how many
    every = [await asked.result() for asked in [ask(forwarder, question(f"n{i}.example")) for i in range(300)]]
    answered = [result for result in every if not isinstance(result, UpstreamError)]
    assert most <= 100
    assert len(stub.connections) <= stream.MAX_CONNECTIONS
    assert len(answered) >= 10
    assert len([each for each in at_once if not each.transport.is_closing()]) >= 1  # type: ignore[attr-defined]


@pytest.mark.slow
async def test_questions_given_up_leave_room_for_others_on_the_connection(start_doh, https_forwarder) -> None:
    def picky(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        if b"never" not in query:
            answers(serving, stream_id, query)

    stub = await start_doh(picky, most_streams=4)
    forwarder = https_forwarder(stub.doh(), max_seconds=0.2)
    for i in range(6):
        never = ask(forwarder, question(f"n{i}.never.example"))
        await ask(forwarder, question(f"n{i}.example")).answer()
        assert isinstance(await never.error(), UpstreamTimeout)
    await ask(forwarder).answer()
    assert len(stub.connections) == 1
    assert forwarder.servers[0].in_flight == 0
    assert len(stub.cancelled) == 5, "one may still be answered late"


@pytest.mark.slow
async def test_an_answer_that_comes_late_is_not_cancelled(start_doh, https_forwarder) -> None:
    said = asyncio.Event()

    def late(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        if b"late" in query:
            asyncio.get_running_loop().call_later(0.4, say, serving, stream_id, query)
        else:
            answers(serving, stream_id, query)

    def say(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        answers(serving, stream_id, query)
        said.set()

    stub = await start_doh(late, most_streams=4)
    forwarder = https_forwarder(stub.doh(), max_seconds=0.2)
    for i in range(4):
        said.clear()
        asked = ask(forwarder, question(f"n{i}.late.example"))
        assert isinstance(await asked.error(), UpstreamTimeout)
        async with asyncio.timeout(6):
            await said.wait()
        await ask(forwarder, question(f"n{i}.example")).answer()
    assert len(stub.connections) == 1
    assert stub.cancelled == []


async def test_who_asks_again_at_once_is_not_sent_over_a_connection_that_has_said_goodbye(
    start_doh, https_forwarder
) -> None:
    def leaves(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        if len(stub.queries) == 1:
            serving.http.send_headers(stream_id, [(":status", "200"), ("content-type", "application/dns-message")])
            serving.http.send_data(stream_id, reply(query), end_stream=True)
            serving.http.close_connection(last_stream_id=stream_id)
            serving.flush()
        else:
            answers(serving, stream_id, query)

    stub = await start_doh(leaves)
    forwarder = https_forwarder(stub.doh())
    second: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()
    forwarder.ask(
        question(),
        dnssec_ok=False,
        checking_disabled=False,
        done=lambda _: second.set_result(ask(forwarder, question("second.example"))),
    )
    async with asyncio.timeout(6):
        await (await second).answer()
    assert len(stub.connections) == 2


async def test_a_stream_that_cannot_be_opened_fails_its_question_alone(start_doh, https_forwarder, monkeypatch) -> None:
    def refuses(*_: object) -> None:
        raise TooManyStreamsError("injected")

    stub = await start_doh()
    forwarder = https_forwarder(stub.doh())
    await ask(forwarder).answer()
    with monkeypatch.context() as patch:
        patch.setattr(H2Connection, "send_headers", refuses)
        assert isinstance(await ask(forwarder, question("second.example")).error(), UpstreamUnreachable)
    assert forwarder.servers[0].in_flight == 0
    await ask(forwarder, question("third.example")).answer()
    assert len(stub.connections) == 2


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3000, id="HTTP/1"),
        pytest.param(b"\0" * 64, id="zeros"),
        pytest.param(b"\xff" * 140_000, id="ones"),
    ],
)
async def test_what_is_not_http_2_fails_the_question_in_time(start_doh, https_forwarder, junk: bytes) -> None:
    def babbles(serving: HttpsServing, _stream_id: int, _query: bytes) -> None:
        asyncio.get_running_loop().call_later(0.05, serving.transport.write, junk)  # type: ignore[attr-defined]

    stub = await start_doh(babbles)
    error = await ask(https_forwarder(stub.doh())).error()
    assert isinstance(error, UpstreamBadAnswer)
    assert "not HTTP/2" in str(error)
    assert len(stub.connections) == 2


async def test_closing_ends_every_question_once(start_doh, https_forwarder) -> None:
    all_asked = asyncio.Event()

    def notes(*_: object) -> None:
        if len(stub.queries) == 20:
            all_asked.set()

    stub = await start_doh(notes)
    forwarder = https_forwarder(stub.doh())
    every = [ask(forwarder, question(f"n{i}.example")) for i in range(20)]
    await all_asked.wait()
    assert forwarder.servers[0].in_flight == 20
    forwarder.close()
    for each in every:
        assert isinstance(await each.error(), UpstreamUnreachable)
    assert forwarder.servers[0].in_flight == 0
