"""A new state directory takes the place of the old one, and a kill at any moment leaves one of the two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resolver.system import placing

OLD = {"audit.key": "old", "lists/a.rules": "old", "gone": "old", "query-log/day": "log"}
NEW = {"audit.key": "new", "lists/b.rules": "new", "fresh": "new"}


class Killed(BaseException):
    """The process ends here."""


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def files_of(folder: Path) -> dict[str, str]:
    names = [path for path in folder.rglob("*") if path.is_file()]
    found = {str(path.relative_to(folder)): path.read_text() for path in names}
    return {name: text for name, text in found.items() if not placing.is_of_restoring(name.split("/")[0])}


def prepared(state_dir: Path) -> Path:
    state_dir.mkdir()
    fill(state_dir, OLD)
    (state_dir / "moatdns.lock").write_text("1")
    new = placing.begin(state_dir)
    fill(new, NEW)
    return new


def test_the_old_state_is_set_aside_and_what_stays_stays(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    aside = placing.decide(state_dir, prepared(state_dir), ("query-log",))
    assert aside is not None
    assert files_of(state_dir) == {**NEW, "query-log/day": "log", "moatdns.lock": "1"}
    assert files_of(state_dir / aside) == {name: text for name, text in OLD.items() if name != "query-log/day"}
    assert sorted(path.name for path in state_dir.glob("restore.*")) == []


def test_an_empty_directory_has_nothing_to_set_aside(tmp_path: Path) -> None:
    new = placing.begin(tmp_path)
    fill(new, NEW)
    assert placing.decide(tmp_path, new) is None
    assert files_of(tmp_path) == NEW
    assert placing.finish(tmp_path) is None


def test_a_kill_at_any_step_leaves_the_old_state_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = []
    rename = Path.rename
    for step in range(100):
        state_dir = tmp_path / str(step)
        new = prepared(state_dir)
        left = [step]

        def counted(path: Path, target: Any, left: list[int] = left) -> Path:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return rename(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", counted)
            try:
                placing.decide(state_dir, new)
                is_done = True
            except Killed:
                is_done = False
        placing.finish(state_dir)  # as the next start does
        placing.forget(state_dir)
        there = files_of(state_dir)
        there.pop("moatdns.lock")
        assert there in (OLD, NEW)
        outcomes.append(there == NEW)
        if there == NEW:
            (aside,) = state_dir.glob("before-restore-*")
            assert files_of(aside) == OLD
        if is_done:
            break
    assert outcomes[0] is False
    assert outcomes.count(False) == 1, "the one rename that decides"
    assert len(outcomes) > 5
