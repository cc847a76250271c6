"""Cookies and letter case towards upstreams: what is sent, what is believed, and what happens when they are lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from resolver.errors import UpstreamBadAnswer, UpstreamTimeout
from resolver.upstream import udp
from tests.unit.resolver.upstream.stub import Behaviour, answers, ask, eventually, question, reply, stays_silent

_OPT = b"\x00\x00\x29\x04\xd0"
_COOKIE = b"\x00\x0a"
_BADCOOKIE = 23


def cookie_of(query: bytes) -> bytes:
    """The COOKIE option's data; nothing where there is none."""
    options = query[query.index(_OPT) + 11 :]
    assert options[:2] in (b"", _COOKIE)
    return options[4:]


def with_cookie(query: bytes, cookie: bytes, *, rcode: int = 0) -> bytes:
    """An answer whose OPT record has just this option."""
    bare = reply(query, rcode & 0xF)[: query.index(_OPT)]
    option = _COOKIE + len(cookie).to_bytes(2, "big") + cookie if cookie else b""
    return bare + _OPT + bytes([rcode >> 4, 0, 0, 0]) + len(option).to_bytes(2, "big") + option


class CookieServer:
    """A server as RFC 7873 has it; it may want cookies, lose them or change them."""

    def __init__(self) -> None:
        self.cookie = b"server-cookie-01"
        self.demands = False
        self.is_without = False

    def answers(self, query: bytes) -> list[bytes]:
        came = cookie_of(query)
        if self.is_without or not came:
            return [with_cookie(query, b"")]
        is_good = came[8:] == self.cookie
        return [with_cookie(query, came[:8] + self.cookie, rcode=_BADCOOKIE if self.demands and not is_good else 0)]


@pytest.fixture
def cookies() -> CookieServer:
    return CookieServer()


async def test_the_servers_cookie_comes_back_to_it_and_ours_is_one_for_each_server(
    start_stub, forwarder_for, cookies: CookieServer
) -> None:
    one, other = await start_stub(cookies.answers), await start_stub(cookies.answers)
    forwarder = forwarder_for(one, other, timeout_seconds=10.0, max_seconds=10.0)
    for i in range(udp.SLOTS * udp.MAX_QUERIES * 2):
        await ask(forwarder, question(f"n{i}.example")).answer()
    sent = [cookie_of(query) for query in one.queries]
    assert len({cookie[:8] for cookie in sent}) == 1
    assert len(sent[0]) == 8
    assert sent[-1][8:] == cookies.cookie
    assert forwarder.counts["wrong_replies"] == 0
    await one.stop()
    await ask(forwarder).answer()
    assert cookie_of(other.queries[-1])[:8] != sent[0][:8]


async def test_two_forwarders_have_different_cookies(start_stub, forwarder_for, cookies: CookieServer) -> None:
    stub = await start_stub(cookies.answers)
    for _ in range(2):
        await ask(forwarder_for(stub)).answer()
    assert cookie_of(stub.queries[0]) != cookie_of(stub.queries[1])


async def test_badcookie_is_answered_with_the_new_cookie_at_once(
    start_stub, forwarder_for, cookies: CookieServer
) -> None:
    cookies.demands = True
    stub = await start_stub(cookies.answers)
    forwarder = forwarder_for(stub)
    for i in range(200):
        asked = ask(forwarder, question(f"n{i}.example"))
        assert (await asked.answer())[3] & 0x0F == 0
        assert asked.fair_seconds < 0.2
    assert len(stub.queries) == 201
    cookies.cookie = b"server-cookie-02"
    await ask(forwarder).answer()
    await ask(forwarder).answer()
    assert len(stub.queries) == 204


async def test_a_server_that_takes_none_of_its_cookies_is_asked_over_tcp(start_stub, forwarder_for) -> None:
    def refuses(query: bytes) -> list[bytes]:
        return [with_cookie(query, cookie_of(query)[:8] + b"whatever", rcode=_BADCOOKIE)]

    stub = await start_stub(refuses, answers)
    await ask(forwarder_for(stub)).answer()
    assert (len(stub.queries), len(stub.tcp_queries)) == (2, 1)
    without_tcp = await start_stub(refuses, refuses)
    good = await start_stub()
    await ask(forwarder_for(without_tcp, good)).answer()


async def test_badcookie_over_tcp_is_a_bad_answer(start_stub, forwarder_for) -> None:
    def refuses(query: bytes) -> list[bytes]:
        return [with_cookie(query, cookie_of(query)[:8] + b"whatever", rcode=_BADCOOKIE)]

    stub = await start_stub(refuses, refuses)
    assert isinstance(await ask(forwarder_for(stub)).error(), UpstreamBadAnswer)


async def test_an_answer_without_the_cookie_that_there_was_before_is_not_believed(
    start_stub, forwarder_for, cookies: CookieServer
) -> None:
    def lies_first(query: bytes) -> list[bytes]:
        return [with_cookie(query, b""), with_cookie(query, b"another!" + b"x" * 8), *cookies.answers(query)]

    stub = await start_stub(cookies.answers, lambda query: [])
    forwarder = forwarder_for(stub)
    await ask(forwarder).answer()
    stub.udp = lies_first
    answer = await ask(forwarder).answer()
    assert cookies.cookie in answer
    assert forwarder.counts["wrong_replies"] == 2
    assert forwarder.counts["doubts"] == 1


async def test_a_server_that_gave_up_cookies_is_believed_once_tcp_has_said_so(
    start_stub, forwarder_for, cookies: CookieServer
) -> None:
    stub = await start_stub(cookies.answers, answers)
    forwarder = forwarder_for(stub)
    await ask(forwarder).answer()
    cookies.is_without = True
    stub.tcp = lambda query: [with_cookie(query, b"")]
    asked = ask(forwarder)
    await asked.answer()
    assert asked.fair_seconds < 0.2
    assert len(stub.tcp_queries) == 1
    for i in range(udp.SLOTS * udp.MAX_QUERIES * 2):  # until all sockets of before are gone
        await ask(forwarder, question(f"n{i}.example")).answer()
    asked_by_tcp = len(stub.tcp_queries)
    for i in range(20):
        await ask(forwarder, question(f"m{i}.example")).answer()
    assert len(stub.tcp_queries) == asked_by_tcp
    assert cookie_of(stub.queries[-1]) == b""


async def test_a_server_that_knows_no_cookies_is_sent_none_after_its_first_answer(
    start_stub, forwarder_for, clock
) -> None:
    stub = await start_stub(lambda query: [with_cookie(query, b"")])
    forwarder = forwarder_for(stub)
    for i in range(udp.SLOTS * udp.MAX_QUERIES * 2):
        await ask(forwarder, question(f"n{i}.example")).answer()
    assert len(cookie_of(stub.queries[0])) == 8
    assert cookie_of(stub.queries[-1]) == b""
    clock.ahead_seconds += 3601
    for i in range(udp.SLOTS * udp.MAX_QUERIES):
        await ask(forwarder, question(f"m{i}.example")).answer()
    assert any(cookie_of(query) for query in stub.queries[-udp.SLOTS * udp.MAX_QUERIES :])


NOT_OURS = {
    "another's client part, and a server's": lambda ours: b"another!" + b"s" * 16,
    "another's client part alone": lambda ours: b"another!",
    "nothing in it": lambda ours: b"",
    "too short for a client's": lambda ours: ours[:7],
    "too short for a server's": lambda ours: ours + b"s" * 7,
    "between": lambda ours: ours + b"s",
    "too long": lambda ours: ours + b"s" * 33,
}


def with_option(query: bytes, cookie: bytes) -> bytes:
    """An answer with a COOKIE option, be it empty."""
    option = _COOKIE + len(cookie).to_bytes(2, "big") + cookie
    head = reply(query)[: query.index(_OPT)]
    return head + _OPT + bytes(4) + len(option).to_bytes(2, "big") + option


@pytest.mark.parametrize("known", [False, True], ids=["first answer", "of one that has sent a cookie"])
@pytest.mark.parametrize("forged", NOT_OURS.values(), ids=NOT_OURS)
async def test_a_reply_whose_cookie_is_not_ours_is_discarded_and_the_true_one_is_taken(
    start_stub, forwarder_for, cookies: CookieServer, forged: Callable[[bytes], bytes], known: bool
) -> None:
    def lies_first(query: bytes) -> list[bytes]:
        if not known or len(stub.queries) > 1:
            return [with_option(query, forged(cookie_of(query)[:8])), *cookies.answers(query)]
        return cookies.answers(query)

    stub = await start_stub(lies_first, stays_silent)
    forwarder = forwarder_for(stub)
    for i in range(1 + known):
        answer = await ask(forwarder, question(f"n{i}.example")).answer()
        assert cookies.cookie in answer
    assert forwarder.servers[0].wrong_replies == 1
    for i in range(udp.SLOTS * udp.MAX_QUERIES):
        await ask(forwarder, question(f"m{i}.example")).answer()
    got = sum(cookie_of(query)[8:] == cookies.cookie for query in stub.queries[-udp.SLOTS :])
    assert got > udp.SLOTS // 2, "it gets its cookies as before, but on sockets from before"


async def test_our_cookie_alone_is_as_none_but_of_a_server_that_has_sent_one(
    start_stub, forwarder_for, cookies: CookieServer
) -> None:
    def echoes(query: bytes) -> list[bytes]:
        return [with_option(query, cookie_of(query)[:8])]

    stub = await start_stub(echoes, echoes)
    forwarder = forwarder_for(stub)
    for i in range(3):
        await ask(forwarder, question(f"n{i}.example")).answer()
        assert len(cookie_of(stub.queries[-1])) == 8, "it may send one yet"
    assert not stub.tcp_queries
    stub.udp = cookies.answers
    while len(cookie_of(stub.queries[-1])) == 8:
        await ask(forwarder).answer()
    stub.udp = echoes
    for number in range(100):  # a socket from before goes on with what it expected then
        answered = await ask(forwarder, question(f"doubted-{number}.example")).answer()
        if len(cookie_of(stub.queries[-1])) > 8:
            break
    assert answered in map(reply_with_cookie, stub.tcp_queries), "over UDP it is not believed any more"
    await ask(forwarder, question("believed.example")).answer()
    assert len(stub.tcp_queries) == 1, "over TCP it has said that it keeps none"


def reply_with_cookie(query: bytes) -> bytes:
    return with_option(query, cookie_of(query)[:8])


async def test_a_cookie_that_is_not_ours_over_tcp_is_no_answer(
    start_stub, forwarder_for, cookies: CookieServer
) -> None:
    def forges(query: bytes) -> list[bytes]:
        return [with_option(query, b"another!" + b"s" * 16)]

    def truncates_later(query: bytes) -> list[bytes]:
        return cookies.answers(query) if len(stub.queries) < 2 else [with_cookie(query, b"", rcode=0)]

    stub, other = await start_stub(truncates_later, forges), await start_stub()
    forwarder = forwarder_for(stub, other)
    await ask(forwarder).answer()
    assert await ask(forwarder, question("next.example")).answer() == reply(other.queries[0])


async def test_a_server_that_cannot_read_the_option_is_asked_without_it(start_stub, forwarder_for) -> None:
    def cannot(query: bytes) -> list[bytes]:
        return [with_cookie(query, b"", rcode=1)] if cookie_of(query) else answers(query)

    stub = await start_stub(cannot, cannot)
    forwarder = forwarder_for(stub)
    await ask(forwarder).answer()
    assert (len(stub.queries), len(stub.tcp_queries)) == (2, 0)
    assert _OPT in stub.queries[1]
    await ask(forwarder, question("next.example")).answer()
    assert len(stub.queries) == 3


async def test_no_cookies_are_sent_where_they_are_off(start_stub, forwarder_for, cookies: CookieServer) -> None:
    stub = await start_stub(cookies.answers)
    forwarder = forwarder_for(stub, cookies=False)
    for _ in range(3):
        await ask(forwarder).answer()
    assert {cookie_of(query) for query in stub.queries} == {b""}


def names_of(queries: list[bytes]) -> list[bytes]:
    return [query[12 : 12 + len(question()) - 4] for query in queries]


def lower(query: bytes) -> bytes:
    """The query with its name in lower case."""
    end = 12 + len(question())
    return query[:12] + query[12:end].lower() + query[end:]


async def test_names_are_asked_for_in_random_case_and_must_come_back_so(start_stub, forwarder_for) -> None:
    stub = await start_stub()
    forwarder = forwarder_for(stub, random_case=True, cookies=False)
    for _ in range(30):
        await ask(forwarder).answer()
    names = names_of(stub.queries)
    assert len(set(names)) > 20
    assert {name.lower() for name in names} == {question()[:-4]}
    assert forwarder.counts["wrong_replies"] == 0


async def test_a_reply_in_another_case_is_not_believed_and_the_true_one_is(start_stub, forwarder_for) -> None:
    def lies_first(query: bytes) -> list[bytes]:
        return [reply(query[:12] + query[12:].swapcase()), reply(query)]

    stub = await start_stub(lies_first, stays_silent_over_tcp)
    forwarder = forwarder_for(stub, random_case=True, cookies=False)
    answer = await ask(forwarder).answer()
    assert answer[12:] == stub.queries[0][12:]
    assert forwarder.counts["wrong_replies"] == 1


def stays_silent_over_tcp(_query: bytes) -> list[bytes]:
    return []


async def test_a_server_that_loses_the_case_is_found_out_over_tcp_and_remembered(
    start_stub, forwarder_for, clock
) -> None:
    def loses(query: bytes) -> list[bytes]:
        return [reply(lower(query))]

    stub = await start_stub(loses, loses)
    forwarder = forwarder_for(stub, random_case=True, cookies=False)
    asked = ask(forwarder)
    await asked.answer()
    assert asked.fair_seconds < 0.2
    assert len(stub.tcp_queries) == 1
    for _ in range(20):
        await ask(forwarder).answer()
    assert len(stub.tcp_queries) == 1
    assert set(names_of(stub.queries[1:])) == {question()[:-4]}
    clock.ahead_seconds += 3601
    await ask(forwarder).answer()
    assert len(stub.tcp_queries) == 2


async def test_a_forged_case_does_not_end_random_case(start_stub, forwarder_for) -> None:
    def lies(query: bytes) -> list[bytes]:
        return [reply(query[:12] + query[12:].swapcase())]

    stub = await start_stub(lies, answers)
    forwarder = forwarder_for(stub, random_case=True, cookies=False)
    for _ in range(10):
        await ask(forwarder).answer()
    assert len(stub.tcp_queries) == 10
    assert len(set(names_of(stub.queries))) > 5


def send_late(stub_of: Callable[[], object], seconds: float) -> Behaviour:
    """Wrong IDs at once, and the truth after a while."""

    def lies(query: bytes) -> list[bytes]:
        stub = stub_of()
        port = stub.ports[-1]
        asyncio.get_running_loop().call_later(seconds, lambda: stub.transport.sendto(reply(query), ("127.0.0.1", port)))
        right = int.from_bytes(query[:2], "big")
        return [reply(query, message_id=((right + 1 + i) & 0xFFFF).to_bytes(2, "big")) for i in range(20)]

    return lies


async def test_ten_wrong_replies_have_the_question_go_on_over_tcp_at_once(start_stub, forwarder_for) -> None:
    stub = await start_stub(send_late(lambda: stub, 0.3), answers)
    forwarder = forwarder_for(stub, timeout_seconds=2, max_seconds=4)
    asked = ask(forwarder)
    assert await asked.answer() == reply(stub.tcp_queries[0])
    assert asked.fair_seconds < 0.25
    assert forwarder.counts["doubts"] == 1
    assert forwarder.counts["wrong_replies"] >= udp.WRONG_REPLIES_UNTIL_DOUBT


async def test_after_ten_wrong_replies_the_true_answer_still_counts_if_tcp_is_silent(start_stub, forwarder_for) -> None:
    stub = await start_stub(send_late(lambda: stub, 0.1), stays_silent_over_tcp)
    assert await ask(forwarder_for(stub)).answer() == reply(stub.queries[0])


async def test_a_socket_with_many_wrong_replies_serves_no_further_question(start_stub, forwarder_for) -> None:
    stub = await start_stub(send_late(lambda: stub, 0.0))
    forwarder = forwarder_for(stub, timeout_seconds=2, max_seconds=4)
    for i in range(100):
        await ask(forwarder, question(f"n{i}.example")).answer()
    assert len(set(stub.ports)) == len(stub.ports)


@pytest.mark.slow
async def test_late_replies_are_no_reason_for_doubt(start_stub, forwarder_for) -> None:
    late: dict[int, list[bytes]] = {}  # by port: what nobody waits for any more
    sent = 0

    def stays_silent_for_now(query: bytes) -> list[bytes]:
        late.setdefault(stub.ports[-1], []).append(reply(query))
        return []

    def sends_late_and_wrong_ones(query: bytes) -> list[bytes]:
        nonlocal sent
        replies = late.pop(stub.ports[-1], [])
        if replies:  # as many wrong ones as a socket may have without doubt, so that each late one would be too much
            right = int.from_bytes(query[:2], "big")
            ids = range(right + 1, right + udp.WRONG_REPLIES_UNTIL_DOUBT)
            replies += [reply(query, message_id=(each & 0xFFFF).to_bytes(2, "big")) for each in ids]
        sent += len(replies)
        return replies

    stub = await start_stub(stays_silent_for_now)
    forwarder = forwarder_for(stub, timeout_seconds=0.2, max_seconds=0.3)
    for asked in [ask(forwarder, question(f"n{i}.example")) for i in range(udp.SLOTS * 2)]:
        assert isinstance(await asked.error(), UpstreamTimeout)
    stub.udp = sends_late_and_wrong_ones
    for asked in [ask(forwarder, question(f"m{i}.example")) for i in range(udp.SLOTS)]:
        assert isinstance(await asked.error(), UpstreamTimeout)
    assert sent > 10 * udp.WRONG_REPLIES_UNTIL_DOUBT
    await eventually(lambda: forwarder.counts["wrong_replies"] == sent)
    assert forwarder.counts["doubts"] == 0
