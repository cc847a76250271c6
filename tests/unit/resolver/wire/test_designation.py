"""DDR: what clients are told of this server's DoT and DoH, read by dnspython."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from dns.rdtypes.svcbbase import ParamKey

from resolver.answering.local_names import LocalNames
from resolver.config.settings import EncryptedSettings
from resolver.wire.names import key_of, parse_name
from resolver.wire.question import parse_question

NAME = "dns.corp.example"
_DOHPATH = 7  # RFC 9461 section 5
BOTH = EncryptedSettings(server_name=NAME, dot_ports=(853,), doh_ports=(443,))
ADDRESSES = ("192.0.2.1", "2001:db8::1")


def ask(
    encrypted: EncryptedSettings,
    name: str = "_dns.resolver.arpa",
    qtype: str = "SVCB",
    *,
    edns: bool = True,
    forwarded: tuple[str, ...] = (),
) -> dns.message.Message | None:
    query = dns.message.make_query(name, qtype, use_edns=0 if edns else False, payload=1232)
    names = LocalNames((key_of(parse_name(zone)) for zone in forwarded), encrypted)
    answer = names.answer(parse_question(query.to_wire()))
    if answer is None:
        return None
    response = dns.message.from_wire(answer)
    assert query.is_response(response)
    assert (response.edns >= 0) == edns
    return response


def records(response: dns.message.Message | None) -> list[str]:
    assert response is not None
    return [rdata.to_text() for rrset in response.answer for rdata in rrset]


def is_nodata(response: dns.message.Message | None) -> bool:
    assert response is not None
    return response.rcode() == dns.rcode.NOERROR and not response.answer and len(response.authority) == 1


@pytest.mark.parametrize("name", ["_dns.resolver.arpa", "_DNS.Resolver.ARPA", f"_dns.{NAME}", "_dns.DNS.corp.example"])
@pytest.mark.parametrize("edns", [True, False])
def test_the_servers_dot_and_doh_are_its_designated_resolvers(name: str, edns: bool) -> None:
    response = ask(BOTH, name, edns=edns)
    dot, doh = records(response)
    assert dot == '1 dns.corp.example. alpn="dot" port="853"'
    assert doh.startswith('2 dns.corp.example. alpn="h2,http/1.1" port="443"')
    assert response is not None
    assert response.answer[0][1].params[_DOHPATH].value == b"/dns-query{?dns}"
    assert response.answer[0].ttl == 300
    assert response.additional == []


def test_each_way_is_told_only_where_it_is_served() -> None:
    assert records(ask(EncryptedSettings(server_name=NAME, dot_ports=(853, 8853)))) == [
        '1 dns.corp.example. alpn="dot" port="853"',
        '1 dns.corp.example. alpn="dot" port="8853"',
    ]
    (doh,) = records(ask(EncryptedSettings(server_name=NAME, doh_ports=(8443,))))
    assert doh.startswith('2 dns.corp.example. alpn="h2,http/1.1" port="8443"')


def test_the_addresses_come_along_as_hints_and_as_records() -> None:
    response = ask(EncryptedSettings(server_name=NAME, dot_ports=(853,), doh_ports=(443,), addresses=ADDRESSES))
    assert response is not None
    for rdata in response.answer[0]:
        assert rdata.params[ParamKey.IPV4HINT].addresses == ("192.0.2.1",)
        assert rdata.params[ParamKey.IPV6HINT].addresses == ("2001:db8::1",)
        assert list(rdata.params) == sorted(rdata.params)  # RFC 9460 section 2.2
    told = {(rrset.name.to_text(), rrset.rdtype.name, rrset[0].to_text()) for rrset in response.additional}
    assert told == {(f"{NAME}.", "A", "192.0.2.1"), (f"{NAME}.", "AAAA", "2001:db8::1")}


def test_the_addresses_stay_away_where_the_client_has_no_room_for_them() -> None:
    encrypted = EncryptedSettings(
        server_name=f"{'x' * 60}.{NAME}",
        dot_ports=(853,),
        doh_ports=(443,),
        addresses=tuple(f"192.0.2.{n}" for n in range(1, 6)),
    )
    long = ask(encrypted, edns=True)
    short = ask(encrypted, edns=False)
    assert long is not None
    assert short is not None
    assert sum(map(len, long.additional)) == 5
    assert short.additional == []
    assert records(short) == records(long)


@pytest.mark.parametrize(
    "encrypted",
    [
        EncryptedSettings(),
        EncryptedSettings(server_name=NAME),
        EncryptedSettings(server_name=None, dot_ports=(853,), doh_ports=(443,), addresses=ADDRESSES),
    ],
)
def test_without_a_name_or_without_dot_and_doh_there_is_no_designated_resolver(encrypted: EncryptedSettings) -> None:
    assert is_nodata(ask(encrypted))
    assert ask(encrypted, f"_dns.{NAME}") is None


@pytest.mark.parametrize("name", ["_dns.resolver.arpa", "resolver.arpa", f"_dns.{NAME}"])
@pytest.mark.parametrize("qtype", ["A", "AAAA", "HTTPS", "TXT"])
def test_other_types_have_no_data(name: str, qtype: str) -> None:
    assert is_nodata(ask(BOTH, name, qtype))


def test_other_names_are_what_they_were() -> None:
    for name in (NAME, f"x._dns.{NAME}", "_dns.example", "corp.example"):
        assert ask(BOTH, name) is None
    below = ask(BOTH, "x._dns.resolver.arpa")
    assert below is not None
    assert below.rcode() == dns.rcode.NXDOMAIN
    assert is_nodata(ask(BOTH, "resolver.arpa"))


@pytest.mark.parametrize("zone", ["resolver.arpa", "arpa", NAME, "example"])
def test_no_zone_takes_them_away(zone: str) -> None:
    for name in ("_dns.resolver.arpa", f"_dns.{NAME}"):
        assert len(records(ask(BOTH, name, forwarded=(zone,)))) == 2
