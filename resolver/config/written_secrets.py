"""Secrets that are written out in the config file, where only the name of a file or of a variable may stand.

Works on plain data, as YAML gives it. Keys that were there before this rule (a webhook's secret, a store's URL) may
still hold their secret themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from resolver.config.wording import KeyPath

_EACH: Final = "*"
_SECRETS: Final[tuple[tuple[str, ...], ...]] = (
    ("log_sinks", _EACH, "authorization"),
    ("mail", "password"),
    ("login", "oidc", "client_secret"),
)
_WHY: Final = (
    "is a secret, which is not written out here: put it into a file of its own and write file:PATH, or use ${VAR}"
)


def written_out(data: Any, filled: Collection[KeyPath]) -> Iterator[tuple[KeyPath, str]]:
    """Each such secret as its key path and what is wrong; `filled` are the values that come from the environment."""
    for keys in _SECRETS:
        for path, value in _at(data, keys, ()):
            if isinstance(value, str) and not value.startswith("file:") and path not in filled:
                yield path, _WHY


def _at(value: Any, keys: tuple[str, ...], path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """The values that stand at keys, each with its path."""
    if not keys:
        yield path, value
    elif keys[0] == _EACH:
        for index, part in enumerate(value if isinstance(value, list) else ()):
            yield from _at(part, keys[1:], (*path, index))
    elif isinstance(value, dict) and keys[0] in value:
        yield from _at(value[keys[0]], keys[1:], (*path, keys[0]))
