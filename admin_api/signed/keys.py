"""The key that signs evidence and audit heads: in a file of its own, apart from the store, which only we may read.

It is in minisign's form, as the keys of catalogue feeds are. Whoever verifies has its public half alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from blocklists.feed.minisign import PublicKey, SecretKey, SignatureError
from resolver.errors import MoatdnsError
from resolver.system.state_files import make_folder, read_own, write_whole

MADE: Final = "signing.key"
"""Below state_dir: the key that we make ourselves, where the config names none."""

_Key = TypeVar("_Key", PublicKey, SecretKey)

_FILE = "file:"
_MOST_OCTETS = 16 << 10


def key_file(configured: str | None, state_dir: Path) -> Path:
    """The file with the key: the one that the config names (``file:PATH``), or our own."""
    return state_dir / MADE if configured is None else Path(configured.removeprefix(_FILE)).absolute()


def load_key(configured: str | None, state_dir: Path, *, makes: bool = False) -> SecretKey:
    """The key that the config names (``file:PATH``), or our own, made where there is none and `makes`.

    Raises MoatdnsError.
    """
    path = key_file(configured, state_dir)
    if configured is None and makes and not path.exists():
        with _told(path), contextlib.suppress(FileExistsError):  # another process made it: its key is the key
            make_folder(path.parent)
            write_whole(path, SecretKey.generate().text.encode("ascii"), exclusive=True)
    return _parsed(path, SecretKey.parse, is_ours=path.parent == state_dir)


def read_public(path: Path, *, is_ours: bool) -> PublicKey:
    """The public half of the key in a file, without the library that signs. Raises MoatdnsError."""
    return _parsed(path, SecretKey.public_in, is_ours=is_ours)


def _parsed(path: Path, parse: Callable[[str], _Key], *, is_ours: bool) -> _Key:
    with _told(path):
        # What the config names elsewhere may be a link, as secrets often are.
        content = read_own(path) if is_ours else path.read_bytes()
        return parse(content[:_MOST_OCTETS].decode("ascii"))


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors with the key's file as MoatdnsError, in words that hold nothing of it."""
    try:
        yield
    except OSError as error:
        raise MoatdnsError(f"the signing key, {path}, cannot be read or made: {error.strerror}") from error
    except UnicodeDecodeError:
        raise MoatdnsError(f"the signing key, {path}, is not text") from None
    except SignatureError as error:
        raise MoatdnsError(f"the signing key, {path}: {error}") from None


def public_key_of(text: str) -> PublicKey:
    """A public key as people give it: the line that begins with RW, or the path of a file that holds it.

    Raises MoatdnsError.
    """
    try:
        return PublicKey.parse(text)
    except SignatureError:
        pass
    path = Path(text)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_OCTETS)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise MoatdnsError(f"{text[:200]!r} is neither a public key (RW…) nor a file with one: {why}") from None
    try:
        return PublicKey.parse(content.decode("ascii"))
    except (SignatureError, UnicodeDecodeError):
        raise MoatdnsError(f"{path} holds no public key: 'moatdns report key' prints one") from None
