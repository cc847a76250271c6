"""The file of a backup: whole or refused, whatever octets it has; encrypted ones open to their passphrase alone."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tarfile
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.backup import encryption
from admin_api.backup.container import FORMAT, BackupManifest, BackupSource, BackupWriter, is_good_name
from admin_api.backup.encryption import Decrypting, Encrypting
from admin_api.backup.errors import BackupError, DamagedBackup, WrongPassphrase
from tests.support.examples import examples

SECRET = b"correct horse battery staple"
ABOUT = BackupManifest(
    format=FORMAT,
    moatdns="1.2.3",
    schema="0010",
    store_id="abc",
    at="2026-11-27T03:00:00Z",
    host="node",
    engine="sqlite",
    policy_revision=7,
    audit_row=3,
    audit_mac="ff",
    rows={"lists": 1},
    sequences={"lists": 4},
    query_log=False,
)
PARTS = {"state/audit.key": b"k" * 32, "store/lists/000001.jsonl": b'["id"]\n[1]\n' * 500, "config.yaml": b""}


def written(parts: dict[str, bytes] = PARTS, passphrase: bytes | None = None) -> bytes:
    out = io.BytesIO()
    writer = BackupWriter(out, "1.2.3", passphrase)
    for name, content in parts.items():
        writer.add(name, content)
    writer.finish(ABOUT)
    return out.getvalue()


def read(content: bytes, passphrase: bytes | None = None) -> tuple[BackupManifest, dict[str, bytes]]:
    source = BackupSource(io.BytesIO(content), passphrase)
    manifest = source.check()
    return manifest, {name: part.read(1 << 26) for name, part in source.parts(manifest)}


def encrypted(content: bytes, work_factor: int = 2) -> bytes:
    out = io.BytesIO()
    with Encrypting(out, SECRET, work_factor) as file:
        file.write(content)
    return out.getvalue()


def decrypted(content: bytes, passphrase: bytes = SECRET) -> bytes:
    return io.BufferedReader(Decrypting(io.BytesIO(content), passphrase)).read()  # type: ignore[type-var]


PLAIN = written()


def test_a_backup_gives_back_what_was_put_in() -> None:
    manifest, parts = read(PLAIN)
    assert parts == PARTS
    assert replace(manifest, parts=()) == ABOUT
    assert manifest.octets == sum(map(len, PARTS.values()))


@pytest.mark.slow
def test_an_encrypted_backup_opens_to_its_passphrase_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    content = written(passphrase=SECRET)
    assert read(content, SECRET)[1] == PARTS
    assert b"audit.key" not in content
    for wrong in (b"correct horse battery stapl", b"x"):
        with pytest.raises(WrongPassphrase, match="not that of this file"):
            read(content, wrong)
    with pytest.raises(WrongPassphrase, match="--passphrase-file"):
        read(content)
    with pytest.raises(WrongPassphrase, match="not encrypted"):
        read(PLAIN, SECRET)


def test_a_file_whose_end_is_missing_is_refused_wherever_it_was_cut() -> None:
    for size in range(0, len(PLAIN), 7):
        with pytest.raises(BackupError):
            read(PLAIN[:size])


@settings(max_examples=examples(300))
@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255))
def test_a_changed_octet_is_refused_or_changes_nothing(at: int, by: int) -> None:
    changed = bytearray(PLAIN)
    changed[at] ^= by
    with contextlib.suppress(BackupError):
        assert read(bytes(changed))[1] == PARTS  # gzip's header has octets that mean nothing


@settings(max_examples=examples(100))
@given(st.binary(max_size=2000))
def test_octets_of_anybody_are_refused_and_nothing_else(content: bytes) -> None:
    for begin in (b"", encryption.BEGIN, gzip.compress(b"")[:2]):
        with pytest.raises(BackupError):
            read(begin + content, SECRET if begin == encryption.BEGIN else None)


CIPHER = encrypted(bytes(150_000))


@settings(max_examples=examples(100))
@given(st.integers(0, len(CIPHER) - 1), st.integers(1, 255))
def test_a_changed_octet_of_an_encrypted_file_is_refused(at: int, by: int) -> None:
    changed = bytearray(CIPHER)
    changed[at] ^= by
    with pytest.raises(BackupError):
        decrypted(bytes(changed))


@settings(max_examples=examples(60))
@given(st.sampled_from((0, 1, 65_535, 65_536, 65_537, 131_072, 200_000)), st.integers(0, 70_000))
def test_an_encrypted_file_is_whole_or_refused(size: int, cut: int) -> None:
    content = bytes(range(256)) * 1000
    file = encrypted(content[:size])
    assert decrypted(file) == content[:size]
    with pytest.raises(BackupError):
        decrypted(file[: max(len(file) - 1 - cut, 0)])


def test_pieces_of_an_encrypted_file_that_change_places_are_refused() -> None:
    head, chunk = len(CIPHER) - 150_000 - 3 * 16, 65_536 + 16
    swapped = CIPHER[:head] + CIPHER[head + chunk : head + 2 * chunk] + CIPHER[head : head + chunk]
    with pytest.raises(DamagedBackup):
        decrypted(swapped + CIPHER[head + 2 * chunk :])


def test_a_file_that_asks_for_gigabytes_of_scrypt_is_refused_before_it_gets_them() -> None:
    with pytest.raises(DamagedBackup, match="too much work"):
        decrypted(CIPHER.replace(b" 2\n", b" 29\n", 1))


def test_a_backup_of_a_later_format_says_which_version_reads_it() -> None:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        first = json.dumps({"format": FORMAT + 1, "moatdns": "9.9", "more": True}).encode()
        info = tarfile.TarInfo("moatdns-backup.json")
        info.size = len(first)
        tar.addfile(info, io.BytesIO(first))
    with pytest.raises(BackupError, match=r"restore it with moatdns 9\.9 or later"):
        read(out.getvalue())


@pytest.mark.parametrize("name", ["../x", "/x", "state/../../x", "state//x", ".x", "state/.x", "a\nb", "", "x" * 300])
def test_no_part_leads_out_of_its_folder(name: str) -> None:
    assert not is_good_name(name)
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for each, content in (("moatdns-backup.json", b'{"format": 1, "moatdns": "1"}'), (name, b"x")):
            info = tarfile.TarInfo(each)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with pytest.raises(DamagedBackup):
        read(out.getvalue())


def test_a_large_part_is_never_in_memory_as_a_whole() -> None:
    out = io.BytesIO()
    writer = BackupWriter(out, "1", None)

    class Zeros(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    tracemalloc.start()
    try:
        writer.add_file("state/large", Zeros(), 64 << 20)  # type: ignore[arg-type]
        writer.finish(ABOUT)
        BackupSource(io.BytesIO(out.getvalue()), None).check()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 16 << 20
