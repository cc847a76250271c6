"""Encrypted backups beside age itself: each opens what the other made, and refuses what was changed."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import subprocess
import termios
from pathlib import Path

import pytest

from admin_api.backup.encryption import Decrypting, Encrypting
from admin_api.backup.errors import DamagedBackup, WrongPassphrase
from tests.support.programs import PATIENCE_SECONDS, program

SECRET = "correct horse battery staple"
SIZES = (1, 65_536, 65_537, 300_000)


def age(words: list[str], *answers: str) -> int:
    """Run age with a terminal of its own, where it asks for the passphrase; gives the exit status."""
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    command = [program("age"), *words]
    try:
        running = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=take_terminal)
        os.close(theirs)
        for answer in answers:
            seen = b""
            while b"passphrase" not in seen:
                seen += os.read(ours, 1024)
            os.write(ours, answer.encode() + b"\n")
        with open(ours, "rb", buffering=0, closefd=False) as rest:
            try:
                while rest.read(1024):
                    pass
            except OSError:  # the terminal is gone with its last user
                pass
        return running.wait(PATIENCE_SECONDS)
    finally:
        os.close(ours)


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize("size", SIZES)
def test_age_opens_what_we_encrypt(tmp_path: Path, size: int) -> None:
    with (tmp_path / "ours.age").open("wb") as out, Encrypting(out, SECRET.encode(), 10) as file:
        file.write(content(size))
    assert age(["-d", "-o", str(tmp_path / "plain"), str(tmp_path / "ours.age")], SECRET) == 0
    assert (tmp_path / "plain").read_bytes() == content(size)
    damaged = bytearray((tmp_path / "ours.age").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "ours.age").write_bytes(damaged)
    assert age(["-d", "-o", str(tmp_path / "plain2"), str(tmp_path / "ours.age")], SECRET) == 1


def test_we_open_what_age_encrypts(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(content(200_000))
    assert age(["-p", "-o", str(tmp_path / "theirs.age"), str(tmp_path / "plain")], SECRET, SECRET) == 0
    theirs = (tmp_path / "theirs.age").read_bytes()
    opened = io.BytesIO()
    reader = Decrypting(io.BytesIO(theirs), SECRET.encode())
    while piece := reader.read(50_000):
        opened.write(piece)
    assert opened.getvalue() == content(200_000)
    with pytest.raises(WrongPassphrase):
        Decrypting(io.BytesIO(theirs), b"another")
    with pytest.raises(DamagedBackup):
        Decrypting(io.BytesIO(theirs[:-1]), SECRET.encode()).readall()
