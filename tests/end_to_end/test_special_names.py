"""Names, types, classes and opcodes that are answered here, whatever the policy says."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdataclass
import pytest

from tests.conftest import EXEMPT, OFFICE, StartMoatdns
from tests.support.clients import LOCALHOST, ask, dig, ede, query, rdata
from tests.support.moatdns import Moatdns
from tests.support.stub import StubUpstream


def test_discovery_of_designated_resolvers_is_nodata_and_never_forwarded(
    moatdns: StartMoatdns, stub: StubUpstream
) -> None:
    server = moatdns({**OFFICE, "workers": 1, "upstream": {"servers": [stub.server]}})
    for client in (LOCALHOST, EXEMPT, "127.0.0.3"):
        for name in ("_dns.resolver.arpa", "_DNS.Resolver.ARPA", "resolver.arpa"):
            for qtype in ("SVCB", "A", "HTTPS"):
                response = ask(server.port, name, qtype, client=client)
                assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, []), (name, qtype)
                assert response.authority[0].rdtype.name == "SOA"
        below = ask(server.port, "x.resolver.arpa", "SVCB", client=client)
        assert below.rcode() == dns.rcode.NXDOMAIN
    assert dig(server.port, "_dns.resolver.arpa", "TYPE64").status == "NOERROR"
    assert stub.asked == []


def test_any_is_answered_with_hinfo(office: Moatdns) -> None:
    for option in ("+notcp", "+tcp"):
        dug = dig(office.port, option, "plain.example", "ANY")
        assert dug.status == "NOERROR"
        assert [rtype for _, _, rtype, _ in dug.answer] == ["HINFO"]
        assert "RFC8482" in dug.rdata[0]


def test_any_of_a_blocked_name_is_blocked(office: Moatdns) -> None:
    dug = dig(office.port, "claude.ai", "ANY", "+notcp")
    assert (dug.status, dug.answer, [code for code, _ in dug.ede]) == ("NOERROR", (), [15])


def test_class_chaos_is_refused(office: Moatdns) -> None:
    for name in ("version.bind", "hostname.bind", "id.server", "claude.ai"):
        dug = dig(office.port, "CH", "TXT", name)
        assert (dug.status, dug.answer) == ("REFUSED", ()), name


def test_a_transfer_is_not_implemented(office: Moatdns) -> None:
    for qtype in (252, 253, 254, 251):
        for tcp in (False, True):
            asked = query("plain.example")
            asked.question[0].rdtype = dns.rdatatype.RdataType.make(qtype)
            send = dns.query.tcp if tcp else dns.query.udp
            response = send(asked, LOCALHOST, port=office.port, timeout=10, one_rr_per_rrset=False)
            assert response.rcode() == dns.rcode.NOTIMP, qtype


def test_dig_is_told_that_a_transfer_failed(office: Moatdns) -> None:
    assert "Transfer failed" in dig(office.port, "plain.example", "AXFR").text


def test_a_reverse_name_and_an_unknown_type_pass_unharmed(office: Moatdns) -> None:
    assert rdata(ask(office.port, "plain.example", "TYPE65280")) == [r"\# 3 010203"]
    assert rdata(ask(office.port, "1.0.0.127.in-addr.arpa", "PTR")) == ["localhost."]


@pytest.mark.parametrize("opcode", ["IQUERY", "STATUS", "NOTIFY", "UPDATE"])
def test_other_opcodes_are_not_implemented(office: Moatdns, opcode: str) -> None:
    dug = dig(office.port, f"+opcode={opcode}", "plain.example")
    assert dug.status == "NOTIMP"


def test_unknown_edns_options_flags_and_versions_are_answered_as_rfc_8906_has_it(office: Moatdns) -> None:
    plain = ("198.51.100.30",)
    for options in (
        ["+noedns", "+noad"],
        ["+edns=0", "+ednsopt=100:0102"],
        ["+ednsflags=0x40"],
        ["+zflag"],
        ["+dnssec"],
        ["+cdflag"],
        ["+nsid", "+subnet=192.0.2.0/24", "+expire", "+cookie", "+keepalive", "+padding=128"],
        ["+bufsize=512"],
        ["+norecurse"],
    ):
        dug = dig(office.port, "plain.example", *options)
        assert (dug.status, tuple(dug.rdata)) == ("NOERROR", plain), options
    version_one = dig(office.port, "plain.example", "+edns=1", "+noednsnegotiation")
    assert (version_one.status, version_one.rdata) == ("BADVERS", [])
    assert "EDNS: version: 0" in version_one.text


def test_an_answer_has_no_opt_record_unless_the_query_had_one(office: Moatdns) -> None:
    for name in ("plain.example", "claude.ai", "use-application-dns.net", "_dns.resolver.arpa", "no-such-name.example"):
        assert ask(office.port, name, edns=False).edns == -1
        assert ask(office.port, name).edns == 0


def test_the_text_that_refuses_chaos_says_why(office: Moatdns) -> None:
    asked = query("version.bind", "TXT")
    asked.question[0].rdclass = dns.rdataclass.CH
    response = dns.query.udp(asked, LOCALHOST, port=office.port, timeout=10)
    assert [code for code, _ in ede(response)] == [21]
    assert not response.flags & dns.flags.AA
