"""What filters and names of lists block, judged as the compiled policy does, against what their formats say."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.formats.content import MOST_ALIKE, ListContent
from blocklists.formats.reading import FORMATS, read_list
from resolver.errors import ListError
from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.decision import Verdict
from resolver.policy.groups import CompiledGroup
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import MAX_PATTERNS, parse_rule
from resolver.wire.names import key_of, parse_any_name


def read(text: str | bytes, format_name: str) -> ListContent:
    return read_list([text.encode() if isinstance(text, str) else text], format_name)


def blocks_of(content: ListContent) -> Callable[[str], bool]:
    """What a subscription with these rules blocks."""
    rules = [
        SourceRule(parse_rule(rule, is_foreign=True), allow=action == "allow")
        for action, _, rule in (row.partition(" ") for row in content.content.decode().splitlines())
    ]
    compiled = compile_rules([RuleSource(Source("feed", Rank.SUBSCRIPTION), rules)])
    policy = policy_in_memory(compiled, compile_groups([CompiledGroup("default", block=frozenset({"feed"}))], ()), 1)
    view, _ = policy.view_of("127.0.0.1")
    return lambda name: policy.decide(view, key_of(parse_any_name(name))).verdict is Verdict.BLOCK


@pytest.mark.parametrize(
    ("line", "blocked", "open_"),
    [
        (
            "||device-metrics-us*.x.example^",
            ["device-metrics-us.x.example", "device-metrics-us-2.x.example", "a.device-metrics-us.b.x.example"],
            ["xdevice-metrics-us.x.example", "device-metrics-us.x.example.org", "x.example"],
        ),
        ("||lbs-*.elb.x.example^", ["lbs-1.region.elb.x.example", "a.lbs-.elb.x.example"], ["lbs-1elb.x.example"]),
        (".name.example^", ["a.name.example", "a.b.name.example"], ["name.example", "aname.example"]),
        ("://*.name.example^", ["a.name.example"], ["name.example", "aname.example"]),
        ("https://name.example^", ["name.example"], ["a.name.example"]),
        ("||example2.org/*", ["example2.org", "a.example2.org"], ["notexample2.org"]),
        ("||example2.org^*", ["example2.org", "a.example2.org"], ["notexample2.org"]),
        ("name.example^", ["name.example", "a.name.example", "myname.example"], ["name.example.org"]),
        ("-ads.example^", ["x-ads.example", "a.x-ads.example"], ["ads.example", "x-ads.example.org"]),
        ("*ads.x.example^", ["ads.x.example", "myads.x.example", "a.ads.x.example"], ["x.example"]),
        ("|a*b.example^", ["ab.example", "a.x.b.example"], ["x.ab.example"]),
        ("0.0.0.0\tname.example\tb.example\t# c", ["name.example", "b.example"], ["a.name.example"]),
        ("0.0.0.0 name.example  ## c", ["name.example"], ["a.name.example"]),
        ("||-name-.example^", ["-name-.example", "a.-name-.example"], ["name-.example"]),
    ],
)
def test_a_filter_blocks_the_names_that_it_means(line: str, blocked: list[str], open_: list[str]) -> None:
    content = read(f"{line}\n", "adblock")
    assert (content.problem_count, content.inexpressible) == (0, {})
    is_blocked = blocks_of(content)
    assert [name for name in blocked if not is_blocked(name)] == []
    assert [name for name in open_ if is_blocked(name)] == []


@pytest.mark.parametrize(
    "line",
    [
        *("||ads.google.", "||104.154.", "||104.154.^", "||ads*^", "||ads-", "||example.org*", "|ads.", "*", "||*^"),
        *("example.org/", "ads.example.org$important", "-ads.example.org", "||a.example^b", "||a.example:80^", "^"),
        *("||.example.org^", "/ads[0-9]/$important", "||a b.example^", "0.0.0.0 *.example.org", "||a^$client=x"),
        *("||a^$dnstype=AAAA", "/ad/", "||a.example/x*", "a.b##.ad", "example.org$$script", "||1.2.3.4^", "5.6.7.8"),
    ],
)
def test_what_names_cannot_say_is_counted_once_and_blocks_nothing(line: str) -> None:
    content = read(f"||ok.example.com^\n{line}\n", "adblock")
    assert (content.rules, content.problem_count) == (1, 0)
    assert [(found.count, found.line) for found in content.inexpressible.values()] == [(1, 2)]


@pytest.mark.parametrize(
    ("lines", "blocked", "open_"),
    [
        (["||x.example^", "@@||a.x.example^"], ["x.example", "b.x.example"], ["a.x.example", "b.a.x.example"]),
        (["||a.x.example^", "@@||x.example^"], [], ["x.example", "a.x.example", "b.a.x.example"]),
        (["||a.x.example^", "@@|x.example^"], ["a.x.example"], ["x.example"]),
        (["||x.example^", "||a.x.example^", "@@.x.example^"], ["x.example"], ["a.x.example", "b.a.x.example"]),
        (["||x.example^", "@@||good-*.x.example^"], ["x.example", "good.x.example"], ["good-1.x.example"]),
        (["||ads-*.x.example^", "@@||x.example^"], [], ["ads-1.x.example"]),
        (["||a.x.example^$important", "@@||x.example^"], ["a.x.example", "b.a.x.example"], ["x.example"]),
        (["||x.example^$important", "@@||a.x.example^"], ["x.example", "a.x.example"], []),
        (["||x.example^$important", "@@||a*.x.example^"], ["x.example", "ab.x.example"], []),
        (["||x.example^$denyallow=a.x.example"], ["x.example", "b.x.example"], ["a.x.example"]),
        (["||x.example^$denyallow=a.x.example", "||b.a.x.example^"], ["b.a.x.example"], ["a.x.example"]),
        (["||x.example^$denyallow=a.x.example", "||a.x.example^"], ["a.x.example", "x.example"], []),
        (["||x.example^", "@@||x.example^$badfilter"], ["x.example"], []),
    ],
)
@pytest.mark.parametrize("turn", [1, -1])
def test_an_exception_is_stronger_than_any_filter_that_is_not_important(
    lines: list[str], blocked: list[str], open_: list[str], turn: int
) -> None:
    is_blocked = blocks_of(read("\n".join(lines[::turn]), "adblock"))
    assert [name for name in blocked if not is_blocked(name)] == []
    assert [name for name in open_ if is_blocked(name)] == []


# Filters by chance, against their own meaning as expressions over a page's address

_PIECES = st.sampled_from(["a", "b", "ab", "a-", "-b", "*", ".", ".", "a.b", "x.example", ".x.example", "x.example"])
_BODIES = st.lists(_PIECES, min_size=1, max_size=4).map("".join)
_FILTERS = st.builds(
    lambda allow, start, body, end: f"{allow}{start}{body}{end}",
    st.sampled_from(["", "", "@@"]),
    st.sampled_from(["||", "||", "||", "|", "://", "http://", ""]),
    _BODIES,
    st.sampled_from(["^", "^", "^", "^|", "^*"]),
)
_LABELS = st.sampled_from(["a", "b", "ab", "a-", "-b", "a-b", "x", "b-a"])
_NAMES = st.builds(lambda labels: ".".join([*labels, "x.example"]), st.lists(_LABELS, max_size=4))


def expression_of(filter_: str) -> re.Pattern[str]:
    """After urlfilter: what the signs of a filter stand for, over ``http://NAME/`` (or the name alone)."""
    text = re.escape(filter_).replace(r"\*", ".*").replace(r"\^", r"(?:[^ a-z0-9.%_-]|$)")
    text = re.sub(r"\A\\\|\\\|", r"^http://(?:[a-z0-9-_.]+\\.)?", text)
    text = re.sub(r"\A\\\|", "^", text)
    return re.compile(re.sub(r"\\\|\Z", "$", text))


def matches(filter_: str, name: str) -> bool:
    is_of_pages = filter_.startswith(("||", "http://", "://"))
    return expression_of(filter_).search(f"http://{name}/" if is_of_pages else name) is not None


@given(st.lists(_FILTERS, min_size=1, max_size=4), st.lists(_NAMES, min_size=1, max_size=20))
def test_filters_by_chance_block_what_their_expressions_match(filters: list[str], names: list[str]) -> None:
    filters = [each for each in filters if read(f"0.0.0.0 ok.example\n{each}", "adblock").rules == 2]  # not told
    content = read("\n".join(["0.0.0.0 ok.example", *filters]), "adblock")
    is_blocked = blocks_of(content)
    exceptions = [filter_[2:] for filter_ in filters if filter_.startswith("@@")]
    others = [filter_ for filter_ in filters if not filter_.startswith("@@")]
    for name in names:
        meant = any(matches(each, name) for each in others) and not any(matches(each, name) for each in exceptions)
        assert is_blocked(name) is meant, (name, filters)


# Marks, hyphens, white space


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff\ufeff", " \ufeff", "\ufeff \ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_marks_at_the_beginning_of_any_line_change_nothing(format_name: str, mark: str, end: str) -> None:
    lines = {
        "hosts": ["# c", "0.0.0.0 a.example.com", "0.0.0.0\tb.example.com"],
        "adblock": ["[Adblock Plus 2.0]", "! c", "||a.example.com^", "@@||b.example.com^", "# c"],
        "dnsmasq": ["# c", "address=/a.example.com/", "server=/b.a.example.com/#"],
        "unbound": ["# c", 'local-zone: "a.example.com" static'],
        "rpz": ["; c", "$TTL 60", "@ SOA a. b. 1 2 3 4 5", "a.example.com CNAME ."],
    }.get(format_name, ["# c", "a.example.com", "*.b.example.com", "# d"])
    plain = read(end.join(lines), format_name)
    marked = read(end.join(mark + line for line in lines), format_name)
    assert marked == plain
    assert plain.rules
    data = end.join(mark + line for line in lines).encode()
    for step in (1, 2, 3, 5):
        assert read_list([data[at : at + step] for at in range(0, len(data), step)], format_name) == plain


@pytest.mark.parametrize(
    ("format_name", "line"),
    [
        ("domains", "{}"),
        ("hosts", "0.0.0.0 {}"),
        ("adblock", "||{}^"),
        ("dnsmasq", "address=/{}/"),
        ("unbound", 'local-zone: "{}" static'),
        ("rpz", "{} CNAME ."),
    ],
)
@pytest.mark.parametrize("name", ["-a.example.com", "a-.example.com", "-.example.com", "a.-b-.example.com", "--.-.co"])
def test_labels_begin_and_end_with_hyphens_as_browsers_open_them(format_name: str, line: str, name: str) -> None:
    content = read(
        f"b.example.com\n{line.format(name)}\n" if format_name == "domains" else line.format(name), format_name
    )
    assert content.problem_count == 0
    assert blocks_of(content)(name)


@pytest.mark.parametrize("space", ["\t", "  ", " \t ", "\v", "\f"])
@pytest.mark.parametrize("comment", ["", "# a b", "# ||x^", "#!", "## c"])
def test_hosts_lines_are_read_whatever_white_space_is_in_them(space: str, comment: str) -> None:
    line = space.join(["0.0.0.0", "a.example.com", "b.example.com", comment]).rstrip()
    for format_name in ("auto", "hosts", "domains", "adblock"):
        content = read(f"{line}\n", format_name)
        assert content.content == b"block =a.example.com\nblock =b.example.com\n", (format_name, content)
    assert read(f"{line}\n", "auto").format == "hosts"


@pytest.mark.parametrize(
    "line", ["0.0.0.0 0.0.0.0", "127.0.0.1 localhost ip6-localhost", "::1 localhost", "1.2.3.4 host"]
)
def test_the_machines_own_names_are_one_comment(line: str) -> None:
    content = read(f"0.0.0.0 a.example.com\n{line}\n", "hosts")
    assert (content.rules, content.comments, content.problem_count, content.inexpressible) == (1, 1, 0, {})


# Each line is counted


_LINES = st.lists(
    st.text(alphabet="|^*.-/:@#!$=,ab0 \t\"'éx", max_size=12)
    | st.sampled_from(["||a.example^", "0.0.0.0 a.example", "a.example CNAME .", "address=/a.example/", "a.example"]),
    max_size=8,
)


@given(_LINES, st.sampled_from([name for name in FORMATS if name not in ("auto", "rpz")]))
def test_each_line_is_taken_or_a_comment_or_told_and_told_once(lines: list[str], format_name: str) -> None:
    told = 0
    for line in lines:
        try:
            content = read(f"{line}\n", format_name)
        except ListError:
            told += 1
            continue
        counts = (
            bool(content.rules),
            content.comments,
            content.problem_count + sum(found.count for found in content.inexpressible.values()),
        )
        names = max(1, len(line.split()), line.count("/"), line.count(",") + 1)
        assert sum(counts) >= bool(line.strip()), (line, content)
        assert sum(counts) <= names, (line, content)


@pytest.mark.parametrize(("most", "end"), [(MAX_PATTERNS, "e{}.x.example"), (MOST_ALIKE, ".x.example")])
def test_more_patterns_than_there_may_be_are_told_and_the_rest_is_taken(most: int, end: str) -> None:
    lines = [f"||a{number}*{end.format(number)}^\n" for number in range(most + 5)]
    content = read("".join([*lines, "||last.example.com^\n", lines[0]]), "adblock")
    assert (content.patterns, content.rules, content.duplicates) == (most, most + 1, 1)
    assert [found.count for found in content.inexpressible.values()] == [5]


def test_the_most_patterns_with_one_end_cost_a_name_little() -> None:
    lines = [f"||a*{number:x}*b*c*d.x.example^\n" for number in range(MOST_ALIKE)]
    is_blocked = blocks_of(read("".join(lines), "adblock"))
    names = [".".join([f"a{number}bcz"] * 20) + ".d.x.example" for number in range(100)]
    began = time.process_time()
    assert all(is_blocked(name) for name in names)
    assert (time.process_time() - began) / len(names) < 0.02
