"""What a client sees of a blocked name, by dig and kdig, over UDP and TCP, IPv4 and IPv6."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.support.clients import Dug, ask, dig, ede, is_blocked, kdig, rdata, ttls
from tests.support.moatdns import Moatdns


@dataclass(frozen=True, slots=True)
class Asked:
    """One way to ask the office's server: a tool, a transport and an address."""

    tool: Callable[..., Dug]
    port: int
    host: str
    options: tuple[str, ...]

    def __call__(self, *arguments: str) -> Dug:
        return self.tool(self.port, *self.options, *arguments, host=self.host)


@pytest.fixture(params=["dig", "dig +tcp", "dig @::1", "dig @::1 +tcp", "kdig", "kdig +tcp", "kdig @::1 +tcp"])
def asked(request: pytest.FixtureRequest, office: Moatdns) -> Asked:
    """Each way to ask in turn."""
    words = request.param.split()
    return Asked(
        tool={"dig": dig, "kdig": kdig}[words[0]],
        port=office.port,
        host="::1" if "@::1" in words else "127.0.0.1",
        options=tuple(word for word in words[1:] if word.startswith("+")),
    )


def test_a_blocked_name_has_the_null_address_for_ten_seconds_and_says_why(asked: Asked) -> None:
    dug = asked("claude.ai", "A")
    assert dug.status == "NOERROR"
    assert dug.answer == (("claude.ai.", 10, "A", "0.0.0.0"),)
    [(code, text)] = dug.ede
    assert code == 15
    assert "anthropic/claude" in text
    assert "group default" in text
    assert {"qr", "rd", "ra"} <= dug.flags


def test_a_blocked_name_has_the_null_address_of_ipv6_too(asked: Asked) -> None:
    dug = asked("claude.ai", "AAAA")
    assert (dug.status, dug.rdata, dug.ttls) == ("NOERROR", ["::"], [10])
    assert [code for code, _ in dug.ede] == [15]


@pytest.mark.parametrize("qtype", ["TYPE65", "TXT", "MX", "TYPE999"])
def test_every_other_type_of_a_blocked_name_is_answered_nodata_with_an_soa(asked: Asked, qtype: str) -> None:
    dug = asked("claude.ai", qtype)
    assert dug.status == "NOERROR"
    assert dug.answer == ()
    [(_, ttl, rtype, _)] = dug.authority
    assert (ttl, rtype) == (10, "SOA")
    assert [code for code, _ in dug.ede] == [15]


def test_what_is_below_a_blocked_name_is_blocked_in_any_letter_case_and_the_answer_keeps_it(asked: Asked) -> None:
    for name in ("aPi.OpenAI.cOm.", "a.b.c.d.e.f.g.Claude.AI."):
        dug = asked(name, "A")
        assert (dug.status, dug.rdata) == ("NOERROR", ["0.0.0.0"]), name
        assert [code for code, _ in dug.ede] == [15]
        # kdig lowers the letters itself before it sends them.
        assert dug.question == (name if asked.tool is dig else name.lower())


def test_a_look_alike_is_forwarded(asked: Asked) -> None:
    for name, address in (
        ("americanphilanthropic.com", "198.51.100.10"),
        ("notclaude.ai", "198.51.100.11"),
        ("claude.ai.example", "198.51.100.12"),
    ):
        dug = asked(name, "A")
        assert (dug.status, dug.rdata, dug.ede) == ("NOERROR", [address], ()), name


def test_every_depth_below_a_blocked_name_is_blocked(office: Moatdns) -> None:
    name = "api.openai.com"
    while len(name) < 250:
        assert is_blocked(ask(office.port, name)), name
        name = "x." + name
    longest = "x" * (253 - len(name) - 1)
    assert len(longest) <= 63
    assert is_blocked(ask(office.port, f"{longest}.{name}" if longest else name))


def test_any_mixture_of_letter_cases_is_blocked_and_echoed(office: Moatdns) -> None:
    mix = random.Random(20)
    for _ in range(100):
        name = "".join(mix.choice((letter.upper(), letter)) for letter in "platform.claude.ai.")
        response = ask(office.port, name)
        assert is_blocked(response)
        assert response.question[0].name.to_text() == name
        assert response.answer[0].name.to_text() == name


def test_a_client_without_edns_gets_the_null_address_and_no_opt_record(office: Moatdns) -> None:
    response = ask(office.port, "claude.ai", edns=False)
    assert (rdata(response), ttls(response)) == (["0.0.0.0"], [10])
    assert response.edns == -1


def test_the_text_of_the_extended_error_names_what_was_blocked(office: Moatdns) -> None:
    for name, what in (
        ("claude.ai", "anthropic/claude"),
        ("chatgpt.com", "openai/chatgpt"),
        ("house.example", "house"),
    ):
        assert ede(ask(office.port, name)) == [(15, f"{what} is blocked for group default")]


def test_a_repeated_blocked_query_does_not_count_its_ttl_down(office: Moatdns) -> None:
    assert {tuple(ttls(ask(office.port, "claude.ai"))) for _ in range(20)} == {(10,)}
