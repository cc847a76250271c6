"""Giving up root, in a process of its own that is root (as CI is)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolver.errors import MoatdnsError
from resolver.system.privileges import Account

_CHILD = """
import os, sys
sys.executable = "/bin/sh"  # that anybody may run, wherever this Python is
from pathlib import Path
from resolver.errors import MoatdnsError
from moatdns.supervisor.privileges import become
from resolver.system.privileges import Account
try:
    become(Account.named("nobody"), Path(sys.argv[1]))
except MoatdnsError as error:
    print(error)
    sys.exit(1)
print(os.getresuid(), os.getresgid(), os.getgroups())
try:
    os.setuid(0)
except PermissionError:
    print("no way back")
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up being root")


def become_nobody(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _CHILD, str(folder)], capture_output=True, text=True, check=False, timeout=20
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """That nobody may pass to, with a state directory as a first start leaves it."""
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        state = Path(above) / "state"
        (state / "lists").mkdir(parents=True)
        (state / "lists" / "house").write_text("rules")
        yield state


@needs_root
def test_nothing_of_root_is_left_and_there_is_no_way_back(folder: Path) -> None:
    nobody = Account.named("nobody")
    done = become_nobody(folder)
    assert done.stdout.splitlines() == [
        str((nobody.uid,) * 3) + " " + str((nobody.gid,) * 3) + " []",
        "no way back",
    ], done.stderr
    owners = {path.name: path.stat().st_uid for path in (folder, *folder.rglob("*"))}
    assert owners == {"state": nobody.uid, "lists": nobody.uid, "house": nobody.uid}


@needs_root
def test_what_a_planted_link_leads_to_stays_whose_it_is(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_text("root's")
    (folder / "symbolic").symlink_to(secret)
    os.link(secret, folder / "hard")
    (folder / "elsewhere").symlink_to(folder.parent)
    assert become_nobody(folder).returncode == 0
    assert secret.stat().st_uid == 0
    assert folder.parent.stat().st_uid == 0


@needs_root
def test_a_folder_that_the_user_cannot_reach_is_told(folder: Path) -> None:
    folder.parent.chmod(0o700)
    done = become_nobody(folder)
    assert done.returncode == 1
    assert "state_dir:" in done.stdout
    assert "user 'nobody'" in done.stdout


def test_a_user_that_is_none_is_told() -> None:
    with pytest.raises(MoatdnsError, match="no user 'nobody-at-all' on this machine"):
        Account.named("nobody-at-all")


def test_root_is_no_ordinary_user() -> None:
    with pytest.raises(MoatdnsError, match="is root"):
        Account.named("root")
