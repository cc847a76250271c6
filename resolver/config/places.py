"""Read YAML into plain data that remembers the line of each value.

Built from the parser's events rather than by PyYAML's constructor, so that every mistake can be collected with its
place, and so that nothing but plain data comes out: no tags, no anchors or aliases (and so no file that grows when it
is read), no second document, no key twice. Plain scalars follow the core schema of YAML 1.2 (section 10.3.2): ``no``
is text, and so is ``1:20``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from resolver.config.environment import names_a_variable
from resolver.config.wording import KeyPath, shown

_DEEPEST = 32  # levels of nesting; the schema needs six
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML can be built without libyaml

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_MAYBE_NUMBER = frozenset("0123456789+-.")
_LONGEST_NUMBER = 300  # characters; int() refuses more than 4,300 digits
_INTEGER = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_SPECIAL_FLOAT = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")

_QUOTE_IT = 'put a value that begins with such a character in quotes, as in "*.example.com" or "[::1]:53"'
_WRITE_OUT = f"write the value in full; {_QUOTE_IT}"
_ADVICE = {  # libyaml's words: what an admin can do about it
    "found character that cannot start any token": _QUOTE_IT,
    "did not find expected alphabetic or numeric character": _QUOTE_IT,
    "did not find expected node content": _QUOTE_IT,
    "mapping values are not allowed in this context": "put text that holds ': ' in quotes, and check the indentation",
    "could not find expected ':'": "write a key as 'key: value'",
    "did not find expected key": "check the indentation and the quotes of this line and the one before",
    "did not find expected '-' indicator": "check the indentation: the entries of a list must be in one column",
    "did not find expected ',' or ']'": "close the list with ']'",
    "did not find expected ',' or '}'": "close the section with '}'",
    "found unexpected end of stream": "a quote or a bracket is not closed",
}


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One mistake. `line` counts from 1, `text` says what is wrong and how to mend it; no path: the file as a whole."""

    line: int
    path: KeyPath
    text: str
    hides_value: bool = False  # True: what stands at the path is not what was meant, and is not to be judged as well


@dataclass(slots=True)
class Place:
    """The line of a list or section, and the places below it; a scalar's place is only its line."""

    line: int
    below: dict[str | int, Place | int] = field(default_factory=dict)

    def line_of(self, path: KeyPath) -> int:
        """The line of the value at `path`, or of the nearest thing above it that the file holds."""
        here: Place | int = self
        for part in path:
            if not isinstance(here, Place) or part not in here.below:
                break
            here = here.below[part]
        return here.line if isinstance(here, Place) else here


@dataclass(slots=True)
class Document:
    """Content of a file: plain `data` (None when empty), its places, and the mistakes found on the way."""

    data: Any
    places: Place
    problems: list[FileProblem]
    readable: bool = True  # False: it is not YAML, and `data` is None
    filled: frozenset[KeyPath] = frozenset()  # values that come from the environment, and stand nowhere in the file


class _UnreadableError(Exception):
    """Reading cannot go on; the problem is recorded."""


def read_yaml(text: str, fill_in: Callable[[str], str]) -> Document:
    """Read one YAML document. `fill_in` maps each string value; its ValueErrors become problems with a place."""
    reader = _Reader(fill_in)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reader.report(_yaml_problem(error, text), line=mark.line + 1 if mark else 1, path=())
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        what = (
            f"the character U+{error.character:04X}" if error.character > 0 else "a character that text cannot contain"
        )
        reader.report(f"it is not YAML: {what} is not allowed here; remove it", line=line, path=())
    except _UnreadableError:
        pass
    else:
        return Document(reader.data, reader.places, reader.problems, filled=frozenset(reader.filled))
    return Document(None, Place(1), reader.problems, readable=False)


def _yaml_problem(error: yaml.MarkedYAMLError, text: str) -> str:
    mark, problem = error.problem_mark, error.problem or "it cannot be parsed"
    if mark is not None:
        lines = text.split("\n")
        before = lines[mark.line][: mark.column + 1] if mark.line < len(lines) else ""
        if "\t" in before and not before.strip():
            return "it is not YAML: a tab cannot indent; use spaces"
    where = error.context or ""
    if error.context_mark is not None and mark is not None and error.context_mark.line != mark.line:
        where += f" begun on line {error.context_mark.line + 1}"
    parts = (f"{where}, {problem}" if where else problem, _ADVICE.get(problem))
    return f"it is not YAML: {'; '.join(part for part in parts if part)}"


@dataclass(slots=True)
class _Level:
    """A list or section that is being read."""

    into: dict[str, object] | list[object]
    place: Place
    at: str | int | None  # the key or index of the value that comes next; None while a key is due
    line: int = 0  # of that key
    keep: bool = True  # False: that value is the second of its key, and is dropped


class _Reader:
    """Turns events into data, one at a time, without recursion: a deep file cannot exhaust the stack."""

    def __init__(self, fill_in: Callable[[str], str]) -> None:
        self.data: Any = None
        self.places = Place(1)
        self.problems: list[FileProblem] = []
        self.filled: set[KeyPath] = set()
        self._fill_in = fill_in
        self._levels: list[_Level] = []
        self._documents = 0

    def report(self, text: str, line: int, path: KeyPath | None = None, *, hides_value: bool = False) -> None:
        """Record a mistake, at the value that comes next unless `path` says otherwise."""
        self.problems.append(FileProblem(line, self._here() if path is None else path, text, hides_value))

    def _here(self) -> KeyPath:
        """The path of the value that comes next."""
        return tuple(level.at for level in self._levels if level.at is not None)

    def take(self, event: Any) -> None:
        """Read on by one event."""
        match event:
            case yaml.ScalarEvent():
                self._refuse_tag_and_anchor(event)
                if self._key_is_due():
                    self._take_key(event)
                else:
                    self._store(self._value_of(event), self._line(event))
                    self._advance()
            case yaml.CollectionStartEvent():
                self._refuse_tag_and_anchor(event)
                self._open(event)
            case yaml.CollectionEndEvent():
                self._levels.pop()
                self._advance()
            case yaml.AliasEvent():
                text = f"the alias *{event.anchor} is not accepted: {_WRITE_OUT}"
                self.report(text, self._line(event), hides_value=True)
                if self._key_is_due():
                    raise _UnreadableError
                self._store(None, self._line(event))
                self._advance()
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self.report("a second document begins here: keep one", self._line(event), path=())
                    raise _UnreadableError

    def _key_is_due(self) -> bool:
        return bool(self._levels) and self._levels[-1].at is None

    def _line(self, event: Any) -> int:
        """The line to name for the value that begins with `event`: that of its key, if it has one."""
        level = self._levels[-1] if self._levels else None
        return level.line if level and isinstance(level.at, str) else int(event.start_mark.line) + 1

    def _refuse_tag_and_anchor(self, event: Any) -> None:
        if event.anchor is not None:
            self.report(f"the anchor &{event.anchor} is not accepted: {_WRITE_OUT}", self._line(event))
        if event.tag is not None:
            self.report(f"the tag {shown(event.tag)} is not accepted: remove it", self._line(event), hides_value=True)

    def _take_key(self, event: Any) -> None:
        level = self._levels[-1]
        level.at, level.line = event.value, int(event.start_mark.line) + 1
        if event.value in level.into:
            self.report(f"is written twice, first on line {level.place.line_of((event.value,))}: keep one", level.line)
            level.keep = False

    def _value_of(self, event: Any) -> Any:
        value = _plain_scalar(event.value) if event.implicit[0] else event.value
        if isinstance(value, str):
            try:
                filled = self._fill_in(value)
            except ValueError as error:
                self.report(str(error), self._line(event), hides_value=True)
            else:
                if names_a_variable(value):
                    self.filled.add(self._here())
                return filled
        return value

    def _open(self, event: Any) -> None:
        line = self._line(event)
        if self._key_is_due():
            self.report(f"a list or section cannot be a key: {_QUOTE_IT}", line)
            raise _UnreadableError
        if len(self._levels) == _DEEPEST:
            self.report(f"it nests deeper than {_DEEPEST} levels", line)
            raise _UnreadableError
        place = Place(line)
        into: dict[str, object] | list[object] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        self._store(into, place)
        self._levels.append(_Level(into, place, at=0 if isinstance(into, list) else None))

    def _store(self, value: Any, place: Place | int) -> None:
        """Put a value where it belongs; a list or section when it begins, to be filled afterwards."""
        if not self._levels:
            self.data = value
            self.places = place if isinstance(place, Place) else Place(place)
            return
        level = self._levels[-1]
        if level.at is None or not level.keep:
            return
        if isinstance(level.into, list):
            level.into.append(value)
        else:
            level.into[str(level.at)] = value
        level.place.below[level.at] = place

    def _advance(self) -> None:
        if self._levels:
            level = self._levels[-1]
            level.at = level.at + 1 if isinstance(level.at, int) else None
            level.keep = True


def _plain_scalar(text: str) -> Any:
    """The value of an unquoted scalar: null, true, false, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _MAYBE_NUMBER or len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.match(text):
        return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))
    if _FLOAT.match(text):
        return float(text)
    return float(text.replace(".", "")) if _SPECIAL_FLOAT.match(text) else text
