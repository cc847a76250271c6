"""Fill in ``${VAR}`` and ``${VAR:-default}`` from the environment. No I/O: the environment is passed in."""

from __future__ import annotations

import re
from collections.abc import Mapping

from resolver.config.wording import shown

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)(?P<end>\}?)")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?\Z", re.DOTALL)


class VariableError(ValueError):
    """A reference that is malformed, or whose variable is not set. Its text is fit to show a user."""


def names_a_variable(text: str) -> bool:
    """Whether a text holds a reference whose value stands nowhere in it: one without a default."""
    found = (_INSIDE.match(match["inside"] or "") for match in _REFERENCE.finditer(text))
    return any(inside is not None and not inside["default"] for inside in found)


def fill_in(text: str, environ: Mapping[str, str]) -> str:
    """`text` with its references replaced; ``$${`` stands for a literal ``${``.

    As in a shell, a default also takes the place of a variable that is set but empty. What is filled in is not
    looked through again. Raises VariableError.
    """
    if "${" not in text:
        return text

    def value_of(match: re.Match[str]) -> str:
        if match["inside"] is None:
            return "${"
        inside = _INSIDE.match(match["inside"])
        if not match["end"] or not inside:
            raise VariableError(
                f"{shown(match[0])} is not a reference to a variable: "
                "write ${NAME} or ${NAME:-default}, or $${ for a literal ${"
            )
        name, default = inside["name"], inside["default"]
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            raise VariableError(
                f"the environment variable {name} is not set: set it, or give a default as in ${{{name}:-default}}"
            )
        return environ[name]

    return _REFERENCE.sub(value_of, text)
