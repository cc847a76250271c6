"""Names and rule syntax."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import RuleError
from resolver.policy.rule_syntax import RuleForm, parse_rule
from resolver.policy.runs import RunSearch
from resolver.wire.names import domain_of, key_of, parent_of, parse_any_name, parse_name, to_text, wire_of_key

labels = st.binary(min_size=1, max_size=63)


@pytest.mark.parametrize(
    ("written", "form", "text"),
    [
        ("Example.COM", RuleForm.SUBTREE, "example.com"),
        ("=only-this.example", RuleForm.EXACT, "=only-this.example"),
        ("*.example.com", RuleForm.BELOW, "*.example.com"),
        ("bücher.example.", RuleForm.SUBTREE, "xn--bcher-kva.example"),
        ("_dmarc.example。com", RuleForm.SUBTREE, "_dmarc.example.com"),
        ("Bedrock-Runtime.*.amazonaws.com", RuleForm.SUBTREE, "bedrock-runtime.*.amazonaws.com"),
        ("=oaisdmntpr*.blob.core.windows.net", RuleForm.EXACT, "=oaisdmntpr*.blob.core.windows.net"),
        ("*.a*b.example", RuleForm.BELOW, "*.a*b.example"),
        ("-a.B-.example", RuleForm.SUBTREE, "-a.b-.example"),
        ("=f*-.-.example", RuleForm.EXACT, "=f*-.-.example"),
        ("-bücher.example", RuleForm.SUBTREE, "xn---bcher-4ya.example"),
        ("ａ-.example", RuleForm.SUBTREE, "a-.example"),
        ("\ufeffa.example", RuleForm.SUBTREE, "a.example"),
        ("/^gpt[0-9]+[.]/", RuleForm.SUBTREE, "/^gpt[0-9]+[.]/"),
    ],
)
def test_a_rule_is_read_and_written_back_in_its_normal_form(written: str, form: RuleForm, text: str) -> None:
    rule = parse_rule(written)
    assert rule.form is form
    assert rule.text == text


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "a..b",
        "foo.*",
        "a**b.com",
        "/(/",
        "//",
        "/.*/",
        "/(a{1000}){1000}/",
        "/" + "a" * 201 + "/",
        "https://a.com",
        "a.com/x",
        "a.com:53",
        "a b.com",
        "x" * 64 + ".com",
    ],
)
def test_what_is_no_rule_is_refused_with_what_is_wrong(written: str) -> None:
    with pytest.raises(RuleError, match=r"\w"):
        parse_rule(written)


def test_a_name_of_more_than_255_octets_is_refused() -> None:
    with pytest.raises(RuleError, match="255"):
        parse_name(".".join(["a" * 63] * 4))


def test_a_key_is_a_prefix_only_of_names_below_it() -> None:
    parent = key_of(parse_name("example.com"))
    assert key_of(parse_name("a.b.example.com")).startswith(parent)
    assert not key_of(parse_name("notexample.com")).startswith(parent)


def test_the_parent_of_a_name_lacks_its_first_label() -> None:
    assert parent_of(key_of(parse_name("a.b.example"))) == key_of(parse_name("b.example"))
    assert parent_of(key_of(parse_name("example"))) == parent_of(b"") == b""


def test_a_dot_octet_within_a_label_is_no_boundary() -> None:
    odd = b"\x0bx.claude\x2eai\x00"
    assert not key_of(odd).startswith(key_of(parse_name("ai")))
    assert to_text(odd) == r"x\.claude\.ai"


@given(st.lists(labels, max_size=4))
def test_a_key_gives_its_name_back_in_lower_case(parts: list[bytes]) -> None:
    wire = b"".join(bytes((len(part),)) + part for part in parts) + b"\x00"
    assert wire_of_key(key_of(wire)) == wire.lower()


@given(st.text())
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    try:
        rule = parse_rule(text)
    except RuleError:
        return
    assert parse_rule(rule.text) == rule


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (".", b"\x00"),
        ("A b.Example", b"\x03a b\x07example\x00"),
        (r"x\.y.example.", b"\x03x.y\x07example\x00"),
        (r"\000\255.example", b"\x02\x00\xff\x07example\x00"),
        ("-x.example", b"\x02-x\x07example\x00"),
    ],
)
def test_any_name_of_a_query_can_be_written(text: str, wire: bytes) -> None:
    assert parse_any_name(text) == wire


@given(st.lists(labels, max_size=3))
def test_a_name_is_read_back_from_how_it_is_shown(parts: list[bytes]) -> None:
    wire = b"".join(bytes((len(part),)) + part for part in parts) + b"\x00"
    assert parse_any_name(to_text(wire)) == wire.lower()


@given(st.text())
def test_any_text_is_a_name_or_a_rule_error(text: str) -> None:
    with contextlib.suppress(RuleError):
        parse_any_name(text)


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("www.example.com", "example.com"),
        ("a.b.c.example.com", "example.com"),
        ("example.com", "example.com"),
        ("com", "com"),
        (".", "."),
        ("www.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("random.web.de", "web.de"),
        ("a.co.com", "co.com"),
        ("4.3.2.1.in-addr.arpa", "2.1.in-addr.arpa"),
        ("1.in-addr.arpa", "1.in-addr.arpa"),
        ("f.e.d.c.8.b.d.0.1.0.0.2.ip6.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_the_domain_of_a_name_is_what_somebody_has_registered(name: str, domain: str) -> None:
    assert to_text(wire_of_key(domain_of(key_of(parse_any_name(name))))) == domain


@given(st.lists(labels, max_size=6))
def test_any_name_has_a_domain_above_it(octets: list[bytes]) -> None:
    key = b"".join(bytes((len(label),)) + label for label in octets)
    domain = domain_of(key)
    assert key.startswith(domain)
    assert domain_of(domain) == domain


_RUNS = st.lists(st.sampled_from(["a", "b", "ab", "-", ".", "**"]), min_size=1, max_size=7).map("".join)
_TEXTS = st.lists(st.sampled_from(["a", "b", "ab", "-", "."]), max_size=9).map("".join)


@given(st.lists(_RUNS, max_size=6), st.lists(_TEXTS, max_size=20), st.sampled_from(["", "=", "*."]))
def test_patterns_with_runs_are_found_as_their_expressions_are(runs: list[str], texts: list[str], form: str) -> None:
    rules = []
    for run in runs:
        with contextlib.suppress(RuleError):
            rules.append(parse_rule(f"{form}{run}.x", is_foreign=True))
    rules = [rule for rule in rules if "**" in (rule.written or "")]
    search = RunSearch([(number, rule.form, rule.written or "") for number, rule in enumerate(rules)])
    for text in [f"{text}.x" for text in texts]:
        meant = [number for number, rule in enumerate(rules) if re.search(rule.regex, text)]
        assert sorted(search.found(text)) == meant


def test_runs_are_of_lists_in_other_formats_only_and_of_one_kind_with_no_other_star() -> None:
    assert parse_rule("a**b.example", is_foreign=True).text == "a**b.example"
    for text, is_foreign in (("a**b.example", False), ("a**b*c.example", True), ("a***b.example", True), ("a**", True)):
        with pytest.raises(RuleError):
            parse_rule(text, is_foreign=is_foreign)
