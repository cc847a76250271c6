"""Finding the config file. Apart from its reading, whose models the server's own process does without."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from resolver.errors import ConfigError

VARIABLE: Final = "MOATDNS_CONFIG"
"""The environment variable that names the config file."""

_USUAL_PLACES = (Path("moatdns.yaml"), Path("/etc/moatdns/moatdns.yaml"))


def find_config(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    """The config file: by flag, by variable, in a usual place, or None for the built-in defaults.

    Raises ConfigError when the file that the flag or the variable names does not exist.
    """
    if explicit is not None:
        return _existing(explicit, "--config")
    if environ.get(VARIABLE):
        return _existing(environ[VARIABLE], f"${VARIABLE}")
    return next((place for place in _USUAL_PLACES if _is_there(place)), None)


def _existing(name: str, given_by: str) -> Path:
    path = Path(name)
    if not _is_there(path):
        raise ConfigError([f"{name}: the config file named by {given_by} does not exist"])
    return path


def _is_there(path: Path) -> bool:
    try:
        return path.is_symlink() or path.exists()  # a link that leads nowhere is told when it is read
    except PermissionError:
        return True  # likewise: a policy that cannot be read must not give way to defaults
