"""Where the secrets of server cookies are kept: in a file that only we may read, and in no plan and no log."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from resolver.config.cookies import SECRET_BYTES, read_secrets
from resolver.errors import MoatdnsError

MADE = "cookie.secret"
"""Below state_dir: the secret that we make ourselves, where the config names none."""

_CONFIGURED = "cookie.configured"  # below state_dir: what the config holds itself
_FILE = "file:"


def path_of(configured: str | None, state_dir: Path) -> str:
    """The file that holds the secrets. One that the config holds itself is written into `state_dir`.

    Raises MoatdnsError when it cannot be.
    """
    if configured is None:
        return str(state_dir / MADE)
    if configured.startswith(_FILE):
        return str(Path(configured.removeprefix(_FILE)).absolute())
    path = state_dir / _CONFIGURED
    _write(path, configured)
    return str(path)


def load(path: Path, state_dir: Path) -> list[str]:
    """The secrets, as hex digits; the one that we make ourselves is made where there is none. Raises MoatdnsError."""
    if path == state_dir / MADE and not path.exists():
        _write(path, secrets.token_hex(SECRET_BYTES))
    try:
        return [secret.hex() for secret in read_secrets(path.read_text(encoding="ascii"))]
    except OSError as error:
        raise MoatdnsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        why = "is not text" if isinstance(error, UnicodeError) else str(error)
        raise MoatdnsError(f"{path} {why}") from None


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise MoatdnsError(f"{path} cannot be written: {error.strerror}") from error
