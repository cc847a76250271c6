"""Where the secrets of server cookies are kept: in a file that only we may read, and in no plan and no log."""

from __future__ import annotations

import secrets
from pathlib import Path

from resolver.config.cookies import SECRET_BYTES, read_secrets
from resolver.errors import MoatdnsError
from resolver.system.state_files import make_folder, read_own, write_whole

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
        # A file in `state_dir` is ours alone; what the config names elsewhere may be a link, as secrets often are.
        content = read_own(path) if path.parent == state_dir else path.read_bytes()
        return [secret.hex() for secret in read_secrets(content.decode("ascii"))]
    except OSError as error:
        raise MoatdnsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        why = "is not text" if isinstance(error, UnicodeError) else str(error)
        raise MoatdnsError(f"{path} {why}") from None


def _write(path: Path, text: str) -> None:
    try:
        make_folder(path.parent)
        write_whole(path, f"{text}\n".encode("ascii"))
    except OSError as error:
        raise MoatdnsError(f"{path} cannot be written: {error.strerror}") from error
