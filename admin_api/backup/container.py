"""The form of a backup: a compressed tar of parts, whose last member is a manifest with the SHA-256 of each.

``moatdns-backup.json`` comes first and says the format's number; ``manifest.json`` comes last, so that a file whose end
is missing has none. With a passphrase all of it is encrypted (`encryption`). It is read twice: once to check all, and
once to work with it; each part is held against the manifest both times.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final, cast

from admin_api.backup.encryption import BEGIN, Decrypting, Encrypting, WrappingKeys
from admin_api.backup.errors import BackupError, DamagedBackup, WrongPassphrase
from resolver.system.typed_json import MisfitError, read_as, write_json

FORMAT: Final = 1
"""Number of the form that is written, and the highest that is read."""
MOST_PARTS: Final = 200_000

_FIRST, _LAST = "moatdns-backup.json", "manifest.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\Z")
_MOST_NAME = 200
_MOST_MANIFEST = 64 << 20  # octets
_PIECE = 1 << 20
_LEVEL = 6  # of compression
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class BackupPart:
    """One part, as the manifest tells it."""

    name: str
    octets: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """Facts of a backup. `at` is ISO 8601; `schema` the revision of the store's tables; `rows` are counted by table."""

    format: int
    moatdns: str
    schema: str
    store_id: str
    at: str
    host: str
    engine: str
    policy_revision: int
    audit_row: int  # the trail's head
    audit_mac: str
    rows: dict[str, int]
    sequences: dict[str, int]  # by table: the highest number that a row ever had, where it must not come again
    query_log: bool
    notes: tuple[str, ...] = ()
    parts: tuple[BackupPart, ...] = ()

    @property
    def octets(self) -> int:
        """Size of all parts."""
        return sum(part.octets for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Format:
    format: int
    moatdns: str


def is_good_name(name: str) -> bool:
    """Whether a part may have that name: a plain path, with no way out of its folder."""
    return len(name) <= _MOST_NAME and _NAME.match(name) is not None


class BackupWriter:
    """A backup that is written, part after part. Raises OSError."""

    def __init__(self, out: BinaryIO, version: str, passphrase: bytes | None) -> None:
        self._stack = contextlib.ExitStack()
        self._below = _Below(out)
        below = cast(BinaryIO, self._below)
        if passphrase is not None:
            below = cast(BinaryIO, self._stack.enter_context(Encrypting(below, passphrase)))
        packed = self._stack.enter_context(gzip.GzipFile(fileobj=below, mode="wb", compresslevel=_LEVEL, mtime=0))
        self._tar = self._stack.enter_context(
            tarfile.TarFile.open(fileobj=packed, mode="w|", bufsize=_PIECE, format=tarfile.PAX_FORMAT)
        )
        self._parts: list[BackupPart] = []
        self._put(_FIRST, write_json(_Format(FORMAT, version)))

    def add(self, name: str, content: bytes) -> None:
        """Add a part that is at hand."""
        self.add_file(name, io.BytesIO(content), len(content))

    def add_file(self, name: str, file: BinaryIO, octets: int) -> None:
        """Add the first `octets` of a file. Raises BackupError where it has fewer, or its name is none of ours."""
        if not is_good_name(name) or name in (_FIRST, _LAST):
            raise BackupError(f"{name!r} cannot be the name of a part")
        if len(self._parts) >= MOST_PARTS:
            raise BackupError(f"the backup would have more than {MOST_PARTS} parts, the maximum")
        hashed = _Hashed(file)
        info = tarfile.TarInfo(name)
        info.size, info.mode = octets, 0o600
        try:
            self._tar.addfile(info, cast(BinaryIO, hashed))
        except OSError as error:
            if hashed.octets < octets and error.errno is None:  # tarfile's "unexpected end of data"
                raise BackupError(f"{name} became shorter while it was read: try again") from None
            raise
        self._parts.append(BackupPart(name, octets, hashed.hexdigest()))

    def finish(self, manifest: BackupManifest) -> BackupManifest:
        """Write the manifest, with the parts; gives it."""
        told = replace(manifest, parts=tuple(self._parts))
        self._put(_LAST, write_json(told))
        self._stack.close()
        return told

    def abandon(self) -> None:
        """Write no more: the file will not be whole."""
        self._below.out = None
        self._stack.close()

    def _put(self, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o600
        self._tar.addfile(info, io.BytesIO(content))


class _Below:
    """The file that all is written to, until there is no point in that any more."""

    def __init__(self, out: BinaryIO) -> None:
        self.out: BinaryIO | None = out

    def write(self, data: bytes) -> int:
        return len(data) if self.out is None else self.out.write(data)

    def flush(self) -> None:
        if self.out is not None:
            self.out.flush()


class _Hashed:
    """A file that hashes what is read of it (SHA-256)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.octets = 0

    def read(self, size: int = _PIECE) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        self.octets += len(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


Reading = Callable[[str, BinaryIO], None]


class BackupSource:
    """A backup that is read. `check` first: it gives the manifest, and `parts` are then held against it."""

    def __init__(self, file: BinaryIO, passphrase: bytes | None) -> None:
        """`file` can be read from its beginning again. Raises BackupError, OSError."""
        self._file = file
        self._passphrase = passphrase
        self._keys: WrappingKeys = {}
        file.seek(0)
        begin = file.read(len(BEGIN))
        self.is_encrypted = begin == BEGIN
        if self.is_encrypted and passphrase is None:
            raise WrongPassphrase("the backup is encrypted: name the file with its passphrase (--passphrase-file)")
        if not self.is_encrypted and not begin.startswith(_GZIP):
            raise DamagedBackup("the file is no backup of moatdns")
        if not self.is_encrypted and passphrase is not None:
            raise WrongPassphrase("a passphrase is given, and the file is not encrypted: is it the right file?")

    def check(self, told: Callable[[int], None] = lambda _: None) -> BackupManifest:
        """Read all of it, and hold it against its manifest. Raises DamagedBackup, WrongPassphrase, BackupError."""
        found: list[BackupPart] = []
        manifest: BackupManifest | None = None
        for name, file in self._members():
            if manifest is not None:
                raise DamagedBackup("the file goes on behind its manifest")
            if name == _LAST:
                manifest = _manifest_of(file)
                continue
            hashed = _Hashed(file)
            while hashed.read(_PIECE):
                told(hashed.octets)
            found.append(BackupPart(name, hashed.octets, hashed.hexdigest()))
            if len(found) > MOST_PARTS:
                raise DamagedBackup(f"the file has more than {MOST_PARTS} parts")
        if manifest is None:
            raise DamagedBackup("the end of the file is missing: it has no manifest")
        if tuple(found) != manifest.parts:
            odd = next((one.name for one in {*found} ^ {*manifest.parts}), "their order")
            raise DamagedBackup(f"the file does not hold what its manifest says: {odd}")
        return manifest

    def parts(self, manifest: BackupManifest) -> Iterator[tuple[str, BinaryIO]]:
        """All parts with their content, each to be read before the next. Raises DamagedBackup where one is another."""
        expected = iter(manifest.parts)
        for name, file in self._members():
            if name == _LAST:
                return
            part = next(expected, None)
            hashed = _Hashed(file)
            yield name, cast(BinaryIO, hashed)
            while hashed.read(_PIECE):
                pass
            if part != BackupPart(name, hashed.octets, hashed.hexdigest()):
                raise DamagedBackup(f"{name} changed while the file was read")

    def _members(self) -> Iterator[tuple[str, BinaryIO]]:
        """All members behind the first. The file below is at its end when they are."""
        self._file.seek(0)
        below = self._file
        with contextlib.ExitStack() as stack:
            if self.is_encrypted:
                below = io.BufferedReader(
                    cast(io.RawIOBase, Decrypting(below, self._passphrase or b"", self._keys)), _PIECE
                )
            try:
                unpacked = stack.enter_context(gzip.GzipFile(fileobj=below, mode="rb"))
                tar = stack.enter_context(tarfile.open(fileobj=unpacked, mode="r|", bufsize=_PIECE))
                first = tar.next()
                _check_format(first, tar)
                while (member := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined]  # else it keeps all that it has read
                    file = tar.extractfile(member) if member.isreg() else None
                    if file is None or not is_good_name(member.name):
                        raise DamagedBackup(f"the file holds {member.name!r}, which no backup does")
                    yield member.name, cast(BinaryIO, file)
                while unpacked.read(_PIECE):  # up to its checksum
                    pass
            except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError) as error:
                raise DamagedBackup(f"the file is damaged, or its end is missing ({error})") from error


def _check_format(first: tarfile.TarInfo | None, tar: tarfile.TarFile) -> None:
    file = tar.extractfile(first) if first is not None and first.isreg() and first.name == _FIRST else None
    if file is None:
        raise DamagedBackup("the file is no backup of moatdns")
    try:
        told = json.loads(file.read(4096))
        number, version = int(told["format"]), str(told["moatdns"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedBackup("the file is no backup of moatdns: its first part cannot be read") from error
    if number > FORMAT:
        raise BackupError(
            f"the backup has format {number}, of moatdns {version}; this version reads up to {FORMAT}: restore it with "
            f"moatdns {version} or later"
        )


def _manifest_of(file: BinaryIO) -> BackupManifest:
    content = bytearray()
    while piece := file.read(_PIECE):
        content += piece
        if len(content) > _MOST_MANIFEST:
            raise DamagedBackup("the file's manifest is too large")
    try:
        return read_as(BackupManifest, json.loads(content))
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, MisfitError) else "it is not JSON"
        raise DamagedBackup(f"the file's manifest cannot be read: {why}") from error
