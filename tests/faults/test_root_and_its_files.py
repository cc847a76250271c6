"""Started as root with `user`: nothing that this user can write says what root does or where."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.clients import ask, is_blocked, is_blocked_everywhere
from tests.support.lesser_user import LESSER, RootStarted
from tests.support.programs import wait_until

NO_UPSTREAM: dict[str, Any] = {"upstream": {"servers": ["udp://127.0.0.1:9"]}}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up being root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may pass to: pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name) / "moatdns"


def owners_below(place: Path) -> set[int]:
    """The ids of the users whose the files and folders there are."""
    return {path.lstat().st_uid for path in (place, *place.rglob("*"))}


def users_of(server: RootStarted) -> set[int]:
    """The ids of the users that its processes run as."""
    return {uid for process in server.whole_family(4) for uid in process.uids()}


def test_all_is_the_users_after_a_first_start_and_the_next_believes_its_own_record(folder: Path) -> None:
    with RootStarted(folder, NO_UPSTREAM, with_api=True) as server:
        assert is_blocked(ask(server.port, "claude.ai"))
        assert users_of(server) == {LESSER.uid}
        wait_until(lambda: (server.state_dir / "admin.token").exists(), "a token")
        assert owners_below(server.state_dir) == {LESSER.uid}
        assert server.state_dir.stat().st_mode & 0o777 == 0o700
        assert (server.state_dir / "moatdns.lock").stat().st_mode & 0o777 == 0o600
        server.stop()
        server.start()
        assert not server.events_named("policy compiled")
        assert users_of(server) == {LESSER.uid}


def test_a_prepared_record_of_the_last_start_moves_nothing(folder: Path) -> None:
    with RootStarted(folder, NO_UPSTREAM) as server:
        victim = folder / "victim"
        victim.mkdir()
        (victim / "file").write_text("root's")
        record = server.state_dir / "boot.json"
        for lie in ("state_dir", "user", "listen"):
            server.stop()
            content = json.loads(record.read_bytes())
            ground = content["plan"]["ground"]
            assert lie in ground
            if lie == "state_dir":
                ground["state_dir"] = content["plan"]["control"]["state_dir"] = str(victim)
            elif lie == "user":
                ground["user"] = None
            else:
                ground["listen"][0]["port"] = 1023
            record.write_text(json.dumps(content))
            shutil.chown(record, LESSER.uid, LESSER.gid)
            server.start()
            assert is_blocked(ask(server.port, "claude.ai")), lie
            assert users_of(server) == {LESSER.uid}, lie
            assert owners_below(victim) == {0}, lie
            assert server.wait_for("serving")["listen"] == [f"127.0.0.1:{server.port}"], lie


# What the user may have left in the state directory, each as a link to a file of root's, and whom it stops.
@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["moatdns.lock"], "moatdns.lock: is a symbolic link, which is not followed: remove it"),
        (["boot.json", "cookie.secret", "moatdns.sqlite"], "moatdns.sqlite cannot be opened: is a symbolic link"),
        (["audit.key", "audit.head", "admin.token"], "audit.key, cannot be read: is a symbolic link"),
    ],
)
def test_a_planted_link_changes_nothing_of_roots(folder: Path, names: list[str], told: str) -> None:
    victim = folder.parent / "victim"
    victim.write_text("root's own\n")
    server = RootStarted(folder, NO_UPSTREAM, with_api=True)
    server.give_state_away()
    for name in names:
        (server.state_dir / name).symlink_to(victim)
    with server.started_or_refused():
        wait_until(lambda: told in server.log_text, told)
    assert victim.read_text() == "root's own\n"
    assert victim.stat().st_uid == 0


@pytest.mark.parametrize("names", [["lists"], ["snapshots", "catalogue", "subjects", "counters", "query-log"]])
def test_planted_links_to_folders_change_nothing_of_roots(folder: Path, names: list[str]) -> None:
    victim = folder.parent / "victim"
    (victim / "below").mkdir(parents=True)
    (victim / "file").write_text("root's own\n")
    server = RootStarted(folder, {**NO_UPSTREAM, "policy": {"lists": [{"name": "house", "block": ["house.example"]}]}})
    server.give_state_away()
    for name in names:
        (server.state_dir / name).symlink_to(victim)
    with server.started_or_refused():
        assert "is a symbolic link, which is not followed: remove it" in server.log_text
    assert sorted(path.name for path in victim.rglob("*")) == ["below", "file"]
    assert owners_below(victim) == {0}


def test_a_state_directory_that_is_a_link_of_the_users_is_not_followed(folder: Path) -> None:
    victim = folder.parent / "victim"
    victim.mkdir()
    home = folder / "home"
    home.mkdir(parents=True)
    (home / "state").symlink_to(victim)
    shutil.chown(home, LESSER.uid, LESSER.gid)
    server = RootStarted(folder, {**NO_UPSTREAM, "state_dir": str(home / "state")})
    assert "symbolic link" in server.refusal()
    assert owners_below(victim) == {0}
    assert list(victim.iterdir()) == []


def test_a_link_of_roots_is_followed(folder: Path) -> None:
    (folder / "volume").mkdir(parents=True)
    (folder / "link").symlink_to("volume")
    with RootStarted(folder, {**NO_UPSTREAM, "state_dir": str(folder / "link" / "state")}):
        assert owners_below(folder / "volume" / "state") == {LESSER.uid}
        assert (folder / "volume").stat().st_uid == 0


def test_a_folder_of_roots_with_other_things_is_not_given_away(folder: Path) -> None:
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "shadow").write_text("secret")
    server = RootStarted(folder, {**NO_UPSTREAM, "state_dir": str(folder / "etc")})
    assert "holds other things (shadow, for example)" in server.refusal()
    assert owners_below(folder / "etc") == {0}


def test_a_config_that_the_user_can_write_is_refused(folder: Path) -> None:
    server = RootStarted(folder, NO_UPSTREAM)
    server.ready_to_start = lambda: shutil.chown(server.config_file, LESSER.uid, LESSER.gid)
    told = server.refusal()
    assert f"{server.config_file} can be written by user 'nobody'" in told
    assert "chown root" in told


def test_root_does_not_work_in_a_folder_of_somebody_elses(folder: Path) -> None:
    server = RootStarted(folder, NO_UPSTREAM, user=None)
    server.give_state_away()
    assert "belongs to nobody, and moatdns would work in it as root: set user: nobody" in server.refusal()


def test_a_lock_that_is_a_pipe_is_told_and_waits_for_nobody(folder: Path) -> None:
    server = RootStarted(folder, NO_UPSTREAM)
    server.give_state_away()
    os.mkfifo(server.state_dir / "moatdns.lock")
    shutil.chown(server.state_dir / "moatdns.lock", LESSER.uid, LESSER.gid)
    assert "moatdns.lock: is not a regular file: remove it" in server.refusal()


def test_commands_of_root_leave_nothing_of_roots_in_the_users_folder(folder: Path) -> None:
    with RootStarted(folder, NO_UPSTREAM) as server:
        wait_until(lambda: (server.state_dir / "moatdns.sqlite").exists(), "a store")
        secret = folder / "secret"
        secret.write_text("root's")
        for words in (
            ["token", "create", "--name", "mine", "--role", "viewer"],
            ["token", "list"],
            ["audit", "verify"],
            ["audit", "export", "--out", str(folder / "trail")],
            ["explain", "claude.ai"],
            ["catalogue", "accept"],
        ):
            done = server.run(*words)
            assert done.returncode == 0, (words, done.stderr)
        assert owners_below(server.state_dir) == {LESSER.uid}
        assert (folder / "trail").stat().st_uid == 0
        assert psutil.pid_exists(server.pid)


def test_a_state_directory_that_cannot_be_written_is_told_as_that(folder: Path) -> None:
    lists = [{"name": "house", "block": ["house.example"]}]
    server = RootStarted(folder, {**NO_UPSTREAM, "policy": {"lists": lists}}, user=None)
    server.prepare()
    done = subprocess.run(
        [*server.command, "serve", "--config", str(server.config_file)],
        user=LESSER.uid,
        group=LESSER.gid,
        extra_groups=[],
        env=server.environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"state_dir: {server.state_dir} cannot be used" in done.stderr
    assert "set state_dir to a folder that user 'nobody' can write" in done.stderr
    assert "lists" not in done.stderr


def test_a_backup_by_root_is_roots_and_what_it_restores_is_the_users(folder: Path) -> None:
    backup = folder / "node.backup"
    with RootStarted(folder, NO_UPSTREAM, with_api=True) as server:
        server.api.post("lists", {"name": "house", "block": ["blocked.example"]})
        (folder / "roots").mkdir(mode=0o700)
        made = server.run("backup", str(backup))
        assert made.returncode == 0, made.stderr
        assert "keep it from others, or encrypt it" in made.stdout
        into_state = server.run("backup", str(server.state_dir / "x.backup"))
        assert (into_state.returncode, "would be lost with it" in into_state.stderr) == (2, True)
        again = server.run("backup", str(folder / "roots" / "node.backup"))
        assert again.returncode == 0, again.stderr  # where the user may not pass to
    assert (backup.stat().st_uid, backup.stat().st_mode & 0o777) == (0, 0o600)
    shutil.rmtree(server.state_dir)
    restored = server.run("restore", str(folder / "roots" / "node.backup"))
    assert restored.returncode == 0, restored.stderr
    assert owners_below(server.state_dir) == {LESSER.uid}
    server.expects_trouble = True  # its tokens are suspended
    with server:
        wait_until(lambda: is_blocked_everywhere(server.port, "blocked.example"), "the restored policy")
        assert users_of(server) == {LESSER.uid}
