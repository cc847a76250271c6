"""Lists of all formats, read into rules of ours: a table a format, and what holds for any octets."""

from __future__ import annotations

import gzip
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.formats.content import ListContent
from blocklists.formats.reading import FORMATS, read_list
from resolver.errors import ListError
from resolver.policy.rule_syntax import parse_rule


def rules(content: ListContent) -> list[str]:
    return content.content.decode().splitlines()


def read(text: str | bytes, format_name: str = "auto", **more: bool) -> ListContent:
    data = text.encode() if isinstance(text, str) else text
    return read_list([data[at : at + 7] for at in range(0, len(data), 7)], format_name, **more)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("example.com", "block example.com"),
        ("EXAMPLE.Com.", "block example.com"),
        ("example.com # a comment", "block example.com"),
        (".example.com", "block example.com"),
        ("*.example.com", "block *.example.com"),
        ("=example.com", "block =example.com"),
        ("ads-*.example.com", "block ads-*.example.com"),
        ("bücher.example", "block xn--bcher-kva.example"),
        ("github.io", "block github.io"),
    ],
)
def test_a_line_of_a_list_of_names(line: str, rule: str) -> None:
    content = read(f"{line}\n", "domains")
    assert (rules(content), content.problem_count, content.rules) == ([rule], 0, 1)


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("0.0.0.0 a.example.com", ["block =a.example.com"]),
        ("127.0.0.1\ta.example.com b.example.com #c", ["block =a.example.com", "block =b.example.com"]),
        (":: a.example.com", ["block =a.example.com"]),
        ("127.0.0.1 localhost", []),
        ("::1 ip6-localhost ip6-loopback", []),
        ("fe80::1%lo0 localhost", []),
    ],
)
def test_a_line_of_a_hosts_file_means_its_names_alone(line: str, made: list[str]) -> None:
    content = read(f"{line}\n", "hosts")
    assert (rules(content), content.problem_count) == (made, 0)


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("||ads.example.com^", ["block ads.example.com"]),
        ("||ads.example.com", ["block ads.example.com"]),
        ("||*.wild.example.com^", ["block *.wild.example.com"]),
        ("@@||good.example.com^", ["allow good.example.com"]),
        ("@@||good.example.com^|", ["allow good.example.com"]),
        ("||x.example.com^$important", ["block x.example.com"]),
        ("||x.example.com^$document,important", ["block x.example.com"]),
        ("||z.example.com^$denyallow=a.z.example.com", ["allow a.z.example.com", "block z.example.com"]),
        ("||ads*.example.com^", ["block ads**.example.com"]),
        ("|https://h.example.net^", ["block =h.example.net"]),
        ("plain.example.com", ["block =plain.example.com"]),
        ("0.0.0.0 mixed.example.com", ["block =mixed.example.com"]),
        ("! comment", []),
        ("[Adblock Plus 2.0]", []),
        ("# comment", []),
    ],
)
def test_a_line_of_a_filter_list(line: str, made: list[str]) -> None:
    content = read(f"{line}\n", "adblock")
    assert (rules(content), content.problem_count, content.inexpressible) == (made, 0, {})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("example.org##.ad", "hidden by browsers"),
        ("example.org#@#.ad", "hidden by browsers"),
        ("||example.com/path", "paths"),
        ("||dns.example.com^$dnsrewrite=1.2.3.4", "$dnsrewrite"),
        ("||c.example.com^$client=laptop", "$client"),
        ("||c.example.com^$script", "$script"),
        ("||c.example.com^$third-party", "$third-party"),
        ("||1.2.3.4^", "an address is not a name"),
        ("/ads[0-9]+/", "regular expressions"),
    ],
)
def test_what_dns_cannot_express_is_counted_with_its_reason(line: str, reason: str) -> None:
    content = read(f"||ok.example.com^\n{line}\n", "adblock")
    (found,) = content.inexpressible.items()
    assert reason in found[0]
    assert (found[1].count, found[1].line) == (1, 2)
    assert rules(content) == ["block ok.example.com"]


def test_a_bad_filter_takes_its_own_kind_back() -> None:
    assert rules(read("||gone.example.com^\n||stays.example.com^\n||gone.example.com^$badfilter\n")) == [
        "block stays.example.com"
    ]


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("address=/a.example.com/", ["block a.example.com"]),
        ("address=/a.example.com/0.0.0.0", ["block a.example.com"]),
        ("address=/a.example.com/b.example.com/::", ["block a.example.com", "block b.example.com"]),
        ("address=/a.example.com/#", ["block a.example.com"]),
        ("local=/a.example.com/", ["block a.example.com"]),
        ("server=/a.example.com/", ["block a.example.com"]),
        ("server=/a.example.com/1.1.1.1", []),
        ("address=/a.example.com/10.0.0.1", []),
    ],
)
def test_a_line_of_dnsmasq(line: str, made: list[str]) -> None:
    content = read(f"{line}\n")
    assert (content.format, rules(content), content.problem_count) == ("dnsmasq", made, 0)
    assert bool(content.inexpressible) is (not made)


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ('local-zone: "a.example.com" always_nxdomain', ["block a.example.com"]),
        ('  local-zone: "a.example.com." refuse', ["block a.example.com"]),
        ("local-zone: a.example.com static # c", ["block a.example.com"]),
        ('local-zone: "a.example.com" transparent', ["allow a.example.com"]),
        ('local-data: "a.example.com A 0.0.0.0"', ["block =a.example.com"]),
        ("local-data: 'a.example.com 60 IN AAAA ::'", ["block =a.example.com"]),
    ],
)
def test_a_line_of_unbound(line: str, made: list[str]) -> None:
    content = read(f"server:\n{line}\n")
    assert (content.format, rules(content), content.problem_count) == ("unbound", made, 0)


def test_a_response_policy_zone() -> None:
    zone = """$TTL 300
$ORIGIN rpz.example.
@ SOA localhost. root.localhost. ( 1 ; serial
  3600 600
  86400 300 )
  NS localhost.
bad.example.com CNAME .
*.bad.example.com CNAME .
nodata.example.com 60 IN CNAME *.
ok.example.com CNAME rpz-passthru.
*.below.example.com CNAME rpz-drop.
walled.example.com A 10.0.0.1
elsewhere.example.com CNAME garden.corp.example.
abs.example.com.rpz.example. CNAME .
32.1.0.0.127.rpz-client-ip CNAME .
32.1.0.0.127.rpz-ip CNAME .
tcp.example.com CNAME rpz-tcp-only.
"""
    content = read(zone)
    assert content.format == "rpz"
    assert content.problem_count == 0
    assert rules(content) == [
        "allow =ok.example.com",
        "block *.below.example.com",
        "block =abs.example.com",
        "block =elsewhere.example.com",
        "block =nodata.example.com",
        "block =walled.example.com",
        "block bad.example.com",
    ]
    assert sum(found.count for found in content.inexpressible.values()) == 3


def test_a_bad_line_is_told_with_its_number_and_blocks_nothing_else() -> None:
    content = read(
        "a.example.com\nhttp://x.example/\nco.uk\nlocalhost\n\n# c\nb.example.com\nc d\n1.2.3.4\n", "domains"
    )
    assert rules(content) == ["block a.example.com", "block b.example.com"]
    assert [(problem.line, problem.text) for problem in content.problems] == [
        (2, "http://x.example/"),
        (3, "co.uk"),
        (4, "localhost"),
        (8, "c d"),
    ]
    assert "public suffix" in content.problems[1].reason
    assert (content.lines, content.comments) == (9, 1)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_line_ends_marks_and_gzip_change_nothing(end: str, begin: bytes, pack: type[bytes]) -> None:
    names = [f"n{number}.example.com" for number in range(300)]
    content = read(pack(begin + end.join([*names, names[0]]).encode()))
    assert rules(content) == sorted(f"block {name}" for name in names)
    assert (content.duplicates, content.problem_count, content.format) == (1, 0, "domains")


def test_gzip_files_behind_each_other_are_one_list() -> None:
    data = gzip.compress(b"a.example.com\n") + gzip.compress(b"b.example.com\n")
    assert rules(read(data)) == ["block a.example.com", "block b.example.com"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<!DOCTYPE html><html><body>log in</body></html>", "a web page"),
        (b"\n  <html>\n", "a web page"),
        (b'{"error": "gone"}', "JSON"),
        (b"\xff\xfea\0.\0b\0", "UTF-16"),
        (b"\0\1\2\3", "not text"),
        (gzip.compress(b"a.example.com\n" * 5000, mtime=0)[:-20], "is truncated"),
        (gzip.compress(b"a.example.com\n", mtime=0)[:12] + b"xxxxxxxxxxxxxxxx", "damaged"),
        (b"what is this\n" * 30, "does not look like a list"),
    ],
)
def test_what_is_no_list_is_refused_as_a_whole(data: bytes, said: str) -> None:
    with pytest.raises(ListError, match=said):
        read(data)


@pytest.mark.slow
def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"#" * (40 << 20))
    assert len(bomb) < 100_000
    with pytest.raises(ListError, match="larger than 8 MiB"):
        read_list([bomb], most_bytes=8 << 20)


def test_too_many_rules_are_refused() -> None:
    with pytest.raises(ListError, match="more than 100 rules"):
        read_list([b"".join(b"n%d.example.com\n" % number for number in range(200))], most_rules=100)


def test_a_line_that_is_too_long_is_told_and_the_next_is_read() -> None:
    content = read_list([b"a.example.com\n" + b"x" * 200_000, b"x" * 10_000, b"\nb.example.com\n"])
    assert rules(content) == ["block a.example.com", "block b.example.com"]
    assert [(problem.line, problem.reason) for problem in content.problems] == [(2, "it is longer than 64 KiB")]


@pytest.mark.parametrize(
    ("lines", "format_name"),
    [
        (["# a list", "a.example.com", "b.example.com"], "domains"),
        (["0.0.0.0 a.example.com", "0.0.0.0 b.example.com"], "hosts"),
        (["127.0.0.1\ta.example.com"], "hosts"),
        (["! list", "a.example.com", "||b.example.com^"], "adblock"),
        (["address=/a.example.com/", "# c"], "dnsmasq"),
        (["$TTL 60", "@ IN SOA a. b. 1 1 1 1 1", "a.example.com CNAME ."], "rpz"),
        (['local-zone: "a.example.com" static'], "unbound"),
        ([], "domains"),
    ],
)
def test_the_format_is_seen_from_the_first_lines(lines: list[str], format_name: str) -> None:
    assert read("\n".join(lines)).format == format_name


@pytest.mark.slow
def test_200000_lines_are_read_in_seconds() -> None:
    chance = random.Random(4)
    lines = [f"||n{chance.randrange(10**9)}.example{chance.randrange(9999)}.com^\n" for _ in range(200_000)]
    began = time.process_time()
    assert read_list(["".join(lines).encode()]).rules > 190_000
    assert time.process_time() - began < 4


WORDS = """|| ^ $ @@ = * . com example 0.0.0.0 address=/ / CNAME ! # local-zone: " static ü ( ) ; important denyallow= |
, $ORIGIN @ SOA"""
words = st.sampled_from([*WORDS.split(), " ", "\n", "\t", "\r"])
texts = st.lists(words, max_size=60).map("".join).map(str.encode) | st.binary(max_size=300)


@given(texts, st.sampled_from(FORMATS))
def test_any_octets_give_rules_in_normal_form_or_one_error(data: bytes, format_name: str) -> None:
    try:
        content = read_list([data], format_name)
    except ListError:
        return
    made = rules(content)
    assert made == sorted(set(made))
    assert len(made) == content.rules
    for row in made:
        action, _, rule = row.partition(" ")
        assert action in ("allow", "block")
        assert parse_rule(rule, is_foreign=True).text == rule


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_how_octets_arrive_does_not_matter(pieces: list[bytes]) -> None:
    def outcome(chunks: list[bytes]) -> object:
        try:
            return read_list(chunks)
        except ListError as error:
            return str(error)

    assert outcome(pieces) == outcome([b"".join(pieces)])
