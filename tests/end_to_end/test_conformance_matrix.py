"""The questions that ISC's DNS compliance testing puts to servers (RFC 8906 section 8), to every kind of answer.

An answer must come, with the right rcode; unknown flags and options must not come back, and OPT only if it was sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.support.clients import dig
from tests.support.moatdns import Moatdns

MBZ = "MBZ: 0x"  # how dig shows flags that must be zero


@dataclass(frozen=True, slots=True)
class Row:
    """What dig is told, and what must come of it. `rcode` None: that of the same question asked plainly."""

    options: str
    rcode: str | None = None
    edns: bool = True
    do: bool = False

    @property
    def words(self) -> list[str]:
        """dig's options."""
        return self.options.split()


# By the names that they have there. Recursion is desired here, since a resolver is asked.
ROWS = {
    "dns": Row("+noedns +noad", edns=False),
    "aa": Row("+noedns +noad +aaflag", edns=False),
    "ad": Row("+noedns +ad", edns=False),
    "cd": Row("+noedns +noad +cd", edns=False),
    "ra": Row("+noedns +noad +raflag", edns=False),
    "norec": Row("+noedns +noad +norec", edns=False),
    "tc": Row("+noedns +noad +tcflag", edns=False),
    "zflag": Row("+noedns +noad +zflag", edns=False),
    "opcode": Row("+noedns +noad +norec +header-only +opcode=15", "RESERVED15", edns=False),
    "opcodeflg": Row(
        "+noedns +header-only +opcode=15 +tcflag +rec +raflag +cd +ad +aaflag +zflag", "RESERVED15", edns=False
    ),
    "dso": Row("+noedns +noad +norec +header-only +opcode=6", "RESERVED6", edns=False),
    "edns": Row("+edns=0 +nocookie +noad"),
    "edns1": Row("+edns=1 +noednsneg +nocookie +noad", "BADVERS"),
    "edns@512": Row("+edns=0 +nocookie +noad +dnssec +ignore +bufsize=512", do=True),
    "ednsopt": Row("+edns=0 +nocookie +noad +ednsopt=100:0102"),
    "edns1opt": Row("+edns=1 +noednsneg +nocookie +noad +ednsopt=100:0102", "BADVERS"),
    "do": Row("+edns=0 +nocookie +noad +dnssec", do=True),
    "docd": Row("+edns=0 +nocookie +noad +dnssec +cd", do=True),
    "edns1do": Row("+edns=1 +noednsneg +nocookie +noad +dnssec", "BADVERS"),
    "ednsflags": Row("+edns=0 +nocookie +noad +ednsflags=0x0080"),
    "edns1flags": Row("+edns=1 +noednsneg +nocookie +noad +ednsflags=0x0080", "BADVERS"),
    "optlist": Row("+edns=0 +noad +nsid +subnet=0.0.0.0/0 +expire +cookie=0102030405060708"),
    "ednsnsid": Row("+edns=0 +nocookie +noad +nsid"),
    "ednscookie": Row("+edns=0 +noad +cookie=0102030405060708"),
    "ednsexpire": Row("+edns=0 +nocookie +noad +expire"),
    "ednssubnet": Row("+edns=0 +nocookie +noad +subnet=0.0.0.0/0"),
    "edns1cookie": Row("+edns=1 +noednsneg +noad +cookie=0102030405060708", "BADVERS"),
    "bind11": Row("+edns=0 +cookie=0102030405060708 +noad +dnssec", do=True),
    "dig11": Row("+edns=0 +cookie=0102030405060708 +ad"),
}
NAMES = {
    "open": "plain.example A",
    "no such name": "no-such-name.example A",
    "no data": "plain.example MX",
    "unknown type": "plain.example TYPE666",
    "blocked": "claude.ai A",
    "blocked, no data": "claude.ai TYPE666",
    "answered here": "localhost A",
    "canary": "use-application-dns.net A",
}


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_every_question_of_the_compliance_matrix_is_answered_rightly(
    office: Moatdns, name: str, transport: str
) -> None:
    plain = dig(office.port, *name.split(), transport)
    for title, row in ROWS.items():
        asked = [] if "+header-only" in row.options else name.split()
        dug = dig(office.port, *asked, transport, *row.words)
        where = f"{title}:\n{dug.text}"
        if row.rcode is None:
            assert (dug.status, sorted(dug.rdata)) == (plain.status, sorted(plain.rdata)), where
            assert {"qr", "ra"} <= dug.flags, where
            assert "tc" not in dug.flags, where
            assert ("aa" in dug.flags) == (name == NAMES["answered here"]), where  # RFC 6303 section 3
            assert ("rd" in dug.flags) == ("+norec" not in row.options), where
        elif row.rcode == "BADVERS":
            assert (dug.status, dug.answer) == ("BADVERS", ()), where
        else:
            assert f"opcode: {row.rcode}, status: NOTIMP" in dug.text, where
        assert MBZ not in dug.text, where
        assert "OPT=100" not in dug.text, where
        assert ("EDNS: version: 0" in dug.text) == row.edns, where
        if row.edns:
            shown = re.search(r"EDNS: version: 0, flags:([ a-z]*);", dug.text)
            assert shown, where
            assert not row.do or "do" in shown[1], where


def test_a_set_too_large_for_512_octets_is_cut_and_comes_whole_over_tcp(office: Moatdns) -> None:
    options = ("+edns=0", "+nocookie", "+noad", "+dnssec", "+bufsize=512")
    cut = dig(office.port, "large.example", "TXT", "+notcp", "+ignore", *options)
    assert "tc" in cut.flags
    assert "EDNS: version: 0, flags: do;" in cut.text
    whole = dig(office.port, "large.example", "TXT", "+tcp", *options)
    assert "tc" not in whole.flags
    assert len(whole.answer) == 60
