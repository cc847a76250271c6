"""Lists as servers, browsers and people with other habits write them; and lists that somebody made to do harm."""

from __future__ import annotations

import gzip
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.formats.content import MOST_REASONS, ListContent
from blocklists.formats.reading import FORMATS, read_list
from resolver.errors import ListError


def rules(content: ListContent) -> list[str]:
    return content.content.decode().splitlines()


def read(text: str | bytes, format_name: str = "auto") -> ListContent:
    return read_list([text.encode() if isinstance(text, str) else text], format_name)


# Which format it is


@pytest.mark.parametrize("comment", ["# this is a tracker", "; in a list", "// is a test", "## a section", "#c"])
def test_a_comment_behind_names_changes_neither_format_nor_names(comment: str) -> None:
    content = read("".join(f"n{number}.example.com {comment}\n" for number in range(30)))
    assert (content.format, content.rules, content.problem_count) == ("domains", 30, 0)
    assert "block n0.example.com" in rules(content)


def test_a_zone_whose_soa_has_more_lines_than_rules_is_a_zone() -> None:
    soa = "@ IN SOA localhost. root. (\n 2 ; serial\n 2h\n 30m\n 1w\n 1h )\n IN NS localhost.\n"
    content = read(f"$TTL 2h\n{soa}x.example.com CNAME .\n")
    assert (content.format, rules(content), content.problem_count) == ("rpz", ["block =x.example.com"], 0)


@pytest.mark.parametrize("banner", ["##########", "### names of others ###", "## a", "#!#"])
def test_a_banner_between_names_makes_no_list_of_filters(banner: str) -> None:
    content = read(f"{banner}\na.example.com\n{banner}\nb.example.com\n")
    assert (content.format, rules(content)) == ("domains", ["block a.example.com", "block b.example.com"])


@pytest.mark.parametrize("filter_", ["##.ad", "###ad", "example.org##.ad", "example.org#@#.ad", "example.org#?#.ad"])
def test_a_filter_for_parts_of_pages_makes_one(filter_: str) -> None:
    content = read(f"{filter_}\na.example.com\n")
    assert (content.format, rules(content)) == ("adblock", ["block =a.example.com"])


# Response policy zones


def test_names_of_a_zone_that_bind_wrote_are_completed_by_its_origins() -> None:
    content = read(
        "$ORIGIN .\n$TTL 60\nrpz.example IN SOA ns. h. ( 1 2 3 4 5 )\n NS ns.\n"
        "$ORIGIN com.rpz.example.\nbad CNAME .\n*.bad CNAME .\n"
        "$ORIGIN evil.com.rpz.example.\nwww.tracker CNAME .\n* CNAME .\n"
        "$ORIGIN rpz.example.\nflat.example.net CNAME .\n$ORIGIN org\nshort CNAME rpz-passthru.\n"
        "$ORIGIN rpz-ip.rpz.example.\n32.1.2.0.192 CNAME .\n"
    )
    assert (content.format, content.problem_count) == ("rpz", 0)
    assert rules(content) == [
        "allow *.www.tracker.evil.com",
        "allow =short.org",
        "block *.evil.com",
        "block =flat.example.net",
        "block =www.tracker.evil.com",
        "block bad.com",
    ]
    assert [found.line for found in content.inexpressible.values()] == [16]


def test_records_of_the_zone_itself_block_nothing() -> None:
    content = read(
        "$ORIGIN rpz.example.\n@ SOA a. b. 1 2 3 4 5\nrpz.example. A 10.0.0.1\n@ TXT x\nb.example.com CNAME .\n"
    )
    assert rules(content) == ["block =b.example.com"]


def test_signs_in_quoted_text_are_text() -> None:
    content = read('$TTL 1\na.example.com TXT "sad :( ; \\" ("\nb.example.com CNAME .\nc.example.com CNAME . ; "\n')
    assert (rules(content), content.problem_count) == (["block =b.example.com", "block =c.example.com"], 0)


@pytest.mark.parametrize("line", ["()", "( ; c\n)", "(", ")", ' "" ', "$", "$ORIGIN", "$ORIGIN ."])
def test_half_a_record_breaks_nothing(line: str) -> None:
    content = read(f"$TTL 1\nb.example.com CNAME .\n{line}\n", "rpz")
    assert rules(content) == ["block =b.example.com"]


def test_records_that_are_made_from_others_are_told() -> None:
    content = read("$TTL 1\n$GENERATE 1-5 n$.example.com CNAME .\nb.example.com CNAME .\n")
    assert [(reason.partition(":")[0], found.line) for reason, found in content.inexpressible.items()] == [
        ("$GENERATE", 2)
    ]


# Filters


@pytest.mark.parametrize(
    "bad",
    [
        "||a*.example.com^$badfilter",
        "-a.example.com^$badfilter",
        ".a.example.com^$badfilter",
        "||A*.Example.com^$badfilter,important",
        "||bücher.example^$badfilter",
        "||d.example.com^$badfilter,denyallow=x.d.example.com",
    ],
)
def test_a_bad_filter_leaves_nothing_of_what_it_takes_back(bad: str) -> None:
    good = bad.replace("$badfilter,", "$").replace("$badfilter", "")
    content = read(f"||stays.example.com^\n{good}\n{bad}\n", "adblock")
    assert rules(content) == ["block stays.example.com"]
    assert (content.rules, content.patterns, content.duplicates) == (1, 0, 0)


@pytest.mark.parametrize("line", ["-ad-300x600px.", "_ad_banner.", ".ads.controller.", "&ad_box_", "banner"])
def test_a_part_of_an_address_is_a_filter_that_dns_cannot_do(line: str) -> None:
    content = read(f"||ok.example.com^\n{line}\n", "adblock")
    assert (content.problem_count, [found.line for found in content.inexpressible.values()]) == (0, [2])


def test_a_list_that_dns_can_do_nothing_with_is_no_error_for_one_bad_line() -> None:
    content = read("example.com##.ad\n" * 30 + "||co.uk^\n", "adblock")
    assert (content.rules, content.problem_count) == (0, 1)


# unbound


@pytest.mark.parametrize("turn", [1, -1])
def test_data_of_a_transparent_zones_own_name_speaks_before_the_zone(turn: int) -> None:
    lines = ['local-zone: "x.example.com" transparent', 'local-data: "x.example.com A 0.0.0.0"'][::turn]
    assert rules(read("\n".join(lines))) == ["allow *.x.example.com", "block =x.example.com"]


def test_zones_in_single_quotes_and_commented_headers_are_read() -> None:
    content = read("server: # ours\nlocal-zone: 'x.example.com' static\n")
    assert (rules(content), content.problem_count) == (["block x.example.com"], 0)


# Counts


def test_two_rules_that_become_one_are_no_duplicates_and_one_pattern() -> None:
    content = read("=a*.example.com\n*.a*.example.com\n=b.example.com\n*.b.example.com\nc.example.com\nC.example.com\n")
    assert rules(content) == ["block a*.example.com", "block b.example.com", "block c.example.com"]
    assert (content.patterns, content.duplicates) == (1, 1)


# Octets


def test_a_comment_in_latin_1_harms_nothing_and_a_name_in_it_is_told() -> None:
    text = "# café\na.example.com # café\n! é\ncafé.example.com\nb.example.com\n"
    content = read(text.encode("latin-1"), "domains")
    assert rules(content) == ["block a.example.com", "block b.example.com"]
    assert [problem.line for problem in content.problems] == [4]


@pytest.mark.parametrize("size", [64 << 10, (64 << 10) + 1, 200_000])
@pytest.mark.parametrize("step", [1000, 64 << 10, 1 << 20])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_long_line_is_told_however_its_octets_arrive(size: int, step: int, end: bytes) -> None:
    data = b"a.example.com" + end + b"# " + b"x" * (size - 2) + end + b"b.example.com" + end
    content = read_list([data[at : at + step] for at in range(0, len(data), step)])
    assert rules(content) == ["block a.example.com", "block b.example.com"]
    assert [problem.line for problem in content.problems] == ([2] if size > 64 << 10 else [])


def test_empty_pieces_and_padding_change_nothing_in_a_gzip_file() -> None:
    data = gzip.compress(b"a.example.com\n") + bytes(3) + gzip.compress(b"b.example.com\n") + bytes(5)
    pieces = [piece for at in range(len(data)) for piece in (data[at : at + 1], b"")]
    assert rules(read_list(pieces)) == ["block a.example.com", "block b.example.com"]


# Harm


@pytest.mark.slow
@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    "unit", [" ", "\t", '"', "(", "#", ";", "$", "^", "|", "*", "*.", "a.", "/", " A", " 1", "'", "ü.", "a", "-", "://"]
)
def test_no_line_costs_more_than_its_length(format_name: str, unit: str) -> None:
    long = unit * (60_000 // len(unit.encode()))
    lines = [
        f"a{long}x",
        f"a{long};",
        f"||{long}#",
        f"address=/{long}",
        f'local-zone: "{long}!',
        f'local-data: "{long}',
    ]
    began = time.process_time()
    for line in lines:
        try:
            read(f"ok.example.com\n{line}\n", format_name)
        except ListError:
            continue
    assert time.process_time() - began < 3


def test_a_list_cannot_make_up_reasons_without_end_nor_write_to_a_terminal() -> None:
    lines = [f"||a{number}.example.com^$opt{number}\n" for number in range(1000)]
    content = read("||ok.example.com^\n||e.example.com^$\x1b[31m\n" + "".join(lines), "adblock")
    assert len(content.inexpressible) == MOST_REASONS + 1
    assert sum(found.count for found in content.inexpressible.values()) == 1001
    assert all(reason.isprintable() for reason in content.inexpressible)


# What was made is read again as it is

PIECES = (
    "|| ^ = * . com co.uk example n1 0.0.0.0 1.2.3.4 CNAME # é ü ; ( ) \" ' $ORIGIN @ SOA $badfilter $denyallow= rpz-ip"
)
lines = st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "\n"]), max_size=80).map("".join)


@given(lines, st.sampled_from(FORMATS))
def test_rules_are_read_again_as_they_are(text: str, format_name: str) -> None:
    try:
        content = read(text, format_name)
    except ListError:
        return
    blocks = [row.removeprefix("block ") for row in rules(content) if row.startswith("block ") and "**" not in row]
    again = read("\n".join(blocks), "domains")
    assert rules(again) == [f"block {rule}" for rule in blocks]
    assert (again.problem_count, again.inexpressible, again.duplicates) == (0, {}, 0)


SECRETS = (
    "the password is hunter2",
    "||hunter2.example^$password=hunter2",
    "<p>hunter2</p>",
    "address=/hunter2.example/10.0.0.7",
    'local-zone: "hunter2.example" hunter2',
    "hunter2 IN A",
    "10.0.0.7 hunter2",
    "hunter2",
    "\xff hunter2",
    "hunter2" * 20_000,
)


@pytest.mark.parametrize("format_name", ["auto", "domains", "hosts", "adblock", "dnsmasq", "unbound", "rpz"])
def test_of_a_list_at_a_private_address_nothing_is_quoted(format_name: str) -> None:
    lines = [f"n{number}.feed.example" for number in range(20)] if format_name in ("auto", "domains") else []
    data = "\n".join([*lines, *SECRETS]).encode("latin-1")
    try:
        content = read_list([data], format_name, quotes=False)
    except ListError as error:
        assert "hunter2" not in str(error)
        return
    told = repr((content.problems, content.inexpressible, content.format))
    assert "hunter2" not in told
    assert content.problem_count + sum(each.count for each in content.inexpressible.values()) > 0
