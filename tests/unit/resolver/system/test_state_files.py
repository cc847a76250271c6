"""Files of the state directory: what was planted there is refused, and neither read nor written to."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from resolver.system.state_files import NotOursError, check_own, make_folder, open_own, read_own, write_whole


def _link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def _dangling(path: Path, victim: Path) -> None:
    path.symlink_to(victim.with_name("made"))


def _pipe(path: Path, victim: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path, victim: Path) -> None:
    path.mkdir()


PLANTED = pytest.mark.parametrize("plant", [_link, _dangling, _pipe, _folder])
FLAGS = pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_APPEND, os.O_RDWR])


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of somebody's."""
    file = tmp_path / "victim"
    file.write_text("kept")
    return file


@PLANTED
@FLAGS
def test_what_is_no_file_of_ours_is_refused_whatever_it_is_opened_for(
    tmp_path: Path, victim: Path, plant: Callable[[Path, Path], None], flags: int
) -> None:
    path = tmp_path / "ours"
    plant(path, victim)
    with pytest.raises(OSError):
        os.close(open_own(path, flags))
    assert victim.read_text() == "kept"
    assert not (tmp_path / "made").exists()


def test_a_second_name_of_a_file_is_read_but_not_written_to(tmp_path: Path, victim: Path) -> None:
    path = tmp_path / "ours"
    path.hardlink_to(victim)
    assert read_own(path) == b"kept"
    with pytest.raises(NotOursError, match="second name"):
        check_own(path)


@pytest.mark.parametrize("plant", [_link, _dangling])
def test_what_is_written_whole_takes_the_place_of_a_link_and_not_of_what_it_leads_to(
    tmp_path: Path, victim: Path, plant: Callable[[Path, Path], None]
) -> None:
    path = tmp_path / "ours"
    plant(path, victim)
    write_whole(path, b"new")
    assert (path.read_bytes(), path.is_symlink(), victim.read_text()) == (b"new", False, "kept")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ours", "victim"]


def test_what_must_be_new_does_not_take_the_place_of_anything(tmp_path: Path, victim: Path) -> None:
    with pytest.raises(FileExistsError):
        write_whole(victim, b"new", exclusive=True)
    assert victim.read_text() == "kept"
    assert [file.name for file in tmp_path.iterdir()] == ["victim"]


def test_a_file_that_others_could_read_is_taken_back_when_it_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "ours"
    path.write_text("x")
    path.chmod(0o644)
    check_own(path, tmp_path / "nothing")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_is_ours_alone_and_no_link(tmp_path: Path, victim: Path) -> None:
    make_folder(tmp_path / "state" / "lists")
    assert stat.S_IMODE((tmp_path / "state" / "lists").stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "state")
    with pytest.raises(NotOursError):
        make_folder(tmp_path / "link")
    with pytest.raises(OSError):
        make_folder(victim)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_elses_is_refused(tmp_path: Path, victim: Path) -> None:
    os.chown(victim, 65_534, 65_534)
    for flags in (os.O_RDONLY, os.O_RDWR):
        with pytest.raises(NotOursError, match="belongs to the user with the id 65534"):
            os.close(open_own(victim, flags))
