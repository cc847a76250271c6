"""The upstream that all servers share."""

from __future__ import annotations

import dns.message
import dns.rcode

from bench.stub import ADDRESS, COUNT_NAME, Stub


def ask(stub: Stub, name: str, qtype: str = "A", *, edns: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, qtype, use_edns=edns)
    answer = dns.message.from_wire(stub.answer(query.to_wire()))
    assert query.is_response(answer)
    return answer


def addresses(answer: dns.message.Message) -> list[str]:
    return [record.to_text() for rrset in answer.answer for record in rrset]


def test_every_name_has_the_same_address_with_and_without_edns() -> None:
    stub = Stub()
    assert addresses(ask(stub, "www.site00001.example")) == [ADDRESS]
    answer = ask(stub, "other.example", edns=True)
    assert addresses(answer) == [ADDRESS]
    assert answer.edns == 0


def test_other_types_have_no_data() -> None:
    answer = ask(Stub(), "www.example", "AAAA", edns=True)
    assert answer.rcode() == dns.rcode.NOERROR
    assert not answer.answer


def test_it_counts_its_answers_and_tells_by_a_name() -> None:
    stub = Stub()
    for number in range(300):
        ask(stub, f"n{number}.example")
    assert addresses(ask(stub, COUNT_NAME)) == ["0.0.1.44"]
    assert addresses(ask(stub, COUNT_NAME)) == ["0.0.1.44"]
