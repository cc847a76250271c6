"""An exempt client gets the true answer, and never opens the way for others."""

from __future__ import annotations

import threading

import dns.message
import dns.rcode
import pytest

from tests.conftest import EXEMPT, OFFICE, StartMoatdns
from tests.support.clients import TcpClient, UdpClient, ask, dig, is_blocked, query, rdata, ttls
from tests.support.moatdns import Moatdns
from tests.support.stub import StubUpstream

BLOCKED_CHAIN = "{name}. 300 IN CNAME claude.ai.\nclaude.ai. 300 IN A 198.51.100.1"


def test_an_exempt_client_gets_the_upstreams_answer_for_at_most_a_minute(office: Moatdns) -> None:
    for option in ("+notcp", "+tcp"):
        dug = dig(office.port, "-b", EXEMPT, option, "claude.ai", "A")
        assert (dug.status, dug.rdata, dug.ede) == ("NOERROR", ["198.51.100.1"], ())
        assert 0 < dug.ttls[0] <= 60
        assert dig(office.port, option, "claude.ai", "A").rdata == ["0.0.0.0"]


def test_an_exempt_client_gets_the_answers_to_every_type(office: Moatdns) -> None:
    assert rdata(ask(office.port, "claude.ai", "AAAA", client=EXEMPT)) == ["2001:db8::1"]
    assert rdata(ask(office.port, "claude.ai", "TXT", client=EXEMPT)) == ['"the real one"']
    assert rdata(ask(office.port, "claude.ai", "MX", client=EXEMPT)) == ["10 mail.claude.ai."]


def test_the_minutes_cap_is_only_for_names_that_would_be_blocked(office: Moatdns) -> None:
    # A name that no other test asks for: what was in the cache for minutes has a TTL below the cap by itself.
    assert ttls(ask(office.port, "patient.example", client=EXEMPT))[0] > 60


def test_a_way_round_the_resolver_stays_closed_for_exempt_clients(office: Moatdns) -> None:
    for option in ("+notcp", "+tcp"):
        dug = dig(office.port, "-b", EXEMPT, option, "use-application-dns.net", "A")
        assert (dug.status, dug.rdata) == ("NXDOMAIN", [])
        assert [rtype for _, _, rtype, _ in dug.authority] == ["SOA"]
        assert [code for code, _ in dug.ede] == [15]
    assert is_blocked(ask(office.port, "dns.google", client=EXEMPT))


def test_a_canary_is_nxdomain_whatever_the_groups_response_mode(office: Moatdns) -> None:
    for client in ("127.0.0.1", EXEMPT, "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14"):
        for qtype in ("A", "AAAA", "HTTPS"):
            response = ask(office.port, "use-application-dns.net", qtype, client=client)
            assert (response.rcode(), is_blocked(response)) == (dns.rcode.NXDOMAIN, True), (client, qtype)


def test_an_alias_of_a_blocked_name_asked_first_by_an_exempt_client_is_blocked_for_the_next(office: Moatdns) -> None:
    assert dig(office.port, "-b", EXEMPT, "alias.example").rdata == ["claude.ai.", "198.51.100.1"]
    dug = dig(office.port, "alias.example")
    assert dug.rdata == ["0.0.0.0"]
    assert [code for code, _ in dug.ede] == [15]
    again = dig(office.port, "-b", EXEMPT, "alias.example")
    assert again.rdata == ["claude.ai.", "198.51.100.1"]
    assert max(again.ttls) <= 60


def test_an_alias_of_a_blocked_name_asked_first_by_a_client_of_the_default_group_is_open_for_the_exempt(
    office: Moatdns,
) -> None:
    assert is_blocked(ask(office.port, "second.example"))
    assert rdata(ask(office.port, "second.example", client=EXEMPT)) == ["claude.ai.", "198.51.100.1"]
    assert is_blocked(ask(office.port, "second.example"))


def test_a_blocked_name_at_the_end_of_a_long_chain_is_found_over_udp_and_tcp(office: Moatdns) -> None:
    for tcp in (False, True):
        response = ask(office.port, "long.example", tcp=tcp)
        assert (rdata(response), is_blocked(response)) == (["0.0.0.0"], True)
        assert "198.51.100.3" in rdata(ask(office.port, "long.example", client=EXEMPT, tcp=tcp))
    assert rdata(ask(office.port, "harmless.example")) == ["plain.example.", "198.51.100.30"]


def test_every_type_of_an_alias_of_a_blocked_name_is_blocked(office: Moatdns) -> None:
    for qtype in ("AAAA", "TXT", "HTTPS", "CNAME"):
        response = ask(office.port, "third.example", qtype)
        assert is_blocked(response), qtype
        assert "claude" not in response.to_text().partition(";ANSWER")[2], qtype


def test_an_alias_of_a_canary_is_closed_for_exempt_clients_too(office: Moatdns) -> None:
    response = ask(office.port, "canary.example", client=EXEMPT)
    assert (response.rcode(), is_blocked(response)) == (dns.rcode.NXDOMAIN, True)


def test_an_https_record_that_leads_below_a_blocked_name_is_blocked(office: Moatdns) -> None:
    assert "edge.claude.ai." in rdata(ask(office.port, "service.example", "HTTPS", client=EXEMPT))[0]
    response = ask(office.port, "service.example", "HTTPS")
    assert (rdata(response), is_blocked(response)) == ([], True)
    assert response.authority
    assert rdata(ask(office.port, "service.example", "A")) == ["198.51.100.31"]
    assert rdata(ask(office.port, "plain.example", "HTTPS")) == ['1 . alpn="h2"']


@pytest.fixture
def slow_alias(stub: StubUpstream, moatdns: StartMoatdns) -> Moatdns:
    """A server with one worker whose upstream thinks for half a second about an alias of a blocked name."""
    for name in ("slow.example", "slower.example"):
        stub.records[name] = BLOCKED_CHAIN.format(name=name)
        stub.delays[name] = 0.5
    return moatdns({**OFFICE, "workers": 1, "upstream": {"servers": [stub.server]}})


def test_clients_that_wait_for_the_same_answer_are_each_judged_by_their_own_group(
    stub: StubUpstream, slow_alias: Moatdns
) -> None:
    clients = [EXEMPT, "127.0.0.1", "127.0.0.3", "127.0.0.21", EXEMPT, "127.0.0.11"]
    responses: dict[int, dns.message.Message] = {}

    def wait(number: int, client: str) -> None:
        responses[number] = ask(slow_alias.port, "slow.example", client=client)

    threads = [threading.Thread(target=wait, args=item) for item in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [is_blocked(responses[number]) for number in range(len(clients))] == [False, True, False, True, False, True]
    assert rdata(responses[0]) == ["claude.ai.", "198.51.100.1"]
    assert max(ttls(responses[0])) <= 60
    assert responses[5].rcode() == dns.rcode.NXDOMAIN
    assert stub.times_asked("slow.example") == 1


def test_waiters_over_udp_and_tcp_share_a_question_and_not_a_verdict(stub: StubUpstream, slow_alias: Moatdns) -> None:
    with TcpClient(slow_alias.port, EXEMPT) as exempt, UdpClient(slow_alias.port) as other:
        exempt.send(query("slower.example"))
        other.send(query("slower.example").to_wire())
        assert is_blocked(dns.message.from_wire(other.receive()))
        assert rdata(exempt.receive()) == ["claude.ai.", "198.51.100.1"]
    assert stub.times_asked("slower.example") == 1
