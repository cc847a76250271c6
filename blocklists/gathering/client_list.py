"""A client's list of providers in its source: the object literals of a TypeScript or JavaScript file.

No program is run: the file is cut into tokens, and what has an `id` and a base URL, both literal, is a provider.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from blocklists.gathering.registers import Provider, Told, bounded, read_text
from resolver.errors import CatalogueError

_BASE_KEYS: Final = frozenset(("baseUrl", "baseURL", "base_url", "apiBase", "apiHost", "apiEndpoint", "api_endpoint"))
_DOCUMENT_KEYS: Final = frozenset(("docsUrl", "docs", "website", "homepage"))
_DEEPEST: Final = 64
_TOKEN = re.compile(
    r"""//[^\n]* | /\*.*?(?:\*/|\Z) | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*(?:`|\Z))"""
    r""" | (?P<mark>[{}\[\]():,]) | (?P<word>[A-Za-z_$][\w$]*)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)


@dataclass(slots=True)
class _Literal:
    """An object literal that is being read."""

    line: int
    texts: dict[str, str] = field(default_factory=dict)
    bases: list[Told] = field(default_factory=list)
    documents: list[Told] = field(default_factory=list)


def read_client_list(path: Path) -> tuple[Provider, ...]:
    """Providers of a client's source file. Raises CatalogueError."""
    return bounded(list(_providers(read_text(path), path)), str(path))


def _providers(text: str, path: Path) -> Iterator[Provider]:
    open_: list[_Literal | None] = []  # None: an array, or the arguments of a call
    last: str | None = None  # the word or text before this word, if there is nothing between
    key: str | None = None  # the key whose value comes
    for kind, word, line in _tokens(text):
        literal = open_[-1] if open_ else None
        if kind == "mark":
            if word in "{[(":
                open_.append(_Literal(line) if word == "{" else None)
                if len(open_) > _DEEPEST:
                    raise CatalogueError(f"{path}:{line}: more than {_DEEPEST} brackets in each other")
            elif word in "}])":
                if not open_:
                    raise CatalogueError(f"{path}:{line}: {word!r} closes nothing: is the file whole?")
                if (closed := open_.pop()) is not None:
                    yield from _closed(closed, next((one for one in reversed(open_) if one), None))
            key, last = (last if word == ":" else None), None
        elif key is not None and literal is not None and kind == "text":
            value = _unquoted(word)
            literal.texts.setdefault(key, value)
            if key in _BASE_KEYS:
                literal.bases.append(Told(value, f"{path.name}:{line}"))
            elif key in _DOCUMENT_KEYS:
                literal.documents.append(Told(value, f"{path.name}:{line}"))
            key = None
        else:
            last = _unquoted(word) if kind == "text" else word
    if open_:
        raise CatalogueError(f"{path}: ends within {len(open_)} open brackets: is the file whole?")


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    line, at = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        if match.lastgroup:
            yield match.lastgroup, match.group(), line


def _closed(literal: _Literal, parent: _Literal | None) -> Iterator[Provider]:
    """A provider, if the literal is one; else its URLs are its parent's, as those under `defaults`."""
    if "id" in literal.texts:
        if literal.bases:
            id_ = literal.texts["id"]
            name = literal.texts.get("name", id_)
            yield Provider(id_, name, tuple(literal.bases), tuple(literal.documents))
    elif parent is not None:
        parent.bases += literal.bases
        parent.documents += literal.documents


def _unquoted(word: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match.group(1)
        if len(code) > 1:
            return chr(int(code[1:], 16))
        return {"n": "\n", "t": "\t", "\n": ""}.get(code, code)

    return _ESCAPE.sub(character, word[1:-1])
