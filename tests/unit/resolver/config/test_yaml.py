"""How YAML is read: where mistakes are, and what is refused before any key is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from resolver.config import load as load_module
from resolver.config.load import load_config
from resolver.errors import ConfigError

from .conftest import Load, Problems

QUOTES = 'put a value that begins with such a character in quotes, as in "*.example.com" or "[::1]:53"'


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n", "{}", "policy:\n", "null"])
def test_an_empty_file_or_section_means_defaults(load: Load, text: str) -> None:
    assert load(text).model_dump(exclude={"state_dir"}) == load_config(None).model_dump(exclude={"state_dir"})


def test_a_byte_order_mark_is_skipped(load: Load) -> None:
    assert load(b"\xef\xbb\xbfworkers: 3\n").workers == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("workers: 2\ncache:\n\tprefetch: true\n", "3: it is not YAML: a tab cannot indent; use spaces"),
        (
            "policy:\n  lists:\n  - name: a\n    block:\n    - *.example.com\n",
            "5: it is not YAML: while scanning an alias, did not find expected alphabetic or numeric character; "
            + QUOTES,
        ),
        (
            "listen:\n  do53: ['127.0.0.1:53'\nworkers: 2\n",
            "3: it is not YAML: while parsing a flow sequence begun on line 2, did not find expected ',' or ']'; "
            "close the list with ']'",
        ),
        (
            "workers: a: b\n",
            "1: it is not YAML: mapping values are not allowed in this context; "
            "put text that holds ': ' in quotes, and check the indentation",
        ),
        (
            "listen:\n  do53:\n  - [::1]:53\n",
            f"3: it is not YAML: while parsing a flow node, did not find expected node content; {QUOTES}",
        ),
        ("# é\nworkers: '\x07'\n", "2: it is not YAML: the character U+0007 is not allowed here; remove it"),
        ("workers: 2\n---\nworkers: 3\n", "2: a second document begins here: keep one"),
        ("- workers\n", "1: the file should contain keys with values, as in 'workers: 2', and is a list"),
        ("workers\n", "1: the file should contain keys with values, as in 'workers: 2', and is 'workers'"),
        ("listen:\n  do53: [[::1]:53]\n", f"2: listen.do53[0]: a list or section cannot be a key: {QUOTES}"),
        ("workers: !!int 2\n", "1: workers: the tag 'tag:yaml.org,2002:int' is not accepted: remove it"),
        ("workers: &n 2\n", f"1: workers: the anchor &n is not accepted: write the value in full; {QUOTES}"),
        (
            "workers: 2\ncache:\n  prefetch: true\nworkers: 3\n",
            "4: workers: is written twice, first on line 1: keep one",
        ),
    ],
)
def test_yaml_that_cannot_be_used_is_told_with_its_line(problems: Problems, text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_aliases_are_refused_so_that_no_file_grows_when_it_is_read(problems: Problems) -> None:
    text = "policy:\n  lists:\n  - &a {name: a}\n  - *a\n"
    assert [line.split(" is not accepted")[0] for line in problems(text)] == [
        "3: policy.lists[0]: the anchor &a",
        "4: policy.lists[1]: the alias *a",
    ]


def test_nesting_has_an_end(problems: Problems) -> None:
    (problem,) = problems("workers: " + "[" * 100_000)
    assert problem == f"1: workers{'[0]' * 31}: it nests deeper than 32 levels"


def test_of_a_key_written_twice_the_first_is_checked_too(problems: Problems) -> None:
    assert problems("cache:\n  max_mib: two\n  max_mib:\n    x: 1\n") == [
        "2: cache.max_mib: should be a whole number, is 'two'",
        "3: cache.max_mib: is written twice, first on line 2: keep one",
    ]


def test_words_and_numbers_are_read_as_yaml_1_2_has_them(load: Load) -> None:
    config = load("cache: {max_mib: 0x40, prefetch: no, stale_seconds: 010}\npolicy: {groups: [{name: no}]}\n")
    assert (config.cache.max_mib, config.cache.prefetch, config.cache.stale_seconds) == (64, False, 10)
    assert [group.name for group in config.policy.groups] == ["default", "no"]


def test_bytes_that_are_not_utf_8_are_told_with_their_line(problems: Problems) -> None:
    assert problems(b"workers: 2\n# caf\xe9\n") == ["2: this line is not UTF-8: save the file as UTF-8"]


def test_a_path_with_a_nul_is_told_plainly() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Path("a\0b"))
    assert caught.value.problems == [r"'a\x00b': cannot be read: embedded null byte"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "_MOST_BYTES", 1 << 20)
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.problems == [f"{path}: is larger than 1 MiB, the most for a config file"]


def test_every_problem_is_told_by_line(problems: Problems) -> None:
    text = (
        "workers: two\npolicy:\n  groups:\n  - name: A\n    block: [nope]\ncache:\n  prefetch: 3\nlisten: {do53: x}\n"
    )
    assert [line.split(": ")[:2] for line in problems(text)] == [
        ["1", "workers"],
        ["4", "policy.groups[0].name"],
        ["5", "policy.groups[0].block[0]"],
        ["7", "cache.prefetch"],
        ["8", "listen.do53"],
    ]
