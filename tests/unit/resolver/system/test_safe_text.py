"""Text from elsewhere, as people are shown it."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import pty
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import moatdns.cli
from admin_api.policy_file.text import as_yaml
from resolver.config.fields import read_one_line, read_prose
from resolver.errors import RuleError
from resolver.system import safe_text

ACTING = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
BLANKS = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letters and a symbol that show nothing
ANY_TEXT = st.text(st.characters())
HOSTILE = st.text(st.sampled_from("ab \t\r\n\x1b\x07\x7f\x85\x9b\u200b\u200e\u202e\u2028\u2029\u2066\ue000\U000e0041é"))


def acting(text: str) -> list[str]:
    return [letter for letter in text if unicodedata.category(letter) in ACTING]


@given(ANY_TEXT | HOSTILE)
def test_nothing_that_is_shown_on_a_line_acts(text: str) -> None:
    assert acting(safe_text.visible(text)) == []
    assert set(acting(safe_text.visible_lines(text))) <= set("\r\n\t")
    assert "\r" not in safe_text.visible_lines(text).replace("\r\n", "")


@given(st.text(st.characters(exclude_categories=ACTING, exclude_characters=BLANKS)))
def test_what_does_not_act_is_shown_as_it_is(text: str) -> None:
    assert safe_text.visible(text) == text
    assert read_one_line(text) == text


@given(st.dictionaries(ANY_TEXT | HOSTILE, ANY_TEXT | HOSTILE, max_size=5), st.booleans())
def test_json_that_is_shown_means_what_it_meant(value: dict[str, str], as_ascii: bool) -> None:
    shown = safe_text.visible_json(json.dumps(value, ensure_ascii=as_ascii))
    assert acting(shown) == []
    assert json.loads(shown) == json.loads(json.dumps(value))  # surrogates that make a pair are one letter to JSON


@given(st.text(st.sampled_from("a \x1b\u202e\u2028é\n\x85😀"), max_size=30))
def test_a_policy_that_is_exported_means_what_it_meant_and_does_nothing(text: str) -> None:
    document = {"revision": 7, "policy": {"groups": [{"name": "staff", "description": text}]}}
    exported = as_yaml(document)
    assert set(acting(exported)) <= {"\n"}
    assert yaml.safe_load(exported) == document


@given(ANY_TEXT | HOSTILE)
def test_what_is_taken_as_one_line_is_shown_as_it_was_given(text: str) -> None:
    try:
        taken = read_one_line(text)
    except RuleError:
        assert acting(text)
    else:
        assert set(acting(taken)) <= set("\u200c\u200d")
        read_prose(text)


@pytest.mark.parametrize("name", ["محمد\u200cرضا", "क्\u200dष", "Ana Ruiz", "山田 太郎", "O'Brien-Smith"])
def test_names_of_people_are_taken(name: str) -> None:
    assert read_one_line(name) == name


@pytest.mark.parametrize(
    "name", ["\u200cAna", "An\u200da", "Ana\u200b", "Ana\u00ad", "A\nB", "A\rB", "A\tB", "\x9bA", "\u2067A", "A\u200f"]
)
def test_what_hides_or_turns_in_a_name_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(RuleError, match=r"at character [1-4]"):
        read_one_line(name)


@pytest.mark.parametrize("note", ["two\nlines\r\nand\ta tab", "👩\u200d💻 and نامه\u200cها \u200f"])
def test_a_note_has_lines_and_marks_of_prose(note: str) -> None:
    assert read_prose(note) == note


@pytest.mark.parametrize("note", ["\x1b[2J", "x\u202eexe", "\u2066x", "x\rover", "\x9b", "\x7f", "x\u2028y"])
def test_a_note_that_would_act_is_refused(note: str) -> None:
    with pytest.raises(RuleError, match="invisible"):
        read_prose(note)


@given(ANY_TEXT | HOSTILE | st.builds("{}{}".format, st.sampled_from(["=", " =", "+", "-", "\t=", "@", "＝"]), HOSTILE))
def test_no_cell_is_worked_out_by_a_spreadsheet(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([safe_text.cell(text), "next"])
    read = next(csv.reader(io.StringIO(out.getvalue())))
    assert read[1:] == ["next"]
    assert not unicodedata.normalize("NFKC", read[0].strip())[:1].startswith(("=", "+", "@", "-", "\t"))
    assert acting(out.getvalue().removesuffix("\r\n")) == []


LOG_LINE = """
from resolver.telemetry.log import make_log
make_log().warning(
    "asked\\x1b[2J", owner="Ana\\x1b]0;x\\x07\\u202e\\nroot", why=["a\\rb", {"k\\x9b": "\\u2028"}], left=7
)
"""


def log_line(*, terminal: bool) -> str:
    if not terminal:
        return subprocess.run([sys.executable, "-c", LOG_LINE], check=True, capture_output=True, text=True).stderr
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        subprocess.run([sys.executable, "-c", LOG_LINE], check=True, stderr=theirs)
        os.close(theirs)
        return screen.read(65_536).decode()


def test_a_log_line_on_a_terminal_is_one_line_that_only_the_log_has_coloured() -> None:
    shown = log_line(terminal=True)
    coloured = shown.count("\x1b") - shown.count("\x1b[")
    assert coloured == 0, shown
    assert shown.count("\n") == 1
    for bad in ("\x1b]", "\x07", "\x1b[2J", "\u202e", "\x9b", "\u2028", "a\rb"):
        assert bad not in shown
    assert r"Ana\u{1b}]0;x\u{7}\u{202e}\u{a}root" in shown


@pytest.mark.parametrize("blank", BLANKS)
def test_letters_that_show_nothing_are_shown_and_refused_on_entry(blank: str) -> None:
    for text in (f"Ana{blank}", f"{blank}Ана", f"a\n{blank}"):
        assert blank not in safe_text.visible(text) + safe_text.visible_lines(text)
        assert f"\\u{{{ord(blank):x}}}" in safe_text.visible(text)
        assert json.loads(safe_text.visible_json(json.dumps(text, ensure_ascii=False))) == text
        for read in (read_one_line, read_prose):
            with pytest.raises(RuleError, match="is invisible"):
                read(text.replace("\n", ""))


def test_a_log_line_in_a_file_is_one_line_of_json() -> None:
    written = log_line(terminal=False)
    assert json.loads(written)["left"] == 7
    assert acting(written) == ["\n"]


def test_no_command_writes_to_the_terminal_by_itself() -> None:
    """All by `print_line`, `print_json`, `print_lines` and `fail`; JSON by `print_json`, which keeps its lines."""
    folder = Path(moatdns.cli.__file__).parent
    commands = [path for path in folder.glob("*.py") if path.name != "common.py"]
    assert len(commands) > 5
    for path in commands:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called, where = ast.unparse(node.func), f"{path}:{node.lineno}"
            assert called not in {"print", "typer.echo", "sys.stdout.write", "sys.stderr.write"}, where
            if called == "print_line":
                assert not ast.unparse(node.args[0]).startswith("json.dumps"), f"{where}: print_json"
