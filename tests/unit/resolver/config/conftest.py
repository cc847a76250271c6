"""Write a config file, load it, and look at what comes out: a Config, or one line for each mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from resolver.config.load import load_config
from resolver.config.references import KnownReferences
from resolver.config.schema import Config
from resolver.errors import ConfigError

KNOWN = KnownReferences(
    sets=frozenset({"ai", "bypass", "lists"}),
    vendors=frozenset({"anthropic", "meta", "openai"}),
    services=frozenset({"anthropic/claude", "anthropic/claude-code", "meta/llama", "openai/chatgpt"}),
)

Load = Callable[..., Config]
Problems = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a text as a config file, with a small catalogue and an empty environment unless told otherwise."""

    def load_text(
        text: str | bytes, known: KnownReferences | None = KNOWN, environ: Mapping[str, str] | None = None
    ) -> Config:
        path = tmp_path / "moatdns.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(path, known, environ or {})

    return load_text


@pytest.fixture
def problems(load: Load, tmp_path: Path) -> Problems:
    """The problems of a text, the file's name left out: ``3: workers: should be …``; none when it is good."""

    def problems_of(
        text: str | bytes, known: KnownReferences | None = KNOWN, environ: Mapping[str, str] | None = None
    ) -> list[str]:
        try:
            load(text, known, environ)
        except ConfigError as error:
            prefix = f"{tmp_path / 'moatdns.yaml'}:"
            assert all(line.startswith(prefix) and "\n" not in line for line in error.problems)
            return [line.removeprefix(prefix) for line in error.problems]
        return []

    return problems_of
